"""A folder of videos, folders of pictures or arrays, and a JSON-lines or CSV file that says what they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, get_args

from roboreward.core import DataError, Label, MediaRefused, Score, UnknownName, UsageError, shorten
from roboreward.media import MediaLimits, probe
from roboreward.sources.array_footage import ARRAY_SUFFIXES, ArrayFootage
from roboreward.sources.cells import (
    because,
    fps_in,
    is_file,
    is_folder,
    licence_of_card,
    path_in,
    score_in,
    task_in,
)
from roboreward.sources.footage import (
    DEFAULT_LIMITS,
    ImageFolderFootage,
    VideoFootage,
    check_fps,
)
from roboreward.sources.sheet import read_sheet
from roboreward.sources.source import Footage, OnSkip, SourceEpisode
from roboreward.sources.unusable import Unusable, leave_out

Meaning = Literal["file", "task", "id", "outcome", "score", "group", "fps"]

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": ("file_name", "file", "path", "video"),
    "task": ("task", "instruction", "language_instruction"),
    "id": ("episode_id", "id"),
    "outcome": ("outcome", "success"),
    "score": ("score", "reward"),
    "group": ("group", "session"),
    "fps": ("fps",),
}
"""Names under which a column is found when no mapping is given, in order of preference."""

METADATA_NAMES: Final = ("metadata.jsonl", "metadata.csv", "metadata.tsv")
_VIEW: Final = "video"
_MAX_CELL_CHARS: Final = 2_000


class FolderSource:
    """Episodes that a metadata file lists, one a row.

    A row names a video, a folder of pictures, or a `.npy` or `.npz` file; and a task. An outcome is kept in `extra` and
    is no label, unless `outcome_scores` says what it is worth. Other columns go into `extra` too.

    Args:
        folder: Where paths start. Nothing outside it is read.
        metadata: The file, in the folder or anywhere; None for `metadata.jsonl`, `.csv` or `.tsv` in the folder.
        columns: Names of columns by meaning, where they differ from `COLUMNS`: {"file": "clip", "task": "goal"}.
        outcome_scores: The score of each outcome, such as {"success": 5}; outcomes that are not in it give no label.
            Truth values are "true" and "false" here.
        fps: True frames a second where a row does not say. Pictures and arrays need one; a video's own average is
            taken otherwise.
        name: Name of the corpus; None for the folder's.
        limits: What one episode's footage may cost.

    Raises:
        UsageError: There is no metadata file, or an argument makes no sense.

    Memory: the ids.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        metadata: Path | str | None = None,
        columns: Mapping[str, str] | None = None,
        outcome_scores: Mapping[str, int] | None = None,
        fps: float | None = None,
        name: str | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        self.folder, self.limits = Path(folder), limits
        self.metadata = _metadata(self.folder, metadata)
        self._columns = _columns(columns or {})
        self._scores = {
            key: _given_score(key, value) for key, value in (outcome_scores or {}).items()
        }
        self._fps = None if fps is None else check_fps(fps, where=str(folder))
        self._name = name or self.folder.resolve().name

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self._name

    @property
    def licence(self) -> str | None:
        """As a dataset card (`README.md` with a block at its top) in the folder states it."""
        return licence_of_card(self.folder)

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the rows in the order of the file; see `Source`.

        Reasons of a `Skip`: "bad_row" (cannot be read, or an id, group, score or fps that makes no sense), "no_file"
        (missing, not named, or outside the folder), "no_task", "no_fps", "bad_footage", "no_frames", "duplicate_id".
        """
        seen: set[str] = set()

        def bad(number: int, error: DataError) -> None:
            where = f"{self.metadata}:{number}"
            leave_out(Unusable("bad_row", where, str(error).removeprefix(f"{where}: ")), on_skip)

        for number, cells in read_sheet(self.metadata, on_bad=bad):
            row = _Row(cells, self._columns, f"{self.metadata}:{number}")
            try:
                episode = self._episode(row)
                if episode.episode_id in seen:
                    text = f"the id {shorten(repr(episode.episode_id))} occurs twice. Give each row its own."
                    raise Unusable("duplicate_id", row.where, text)
            except Unusable as error:
                leave_out(error, on_skip)
                continue
            seen.add(episode.episode_id)
            yield episode

    def _episode(self, row: "_Row") -> SourceEpisode:
        file_name = row.text("file", reason="no_file")
        with because("no_task", row.where):
            task = task_in(row.get("task")).strip()
        stem = file_name.removesuffix(PurePosixPath(file_name).suffix)
        episode_id = row.text("id", otherwise=stem)
        label = self._label(row)
        with because("no_file", row.where):
            path = path_in(self.folder, file_name)
        footage = self._footage(path, row)
        extra = row.rest() | {"file_name": file_name}
        return SourceEpisode(
            episode_id=episode_id,
            task=task,
            source=self._name,
            group=row.text("group", otherwise=episode_id),
            views={_VIEW: footage},
            judged_view=_VIEW,
            label=label,
            where=row.where,
            extra=extra if row.get("outcome") is None else extra | {"outcome": row.get("outcome")},
        )

    def _label(self, row: "_Row") -> Label | None:
        """Return the row's score, else what its outcome is worth."""
        score, outcome = row.get("score"), row.get("outcome")
        if score is not None:
            with because("bad_row", row.where):
                return Label(score=score_in(score), author="metadata")
        key = str(outcome).lower() if isinstance(outcome, bool) else outcome
        worth = self._scores.get(key) if isinstance(key, str) else None
        if worth is None:
            return None
        return Label(score=worth, author="outcome", reason=f"the outcome is stated as {outcome!r}")

    def _footage(self, path: Path, row: "_Row") -> Footage:
        fps = self._fps
        if row.get("fps") is not None:
            with because("bad_row", row.where):
                fps = fps_in(row.get("fps"))
        with because("bad_footage", row.where):
            if is_folder(path):
                needed = _needed(fps, row, "a folder of pictures")
                return ImageFolderFootage(path, fps=needed, limits=self.limits)
            if not is_file(path):
                raise Unusable("no_file", row.where, f"there is no {path}. Add it.")
            if path.suffix.lower() in ARRAY_SUFFIXES:
                needed = _needed(fps, row, "an array of frames")
                return ArrayFootage(path, fps=needed, limits=self.limits)
            return self._video(path, fps, row)

    def _video(self, path: Path, fps: float | None, row: "_Row") -> Footage:
        """Return a video that has a frame: where the header does not say so, one is decoded."""
        info = probe(path, limits=self.limits)
        rate = _needed(fps or info.fps, row, f"{path}, whose header states none,")
        footage = VideoFootage(path, fps=rate, limits=self.limits, where=row.where)
        if info.announced_frames is None:
            _check_first(footage, row)
        return footage


