"""Fitting a calibration: numbers in, parameters out. What the numbers may come from is decided by `bench`.

Every row has the same weight in temperature and isotonic curve; every group has the same weight in the conformal limit,
because groups, not rows, are what can be exchanged.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.core import UsageError, rising_pools
from roboreward.models.calibration import (
    SMALLEST_PROB,
    AbstainBand,
    Conformal,
    Floats,
    Isotonic,
    expected_errors,
    nonconformity,
    tempered,
)

Ints = npt.NDArray[np.int64]
COLDEST, HOTTEST = 0.05, 20.0
"""Ends of the temperatures that are looked at. A model that is always right would go to 0."""
_NUM_STEPS: Final = 80


def fit_temperature(probs_N5: Floats, label_N: Ints) -> float:
    """Return the temperature with the least negative log-likelihood of the labels, between `COLDEST` and `HOTTEST`.

    The likelihood is concave in 1 / T, so the sign of its slope, mean log-probability of the labels minus the mean that
    the tempered probabilities expect, says on which side the best one lies: bisection of log T (Guo et al. 2017 fit the
    same number by gradient descent).
    """
    logs = np.log(np.maximum(probs_N5, SMALLEST_PROB))
    seen = logs[np.arange(len(logs)), label_N - 1]

    def is_too_hot(temperature: float) -> bool:
        expected = (tempered(probs_N5, temperature=temperature) * logs).sum(axis=1)
        return float((seen - expected).mean()) > 0

    cold, hot = np.log(COLDEST), np.log(HOTTEST)
    if is_too_hot(COLDEST):
        return COLDEST
    if not is_too_hot(HOTTEST):
        return HOTTEST
    for _ in range(_NUM_STEPS):
        middle = (cold + hot) / 2
        cold, hot = (cold, middle) if is_too_hot(float(np.exp(middle))) else (middle, hot)
    return float(np.exp((cold + hot) / 2))


def fit_isotonic(x_N: Floats, is_success_N: npt.NDArray[np.bool_]) -> Isotonic:
    """Return the curve nearest to the outcomes (in squares) that never falls: pool adjacent violators.

    Ties: rows with the same x are pooled first, so that the curve has one value for each x. Between two pools it is
    straight. Extrapolation: below the smallest x and above the largest it keeps the value at the end. Values of 0 and 1
    are moved to 1 / (N + 2) and its complement, since N rows cannot show that something never happens.
    """
    xs, inverse = np.unique(x_N, return_inverse=True)
    counts = np.bincount(inverse, minlength=len(xs))
    sums = np.bincount(inverse, weights=is_success_N.astype(np.float64), minlength=len(xs))
    # Of each pool: successes, rows, number of different x.
    pools = rising_pools(zip(sums.tolist(), counts.astype(float).tolist(), strict=True))
    least = 1 / (len(x_N) + 2)
    points: list[tuple[float, float]] = []
    start = 0
    for total, rows, width in pools:
        y = min(max(total / rows, least), 1 - least)
        ends = {float(xs[start]), float(xs[start + width - 1])}
        points += [(x, y) for x in sorted(ends)]
        start += width
    return Isotonic(x=tuple(x for x, _ in points), y=tuple(y for _, y in points))


def fit_conformal(
    probs_N5: Floats, score_N: Ints, label_N: Ints, groups: Sequence[str], *, coverage: float
) -> Conformal:
    """Return the limit of the sets of levels, by hierarchical conformal prediction (Lee, Barber and Willett 2023).

    Guaranteed, whatever the model is worth: when the K groups here and a further one are exchangeable, and the model
    was not fitted on any of them, the set of a row drawn evenly from the further group holds its true level with a
    chance of at least `coverage`, over the draw of all K + 1 groups. Rows of a group may depend on each other in any
    way. Not guaranteed: the same for each level, task or source, or for groups from elsewhere.

    Each group has weight 1 / (K + 1), shared evenly by its rows; the missing group stands at infinity. With too few
    groups for the coverage, all five levels are in every set.
    """
    own = nonconformity(probs_N5, score_N)[np.arange(len(label_N)), label_N - 1]
    _, group_N, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weight_N = 1.0 / (sizes[group_N] * (len(sizes) + 1))
    order = np.argsort(own, kind="stable")
    reached = np.flatnonzero(np.cumsum(weight_N[order]) >= coverage - 1e-12)
    limit = float(own[order][reached[0]]) if len(reached) else 1.0
    return Conformal(coverage=coverage, limit=limit)


def fit_band(probs_N5: Floats, score_N: Ints, *, kept_frac: float) -> AbstainBand:
    """Return the band that keeps at least a share of answers, those with the smallest expected error.

    Args:
        probs_N5: Tempered probabilities.
        score_N: The scores that were given.
        kept_frac: In (0, 1].

    Raises:
        UsageError: The share is not in (0, 1].
    """
    if not 0 < kept_frac <= 1:
        raise UsageError(f"The share of answers to keep is {kept_frac:g}; give one in (0, 1].")
    errors = np.sort(expected_errors(probs_N5, score_N))
    place = int(np.ceil(kept_frac * len(errors) - 1e-9)) - 1
    limit = float(errors[max(0, place)])
    return AbstainBand(max_expected_error=limit, kept_frac=float((errors <= limit).mean()))
