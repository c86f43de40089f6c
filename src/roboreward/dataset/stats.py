"""What a dataset holds, counted: by split, level, source, origin, view and author; tasks, durations, groups."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any, Final

from roboreward.core import SCORES, Example
from roboreward.dataset.splits import Dataset, DatasetRow, read_dataset
from roboreward.dataset.videos import Progress, VideoFacts, examine_videos

ALL: Final = "all"
_MOST_LINES: Final = 40


@dataclass(frozen=True)
class Tally:
    """Examples with something in common.

    Attributes:
        name: What they have in common, such as a source; "all" for all.
        by_level: Examples with score 1, 2, 3, 4, 5.
        by_split: Examples in each split, in the order of `DatasetStats.splits`.
        num_groups: Different groups among them.
    """

    name: str
    by_level: tuple[int, int, int, int, int]
    by_split: tuple[int, ...]
    num_groups: int

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.by_level)


@dataclass(frozen=True)
class Spread:
    """How a quantity is spread, in the unit of its name.

    Attributes:
        name: Of what, such as a level or a source.
        num: Values.
        mean: Mean.
        lo, median, hi: The 5th, 50th and 95th percentile.
        least, most: Extremes.
    """

    name: str
    num: int
    mean: float
    lo: float
    median: float
    hi: float
    least: float
    most: float


@dataclass(frozen=True)
class DatasetStats:
    """What a dataset holds.

    Attributes:
        dataset: The folder's name.
        splits: Names of the splits.
        num_rows, num_videos, num_groups, num_tasks: Usable rows; different files, groups and task texts.
        num_bad_rows: Rows that no example can be made of.
        tables: Tallies by "split", "source", "origin", "view" and "label author", the largest first ("split" in
            order); a row without a view counts under "not stated".
        task_words: Words of the tasks, by level and in all; the last one is "all".
        task_counts: Tasks of each number of words by level: number of words to five counts.
        rows_per_group: Rows of a group.
        durations_s: Seconds of the videos by source and in all; empty when the files were not opened.
        num_refused: Videos without a duration because the reader refuses them; None when not opened.
        size_bytes: Bytes of all videos; None when not opened.
        resolutions: "WxH" of the videos with their number, the most frequent first; empty when not opened.
    """

    dataset: str
    splits: tuple[str, ...]
    num_rows: int
    num_videos: int
    num_groups: int
    num_tasks: int
    num_bad_rows: int
    tables: dict[str, tuple[Tally, ...]]
    task_words: tuple[Spread, ...]
    task_counts: dict[int, tuple[int, int, int, int, int]]
    rows_per_group: Spread
    durations_s: tuple[Spread, ...] = ()
    num_refused: int | None = None
    size_bytes: int | None = None
    resolutions: tuple[tuple[str, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; keys of `task_counts` become texts."""
        return asdict(self) | {
            "task_counts": {str(n): list(c) for n, c in self.task_counts.items()}
        }

    def text(self) -> str:
        """Return the tables for people."""
        return "\n".join(_lines(self))


