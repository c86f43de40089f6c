"""What a build of many episodes needs beside the videos: memory and time, against the number of episodes.

    python benchmarks/build_scale.py [--plan 10000 100000 1000000] [--assemble 10000 100000] [--looks 20000]

A simulated index stands for the corpora. `plan` is `plan_dataset` with a balance over levels and sources. `assemble` is
`build_dataset` started again when all videos are made (they are empty files here): it reads the index again, finds that
all is there, and writes the splits. `looks` is the comparison across splits. Each runs in a process of its own; memory
is the largest that the process ever had, less what it had with 1,000 episodes.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import roboreward.dataset.build as build
from roboreward.dataset import DatasetRecipe, build_dataset, plan_dataset
from roboreward.dataset.episodes import expected_line, jobs_of
from roboreward.media import nearest_lookalikes
from roboreward.sources import SourceEpisode
from roboreward.store import JsonlWriter, commit_of

NUM_SOURCES = 20
SMALL = 1000


class NoFootage:
    """Stands for a video that nobody opens."""

    fps = 10.0
    num_frames = 100

    def frames(self) -> Iterator[np.ndarray]:
        raise AssertionError("a plan decodes nothing")


class SimulatedIndex:
    """A corpus of `num` demonstrations, ten a session."""

    licence = "none"

    def __init__(self, name: str, num: int) -> None:
        self.name, self.num = name, num

    def episodes(self, *, on_skip: object = None) -> Iterator[SourceEpisode]:
        """Yield them."""
        for i in range(self.num):
            yield SourceEpisode(
                episode_id=f"episode_{i:07d}",
                task=f"put the {i % 97} block on the {i % 31} plate",
                source=self.name,
                group=f"session_{i // 10:06d}",
                views={"front": NoFootage()},
                judged_view="front",
                where=f"{self.name}/data.tfrecord:{i}",
            )


def recipe_of(num: int) -> DatasetRecipe:
    """Return a recipe of `num` episodes in `NUM_SOURCES` sources, and let it open simulated ones."""

    def opened(reader: str, path: Path, options: object) -> SimulatedIndex:
        return SimulatedIndex(Path(path).name, num // NUM_SOURCES)

    build.open_source = opened
    sources = [
        {"reader": "folder", "path": f"corpus{i}", "unlabelled": "success"}
        for i in range(NUM_SOURCES)
    ]
    balance = {"level": "even", "source": "even"}
    return DatasetRecipe(sources=sources, duplicates="frames", balance=balance)


def plan(num: int, folder: Path) -> None:
    """Plan a build."""
    found = plan_dataset(recipe_of(num))
    assert found.num_episodes == num


def prepare(num: int, folder: Path) -> None:
    """Put lines and empty videos where a build has them when all videos are made."""
    recipe = recipe_of(num)
    sources = build._opened(recipe)
    videos = folder / "out" / build.WORK / "videos"
    for number in range(256):
        (videos / f"{number:02x}").mkdir(parents=True)
    with JsonlWriter(folder / "out" / build.WORK / "rows.jsonl", durable=False) as writer:
        for job in jobs_of(recipe, sources, print):
            line = expected_line(job, 100)
            measured = {"frames": job.key * 4, "looks": job.key * 8, "source_sha256": ""}
            writer.append(line | {"facts": job.facts} | measured)
            for name in (job.key, *(clip[0] for clip in line["clips"])):
                (videos / job.key[:2] / f"{name}.mp4").touch()


def assemble(num: int, folder: Path) -> None:
    """Start a build again whose videos are all made."""
    built = build_dataset(recipe_of(num), folder / "out", num_workers=1)
    assert built.num_episodes == num


def looks(num: int, folder: Path) -> None:
    """Compare nine tenths of the episodes with the last tenth."""
    words = np.random.default_rng(0).integers(0, 2**63, (num, 8)).astype(np.uint64)
    nearest_lookalikes(words[num // 10 :], among=words[: num // 10])


PARTS = {"plan": plan, "assemble": assemble, "looks": looks}


def measure(part: str, num: int) -> tuple[float, float]:
    """Return CPU seconds and the largest resident memory in MB, of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if part == "assemble":
            child("prepare", num, folder)
        return child(part, num, folder)


def child(part: str, num: int, folder: str) -> tuple[float, float]:
    """Run one part in a process."""
    asked = [sys.executable, __file__, "--one", part, str(num), folder]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    cpu_s, peak_mb = json.loads(done.stdout.splitlines()[-1])
    return cpu_s, peak_mb


def one(part: str, num: int, folder: Path) -> None:
    """Do one part, and print its cost."""
    start = time.process_time()
    (PARTS | {"prepare": prepare})[part](num, folder)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([time.process_time() - start, peak_mb]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--assemble", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--looks", type=int, nargs="*", default=[20_000, 40_000])
    parser.add_argument("--one", nargs=3, metavar=("PART", "NUM", "FOLDER"), help="for the script")
    args = parser.parse_args()
    if args.one:
        one(args.one[0], int(args.one[1]), Path(args.one[2]))
        return
    print(f"commit {commit_of(Path(__file__))}, python {platform.python_version()}, one core\n")
    print(
        f"{'part':10} {'episodes':>10} {'CPU s':>8} {'us/episode':>11} {'MB in all':>10} {'more':>6}"
    )
    for part in PARTS:
        numbers = getattr(args, part)
        _, least_mb = measure(part, SMALL) if numbers else (0.0, 0.0)
        for num in numbers:
            cpu_s, peak_mb = measure(part, num)
            each = f"{cpu_s / num * 1e6:11.0f} {peak_mb:10.0f} {peak_mb - least_mb:6.0f}"
            print(f"{part:10} {num:>10,} {cpu_s:8.1f} {each}", flush=True)


if __name__ == "__main__":
    main()
