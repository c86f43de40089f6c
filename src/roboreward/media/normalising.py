"""One transcode for every source video, so that all files of a dataset have been through the same encoder."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from roboreward.core import Frames, UsageError
from roboreward.media.encoding import Encoder, Packet, picture_of_rgb, scaled
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits, refusal
from roboreward.media.mp4 import MAX_FILE_BYTES, Coding, Index
from roboreward.media.pixels import is_plain, to_rgb
from roboreward.media.placing import cannot_write, nameless_beside
from roboreward.media.profiles import NORMAL_V1, NormalProfile
from roboreward.media.reader import OpenVideo, check_num_frames
from roboreward.media.retiming import (
    TICKS_PER_S,
    durations_of,
    exact_rate,
    nearest_in_time,
    to_ticks,
)
from roboreward.media.stored import WrittenVideo, put_together
from roboreward.media.streaming import open_part
from roboreward.media.timeline import StoredFrame, Timeline

_MAX_FPS: Final = 1000
_TIME_BASE_LIMIT: Final = 10**7


def normalise_video(
    source: str | os.PathLike[str] | Iterable[Frames],
    target: str | os.PathLike[str],
    *,
    profile: NormalProfile = NORMAL_V1,
    fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> WrittenVideo:
    """Store a video in the way that `profile` names, atomically: the file is complete under its name or not there.

    Frames come in the order of showing, upright, with the colours that `sample_frames` gives them, and their times from
    the file's timestamps; the rate that a container claims is not looked at. A lone frame is shown for 1 / fps, or
    for one second where no rate is known. The file holds nothing but frames, times and the profile's name: no clock,
    no path, no word about encoder or source. The same source and profile give the same bytes with one encoder
    version, on every x86-64 processor.

    Storing the first n frames gives the same bytes as storing all and then `cut_prefix` to n. Where the profile
    resamples, it gives the same bytes as cutting to as many frames as that stores.

    Args:
        source: A video file, or uint8 RGB frames (H, W, 3) of one size, at least 1x1, one at a time.
        target: Where to; an existing file is replaced, also when it is the source. The folder must exist.
        profile: Size, rate and quality.
        fps: Frames a second, above 0 and at most 1000. Needed for frames; for a file, it replaces the file's timestamps
            where the true rate is known to be another.
        start_s: Of a file, only the slice from here on, in seconds from its first frame; see `stream_frames`.
        end_s: Where the slice ends.
        limits: What a source file may cost; of frames, `max_pixels` and `max_frames_walked` hold. CPU and wall time
            bound the wait for each decoded frame and not the encoding.

    Returns:
        What was written.

    Raises:
        MediaRefused: The source is missing, broken or over a limit (see `sample_frames`), "no_frames", "size_changes".
        UsageError: Wrong frames, rate or slice.
        StoreError: The folder is missing, not writable or full.

    Memory: a few frames, whatever the length; the packets wait on the target's disk.
    """
    path = Path(target)
    if fps is not None and not 0 < fps <= _MAX_FPS:
        raise UsageError(f"fps must be above 0 and at most {_MAX_FPS}, got {fps}.")
    with nameless_beside(path) as spool:
        writer = _Writer(path, spool, profile, limits)
        if isinstance(source, (str, os.PathLike)):
            _store_file(Path(source), writer, fps, (start_s, end_s))
        elif (start_s, end_s) != (None, None):
            raise UsageError("frames in memory have no slices: cut them before.")
        else:
            _store_frames(source, writer, fps)
        return writer.finish()


@dataclass
class _Writer:
    """Takes pictures with their times, and puts the file together at the end.

    Attributes:
        target: The final name.
        spool: Where the packets wait: the index comes before them in the file, and is known after them.
        lone: Ticks that a lone frame is shown.
    """

    target: Path
    spool: BinaryIO
    profile: NormalProfile
    limits: MediaLimits
    lone: int = TICKS_PER_S
    _encoder: Encoder | None = None
    _given: tuple[int, int] = (0, 0)
    _size: tuple[int, int] = (0, 0)
    _ticks: list[int] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _keys: list[int] = field(default_factory=list)

    def take_all(self, timed: Iterable[tuple[Fraction, Any]], where: Path) -> None:
        """Encode what the profile's rate asks for.

        Args:
            timed: Times in seconds and pictures, decoded or RGB.
            where: Their source, for messages.
        """
        if self.profile.fps is not None:
            timed = nearest_in_time(timed, fps=exact_rate(self.profile.fps))
        for time_s, picture in timed:
            self._ticks.append(to_ticks(time_s, self._ticks[-1] if self._ticks else -1))
            check_num_frames(len(self._ticks), where, self.limits)
            self._take(picture, where)

    def _take(self, picture: Any, where: Path) -> None:
        is_rgb = isinstance(picture, np.ndarray)
        if not is_rgb and not is_plain(picture):
            picture, is_rgb = to_rgb(picture, path=where), True
        height, width = picture.shape[:2] if is_rgb else (picture.height, picture.width)
        if self._encoder is None:
            self._given = (width, height)
            self._size = self.profile.size_of(width, height)
            self._encoder = Encoder(self.profile, self._size)
        elif self._given != (width, height):
            sizes = f"{self._given[0]}x{self._given[1]} and {width}x{height}"
            text = f"frames of {sizes} pixels in one video. Re-encode it with one size."
            raise refusal("size_changes", where, text)
        ready = picture_of_rgb(picture, self._size) if is_rgb else scaled(picture, self._size)
        self._keep(self._encoder.encode(ready))

    def _keep(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.is_key:
                self._keys.append(len(self._sizes))
            self._sizes.append(len(packet.data))
            try:
                self.spool.write(packet.data)
            except OSError as error:
                raise cannot_write(self.target, error) from error

    def finish(self) -> WrittenVideo:
        """Write the file under its final name."""
        if self._encoder is None:
            text = "there is nothing to write: the source gave no frame. Check where it comes from."
            raise refusal("no_frames", self.target, text)
        self._keep(self._encoder.finish())
        if sum(self._sizes) > MAX_FILE_BYTES:
            text = f"over {MAX_FILE_BYTES:,} bytes of video. Cut it, or choose a higher crf."
            raise refusal("too_large", self.target, text)
        durations = durations_of(self._ticks, lone=self.lone)
        coding = Coding(self.profile.name, *self._size, self._encoder.sps, self._encoder.pps)
        index = Index(tuple(self._sizes), durations, tuple(self._keys))
        try:
            self.spool.seek(0)
        except OSError as error:
            raise cannot_write(self.target, error) from error
        return put_together(self.target, coding, index, self.spool)


def _store_frames(frames: Iterable[Frames], writer: _Writer, fps: float | None) -> None:
    if fps is None:
        raise UsageError("frames in memory have no times: give fps, their number a second.")
    rate = exact_rate(fps)
    writer.lone = to_ticks(1 / rate, 0)
    timed = ((count / rate, frame) for count, frame in enumerate(_checked(frames, writer)))
    writer.take_all(timed, writer.target)


def _checked(frames: Iterable[Frames], writer: _Writer) -> Iterator[Frames]:
    first: tuple[int, ...] | None = None
    for frame in frames:
        shape = np.shape(frame)
        is_frame = isinstance(frame, np.ndarray) and frame.dtype == np.uint8
        if not is_frame or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            found = f"{getattr(frame, 'dtype', type(frame).__name__)} {shape}"
            raise UsageError(f"frames to store must be uint8 RGB (H, W, 3), got {found}.")
        if shape != (first or shape):
            raise UsageError(f"frames to store must have one size, got {first} and {shape}.")
        if shape[0] * shape[1] > writer.limits.max_pixels:
            text = f"frames of {shape[1]}x{shape[0]} pixels; the limit is max_pixels={writer.limits.max_pixels:,}."
            raise refusal("too_many_pixels", writer.target, text)
        first = shape
        yield frame


def _store_file(
    path: Path, writer: _Writer, fps: float | None, ends_s: tuple[float | None, float | None]
) -> None:
    with open_part(path, *ends_s, limits=writer.limits) as (video, timeline, frames):
        rate = exact_rate(fps or video.info.fps or 1.0)
        writer.lone = to_ticks(1 / rate, 0)
        shown = timeline.shown if fps is None else ()
        writer.take_all(_timed(video, timeline, shown, rate, frames), path)


def _timed(
    video: OpenVideo,
    timeline: Timeline,
    shown: Sequence[StoredFrame],
    rate: Fraction,
    frames: Iterator[Any],
) -> Iterator[tuple[Fraction, Any]]:
    """Yield decoded frames with their times, by `rate` where `shown` has none, and stop the clock in between."""
    tick_s = Fraction(timeline.seconds_per_tick).limit_denominator(_TIME_BASE_LIMIT)
    for count, frame in enumerate(frames):
        if shown and frame.pts is not None:
            yield (frame.pts - shown[0].pts) * tick_s, frame
        else:
            yield count / rate, frame
        video.deadline.restart()
