"""95 % intervals by a cluster bootstrap: groups are drawn with replacement within their source.

One set of draws serves all models, so differences between models, ranks and intervals come from the same draws, and
adding a model changes nothing for the others.

Method: percentile intervals at the expanded levels of Hesterberg, "What Teachers Should Know About the Bootstrap"
(2015), which widen them for few groups as Student's t does. Shares that no draw moves off 0 or 1 get Wilson's interval
instead, since a bootstrap of "never happened" has no width. Below `MIN_GROUPS` groups there is no interval.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from roboreward.bench.metrics import Floats, Metric, answer_of
from roboreward.bench.record import Record
from roboreward.core import student_t, wilson

MIN_GROUPS: Final = 10
_MOST_COUNTS: Final = 30_000_000
_FEWEST_DRAWS: Final = 500
NUM_DRAWS: Final = 4_000
_Z = NormalDist().inv_cdf(0.975)
Cluster = tuple[str, str]
"""(source, group): a group that spans sources counts as one cluster in each."""


class Estimate(BaseModel):
    """A number with its 95 % interval; None where it is undefined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    lo: float | None = None
    hi: float | None = None


class Draws:
    """Shared resampling weights over the clusters of one example set.

    Args:
        clusters: All clusters, in any order; repeats do not matter.
        num_draws: Number of resamples; fewer are drawn where hundreds of sources would not fit into memory.
        seed: Seed of the weights.

    Attributes:
        sources: Sorted names: axis S of all tables.
        num_groups: Number of clusters.
    """

    def __init__(
        self, clusters: Sequence[Cluster], *, num_draws: int = NUM_DRAWS, seed: int = 0
    ) -> None:
        self._clusters = sorted(set(clusters))
        self._place = {cluster: i for i, cluster in enumerate(self._clusters)}
        self.sources = sorted({source for source, _ in self._clusters})
        self.num_groups = len(self._clusters)
        self._source_of = np.array(
            [self.sources.index(source) for source, _ in self._clusters], dtype=np.intp
        )
        num_draws = min(num_draws, max(_FEWEST_DRAWS, _MOST_COUNTS // (30 * len(self.sources))))
        weights_DG = _draw_weights(self._source_of, num_draws, np.random.default_rng(seed))
        members = [np.flatnonzero(self._source_of == s) for s in range(len(self.sources))]
        self._by_source = [(places, weights_DG[:, places]) for places in members]
        self._num_draws = num_draws

    @property
    def has_intervals(self) -> bool:
        """Whether there are enough groups for an interval."""
        return self.num_groups >= MIN_GROUPS

    def tables(self, records: Sequence[Record]) -> Floats:
        """Return the count tables of all draws for one model's records, shape (D, S, 5, 6)."""
        counts_GK = np.zeros((self.num_groups, 30), dtype=np.float32)
        for record in records:
            if record.verdict.status != "failed":
                place = self._place[(record.source, record.group)]
                counts_GK[place, (record.label - 1) * 6 + answer_of(record)] += 1
        out = np.empty((self._num_draws, len(self.sources), 30))
        for source, (places, weights) in enumerate(self._by_source):
            out[:, source] = weights @ counts_GK[places]
        return out.reshape(-1, len(self.sources), 5, 6)

    def sums(self, clusters: Sequence[Cluster], values_NK: Floats) -> Floats:
        """Return sums over the rows of each draw, (D, K): a row counts as often as its cluster was drawn.

        Args:
            clusters: Where each row belongs, N of them.
            values_NK: What to add up.
        """
        places = [self._place[cluster] for cluster in clusters]
        per_GK = np.zeros((self.num_groups, values_NK.shape[1]))
        np.add.at(per_GK, places, values_NK)
        out = np.zeros((self._num_draws, values_NK.shape[1]))
        for members, weights in self._by_source:
            out += weights @ per_GK[members]
        return out

    def estimate(
        self,
        metric: Metric,
        counts: Floats,
        tables: Floats,
        *,
        is_share: bool = False,
        num_groups: int | None = None,
    ) -> Estimate:
        """Return a metric's value on `counts` (S, 5, 6) with its interval from `tables` (D, S, 5, 6).

        Args:
            metric: See `metrics`.
            counts: Counts of the records.
            tables: Counts of all draws of the same records.
            is_share: Whether the metric is a share of examples.
            num_groups: Groups that the metric looks at, when not all.
        """
        num = self.num_groups if num_groups is None else num_groups
        value = as_number(metric(counts))
        if value is None or num < MIN_GROUPS:
            return Estimate(value=value)
        if is_share and value in (0.0, 1.0):
            lo, hi = wilson(value, num)
            return Estimate(value=value, lo=lo, hi=hi)
        return self.interval(value, metric(tables), num_groups=num)

    def interval(self, value: float, draws: Floats, *, num_groups: int | None = None) -> Estimate:
        """Return `value` with the percentile interval of `draws` (D,); undefined draws are left out."""
        num = self.num_groups if num_groups is None else num_groups
        defined = draws[~np.isnan(draws)]
        if num < MIN_GROUPS or len(defined) < len(draws) / 2:
            return Estimate(value=value)
        tail = expanded_tail(num)
        lo, hi = np.quantile(defined, [tail, 1 - tail])
        return Estimate(value=value, lo=float(lo), hi=float(hi))


def expanded_tail(num_groups: int) -> float:
    """Return the tail share whose percentile interval covers 95 % with `num_groups` clusters; 0.025 for many."""
    return NormalDist().cdf(-math.sqrt(num_groups / (num_groups - 1)) * student_t(num_groups - 1))


def as_number(value: Floats) -> float | None:
    """Return a 0-d result as float, None for NaN."""
    number = float(value)
    return None if math.isnan(number) else number


def _draw_weights(
    source_of: npt.NDArray[np.intp], num_draws: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw how often each cluster occurs in each resample, shape (D, G), stratified by source.

    A source with one group would never vary and its error would be taken for certain; with such sources the draw is
    over all clusters at once.
    """
    weights = np.zeros((num_draws, len(source_of)), dtype=np.float32)
    _, sizes = np.unique(source_of, return_counts=True)
    strata = np.zeros_like(source_of) if len(sizes) and sizes.min() < 2 else source_of
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        even = np.full(len(members), 1 / len(members))
        weights[:, members] = rng.multinomial(len(members), even, size=num_draws)
    return weights
