"""Numbers of runs: one summary a run, and the comparison of runs on the same examples."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
from pydantic import BaseModel, ConfigDict

from roboreward.bench.folder import RunResult
from roboreward.bench.intervals import NUM_DRAWS, Draws, Estimate, as_number
from roboreward.bench.metrics import METRICS, SHARES, Floats, count_table, mae, mae_at
from roboreward.bench.record import Record
from roboreward.core import UsageError

METRICS_VERSION = "metrics-v1"
_ALPHA = 0.05


class Summary(BaseModel):
    """The numbers of one run. Shares and correlations are fractions; errors are points on the 1..5 scale.

    Attributes:
        estimates: By metric name, see `metrics.METRICS`; "mae" is the one that ranks.
        levels: Mean absolute error (worst-case view) of the labels 1..5.
        confusion: Counts by label 1..5 (rows) and answer 1..5, none (columns); failed calls left out.
        statuses: How many records have each status. They add up to `num_records`.
        num_missing: Examples without a record: the run is unfinished.
        latency_ms: Median wall time a query, as measured on the run's machine.
        is_publishable: Every example has a record and no call failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    revision: str
    run_id: str
    set_name: str
    metrics_version: str = METRICS_VERSION
    num_examples: int
    num_records: int
    num_missing: int
    num_groups: int
    num_sources: int
    is_floor: bool
    is_publishable: bool
    estimates: dict[str, Estimate]
    levels: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]
    statuses: dict[str, int]
    latency_ms: float | None


