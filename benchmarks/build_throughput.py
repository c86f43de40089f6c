"""A whole build against a bare PyAV transcode loop of the same files, and an OpenCV loop that only reads them.

    OMP_NUM_THREADS=1 python benchmarks/build_throughput.py [VIDEO_OR_FOLDER ...] [--repeats 3] [--workers 1 2]

The build makes the normalised video, four clips, both fingerprints, the rows and the splits, and forces its lines to
disk; the bare loop decodes and encodes with the same encoder settings, in as many processes. Both start their processes
within the time that is measured. The methods take turns in one run; figures are CPU seconds of all processes, minimum
and median, and the ratios of the minima and of the medians to the bare loop's.
OpenCV (how most loaders read: every frame, to RGB) runs where it is installed.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from clips import environment, generated, real, transcode
from roboreward.dataset import DatasetRecipe, build_dataset


def recipe_for(videos: list[Path], folder: Path) -> DatasetRecipe:
    """Write a sheet of successes next to links to the videos, and return the recipe that reads it."""
    sheet = folder / "source"
    sheet.mkdir()
    rows = []
    for number, video in enumerate(videos):
        name = f"{number}.mp4"
        shutil.copyfile(video, sheet / name)
        rows.append({"file": name, "task": "do it", "outcome": "success", "id": str(number)})
    (sheet / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"reader": "folder", "path": sheet, "options": {"outcome_scores": {"success": 5}}}
    return DatasetRecipe(sources=[source])


def each(work: Callable[[Path], None], videos: list[Path], num_workers: int) -> None:
    """Call `work` on every video, in this process or in several."""
    if num_workers == 1:
        for video in videos:
            work(video)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        list(pool.map(work, videos))


def bare(folder: Path, video: Path) -> None:
    """Transcode one video."""
    transcode(video, folder / video.name)


def read_all(video: Path) -> None:
    """Read every frame as RGB with OpenCV."""
    import cv2

    cv2.setNumThreads(1)
    opened = cv2.VideoCapture(str(video))
    while True:
        is_there, frame = opened.read()
        if not is_there:
            return
        cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def has_opencv() -> bool:
    """Whether OpenCV is installed."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        return False
    return True


def cpu_s() -> float:
    """Return the CPU seconds of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def compare(name: str, videos: list[Path], *, repeats: int, num_workers: int) -> None:
    """Print one block."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recipe = recipe_for(videos, folder)
        copies = sorted((folder / "source").glob("*.mp4"))
        (folder / "bare").mkdir()

        def build() -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            built = build_dataset(recipe, folder / "out", num_workers=num_workers)
            if built.num_episodes != len(videos):
                sys.exit(f"{built.skipped}")

        ways: dict[str, Callable[[], None]] = {
            "build": build,
            "bare transcode loop": lambda: each(
                partial(bare, folder / "bare"), copies, num_workers
            ),
        }
        if has_opencv():
            ways["OpenCV, read only"] = lambda: each(read_all, copies, num_workers)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, work in ways.items():
                start = cpu_s()
                work()
                times[way].append(cpu_s() - start)
    print(f"\n{name}, {num_workers} {'process' if num_workers == 1 else 'processes'}")
    base = times["bare transcode loop"]
    for way, found in times.items():
        low, middle = min(found), statistics.median(found)
        ratio = f"{low / min(base):6.2f}x {middle / statistics.median(base):6.2f}x"
        print(f"  {way:22} {low:8.2f} s {middle:8.2f} s {ratio}")
    if not has_opencv():
        print("  OpenCV is not installed")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-videos", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    print(environment())
    with tempfile.TemporaryDirectory() as temporary:
        sets = {"3 generated videos": generated(Path(temporary))}
        if args.videos:
            found = real(args.videos, args.max_videos)
            sets[f"{len(found)} real videos"] = found
        for name, videos in sets.items():
            for num_workers in args.workers:
                compare(name, videos, repeats=args.repeats, num_workers=num_workers)


if __name__ == "__main__":
    main()
