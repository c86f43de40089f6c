"""The published RoboReward layout as a source: `<split>/metadata.jsonl` beside `<subset>/*.mp4`.

Traps of the release that are handled here: the spellings `robo_arena` and `roboarena`; copies `_1` to `_3` of one video
under other tasks; the score in the names of clips, which therefore goes neither into ids nor into groups; videos that
announce one frame more than they hold. `dataset.read_set` reads the same rows as examples.
"""

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, Final

from roboreward.core import DataError, Label, UsageError, content_id, shorten
from roboreward.media import MediaLimits, probe
from roboreward.sources.cells import because, licence_of_card, task_in
from roboreward.sources.footage import DEFAULT_LIMITS, VideoFootage
from roboreward.sources.published import (
    METADATA,
    PUBLISHED_AUTHOR,
    file_name_of,
    infer,
    reward_of,
    stem_of,
    video_of,
)
from roboreward.sources.source import OnSkip, SourceEpisode
from roboreward.sources.unusable import Unusable, leave_out
from roboreward.store import read_jsonl

_VIEW: Final = "video"
_READ: Final = (
    "file_name",
    "video",
    "task",
    "reward",
    "example_id",
    "source",
    "group",
    "view",
    "label_author",
    "label_reason",
)


class RoboRewardSource:
    """One split of a folder in the published layout; each row is an episode.

    The group is the parent video (`published.base_of`), the source is the first folder, the label is the row's reward.
    `extra` holds `origin`, which is inferred where the row does not say (`published.infer`), and every key of the row
    that has no other place, such as `gpt5_mini_check`, which no model may be shown.

    Args:
        folder: The folder that holds the splits.
        split: Such as "train", "val" or "test".
        name: Name of the corpus; None for the folder's.
        limits: What one video may cost.

    Raises:
        UsageError: There is no such split; says which there are.

    Memory: the file names of the split.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        split: str = "train",
        name: str | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        self.folder, self.split, self.limits = Path(folder), split, limits
        self._name = name or self.folder.resolve().name
        self._root = self.folder / split
        if not (self._root / METADATA).is_file():
            there = sorted(path.parent.name for path in self.folder.glob(f"*/{METADATA}"))
            known = f"Splits there: {', '.join(there)}." if there else "Name the release's folder."
            raise UsageError(f"There is no {self._root / METADATA}. {known}")

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self._name

    @property
    def licence(self) -> str | None:
        """As the dataset card beside the splits states it."""
        return licence_of_card(self.folder)

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the rows in the order of the file; see `Source`.

        Reasons of a `Skip`: "bad_row" (no object, no file name, no reward), "no_task", "no_video" (missing, or a path
        out of the folder), "bad_video", "duplicate_id".
        """
        file = self._root / METADATA
        stems = frozenset(stem_of(row) for _, row in read_jsonl(file, on_bad=_pass_over))
        seen: set[str] = set()

        def bad(number: int, error: DataError) -> None:
            where = f"{file}:{number}"
            leave_out(Unusable("bad_row", where, str(error).removeprefix(f"{where}: ")), on_skip)

        for number, row in read_jsonl(file, on_bad=bad):
            try:
                episode = self._episode(row, f"{file}:{number}", stems)
                if episode.episode_id in seen:
                    text = f"{shorten(episode.episode_id)!r} occurs twice. Remove one of the rows."
                    raise Unusable("duplicate_id", episode.where, text)
            except Unusable as error:
                leave_out(error, on_skip)
                continue
            seen.add(episode.episode_id)
            yield episode

    def _episode(self, row: dict[str, Any], where: str, stems: Set[str]) -> SourceEpisode:
        with because("bad_row", where):
            file_name, reward = file_name_of(row), reward_of(row)
        with because("no_task", where):
            task = task_in(row.get("task"))
        with because("no_video", where):
            path = video_of(file_name, self._root)
        with because("bad_video", where):
            fps = probe(path, limits=self.limits).fps
            footage = VideoFootage(path, fps=fps or None, limits=self.limits, where=where)
        inferred = infer(file_name, reward, stems)
        view = _text(row, "view", _VIEW, where)
        author = _text(row, "label_author", PUBLISHED_AUTHOR, where)
        reason = _text(row, "label_reason", "", where) or None
        extra = {"origin": inferred.origin, "file_name": file_name, "split": self.split}
        return SourceEpisode(
            episode_id=_text(row, "example_id", content_id([file_name, task]), where),
            task=task,
            source=_text(row, "source", inferred.source, where),
            group=_text(row, "group", inferred.group, where),
            views={view: footage},
            judged_view=view,
            label=Label(score=reward, author=author, reason=reason),
            where=where,
            extra=extra | {key: value for key, value in row.items() if key not in _READ},
        )


def _text(row: dict[str, Any], key: str, otherwise: str, where: str) -> str:
    """Return what the row says, unless it says nothing; 0 and false are wrong values, not absent ones."""
    value = row.get(key)
    if value is None or value == "":
        return otherwise
    if not isinstance(value, str):
        raise Unusable("bad_row", where, f"{key!r} must be a text, got {shorten(repr(value))}.")
    return value


def _pass_over(_number: int, _error: DataError) -> None:
    """Bad lines are reported when the rows themselves are read."""
