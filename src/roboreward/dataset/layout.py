"""The published layout: `<split>/metadata.jsonl` beside `<subset>/*.mp4`.

`datasets.load_dataset("videofolder", ...)` and the loaders written for the RoboReward release read it too. A bad row is
never silently lost: it stops the reading, or it is collected and counted.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from roboreward.core import DataError, Example, UsageError, content_id, shorten
from roboreward.dataset.rows import example_of, row_of
from roboreward.sources import file_name_of
from roboreward.store import read_jsonl, write_atomic

METADATA = "metadata.jsonl"
SPLITS = ("train", "val", "validation", "test")
_TELLS_LABEL = re.compile(r"(score|reward|label)[_-]?\d|success|fail|suboptimal", re.IGNORECASE)


@dataclass(frozen=True)
class BadRow:
    """A metadata row that cannot be used. `row` counts from 1."""

    file: Path
    row: int
    reason: str


@dataclass(frozen=True)
class ExampleSet:
    """Examples that are read, scored and reported together.

    Attributes:
        name: For people; the last parts of the path.
        examples: In the order of the file. Ids are unique.
        bad_rows: Rows left out, when that was allowed.
        set_hash: Digest of what can change a number; see `set_hash_of`.
        path: The metadata file it was read from, when there is one.
    """

    name: str
    examples: tuple[Example, ...]
    bad_rows: tuple[BadRow, ...] = ()
    set_hash: str = ""
    path: Path | None = None


def read_set(path: Path, *, allow_bad: bool = False) -> ExampleSet:
    """Read a set in the published layout.

    Args:
        path: A metadata file, or the split folder that holds `metadata.jsonl`.
        allow_bad: Collect bad rows in `bad_rows` and go on, in place of stopping at the first.

    Raises:
        UsageError: There is no metadata at `path`; the message lists what is there.
        DataError: A bad row (file, row number, what to do), or no usable row at all.
    """
    file = _metadata_file(Path(path))
    rows = _parse_lines(file)
    stems = frozenset(_stem(row) for _, row in rows if not isinstance(row, str))
    examples: dict[str, Example] = {}
    bad: list[BadRow] = []
    for number, row in rows:
        found = _read_row(row, root=file.parent, stems=stems, seen=examples)
        if isinstance(found, Example):
            examples[found.example_id] = found
            continue
        if not allow_bad:
            raise DataError(
                f"{file}:{number}: {found} Mend or remove the row, or skip bad rows on purpose."
            )
        bad.append(BadRow(file, number, found))
    if not examples:
        raise DataError(f"{file}: no usable example ({len(bad)} bad rows of {len(rows)}).")
    found_examples = tuple(examples.values())
    return ExampleSet(_name_of(file), found_examples, tuple(bad), set_hash_of(found_examples), file)


def write_set(folder: Path, examples: Sequence[Example]) -> Path:
    """Write `<folder>/metadata.jsonl` for videos that are already in place, all or nothing.

    Args:
        folder: The split's folder.
        examples: `file_name` says where in `folder` each video lies; `video` is not used.

    Returns:
        The metadata file.

    Raises:
        UsageError: No examples, an id twice, a video that is not in place, or a file name that tells the label.
        StoreError: The file cannot be written.
    """
    folder = Path(folder)
    if not examples:
        raise UsageError(f"There are no examples to write into {folder}.")
    seen: set[str] = set()
    for example in examples:
        _check_writable(example, folder, seen)
        seen.add(example.example_id)
    lines = (json.dumps(row_of(example), ensure_ascii=True) for example in examples)
    target = folder / METADATA
    write_atomic(target, "".join(f"{line}\n" for line in lines))
    return target


def tells_label(name: str) -> bool:
    """Whether the name of a file or folder gives away how an attempt ended."""
    return _TELLS_LABEL.search(name) is not None


def set_hash_of(examples: Iterable[Example]) -> str:
    """Return a digest of a set's content, independent of its order and of where it lies.

    Covers id, file name, task, reward, source, group and the video's size in bytes. Pixels are not read, so a video
    that was replaced by another of the same size goes unnoticed.
    """
    return content_id(
        sorted(
            [
                example.example_id,
                example.file_name,
                example.task,
                example.label.score,
                example.source,
                example.group,
                example.video.stat().st_size,
            ]
            for example in examples
        )
    )


def _metadata_file(path: Path) -> Path:
    if path.is_file():
        return path
    if (path / METADATA).is_file():
        return path / METADATA
    if not path.exists():
        raise UsageError(f"There is no {path}. Give a metadata.jsonl or the folder that holds it.")
    splits = [name for name in SPLITS if (path / name / METADATA).is_file()]
    if splits:
        given = " or ".join(str(path / name) for name in splits)
        raise UsageError(f"{path} holds splits, not examples. Give one of them: {given}.")
    there = sorted(p.name for p in path.iterdir())[:8]
    raise UsageError(f"{path} holds no {METADATA}; there is: {', '.join(there) or 'nothing'}.")


def _parse_lines(file: Path) -> list[tuple[int, dict[str, Any] | str]]:
    """Return (row number, object), or the complaint in place of the object. Blank lines are skipped."""
    complaints: list[tuple[int, dict[str, Any] | str]] = []

    def note(number: int, error: DataError) -> None:
        complaints.append((number, str(error).removeprefix(f"{file}:{number}: ")))

    rows: list[tuple[int, dict[str, Any] | str]] = list(read_jsonl(file, on_bad=note))
    return sorted([*rows, *complaints], key=lambda pair: pair[0])


def _stem(row: dict[str, Any]) -> str:
    try:
        return str(PurePosixPath(file_name_of(row)).with_suffix(""))
    except (DataError, ValueError):  # reported when the row itself is read
        return ""


def _read_row(
    row: dict[str, Any] | str, *, root: Path, stems: frozenset[str], seen: dict[str, Example]
) -> Example | str:
    if isinstance(row, str):
        return row
    try:
        example = example_of(row, root=root, known_stems=stems)
    except DataError as error:
        return str(error)
    if example.example_id in seen:
        return f"example {shorten(example.example_id)!r} occurs twice."
    return example


def _check_writable(example: Example, folder: Path, seen: set[str]) -> None:
    name = PurePosixPath(example.file_name)
    if example.example_id in seen:
        raise UsageError(
            f"Example {example.example_id!r} occurs twice. Ids must be unique in a set."
        )
    if tells_label(name.name):
        raise UsageError(
            f"File name {shorten(repr(example.file_name))} tells the label; a model could read it. Rename the video."
        )
    if name.is_absolute() or ".." in name.parts or not (folder / name).is_file():
        raise UsageError(f"There is no video {shorten(repr(example.file_name))} inside {folder}.")


def _name_of(file: Path) -> str:
    folder = file.resolve().parent
    named = f"{folder.parent.name}/{folder.name}" if folder.name in SPLITS else folder.name
    return named if file.name == METADATA else f"{named}/{file.stem}"
