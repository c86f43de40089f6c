"""Makes an episode of one row of a LeRobot dataset, after comparing what its files say of each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from roboreward.media import MediaLimits, VideoInfo, probe
from roboreward.sources.cells import because, is_file, path_in, task_in
from roboreward.sources.footage import VideoFootage
from roboreward.sources.hub import HubFolder
from roboreward.sources.lerobot_data import DataFile, EpisodeData, PictureRowsFootage, read_data
from roboreward.sources.lerobot_meta import Camera, EpisodeRow, Info, Span, fill, read_tasks
from roboreward.sources.source import Footage, SourceEpisode
from roboreward.sources.unusable import Unusable

_SAME_RATE_FRAC: Final = 0.01
_SLOW_LOOP_FRAC: Final = 0.25
"""A control loop that cannot keep up records at a lower rate than it was set to (18.6 in place of 20, in a real
dataset whose videos still have one frame a row). More than this is a mistake in the numbers."""
_ROUNDING_FRAMES: Final = 1.5
"""One frame too many or too few at an end is common: some tools write the time of the last frame as the end."""
_OTHER_FOLDER: Final = {"videos": "video", "video": "videos"}
_NUM_PROBED: Final = 64


@dataclass(frozen=True)
class Views:
    """Which cameras are given, and which of them is judged.

    Attributes:
        given: In the order of `info.json`.
        judged: Key of the judged one.
        rule: Why it, in words.
        left_out: Keys of the others.
    """

    given: tuple[Camera, ...]
    judged: str
    rule: str
    left_out: tuple[str, ...]


@dataclass
class EpisodeMaker:
    """What is the same for all episodes of one reading.

    Attributes:
        info: The dataset.
        name: Its name.
        views: Cameras.
        given_tasks: Instructions that replace those of the dataset, by number of the episode.
        limits: What one episode's video may cost.
        hub: Where files come from that are not there yet; None for a folder that has all of them.
    """

    info: Info
    name: str
    views: Views
    given_tasks: Mapping[int, str]
    limits: MediaLimits
    hub: HubFolder | None = None
    _data: DataFile | None = field(default=None, init=False)

    def make(self, row: EpisodeRow) -> SourceEpisode:
        """Return the episode of a row.

        Raises:
            Unusable: "no_data", "bad_data", "length_disagrees", "fps_disagrees", "no_task", "many_tasks", "no_video",
                "bad_video", "no_frames", "no_view".
        """
        data, facts = self._rows(row)
        task = self._task(row, facts)
        fps = self._fps(row, facts, data.path)
        views, missing = self._footage(row, data, facts, fps)
        number = f"episode_{row.index:06d}"
        return SourceEpisode(
            episode_id=number,
            task=task,
            source=self.name,
            group=f"{self.name}/{number}",
            views=views,
            judged_view=self.views.judged,
            where=row.where,
            extra=self._extra(row, facts, fps, missing),
        )

    @cached_property
    def _tasks(self) -> dict[int, str]:
        return read_tasks(self.info)

    @cached_property
    def _probed(self) -> Any:
        limits = self.limits if self.info.version[0] == 2 else self.limits.of_shared_file()
        return lru_cache(_NUM_PROBED)(lambda path: probe(path, limits=limits))

    def _rows(self, row: EpisodeRow) -> tuple[DataFile, EpisodeData]:
        """Return the data file and the facts of an episode, of which there must be as many rows as promised."""
        values = self._values(row, Span(*row.data))
        with because("no_data", row.where):
            path = self._path(fill(self.info.data_path, values))
        if not is_file(path):
            raise Unusable("no_data", row.where, f"there is no {path}. Copy the dataset again.")
        if self._data is None or self._data.path != path:
            with because("bad_data", row.where):
                self._data = read_data(path)
        facts = _facts_of(self._data, row, is_alone=self.info.version[0] == 2)
        if facts.num_rows != row.length:
            text = f"{facts.num_rows:,} rows of episode {row.index} in {path}, its length is given as {row.length:,}"
            raise Unusable("length_disagrees", row.where, f"{text}. Mend the dataset.")
        if facts.is_scattered:
            text = f"the rows of episode {row.index} do not follow each other in {path}"
            raise Unusable("bad_data", row.where, f"{text}. Mend the dataset.")
        return self._data, facts

    def _path(self, name: str) -> Path:
        """Return the path of a file of the dataset; there may be nothing at it."""
        return self.hub.path(name) if self.hub else path_in(self.info.folder, name)

    def _values(self, row: EpisodeRow, span: Span) -> dict[str, int | str]:
        return {
            "episode_index": row.index,
            "episode_chunk": span.chunk,
            "chunk_index": span.chunk,
            "file_index": span.file,
            "video_key": "",
        }

    def _task(self, row: EpisodeRow, facts: EpisodeData) -> str:
        """Return the instruction: the caller's, else the row's, else that of the numbers in the data."""
        given = self.given_tasks.get(row.index)
        texts = [given] if given is not None else list(row.tasks)
        if not texts and facts.tasks:
            with because("no_task", row.where):
                table = self._tasks
            numbered = (table.get(number, "").strip() for number in facts.tasks)
            texts = list(dict.fromkeys(text for text in numbered if text))
        if len(texts) > 1:
            text = f"the task changes inside the episode ({len(texts)} texts). Pass tasks={{{row.index}: ...}}."
            raise Unusable("many_tasks", row.where, text)
        with because("no_task", row.where):
            return task_in(texts[0] if texts else None).strip()

    def _fps(self, row: EpisodeRow, facts: EpisodeData, path: Path) -> float:
        """Return the rate by the times of the rows where it strays a little from what `info.json` says."""
        stated, rate = self.info.fps, facts.rate
        if rate is None or abs(rate / stated - 1) <= _SAME_RATE_FRAC:
            return stated
        if abs(rate / stated - 1) > _SLOW_LOOP_FRAC:
            text = (
                f"the times in {path} are {rate:.2f} a second, {self.info.path} says fps {stated:g}"
            )
            raise Unusable("fps_disagrees", row.where, f"{text}. Mend one of them.")
        return rate

    def _footage(
        self, row: EpisodeRow, data: DataFile, facts: EpisodeData, fps: float
    ) -> tuple[dict[str, Footage], dict[str, str]]:
        """Return the views that are there, and why others are not; the judged one must be there."""
        views: dict[str, Footage] = {}
        missing: dict[str, str] = {}
        for camera in self.views.given:
            try:
                if camera.kind == "image":
                    views[camera.key] = self._pictures(camera.key, row, data, facts, fps)
                else:
                    views[camera.key] = self._video(camera.key, row, fps)
            except Unusable as error:
                if camera.key == self.views.judged:
                    raise
                missing[camera.key] = error.reason
        return views, missing

    def _pictures(
        self, key: str, row: EpisodeRow, data: DataFile, facts: EpisodeData, fps: float
    ) -> Footage:
        if key not in data.columns:
            text = f"there is no column {key!r} in {data.path}, of which {self.info.path} speaks"
            raise Unusable(
                "no_view", row.where, f"{text}. Judge another view, or mend the dataset."
            )
        return PictureRowsFootage(
            data.path,
            column=key,
            first_row=facts.first_row,
            num_frames=facts.num_rows,
            fps=fps,
            folder=self.info.folder,
            limits=self.limits,
        )

    def _video(self, key: str, row: EpisodeRow, fps: float) -> Footage:
        span = row.videos.get(key)
        if span is None or self.info.video_path is None:
            text = f"it is not said where the video of {key!r} is (columns 'videos/{key}/...', 'video_path')"
            raise Unusable("no_video", row.where, f"{text}. Judge another view.")
        path = self._video_path(key, row, span)
        with because("bad_video", row.where):
            video: VideoInfo = self._probed(path)
        if video.announced_frames is None and video.duration_s == 0:
            text = f"{path} holds no frame. Record or copy it again."
            raise Unusable("no_frames", row.where, text)
        rate = video.fps or self.info.fps
        if abs(rate / self.info.fps - 1) > _SAME_RATE_FRAC:
            text = f"{path} has {rate:.2f} frames a second, {self.info.path} says fps {self.info.fps:g}"
            raise Unusable("fps_disagrees", row.where, f"{text}. Mend one of them.")
        start_s, end_s, num_frames = _part_of(video, row, span, rate)
        return VideoFootage(
            path,
            start_s=start_s,
            end_s=end_s,
            fps=fps,
            num_frames=num_frames,
            limits=self.limits,
            where=row.where,
        )

    def _video_path(self, key: str, row: EpisodeRow, span: Span) -> Path:
        """Return the video's path; real datasets have the folder `video` where the template says `videos`."""
        values = self._values(row, span) | {"video_key": key}
        name = fill(self.info.video_path or "", values)
        with because("no_video", row.where):
            expected = self._path(name)
            if is_file(expected):
                return expected
            first, *rest = PurePosixPath(name).parts or ("",)
            other = self._path(str(PurePosixPath(_OTHER_FOLDER.get(first, first), *rest)))
            if is_file(other):
                return other
        text = f"there is no video {expected}. Copy it, or read the dataset without this episode."
        raise Unusable("no_video", row.where, text)

    def _extra(
        self, row: EpisodeRow, facts: EpisodeData, fps: float, missing: dict[str, str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {
            "embodiment": self.info.robot_type,
            "version": "v{}.{}".format(*self.info.version),
            "episode_index": row.index,
            "view_rule": self.views.rule,
            "views_missing": missing,
            "views_left_out": list(self.views.left_out),
            "row": dict(row.extra),
        }
        if self.hub:
            found["revision"] = self.hub.revision
        if fps != self.info.fps:
            found["fps_stated"] = self.info.fps
        if row.index in self.given_tasks:
            found["tasks"] = list(row.tasks)
        if facts.success is not None:
            found["next.success"] = facts.success
        if facts.sum_reward is not None:
            found["next.reward"] = {"last": facts.last_reward, "sum": facts.sum_reward}
        return found


def _facts_of(data: DataFile, row: EpisodeRow, *, is_alone: bool) -> EpisodeData:
    """Return what the file says of the row's episode. A v2 file holds one episode and need not number it."""
    numbers = [number for number in data.episodes if number is not None]
    if is_alone and numbers not in ([], [row.index]):
        text = f"{data.path} holds rows of episode {numbers[0]}, not only of {row.index}. Mend it."
        raise Unusable("bad_data", row.where, text)
    if not is_alone and None in data.episodes:
        text = f"{data.path} has no column 'episode_index'. Write it again."
        raise Unusable("bad_data", row.where, text)
    key = None if is_alone and not numbers else row.index
    return data.episodes.get(key, EpisodeData(0))


def _part_of(
    video: VideoInfo, row: EpisodeRow, span: Span, rate: float
) -> tuple[float | None, float | None, int]:
    """Return the slice of a video that is an episode, (start, end, number of frames), if its own numbers agree.

    LeRobot shows the frames from `from_timestamp` on, as many as the data has rows. It does not read `to_timestamp`:
    half-open by its own writer, but other tools write the time of the last frame.
    """
    if span.start_s is None:
        held = video.announced_frames or row.length
        _check_frames(held - row.length, row, f"{video.path} announces {held:,} frames")
        return None, None, min(held, row.length)
    end_s = span.start_s + row.length / rate
    if span.end_s is not None:
        found = f"its part of {video.path} is given as {span.start_s:.3f} to {span.end_s:.3f} s"
        _check_frames((span.end_s - end_s) * rate, row, found)
    if video.duration_s is not None:
        found = f"{video.path} ends at {video.duration_s:.3f} s and its part at {end_s:.3f} s"
        _check_frames(min(0.0, (video.duration_s - end_s) * rate), row, found)
    return span.start_s, end_s, row.length


def _check_frames(too_many: float, row: EpisodeRow, found: str) -> None:
    if abs(too_many) > _ROUNDING_FRAMES:
        text = f"{found}, the length of episode {row.index} is given as {row.length:,} frames"
        raise Unusable("length_disagrees", row.where, f"{text}. Mend the dataset.")
