"""The report page of a benchmark. All text from data sets and models is escaped and isolated."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from roboreward.bench.figures import confusion_grid, interval_axis, interval_bar, level_bars
from roboreward.bench.folder import RunResult
from roboreward.bench.gallery import card, choose_shown, strips_for
from roboreward.bench.intervals import Estimate
from roboreward.bench.report import (
    COLUMNS,
    notes_of,
    ranked,
    shown,
    shown_latency,
    shown_metric,
)
from roboreward.bench.summary import Compared, Summary
from roboreward.core import RUBRIC_V1, Example
from roboreward.pages import page_header, section, text, write_page

_FILTERS = (
    ("level", "True score", (("", "all"), *((str(n), str(n)) for n in range(1, 6)))),
    (
        "error",
        "Error",
        (("", "all"), ("0", "exact"), ("1", "off by 1"), ("2", "off by 2+"), ("none", "no score")),
    ),
)


def write_report_html(
    path: Path,
    *,
    title: str,
    results: Sequence[RunResult],
    examples: Sequence[Example] = (),
    lead_html: str = "",
    strips: Mapping[str, Sequence[bytes]] | None = None,
    max_examples: int = 48,
) -> Path:
    """Write runs on one set as a self-contained page.

    Args:
        path: The file to write, atomically.
        title: Heading; plain text.
        results: Runs on the same examples.
        examples: Examples of the set; cards are made for those that have a record. Their videos are read for the frame
            strips under the frame policy of the best model, so the strip is what that model saw.
        lead_html: Trusted markup to put below the headline. Style attributes and scripts in it do not take effect.
        strips: Encoded pictures (JPEG or PNG, one a frame) by example id, where the caller has them already.
        max_examples: Most cards; when there are more examples, half are the largest errors.

    Returns:
        `path`.

    Raises:
        UsageError: No runs, or runs on different examples.
        StoreError: The file cannot be written.
    """
    summaries, compared = ranked(results)
    by_id = {result.config.run_id: result for result in results}
    ordered = [by_id[summary.run_id] for summary in summaries]
    main = _main_of(summaries)
    parts = [
        _header(title, summaries, compared, main),
        section("lead", lead_html) if lead_html else "",
        _table_section(summaries, compared),
        _figures_section(summaries, main),
        _gallery_section(ordered, main, examples, strips or {}, max_examples),
        _footer(ordered),
    ]
    return write_page(path, title=title, body_html="".join(parts))


def headline(summaries: Sequence[Summary], compared: Sequence[Compared]) -> str:
    """Say the result of a table (lowest MAE first) in one or two plain sentences; plain text."""
    main = _main_of(summaries)
    mae = main.estimates["mae"]
    num_scored = main.statuses.get("scored", 0)
    if mae.value is None:
        return f"{main.model} answered nothing: every call failed."
    if num_scored == 0:
        given = ", ".join(f"{num} {status}" for status, num in main.statuses.items())
        return f"{main.model} gave no score to any of the {main.num_records} examples ({given})."
    said = f"{main.model} is off by {mae.value:.2f} points on average on the 1 to 5 scale"
    if mae.lo is not None and mae.hi is not None:
        said += f" (95 % interval {mae.lo:.2f} to {mae.hi:.2f})"
    said += "."
    num_failed = main.statuses.get("failed", 0)
    if num_scored < main.num_records - num_failed:
        said += f" It scored {num_scored} of {main.num_records}; the rest count as the worst error."
    if num_failed:
        said += f" Failed calls, left out: {num_failed}."
    floor = next((s for s in summaries if s.is_floor and s is not main), None)
    if floor is None or floor.estimates["mae"].value is None:
        return said
    row = next(row for row in compared if row.run_id == main.run_id)
    unclear = floor.model in row.not_separable_from
    tail = ", which is not separable from it" if unclear else ""
    return f"{said} The best floor, {floor.model}, is off by {shown(floor.estimates['mae'])}{tail}."


def _main_of(summaries: Sequence[Summary]) -> Summary:
    """The best model that is no floor; the best floor when there is nothing else."""
    return next((summary for summary in summaries if not summary.is_floor), summaries[0])


def _header(
    title: str, summaries: Sequence[Summary], compared: Sequence[Compared], main: Summary
) -> str:
    facts = (
        f"{main.num_examples} examples of {text(main.set_name)}, {main.num_groups} groups, "
        f"{main.num_sources} source{'s' if main.num_sources != 1 else ''}"
    )
    found = main.estimates
    tiles = [
        ("mean absolute error", shown(found["mae"]), _between(found["mae"])),
        ("within 1 of the truth", shown_metric("within_one", main), _percents(found["within_one"])),
        (
            "failures called success",
            shown_metric("false_success", main),
            _percents(found["false_success"]),
        ),
        ("answered", shown_metric("coverage", main), ""),
    ]
    return page_header(
        title,
        over="roboreward benchmark",
        headline=headline(summaries, compared),
        facts_html=facts,
        tiles=tiles,
        tiles_label=f"Key numbers of {main.model}",
    )


def _between(estimate: Estimate) -> str:
    if estimate.lo is None or estimate.hi is None:
        return ""
    return f"{estimate.lo:.2f} to {estimate.hi:.2f}"


def _percents(estimate: Estimate) -> str:
    if estimate.lo is None or estimate.hi is None:
        return ""
    return f"{100 * estimate.lo:.0f} to {100 * estimate.hi:.0f}%"


def _table_section(summaries: Sequence[Summary], compared: Sequence[Compared]) -> str:
    scale = max(1.0, *(s.estimates["mae"].hi or s.estimates["mae"].value or 0 for s in summaries))
    names = "".join(f'<th scope="col">{name}</th>' for _, name in COLUMNS)
    rows = "".join(
        _row(summary, row, scale=scale) for summary, row in zip(summaries, compared, strict=True)
    )
    table = (
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">model</th><th scope="col">rank</th>'
        '<th scope="col"><abbr title="mean absolute error">MAE</abbr></th>'
        f'<th scope="col" class="chart" aria-label="MAE as a chart">{interval_axis(scale=scale)}</th>'
        f'<th scope="col" class="left">95 % interval</th><th scope="col">by level</th>{names}'
        f'<th scope="col">ms</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    notes = "".join(f"<li>{text(note)}</li>" for note in notes_of(summaries, compared))
    return section("table", f'<h2>All models</h2>{table}<ul class="notes">{notes}{_LEGEND}</ul>')


_LEGEND = (
    "<li>Rank: best to worst rank over the bootstrap draws. By level: mean of the five errors by true score. "
    "Exact, within 1: an answer without a score is wrong. "
    "False success: true 1 or 2, given 4 or 5. ms: median wall time a query. Floors, in grey, "
    "do not watch the whole video or know the labels; a model must beat them.</li>"
)


def _row(summary: Summary, row: Compared, *, scale: float) -> str:
    mae, by_level = summary.estimates["mae"], summary.estimates["mae_levels"]
    level_range = _between(by_level).replace(" to ", "&ndash;")
    rank = "" if row.rank_lo is None else f"{row.rank_lo}&ndash;{row.rank_hi}"
    if row.rank_lo is not None and row.rank_lo == row.rank_hi:
        rank = str(row.rank_lo)
    flag = (
        "" if summary.is_publishable else ' <abbr title="unfinished or with failed calls">*</abbr>'
    )
    cells = "".join(
        f"<td>{shown_metric(name, summary)}<small>{_range(name, summary)}</small></td>"
        for name, _ in COLUMNS
    )
    return (
        f'<tr class="{"floor" if summary.is_floor else "model"}"><th scope="row">{text(summary.model)}{flag}</th>'
        f'<td>{rank}</td><td><b>{shown(mae)}</b></td><td class="chart">{interval_bar(mae, scale=scale)}</td>'
        f'<td class="left small">{_between(mae)}</td>'
        f"<td>{shown(by_level)}<small>{level_range}</small></td>"
        f"{cells}<td>{shown_latency(summary)}</td></tr>"
    )


def _range(name: str, summary: Summary) -> str:
    """The interval of one of `COLUMNS`, as short as a cell needs it; coverage speaks for itself."""
    found = summary.estimates[name]
    if name == "coverage":
        return ""
    return (_between(found) if name == "spearman" else _percents(found)).replace(" to ", "&ndash;")


def _figures_section(summaries: Sequence[Summary], main: Summary) -> str:
    floor = next((s for s in summaries if s.is_floor and s is not main), None)
    chosen = [s for s in summaries if not s.is_floor][:6] or [main]
    chosen += [floor] if floor is not None else []
    panels = "".join(
        f'<figure class="panel"><figcaption>{text(s.model)}</figcaption><div class="pair">'
        f"{confusion_grid(s.confusion)}{level_bars(s.levels)}</div></figure>"
        for s in chosen
    )
    return section("where", f'<h2>Where the errors are</h2><div class="panels">{panels}</div>')


def _gallery_section(
    ordered: Sequence[RunResult],
    main: Summary,
    examples: Sequence[Example],
    given: Mapping[str, Sequence[bytes]],
    most: int,
) -> str:
    best = next(r for r in ordered if r.config.run_id == main.run_id)
    others = [r for r in ordered if r is not best and not r.config.is_floor][:5]
    chosen = choose_shown(best, examples, most=most)
    if not chosen:
        return ""
    strips = strips_for(chosen, given, policy=best.config.frame_policy)
    cards = "".join(
        card(number, e, main=best, others=others, strip=strips[e.example_id])
        for number, e in enumerate(chosen, start=1)
    )
    how = f"{len(chosen)} of {main.num_records} examples"
    if len(chosen) < main.num_records:
        how += f": the {most // 2} largest errors of {main.model}, the others by chance"
    shown_frames = (
        "Frames are spread over the attempt." if given else "Frames are what the model was shown."
    )
    return section(
        "examples",
        f'<h2>Examples</h2><p class="facts">{text(how)}. '
        f"{shown_frames} Keys j and k move between examples.</p>"
        f'{_rubric()}{_filter_bar()}<div class="cards">{cards}</div>',
    )


def _rubric() -> str:
    levels = "".join(f"<li><b>{level.name}</b> {level.meaning}</li>" for level in RUBRIC_V1.levels)
    return f"<details><summary>What the scores mean</summary><ol>{levels}</ol></details>"


def _filter_bar() -> str:
    groups = []
    for key, name, choices in _FILTERS:
        buttons = "".join(
            f'<button type="button" data-key="{key}" data-value="{value}" '
            f'aria-pressed="{"false" if value else "true"}">{label}</button>'
            for value, label in choices
        )
        groups.append(
            f'<span class="filter" role="group" aria-label="{name}">{name} {buttons}</span>'
        )
    return f'<div id="filters" hidden>{"".join(groups)}<output id="shown"></output></div>'


def _footer(ordered: Sequence[RunResult]) -> str:
    first = ordered[0]
    versions = ", ".join(f"{name} {value}" for name, value in first.environment.items())
    runs = "".join(
        f"<li><code>{escape(r.config.run_id)}</code> revision {text(shorten_middle(r.config.revision))}</li>"
        for r in ordered
    )
    return (
        f"<footer><h2>How to check this</h2><p>Every number here is computed from the records of these runs, "
        f"on the set with digest <code>{escape(first.config.set_hash)}</code>:</p><ul>{runs}</ul>"
        f"<p>{text(versions)}</p></footer>"
    )


def shorten_middle(value: str, *, limit: int = 40) -> str:
    """Return `value` with its middle left out when it is longer than `limit` characters."""
    return value if len(value) <= limit else f"{value[: limit // 2]}...{value[-limit // 4 :]}"
