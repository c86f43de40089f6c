import numpy as np
import pytest

from roboreward.core import (
    DenseRewardModel,
    FramePolicy,
    FrameSample,
    Query,
    UsageError,
    Verdict,
    curve_of,
    progress_curve,
)

QUERY = Query(FrameSample.from_array(np.zeros((5, 4, 4, 3), np.uint8)), "lift", "q")


class Counts:
    """Scores a video by how many frames it has."""

    name, revision, frame_policy = "counts", "1", FramePolicy()
    capabilities = frozenset()

    def score(self, queries):
        return [Verdict.scored(len(query.sample.frames_THWC)) for query in queries]


class Dense(Counts):
    capabilities = frozenset({"dense"})

    def curve(self, query, anchors=None):
        return [Verdict.scored(5)] * len(anchors)


def test_any_model_gives_a_curve_by_scoring_prefixes():
    assert [v.score for v in curve_of(Counts(), QUERY)] == [1, 2, 3, 4, 5]
    assert [v.score for v in curve_of(Counts(), QUERY, [2, 5])] == [2, 5]


def test_a_model_that_knows_a_faster_way_goes_it():
    assert isinstance(Dense(), DenseRewardModel)
    assert [v.score for v in curve_of(Dense(), QUERY, [1, 2])] == [5, 5]


@pytest.mark.parametrize("anchors", [[0], [6], [2, -1]])
def test_an_anchor_outside_the_video_is_refused(anchors):
    with pytest.raises(UsageError, match="from 1 to 5"):
        curve_of(Counts(), QUERY, anchors)


def verdicts_of(*scores):
    failed = Verdict.without_score("failed", "no memory")
    return [failed if score is None else Verdict.scored(score) for score in scores]


@pytest.mark.parametrize(
    ("smoothing", "expected"),
    [
        ("none", [0.0, 0.5, None, 0.25, 1.0, 0.75]),
        ("running-max", [0.0, 0.5, None, 0.5, 1.0, 1.0]),
        ("isotonic", [0.0, 0.375, None, 0.375, 0.875, 0.875]),
    ],
)
def test_smoothing_is_named_and_passes_over_what_has_no_score(smoothing, expected):
    assert progress_curve(verdicts_of(1, 3, None, 2, 5, 4), smoothing=smoothing) == expected


def test_an_attempt_that_gets_nowhere_stays_at_the_bottom():
    assert progress_curve(verdicts_of(1, 1, 1)) == [0, 0, 0]


def test_a_distribution_counts_by_its_mean():
    verdict = Verdict.from_probs((0.5, 0, 0, 0, 0.5), source="head")
    assert progress_curve([verdict]) == [0.5]
