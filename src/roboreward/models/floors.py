"""Floors: answers that take no look at what the robot did. A model that does not beat them has shown nothing."""

import hashlib
from collections.abc import Sequence

import numpy as np

from roboreward.core import (
    ENDS_ONLY,
    SCORES,
    Capability,
    FramePolicy,
    Query,
    RewardModel,
    Score,
    UsageError,
    Verdict,
)
from roboreward.models.ablated import Ablated
from roboreward.models.answering import answer_each


class Constant:
    """Always the same score.

    Args:
        value: The score, 1..5.
    """

    revision = "1"
    frame_policy: FramePolicy = ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, value: Score) -> None:
        self.value: Score = value
        self.name = f"floor:constant-{value}"

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Answer every query with the constant."""
        return answer_each(self, queries, lambda _: Verdict.scored(self.value))


class LabelSampler:
    """Draws each score from the distribution of the labels it was fitted on.

    The draw depends on the seed, the query's id and its task, not on the order of the queries, so a resumed run gives
    the same answers.

    Args:
        seed: Another seed gives other draws.
    """

    name = "floor:label-sampler"
    frame_policy: FramePolicy = ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.revision = f"1-seed{seed}"
        self._cumulative: tuple[float, ...] | None = None

    def fit(self, tasks: Sequence[str], scores: Sequence[int]) -> None:
        """Count the scores. The tasks only have to be as many."""
        counts = label_counts(tasks, scores)
        self._cumulative = tuple(float(c) for c in np.cumsum(counts) / counts.sum())

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Draw a score for every query.

        Raises:
            UsageError: `fit` was not called.
        """
        cumulative = self._cumulative
        if cumulative is None:
            raise unfitted(self.name)
        return answer_each(
            self, queries, lambda query: Verdict.scored(self._draw(query, cumulative))
        )

    def _draw(self, query: Query, cumulative: tuple[float, ...]) -> Score:
        key = f"{self.seed}\0{query.query_id}\0{query.task}".encode("utf-8", "replace")
        uniform = int.from_bytes(hashlib.sha256(key).digest()[:8], "big") / 2**64
        return SCORES[min(4, sum(uniform >= share for share in cumulative))]


class FirstFrame(Ablated):
    """Another model that sees only the first frame, repeated as often as it was given frames.

    What it scores better than the blind floors is what the start of a video gives away.

    Args:
        inner: The model to ask. Its frame policy is kept, so that it gets as many frames as ever.
    """

    def __init__(self, inner: RewardModel) -> None:
        super().__init__(inner, "first-frame")


def label_counts(
    tasks: Sequence[str], scores: Sequence[int]
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return how often each of 1..5 occurs, (5,).

    Raises:
        UsageError: No labels, not as many tasks as scores, or a score that is not one of 1..5.
    """
    if not scores or len(tasks) != len(scores):
        raise UsageError(f"Cannot fit on {len(tasks)} tasks and {len(scores)} scores.")
    wrong = sorted({score for score in scores if score not in SCORES})
    if wrong:
        raise UsageError(f"Cannot fit on the score {wrong[0]}: labels are 1 to 5.")
    return np.bincount(np.asarray(scores, np.int64) - 1, minlength=5).astype(np.int64)


def unfitted(name: str) -> UsageError:
    """Return the error for a floor that is asked before it has seen labels."""
    return UsageError(
        f"{name} learns from the labels of a set, so it has no answer on its own. "
        "It is used in `roboreward bench run`, which fits it on other groups than it is asked about."
    )
