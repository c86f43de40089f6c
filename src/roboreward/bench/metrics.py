"""Metrics as functions of counts.

All metrics depend on nothing but how often each (source, label, answer) occurs. An outcome is therefore a table of
counts `SLA`: S sources, L = 5 labels (1..5), A = 6 answers (1..5, then "no score"). Every function takes counts of
shape (..., S, 5, 6) and returns shape (...), NaN where it is undefined, so the same code serves the point estimate and
all draws of a bootstrap at once.

A failed call (`failed`) is no answer of the model and is in no table; it is counted apart and blocks publication.

Three views of an invalid answer, since published rules disagree and it moves ranks:
    worst   costs the worst error its label allows, max(|5 - label|, |label - 1|): 4 3 2 3 4. Ranking uses this one.
    scored  left out; meaningless without the coverage beside it.
    author  costs 4, as in the authors' published metric code, for comparison with print.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.bench.record import Record

Floats = npt.NDArray[np.float64]
NO_SCORE: Final = 5
"""Column of answers without a score."""

_LEVELS = np.arange(1, 6)
_DISTANCE = np.abs(_LEVELS[:, None] - _LEVELS[None, :]).astype(np.float64)
_WORST = np.column_stack([_DISTANCE, np.maximum(5 - _LEVELS, _LEVELS - 1)])
_AUTHOR = np.column_stack([_DISTANCE, np.full(5, 4.0)])
_SCORED = np.column_stack([_DISTANCE, np.zeros(5)])
_HIT = np.column_stack([_DISTANCE == 0, np.zeros(5, bool)]).astype(np.float64)
_NEAR = np.column_stack([_DISTANCE <= 1, np.zeros(5, bool)]).astype(np.float64)
_LOW = np.zeros((5, 6))
_LOW[:2] = 1
_FALSE_SUCCESS = np.zeros((5, 6))
_FALSE_SUCCESS[:2, 3:5] = 1
_ANSWERED = np.ones((5, 6))
_ANSWERED[:, NO_SCORE] = 0
_ALL = np.ones((5, 6))


def count_table(records: Sequence[Record], sources: Sequence[str]) -> Floats:
    """Count records into (S, 5, 6), sources in the order given. Failed calls are left out."""
    table = np.zeros((len(sources), 5, 6))
    place = {source: position for position, source in enumerate(sources)}
    for record in records:
        if record.verdict.status != "failed":
            table[place[record.source], record.label - 1, answer_of(record)] += 1
    return table


def answer_of(record: Record) -> int:
    """Return the record's answer column: score - 1, or `NO_SCORE`."""
    score = record.verdict.score
    return NO_SCORE if score is None else score - 1


def mae(counts: Floats) -> Floats:
    """Mean absolute error, worst-case view, unweighted mean over the sources that have examples."""
    return _macro(counts, _WORST, _ALL)


def mae_micro(counts: Floats) -> Floats:
    """Mean absolute error, worst-case view, every example with the same weight."""
    return _micro(counts, _WORST, _ALL)


def mae_scored(counts: Floats) -> Floats:
    """Mean absolute error over scored answers only, mean over sources."""
    return _macro(counts, _SCORED, _ANSWERED)


def mae_author(counts: Floats) -> Floats:
    """Mean absolute error with 4 for an invalid answer (authors' metric code), mean over sources."""
    return _macro(counts, _AUTHOR, _ALL)


def mae_at(counts: Floats, level: int) -> Floats:
    """Mean absolute error, worst-case view, of the examples whose label is `level` in 1..5."""
    only = np.zeros((5, 6))
    only[level - 1] = 1
    return _micro(counts, _WORST * only, only)


def mae_levels(counts: Floats) -> Floats:
    """Unweighted mean of `mae_at` over the levels that have examples."""
    return _mean_of_defined(np.stack([mae_at(counts, level) for level in range(1, 6)], axis=-1))


def accuracy(counts: Floats) -> Floats:
    """Share of examples with exactly the right score. An invalid answer is wrong."""
    return _micro(counts, _HIT, _ALL)


def within_one(counts: Floats) -> Floats:
    """Share of examples with a score at most 1 off. An invalid answer is wrong."""
    return _micro(counts, _NEAR, _ALL)


def false_success(counts: Floats) -> Floats:
    """Share of examples labelled 1 or 2 that were given 4 or 5: the error that hurts reinforcement learning."""
    return _micro(counts, _FALSE_SUCCESS, _LOW)


def coverage(counts: Floats) -> Floats:
    """Share of examples that got a score."""
    return _micro(counts, _ANSWERED, _ALL)


def spearman(counts: Floats) -> Floats:
    """Rank correlation of label and score over scored answers, ties by average ranks.

    NaN where it is undefined: fewer than two scored answers, or all labels or all scores the same.
    """
    joint = counts[..., :NO_SCORE].sum(axis=-3)
    label_ranks, label_n = _mid_ranks(joint.sum(axis=-1))
    score_ranks, score_n = _mid_ranks(joint.sum(axis=-2))
    total = label_n.sum(axis=-1)
    a = label_ranks - ((total + 1) / 2)[..., None]
    b = score_ranks - ((total + 1) / 2)[..., None]
    covariance = np.einsum("...ij,...i,...j->...", joint, a, b)
    spread = (label_n * a**2).sum(axis=-1) * (score_n * b**2).sum(axis=-1)
    return np.asarray(np.clip(_ratio(covariance, np.sqrt(spread)), -1.0, 1.0))


Metric = Callable[[Floats], Floats]
METRICS: Final[Mapping[str, Metric]] = {
    "mae": mae,
    "mae_micro": mae_micro,
    "mae_scored": mae_scored,
    "mae_author": mae_author,
    "mae_levels": mae_levels,
    "accuracy": accuracy,
    "within_one": within_one,
    "spearman": spearman,
    "false_success": false_success,
    "coverage": coverage,
}
"""All metrics by name. "mae" is the one that ranks."""

SHARES: Final = frozenset({"accuracy", "within_one", "false_success", "coverage"})
"""Metrics that are shares of examples."""


def _micro(counts: Floats, weights: Floats, base: Floats) -> Floats:
    pooled = counts.sum(axis=-3)
    return _ratio(_total(pooled, weights), _total(pooled, base))


def _macro(counts: Floats, weights: Floats, base: Floats) -> Floats:
    return _mean_of_defined(_ratio(_total(counts, weights), _total(counts, base)))


def _total(counts: Floats, weights: Floats) -> Floats:
    """Weighted sum over the cells of each table: one product with a vector, far faster than cell by cell."""
    return np.asarray(counts.reshape(*counts.shape[:-2], 30) @ weights.ravel(), dtype=np.float64)


def _mean_of_defined(values: Floats) -> Floats:
    is_defined = ~np.isnan(values)
    return _ratio(np.where(is_defined, values, 0.0).sum(axis=-1), is_defined.sum(axis=-1))


def _ratio(top: Floats, bottom: npt.NDArray[np.generic]) -> Floats:
    top, below = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    out: Floats = np.full(np.shape(top), np.nan)
    np.divide(top, below, out=out, where=below > 0)
    return out


def _mid_ranks(totals: Floats) -> tuple[Floats, Floats]:
    """Average rank (from 1) of each of five tied values, given how often each occurs."""
    below = np.cumsum(totals, axis=-1) - totals
    return below + (totals + 1) / 2, totals
