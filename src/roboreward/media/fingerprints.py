"""Whether two files show the same video: exactly, or to the eye. For finding duplicates across splits."""

import hashlib
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roboreward.core import FramePolicy, Frames, FrameSample, UsageError
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits
from roboreward.media.reader import open_video
from roboreward.media.sampling import sample_frames
from roboreward.media.streaming import decode_whole
from roboreward.media.timeline import read_timeline

Fingerprint = npt.NDArray[np.uint64]

NUM_HASHES: Final = 8
"""Frames of a video that are hashed, evenly spaced from the first to the last."""

SAME_VIDEO_BITS: Final = 6.0
"""Fingerprints at most this far apart are of one video.

Measured on 148 real videos (`benchmarks/fingerprints.py`, figures in docs/videos.md): every copy at crf 35, at half the
size, 12 levels brighter, or all three, is nearer. Of the pairs of different videos, one is: two attempts of one
session, before a fixed camera that hardly sees the robot.
"""

_POLICY: Final = FramePolicy(min_frames=NUM_HASHES, max_frames=NUM_HASHES)
_SIDE: Final = 32
_KEPT: Final = 8
_MIN_CONTRAST: Final = 2.0
"""Standard deviation in levels below which a frame has no feature, and noise would choose the bits."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])
_BLOCK: Final = 512
_MANY: Final = 8192


def exact_fingerprint(path: str | os.PathLike[str], *, limits: MediaLimits = DEFAULT_LIMITS) -> str:
    """Return a SHA-256 of the decoded frames as 64 hex digits: the same for a file and a copy in another container.

    What is hashed are the sizes and the samples as the codec's standard defines them, before any conversion of
    colours; times are not. H.264, H.265, VP9 and AV1 decode to the same samples everywhere, MPEG-4 part 2 only with
    the same decoder.

    Raises:
        MediaRefused: As for `sample_frames`; one missing frame at the end is tolerated.
    """
    digest = hashlib.sha256()
    with open_video(Path(path), limits) as video:
        for frame in decode_whole(video, read_timeline(video)):
            digest.update(f"{frame.format.name} {frame.width}x{frame.height};".encode())
            for plane in _planes(frame):
                digest.update(plane.tobytes())
    return digest.hexdigest()


def _planes(frame: Any) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield each plane's bytes (rows, bytes a row), without what the decoder added at the ends of rows."""
    num_bytes = 2 if frame.format.components[0].bits > 8 else 1
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size]
        yield rows.reshape(plane.height, plane.line_size)[:, : plane.width * num_bytes]


