"""Turns packets into RGB frames: only the needed ones, or all of them when a file does not keep its promises."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from roboreward.core import Frames
from roboreward.media.av1 import needed_packets
from roboreward.media.limits import refusal
from roboreward.media.pixels import to_rgb
from roboreward.media.reader import OpenVideo
from roboreward.media.supply import Supply, open_supply
from roboreward.media.timeline import KEPT_BYTES, StoredFrame, Timeline


@dataclass(frozen=True)
class Outcome:
    """Decoded frames (T, H, W, 3) and their places; `num_frames` is how many the video holds."""

    frames_THWC: Frames
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


class _Tray:
    """Where the wanted frames go, each as soon as it is decoded."""

    def __init__(self, num: int, video: OpenVideo) -> None:
        self._num, self._video = num, video
        self._frames_THWC: Frames | None = None
        self._filled: set[int] = set()

    def put(self, place: int, frame: Any) -> None:
        """Convert a frame and keep it."""
        rgb = to_rgb(frame, path=self._video.info.path)
        if self._frames_THWC is None:
            check_held(self._num * rgb.nbytes, self._video)
            self._frames_THWC = np.empty((self._num, *rgb.shape), rgb.dtype)
        check_size(rgb.shape, self._frames_THWC.shape[1:], self._video)
        self._frames_THWC[place] = rgb
        self._filled.add(place)

    @property
    def frames_THWC(self) -> Frames | None:
        """All frames, or None as long as one is missing."""
        return self._frames_THWC if len(self._filled) == self._num else None


def decode_wanted(
    video: OpenVideo, timeline: Timeline, wanted: Sequence[StoredFrame]
) -> Frames | None:
    """Decode the `wanted` frames from the keyframes before them.

    Returns:
        The frames in the order of `wanted`, or None when one of them did not come out whole.
    """
    import av.error

    spans = _spans(timeline.stored, wanted)
    places = {frame.pts: place for place, frame in enumerate(wanted)}
    tray = _Tray(len(wanted), video)
    try:
        with open_supply(video, timeline) as supply:
            for frame in _decode_spans(supply, spans, places.keys()):
                if frame.is_corrupt:
                    return None
                if frame.pts in places:
                    tray.put(places[frame.pts], frame)
    except av.error.FFmpegError:
        return None
    return tray.frames_THWC


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
    timeline: Timeline,
    wanted: Sequence[StoredFrame],
    *,
    at_pts: int | None,
    is_run: bool,
) -> Iterator[Any]:
    """Yield the `wanted` frames in their order, one at a time; end early where one did not come out whole.

    Args:
        video: The open file.
        timeline: Packets from the position `at_pts` on.
        wanted: By increasing time.
        at_pts: As for `OpenVideo.track`.
        is_run: Whether `wanted` has no hole.
    """
    import av.error

    stored = timeline.stored
    spans = [_one_span(stored, wanted)] if is_run else _spans(stored, wanted)
    keep = {frame.pts for frame in wanted}
    expected = (frame.pts for frame in wanted)
    pts: int | None = next(expected)
    try:
        with open_supply(video, timeline, at_pts=at_pts) as supply:
            for frame in _decode_spans(supply, spans, keep):
                if frame.pts not in keep:
                    continue
                if frame.is_corrupt or frame.pts != pts:
                    return
                yield frame
                pts = next(expected, None)
    except av.error.FFmpegError:
        return


def _decode_spans(supply: Supply, spans: Sequence[_Span], keep: Set[int]) -> Iterator[Any]:
    """Yield the frames of the spans; those that nobody refers to only when their time is in `keep`."""
    decoder = supply.decoder
    is_av1 = decoder.codec.canonical_name == "av1"
    for span in spans:
        inside = supply.between(span.first, span.last)
        for packet in _needed_of_av1(inside, keep, decoder.extradata) if is_av1 else inside:
            # The AV1 decoder looks at this only once, before its first packet.
            is_wanted = is_av1 or packet.pts in keep
            decoder.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
        decoder.flush_buffers()


def _needed_of_av1(
    packets: Iterable[Any], keep: Set[int], extradata: bytes | None
) -> Iterator[Any]:
    """Leave out what no packet whose time is in `keep` builds on, unless the packets are too many to look ahead."""
    held, num_bytes = [], 0
    for packet in packets:
        held.append(packet)
        num_bytes += packet.size
        if num_bytes > KEPT_BYTES:
            yield from held
            yield from packets
            return
    wanted = {place for place, packet in enumerate(held) if packet.pts in keep}
    # The first one is always needed, and wanted ones are: only the others can be spared.
    is_sparse = len(wanted | {0}) < len(held)
    needed = needed_packets(held, wanted, extradata) if is_sparse else None
    yield from (packet for place, packet in enumerate(held) if needed is None or place in needed)


def decode_all(video: OpenVideo, timeline: Timeline) -> Count:
    """Decode every frame without keeping any, going on after errors. One damaged frame at the very end is left out."""
    count, previous = Count(), None
    for frame in decode_everything(video, timeline, count):
        if previous is not None:
            count.add(previous)
        previous = frame
    if previous is not None and not previous.is_corrupt:
        count.add(previous)
    return count


def decode_everything(video: OpenVideo, timeline: Timeline, count: Count) -> Iterator[Any]:
    """Yield every frame, going on after errors, which are counted."""
    import av.error

    with open_supply(video, timeline) as supply:
        decoder, packets = supply.decoder, supply.every()
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


def pick(video: OpenVideo, timeline: Timeline, indices: tuple[int, ...], count: Count) -> Outcome:
    """Decode everything again and keep the frames with these places in output order.

    Times come from the frames; where they are missing or do not increase, from the average rate.

    Raises:
        MediaRefused: "unreadable" when decoding did not bring as many frames as before; else as for `sample_frames`.
    """
    tray = _Tray(len(indices), video)
    places = {index: place for place, index in enumerate(indices)}
    ticks: list[int] = []
    for index, frame in enumerate(decode_everything(video, timeline, Count())):
        if index == 0 and frame.pts is not None:
            ticks.append(frame.pts)
        if index in places:
            tray.put(places[index], frame)
            ticks.extend([] if frame.pts is None else [frame.pts])
    frames_THWC = tray.frames_THWC
    if frames_THWC is None:
        text = "it changed while it was read. Read it again when it is written."
        raise refusal("unreadable", video.info.path, text)
    shown = ticks[1:]
    if len(shown) == len(indices) and all(a < b for a, b in pairwise(shown)):
        times = tuple((tick - ticks[0]) * timeline.seconds_per_tick for tick in shown)
    else:
        times = tuple(index / (video.info.fps or 1.0) for index in indices)
    return Outcome(frames_THWC, indices, times, count.num_whole)


def check_size(one: tuple[int, ...], other: tuple[int, ...], video: OpenVideo) -> None:
    """Raise MediaRefused("size_changes") when two frames of a video differ in shape."""
    if one != other:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (other, one))
        text = f"frames of {sizes} pixels in one video. Re-encode it with one size."
        raise refusal("size_changes", video.info.path, text)


def check_held(num_bytes: int, video: OpenVideo) -> None:
    """Raise MediaRefused("too_large") when frames do not fit in memory: headers may lie about their size."""
    if num_bytes > video.limits.max_held_bytes:
        text = f"the frames do not fit in max_held_bytes={video.limits.max_held_bytes:,}. Ask for fewer frames."
        raise refusal("too_large", video.info.path, text)