class Compared(BaseModel):
    """One run beside the others on the same examples.

    Attributes:
        run_id: The run.
        model: Its model.
        behind_best: Its MAE minus that of the run with the lowest MAE, from shared draws; None for that run itself.
        rank_lo: Best rank (from 1) in the middle 95 % of the draws; None without intervals.
        rank_hi: Worst rank in them.
        not_separable_from: Models whose MAE cannot be told from this one's: Holm-adjusted two-sided p >= 0.05.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    model: str
    behind_best: Estimate | None
    rank_lo: int | None
    rank_hi: int | None
    not_separable_from: tuple[str, ...]


def summarize(
    results: Sequence[RunResult], *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> list[Summary]:
    """Return the summaries of runs on one set, in the order given.

    Raises:
        UsageError: No runs, runs on different sets, or a run without any record.
    """
    draws = _shared_draws(results, num_draws=num_draws, seed=seed)
    return [_summarize_one(result, draws) for result in results]


def compare(
    results: Sequence[RunResult], *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> list[Compared]:
    """Compare runs on one set by MAE, lowest first, by paired differences over shared draws.

    Raises:
        UsageError: As `summarize`.
    """
    draws = _shared_draws(results, num_draws=num_draws, seed=seed)
    values = np.array([float(mae(count_table(r.records, draws.sources))) for r in results])
    order = np.argsort(np.where(np.isnan(values), np.inf, values), kind="stable")
    ranked, values = [results[i] for i in order], values[order]
    drawn_MD = np.stack([mae(draws.tables(result.records)) for result in ranked])
    ranks_MD = np.where(np.isnan(drawn_MD), np.inf, drawn_MD)  # a run without a number comes last
    lower_MD = (ranks_MD[:, None] > ranks_MD[None]).sum(axis=1)
    as_low_MD = (ranks_MD[:, None] >= ranks_MD[None]).sum(axis=1)
    unclear = (
        _not_separable(values, drawn_MD, num_groups=draws.num_groups)
        if draws.has_intervals
        else None
    )
    compared = []
    for i, result in enumerate(ranked):
        lo = 1 + np.quantile(lower_MD[i], 0.025, method="nearest")
        hi = np.quantile(as_low_MD[i], 0.975, method="nearest")
        gap = as_number(values[i] - values[0])
        behind = None if i == 0 or gap is None else draws.interval(gap, drawn_MD[i] - drawn_MD[0])
        others = [r.config.model for j, r in enumerate(ranked) if j != i]
        compared.append(
            Compared(
                run_id=result.config.run_id,
                model=result.config.model,
                behind_best=behind,
                rank_lo=int(lo) if draws.has_intervals else None,
                rank_hi=int(hi) if draws.has_intervals else None,
                not_separable_from=tuple(others)
                if unclear is None
                else tuple(ranked[j].config.model for j in np.flatnonzero(unclear[i])),
            )
        )
    return compared


def by_set(results: Sequence[RunResult]) -> list[list[RunResult]]:
    """Part runs into lists that share their examples, in the order of first sight."""
    parts: dict[tuple[str, int | None], list[RunResult]] = {}
    for result in results:
        parts.setdefault(result.config.set_key, []).append(result)
    return list(parts.values())


def _shared_draws(results: Sequence[RunResult], *, num_draws: int, seed: int) -> Draws:
    if not results:
        raise UsageError("There is no run to summarise.")
    if len(by_set(results)) > 1:
        names = sorted({f"{r.config.set_name} (limit {r.config.limit})" for r in results})
        raise UsageError(
            f"Runs on different examples cannot be compared: {', '.join(names)}. Report them apart."
        )
    for result in results:
        if not result.records:
            raise UsageError(
                f"{result.folder} has no record yet. Finish the run, or remove its folder."
            )
    clusters = [(record.source, record.group) for r in results for record in r.records]
    return Draws(clusters, num_draws=num_draws, seed=seed)


def _summarize_one(result: RunResult, draws: Draws) -> Summary:
    records = result.records
    counts = count_table(records, draws.sources)
    tables = draws.tables(records)
    statuses = Counter(record.verdict.status for record in records)
    num_missing = result.num_examples - len(records)
    latencies = [r.verdict.latency_s for r in records if r.verdict.latency_s is not None]
    return Summary(
        model=result.config.model,
        revision=result.config.revision,
        run_id=result.config.run_id,
        set_name=result.config.set_name,
        num_examples=result.num_examples,
        num_records=len(records),
        num_missing=num_missing,
        num_groups=draws.num_groups,
        num_sources=len(draws.sources),
        is_floor=result.config.is_floor,
        is_publishable=num_missing == 0 and statuses["failed"] == 0,
        estimates={
            name: draws.estimate(
                metric,
                counts,
                tables,
                is_share=name in SHARES,
                num_groups=_groups(records, 1, 2) if name == "false_success" else None,
            )
            for name, metric in METRICS.items()
        },
        levels=tuple(
            draws.estimate(
                partial(mae_at, level=level), counts, tables, num_groups=_groups(records, level)
            )
            for level in range(1, 6)
        ),
        confusion=_as_ints(counts.sum(axis=0)),
        statuses={str(status): num for status, num in sorted(statuses.items())},
        latency_ms=1000 * float(np.median(latencies)) if latencies else None,
    )


def _groups(records: Sequence[Record], *levels: int) -> int:
    """Return in how many groups the levels occur."""
    return len({(r.source, r.group) for r in records if r.label in levels})


def _as_ints(table: Floats) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in row) for row in table)


def _not_separable(values: Floats, drawn_MD: Floats, *, num_groups: int) -> list[list[bool]]:
    """Holm's step-down over all pairs; True where the two cannot be told apart."""
    num = len(values)
    pairs = [(i, j) for i in range(num) for j in range(i + 1, num)]
    p_values = [
        _p_value(values[j] - values[i], drawn_MD[j] - drawn_MD[i], num_groups=num_groups)
        for i, j in pairs
    ]
    unclear = [[i != j for j in range(num)] for i in range(num)]
    for step, k in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[k] * (len(pairs) - step) >= _ALPHA:
            break
        i, j = pairs[k]
        unclear[i][j] = unclear[j][i] = False
    return unclear


def _p_value(gap: float, draws: Floats, *, num_groups: int) -> float:
    """Two-sided p of "no difference": Student's t with the bootstrap's standard error."""
    defined = draws[~np.isnan(draws)]
    if math.isnan(gap) or len(defined) < 2 or gap == 0:
        return 1.0
    v = num_groups - 1
    error = float(np.std(defined)) * math.sqrt(num_groups / v)
    if error == 0:
        return 0.0
    t = abs(gap) / error
    z = (
        t * (1 - 1 / (4 * v)) / math.sqrt(1 + t**2 / (2 * v))
    )  # normal equivalent of t with v degrees
    return math.erfc(z / math.sqrt(2))
