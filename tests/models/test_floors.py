from collections import Counter

import numpy as np
import pytest

from roboreward.core import FittedOnLabels, Query, UsageError
from roboreward.models import (
    ABLATIONS,
    Ablated,
    Constant,
    FirstFrame,
    LabelSampler,
    Mock,
    TextOnly,
    load_model,
)
from roboreward.testing import synthetic_queries, synthetic_sample

LABELS = [1] * 50 + [2] * 30 + [4] * 20


def queries_with(tasks):
    sample = synthetic_sample()
    return [Query(sample, task, f"q{i}") for i, task in enumerate(tasks)]


@pytest.mark.parametrize("value", [1, 2, 3, 4, 5])
def test_the_constant_is_constant(value):
    queries = synthetic_queries(3)
    verdicts = Constant(value).score(queries)
    assert [v.score for v in verdicts] == [value] * 3
    assert [v.frames for v in verdicts] == [q.sample.record for q in queries]
    assert all(v.latency_s is not None and v.probs is None for v in verdicts)


@pytest.mark.parametrize("model", [LabelSampler(), TextOnly()], ids=lambda m: m.name)
def test_a_floor_that_learns_from_labels_says_so_when_it_has_none(model):
    assert isinstance(model, FittedOnLabels)
    with pytest.raises(UsageError, match="bench run"):
        model.score(synthetic_queries(1))


@pytest.mark.parametrize("model", [LabelSampler(), TextOnly()], ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("tasks", "scores", "message"),
    [([], [], "0 tasks"), (["a"], [1, 2], "1 tasks and 2"), (["a", "b"], [1, 6], "score 6")],
)
def test_labels_that_cannot_be_learned_from_are_refused(model, tasks, scores, message):
    with pytest.raises(UsageError, match=message):
        model.fit(tasks, scores)


def test_the_models_that_look_are_not_mistaken_for_fitted_ones():
    assert not isinstance(FirstFrame(Mock("4")), FittedOnLabels)
    assert not isinstance(Constant(3), FittedOnLabels)


def test_the_sampler_follows_the_labels_and_never_gives_a_score_without_any():
    model = LabelSampler()
    model.fit(["a"] * 100, LABELS)
    drawn = Counter(v.score for v in model.score(queries_with(["wave"] * 1000)))
    assert set(drawn) == {1, 2, 4}
    for score, share in ((1, 0.5), (2, 0.3), (4, 0.2)):
        assert drawn[score] / 1000 == pytest.approx(share, abs=0.06)


def test_a_draw_depends_on_id_task_and_seed_but_not_on_the_order():
    model, other = LabelSampler(), LabelSampler(seed=1)
    for one in (model, other):
        one.fit(["a"] * 5, [1, 2, 3, 4, 5])
    queries = queries_with([f"task {i}" for i in range(50)])
    scores = [v.score for v in model.score(queries)]
    assert [v.score for v in model.score(queries[::-1])] == scores[::-1]
    assert [v.score for v in other.score(queries)] != scores
    renamed = [Query(q.sample, q.task, f"other {q.query_id}") for q in queries]
    assert [v.score for v in model.score(renamed)] != scores
    assert other.revision != model.revision


def test_the_sampler_forgets_what_it_was_fitted_on_before():
    model = LabelSampler()
    model.fit(["a"], [1])
    model.fit(["a"], [5])
    assert {v.score for v in model.score(synthetic_queries(4))} == {5}


def test_text_only_learns_what_the_wording_gives_away():
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 6, 400)
    words = ("cup", "plate", "bowl", "spoon")
    tasks = [
        f"put the {rng.choice(words)} " + "very " * s + f"near the {rng.choice(words)}"
        for s in scores
    ]
    model = TextOnly()
    model.fit(tasks[:300], [int(s) for s in scores[:300]])
    verdicts = model.score(queries_with(tasks[300:]))
    errors = [abs(v.score - s) for v, s in zip(verdicts, scores[300:], strict=True)]
    assert np.mean(errors) < 0.8 < np.mean(np.abs(3 - scores[300:]))


def test_text_only_answers_with_the_median_label_when_the_wording_says_nothing():
    model = TextOnly()
    model.fit(["lift it"] * 100, LABELS)
    (verdict,) = model.score(queries_with(["entirely other words"]))
    assert verdict.score in (1, 2)
    assert verdict.probs == pytest.approx((0.493, 0.298, 0.005, 0.2, 0.005), abs=0.01)
    assert verdict.distribution_source == "head"


