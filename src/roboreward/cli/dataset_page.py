"""The page of a dataset: how its examples are spread over levels, sources, origins, lengths and durations."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roboreward.core import RUBRIC_V1, SCORES
from roboreward.pages import (
    BarRow,
    DotRow,
    column_chart,
    dot_plot,
    page_header,
    section,
    stacked_bars,
    text,
    write_page,
)

if TYPE_CHECKING:
    from roboreward.dataset import DatasetStats, LintReport, Spread, Tally

_LEVELS: Final = tuple(f"score {score}" for score in SCORES)
_MOST_SOURCES: Final = 40
_FEW_SOURCES: Final = 8
_LONGEST: Final = 40
_MOST_SIZES: Final = 12
_MOST_PLACES: Final = 5
_ORIGIN_SAYS: Final = {
    "original": "the corpus's own attempt under its own task",
    "rollout": "a policy's real attempt",
    "clip": "a prefix of an attempt, same task",
    "counterfactual": "the same video under another task",
    "paraphrase": "the same task in other words",
}


def write_stats_page(
    path: Path, *, stats: "DatasetStats", report: "LintReport | None" = None, command: str = ""
) -> Path:
    """Write a dataset's distributions as a self-contained page.

    Args:
        path: The file to write, atomically.
        stats: What to show.
        report: What the linter found, to show it too.
        command: How the page was made, for those who check it; plain text.

    Returns:
        `path`.

    Raises:
        StoreError: The file cannot be written.
    """
    parts = [
        _header(stats, report),
        _levels(stats),
        _sources(stats),
        _tasks(stats),
        _durations(stats),
        _authors(stats),
        _findings(report) if report is not None else "",
        _footer(command),
    ]
    return write_page(path, title=f"Dataset {stats.dataset}", body_html="".join(parts))


def _header(stats: "DatasetStats", report: "LintReport | None") -> str:
    levels = _sum_of_levels(stats)
    num = stats.num_rows
    sources = len(stats.tables["source"])
    headline = (
        f"{_count(num, 'example')} from {_count(sources, 'source')}: {100 * levels[4] / num:.0f} % are a perfect "
        f"completion, {100 * levels[0] / num:.0f} % show no success, the rest lie between."
    )
    splits = ", ".join(f"{tally.name} {tally.total:,}" for tally in stats.tables["split"])
    bad = f" {_count(stats.num_bad_rows, 'bad row')} left out." if stats.num_bad_rows else ""
    return page_header(
        stats.dataset,
        over="roboreward dataset",
        headline=headline,
        facts_html=f"Splits: {text(splits)}.{bad}",
        tiles=list(_tiles(stats, report)),
        tiles_label="Key numbers",
    )


def _tiles(stats: "DatasetStats", report: "LintReport | None") -> Iterator[tuple[str, str, str]]:
    yield "examples", f"{stats.num_rows:,}", f"{_count(stats.num_tasks, 'different task')}"
    size = "" if stats.size_bytes is None else f"{stats.size_bytes / 1e6:,.1f} MB"
    yield "videos", f"{stats.num_videos:,}", size
    yield "groups", f"{stats.num_groups:,}", f"{stats.rows_per_group.mean:.1f} rows each on average"
    if report is not None:
        num_warnings = len(report.findings) - len(report.errors)
        yield "lint errors", f"{len(report.errors)}", _count(num_warnings, "warning")
    else:
        yield "sources", f"{len(stats.tables['source'])}", ""


def _sum_of_levels(stats: "DatasetStats") -> list[int]:
    return [sum(tally.by_level[i] for tally in stats.tables["split"]) for i in range(len(SCORES))]


def _levels(stats: "DatasetStats") -> str:
    meanings = "".join(
        f"<dt>score {level.score}, {escape(level.name)}</dt><dd>{escape(level.meaning)}</dd>"
        for level in RUBRIC_V1.levels
    )
    figures = _figure("By split", "Examples of each level.", _level_bars(stats.tables["split"]))
    origins = [
        BarRow(f"{t.name}: {_ORIGIN_SAYS.get(t.name, '')}".rstrip(": "), t.by_level)
        for t in stats.tables["origin"]
    ]
    figures += _figure(
        "By origin",
        "How the examples were made.",
        stacked_bars(origins, parts=_LEVELS, label="Levels by origin", is_share=True),
    )
    return section(
        "levels",
        f'<h2>Levels</h2><div class="figures">{figures}</div>'
        f'<details><summary>What the levels mean</summary><dl class="meanings">{meanings}</dl></details>',
    )


def _level_bars(tallies: Sequence["Tally"], label: str = "Levels by split") -> str:
    rows = [BarRow(tally.name, tally.by_level) for tally in tallies]
    return stacked_bars(rows, parts=_LEVELS, label=label, is_share=True)


def _sources(stats: "DatasetStats") -> str:
    shown = stats.tables["source"][:_MOST_SOURCES]
    rest = len(stats.tables["source"]) - len(shown)
    note = f'<p class="notes">And {rest} smaller sources.</p>' if rest else ""
    sizes = stacked_bars(
        [BarRow(tally.name, (tally.total,)) for tally in shown],
        parts=("examples",),
        label="Examples by source",
    )
    says = "Bars of one length, so that shares compare; the number of examples stands at the right."
    if len(shown) < _FEW_SOURCES:
        figures = _figure("By level", says, _level_bars(shown, "Levels by source"))
        figures += _figure("By size", "Examples of each source.", sizes)
        return section("sources", f'<h2>Sources</h2><div class="figures">{figures}</div>')
    half = (len(shown) + 1) // 2
    figures = "".join(
        f"<figure>{_level_bars(some, 'Levels by source')}</figure>"
        for some in (shown[:half], shown[half:])
    )
    by_size = f'<div class="figures"><figure>{sizes}</figure></div>'
    return section(
        "sources",
        f'<h2>Sources</h2><p class="facts">{says} The largest source comes first.</p>'
        f'<div class="figures">{figures}</div>{note}'
        f"<details><summary>The same by size</summary>{by_size}</details>",
    )


def _tasks(stats: "DatasetStats") -> str:
    by_level = [s for s in stats.task_words if s.name in _LEVELS]
    columns = _columns(stats)
    figures = _figure(
        "Words of a task",
        "Examples by the number of words of their task, in parts by level.",
        column_chart(columns, parts=_LEVELS, label="Words of a task by level", x_label="words"),
    )
    figures += _figure(
        "Words by level",
        "Median, and where the middle 90 % lie. Where the levels differ, the length gives the label away.",
        _spread_plot(by_level, label="Words of a task by level", unit="words"),
    )
    return section("tasks", f'<h2>Tasks</h2><div class="figures">{figures}</div>')


def _columns(stats: "DatasetStats") -> list[BarRow]:
    """Return a column for each number of words, the last one for all longer tasks."""
    longest = min(max(stats.task_counts), _LONGEST)
    columns: list[list[int]] = [[0] * len(SCORES) for _ in range(longest + 1)]
    for num, counts in stats.task_counts.items():
        for i, value in enumerate(counts):
            columns[min(num, longest)][i] += value
    names = [str(num) for num in range(longest + 1)]
    if max(stats.task_counts) > _LONGEST:
        names[-1] += "+"
    return [BarRow(name, tuple(c)) for name, c in zip(names, columns, strict=True)][1:]


def _spread_plot(spreads: Sequence["Spread"], *, label: str, unit: str) -> str:
    most = max((s.hi for s in spreads), default=1.0) or 1.0
    rows = [
        DotRow(
            s.name,
            s.median,
            s.lo,
            s.hi,
            shown=f"{s.median:.1f} {unit} ({s.lo:.1f} to {s.hi:.1f}), {s.num:,} in all",
            is_main=s.name == "all",
        )
        for s in spreads
    ]
    return dot_plot(rows, label=label, x_range=(0.0, 1.05 * most), is_percent=False)


def _durations(stats: "DatasetStats") -> str:
    if not stats.durations_s:
        return ""
    refused = (
        f" {_count(stats.num_refused, 'video')} could not be read." if stats.num_refused else ""
    )
    shown = stats.durations_s[-_MOST_SOURCES:]
    figures = _figure(
        "Seconds",
        f"Median, and where the middle 90 % lie.{refused}",
        _spread_plot(shown, label="Seconds of a video by source", unit="s"),
    )
    figures += _figure(
        "Frames",
        "Width and height of the videos in pixels.",
        stacked_bars(
            [BarRow(size, (num,)) for size, num in stats.resolutions[:_MOST_SIZES]],
            parts=("videos",),
            label="Videos by size of their frames",
        ),
    )
    return section("videos", f'<h2>Videos</h2><div class="figures">{figures}</div>')


def _authors(stats: "DatasetStats") -> str:
    body = "".join(_author_rows(stats, name) for name in ("label author", "view"))
    heads = "".join(f'<th scope="col">{score}</th>' for score in SCORES)
    return section(
        "authors",
        '<h2>Who labelled, and from where</h2><div class="wide" tabindex="0"><table class="overview"><thead><tr>'
        f'<th scope="col"></th>{heads}<th scope="col">all</th><th scope="col">groups</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>",
    )


def _author_rows(stats: "DatasetStats", table: str) -> str:
    return "".join(
        f'<tr><th scope="row">{text(tally.name)}<small>{table}</small></th>'
        + "".join(f"<td>{num:,}</td>" for num in (*tally.by_level, tally.total, tally.num_groups))
        + "</tr>"
        for tally in stats.tables[table]
    )


def _findings(report: "LintReport") -> str:
    found = "".join(
        f"<dt>{escape(one.severity)}: {escape(one.code)}</dt><dd>{text(one.message)} {escape(one.advice)}"
        f"<br><small>{text(_places(one.where, one.more, one.count))}</small></dd>"
        for one in report.findings
    )
    body = f'<dl class="meanings">{found}</dl>' if found else "<p>Nothing.</p>"
    only = "" if report.has_videos else ' <p class="facts">The videos were not looked at.</p>'
    return section("lint", f"<h2>What the linter found</h2>{only}{body}")


def _places(where: str, more: Sequence[str], count: int) -> str:
    named = ", ".join((where, *more)[:_MOST_PLACES])
    return f"{named}, {count:,} in all" if count > len(more) + 1 else named


def _footer(command: str) -> str:
    from roboreward import __version__

    made = f"<dt>command</dt><dd><code>{text(command)}</code></dd>" if command else ""
    return (
        '<footer><h2>How to check this</h2><dl class="meanings">'
        f"{made}<dt>version</dt><dd>roboreward {escape(__version__)}</dd></dl></footer>"
    )


def _figure(title: str, says: str, markup: str) -> str:
    return f"<figure><figcaption>{escape(title)}<small>{escape(says)}</small></figcaption>{markup}</figure>"


def _count(num: int | None, noun: str) -> str:
    return f"{num or 0:,} {noun}{'' if num == 1 else 's'}"
