"""What normalising costs in quality, and how far apart fingerprints of copies and of different videos are.

    OMP_NUM_THREADS=1 python benchmarks/fingerprints.py ../shared/data

Takes real videos. Quality: of the eight frames that a model samples, source against normalised, in dB over RGB.
Fingerprints: the distance from each video to copies of it, and between all pairs of videos; copies that the threshold
misses, and pairs that it takes for one video, with 95 % intervals (Wilson; pairs are not independent, so theirs is too
narrow).
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from roboreward.core import FramePolicy, wilson
from roboreward.media import (
    NORMAL_V1,
    SAME_VIDEO_BITS,
    NormalProfile,
    fingerprint_distance,
    near_pairs,
    normalise_video,
    perceptual_fingerprint,
    sample_frames,
    stream_frames,
)

EIGHT = FramePolicy(min_frames=8, max_frames=8)
Change = Callable[[list[np.ndarray]], list[np.ndarray]]


def profile(frames: list[np.ndarray], *, share: float, crf: int) -> NormalProfile:
    """Return a profile that scales frames to a share of their size."""
    longest = max(16, int(share * max(frames[0].shape[:2])))
    return NormalProfile(name="copy-v1", longest_side_px=longest, crf=crf)


def brighter(levels: int) -> Change:
    """Return the change that adds levels to all channels."""
    return lambda frames: [
        np.clip(frame.astype(int) + levels, 0, 255).astype(np.uint8) for frame in frames
    ]


COPIES: dict[str, tuple[Change, float, int]] = {
    "crf 35": (list, 1.0, 35),
    "half the size": (list, 0.5, 23),
    "12 levels brighter": (brighter(12), 1.0, 23),
    "12 darker, half, crf 35": (brighter(-12), 0.5, 35),
    "a third of the size, crf 30": (list, 1 / 3, 30),
    "every second frame": (lambda frames: frames[::2], 1.0, 23),
    "without the last frame": (lambda frames: frames[: max(1, len(frames) - 1)], 1.0, 23),
}
PROMISED = ("crf 35", "half the size", "12 levels brighter", "12 darker, half, crf 35")


def copies(path: Path, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the fingerprint of each copy of a video."""
    frames = list(stream_frames(path))
    for name, (change, share, crf) in COPIES.items():
        target = folder / "copy.mp4"
        normalise_video(
            change(frames), target, fps=10, profile=profile(frames, share=share, crf=crf)
        )
        yield name, perceptual_fingerprint(target)


def psnr_db(source: Path, normal: Path) -> np.ndarray:
    """Return the quality of each sampled frame; the samples must be of the same frames."""
    before, after = sample_frames(source, policy=EIGHT), sample_frames(normal, policy=EIGHT)
    if before.record.indices != after.record.indices:
        raise SystemExit(f"{source}: other frames are sampled after normalising")
    given, height, width = before.frames_THWC, *after.frames_THWC.shape[1:3]
    if given.shape[1] - height > 1 or given.shape[2] - width > 1:
        return np.array([])  # scaled down: there is no frame to compare with
    squares = (given[:, :height, :width].astype(float) - after.frames_THWC) ** 2
    decibels: np.ndarray = 10 * np.log10(255**2 / np.maximum(squares.mean(axis=(1, 2, 3)), 1e-9))
    return decibels


def quality(paths: list[Path], folder: Path) -> None:
    """Print what the default profile costs."""
    of_family = defaultdict(list)
    sizes = [0, 0]
    for path in paths:
        done = normalise_video(path, folder / "normal.mp4")
        family = path.name.split("-")[0] if path.parent.name == "clips" else path.name[:4]
        of_family[family].append(psnr_db(path, done.path))
        sizes[0] += path.stat().st_size
        sizes[1] += done.size_bytes
    print(f"\nQuality of {NORMAL_V1.name}: {sizes[1] / sizes[0]:.2f} times the sources' bytes")
    everything = [values for family in of_family.values() for values in family]
    for family, values in [*of_family.items(), ("all", everything)]:
        every = np.concatenate(values)
        worst, low = every.min(), np.quantile(every, 0.01)
        print(
            f"  {family:12} {len(values):4} videos, worst frame {worst:5.1f} dB, "
            f"1 % {low:5.1f}, mean {every.mean():5.1f}"
        )


def rate(num: int, total: int) -> str:
    """Return a rate with its 95 % interval."""
    low, high = wilson(num / total, total)
    return f"{num} of {total:,} ({num / total:.3%} [{low:.3%}, {high:.3%}])"


def distances(paths: list[Path], folder: Path) -> None:
    """Print both distributions, and what the threshold makes of them."""
    start = time.process_time()
    prints = np.stack([perceptual_fingerprint(path) for path in paths])
    each_ms = 1e3 * (time.process_time() - start) / len(paths)
    of_copy = defaultdict(list)
    for path, own in zip(paths, prints, strict=True):
        for name, found in copies(path, folder):
            of_copy[name].append(fingerprint_distance(found, own))
    print(
        f"\nFingerprints: {each_ms:.1f} ms of CPU a video; bits of 64, copies against their source"
    )
    for name, values in of_copy.items():
        low, high, top = np.quantile(values, [0.5, 0.99, 1])
        missed = rate(int((np.array(values) > SAME_VIDEO_BITS).sum()), len(values))
        print(
            f"  {name:30} median {low:4.1f}, 99 % {high:4.1f}, largest {top:4.1f}; missed {missed}"
        )
    promised = np.concatenate([of_copy[name] for name in PROMISED])
    print(
        f"  misses among the promised copies: {rate(int((promised > SAME_VIDEO_BITS).sum()), len(promised))}"
    )
    strangers(paths, prints)


def strangers(paths: list[Path], prints: np.ndarray) -> None:
    """Print how far different videos are apart."""
    pairs = near_pairs(prints, max_bits=64)
    bits = np.array([pair[2] for pair in pairs])
    low, one, middle = np.quantile(bits, [0, 0.01, 0.5])
    print(f"  different videos: smallest {low:.1f}, 1 % {one:.1f}, median {middle:.1f}")
    print(
        f"  false matches at {SAME_VIDEO_BITS:g} bits: {rate(int((bits <= SAME_VIDEO_BITS).sum()), len(bits))}"
    )
    for i, j, distance in sorted(pairs, key=lambda pair: pair[2])[:6]:
        print(f"    {distance:5.2f}  {paths[i].name}  {paths[j].name}")


def search_speed(num: int) -> None:
    """Print what comparing all pairs of many videos costs."""
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2**64, (num, 8), dtype=np.uint64)
    start = time.process_time()
    near_pairs(prints)
    print(f"\nAll pairs of {num:,} fingerprints: {time.process_time() - start:.1f} s of CPU")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real videos")
    args = parser.parse_args()
    paths = sorted(args.data.rglob("*.mp4"))
    with tempfile.TemporaryDirectory() as name:
        quality(paths, Path(name))
        distances(paths, Path(name))
    search_speed(50_000)


if __name__ == "__main__":
    main()