def perceptual_fingerprint(
    source: str | os.PathLike[str] | FrameSample, *, limits: MediaLimits = DEFAULT_LIMITS
) -> Fingerprint:
    """Return eight 64-bit hashes, of frames evenly spaced from the first to the last.

    Each is the signs, against their median, of the 64 lowest frequencies of the frame's luma at 32x32 pixels. They stay
    when a video is encoded again, scaled, or made a little brighter; nine times in ten also when its frame rate
    changes. A clip of a video, a mirrored or a cropped one is another video. A frame without features hashes to 0.

    Args:
        source: A video, or frames that were sampled; of fewer than eight, some are used twice.
        limits: What a file may cost.

    Returns:
        uint64 (8,).

    Raises:
        MediaRefused: As for `sample_frames`.
    """
    sample = (
        source
        if isinstance(source, FrameSample)
        else sample_frames(source, policy=_POLICY, limits=limits)
    )
    last = len(sample.frames_THWC) - 1
    places = [(2 * k * last + NUM_HASHES - 1) // (2 * (NUM_HASHES - 1)) for k in range(NUM_HASHES)]
    hashes = {place: _hash(sample.frames_THWC[place]) for place in set(places)}
    return np.array([hashes[place] for place in places], np.uint64)


def _hash(frame_HWC: Frames) -> int:
    small = _mean_cells(_mean_cells(frame_HWC @ _LUMA).T).T
    if small.std() < _MIN_CONTRAST:
        return 0
    wanted = (_COSINES @ small @ _COSINES.T).ravel()
    bits = np.packbits(wanted > np.median(wanted))
    return int.from_bytes(bits.tobytes(), "big")


def _lowest_cosines() -> npt.NDArray[np.float64]:
    """Return the first rows of the discrete cosine transform (type II)."""
    frequency, place = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    cosines: npt.NDArray[np.float64] = np.cos(np.pi * (2 * place + 1) * frequency / (2 * _SIDE))
    return cosines


_COSINES: Final = _lowest_cosines()


def _mean_cells(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average (N, M) over its first axis into 32 cells of equal, also fractional, length; returns (32, M)."""
    edges = np.linspace(0, len(values), _SIDE + 1)
    whole = np.minimum(edges.astype(int), len(values) - 1)
    sums = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])
    at_edges = sums[whole] + (edges - whole)[:, None] * values[whole]
    cells: npt.NDArray[np.float64] = np.diff(at_edges, axis=0) * (_SIDE / len(values))
    return cells


def fingerprint_distance(one: Fingerprint, other: Fingerprint) -> float:
    """Return how many of 64 bits differ, on average over the frames: 0 for the same video, 32 for strangers."""
    _check(one.reshape(1, -1))
    _check(other.reshape(1, -1))
    differing = np.unpackbits((one ^ other).view(np.uint8))
    return float(differing.sum()) / NUM_HASHES


def near_pairs(
    fingerprints: Fingerprint, *, max_bits: float = SAME_VIDEO_BITS
) -> list[tuple[int, int, float]]:
    """Return all pairs of videos that are at most `max_bits` apart, as (row, later row, distance), in order.

    Every pair is compared, a block of rows at a time; memory grows with N, time with its square.

    Args:
        fingerprints: uint64 (N, 8).
        max_bits: Largest distance, in bits of 64.

    Raises:
        UsageError: Wrong array.
    """
    _check(fingerprints)
    signs = _signs(fingerprints)
    edges = [*range(0, len(signs), _BLOCK), len(signs)]
    found: list[tuple[int, int, float]] = []
    for begin, end in pairwise(edges):
        agreement = signs[begin:end] @ signs[begin:].T
        distances = (signs.shape[1] - agreement) / (2 * NUM_HASHES)
        for row, other in np.argwhere(distances <= max_bits):
            if other > row:
                pair = (begin + int(row), begin + int(other), float(distances[row, other]))
                found.append(pair)
    return found


def nearest_lookalikes(
    fingerprints: Fingerprint, *, among: Fingerprint, max_bits: float = SAME_VIDEO_BITS
) -> npt.NDArray[np.int64]:
    """Return for each video the nearest of others that is at most `max_bits` apart.

    Memory is bounded; time grows with N times M.

    Args:
        fingerprints: uint64 (N, 8).
        among: uint64 (M, 8).
        max_bits: Largest distance, in bits of 64.

    Returns:
        int64 (N,), rows of `among`; -1 where none is near.

    Raises:
        UsageError: Wrong array.
    """
    _check(fingerprints)
    _check(among)
    nearest = np.full(len(fingerprints), -1)
    least = np.full(len(fingerprints), max_bits)
    for begin, end in pairwise([*range(0, len(among), _MANY), len(among)]):
        others = _signs(among[begin:end])
        for low, high in pairwise([*range(0, len(fingerprints), _BLOCK), len(fingerprints)]):
            distances = (others.shape[1] - _signs(fingerprints[low:high]) @ others.T) / (
                2 * NUM_HASHES
            )
            best = distances.argmin(axis=1)
            bits = distances[np.arange(high - low), best]
            better = (bits < least[low:high]) | ((bits <= max_bits) & (nearest[low:high] < 0))
            nearest[low:high][better] = begin + best[better]
            least[low:high][better] = bits[better]
    return nearest


def _signs(fingerprints: Fingerprint) -> npt.NDArray[np.float32]:
    """Return +1 and -1 for the bits, float32 (N, 512): a product of two rows is agreement less difference."""
    bits = np.unpackbits(np.ascontiguousarray(fingerprints).view(np.uint8), axis=1)
    return bits.astype(np.float32) * 2 - 1


def _check(fingerprints: Fingerprint) -> None:
    if fingerprints.dtype != np.uint64 or fingerprints.shape[1:] != (NUM_HASHES,):
        raise UsageError(
            f"fingerprints must be uint64 (N, {NUM_HASHES}), got {fingerprints.dtype} {fingerprints.shape}."
        )