def dataset_stats(
    folder: Path | Dataset,
    *,
    has_videos: bool = True,
    facts: Mapping[Path, VideoFacts] | None = None,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> DatasetStats:
    """Count what a dataset holds. Bad rows are left out and counted.

    Args:
        folder: What `read_dataset` takes, or what it returned.
        has_videos: Whether to open the video files, for durations and sizes.
        facts: What `examine_videos` found, where that is known already.
        num_workers: Processes that open videos.
        progress: Called with (videos done, videos in all).

    Raises:
        UsageError: There is no metadata at `folder`.
        DataError: No usable row.
    """
    dataset = (
        folder
        if isinstance(folder, Dataset)
        else read_dataset(folder, allow_bad=True, has_videos=has_videos)
    )
    rows = dataset.rows
    examples = [row.example for row in rows]
    splits = tuple(split.name for split in dataset.splits)
    if facts is None or not has_videos:
        paths = [e.video for e in examples] if has_videos else []
        facts = examine_videos(paths, num_workers=num_workers, progress=progress)
    lengths = [(len(e.task.split()), e.label.score) for e in examples]
    return DatasetStats(
        dataset=dataset.name,
        splits=splits,
        num_rows=len(rows),
        num_videos=len({e.video for e in examples}),
        num_groups=len({e.group for e in examples}),
        num_tasks=len({e.task for e in examples}),
        num_bad_rows=sum(len(split.bad_rows) for split in dataset.splits),
        tables={
            name: _tallies(rows, splits, key, is_sorted=name != "split")
            for name, key in _TABLES.items()
        },
        task_words=tuple(
            _spreads((f"score {score}", num) for num, score in sorted(lengths, key=lambda p: p[1]))
        ),
        task_counts=_task_counts(lengths),
        rows_per_group=_spread("rows", list(Counter(e.group for e in examples).values())),
        **(_of_files(examples, facts) if has_videos else {}),
    )


_TABLES: Final[Mapping[str, Callable[[DatasetRow], str]]] = {
    "split": lambda row: row.split,
    "source": lambda row: row.example.source,
    "origin": lambda row: row.example.origin,
    "view": lambda row: row.example.view or "not stated",
    "label author": lambda row: row.example.label.author,
}


def _tallies(
    rows: Iterable[DatasetRow],
    splits: Sequence[str],
    key_of: Callable[[DatasetRow], str],
    *,
    is_sorted: bool,
) -> tuple[Tally, ...]:
    found: defaultdict[str, list[DatasetRow]] = defaultdict(list)
    for row in rows:
        found[key_of(row)].append(row)
    tallies = [_tally(name, some, splits) for name, some in found.items()]
    if is_sorted:
        tallies.sort(key=lambda tally: (-tally.total, tally.name))
    return tuple(tallies)


def _tally(name: str, rows: Sequence[DatasetRow], splits: Sequence[str]) -> Tally:
    levels = Counter(row.example.label.score for row in rows)
    counts = Counter(row.split for row in rows)
    return Tally(
        name,
        (levels[1], levels[2], levels[3], levels[4], levels[5]),
        tuple(counts[split] for split in splits),
        len({row.example.group for row in rows}),
    )


def _spreads(pairs: Iterable[tuple[str, float]]) -> Iterator[Spread]:
    """Yield a spread for each name in order of occurrence, then one for all when there are several."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    for name, values in found.items():
        yield _spread(name, values)
    if len(found) > 1:
        yield _spread(ALL, [value for values in found.values() for value in values])


def _spread(name: str, values: Sequence[float]) -> Spread:
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [values[0]] * 19
    return Spread(
        name, len(values), fmean(values), cuts[0], cuts[9], cuts[18], min(values), max(values)
    )


def _task_counts(
    lengths: Iterable[tuple[int, int]],
) -> dict[int, tuple[int, int, int, int, int]]:
    counts = Counter(lengths)
    longest = sorted({num for num, _ in counts})
    return {
        num: (counts[num, 1], counts[num, 2], counts[num, 3], counts[num, 4], counts[num, 5])
        for num in longest
    }


def _of_files(examples: Sequence[Example], facts_of: Mapping[Path, VideoFacts]) -> dict[str, Any]:
    source_of = {e.video: e.source for e in reversed(examples)}
    timed = [
        (source_of[path], facts.duration_s)
        for path, facts in facts_of.items()
        if facts.duration_s is not None
    ]
    sizes = Counter(f"{f.width_px}x{f.height_px}" for f in facts_of.values() if f.refusal is None)
    return {
        "durations_s": tuple(_spreads(sorted(timed, key=lambda pair: pair[0]))),
        "num_refused": sum(1 for facts in facts_of.values() if facts.refusal is not None),
        "size_bytes": sum(facts.size_bytes for facts in facts_of.values()),
        "resolutions": tuple(sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))),
    }


def _lines(stats: DatasetStats) -> Iterator[str]:
    yield (
        f"{stats.dataset}: {stats.num_rows:,} examples, {stats.num_videos:,} videos, "
        f"{stats.num_groups:,} groups, {stats.num_tasks:,} different tasks"
    )
    if stats.num_bad_rows:
        yield f"Bad rows, left out: {stats.num_bad_rows:,}."
    for name, tallies in stats.tables.items():
        yield ""
        yield from _table(_tally_cells(name, tallies, stats.splits))
    yield ""
    yield from _table(_spread_cells("words of a task", stats.task_words))
    yield ""
    yield from _table(_spread_cells("rows of a group", (stats.rows_per_group,)))
    if stats.durations_s:
        yield ""
        yield from _table(_spread_cells("seconds of a video", stats.durations_s))
    if stats.size_bytes is not None:
        sizes = ", ".join(f"{size} ({num})" for size, num in stats.resolutions[:5])
        yield ""
        yield f"Videos: {stats.size_bytes / 1e6:,.1f} MB; {sizes}; refused: {stats.num_refused}."


def _tally_cells(name: str, tallies: Sequence[Tally], splits: Sequence[str]) -> Iterator[list[str]]:
    per_split = splits if name != "split" and len(splits) > 1 else ()
    yield [name, *(f"{score}" for score in SCORES), "all", "groups", *per_split]
    for tally in tallies[:_MOST_LINES]:
        counts = [*tally.by_level, tally.total, tally.num_groups]
        counts += tally.by_split if per_split else ()
        yield [tally.name, *(f"{num:,}" for num in counts)]
    if len(tallies) > _MOST_LINES:
        yield [f"and {len(tallies) - _MOST_LINES} more"]


def _spread_cells(name: str, spreads: Iterable[Spread]) -> Iterator[list[str]]:
    yield [name, "num", "mean", "5 %", "median", "95 %", "least", "most"]
    for s in spreads:
        values = (s.mean, s.lo, s.median, s.hi, s.least, s.most)
        yield [s.name, f"{s.num:,}", *(f"{value:,.1f}" for value in values)]


def _table(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield rows with aligned columns: the first one left, the others right."""
    cells = list(rows)
    widths = [
        max(len(row[i]) for row in cells if i < len(row)) for i in range(max(map(len, cells)))
    ]
    for row in cells:
        first, *rest = row
        padded = [
            first.ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=False)),
        ]
        yield "  ".join(padded).rstrip()
