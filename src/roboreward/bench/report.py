"""The table: for people in a terminal, and the same as data for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roboreward.bench.folder import RunResult
from roboreward.bench.intervals import MIN_GROUPS, Estimate
from roboreward.bench.summary import Compared, Summary, by_set, compare, summarize

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = (
    ("accuracy", "exact"),
    ("within_one", "within 1"),
    ("spearman", "Spearman"),
    ("false_success", "false success"),
    ("coverage", "coverage"),
)
_NONE = "-"


def table_data(results: Sequence[RunResult]) -> dict[str, Any]:
    """Return summaries and comparison of runs as JSON values, one entry for each set of examples, lowest MAE first."""
    return {"sets": [_set_data(part) for part in by_set(results)]}


def print_table(results: Sequence[RunResult], console: "Console | None" = None) -> None:
    """Print one table for each set of examples, lowest MAE first, floors dimmed.

    Args:
        results: Runs, of one set or several.
        console: Where to print; standard output when None.
    """
    from rich.console import Console

    console = console or Console()
    for part in by_set(results):
        summaries, compared = ranked(part)
        console.print(_table(summaries))
        for note in notes_of(summaries, compared):
            console.print(note, style="dim", markup=False, emoji=False, highlight=False)


def ranked(results: Sequence[RunResult]) -> tuple[list[Summary], list[Compared]]:
    """Return summaries and comparison of runs on one set, both lowest MAE first."""
    compared = compare(results)
    by_id = {summary.run_id: summary for summary in summarize(results)}
    return [by_id[row.run_id] for row in compared], compared


def notes_of(summaries: Sequence[Summary], compared: Sequence[Compared]) -> list[str]:
    """Say in words what the numbers alone would hide: separability, intervals, unfinished runs, failed calls."""
    first = summaries[0]
    notes = [
        "MAE: mean absolute error on the 1..5 scale, mean over sources; an answer without a score costs the "
        "worst error its label allows."
    ]
    if first.num_groups < MIN_GROUPS:
        notes.append(
            f"{first.num_groups} groups are too few for intervals ({MIN_GROUPS} needed); no rank is certain."
        )
    elif len(compared) > 1:
        notes.append("95 % intervals: bootstrap, groups drawn within their source.")
        same = compared[0].not_separable_from
        notes.append(
            f"The lowest MAE ({first.model}) cannot be told apart from: {', '.join(same)}."
            if same
            else f"The lowest MAE ({first.model}) is separable from all others (Holm, 5 %)."
        )
    return [*notes, *_blemishes(summaries)]


def _blemishes(summaries: Sequence[Summary]) -> list[str]:
    """Unfinished runs and failed calls, models of the same fate in one sentence."""
    said: dict[str, list[str]] = {}
    for summary in summaries:
        if num_failed := summary.statuses.get("failed", 0):
            fate = f"{num_failed} of {summary.num_records} calls failed and are in no number; not fit to publish."
            said.setdefault(fate, []).append(summary.model)
        if summary.num_missing:
            fate = f"unfinished, {summary.num_missing} of {summary.num_examples} examples missing."
            said.setdefault(fate, []).append(summary.model)
    return [
        f"{'All models' if 1 < len(names) == len(summaries) else ', '.join(names)}: {fate}"
        for fate, names in said.items()
    ]


def shown(estimate: Estimate, *, digits: int = 2) -> str:
    """Return an estimate as `0.31`, or `-` when undefined."""
    return _NONE if estimate.value is None else f"{estimate.value:.{digits}f}"


def shown_range(estimate: Estimate, *, digits: int = 2) -> str:
    """Return an interval as `[0.25, 0.38]`, or nothing when there is none."""
    if estimate.lo is None or estimate.hi is None:
        return ""
    return f"[{estimate.lo:.{digits}f}, {estimate.hi:.{digits}f}]"


def shown_share(estimate: Estimate) -> str:
    """Return a share as percent, or `-` when undefined."""
    return _NONE if estimate.value is None else f"{100 * estimate.value:.0f}%"


def shown_metric(name: str, summary: Summary) -> str:
    """Return one of `COLUMNS` as text."""
    estimate = summary.estimates[name]
    return shown(estimate) if name == "spearman" else shown_share(estimate)


def shown_latency(summary: Summary) -> str:
    """Return milliseconds a query, with as many digits as mean something."""
    if summary.latency_ms is None:
        return _NONE
    return f"{summary.latency_ms:.2f}" if summary.latency_ms < 10 else f"{summary.latency_ms:.0f}"


def _set_data(results: Sequence[RunResult]) -> dict[str, Any]:
    summaries, compared = ranked(results)
    first = results[0].config
    return {
        "set_name": first.set_name,
        "set_hash": first.set_hash,
        "limit": first.limit,
        "runs": [summary.model_dump(mode="json") for summary in summaries],
        "comparison": [row.model_dump(mode="json") for row in compared],
        "notes": notes_of(summaries, compared),
    }


def _table(summaries: Sequence[Summary]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    first = summaries[0]
    title = f"{first.set_name}: {first.num_examples} examples, {first.num_groups} groups, {first.num_sources} sources"
    has_sources = first.num_sources > 1
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    table.add_column("model")
    for name in ("MAE", "95 %", *(["MAE by row"] if has_sources else []), "by level"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("ms", justify="right")
    for place, summary in enumerate(summaries):
        cells = _cells(summary, has_sources=has_sources)
        style = "dim" if summary.is_floor else "bold" if place == 0 else ""
        table.add_row(Text(summary.model), *cells, style=style)
    return table


def _cells(summary: Summary, *, has_sources: bool) -> list[str]:
    found = summary.estimates
    micro = [shown(found["mae_micro"])] if has_sources else []
    return [
        shown(found["mae"], digits=3),
        shown_range(found["mae"]).replace("[", r"\["),
        *micro,
        shown(found["mae_levels"]),
        *(shown_metric(name, summary) for name, _ in COLUMNS),
        shown_latency(summary),
    ]
