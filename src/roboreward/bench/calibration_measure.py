"""Means over rows, reliability diagrams and calibration errors, each with a 95 % interval that resamples groups.

ECE, the expected calibration error, is the mean distance between what was said and what was seen, over bins that hold
equally many rows. Noise alone makes it larger than zero, and resampling makes it larger again, so that a percentile
interval would lie above the truth. Here the lower end is 0 where noise alone reaches the value in more than 5 % of the
draws, and else the bootstrap's reflected at the value; the upper end is the percentile. In simulations with known truth
(`benchmarks/calibration.py`) this holds the truth in 93 to 98 % of the sets.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from roboreward.bench.calibration import Answers
from roboreward.bench.intervals import MIN_GROUPS, Draws, Estimate
from roboreward.core import wilson

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
NUM_BINS: Final = 10
NAMES: Final[Mapping[str, str]] = {
    "nll": "negative log-likelihood of the true level",
    "brier": "Brier score over the five levels",
    "ece": f"ECE of the most probable level, {NUM_BINS} bins",
    "brier_success": "Brier score of P(success)",
    "ece_success": f"ECE of P(success), {NUM_BINS} bins",
}
"""What is measured, in words; lower is better. Brier over five levels lies in [0, 2], of P(success) in [0, 1]."""


class Frozen(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(Frozen):
    """One measure.

    Attributes:
        name: A key of `NAMES`.
        before, after: Its value with its interval.
        change: After minus before, from the same draws.
        noise: What a perfectly calibrated model would show on average with as many rows and groups, for ECE; else None.
    """

    name: str
    before: Estimate
    after: Estimate
    change: Estimate
    noise: float | None = None


class Bin(Frozen):
    """A point of a reliability diagram: `num` rows with the mean probability `said`; `seen` is how often it was so."""

    said: float
    seen: Estimate
    num: int


class Ruler:
    """Numbers over one set of answers, all from the same draws.

    Args:
        answers: The rows.
        num_draws, seed: Of the resamples.
    """

    def __init__(self, answers: Answers, *, num_draws: int, seed: int) -> None:
        self.answers = answers
        self._clusters = answers.clusters
        self._draws = Draws(self._clusters, num_draws=num_draws, seed=seed)

    def mean(
        self, values_N: npt.NDArray[np.generic], of_N: Floats | Bools, *, is_share: bool = False
    ) -> Estimate:
        """Return the sum of `values_N` over that of `of_N`, both (N,) and >= 0; undefined where `of_N` is all 0."""
        parts = np.column_stack([values_N, of_N]).astype(np.float64)
        top, below = parts.sum(axis=0)
        if below <= 0:
            return Estimate(value=None)
        value = min(1.0, float(top / below)) if is_share else float(top / below)
        num = len({self._clusters[row] for row in np.flatnonzero(of_N)})
        if is_share and value in (0.0, 1.0) and num >= MIN_GROUPS:
            lo, hi = wilson(value, num)
            return Estimate(value=value, lo=lo, hi=hi)
        sums = self._draws.sums(self._clusters, parts)
        return self._draws.interval(value, _ratio(sums[:, 0], sums[:, 1]), num_groups=num)

    def mean_change(self, name: str, before_N: Floats, after_N: Floats) -> Change:
        """Return the change of a mean over rows."""
        all_N = np.ones(len(self.answers))
        return Change(
            name=name,
            before=self.mean(before_N, all_N),
            after=self.mean(after_N, all_N),
            change=self.mean(after_N - before_N, all_N),
        )

    def ece_change(self, name: str, before_N: Floats, after_N: Floats, is_so_N: Bools) -> Change:
        """Return the change of an expected calibration error. The interval of the change is the wider of both kinds."""
        old, old_draws, old_noise = self._ece(before_N, is_so_N)
        new, new_draws, new_noise = self._ece(after_N, is_so_N)
        change = self._draws.interval(new - old, new_draws - old_draws)
        if change.lo is not None and change.hi is not None:
            lo = min(change.lo, 2 * (new - old) - change.hi)
            hi = max(change.hi, 2 * (new - old) - change.lo)
            change = Estimate(value=new - old, lo=lo, hi=hi)
        return Change(
            name=name,
            before=self._above_noise(old, old_draws, old_noise),
            after=self._above_noise(new, new_draws, new_noise),
            change=change,
            noise=float(new_noise.mean()),
        )

    def bins(self, said_N: Floats, is_so_N: Bools) -> tuple[Bin, ...]:
        """Return the points of a reliability diagram."""
        bin_N = equal_mass_bins(said_N)
        return tuple(
            Bin(
                said=float(said_N[bin_N == place].mean()),
                seen=self.mean(is_so_N & (bin_N == place), bin_N == place, is_share=True),
                num=int((bin_N == place).sum()),
            )
            for place in range(int(bin_N.max()) + 1)
        )

    def _ece(self, said_N: Floats, is_so_N: Bools) -> tuple[float, Floats, Floats]:
        """Return the value, its draws, and draws of the noise alone: of the gaps around the gaps that are there."""
        in_bin = np.eye(NUM_BINS)[equal_mass_bins(said_N)]
        parts = np.column_stack([in_bin * (said_N - is_so_N)[:, None], np.ones(len(said_N))])
        gaps = parts[:, :-1].sum(axis=0) / len(said_N)
        sums = self._draws.sums(self._clusters, parts)
        drawn = sums[:, :-1] / np.maximum(sums[:, -1:], 1.0)
        noise = np.abs(drawn - gaps).sum(axis=1)
        return float(np.abs(gaps).sum()), np.abs(drawn).sum(axis=1), noise

    def _above_noise(self, value: float, draws: Floats, noise: Floats) -> Estimate:
        found = self._draws.interval(value, draws)
        if found.lo is None or found.hi is None:
            return found
        is_noise = value <= float(np.quantile(noise, 0.95))
        lo = 0.0 if is_noise else min(value, max(0.0, 2 * value - found.hi))
        return Estimate(value=value, lo=lo, hi=max(value, found.hi))


def equal_mass_bins(said_N: Floats) -> npt.NDArray[np.intp]:
    """Return the bin of each probability, from 0: `NUM_BINS` of equally many rows; equal ones stay in one bin."""
    inner = np.quantile(said_N, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="higher")
    places = np.searchsorted(np.unique(inner), said_N, side="right")
    return np.asarray(np.unique(places, return_inverse=True)[1], np.intp)


def _ratio(top_D: Floats, below_D: Floats) -> Floats:
    out = np.full(len(top_D), np.nan)
    np.divide(top_D, below_D, out=out, where=below_D > 0)
    return out
