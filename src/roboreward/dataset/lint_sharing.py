"""What rows and splits share that they should not: groups, files, bytes, pictures, questions, names of sources."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from roboreward.core import shorten
from roboreward.dataset.features import differences, mixed_columns
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.lint_tasks import normal_text
from roboreward.dataset.splits import Dataset, DatasetRow

Key = TypeVar("Key")
_CAMERA: Final = re.compile(
    r"(?<![a-z])(?:(?:cam|camera|view|ext|exterior|image)[_-]?\d?(?!\d)|"
    r"left|right|wrist|front|side|top|overhead|head|hand|primary|secondary|third)(?![a-z])"
)


def group_findings(dataset: Dataset) -> Iterator[Finding]:
    """Yield findings about groups, camera views, spellings of sources, and the columns of splits."""
    yield from _straddling(dataset)
    yield from _views(dataset)
    yield from _spellings(dataset)
    yield from _columns(dataset)


def content_findings(dataset: Dataset, digest_of: Mapping[Path, str]) -> Iterator[Finding]:
    """Yield findings about rows with the same video, by digest where it is known and by file name where not."""
    by_video = _collected(dataset.rows, lambda row: digest_of.get(row.example.video, ""))
    by_video.pop("", None)
    yield from _across_splits(by_video)
    yield from _within_splits(dataset, by_video)
    yield from _questions(dataset.rows, digest_of)


def plain_source(source: str) -> str:
    """Return a source's name without what spellings differ in: `robo_arena` and `RoboArena` are one."""
    return re.sub(r"[-_ ]", "", source).lower()


def plain_group(row: DatasetRow) -> str:
    """Return a row's group with the source's spelling made plain."""
    source, group = row.example.source, row.example.group
    head, slash, tail = group.partition("/")
    if slash and plain_source(head) == plain_source(source):
        return f"{plain_source(head)}/{tail}"
    return group


def _collected(
    rows: Iterable[DatasetRow], key_of: Callable[[DatasetRow], Key]
) -> dict[Key, list[DatasetRow]]:
    found: defaultdict[Key, list[DatasetRow]] = defaultdict(list)
    for row in rows:
        found[key_of(row)].append(row)
    return dict(found)


def _splits_of(rows: Sequence[DatasetRow]) -> list[str]:
    return list(dict.fromkeys(row.split for row in rows))


def _straddling(dataset: Dataset) -> Iterator[Finding]:
    groups = _collected(dataset.rows, plain_group)
    bad = {name: rows for name, rows in groups.items() if len(_splits_of(rows)) > 1}
    if bad:
        name, rows = next(iter(bad.items()))
        text = (
            f"{_number(len(bad), 'group')} in more than one split, such as {shorten(repr(name))} in "
            f"{' and '.join(_splits_of(rows))}."
        )
        yield finding("group-straddles-splits", text, _places(bad.values()))


def _views(dataset: Dataset) -> Iterator[Finding]:
    """Rows that differ only in the camera, by their keys or by a camera's word in the file name."""
    rollouts = _collected(dataset.rows, _rollout)
    bad = {
        key: rows
        for key, rows in rollouts.items()
        if len({row.example.group for row in rows}) > 1 and _are_views(rows)
    }
    if bad:
        num = sum(len(rows) for rows in bad.values())
        one = next(iter(bad.values()))
        names = " and ".join(repr(shorten(row.example.file_name)) for row in one[:2])
        text = (
            f"{num} rows are camera views of {_number(len(bad), 'rollout')} and stand in different groups, such as "
            f"{names}: one observation is counted several times."
        )
        yield finding("views-in-groups", text, _places(bad.values()))


def _rollout(row: DatasetRow) -> tuple[str, ...]:
    example = row.example
    asked = (example.origin, normal_text(example.task), str(example.label.score))
    if example.episode_id is not None:
        return ("id", plain_source(example.source), example.episode_id, *asked)
    rest = _CAMERA.sub("", PurePosixPath(example.file_name).stem.lower())
    return ("name", plain_source(example.source), re.sub(r"[\W_]+", "_", rest), *asked)


