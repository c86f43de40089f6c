"""LeRobot datasets v2.0, v2.1 and v3.0, in a folder or on the hub, without the library."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from roboreward.core import DataError, UnknownName, UsageError
from roboreward.media import MediaLimits
from roboreward.sources.cells import licence_of_card
from roboreward.sources.footage import DEFAULT_LIMITS
from roboreward.sources.hub import is_hub_address, open_on_hub
from roboreward.sources.lerobot_episode import EpisodeMaker, Views
from roboreward.sources.lerobot_meta import INFO, Camera, EpisodeRow, Info, episode_rows, read_info
from roboreward.sources.lerobot_tables import need_pyarrow
from roboreward.sources.source import OnSkip, SourceEpisode
from roboreward.sources.unusable import Unusable, leave_out

_WRIST: Final = re.compile(r"wrist|gripper|palm|eye_in_hand|(?<![a-z])(?:hand|eih)(?![a-z])")
"""Names of cameras that move with the hand: "cam_left_wrist", "eye_in_hand", "left_hand", but not "handle"."""
_MAX_UNLISTED: Final = 10_000


class LeRobotSource:
    """A LeRobot dataset in a folder, or on the hub; all its colour cameras are views of one episode.

    On the hub (`hf://datasets/owner/name@commit`) the only view is the judged one, unless `has_other_views` asks for
    the others, and a file is fetched when the first episode that needs it is asked for. It stays in the hub's cache.

    The judged view is the first camera, in the order of `meta/info.json`, whose name does not say that it is on the
    wrist (`wrist`, `gripper`, `palm`, `hand`, `eye_in_hand`), or the first of all where every name says so. The rule
    that applied is in `extra["view_rule"]`. Depth cameras are left out.

    No label is set: the format has none. `extra` holds `embodiment`, `version`, `episode_index`, `next.success` of the
    last row and `next.reward` (last and sum) where the data have such columns, `views_missing` (with the reason) and
    `views_left_out`, `fps_stated` where the times of the rows say another rate, `revision` (the hub's commit), and
    further cells of the episode's `row`.

    Args:
        folder: The folder that holds `meta`, a snapshot in the hub's cache too; or an address on the hub, which needs
            the extra `hub`.
        view: The camera to judge: its key, or the last part of it ("front" for "observation.images.front").
        exclude_views: Cameras that are left out, named in the same ways.
        has_other_views: Whether views that are not judged are given; None for those of a folder and not of the hub.
        tasks: Instructions by number of the episode, in place of the dataset's own.
        name: Name of the corpus; None for the folder's, or "owner--name" of the hub.
        limits: What one episode's video may cost; a file that many episodes share is only held to `max_bytes`.

    Attributes:
        folder: As given; for an address, where its files are in the hub's cache.
        revision: The hub's commit; None for a folder.
        judged_view: Key of the camera that is judged.
        view_rule: Why it.

    Raises:
        UsageError: `folder` is no LeRobot dataset, or `open_on_hub` raises it; while reading, where the hub cannot be
            reached. `MissingExtra` where pyarrow, or for the hub huggingface_hub, is not installed.
        UnknownName: `view` or `exclude_views` names no camera.
        DataError: `meta/info.json` is broken, of an unknown version, or has no colour camera.

    Memory: the facts of one data file; the list of episodes is read as it goes.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        view: str | None = None,
        exclude_views: Collection[str] = (),
        has_other_views: bool | None = None,
        tasks: Mapping[int, str] | None = None,
        name: str | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        need_pyarrow()
        self._hub = open_on_hub(folder, marker=INFO) if is_hub_address(folder) else None
        self.folder, self.limits = self._hub.folder if self._hub else Path(folder), limits
        self.revision = self._hub.revision if self._hub else None
        self._info = read_info(self.folder)
        self._name = name or (self._hub.name if self._hub else self.folder.resolve().name)
        self._given_tasks = dict(tasks or {})
        views = _choose(self._info, view, exclude_views)
        has_others = self._hub is None if has_other_views is None else has_other_views
        self._views = views if has_others else _only_judged(views)
        if self._hub:
            is_v2, num_episodes = self._info.version[0] == 2, self._info.num_episodes
            self._hub.fetch_meta(is_v2=is_v2, num_episodes=num_episodes)
        self.judged_view, self.view_rule = self._views.judged, self._views.rule

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self._name

    @property
    def licence(self) -> str | None:
        """As the dataset card in the folder states it."""
        return self._hub.licence if self._hub else licence_of_card(self.folder)

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the episodes in the order of `meta`; see `Source`.

        Reasons of a `Skip`: "bad_row", "duplicate_id", "beyond_info" (a number that `info.json` does not announce),
        "no_row" (announced and not listed), "no_frames", and those of `EpisodeMaker.make`. What an episode's files say
        of each other (rows, lengths, rates, times) is compared before it is given; of videos only the header is read.
        """
        maker = EpisodeMaker(
            self._info, self._name, self._views, self._given_tasks, self.limits, self._hub
        )
        seen = _Seen(self._info)

        def bad(error: Unusable, number: int | None) -> None:
            seen.take_bad(number)
            leave_out(error, on_skip)

        for row in episode_rows(self._info, bad):
            try:
                seen.take(row)
                episode = maker.make(row)
            except Unusable as error:
                leave_out(error, on_skip)
                continue
            yield episode
        for unlisted in seen.unlisted():
            leave_out(unlisted, on_skip)


class _Seen:
    """Which of the announced episodes have come: a byte each."""

    def __init__(self, info: Info) -> None:
        self._info, self._flags = info, bytearray(info.num_episodes)
        self._num_nameless = 0

    def take(self, row: EpisodeRow) -> None:
        """Take a row's number, once and within what is announced."""
        if row.index >= len(self._flags):
            text = f"episode {row.index} is listed, {self._info.path} announces {len(self._flags):,} episodes"
            raise Unusable("beyond_info", row.where, f"{text}. Mend one of them.")
        if self._flags[row.index]:
            text = f"episode {row.index} is listed twice. Remove one of the rows."
            raise Unusable("duplicate_id", row.where, text)
        self._flags[row.index] = 1

    def take_bad(self, number: int | None) -> None:
        """Take a row that cannot be used, so that its episode is not counted a second time."""
        if number is None:
            self._num_nameless += 1
        elif 0 <= number < len(self._flags):
            self._flags[number] = 1

    def unlisted(self) -> Iterator[Unusable]:
        """Yield an error for each announced episode that no row was for.

        Raises:
            DataError: They are so many that `info.json` itself must be wrong.
        """
        num = self._flags.count(0) - self._num_nameless
        path, announced = self._info.path, len(self._flags)
        if num > _MAX_UNLISTED:
            text = (
                f"{path} announces {announced:,} episodes, {num:,} of which are not listed in meta"
            )
            raise DataError(f"{text}. Mend it, or copy the dataset again.")
        at = -1
        for _ in range(num):
            at = self._flags.find(0, at + 1)
            text = f"{announced:,} episodes are announced, and no row of meta is for episode {at}"
            yield Unusable("no_row", str(path), f"{text}. Mend one of them.")


def _choose(info: Info, view: str | None, exclude_views: Collection[str]) -> Views:
    colour = [camera for camera in info.cameras if not camera.is_depth]
    if not colour:
        raise DataError(f"{info.path}: no feature holds colour pictures. Name another dataset.")
    keys = [camera.key for camera in colour]
    excluded = {_named(name, keys) for name in exclude_views}
    given = [camera for camera in colour if camera.key not in excluded]
    judged, rule = _judged(given, None if view is None else _named(view, keys))
    left_out = tuple(camera.key for camera in info.cameras if camera not in given)
    return Views(tuple(given), judged, rule, left_out)


def _only_judged(views: Views) -> Views:
    others = [camera.key for camera in views.given if camera.key != views.judged]
    given = tuple(camera for camera in views.given if camera.key == views.judged)
    return replace(views, given=given, left_out=(*views.left_out, *others))


def _judged(given: Sequence[Camera], view: str | None) -> tuple[str, str]:
    keys = [camera.key for camera in given]
    if view is not None and view not in keys:
        raise UnknownName("view", view, keys)
    if view is not None:
        return view, "given"
    if not keys:
        raise UsageError("Every camera is excluded. Leave one in exclude_views out.")
    fixed = [key for key in keys if not _WRIST.search(key.lower())]
    if fixed:
        return fixed[0], "first camera that is not on the wrist, by name"
    return keys[0], "first camera; all are on the wrist, by name"


def _named(name: str, keys: Sequence[str]) -> str:
    """Return the key that a name stands for: itself, or the only key that ends in it."""
    if name in keys:
        return name
    short = [key for key in keys if key.endswith(f".{name}")]
    if len(short) != 1:
        raise UnknownName("view", name, keys)
    return short[0]
