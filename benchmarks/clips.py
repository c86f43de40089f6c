"""Clips by copying packets against clips by encoding again; and normalising against a bare transcode of the same files.

    OMP_NUM_THREADS=1 python benchmarks/clips.py [VIDEO_OR_FOLDER ...] [--repeats 5] [--max-videos 40]

Videos: generated ones and, where paths are given, real ones (of a folder, every k-th). The methods take turns in one
run, on one core. Figures are wall milliseconds: of all cuts together, and of all videos together, the minimum and the
median of the repeats. Ours force their files to disk and rename them; the loops they are compared with do not.
"""

import argparse
import hashlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from roboreward.media import NORMAL_V1, cut_prefix, normalise_video, num_kept
from roboreward.store import commit_of

FRACTIONS = (0.1, 0.3, 0.5, 0.7)
GOALS = {"cut": 50.0, "normalise": 1.25}
BACKWARDS = (
    "bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:scenecut=0:open-gop=0:threads=1:"
    "sliced-threads=0:keyint={every}:min-keyint={every}"
)


def transcode(source: Path, target: Path, num_frames: int | None = None) -> None:
    """Decode and encode with PyAV and nothing else: the plain loop, with our encoder's settings."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        track = given.streams.video[0]
        track.thread_type = "NONE"
        width, height = NORMAL_V1.size_of(track.width, track.height)
        stream: Any = out.add_stream("libx264", rate=Fraction(track.average_rate))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {
            "crf": str(NORMAL_V1.crf),
            "preset": NORMAL_V1.preset,
            "x264-params": BACKWARDS.format(every=NORMAL_V1.keyframe_every),
        }
        for frame in islice(given.decode(track), num_frames):
            frame.pict_type = 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def scene(num: int, width: int, height: int, seed: int) -> Iterator[np.ndarray]:
    """Draw a textured scene with a moving block and a little noise."""
    rng = np.random.default_rng(seed)
    base = np.kron(rng.integers(60, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    for t in range(num):
        frame = base + rng.normal(0, 2, base.shape)
        left = int((0.5 + 0.4 * np.sin(t / 20)) * (width - 60))
        frame[height // 3 : height // 3 + 60, left : left + 60] = (220, 40, 30)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def generated(folder: Path) -> list[Path]:
    """Write generated sources in the sizes and lengths of robot videos."""
    paths = []
    for num, width, height, fps in ((310, 320, 192, 10), (300, 640, 480, 30), (40, 224, 224, 5)):
        path = folder / f"{width}x{height}x{num}.mp4"
        normalise_video(scene(num, width, height, num), folder / "raw.mp4", fps=fps)
        transcode(folder / "raw.mp4", path)
        paths.append(path)
    return paths


def real(given: list[Path], max_videos: int) -> list[Path]:
    """Return the named videos, and of folders every k-th, at most `max_videos` of all."""
    paths = [path for item in given for path in ([item] if item.is_file() else videos_in(item))]
    step = -(-len(paths) // max_videos) if paths else 1
    return paths[::step]


def videos_in(folder: Path) -> list[Path]:
    """Return the MP4 files of a folder in a fixed order."""
    return sorted(folder.rglob("*.mp4"))


def timed(work: Callable[[], Any]) -> float:
    """Return the wall milliseconds that `work` takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def compare(
    title: str, methods: dict[str, Callable[[], Any]], repeats: int
) -> dict[str, list[float]]:
    """Let the methods take turns, after one turn that does not count; print minimum, median and ratio to the first."""
    for work in methods.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, work in methods.items():
            times[name].append(timed(work))
    print(f"\n{title}\n  {'':34} {'min ms':>10} {'median ms':>10}")
    for name, values in times.items():
        print(f"  {name:34} {min(values):10.2f} {statistics.median(values):10.2f}")
    return times


def ratios(times: dict[str, list[float]], over: str, under: str) -> tuple[float, float]:
    """Return the ratio of the minima, and of the medians."""
    medians = statistics.median(times[over]) / statistics.median(times[under])
    return min(times[over]) / min(times[under]), medians


def cuts(sources: list[Path], folder: Path, repeats: int) -> None:
    """Cut every video at every fraction."""
    jobs = []
    for number, source in enumerate(sources):
        done = normalise_video(source, folder / f"normal{number}.mp4")
        jobs.extend((done.path, num_kept(done.num_frames, keep_frac=f)) for f in FRACTIONS)
    target = folder / "clip.mp4"

    def by_copy() -> None:
        for path, num in jobs:
            cut_prefix(path, target, num_frames=num)

    def by_encoding() -> None:
        for path, num in jobs:
            transcode(path, target, num)

    title = f"{len(jobs)} clips of {len(sources)} normalised videos, 10 to 70 % of each"
    methods = {"cut_prefix": by_copy, "decode and encode the prefix": by_encoding}
    times = compare(title, methods, repeats)
    low, middle = ratios(times, "decode and encode the prefix", "cut_prefix")
    print(f"  encoding / copying: {low:.0f}x (minima), {middle:.0f}x (medians); goal >= 50x")
    print(f"  a clip: {min(times['cut_prefix']) / len(jobs):.2f} ms by copying (minimum)")


def normalising(sources: list[Path], folder: Path, repeats: int) -> None:
    """Transcode every video."""
    target = folder / "out.mp4"

    def ours() -> None:
        for source in sources:
            normalise_video(source, target)

    def bare() -> None:
        for source in sources:
            transcode(source, target)

    methods = {"normalise_video": ours, "decode, encode, mux": bare}
    times = compare(f"{len(sources)} videos transcoded", methods, repeats)
    low, middle = ratios(times, "normalise_video", "decode, encode, mux")
    print(f"  ours / bare loop: {low:.2f}x (minima), {middle:.2f}x (medians); goal <= 1.25x")


def environment() -> str:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.processor()
    commit = commit_of(Path(__file__).parent)
    versions = f"python {platform.python_version()}, av {av.__version__}, numpy {np.__version__}"
    return f"{processor}; {versions}; commit {commit}"


def same_bytes(sources: list[Path], folder: Path) -> None:
    """Stop when two transcodes of one source differ: a figure of a broken method would be worth nothing."""
    for source in sources:
        digests = set()
        for _ in range(2):
            normalise_video(source, folder / "out.mp4")
            digests.add(hashlib.sha256((folder / "out.mp4").read_bytes()).hexdigest())
        if len(digests) != 1:
            sys.exit(f"{source}: two transcodes differ")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, help="real videos, or folders of them")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-videos", type=int, default=40)
    args = parser.parse_args()
    print(environment())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = {"generated": generated(folder), "real": real(args.videos, args.max_videos)}
        for kind, sources in kinds.items():
            if sources:
                print(f"\n== {kind}")
                same_bytes(sources[:3], folder)
                cuts(sources, folder, args.repeats)
                normalising(sources, folder, args.repeats)


if __name__ == "__main__":
    main()
