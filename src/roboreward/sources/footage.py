"""Footage that several sources share: videos and slices of them, and folders of pictures. Arrays: `array_footage`."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final

from roboreward.core import DataError, MediaRefused, UsageError
from roboreward.media import (
    MediaLimits,
    WrittenVideo,
    cut_prefix,
    decode_image,
    normalise_video,
    probe,
    stream_frames,
)
from roboreward.sources.source import Footage, Frame

DEFAULT_LIMITS: Final = MediaLimits()
PICTURE_SUFFIXES: Final = (".jpeg", ".jpg", ".png", ".webp")
OTHER_PICTURE_SUFFIXES: Final = (
    ".apng",
    ".avif",
    ".bmp",
    ".gif",
    ".heic",
    ".jp2",
    ".ppm",
    ".tif",
    ".tiff",
)
"""Pictures that are not read: to pass them over would leave holes in an episode."""

_TOLERATED_MISSING: Final = 1
"""As for videos everywhere in this package: released robot data announces one frame too many."""
_NUMBER: Final = re.compile(r"(\d+)")


class VideoFootage:
    """A video file, or a slice of one that holds many episodes.

    A slice is half-open and its ends are rounded to the nearest frame: see `media.stream_frames`. Nothing is opened
    until frames, or a rate that was not given, are asked for. Memory: a few frames.

    Args:
        path: The video.
        start_s: Where the slice begins, in seconds from the video's first frame; None for its start.
        end_s: Where it ends; None for the video's end.
        fps: True frames a second; None to take the average that the container states.
        num_frames: How many there should be, where the corpus says so. More are not given out; fewer are a
            `DataError`, except that one may be missing at the end.
        limits: What the video or slice may cost.
        where: Put before messages: the file and row that named the video.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        fps: float | None = None,
        num_frames: int | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
        where: str = "",
    ) -> None:
        self.path = Path(path)
        self.start_s, self.end_s = start_s, end_s
        self._given_fps = fps
        self.num_frames, self.limits, self.where = num_frames, limits, where
        if fps is not None:
            self.fps = check_fps(fps, where=where or str(path))

    def __repr__(self) -> str:
        return f"VideoFootage({str(self.path)!r}, start_s={self.start_s}, end_s={self.end_s})"

    @cached_property
    def fps(self) -> float:
        """Frames a second.

        Raises:
            DataError: It was not given, and the header does not say or cannot be read.
        """
        rate = probe(self.path, limits=self.limits.of_shared_file()).fps
        if not rate:
            text = f"{self.path}: the header states no frame rate. Give fps."
            raise DataError(self._placed(text))
        return rate

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; see `Footage`."""
        num = 0
        for frame in islice(self._stream(None), self.num_frames):
            num += 1
            yield frame
        self._check_num(num)

    def _check_num(self, num: int) -> None:
        wanted = num if self.num_frames is None else self.num_frames
        if wanted - num > _TOLERATED_MISSING:
            text = f"{self.path}: {num:,} frames are there, {wanted:,} should be. Copy or record it again."
            raise DataError(self._placed(text))

    def store(self, target: Path) -> WrittenVideo:
        """Store the frames in the normal form as they are decoded, without a detour over RGB; see `store`.

        Their times are the file's, where no rate was given.
        """
        try:
            written = normalise_video(
                self.path,
                target,
                fps=self._given_fps,
                start_s=self.start_s,
                end_s=self.end_s,
                limits=self.limits,
            )
        except MediaRefused as error:
            raise MediaRefused(error.reason, self._placed(str(error))) from error
        self._check_num(written.num_frames)
        if self.num_frames is not None and written.num_frames > self.num_frames:
            return cut_prefix(target, target, num_frames=self.num_frames)
        return written

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield only the frames at these places, from 0 and increasing; no more is decoded than they need."""
        return self._stream(indices)

    def _stream(self, indices: Sequence[int] | None) -> Iterator[Frame]:
        try:
            yield from stream_frames(
                self.path,
                start_s=self.start_s,
                end_s=self.end_s,
                indices=indices,
                limits=self.limits,
            )
        except MediaRefused as error:
            raise MediaRefused(error.reason, self._placed(str(error))) from error

    def _placed(self, text: str) -> str:
        return f"{self.where}: {text}" if self.where else text


