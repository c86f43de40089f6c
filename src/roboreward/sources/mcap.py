"""MCAP recordings of robots, listed by a metadata file: a file is an episode, a topic of compressed pictures a view."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from roboreward.core import DataError, UsageError, shorten
from roboreward.media import MediaLimits, decode_image
from roboreward.sources.cells import because, fps_in, is_file
from roboreward.sources.folder import FolderSource, _Row
from roboreward.sources.footage import DEFAULT_LIMITS
from roboreward.sources.mcap_file import Topic, need_mcap, read_pictures, read_topics
from roboreward.sources.source import Footage, Frame, SourceEpisode
from roboreward.sources.unusable import Unusable

_VIEW_COLUMN: Final = "view"


@dataclass(frozen=True)
class McapFootage:
    """The pictures of one topic; each reading goes through the file.

    Attributes:
        path: The file.
        topic: Such as "/camera/front".
        fps: Frames a second.
        num_frames: How many there are.
        limits: What one picture may cost.
        others: The file's other topics of pictures, by name.
    """

    path: Path
    topic: str
    fps: float
    num_frames: int
    limits: MediaLimits = DEFAULT_LIMITS
    others: Mapping[str, "McapFootage"] = field(default_factory=dict)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; see `Footage`."""
        return self.take(range(self.num_frames))

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames at these places, from 0 and increasing; only these are decoded."""
        wanted = iter(indices)
        place = next(wanted, None)
        shape: tuple[int, ...] | None = None
        for number, picture in enumerate(read_pictures(self.path, self.topic)):
            if number != place:
                continue
            where = f"{self.path}: {self.topic}, picture {number} (from 0)"
            frame = decode_image(picture, where=where, limits=self.limits)
            if shape not in (None, frame.shape):
                text = f"the size changes from {shape} to {frame.shape}. Cut the file."
                raise DataError(f"{where}: {text}")
            shape, place = frame.shape, next(wanted, None)
            yield frame
            if place is None:
                return
        if place is not None:
            raise UsageError(f"{self.path}: picture {place} is wanted and is behind the last one.")


class McapSource(FolderSource):
    """MCAP files that a metadata file lists, as `FolderSource` has it: task, outcome, score, group, further columns.

    JPEG, PNG and WebP pictures are read from foxglove.CompressedImage (protobuf or JSON), and ROS 2's
    sensor_msgs/msg/CompressedImage and foxglove_msgs/msg/CompressedImage; each such topic is a view. Encoded video
    (foxglove.CompressedVideo) and raw pictures are not read. A file is read through, with its checksums, before its
    episode is given.

    Args:
        folder: Where paths start. Nothing outside it is read.
        view: The topic that is judged, where a row has no column `view`; None where a file has only one.
        exclude_views: Topics that are left out.
        metadata: As for `FolderSource`.
        columns: As for `FolderSource`.
        outcome_scores: As for `FolderSource`.
        fps: True frames a second where a row does not say; None for the average by log times.
        name: Name of the corpus; None for the folder's.
        limits: What one picture may cost, and how many there may be.

    Raises:
        UsageError: As `FolderSource`; `MissingExtra` where mcap is not installed.

    Memory: a chunk of a file, and the ids.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        view: str | None = None,
        exclude_views: Collection[str] = (),
        metadata: Path | str | None = None,
        columns: Mapping[str, str] | None = None,
        outcome_scores: Mapping[str, int] | None = None,
        fps: float | None = None,
        name: str | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        need_mcap()
        super().__init__(
            folder,
            metadata=metadata,
            columns=columns,
            outcome_scores=outcome_scores,
            fps=fps,
            name=name,
            limits=limits,
        )
        self._view, self._excluded = view, frozenset(exclude_views)

    def _episode(self, row: _Row) -> SourceEpisode:
        """Return the episode of a row.

        Raises:
            Unusable: As for `FolderSource`, and "no_view" (also for what is not read, which is named), "which_view",
                "unordered".
        """
        episode = super()._episode(row)
        (judged,) = episode.views.values()
        assert isinstance(judged, McapFootage)
        views = {judged.topic: judged, **judged.others}
        return replace(episode, views=views, judged_view=judged.topic)

    def _footage(self, path: Path, row: _Row) -> Footage:
        if not is_file(path):
            raise Unusable("no_file", row.where, f"there is no {path}. Add it.")
        with because("bad_footage", row.where):
            topics = read_topics(path)
        cameras = [t for t in topics if t.holds_pictures and t.name not in self._excluded]
        if not cameras:
            found = ", ".join(f"{t.name} ({t.schema or 'no schema'}, {t.encoding})" for t in topics)
            text = f"{path}: no topic of compressed pictures is there, but {shorten(found, 200) or 'nothing'}"
            raise Unusable("no_view", row.where, f"{text}. Video and raw pictures are not read.")
        views = {camera.name: self._view_of(path, camera, row) for camera in cameras}
        judged = views.pop(self._judged(path, list(views), row))
        with because("bad_footage", row.where):
            next(judged.frames())
        return replace(judged, others=views)

    def _view_of(self, path: Path, topic: Topic, row: _Row) -> McapFootage:
        most = self.limits.max_frames_walked
        if topic.num > most:
            text = (
                f"{topic.name} has {topic.num:,} pictures; the limit is max_frames_walked={most:,}"
            )
            raise Unusable("bad_footage", row.where, f"{path}: {text}. Cut it, or raise the limit.")
        if not topic.is_ordered:
            text = f"{path}: the log times of {topic.name} go back. Sort the file with `mcap sort`."
            raise Unusable("unordered", row.where, text)
        rate = topic.rate if self._fps is None else self._fps
        if row.get("fps") is not None:
            with because("bad_row", row.where):
                rate = fps_in(row.get("fps"))
        if rate is None:
            text = f"{path}: the log times of {topic.name} give no frame rate. Add a column 'fps', or pass fps=."
            raise Unusable("no_fps", row.where, text)
        return McapFootage(path, topic.name, rate, topic.num, self.limits)

    def _judged(self, path: Path, names: Sequence[str], row: _Row) -> str:
        view = row.cells.get(_VIEW_COLUMN) or self._view
        if view is None and len(names) == 1:
            return names[0]
        if view in names:
            return str(view)
        reason = "which_view" if view is None else "no_view"
        text = (
            "it is not known which topic to judge"
            if view is None
            else f"no topic {view!r} of pictures"
        )
        hint = f"Add a column {_VIEW_COLUMN!r}, or pass view=, one of: {', '.join(names)}"
        raise Unusable(reason, row.where, f"{path}: {text}. {hint}.")
