"""A dataset on disk: one folder with a split in each of its subfolders, read row by row and nothing lost.

`read_set` reads one split for a benchmark, and stops at what it cannot use. Here every row keeps its place in its file,
bad rows and repeated ids included, because what looks at a dataset as a whole has to point at them.
"""

import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from roboreward.core import DataError, Example, UsageError, content_id
from roboreward.dataset.features import Kind, kind_of, merged
from roboreward.dataset.layout import METADATA, SPLITS, BadRow
from roboreward.dataset.rows import example_of
from roboreward.sources import file_name_of, infer
from roboreward.store import read_jsonl


@dataclass(frozen=True)
class DatasetRow:
    """An example and where it stands.

    Attributes:
        split: Name of its split.
        number: Line of the metadata file, from 1.
        where: File and line, relative to the dataset's folder, such as "train/metadata.jsonl:12".
        example: What the row says.
    """

    split: str
    number: int
    where: str
    example: Example


@dataclass(frozen=True)
class DatasetSplit:
    """One split.

    Attributes:
        name: Name of its folder.
        file: Its metadata file.
        rows: Usable rows in the order of the file. Ids may repeat.
        bad_rows: Rows that no example can be made of, with the reason.
        columns: Keys and value types over all rows, as a JSON reader would infer them.
    """

    name: str
    file: Path
    rows: tuple[DatasetRow, ...]
    bad_rows: tuple[BadRow, ...]
    columns: Kind


@dataclass(frozen=True)
class Dataset:
    """A folder of splits.

    Attributes:
        folder: Where it lies.
        splits: train, val, validation and test first, then others by name; at least one.
    """

    folder: Path
    splits: tuple[DatasetSplit, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def rows(self) -> tuple[DatasetRow, ...]:
        """The rows of all splits, in order."""
        return tuple(row for split in self.splits for row in split.rows)

    def where(self, bad: BadRow) -> str:
        """Return file and line of a bad row, relative to the dataset's folder."""
        return f"{_relative(bad.file, self.folder)}:{bad.row}"


def read_dataset(path: Path, *, allow_bad: bool = False, has_videos: bool = True) -> Dataset:
    """Read a dataset in the published layout.

    Args:
        path: A folder with splits below it, or a single split (its folder or its metadata file).
        allow_bad: Keep bad rows in `bad_rows` and go on, in place of stopping at the first.
        has_videos: Whether the videos must be there; False reads metadata that came without them.

    Raises:
        UsageError: There is no metadata at `path`.
        DataError: A bad row (file, row number, what to do), or no usable row in any split.
    """
    path = Path(path)
    files = _metadata_files(path)
    folder = path.parent if path.is_file() else path
    splits = tuple(_read_split(file, folder, allow_bad, has_videos) for file in files)
    if not any(split.rows for split in splits):
        reasons = [f" The first: {bad.reason}" for split in splits for bad in split.bad_rows]
        raise DataError(f"{path}: no usable row.{''.join(reasons[:1])}")
    return Dataset(folder, splits)


def refuse_own_file(target: Path, dataset: Dataset) -> None:
    """Refuse to write over what a dataset is made of.

    Raises:
        UsageError: `target` is one of its metadata files or videos, also by a link, or the place of a video that is
            not there.
    """
    own = (*(split.file for split in dataset.splits), *(row.example.video for row in dataset.rows))
    try:
        there = os.stat(target)
    except (OSError, ValueError):
        real = os.path.realpath(target)
        name = os.path.basename(real)
        is_own = any(path.name == name and os.path.realpath(path) == real for path in own)
    else:
        is_own = any(_is_file(path, there) for path in own)
    if is_own:
        raise UsageError(
            f"{target} is a part of the dataset {dataset.folder}, and would be overwritten. Name another file."
        )


def _is_file(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), known)
    except (OSError, ValueError):
        return False


def _metadata_files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"There is no {path}. Give a dataset's folder.")
    if path.is_file():
        return [path]
    if (path / METADATA).is_file():
        return [path / METADATA]
    found = sorted(path.glob(f"*/{METADATA}"))
    if not found:
        there = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        raise UsageError(
            f"{path} holds neither {METADATA} nor a split that does; there is: {there}."
        )
    return sorted(found, key=lambda file: (_rank(file.parent.name), file.parent.name))


def _rank(split: str) -> int:
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def _read_split(file: Path, folder: Path, allow_bad: bool, has_videos: bool) -> DatasetSplit:
    bad: list[BadRow] = []

    def note(number: int, error: DataError) -> None:
        reason = str(error).removeprefix(f"{file}:{number}: ")
        if not allow_bad:
            raise DataError(f"{file}:{number}: {reason} Mend or remove the row.")
        bad.append(BadRow(file, number, reason))

    name = file.parent.name or file.resolve().parent.name
    lines = list(read_jsonl(file, on_bad=note))
    stems = frozenset(_stems(lines))
    read = example_of if has_videos else _example_without_video
    rows: list[DatasetRow] = []
    for number, line in lines:
        where = f"{_relative(file, folder)}:{number}"
        try:
            root = file.parent if has_videos else file
            rows.append(DatasetRow(name, number, where, read(line, root=root, known_stems=stems)))
        except DataError as error:
            note(number, error)
    columns = merged(kind_of(line) for _, line in lines)
    return DatasetSplit(name, file, tuple(rows), tuple(sorted(bad, key=lambda b: b.row)), columns)


def _stems(lines: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    for _, line in lines:
        name = line.get("file_name", line.get("video"))
        if isinstance(name, str) and PurePosixPath(name).name:
            yield str(PurePosixPath(name).with_suffix(""))


def _example_without_video(
    line: Mapping[str, Any], *, root: Path, known_stems: Set[str]
) -> Example:
    """Check a row as ever, with the metadata file (`root`) in the place of the video, which need not be there."""
    name, reward = file_name_of(line), line.get("reward")
    if not PurePosixPath(name).name:
        raise DataError(f"'file_name' is {name!r}. Give the video's path in this folder.")
    inferred = infer(name, reward if isinstance(reward, int) else 0, known_stems)
    said = {key: value for key, value in line.items() if value is not None and value != ""}
    stand_in: dict[str, Any] = {
        "example_id": content_id([name, str(line.get("task"))]),
        "source": inferred.source,
        "group": inferred.group,
        "origin": inferred.origin,
        **said,
        "file_name": root.name,
    }
    if "file_name" not in line:
        del stand_in["video"]
    example = example_of(stand_in, root=root.parent, known_stems=known_stems)
    return example.model_copy(update={"file_name": name, "video": root.parent / name})


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
