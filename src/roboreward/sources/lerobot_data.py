"""The data files of a LeRobot dataset: how many rows each episode has, what they say, and pictures kept in them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward.core import DataError, shorten
from roboreward.media import MediaLimits, decode_image
from roboreward.sources.cells import is_file, path_in
from roboreward.sources.footage import read_picture
from roboreward.sources.lerobot_tables import open_table
from roboreward.sources.source import Frame

_ROWS_AT_A_TIME: Final = 8192
_PICTURES_AT_A_TIME: Final = 8
_MAX_TASKS: Final = 8
_COLUMNS: Final = ("episode_index", "task_index", "timestamp", "next.success", "next.reward")


@dataclass
class EpisodeData:
    """What the rows of one episode say.

    Attributes:
        first_row: Place of the first, from 0, in its file.
        num_rows: How many there are.
        is_scattered: Whether rows of other episodes lie between them.
        first_s: `timestamp` of the first row, where there is one.
        last_s: `timestamp` of the last row.
        tasks: Different `task_index`, in order; at most nine are kept.
        success: `next.success` of the last row, where there is one.
        last_reward: `next.reward` of the last row.
        sum_reward: Sum of `next.reward`.
    """

    first_row: int
    num_rows: int = 0
    is_scattered: bool = False
    first_s: float | None = None
    last_s: float | None = None
    tasks: tuple[int, ...] = ()
    success: bool | None = None
    last_reward: float | None = None
    sum_reward: float | None = None

    @property
    def rate(self) -> float | None:
        """Rows a second by their times, where these increase."""
        if self.first_s is None or self.last_s is None or self.num_rows < 2:
            return None
        span_s = self.last_s - self.first_s
        return (self.num_rows - 1) / span_s if 0 < span_s < math.inf else None


@dataclass(frozen=True)
class DataFile:
    """What a data file holds.

    Attributes:
        path: The file.
        columns: Names of all its columns.
        episodes: Facts by the number of the episode; all rows are of None where the file has no numbers.
    """

    path: Path
    columns: frozenset[str]
    episodes: Mapping[int | None, EpisodeData]


def read_data(path: Path) -> DataFile:
    """Read what a data file says of its episodes.

    Memory: a few thousand rows of five columns, and the facts.

    Raises:
        DataError: The file cannot be read, or a column has a type that it must not have.
    """
    found: dict[int | None, EpisodeData] = {}
    row = 0
    with open_table(path) as table:
        types = {field.name: field.type for field in table.schema_arrow}
        names = [name for name in _COLUMNS if name in types and _is_plain(types[name])]
        num_rows = table.metadata.num_rows
        if not names:
            return DataFile(path, frozenset(types), {None: EpisodeData(0, num_rows)})
        for batch in table.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=names):
            columns = {name: _numbers(batch, name, path) for name in names}
            for begin, end in _runs(columns.get("episode_index"), batch.num_rows):
                episode = columns["episode_index"][begin] if "episode_index" in columns else None
                number = None if episode is None else int(episode)
                facts = found.setdefault(number, EpisodeData(row + begin))
                _add(facts, columns, begin, end, row)
            row += batch.num_rows
    return DataFile(path, frozenset(types), found)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _numbers(batch: Any, name: str, path: Path) -> Any:
    """Return a column as an array; the numbers of episodes and tasks may not be missing."""
    column = batch.column(batch.schema.get_field_index(name))
    if name.endswith("_index"):
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "iu":
            text = f"{path}: column {name!r} must hold whole numbers, and none may be missing"
            raise DataError(f"{text}. Write it again.")
        return values
    return column.cast("float64").to_numpy(zero_copy_only=False)


def _runs(numbers: Any, num_rows: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of the runs of one number."""
    if numbers is None or not num_rows:
        yield from [(0, num_rows)] if num_rows else []
        return
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), num_rows]
    yield from zip([0, *ends[:-1]], ends, strict=True)


