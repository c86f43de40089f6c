"""Where packets come from when they are decoded: from memory, from the file anew, or only those around a keyframe."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from roboreward.media.reader import OpenVideo, Track
from roboreward.media.timeline import StoredFrame, Timeline


@dataclass(frozen=True)
class Supply:
    """A fresh decoder, and packets for it.

    Attributes:
        decoder: The codec context.
        every: Yields all packets. Good for one pass, in place of `between`.
        between: Yields the packets of the positions from its first argument to its second, both included. Calls must
            not go back.
    """

    decoder: Any
    every: Callable[[], Iterator[Any]]
    between: Callable[[int, int], Iterator[Any]]


@contextmanager
def open_supply(
    video: OpenVideo, timeline: Timeline, *, at_pts: int | None = None
) -> Iterator[Supply]:
    """Hand out a decoder and the packets that `timeline` was made from.

    Args:
        video: The open file.
        timeline: What is known of its packets.
        at_pts: Where the first one is; as for `OpenVideo.track`.

    Raises:
        MediaRefused: "too_slow".
        av.error.FFmpegError: The container is broken, or is another one than when it was walked.
    """
    kept = timeline.packets
    if kept:
        with _decoder(video) as decoder:
            yield _from_memory(decoder, kept, video)
        return
    with video.track(at_pts=at_pts) as track:
        if timeline.is_from_index:
            yield Supply(track.decoder(), track.packets, _by_seeking(track, timeline.stored))
        else:
            yield _from_file(track)


@contextmanager
def _decoder(video: OpenVideo) -> Iterator[Any]:
    """Hand out the decoder of the container that is open, or of another one where that was used."""
    if video.undecoded is not None:
        yield video.track_of(video.undecoded).decoder()
    else:
        with video.track() as track:
            yield track.decoder()


def _from_memory(decoder: Any, packets: Sequence[Any], video: OpenVideo) -> Supply:
    def between(first: int, last: int) -> Iterator[Any]:
        for packet in packets[first : last + 1]:
            video.deadline.check()
            yield packet

    return Supply(decoder, lambda: between(0, len(packets) - 1), between)


def _from_file(track: Track) -> Supply:
    packets, position = track.packets(), 0

    def between(first: int, last: int) -> Iterator[Any]:
        nonlocal position
        inside = islice(packets, first - position, last + 1 - position)
        position = last + 1
        return inside

    return Supply(track.decoder(), lambda: packets, between)


def _by_seeking(track: Track, stored: Sequence[StoredFrame]) -> Callable[[int, int], Iterator[Any]]:
    def between(first: int, last: int) -> Iterator[Any]:
        track.container.seek(stored[first].pts, stream=track.stream)
        for frame, packet in zip(stored[first : last + 1], track.packets(), strict=False):
            if packet.pts != frame.pts:
                # The index told something else: what was wanted will be missing.
                return
            yield packet

    return between
