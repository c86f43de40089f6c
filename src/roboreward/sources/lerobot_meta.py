"""What the folder `meta` of a LeRobot dataset says: versions v2.0, v2.1 and v3.0, without the library.

v2: `episodes.jsonl` and `tasks.jsonl`, one data file and one video a camera for each episode. v3.0: tables in parquet,
many episodes in one file. Read off `huggingface/lerobot` at commit 7427f3180 (`datasets/utils.py`,
`dataset_metadata.py`, `scripts/convert_dataset_v21_to_v30.py`) and off real folders, which stray from it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from roboreward.core import DataError, UsageError, shorten
from roboreward.sources.cells import because, fps_in, is_file
from roboreward.sources.lerobot_tables import read_rows
from roboreward.sources.unusable import Unusable
from roboreward.store import read_jsonl

INFO: Final = "meta/info.json"
MAX_EPISODES: Final = 10_000_000
_MAX_INFO_BYTES: Final = 16 << 20
_MAX_INDEX: Final = 2**53
_VERSION: Final = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?")
_KNOWN_VERSIONS: Final = ((2, 0), (2, 1), (3, 0))
_PLACE: Final = re.compile(r"\{(\w+)(?::0?(\d{1,2})d)?\}")
_PLACES: Final = (
    "chunk_index",
    "episode_chunk",
    "file_index",
    "episode_index",
    "video_key",
)
_TASK_COLUMNS: Final = ("task", "__index_level_0__")
"""Where v3.0 has the text of a task: pandas stores the table's index under either name."""

OnBad = Callable[[Unusable, int | None], None]
"""Takes a row that cannot be used, and its episode's number where that can be read."""


@dataclass(frozen=True)
class Camera:
    """A feature that holds pictures.

    Attributes:
        key: Such as "observation.images.front".
        kind: "video" for files, "image" for pictures inside the data files.
        is_depth: Whether it is a depth map, which is no picture for a judge.
    """

    key: str
    kind: Literal["video", "image"]
    is_depth: bool


@dataclass(frozen=True)
class Info:
    """`meta/info.json`, as far as it is needed.

    Attributes:
        folder: The dataset.
        version: (2, 0), (2, 1) or (3, 0).
        fps: Frames a second of data and video.
        num_episodes: As announced.
        chunk_size: Episodes (v2) or files (v3) in a chunk.
        data_path: Template of the data files.
        video_path: Template of the videos; None for a dataset of pictures.
        cameras: In the order of the file.
        robot_type: As stated.
    """

    folder: Path
    version: tuple[int, int]
    fps: float
    num_episodes: int
    chunk_size: int
    data_path: str
    video_path: str | None
    cameras: tuple[Camera, ...]
    robot_type: str | None

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self.folder / INFO


