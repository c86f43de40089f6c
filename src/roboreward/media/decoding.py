"""Turns packets into RGB frames: only the needed ones, or all of them when a file does not keep its promises."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from roboreward.core import Frames
from roboreward.media.limits import refusal
from roboreward.media.pixels import to_rgb
from roboreward.media.reader import OpenVideo, Track
from roboreward.media.timeline import StoredFrame


@dataclass(frozen=True)
class Outcome:
    """Decoded frames and their places; `num_frames` is how many the video holds."""

    frames: list[Frames]
    indices: tuple[int, ...]
    timestamps_s: tuple[float, ...]
    num_frames: int


@dataclass
class Count:
    """What decoding everything brought.

    Attributes:
        num_whole: Frames that came out, without a damaged last one.
        num_damaged: Frames among them that the decoder marked as wrong.
        num_errors: Packets that it refused.
        is_error_last: Whether the newest of these was the last packet. An error further up may leave no mark on
            the frames behind it (a VP9 keyframe that is refused leaves the old picture to build on).
        last_pts: Presentation time of the last whole frame.
    """

    num_whole: int = 0
    num_damaged: int = 0
    num_errors: int = 0
    is_error_last: bool = False
    last_pts: int | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether more is wrong than a last packet that cannot be decoded."""
        is_more_than_the_last = self.num_errors > 1 or (
            self.num_errors == 1 and not self.is_error_last
        )
        return self.num_damaged > 0 or is_more_than_the_last

    def add(self, frame: Any) -> None:
        """Take down a frame that came out."""
        self.num_whole += 1
        self.num_damaged += bool(frame.is_corrupt)
        self.last_pts = frame.pts


@dataclass(frozen=True, order=True)
class _Span:
    """Stored positions from a keyframe to the last frame that is wanted behind it."""

    first: int
    last: int


def decode_wanted(
    video: OpenVideo, stored: Sequence[StoredFrame], wanted: Sequence[StoredFrame]
) -> list[Frames] | None:
    """Decode the `wanted` frames from the keyframes before them.

    Returns:
        The frames in the order of `wanted`, or None when one of them did not come out whole.
    """
    import av.error

    spans = _spans(stored, wanted)
    found: dict[int, Frames] = {}
    keep = {frame.pts for frame in wanted}
    try:
        with video.track() as track:
            for frame in _decode_spans(track, spans, keep):
                if frame.is_corrupt:
                    return None
                if frame.pts in keep:
                    found[frame.pts] = checked_rgb(frame, found.values(), video)
    except av.error.FFmpegError:
        return None
    if len(found) != len(keep):
        return None
    return [found[frame.pts] for frame in wanted]


def _spans(stored: Sequence[StoredFrame], wanted: Sequence[StoredFrame]) -> list[_Span]:
    """Return disjoint spans in stored order that hold all wanted frames.

    A frame that is stored behind a keyframe but shown before it (open group of pictures) also needs the group
    before.
    """
    keys = [frame for frame in stored if frame.is_key] or [stored[0]]
    needs: list[_Span] = []
    for frame in wanted:
        before = [key for key in keys if key.position <= frame.position] or [stored[0]]
        is_leading = frame.pts < before[-1].pts and len(before) > 1
        needs.append(_Span(before[-2 if is_leading else -1].position, frame.position))
    spans: list[_Span] = []
    for need in sorted(needs):
        if spans and need.first <= spans[-1].last:
            spans[-1] = _Span(spans[-1].first, max(need.last, spans[-1].last))
        else:
            spans.append(need)
    return spans


def _one_span(stored: Sequence[StoredFrame], wanted: Sequence[StoredFrame]) -> _Span:
    """Return the span that holds all of a run of frames without a hole; `_spans` would look at each of them."""
    first_stored = min(wanted, key=lambda frame: frame.position)
    begin = min(_spans(stored, [wanted[0], first_stored])).first
    return _Span(begin, max(frame.position for frame in wanted))


