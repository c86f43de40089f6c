"""Which frames a video holds and when they are shown, learned from its packets without decoding them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Final

from roboreward.media.limits import refusal
from roboreward.media.reader import OpenVideo, check_duration, check_num_frames

TOLERATED_MISSING = 1
"""Frames that may be announced but not held. Released robot data has files with one too many in the header."""

KEPT_BYTES: Final = 16 * 2**20
"""Packets of a video, or of a slice, that is no larger than this stay in memory, so that they are read only once."""

_INDEX_BYTES: Final = 2**20
"""An index that is no larger than this is worth looking through: 60,000 frames, an hour of LeRobot's."""


@dataclass(frozen=True)
class StoredFrame:
    """One packet of the video track.

    Attributes:
        position: Its place in stored (decoding) order.
        pts: Presentation time in units of the track's time base.
        is_key: Whether decoding can begin here.
    """

    position: int
    pts: int
    is_key: bool


@dataclass(frozen=True)
class Timeline:
    """The frames of one video.

    Attributes:
        stored: All whole packets, in stored order, those hidden by an edit list included.
        shown: Those that are presented, by presentation time; empty when the times are missing or not distinct.
        num_shown: How many frames the packets promise.
        num_missing: Announced frames that the file does not hold (at most `TOLERATED_MISSING`).
        seconds_per_tick: The track's time base.
        duration_s: From the first frame to the end of the last one.
        packets: What `stored` tells of, by position, where it was kept; else empty.
        is_from_index: Whether that is known from the container's index alone.
    """

    stored: tuple[StoredFrame, ...]
    shown: tuple[StoredFrame, ...]
    num_shown: int
    num_missing: int
    seconds_per_tick: float
    duration_s: float
    packets: tuple[Any, ...] = ()
    is_from_index: bool = False


def read_timeline(video: OpenVideo) -> Timeline:
    """Walk all packets once, or read the index where it says the same.

    Raises:
        MediaRefused: "truncated" when more than one announced frame is not there, "too_many_frames", "too_long",
            "no_frames", "too_slow".
    """
    walk = _walk_index(video) or _walk(video)
    num_missing = _num_missing(video, walk)
    if not walk.num_shown:
        text = "the video track holds no frame. Record or copy it again."
        raise refusal("no_frames", video.info.path, text)
    shown = tuple(sorted(walk.shown, key=lambda frame: frame.pts))
    is_ordered = len(shown) == walk.num_shown and all(a.pts < b.pts for a, b in pairwise(shown))
    times = [frame.pts * walk.seconds_per_tick for frame in shown]
    duration_s = _duration_s(times, walk.num_shown, video)
    check_duration(duration_s, video.info.path, video.limits)
    return Timeline(
        stored=tuple(walk.stored),
        shown=shown if is_ordered else (),
        num_shown=walk.num_shown,
        num_missing=num_missing,
        seconds_per_tick=walk.seconds_per_tick,
        duration_s=duration_s,
        packets=walk.whole_packets,
        is_from_index=walk.is_from_index,
    )


@dataclass
class Walk:
    """What the packets said so far; `is_broken_off` when the container could not be read on.

    Attributes:
        packets: All of them, by position, corrupt ones included; None once they are over `KEPT_BYTES`.
        is_from_index: Whether no packet was looked at.
    """

    stored: list[StoredFrame]
    shown: list[StoredFrame]
    num_shown: int
    seconds_per_tick: float
    is_broken_off: bool
    packets: list[Any] | None = field(default_factory=list)
    is_from_index: bool = False
    _num_bytes: int = 0

    @classmethod
    def of_index(cls, video: OpenVideo) -> "Walk":
        """Return a walk to be filled from the container's index."""
        tick_s = video.clock.seconds_per_tick
        return cls([], [], 0, tick_s, is_broken_off=False, packets=None, is_from_index=True)

    def keep(self, packet: Any) -> None:
        """Keep a packet, as long as all fit."""
        self._num_bytes += packet.size
        if self._num_bytes > KEPT_BYTES:
            self.packets = None
        elif self.packets is not None:
            self.packets.append(packet)

    @property
    def whole_packets(self) -> tuple[Any, ...]:
        """The packets, if all were kept and a second reading would bring no more and no error."""
        return () if self.is_broken_off else tuple(self.packets or ())