@dataclass(frozen=True)
class _Row:
    """A row, whose cells are found by meaning."""

    cells: Mapping[str, Any]
    columns: Mapping[str, tuple[str, ...]]
    where: str

    def get(self, meaning: Meaning) -> Any:
        """Return the first cell that is not empty, of those that have this meaning."""
        values = (self.cells.get(name) for name in self.columns[meaning])
        return next((value for value in values if value is not None and value != ""), None)

    def text(
        self, meaning: Meaning, *, otherwise: str | None = None, reason: str = "bad_row"
    ) -> str:
        """Return a cell that must be a text or a whole number; numbers are common as ids."""
        value = self.get(meaning)
        if type(value) is int and meaning != "file":
            value = str(value)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_CELL_CHARS:
            names = " or ".join(map(repr, self.columns[meaning]))
            text = (
                f"the {meaning} ({names}) must be a text, got {shorten(repr(value))}. Mend the row."
            )
            raise Unusable(reason, self.where, text)
        return value

    def rest(self) -> dict[str, Any]:
        """Return the cells that have no meaning here, and the session, which is more than a group."""
        known = {name for names in self.columns.values() for name in names} - {"session"}
        return {key: value for key, value in self.cells.items() if key not in known}


def _needed(fps: float | None, row: _Row, what: str) -> float:
    if fps is None:
        text = f"{what} needs a frame rate. Add a column 'fps', or pass fps=."
        raise Unusable("no_fps", row.where, text)
    return fps


def _check_first(footage: Footage, row: _Row) -> None:
    try:
        if next(footage.frames(), None) is not None:
            return
    except MediaRefused as error:
        if error.reason != "no_frames":
            raise
    raise Unusable("no_frames", row.where, "the video holds no frame. Record or copy it again.")


def _metadata(folder: Path, metadata: Path | str | None) -> Path:
    if metadata is not None:
        for file in (folder / metadata, Path(metadata)):
            if is_file(file):
                return file
        raise UsageError(
            f"There is no {metadata}, in {folder} or here. Give the file that lists the episodes."
        )
    for name in METADATA_NAMES:
        if is_file(folder / name):
            return folder / name
    names = ", ".join(METADATA_NAMES)
    raise UsageError(f"{folder} holds none of {names}. Pass metadata=.")


def _columns(given: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    for meaning in given:
        if meaning not in get_args(Meaning):
            raise UnknownName("column", meaning, get_args(Meaning))
    return {**COLUMNS, **{meaning: (name,) for meaning, name in given.items()}}


def _given_score(outcome: str, value: Any) -> Score:
    try:
        return score_in(value)
    except DataError as error:
        raise UsageError(f"outcome_scores[{outcome!r}]: {error}") from None