@dataclass(frozen=True)
class Span:
    """Where an episode's video is: a file, and in v3.0 a part of it, in seconds."""

    chunk: int
    file: int
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class EpisodeRow:
    """What `meta` says of one episode.

    Attributes:
        index: Its number.
        length: Frames.
        tasks: The instructions it lists, which may be none.
        data: Chunk and file of its rows.
        videos: Where each camera's video is; a camera may be missing.
        where: File and row.
        extra: Further cells, when they are texts, numbers or truth values.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    data: tuple[int, int]
    videos: Mapping[str, Span]
    where: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_info(folder: Path) -> Info:
    """Read `meta/info.json`.

    Raises:
        UsageError: The folder is no LeRobot dataset.
        DataError: The file is broken, or its version is none that is known.
    """
    path = folder / INFO
    if not is_file(path):
        raise UsageError(f"There is no {path}. Give the folder of a LeRobot dataset.")
    raw = _read_object(path)
    try:
        version = _version(raw.get("codebase_version"))
        return Info(
            folder=folder,
            version=version,
            fps=fps_in(raw.get("fps")),
            num_episodes=_count(raw, "total_episodes", MAX_EPISODES),
            chunk_size=max(1, _count(raw, "chunks_size", _MAX_INDEX, otherwise=1000)),
            data_path=_template(raw, "data_path"),
            video_path=None if raw.get("video_path") is None else _template(raw, "video_path"),
            cameras=_cameras(raw.get("features")),
            robot_type=None if raw.get("robot_type") is None else shorten(raw["robot_type"]),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def read_tasks(info: Info) -> dict[int, str]:
    """Read the table of tasks: number -> text. A dataset may lack it; then it is empty.

    Raises:
        DataError: The table is broken; names the row.
    """
    folder = info.folder / "meta"
    tasks: dict[int, str] = {}
    for where, row in _task_rows(folder):
        try:
            index = _whole_number(row, "task_index", where)
        except Unusable as error:
            raise DataError(str(error)) from None
        text = next((row[name] for name in _TASK_COLUMNS if row.get(name) is not None), None)
        if not isinstance(text, str):
            raise DataError(f"{where}: the text of task {index} is missing. Add it.")
        if tasks.setdefault(index, text) != text:
            raise DataError(f"{where}: task {index} has two texts. Remove one of them.")
    return tasks


def episode_rows(info: Info, on_bad: OnBad) -> Iterator[EpisodeRow]:
    """Read the episodes in the order of the files, one at a time.

    Args:
        info: What `read_info` returned.
        on_bad: Called for each row that cannot be used, which is then left out. It may raise.

    Raises:
        DataError: The table cannot be read.
    """
    for where, row in _raw_rows(info, on_bad):
        try:
            with because("bad_row", where):
                yield _episode_row(info, row, where)
        except Unusable as error:
            number = row.get("episode_index")
            on_bad(error, number if type(number) is int else None)


def fill(template: str, values: Mapping[str, int | str]) -> str:
    """Fill a template of a path. Only plain places are known: `str.format` would follow attributes and any width."""

    def value(match: re.Match[str]) -> str:
        given = values[match[1]]
        return f"{given:0{int(match[2])}d}" if match[2] and isinstance(given, int) else str(given)

    return _PLACE.sub(value, template)


def _read_object(path: Path) -> dict[str, Any]:
    """Read a file that is one JSON object, as strictly as a line of `store.read_jsonl`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_INFO_BYTES + 1)
        if len(data) > _MAX_INFO_BYTES:
            raise DataError(f"{path}: larger than {_MAX_INFO_BYTES:,} bytes. Is it the right file?")
        value = json.loads(
            data.decode("utf-8-sig"), parse_constant=_refuse, object_pairs_hook=_without_twins
        )
        json.dumps(value, ensure_ascii=False).encode()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({shorten(error)}). Copy it again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: a JSON object is wanted, got {shorten(value)!r}. Copy it again.")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _version(value: Any) -> tuple[int, int]:
    found = _VERSION.fullmatch(value) if isinstance(value, str) else None
    version = (int(found[1]), int(found[2])) if found else None
    if version not in _KNOWN_VERSIONS:
        known = ", ".join(f"v{major}.{minor}" for major, minor in _KNOWN_VERSIONS)
        raise DataError(
            f"codebase_version {shorten(repr(value))} is not one that is read ({known}). "
            "Convert the dataset with LeRobot's own scripts."
        )
    return version


def _count(raw: Mapping[str, Any], key: str, most: int, *, otherwise: int | None = None) -> int:
    value = raw.get(key, otherwise)
    if type(value) is not int or not 0 <= value <= most:
        raise DataError(f"{key!r} must be a number from 0 to {most:,}, got {shorten(repr(value))}.")
    return value


