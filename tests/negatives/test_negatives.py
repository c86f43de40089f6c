"""Clips and relabels are proposed by the recipe and judged by the oracle."""

from collections import Counter

import numpy as np

from roboreward.core import SCORES, Label
from roboreward.negatives import CLIP_FRACTIONS, balanced, relabels, temporal_clips


class Table:
    """An oracle that looks scores up."""

    name = "table"
    episode_id = "episode-7"

    def __init__(self, scores: dict[tuple[str, float], int]) -> None:
        self.scores = scores

    def label(self, task: str, keep_frac: float) -> Label:
        return Label(score=SCORES[self.scores[task, keep_frac] - 1], author=self.name)


def test_clip_fractions_are_those_measured_on_the_published_set() -> None:
    assert dict(CLIP_FRACTIONS) == {1: 0.1, 2: 0.3, 3: 0.5, 4: 0.7}


def test_a_clip_is_accepted_only_where_the_oracle_agrees() -> None:
    oracle = Table({("a", 0.1): 1, ("a", 0.3): 2, ("a", 0.5): 2, ("a", 0.7): 5})
    clips = temporal_clips("a", oracle)
    assert [c.validation.is_accepted for c in clips] == [True, True, False, False]
    assert [c.label.score for c in clips] == [1, 2, 2, 5]
    assert [c.proposed for c in clips] == [1, 2, 3, 4]
    assert {c.origin for c in clips} == {"clip"}


def test_every_negative_says_what_it_was_made_from_and_how() -> None:
    oracle = Table({("a", f): 1 for f in (0.1, 0.3, 0.5, 0.7, 1.0)})
    clip, relabel = temporal_clips("a", oracle)[2], relabels(["a"], oracle)[0]
    assert clip.provenance.parent_ids == relabel.provenance.parent_ids == ("episode-7",)
    assert (clip.provenance.operation, relabel.provenance.operation) == ("clip", "relabel")
    assert clip.provenance.details == {"keep_frac": 0.5, "proposed": 3}


def test_a_relabel_that_is_fulfilled_too_keeps_its_five() -> None:
    found = relabels(["b", "c"], Table({("b", 1.0): 5, ("c", 1.0): 1}))
    assert [n.label.score for n in found] == [5, 1]
    assert {n.origin for n in found} == {"counterfactual"}


def test_balancing_draws_at_most_the_quota_of_each_level_and_keeps_the_order() -> None:
    scores = {(f"t{i:02d}", 1.0): 1 if i < 20 else i % 5 + 1 for i in range(40)}
    every = relabels([task for task, _ in scores], Table(scores))
    chosen = balanced(every, per_level=3, rng=np.random.default_rng(0))
    assert Counter(n.label.score for n in chosen) == dict.fromkeys(SCORES, 3)
    assert [n.task for n in chosen] == sorted(n.task for n in chosen)
