"""The text-only floor: what the wording of a task alone gives away about its score.

Relabelled negatives are often longer and more specific than the tasks they replace (in the published test set the mean
length is 11 to 17 words by score), so a blind reader can score above chance. A benchmark must show that number.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from roboreward.core import ENDS_ONLY, Capability, FramePolicy, Probs, Query, Verdict
from roboreward.models.answering import answer_each
from roboreward.models.floors import label_counts, unfitted
from roboreward.models.nano import median_score, task_words

Floats = npt.NDArray[np.float64]


class TextOnly:
    """Naive Bayes over the words, word pairs and length of the task; the frames are not looked at.

    The score is the median of the posterior, the answer with the least expected absolute error.

    Args:
        smoothing: Pseudo-count added to every feature of every score.
        temperature: Evidence is divided by it, for naive Bayes counts words as independent and is too sure of itself.
    """

    name = "floor:text-only"
    frame_policy: FramePolicy = ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(self, *, smoothing: float = 0.5, temperature: float = 2.0) -> None:
        self.smoothing, self.temperature = smoothing, temperature
        self.revision = f"1-smoothing{smoothing:g}-temperature{temperature:g}"
        self._ids: dict[str, int] | None = None
        self._log_prior: Floats = np.zeros(5)
        self._weights: Floats = np.zeros((0, 5))

    def fit(self, tasks: Sequence[str], scores: Sequence[int]) -> None:
        """Count which features occur with which scores."""
        totals = label_counts(tasks, scores).astype(np.float64)
        features = [task_features(task) for task in tasks]
        ids = {name: i for i, name in enumerate(sorted(set().union(*features)))}
        counts = np.zeros((len(ids), 5))
        for present, score in zip(features, scores, strict=True):
            counts[[ids[name] for name in present], score - 1] += 1
        # How likely a task of this score holds the feature; features that are absent are not evidence.
        likely = (counts + self.smoothing) / (totals + 2 * self.smoothing)
        self._weights = np.log(likely)
        self._log_prior = np.log((totals + self.smoothing) / (totals + self.smoothing).sum())
        self._ids = ids

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Judge every query by its task.

        Raises:
            UsageError: `fit` was not called.
        """
        if self._ids is None:
            raise unfitted(self.name)
        return answer_each(self, queries, self._answer)

    def _answer(self, query: Query) -> Verdict:
        probs = self.posterior(query.task)
        return Verdict.from_probs(probs, source="head", score=median_score(probs))

    def posterior(self, task: str) -> Probs:
        """Return the probabilities of the scores 1..5 given the task. Features it never saw say nothing."""
        ids = self._ids or {}
        known = [ids[name] for name in sorted(task_features(task)) if name in ids]
        logits = self._log_prior + self._weights[known].sum(0) / self.temperature
        weights = np.exp(logits - logits.max())
        p1, p2, p3, p4, p5 = (float(p) for p in weights / weights.sum())
        return p1, p2, p3, p4, p5


def task_features(task: str) -> set[str]:
    """Return the words, the neighbouring pairs, and the length in steps of two words."""
    words = task_words(task)
    pairs = {f"{a} {b}" for a, b in pairwise(words)}
    return {*words, *pairs, f"#length {min(len(words), 40) // 2}"}