def _template(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(f"{key!r} is missing. Give the template of the files' paths.")
    unknown = [match[1] for match in _PLACE.finditer(value) if match[1] not in _PLACES]
    if unknown or re.search(r"[{}]", _PLACE.sub("", value)):
        known = ", ".join(f"{{{name}}}" for name in _PLACES)
        raise DataError(f"{key!r} is {shorten(repr(value))}; places that are known: {known}.")
    return value


def _cameras(features: Any) -> tuple[Camera, ...]:
    if not isinstance(features, dict) or not all(isinstance(f, dict) for f in features.values()):
        raise DataError("'features' must be an object of objects. Copy the file again.")
    return tuple(
        Camera(key, feature["dtype"], _is_depth(feature))
        for key, feature in features.items()
        if feature.get("dtype") in ("video", "image")
    )


def _is_depth(feature: Mapping[str, Any]) -> bool:
    """Tell a depth map by either spelling, in either place (LeRobot's `feature_utils.is_depth_map`)."""
    details = [feature, feature.get("info"), feature.get("video_info")]
    return any(
        detail.get(key) is True
        for detail in details
        if isinstance(detail, dict)
        for key in ("is_depth_map", "video.is_depth_map")
    )


def _task_rows(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines, table = folder / "tasks.jsonl", folder / "tasks.parquet"
    if is_file(table):
        yield from read_rows(table, ("task_index", *_TASK_COLUMNS))
    elif is_file(lines):
        yield from ((f"{lines}:{number}", row) for number, row in read_jsonl(lines))


def _raw_rows(info: Info, on_bad: OnBad) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if info.version[0] == 2:
        yield from _rows_of_lines(info.folder / "meta" / "episodes.jsonl", on_bad)
        return
    folder = info.folder / "meta" / "episodes"
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise DataError(f"{folder}: there is no parquet file. Copy the dataset again.")
    for file in files:
        yield from read_rows(file, _is_wanted)


def _rows_of_lines(path: Path, on_bad: OnBad) -> Iterator[tuple[str, Mapping[str, Any]]]:
    def bad(number: int, error: DataError) -> None:
        where = f"{path}:{number}"
        on_bad(Unusable("bad_row", where, str(error).removeprefix(f"{where}: ")), None)

    for number, row in read_jsonl(path, on_bad=bad):
        yield f"{path}:{number}", row


def _is_wanted(column: str) -> bool:
    """The statistics of an episode are most of its row and are not read."""
    return not column.startswith(("stats/", "meta/"))


def _episode_row(info: Info, row: Mapping[str, Any], where: str) -> EpisodeRow:
    index = _whole_number(row, "episode_index", where)
    length = _whole_number(row, "length", where)
    if length < 1:
        raise Unusable("no_frames", where, "the episode has 0 frames. Remove it.")
    is_v2 = info.version[0] == 2
    chunk = index // info.chunk_size
    cameras = [camera.key for camera in info.cameras if camera.kind == "video"]
    spans = {key: Span(chunk, index) if is_v2 else _span(row, key, where) for key in cameras}
    data = (chunk, index) if is_v2 else _data_place(row, where)
    return EpisodeRow(
        index=index,
        length=length,
        tasks=_tasks(row.get("tasks"), where),
        data=data,
        videos={key: span for key, span in spans.items() if span is not None},
        where=where,
        extra={key: value for key, value in row.items() if _is_extra(key, value)},
    )


def _is_extra(key: str, value: Any) -> bool:
    is_known = key in ("episode_index", "length", "tasks", "dataset_from_index", "dataset_to_index")
    is_place = key.startswith(("videos/", "data/"))
    return not is_known and not is_place and isinstance(value, (str, int, float, bool))


def _tasks(value: Any, where: str) -> tuple[str, ...]:
    """Return the different texts in order. Some writers give one text in place of a list."""
    listed = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        text = f"'tasks' must be a list of texts, got {shorten(repr(value))}."
        raise Unusable("bad_row", where, text)
    return tuple(dict.fromkeys(text.strip() for text in listed if text.strip()))


def _data_place(row: Mapping[str, Any], where: str) -> tuple[int, int]:
    chunk, file = (_whole_number(row, f"data/{key}_index", where) for key in ("chunk", "file"))
    return chunk, file


def _span(row: Mapping[str, Any], camera: str, where: str) -> Span | None:
    """Return where a camera's video is, or None where the row does not say."""
    keys = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    chunk, file, start, end = (row.get(f"videos/{camera}/{key}") for key in keys)
    if chunk is None or file is None or start is None:
        return None
    for name, value in (("chunk_index", chunk), ("file_index", file)):
        if type(value) is not int or not 0 <= value <= _MAX_INDEX:
            text = f"'videos/{camera}/{name}' must be a number from 0, got {shorten(repr(value))}."
            raise Unusable("bad_row", where, text)
    times = [value for value in (start, end) if value is not None]
    if not all(type(time) in (int, float) and 0 <= time < 1e9 for time in times):
        text = f"the times of {camera!r} make no sense: {shorten(repr(times))}."
        raise Unusable("bad_row", where, text)
    return Span(chunk, file, float(start), None if end is None else float(end))


def _whole_number(row: Mapping[str, Any], key: str, where: str) -> int:
    value = row.get(key)
    if type(value) is not int or not 0 <= value <= _MAX_INDEX:
        text = f"{key!r} must be a number from 0, got {shorten(repr(value))}."
        raise Unusable("bad_row", where, text)
    return value
