"""Intervals over a handful of seeds."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from roboreward.core import student_t, wilson

_NO_WIDTH: Final = 1e-9


class Interval(BaseModel):
    """A mean with its 95 % interval; `lo` and `hi` are None with fewer than `MIN_VALUES` values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    lo: float | None = None
    hi: float | None = None

    @property
    def is_separable_from_zero(self) -> bool:
        """Whether the interval leaves zero out. One without a width says only that these few agreed."""
        if self.lo is None or self.hi is None or self.hi - self.lo < _NO_WIDTH:
            return False
        return not self.lo <= 0 <= self.hi


MIN_VALUES: Final = 3
"""Two values can agree by chance, and then their interval would have no width."""


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of a few independent values with Student's t interval at 95 %.

    Values of seeds are few and not far from normal, for each is itself a mean of many episodes.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("no values")
    mean = float(np.mean(values))
    if len(values) < MIN_VALUES:
        return Interval(value=mean)
    half = student_t(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(value=mean, lo=mean - half, hi=mean + half)


def share_interval(shares: Sequence[float], *, num_cases: int) -> Interval:
    """Return the mean of a few seeds' shares with its 95 % interval, within [0, 1].

    When all seeds have the same share, their spread says nothing, and Wilson's interval of the share among all
    `num_cases` cases stands in.
    """
    found = mean_interval(shares)
    if found.lo is None or found.hi is None:
        return found
    # The shares themselves are compared: the mean of equal numbers may be off by its rounding.
    if len(set(shares)) == 1:
        lo, hi = wilson(found.value, num_cases)
        return Interval(value=found.value, lo=lo, hi=hi)
    return Interval(value=found.value, lo=max(0.0, found.lo), hi=min(1.0, found.hi))
