"""When each stored frame is shown. Times are fractions, so that rounding is the same everywhere."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, TypeVar

Item = TypeVar("Item")

TICKS_PER_S: Final = 120_000
"""Time base of what is stored: the common rates (24, 25, 30, 50, 60, and 1001ths of them) are whole ticks."""

_HALF: Final = Fraction(1, 2)
_FORGIVEN: Final = Fraction(1, 20)


def exact_rate(fps: float) -> Fraction:
    """Return the simple fraction that a rate in frames a second stands for, such as 30000/1001 for 29.97003."""
    return Fraction(fps).limit_denominator(10_000)


def nearest_in_time(
    frames: Iterable[tuple[Fraction, Item]], *, fps: Fraction
) -> Iterator[tuple[Fraction, Item]]:
    """Yield, for k = 0, 1, 2, ..., the frame nearest to k / fps, as long as that is not behind the last frame.

    Of two frames equally near, the later. A frame may come several times, or not at all. Steps are even to the end,
    so the last frame of all may be left out: how a video ends must not tell whether it was cut. A twentieth of a
    step is forgiven, for containers that round times to milliseconds.

    Args:
        frames: Times in seconds, increasing from 0, each with its frame. One is held back at a time.
        fps: Frames a second to give.
    """
    count, before = 0, None
    for time_s, frame in frames:
        if before is not None:
            while count / fps < (before[0] + time_s) / 2:
                yield count / fps, before[1]
                count += 1
        before = time_s, frame
    while before is not None and count <= before[0] * fps + _FORGIVEN:
        yield count / fps, before[1]
        count += 1


def to_ticks(time_s: Fraction, after: int) -> int:
    """Return the nearest tick, halves up, but always one that is later than `after`."""
    return max(after + 1, int(time_s * TICKS_PER_S + _HALF))


def durations_of(ticks: Sequence[int], *, lone: int) -> tuple[int, ...]:
    """Return how long each frame is shown, in ticks: until the next one; the last one for the median of the others.

    The median is the lower one of two, so that no fraction arises. Each prefix of `ticks` gives, but for its last
    entry, a prefix of the result: nothing that comes later shows.

    Args:
        ticks: When each frame begins, strictly increasing.
        lone: Duration of a frame that has no other beside it.
    """
    gaps = [b - a for a, b in pairwise(ticks)]
    if not gaps:
        return (lone,)
    return (*gaps, last_duration(gaps))


def last_duration(gaps: Sequence[int]) -> int:
    """Return how long a last frame is shown after frames that were shown for `gaps` ticks each; at least one."""
    return sorted(gaps)[(len(gaps) - 1) // 2]
