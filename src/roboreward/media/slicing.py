"""Which frames of a long file belong to a slice of time, learned from the packets around it and not from all of them.

LeRobot v3.0 keeps hundreds of episodes in one file. Its readers ask for the frame nearest to each wanted time
(`decode_video_frames`), and its tools cut from frame `round(from * fps)` up to, not including, `round(to * fps)`
(`dataset_tools.py`; both read at commit 7427f3180): a half-open interval whose ends are rounded to the nearest frame.
So it is here, with the frames' own times in place of a constant rate.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

from roboreward.core import MediaRefused
from roboreward.media.limits import MediaLimits, refusal
from roboreward.media.reader import OpenVideo, Track, check_duration, check_num_frames
from roboreward.media.timeline import (
    TOLERATED_MISSING,
    StoredFrame,
    Timeline,
    Walk,
    note_entry,
    note_packet,
    plain_index,
)

_BACK_S: Final = (0.0, 1.0, 10.0)
"""How far before the slice a keyframe is asked for. An index may be sorted by decoding time, which is earlier than the
time of showing, and so give a keyframe that is too late; then further back, and at last from the start."""


@dataclass(frozen=True)
class Slice:
    """Frames of a video that are wanted, and where its track must be positioned to decode them.

    Attributes:
        timeline: `shown` holds the frames of the slice, `stored` the packets from the position on, in stored order.
        at_pts: What `OpenVideo.track` is asked for; None for the start of the file, and where the index told all.
        is_to_end: Whether the last frame of the slice is the last one of the video.
    """

    timeline: Timeline
    at_pts: int | None
    is_to_end: bool


@dataclass
class _Walked:
    """Packets from the position `at_pts` to a little behind the slice, whose ends are in ticks."""

    walk: Walk
    at_pts: int | None
    begin_pts: int
    end_pts: int | None
    is_to_end: bool = True

    @property
    def is_usable(self) -> bool:
        """Whether the walk began with a keyframe that is not behind the slice's start."""
        stored = self.walk.stored
        is_early = bool(stored) and stored[0].is_key and stored[0].pts <= self.begin_pts
        return self.at_pts is None or is_early


def read_slice(
    video: OpenVideo, *, start_s: float, end_s: float | None, limits: MediaLimits
) -> Slice:
    """Find the frames from the one nearest to `start_s` up to, not including, the one nearest to `end_s`.

    Args:
        video: Opened with the limits of a shared file.
        start_s: Seconds from the first frame of the video.
        end_s: Likewise, or None for the end of the video.
        limits: What the slice may cost.

    Raises:
        MediaRefused: "no_frames" when the slice is empty, "truncated" when the video ends more than one frame before
            `end_s`, "undecodable" when frames have no distinct times, "too_long", "too_many_frames", "too_slow".
    """
    begin_pts = video.clock.pts_at(start_s)
    end_pts = None if end_s is None else video.clock.pts_at(end_s)
    walked = _walk_from_keyframe(video, begin_pts, end_pts, limits)
    shown = _in_order(walked, video)
    gap = _gap_pts(shown, walked, video)
    num_missing = _num_missing(walked, shown, gap, video)
    first = _nearest(shown, walked.begin_pts, gap)
    last = len(shown) if walked.end_pts is None else _nearest(shown, walked.end_pts, gap)
    chosen = shown[first:last]
    if not chosen:
        raise _empty(walked, shown, video)
    tick_s = walked.walk.seconds_per_tick
    duration_s = (chosen[-1].pts - chosen[0].pts + gap) * tick_s
    check_duration(duration_s, video.info.path, limits)
    stored = tuple(walked.walk.stored)
    packets = walked.walk.whole_packets
    timeline = Timeline(
        stored,
        chosen,
        len(chosen),
        num_missing,
        tick_s,
        duration_s,
        packets,
        walked.walk.is_from_index,
    )
    return Slice(timeline, walked.at_pts, walked.is_to_end and last == len(shown))


def _walk_from_keyframe(
    video: OpenVideo, begin_pts: int, end_pts: int | None, limits: MediaLimits
) -> _Walked:
    in_index = _walk_index(video, begin_pts, end_pts, limits)
    if in_index is not None:
        return in_index
    for back_s in _BACK_S:
        at_pts = begin_pts - round(back_s / (video.clock.seconds_per_tick or 1.0))
        if at_pts > video.clock.first_pts:
            walked = _walk_slice(video, begin_pts, end_pts, limits, at_pts=at_pts)
            if walked.is_usable:
                return walked
    return _walk_slice(video, begin_pts, end_pts, limits, at_pts=None)


