"""RLDS folders, such as those of Open X-Embodiment, without TensorFlow: one record an episode, one at a time."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from roboreward.core import DataError, UnknownName, UsageError
from roboreward.sources.footage import check_fps
from roboreward.sources.oxe import OxeDataset, oxe_dataset
from roboreward.sources.rlds_episode import EpisodeReader
from roboreward.sources.rlds_layout import STEPS, Feature, RldsLayout, Shard, read_layout
from roboreward.sources.source import OnSkip, Skip, SourceEpisode
from roboreward.sources.tfrecord import MAX_RECORD_BYTES, BadRecord, BrokenRecords, read_records
from roboreward.sources.unusable import Unusable, leave_out

_TASK_KEYS: Final = (
    "language_instruction",
    "observation/natural_language_instruction",
    "instruction",
)
"""Where Open X-Embodiment has the instruction, for data sets that the registry does not know."""


class RldsSource:
    """One split of an RLDS folder.

    The registry (`oxe_dataset`) says which camera is judged, where the instruction is and how many steps a second the
    robot took; every argument overrides it. All colour cameras are views, in the order of `features.json`.

    No label is set: that a demonstration succeeded is the reader's conclusion and not the corpus's statement (the
    shards that octo publishes for tests stop before the goal). What the corpus does say is in `extra`: `embodiment`,
    `dataset`, `version`, `num_steps`, `last_reward`, `is_last` and `is_terminal` of the final step (Bridge leaves them
    0), `episode_metadata`, and `task_variants` where the instruction changes inside the episode (the first is taken).

    Args:
        folder: Where `features.json` and the shards are.
        dataset: Name in the registry; None to look up the folder's own name, which may be unknown there.
        split: Such as "train".
        view: The camera to judge, by its key under `observation`.
        task_key: Key of the instruction: under `steps`, or at the top for one instruction an episode.
        session_key: Key in a record (such as "episode_metadata/file_path") of what the episodes of a session share;
            they become one group. None for the registry's; where it has none either, an episode is a group.
        fps: Steps a second.
        allow_wrist_views: Whether views that the registry calls wrist views are given.
        shards: Numbers of the shards to read, from 0, of a folder that is not whole; None for all.
        is_checked: Whether checksums are compared; see `read_records`.
        allow_black: Whether an episode is usable whose judged view is black in every frame. To find out, one frame of
            a normal episode is decoded.
        max_record_bytes: Limit for one episode.

    Attributes:
        folder: As given.
        split: As given.
        judged_view: The camera that is judged.
        fps: Steps a second.

    Raises:
        UnknownName: `dataset`, `split`, `view`, `task_key` or `session_key` is none that is there.
        UsageError: Camera, key or rate is not known; says what to pass.
        DataError: The folder makes no sense, or shards are missing.

    Memory: one record, and the pictures of an episode for as long as the caller keeps it.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        dataset: str | None = None,
        split: str = "train",
        view: str | None = None,
        task_key: str | None = None,
        session_key: str | None = None,
        fps: float | None = None,
        allow_wrist_views: bool = True,
        shards: Collection[int] | None = None,
        is_checked: bool = True,
        allow_black: bool = False,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self.folder, self.split = Path(folder), split
        known = None if dataset is None else oxe_dataset(dataset)
        layout = read_layout(self.folder, split=split, shards=shards)
        self._known = known or _look_up(layout.name)
        self._shards, self._is_checked = layout.shards, is_checked
        self._max_record_bytes = max_record_bytes
        self._name = layout.name if self._known is None else self._known.name
        pictures = _pictures(layout)
        self.judged_view = _judged_view(self.folder, pictures, self._known, view)
        self.fps = _rate(self._name, self._known, fps)
        self._reader = EpisodeReader(
            source=self._name,
            fps=self.fps,
            views=_views(pictures, self._known, self.judged_view, allow_wrist_views),
            judged_view=self.judged_view,
            task_keys=_task_keys(self.folder, layout, self._known, task_key),
            session_key=_session_key(layout, self._known, session_key),
            metadata=_metadata(layout),
            facts=_facts(layout, self._known),
            allow_black=allow_black,
        )

    @property
    def name(self) -> str:
        """RoboReward's name where the registry has one, else the folder's own."""
        return self._name

    @property
    def licence(self) -> str | None:
        """As the registry has it."""
        return None if self._known is None else self._known.licence

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the episodes in the order of the shards; see `Source`.

        Reasons of a `Skip`: those of `EpisodeReader.read`, and "checksum", "too_large", "truncated", "missing_record".
        A shard that breaks off is skipped from there on, once for each record that `dataset_info.json` promises. Where
        it promises none, or fewer than there are, that raises in any case.
        """
        for shard in self._shards:
            if shard.num_records != 0 or shard.path.is_file():
                yield from self._shard(shard, on_skip)

    def _shard(self, shard: Shard, on_skip: OnSkip | None) -> Iterator[SourceEpisode]:
        num_read = 0

        def bad(error: BadRecord) -> None:
            nonlocal num_read
            num_read = error.record + 1
            where = _where(shard, error.record)
            text = str(error).removeprefix(f"{where}: ")
            leave_out(Unusable(error.reason, where, text), on_skip)

        records = read_records(
            shard.path,
            is_checked=self._is_checked,
            max_record_bytes=self._max_record_bytes,
            on_bad=bad,
        )
        try:
            for number, record in records:
                num_read = number + 1
                episode = self._episode(record, shard, number, on_skip)
                del record
                if episode is not None:
                    yield episode
                del episode
        except BrokenRecords as error:
            _skip_rest(shard, error.record, "truncated", error, on_skip)
            return
        if shard.num_records not in (None, num_read):
            miscount = _miscounted(shard, num_read)
            _skip_rest(shard, num_read, "missing_record", miscount, on_skip)

    def _episode(
        self, record: bytes, shard: Shard, number: int, on_skip: OnSkip | None
    ) -> SourceEpisode | None:
        episode_id = f"{self._name}-{self.split}-{shard.index:05d}-{number:05d}"
        try:
            return self._reader.read(record, episode_id=episode_id, where=_where(shard, number))
        except Unusable as error:
            leave_out(error, on_skip)
            return None


def _where(shard: Shard, number: int) -> str:
    return f"{shard.path}: record {number} (from 0)"


def _miscounted(shard: Shard, num_read: int) -> DataError:
    return DataError(
        f"{shard.path} holds {num_read} records, dataset_info.json promises {shard.num_records}. "
        "Copy or download both again."
    )


def _skip_rest(
    shard: Shard, first: int, reason: str, error: DataError, on_skip: OnSkip | None
) -> None:
    """Skip the promised records from `first` on; raise where none is promised, or more are there than promised."""
    if on_skip is None or shard.num_records is None or first >= shard.num_records:
        raise error
    for number in range(first, shard.num_records):
        on_skip(Skip(_where(shard, number), reason, str(error)))


def _look_up(name: str) -> OxeDataset | None:
    try:
        return oxe_dataset(name)
    except UnknownName:
        return None


def _pictures(layout: RldsLayout) -> dict[str, Feature]:
    """Return the colour cameras by their key under `observation`, or under `steps` where they are elsewhere."""
    return {
        key.removeprefix(f"{STEPS}/").removeprefix("observation/"): feature
        for key, feature in layout.features.items()
        if key.startswith(f"{STEPS}/") and feature.is_rgb
    }


def _judged_view(
    folder: Path, pictures: Mapping[str, Feature], known: OxeDataset | None, view: str | None
) -> str:
    if not pictures:
        raise DataError(f"{folder}: features.json has no colour camera. Name another folder.")
    if view is not None:
        name = view.removeprefix(f"{STEPS}/").removeprefix("observation/")
        if name not in pictures:
            raise UnknownName("view", name, pictures)
        return name
    for key in known.judged if known else ():
        if key in pictures:
            return key
    if len(pictures) == 1:
        return next(iter(pictures))
    names = ", ".join(pictures)
    raise UsageError(
        f"{folder}: it is not known which camera to judge. Pass view=, one of: {names}."
    )


def _views(
    pictures: Mapping[str, Feature],
    known: OxeDataset | None,
    judged: str,
    allow_wrist_views: bool,
) -> dict[str, Feature]:
    if allow_wrist_views or known is None:
        return dict(pictures)
    kept = {name: leaf for name, leaf in pictures.items() if known.kind_of(name) != "wrist"}
    if judged not in kept:
        text = f"{known.name}: the judged view {judged!r} is a wrist view, and allow_wrist_views is False."
        raise UsageError(f"{text} Pass another view= or allow wrist views.")
    return kept


def _task_keys(
    folder: Path, layout: RldsLayout, known: OxeDataset | None, task_key: str | None
) -> tuple[str, ...]:
    """Return the keys of the instruction in a record, in order of preference."""
    usual = [*(known.task_keys if known else ()), *_TASK_KEYS]
    wanted = usual if task_key is None else [task_key]
    keys = [
        full
        for key in dict.fromkeys(wanted)
        for full in (f"{STEPS}/{key}", key)
        if full in layout.features
    ]
    if keys:
        return tuple(keys)
    texts = [
        key.removeprefix(f"{STEPS}/")
        for key, leaf in layout.features.items()
        if leaf.kind == "text"
    ]
    if task_key is not None:
        raise UnknownName("task key", task_key, texts)
    there = f"Texts that are there: {', '.join(texts)}." if texts else "There is no text at all."
    raise UsageError(f"{folder}: it is not known where the instruction is. Pass task_key=. {there}")


def _session_key(
    layout: RldsLayout, known: OxeDataset | None, session_key: str | None
) -> str | None:
    outside = [key for key in layout.features if not key.startswith(f"{STEPS}/")]
    if session_key is not None:
        if session_key not in outside:
            raise UnknownName("session key", session_key, outside)
        return session_key
    usual = known.session_key if known else None
    return usual if usual in outside else None


def _rate(name: str, known: OxeDataset | None, fps: float | None) -> float:
    rate = fps if fps is not None else known.control_hz if known else None
    if rate is None:
        text = f"{name}: it is not known how many steps a second the robot took. Pass fps=."
        raise UsageError(text)
    return check_fps(rate, where=name)


def _metadata(layout: RldsLayout) -> tuple[Feature, ...]:
    """Return the features of the episode as a whole that are texts or numbers."""
    return tuple(
        leaf
        for key, leaf in layout.features.items()
        if not key.startswith(f"{STEPS}/") and leaf.kind in ("text", "tensor")
    )


def _facts(layout: RldsLayout, known: OxeDataset | None) -> dict[str, Any]:
    embodiment = None if known is None else known.embodiment
    return {"embodiment": embodiment, "dataset": layout.name, "version": layout.version}
