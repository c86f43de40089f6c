"""The frames of a video, or of a slice of one, handed out one at a time: memory does not grow with the length."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from roboreward.core import Frames, UsageError
from roboreward.media.decoding import (
    Count,
    check_held,
    check_size,
    decode_everything,
    decode_in_order,
)
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits
from roboreward.media.pixels import to_rgb
from roboreward.media.reader import OpenVideo, open_video
from roboreward.media.sampling import check_whole, lost
from roboreward.media.slicing import Slice, read_slice
from roboreward.media.timeline import TOLERATED_MISSING, Timeline, read_timeline


def stream_frames(
    path: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    indices: Sequence[int] | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Iterator[Frames]:
    """Yield frames of `path` in the order of showing, exactly as decoding the whole file gives them.

    A slice begins with the frame nearest to `start_s` and ends before the one nearest to `end_s` (half-open, as
    LeRobot v3.0 has it; see `media.slicing`). For a slice, only the packets around it are read, decoding begins at
    the keyframe before it, and the limits hold for the slice in place of the whole file (`max_bytes` excepted).

    Args:
        path: MP4, MOV, MKV or WebM with H.264, H.265, VP9, AV1 or MPEG-4 part 2. The first video track is read.
        start_s: Seconds from the first frame of the file; None for its start.
        end_s: Likewise; None for its end.
        indices: Only these frames, counted from 0 in the slice, strictly increasing; no more is decoded than they
            need. None for all.
        limits: What the file or slice may cost. CPU and wall time bound the wait for the next frame and not the
            whole reading, part of which is the caller's time.

    Yields:
        uint8 RGB (H, W, 3), upright, all of one size; two are in memory at a time, and a few more in the decoder.

    Raises:
        UsageError: Times or indices that make no sense, or an index behind the last frame.
        MediaRefused: As for `sample_frames`, at the frame where it shows: frames before it have been handed out.
            One missing frame at the end of the file is tolerated, unless `indices` asks for it. Also "no_frames" for
            a slice without a frame, and "truncated" for one that ends over one frame behind the file's end.
    """
    begin_s = _checked_start(Path(path), start_s, end_s)
    places = None if indices is None else tuple(indices)
    if places and (places[0] < 0 or any(a >= b for a, b in pairwise(places))):
        raise UsageError(f"{path}: indices must increase strictly from 0 or more.")
    is_slice = start_s is not None or end_s is not None
    if is_slice:
        return _slice(Path(path), begin_s, end_s, places, limits)
    return _whole(Path(path), places, limits)


@contextmanager
def open_part(
    path: Path, start_s: float | None, end_s: float | None, *, limits: MediaLimits
) -> Iterator[tuple[OpenVideo, Timeline, Iterator[Any]]]:
    """Open a video for all its frames, or those of a slice, as they are decoded; see `stream_frames`.

    Yields:
        The video, the times of the frames that are wanted, and these frames in order.
    """
    begin_s = _checked_start(path, start_s, end_s)
    if start_s is None and end_s is None:
        with open_video(path, limits) as video:
            timeline = read_timeline(video)
            yield video, timeline, decode_whole(video, timeline)
        return
    with open_video(path, limits.of_shared_file()) as video:
        part = read_slice(video, start_s=begin_s, end_s=end_s, limits=limits)
        yield video, part.timeline, _decode_part(video, part, None)


def _checked_start(path: Path, start_s: float | None, end_s: float | None) -> float:
    begin_s = 0.0 if start_s is None else start_s
    if not begin_s >= 0 or (end_s is not None and not end_s > begin_s):
        raise UsageError(f"{path}: a slice needs 0 <= start_s < end_s, got {start_s} to {end_s}.")
    return begin_s


def _whole(path: Path, indices: tuple[int, ...] | None, limits: MediaLimits) -> Iterator[Frames]:
    with open_video(path, limits) as video:
        timeline = read_timeline(video)
        if indices is None:
            yield from _hand_out(video, decode_whole(video, timeline))
        elif timeline.shown:
            part = Slice(timeline, None, is_to_end=True)
            yield from _hand_out(video, _decode_part(video, part, indices))
        else:
            _check_last(video, indices, timeline.num_shown)
            wanted = set(indices)
            every = enumerate(decode_whole(video, timeline))
            yield from _hand_out(video, (frame for place, frame in every if place in wanted))


def _slice(
    path: Path,
    start_s: float,
    end_s: float | None,
    indices: tuple[int, ...] | None,
    limits: MediaLimits,
) -> Iterator[Frames]:
    with open_video(path, limits.of_shared_file()) as video:
        part = read_slice(video, start_s=start_s, end_s=end_s, limits=limits)
        yield from _hand_out(video, _decode_part(video, part, indices))


def _hand_out(video: OpenVideo, frames: Iterator[Any]) -> Iterator[Frames]:
    """Convert decoded frames, and stop the clock while the caller has one."""
    shape: tuple[int, ...] | None = None
    for frame in frames:
        rgb = to_rgb(frame, path=video.info.path)
        check_held(rgb.nbytes if shape is None else 2 * rgb.nbytes, video)
        shape = shape or rgb.shape
        check_size(rgb.shape, shape, video)
        yield rgb
        # Its memory is used for the next one, if the caller let it go: memory that is still in the cache.
        del rgb
        video.deadline.restart()


def decode_whole(video: OpenVideo, timeline: Timeline) -> Iterator[Any]:
    """Yield every frame, held back by one: a damaged one is only tolerated at the very end, where it is left out."""
    count, held = Count(), None
    for frame in decode_everything(video, timeline, count):
        if held is not None:
            yield _counted(held, count, video, timeline)
        held = frame
    if held is not None and not held.is_corrupt:
        yield _counted(held, count, video, timeline)
    check_whole(video, timeline, count)


def _counted(frame: Any, count: Count, video: OpenVideo, timeline: Timeline) -> Any:
    count.add(frame)
    if count.is_damaged:
        num_bad = max(count.num_damaged, count.num_errors)
        raise lost(video, "damaged", num_bad, timeline.num_shown)
    return frame


def _decode_part(video: OpenVideo, part: Slice, indices: tuple[int, ...] | None) -> Iterator[Any]:
    shown = part.timeline.shown
    if indices is not None:
        _check_last(video, indices, len(shown))
    wanted = shown if indices is None else tuple(shown[index] for index in indices)
    if not wanted:
        return
    num_given = 0
    for frame in decode_in_order(
        video, part.timeline, wanted, at_pts=part.at_pts, is_run=indices is None
    ):
        num_given += 1
        yield frame
    num_lost = len(wanted) - num_given
    is_end = part.is_to_end and indices is None
    if num_lost and not (is_end and num_lost + part.timeline.num_missing <= TOLERATED_MISSING):
        raise lost(video, "damaged", num_lost, len(wanted))


def _check_last(video: OpenVideo, indices: tuple[int, ...], num_frames: int) -> None:
    if indices and indices[-1] >= num_frames:
        text = f"frame {indices[-1]} is wanted, there are {num_frames:,}."
        raise UsageError(f"{video.info.path}: {text} Count from 0.")