def plain_index(video: OpenVideo) -> Sequence[Any]:
    """Return the entries of an MP4's index, where they say all that the packets say; else nothing.

    The packets of LeRobot's AV1 are large: reading all of them takes as long as decoding a frame. They come in the
    order of showing, unless the index has a table of offsets (`ctts`; ISO/IEC 14496-12, 8.6.1.3). With other codecs
    the library looks into the packets to tell keyframes, and in a file with fragments (`mvex`) the index grows.
    """
    begin, num_bytes = video.layout.index or (0, 0)
    if video.info.codec != "av1" or video.layout.is_cut or not 0 < num_bytes <= _INDEX_BYTES:
        return ()
    index = video.source.peek(begin, num_bytes)
    if b"ctts" in index or b"mvex" in index:
        return ()
    entries: Sequence[Any] = getattr(video.stream_unread, "index_entries", ())
    return entries


def _walk_index(video: OpenVideo) -> Walk | None:
    """Learn of the packets from the index alone; return None where that is not possible."""
    entries = plain_index(video)
    walk = Walk.of_index(video)
    for position, entry in enumerate(entries):
        check_num_frames(position + 1, video.info.path, video.limits)
        note_entry(entry, position, walk, video)
    return None if walk.is_broken_off or not walk.stored else walk


def note_entry(entry: Any, position: int, walk: Walk, video: OpenVideo) -> None:
    """Take down one packet from its entry in the index. One that is empty or behind the file's end must be read."""
    if not entry.size or entry.pos + entry.size > video.info.size_bytes:
        walk.is_broken_off = True
    frame = StoredFrame(position, entry.timestamp, entry.is_keyframe)
    walk.stored.append(frame)
    if not entry.is_discard:
        walk.shown.append(frame)
        walk.num_shown += 1


def _walk(video: OpenVideo, *, ignore_edits: bool = False) -> Walk:
    import av.error

    with video.track(ignore_edits=ignore_edits) as track:
        walk = Walk([], [], 0, video.clock.seconds_per_tick, is_broken_off=False)
        try:
            for position, packet in enumerate(track.packets()):
                check_num_frames(position + 1, video.info.path, video.limits)
                note_packet(packet, position, walk)
        except av.error.FFmpegError:
            walk.is_broken_off = True
    return walk


def note_packet(packet: Any, position: int, walk: Walk) -> None:
    """Take down one packet. A packet that the end of the file cut through is as good as missing."""
    walk.keep(packet)
    if packet.is_corrupt:
        walk.is_broken_off = True
        return
    frame = StoredFrame(position, packet.pts or 0, bool(packet.is_keyframe))
    walk.stored.append(frame)
    if packet.is_discard:
        return
    walk.num_shown += 1
    if packet.pts is not None:
        walk.shown.append(frame)


def _num_missing(video: OpenVideo, walk: Walk) -> int:
    """Return how many announced frames are not in the file.

    MP4 announces a count. An edit list may legitimately hide frames, so a shortage is confirmed without it.
    Where no count is announced, a file that is cut by its outer structure must reach its announced duration.
    """
    announced = video.info.announced_frames
    if announced is not None:
        missing = announced - len(walk.stored)
        if missing > TOLERATED_MISSING:
            missing = announced - len(_walk(video, ignore_edits=True).stored)
        if missing > TOLERATED_MISSING:
            raise _truncated(
                video, f"{announced:,} frames are announced, {len(walk.stored):,} are there"
            )
        return max(0, missing)
    if walk.is_broken_off or video.layout.is_cut:
        held_s = _span_s([frame.pts * walk.seconds_per_tick for frame in walk.shown])
        announced_s = video.info.duration_s
        gap_s = held_s / max(1, len(walk.shown) - 1)
        if announced_s is None or announced_s - held_s > (1.5 + TOLERATED_MISSING) * gap_s:
            promise = "an unknown duration" if announced_s is None else f"{announced_s:.2f} s"
            raise _truncated(video, f"{promise} is announced, {held_s:.2f} s are there")
    return 0


def _truncated(video: OpenVideo, found: str) -> Exception:
    advice = f"The limit is {TOLERATED_MISSING} missing frame. Copy or record it again."
    return refusal("truncated", video.info.path, f"the file is cut off: {found}. {advice}")


def _span_s(times: list[float]) -> float:
    return max(times) - min(times) if times else 0.0


def _duration_s(times: list[float], num_shown: int, video: OpenVideo) -> float:
    """Return the time to the end of the last frame, which is taken to last as long as the median frame."""
    gaps = [b - a for a, b in pairwise(times)]
    if gaps and len(times) == num_shown:
        return _span_s(times) + median(gaps)
    fps = video.info.fps
    return num_shown / fps if fps else 0.0
