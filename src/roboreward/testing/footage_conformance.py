"""Do the frames of a view keep the contract of `sources.Footage`?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import numpy as np

from roboreward.sources import Footage

_TOLERATED_MISSING: Final = 1
"""Released corpora announce one frame too many."""


@dataclass
class _Walk:
    """One pass over the frames: a digest of each, and what was wrong on the way."""

    digests: list[str] = field(default_factory=list)
    sizes: list[tuple[int, ...]] = field(default_factory=list)
    fault: str = ""


def footage_findings(footage: Footage) -> Iterator[str]:
    """Yield one sentence for each thing that is wrong; the frames are read twice.

    What the footage raises passes through.
    """
    yield from _number_findings(footage)
    first = _walk(footage.frames())
    yield from _frame_findings(first)
    if first.fault or not first.digests:
        return
    yield from _count_findings(footage.num_frames, len(first.digests))
    second = _walk(footage.frames())
    if second.digests != first.digests:
        yield (
            f"frames() gave {len(first.digests)} frames, and {_difference(first, second)} when called again; "
            "open the footage inside frames()"
        )
    yield from _take_findings(footage, first.digests)


def first_digest(footage: Footage) -> str:
    """Return a digest of the first frame, or nothing where there is none."""
    return next((_digest(frame) for frame in footage.frames()), "")


def _number_findings(footage: Footage) -> Iterator[str]:
    fps, num = footage.fps, footage.num_frames
    is_number = isinstance(fps, int | float) and not isinstance(fps, bool)
    if not is_number or not math.isfinite(fps) or fps <= 0:
        yield f"fps must be a finite number above 0, got {fps!r}; give the true rate of the camera"
    if num is not None and (type(num) is not int or num < 0):
        yield f"num_frames must be a whole number, or None where only reading tells, got {num!r}"


def _count_findings(announced: Any, num: int) -> Iterator[str]:
    if type(announced) is int and not 0 <= announced - num <= _TOLERATED_MISSING:
        yield (
            f"num_frames is {announced} and frames() gave {num}; "
            "give the true number (one too many is allowed), or None where only reading tells"
        )


def _walk(frames: Any) -> _Walk:
    walk = _Walk()
    if not isinstance(frames, Iterator):
        walk.fault = (
            f"frames() must be an iterator, got a {type(frames).__name__}; yield one by one"
        )
        return walk
    kept: Any = None
    for frame in frames:
        walk.fault = _fault_of(frame, len(walk.digests))
        if not walk.fault and kept is not None and _digest(kept) != walk.digests[-1]:
            walk.fault = (
                f"frame {len(walk.digests) - 1} changed when the next one was read; yield a copy"
            )
        if walk.fault:
            return walk
        kept = frame
        walk.digests.append(_digest(frame))
        walk.sizes.append(frame.shape)
    return walk


def _fault_of(frame: Any, place: int) -> str:
    if not isinstance(frame, np.ndarray):
        return f"frame {place} must be an array, got a {type(frame).__name__}"
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        found = f"{frame.dtype} {frame.shape}"
        return f"frame {place} must be uint8 RGB of shape (H, W, 3), got {found}; convert it"
    return ""


def _frame_findings(walk: _Walk) -> Iterator[str]:
    if walk.fault:
        yield walk.fault
    elif not walk.digests:
        yield "frames() gave no frame; skip such an episode, with the reason 'no_frames'"
    odd = next((i for i, size in enumerate(walk.sizes) if size != walk.sizes[0]), None)
    if odd is not None:
        yield (
            f"frame {odd} is {walk.sizes[odd]}, frame 0 is {walk.sizes[0]}; all frames of a view have one size"
        )


def _take_findings(footage: Footage, digests: Sequence[str]) -> Iterator[str]:
    take = getattr(footage, "take", None)
    if take is None:
        return
    wanted = sorted({0, len(digests) // 2, len(digests) - 1})
    if [_digest(frame) for frame in take(wanted)] != [digests[place] for place in wanted]:
        yield f"take({wanted}) gave other frames than frames() has there; mend it, or leave it out"


def _difference(first: _Walk, second: _Walk) -> str:
    if second.fault:
        return f"this: {second.fault};"
    if len(second.digests) != len(first.digests):
        return str(len(second.digests))
    return "others"


def _digest(frame: Any) -> str:
    return sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