class ImageFolderFootage:
    """A folder of pictures, one a frame, in natural order of their names: `frame_2` before `frame_10`.

    PNG, JPEG and WebP are read; files that are no pictures are passed over, hidden ones too.

    Args:
        folder: Where the pictures are.
        fps: True frames a second.
        limits: `max_pixels` and `max_bytes` hold for one picture, `max_frames_walked` for their number.

    Raises:
        DataError: There is no picture; there is one of a kind that is not read; two names count as the same frame
            (`frame_1` and `frame_01`); there are too many.
    """

    def __init__(
        self, folder: Path | str, *, fps: float, limits: MediaLimits = DEFAULT_LIMITS
    ) -> None:
        self.folder, self.limits = Path(folder), limits
        self.fps = check_fps(fps, where=str(folder))
        self._names = _picture_names(self.folder, limits.max_frames_walked)

    @property
    def num_frames(self) -> int:
        """How many pictures there are."""
        return len(self._names)

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures in order; see `Footage`."""
        return self.take(range(len(self._names)))

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield only the frames at these places, from 0."""
        shape: tuple[int, ...] | None = None
        for index in indices:
            frame = read_picture(self.folder / self._names[index], limits=self.limits)
            if shape not in (None, frame.shape):
                text = f"{self.folder / self._names[index]}: its size {frame.shape} is not that of the others, {shape}"
                raise DataError(f"{text}. Make all pictures one size.")
            shape = frame.shape
            yield frame


def read_picture(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Frame:
    """Read a PNG, JPEG or WebP file as uint8 RGB (H, W, 3).

    Raises:
        DataError: It cannot be read; `MediaRefused` where its content is at fault.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {path}: {error}.") from error
    return decode_image(data, where=str(path), limits=limits)


def store(footage: Footage, target: Path) -> WrittenVideo:
    """Store footage in the normal form `media.NORMAL_V1`, in the quickest way that it has.

    Args:
        footage: Any; one with a method `store` does it itself, the frames of others are encoded one by one.
        target: Where to; see `media.normalise_video`.

    Raises:
        DataError: A frame cannot be read, or there is none.
        StoreError: The file cannot be written.
    """
    quick = getattr(footage, "store", None)
    if quick is not None:
        written: WrittenVideo = quick(target)
        return written
    return normalise_video(footage.frames(), target, fps=footage.fps)


def take(footage: Footage, indices: Sequence[int]) -> Iterator[Frame]:
    """Yield the frames of `footage` at these places, in the quickest way that it has.

    Args:
        footage: Any; one with a method `take` decodes no more than it must, others are read from the start.
        indices: From 0, strictly increasing.

    Raises:
        UsageError: The indices do not increase, or one is behind the last frame.
        DataError: A frame cannot be read.
    """
    if any(b <= a for a, b in zip([-1, *indices], indices, strict=False)):
        raise UsageError("frames are taken at places that increase strictly from 0 or more.")
    quick = getattr(footage, "take", None)
    return _taken(footage.frames(), indices) if quick is None else quick(indices)


def _taken(frames: Iterator[Frame], indices: Sequence[int]) -> Iterator[Frame]:
    todo = list(reversed(indices))
    for place, frame in enumerate(frames):
        if not todo:
            return
        if place == todo[-1]:
            todo.pop()
            yield frame
    if todo:
        raise UsageError(f"frame {todo[-1]} is wanted and is behind the last one. Count from 0.")


def check_fps(fps: float, *, where: str) -> float:
    """Return a frame rate that makes sense.

    Raises:
        UsageError: It is not a finite number above 0.
    """
    if isinstance(fps, bool) or not math.isfinite(fps) or fps <= 0:
        raise UsageError(f"{where}: fps must be a number above 0, got {fps!r}.")
    return float(fps)


def _picture_names(folder: Path, most: int) -> tuple[str, ...]:
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror or error}.") from error
    others = [name for name in names if Path(name).suffix.lower() in OTHER_PICTURE_SUFFIXES]
    if others:
        text = f"{folder / others[0]}: accepted are PNG, JPEG and WebP"
        raise DataError(f"{text}. Convert it and the {len(others) - 1} others of its kind.")
    by_place: dict[tuple[object, ...], str] = {}
    for name in names:
        if Path(name).suffix.lower() in PICTURE_SUFFIXES:
            twin = by_place.setdefault(natural_key(Path(name).stem), name)
            if twin != name:
                text = f"{folder}: {twin!r} and {name!r} claim the same place in the order"
                raise DataError(f"{text}. Remove one of them.")
    if not by_place:
        raise DataError(f"{folder}: there is no PNG, JPEG or WebP picture. Name another folder.")
    if len(by_place) > most:
        text = f"{folder}: {len(by_place):,} pictures; the limit is max_frames_walked={most:,}"
        raise DataError(f"{text}. Use fewer, or raise the limit.")
    return tuple(by_place[key] for key in sorted(by_place))


def natural_key(name: str) -> tuple[object, ...]:
    """Return a key that sorts names by their numbers' values. Texts and numbers take turns, so that keys compare."""
    parts = _NUMBER.split(name.lower())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))