def _add(facts: EpisodeData, columns: dict[str, Any], begin: int, end: int, row: int) -> None:
    facts.is_scattered |= facts.first_row + facts.num_rows != row + begin
    times, tasks = columns.get("timestamp"), columns.get("task_index")
    success, reward = columns.get("next.success"), columns.get("next.reward")
    if times is not None:
        facts.first_s = float(times[begin]) if facts.num_rows == 0 else facts.first_s
        facts.last_s = float(times[end - 1])
    if tasks is not None and len(facts.tasks) <= _MAX_TASKS:
        new = (int(task) for task in dict.fromkeys(tasks[begin:end].tolist()))
        facts.tasks = tuple(dict.fromkeys([*facts.tasks, *new]))[: _MAX_TASKS + 1]
    if success is not None and math.isfinite(success[end - 1]):
        facts.success = bool(success[end - 1])
    if reward is not None:
        facts.last_reward = _finite(reward[end - 1])
        facts.sum_reward = _finite((facts.sum_reward or 0.0) + float(np.sum(reward[begin:end])))
    facts.num_rows += end - begin


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


class PictureRowsFootage:
    """Pictures that are kept in a column of a data file (LeRobot's dtype "image"), read a few rows at a time.

    A cell is what the `datasets` library writes: `bytes` of a picture, or the `path` of one inside the dataset.

    Args:
        path: The parquet file.
        column: Such as "observation.images.front".
        first_row: Place of the first frame in the file, from 0.
        num_frames: How many there are.
        fps: True frames a second.
        folder: The dataset, in which paths must lie.
        limits: What one picture may cost.
    """

    def __init__(
        self,
        path: Path,
        *,
        column: str,
        first_row: int,
        num_frames: int,
        fps: float,
        folder: Path,
        limits: MediaLimits,
    ) -> None:
        self.path, self.column, self.folder, self.limits = path, column, folder, limits
        self.first_row, self.num_frames, self.fps = first_row, num_frames, fps

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures in order; see `Footage`."""
        shape: tuple[int, ...] | None = None
        for place, cell in enumerate(islice(self._cells(), self.num_frames)):
            where = f"{self.path}:{self.first_row + place + 1}, {self.column!r}"
            frame = self._decode(cell, where)
            if shape not in (None, frame.shape):
                text = f"{where}: its size {frame.shape} is not that of the others, {shape}"
                raise DataError(f"{text}. Write the episode again.")
            shape = frame.shape
            yield frame

    def _cells(self) -> Iterator[Any]:
        """Yield cells from the first row on, out of the row groups that hold the episode."""
        with open_table(self.path) as table:
            if self.column not in table.schema_arrow.names:
                text = f"{self.path}: there is no column {self.column!r}, of which info.json speaks"
                raise DataError(f"{text}. Copy or write it again.")
            groups, skip = _groups_of(table, self.first_row, self.num_frames)
            batches = table.iter_batches(
                batch_size=_PICTURES_AT_A_TIME, row_groups=groups, columns=[self.column]
            )
            for batch in batches:
                column = batch.column(batch.schema.get_field_index(self.column))
                if skip < len(column):
                    yield from column.slice(skip).to_pylist()
                skip = max(0, skip - len(column))

    def _decode(self, cell: Any, where: str) -> Frame:
        parts = cell if isinstance(cell, dict) else {"bytes": cell}
        data, name = parts.get("bytes"), parts.get("path")
        if isinstance(data, bytes):
            return decode_image(data, where=where, limits=self.limits)
        if isinstance(name, str) and is_file(path := path_in(self.folder, name)):
            return read_picture(path, limits=self.limits)
        raise DataError(f"{where}: no picture in {shorten(cell)}. Write the episode again.")


def _groups_of(table: Any, first: int, num: int) -> tuple[list[int], int]:
    """Return the row groups that hold these rows, and how many rows of the first come before them."""
    groups: list[int] = []
    begin, skip = 0, 0
    for group in range(table.num_row_groups):
        end = begin + table.metadata.row_group(group).num_rows
        if begin < first + num and end > first:
            skip = skip if groups else first - begin
            groups.append(group)
        begin = end
    return groups, skip