def _walk_index(
    video: OpenVideo, begin_pts: int, end_pts: int | None, limits: MediaLimits
) -> _Walked | None:
    """Learn of the packets from the index alone; return None where that is not possible."""
    entries: Any = plain_index(video)
    first = entries.search_timestamp(begin_pts) if entries else -1
    if first < 0:
        return None
    walk = Walk.of_index(video)
    walked = _Walked(walk, None, begin_pts, end_pts)
    for position in range(len(entries) - first):
        check_num_frames(position + 1, video.info.path, limits)
        entry = entries[first + position]
        note_entry(entry, position, walk, video)
        if end_pts is not None and entry.timestamp > end_pts:
            walked.is_to_end = False
            break
    return None if walk.is_broken_off else walked


def _walk_slice(
    video: OpenVideo,
    begin_pts: int,
    end_pts: int | None,
    limits: MediaLimits,
    *,
    at_pts: int | None,
) -> _Walked:
    import av.error

    walk = Walk([], [], 0, video.clock.seconds_per_tick, is_broken_off=False)
    walked = _Walked(walk, at_pts, begin_pts, end_pts)
    try:
        with video.track(at_pts=at_pts) as track:
            _walk_to_end(track, walked, video, limits)
    except av.error.FFmpegError:
        walk.is_broken_off = True
    return walked


def _walk_to_end(track: Track, walked: _Walked, video: OpenVideo, limits: MediaLimits) -> None:
    """Walk until the first frame behind the slice is known.

    Decoding times increase and are never later than the time of showing. So a packet that is decoded when a frame
    behind the slice is already shown has no earlier frame after it.
    """
    end_pts, behind_pts = walked.end_pts, None
    for position, packet in enumerate(track.packets()):
        check_num_frames(position + 1, video.info.path, limits)
        note_packet(packet, position, walked.walk)
        if end_pts is None or packet.pts is None or packet.dts is None:
            continue
        if packet.pts > end_pts and (behind_pts is None or packet.pts < behind_pts):
            behind_pts = packet.pts
        if behind_pts is not None and packet.dts >= behind_pts:
            walked.is_to_end = False
            return


def _in_order(walked: _Walked, video: OpenVideo) -> tuple[StoredFrame, ...]:
    """Return the walked frames by time, without those that need packets from before the position."""
    walk = walked.walk
    shown = tuple(sorted(walk.shown, key=lambda frame: frame.pts))
    is_distinct = all(a.pts < b.pts for a, b in pairwise(shown))
    if len(shown) != walk.num_shown or not is_distinct or not walk.seconds_per_tick:
        text = "its frames have no distinct times, so that no slice can be cut. Re-encode it."
        raise refusal("undecodable", video.info.path, text)
    if walked.at_pts is None:
        return shown
    return tuple(frame for frame in shown if frame.pts >= walk.stored[0].pts)


def _gap_pts(shown: Sequence[StoredFrame], walked: _Walked, video: OpenVideo) -> float:
    """Return how long one frame is shown, in ticks: the median, or what the header says of a lone frame."""
    gaps = [b.pts - a.pts for a, b in pairwise(shown)]
    if gaps:
        return float(median(gaps))
    fps = video.info.fps
    return 1 / fps / walked.walk.seconds_per_tick if fps else 1.0


def _nearest(shown: Sequence[StoredFrame], wanted_pts: int, gap: float) -> int:
    """Return the place of the frame whose time is nearest; the video's end counts as one more frame."""
    if not shown:
        return 0
    times = [*(frame.pts for frame in shown), shown[-1].pts + gap]
    return bisect_right([(a + b) / 2 for a, b in pairwise(times)], wanted_pts)


def _num_missing(
    walked: _Walked, shown: Sequence[StoredFrame], gap: float, video: OpenVideo
) -> int:
    """Return how many frames the video is short of the slice's end.

    Where no end is asked for, a file that is cut off must reach the end that it announces.
    """
    if not walked.is_to_end or not shown:
        return 0
    wanted_pts = walked.end_pts
    is_cut = walked.walk.is_broken_off or video.layout.is_cut
    if wanted_pts is None and is_cut and video.info.duration_s is not None:
        wanted_pts = video.clock.pts_at(video.info.duration_s)
    if wanted_pts is None:
        return 0
    num = max(0, round((wanted_pts - shown[-1].pts) / gap) - 1)
    if num > TOLERATED_MISSING:
        text = (
            f"the slice wants {num:,} frames behind the last one that is there; only {TOLERATED_MISSING} is "
            "tolerated. Check the slice's end, or copy or record the video again."
        )
        raise refusal("truncated", video.info.path, text)
    return num


def _empty(walked: _Walked, shown: Sequence[StoredFrame], video: OpenVideo) -> MediaRefused:
    tick_s, first = video.clock.seconds_per_tick, video.clock.first_pts
    end = "the end" if walked.end_pts is None else f"{(walked.end_pts - first) * tick_s:.3f} s"
    held = f"the last is at {(shown[-1].pts - first) * tick_s:.3f} s" if shown else "there is none"
    text = (
        f"no frame from {(walked.begin_pts - first) * tick_s:.3f} s to {end}; of the frames near it, {held}. "
        "Check the slice's times."
    )
    return refusal("no_frames", video.info.path, text)