def decode_in_order(
    video: OpenVideo,
    stored: Sequence[StoredFrame],
    wanted: Sequence[StoredFrame],
    *,
    at_pts: int | None,
    is_run: bool,
) -> Iterator[Any]:
    """Yield the `wanted` frames in their order, one at a time; end early where one did not come out whole.

    Args:
        video: The open file.
        stored: Packets from the position `at_pts` on.
        wanted: By increasing time.
        at_pts: As for `OpenVideo.track`.
        is_run: Whether `wanted` has no hole.
    """
    import av.error

    spans = [_one_span(stored, wanted)] if is_run else _spans(stored, wanted)
    keep = {frame.pts for frame in wanted}
    expected = (frame.pts for frame in wanted)
    pts: int | None = next(expected)
    try:
        with video.track(at_pts=at_pts) as track:
            for frame in _decode_spans(track, spans, keep):
                if frame.pts not in keep:
                    continue
                if frame.is_corrupt or frame.pts != pts:
                    return
                yield frame
                pts = next(expected, None)
    except av.error.FFmpegError:
        return


def _decode_spans(track: Track, spans: Sequence[_Span], keep: set[int]) -> Iterator[Any]:
    """Yield the frames of the spans; those that nobody refers to only when their time is in `keep`."""
    decoder = track.decoder()
    todo = iter(spans)
    span = next(todo, None)
    for position, packet in enumerate(track.packets()):
        if span is None:
            return
        if position < span.first:
            continue
        decoder.skip_frame = "DEFAULT" if packet.pts in keep else "NONREF"
        yield from decoder.decode(packet)
        if position == span.last:
            yield from decoder.decode(None)
            decoder.flush_buffers()
            span = next(todo, None)


def decode_all(video: OpenVideo) -> Count:
    """Decode every frame without keeping any, going on after errors. One damaged frame at the very end is left out."""
    count, previous = Count(), None
    for frame in decode_everything(video, count):
        if previous is not None:
            count.add(previous)
        previous = frame
    if previous is not None and not previous.is_corrupt:
        count.add(previous)
    return count


def decode_everything(video: OpenVideo, count: Count) -> Iterator[Any]:
    import av.error

    with video.track() as track:
        decoder = track.decoder()
        packets = track.packets()
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                packet = None
            if packet is not None and packet.is_corrupt:
                continue
            count.is_error_last = count.is_error_last and packet is None
            try:
                yield from decoder.decode(packet)
            except av.error.FFmpegError:
                count.num_errors += 1
                count.is_error_last = True
            if packet is None:
                return


def pick(
    video: OpenVideo, indices: tuple[int, ...], count: Count, *, seconds_per_tick: float
) -> Outcome:
    """Decode everything again and keep the frames with these places in output order.

    Times come from the frames; where they are missing or do not increase, from the average rate.
    """
    frames: list[Frames] = []
    ticks: list[int] = []
    for index, frame in enumerate(decode_everything(video, Count())):
        if index == 0 and frame.pts is not None:
            ticks.append(frame.pts)
        if index in indices:
            frames.append(checked_rgb(frame, frames, video))
            ticks.extend([] if frame.pts is None else [frame.pts])
    shown = ticks[1:]
    if len(shown) == len(frames) and all(a < b for a, b in pairwise(shown)):
        times = tuple((tick - ticks[0]) * seconds_per_tick for tick in shown)
    else:
        times = tuple(index / (video.info.fps or 1.0) for index in indices)
    return Outcome(frames, indices, times, count.num_whole)


def checked_rgb(frame: Any, others: Collection[Frames], video: OpenVideo) -> Frames:
    """Convert a frame, which must fit the others and, with them, in memory: headers may lie about the size."""
    rgb = to_rgb(frame, path=video.info.path)
    other = next(iter(others), rgb)
    if other.shape != rgb.shape:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (other.shape, rgb.shape))
        text = f"frames of {sizes} pixels in one video. Re-encode it with one size."
        raise refusal("size_changes", video.info.path, text)
    if (len(others) + 1) * rgb.nbytes > video.limits.max_held_bytes:
        text = f"the frames do not fit in max_held_bytes={video.limits.max_held_bytes:,}. Ask for fewer frames."
        raise refusal("too_large", video.info.path, text)
    return rgb