def _are_views(rows: Sequence[DatasetRow]) -> bool:
    """Whether different cameras are named, in the rows or, where they name no episode, in the file names."""
    if rows[0].example.episode_id is not None:
        return len({row.example.view for row in rows}) > 1
    stems = (PurePosixPath(row.example.file_name).stem.lower() for row in rows)
    return len({tuple(_CAMERA.findall(stem)) for stem in stems}) > 1


def _spellings(dataset: Dataset) -> Iterator[Finding]:
    for rows in _collected(dataset.rows, lambda row: plain_source(row.example.source)).values():
        names = _collected(rows, lambda row: row.example.source)
        if len(names) > 1:
            told = ", ".join(f"{name!r} ({len(some)} rows)" for name, some in names.items())
            fewer = min(names.values(), key=len)
            text = f"One source under {len(names)} spellings: {told}."
            yield finding("source-spelling", text, [row.where for row in fewer])


def _columns(dataset: Dataset) -> Iterator[Finding]:
    for split in dataset.splits:
        if mixed := mixed_columns(split.columns):
            text = f"Values of different types in {', '.join(mixed[:5])} of split {split.name}."
            yield finding("columns-differ", text, [split.name])
    first, *others = dataset.splits
    for other in others:
        told = differences(first.columns, other.columns)
        if told:
            text = f"Splits {first.name} and {other.name} differ in {'; '.join(told[:3])}"
            more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
            yield finding("columns-differ", f"{text}{more}.", [other.name])


def _across_splits(by_video: Mapping[str, Sequence[DatasetRow]]) -> Iterator[Finding]:
    bad = {digest: rows for digest, rows in by_video.items() if len(_splits_of(rows)) > 1}
    if bad:
        digest, rows = next(iter(bad.items()))
        named = {row.split: row.example.file_name for row in reversed(rows)}
        told = " and ".join(f"{split}/{named[split]}" for split in _splits_of(rows))
        text = f"{_number(len(bad), 'video')} in more than one split, such as {told} (sha256 {digest[:12]})."
        yield finding("same-video-in-splits", text, _places(bad.values()))


def _within_splits(
    dataset: Dataset, by_video: Mapping[str, Sequence[DatasetRow]]
) -> Iterator[Finding]:
    for split in dataset.splits:
        mine = [[r for r in rows if r.split == split.name] for rows in by_video.values()]
        copies = [rows for rows in mine if len({row.example.file_name for row in rows}) > 1]
        apart = [rows for rows in copies if len({row.example.group for row in rows}) > 1]
        together = [rows for rows in copies if rows not in apart]
        for code, found in (("same-video-two-groups", apart), ("same-video-two-names", together)):
            if found:
                names = list(dict.fromkeys(row.example.file_name for row in found[0]))
                in_groups = " in different groups" if code == "same-video-two-groups" else ""
                text = (
                    f"{_number(len(found), 'video')} under more than one name{in_groups}, such as "
                    f"{' and '.join(repr(name) for name in names[:2])}."
                )
                yield finding(code, text, _places(found))


def _questions(rows: Sequence[DatasetRow], digest_of: Mapping[Path, str]) -> Iterator[Finding]:
    """The same video under the same task: with one label a repeat, with several a contradiction."""

    def question(row: DatasetRow) -> tuple[str, str]:
        video = digest_of.get(row.example.video) or str(row.example.video)
        return video, normal_text(row.example.task)

    asked = [some for some in _collected(rows, question).values() if len(some) > 1]
    split_over = [some for some in asked if len({row.example.label.score for row in some}) > 1]
    if split_over:
        one = split_over[0]
        told = " and ".join(f"{row.example.label.score} ({row.where})" for row in one[:2])
        text = (
            f"{_number(len(split_over), 'video')} under one task with different labels, such as "
            f"{shorten(repr(one[0].example.task))}: {told}."
        )
        yield finding("contradicting-labels", text, _places(split_over))
    repeats = [some[1:] for some in asked if len({row.example.label.score for row in some}) == 1]
    if repeats:
        row = repeats[0][0]
        text = f"{shorten(repr(row.example.file_name))} under {shorten(repr(row.example.task))} occurs more than once."
        yield finding("repeated-row", text, _places(repeats))


def _places(groups: Iterable[Sequence[DatasetRow]]) -> list[str]:
    return [row.where for rows in groups for row in rows]


def _number(num: int, noun: str) -> str:
    return f"{num} {noun}{'' if num == 1 else 's'}"