def test_text_only_is_blind():
    model = TextOnly()
    model.fit(["lift the cup", "drop the cup"], [5, 1])
    one, other = (Query(synthetic_sample(seed=s), "lift the cup", str(s)) for s in (1, 2))
    first, second = model.score([one, other])
    assert first.probs == second.probs


class Looker(Constant):
    """Remembers what it was shown."""

    name = "looker"

    def __init__(self):
        super().__init__(3)
        self.name = "looker"
        self.seen = []

    def score(self, queries):
        self.seen += [q.sample for q in queries]
        return super().score(queries)


def test_first_frame_shows_nothing_but_the_first_frame():
    inner = Looker()
    model = FirstFrame(inner)
    queries = synthetic_queries(2, num_frames=4)
    verdicts = model.score(queries)
    for query, shown, verdict in zip(queries, inner.seen, verdicts, strict=True):
        assert (shown.frames_THWC == query.sample.frames_THWC[0]).all()
        assert shown.frames_THWC.shape == query.sample.frames_THWC.shape
        assert verdict.frames is not None
        assert verdict.frames.indices == (0, 0, 0, 0)
    assert model.name == "floor:first-frame:looker" == verdicts[0].model
    assert model.frame_policy == inner.frame_policy


def shown_by(ablation, *, seed=0, query_id="q", num_frames=5):
    inner = Looker()
    sample = synthetic_sample(num_frames=num_frames)
    (verdict,) = Ablated(inner, ablation, seed=seed).score([Query(sample, "lift it", query_id)])
    assert verdict.frames is not None
    return sample, inner.seen[0], verdict


@pytest.mark.parametrize(
    ("ablation", "order"),
    [
        ("first-frame", (0, 0, 0, 0, 0)),
        ("last-frame", (4, 4, 4, 4, 4)),
        ("frozen", (2, 2, 2, 2, 2)),
        ("reversed", (4, 3, 2, 1, 0)),
    ],
)
def test_an_ablation_shows_what_it_says_at_the_times_of_the_true_places(ablation, order):
    sample, shown, verdict = shown_by(ablation)
    assert np.array_equal(shown.frames_THWC, sample.frames_THWC[list(order)])
    assert shown.record.timestamps_s == sample.record.timestamps_s
    assert verdict.frames.indices == tuple(10 * place for place in order)
    assert verdict.model == f"floor:{ablation}:looker"


def test_shuffling_shows_all_frames_in_an_order_of_its_own_for_each_query_and_seed():
    sample, shown, verdict = shown_by("shuffled", num_frames=8)
    indices = verdict.frames.indices
    assert sorted(indices) == list(sample.record.indices) != list(indices)
    assert np.array_equal(shown.frames_THWC, sample.frames_THWC[[i // 10 for i in indices]])
    assert shown.record.timestamps_s == sample.record.timestamps_s
    assert shown_by("shuffled", num_frames=8)[2].frames.indices == indices
    assert shown_by("shuffled", num_frames=8, seed=1)[2].frames.indices != indices
    assert shown_by("shuffled", num_frames=8, query_id="r")[2].frames.indices != indices


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_one_frame_stays_one_frame(ablation):
    sample, shown, _ = shown_by(ablation, num_frames=1)
    assert np.array_equal(shown.frames_THWC, sample.frames_THWC)


def test_another_seed_is_another_revision_only_where_it_matters():
    inner = Looker()
    assert Ablated(inner, "shuffled").revision != Ablated(inner, "shuffled", seed=1).revision
    assert Ablated(inner, "frozen").revision == Ablated(inner, "frozen", seed=1).revision == "1"


def test_an_ablated_model_offers_only_what_it_can_pass_on():
    inner = Looker()
    inner.capabilities = frozenset({"distribution", "dense", "preference"})
    assert Ablated(inner, "reversed").capabilities == {"distribution"}


def test_a_query_without_a_task_fails_alone():
    good = synthetic_queries(2)
    queries = [good[0], Query(good[0].sample, " \n"), good[1]]
    verdicts = load_model("floor:constant-4").score(queries)
    assert [v.status for v in verdicts] == ["scored", "failed", "scored"]
    assert "empty" in (verdicts[1].reason or "")
    assert verdicts[1].frames == good[0].sample.record
