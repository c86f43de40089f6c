"""Clips: the first frames of a normalised video, copied and not encoded again.

A clip must be told from an original by what happens in it and by nothing else. So all originals go through
`normalise_video` once, and a clip is cut from what that wrote: its bytes are those that normalising the first frames
alone would have given, so no trace of an encoder can carry the label.
"""

import os
from fractions import Fraction
from pathlib import Path
from typing import Final

from roboreward.core import UsageError
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits
from roboreward.media.mp4 import Index
from roboreward.media.retiming import durations_of
from roboreward.media.stored import WrittenVideo, check_packets, open_stored, put_together

_HALF: Final = Fraction(1, 2)


def cut_prefix(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    num_frames: int,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> WrittenVideo:
    """Write the first `num_frames` frames of a normalised video, bit for bit, atomically.

    Packets are copied and the index is written anew, as `normalise_video` would have written it for these frames. The
    last frame is shown for the median of the others, as everywhere. No frame is decoded: damage inside a packet is
    copied too.

    Args:
        source: What `normalise_video` (or this function) wrote.
        target: Where to; an existing file is replaced, also when it is the source. The folder must exist.
        num_frames: From 1 to as many as there are; `num_kept` gives it from a fraction.
        limits: What the source may cost; CPU and wall time are not looked at.

    Returns:
        What was written.

    Raises:
        UsageError: Fewer frames than one are wanted, or more than there are.
        MediaRefused: "not_normalised" for any other video (B-frames, edit lists, another writer); "damaged" or
            "truncated" when packets are not there; else as for `probe`.
        StoreError: The folder is missing, not writable or full.
    """
    path = Path(source)
    if num_frames < 1:
        raise UsageError(f"{path}: a clip needs at least one frame, got num_frames={num_frames}.")
    with open_stored(path, limits) as video:
        held = len(video.index.sizes)
        if num_frames > held:
            raise UsageError(f"{path}: {num_frames:,} frames are wanted, there are {held:,}.")
        check_packets(video, num_frames, path)
        index = _prefix(video.index, num_frames)
        return put_together(Path(target), video.coding, index, video.file)


def _prefix(index: Index, num: int) -> Index:
    ticks = [0]
    for duration in index.durations[: num - 1]:
        ticks.append(ticks[-1] + duration)
    return Index(
        sizes=index.sizes[:num],
        durations=durations_of(ticks, lone=index.durations[0]),
        keys=tuple(place for place in index.keys if place < num),
    )


def num_kept(num_frames: int, *, keep_frac: float) -> int:
    """Return how many frames a clip has that keeps `keep_frac` of a video of `num_frames`.

    `keep_frac * num_frames`, rounded to the nearest with halves up, at least 1. The fraction is taken as it is written
    in decimal (0.145 of 100 is 14.5, so 15), so that no binary rounding decides. The clip ends with frame
    `num_kept - 1`, whole; with 1.0 it is the video.

    Raises:
        UsageError: `num_frames` is below 1, or `keep_frac` not in (0, 1].
    """
    if num_frames < 1 or not 0 < keep_frac <= 1:
        raise UsageError(
            f"a clip needs num_frames >= 1 and 0 < keep_frac <= 1, got {num_frames} and {keep_frac}."
        )
    return max(1, int(Fraction(repr(float(keep_frac))) * num_frames + _HALF))
