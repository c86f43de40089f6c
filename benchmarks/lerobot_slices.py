"""Frames of single episodes out of a video that many share, as LeRobot v3.0 has it: our slices against two other ways.

    python benchmarks/lerobot_slices.py [--episodes 40] [--frames 150] [--rounds 5]

One file of each kind is made: LeRobot's default (AV1, a keyframe every 2 frames), and H.264 with one every 30. Then 8
evenly spaced frames of each episode are read in three ways, and every frame of each episode in two. The ways take
turns, so that a busy machine slows all of them; each way is compared with ours of the same round. One thread, also for
the conversion to RGB, where PyAV would start as many as there are cores for every frame.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from roboreward.sources.footage import VideoFootage, take

NUM_FRAMES = 8
FPS = 30
SIZE = (640, 480)
KINDS = {
    "AV1, keyframe every 2": (
        "libsvtav1",
        2,
        {"preset": "12", "crf": "30", "svtav1-params": "lp=1"},
    ),
    "H.264, keyframe every 30": ("libx264", 30, {"preset": "veryfast", "crf": "23"}),
}


@dataclass(frozen=True)
class Shared:
    """A video of `num_episodes` episodes of `num_frames` frames each."""

    path: Path
    num_episodes: int
    num_frames: int

    @property
    def wanted(self) -> list[list[int]]:
        """Eight places of each episode, counted from its start."""
        places = np.linspace(0, self.num_frames - 1, NUM_FRAMES).round().astype(int).tolist()
        return [places] * self.num_episodes


Way = Callable[[Shared], int]


def checksum(frame: np.ndarray) -> int:
    """Return a number that tells frames apart and costs little."""
    return int(frame[::16, ::16].astype(np.int64).sum())


def one_thread(stream: Any) -> None:
    """Decode in the calling thread alone."""
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1


def footage(shared: Shared, episode: int) -> VideoFootage:
    """Return an episode as the LeRobot reader makes it."""
    start_s, length = episode * shared.num_frames / FPS, shared.num_frames
    return VideoFootage(
        shared.path, start_s=start_s, end_s=start_s + length / FPS, fps=FPS, num_frames=length
    )


def ours(shared: Shared) -> int:
    """Take eight frames of each slice."""
    return sum(
        checksum(frame)
        for episode, places in enumerate(shared.wanted)
        for frame in take(footage(shared, episode), places)
    )


def whole_once(shared: Shared) -> int:
    """Decode the whole file once, and convert only what is wanted."""
    every = enumerate(shared.wanted)
    wanted = {e * shared.num_frames + place for e, places in every for place in places}
    with av.open(str(shared.path)) as container:
        one_thread(container.streams.video[0])
        frames = enumerate(container.decode(video=0))
        return sum(
            checksum(f.to_ndarray(format="rgb24", threads=1))
            for index, f in frames
            if index in wanted
        )


def seek_each(shared: Shared) -> int:
    """Seek to the keyframe before each wanted frame, in one open file, and decode up to it."""
    total = 0
    with av.open(str(shared.path)) as container:
        stream = container.streams.video[0]
        one_thread(stream)
        assert stream.time_base is not None
        for episode, places in enumerate(shared.wanted):
            for place in places:
                index = episode * shared.num_frames + place
                pts = round(Fraction(index, FPS) / stream.time_base)
                container.seek(pts, stream=stream)
                frame = next(
                    f for f in container.decode(stream) if f.pts is not None and f.pts >= pts
                )
                total += checksum(frame.to_ndarray(format="rgb24", threads=1))
    return total


def ours_every(shared: Shared) -> int:
    """Stream every frame of each slice."""
    return sum(
        checksum(frame)
        for episode in range(shared.num_episodes)
        for frame in footage(shared, episode).frames()
    )


def whole_every(shared: Shared) -> int:
    """Decode and convert the whole file once."""
    with av.open(str(shared.path)) as container:
        one_thread(container.streams.video[0])
        return sum(
            checksum(f.to_ndarray(format="rgb24", threads=1)) for f in container.decode(video=0)
        )


EIGHT: dict[str, Way] = {
    "our slices": ours,
    "whole file once": whole_once,
    "seek for each frame": seek_each,
}
EVERY: dict[str, Way] = {"our slices": ours_every, "whole file once": whole_every}


def generate(path: Path, shared: Shared, codec: str, gop: int, options: dict[str, str]) -> None:
    """Write a textured scene with a moving block and a little noise, another scene in each episode."""
    width, height = SIZE
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.thread_count = gop, 1
        for episode in range(shared.num_episodes):
            rng = np.random.default_rng(episode)
            base = np.kron(rng.integers(60, 200, (60, 80, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            for t in range(shared.num_frames):
                frame = base + rng.integers(0, 6, base.shape, dtype=np.uint8)
                left = 40 + 3 * t % 500
                frame[200:260, left : left + 60] = (220, 40, 30)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def compare(name: str, shared: Shared, ways: dict[str, Way], rounds: int) -> None:
    """Run all ways in turns and print CPU milliseconds an episode, and ratios to ours within a round."""
    cpu_s: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        sums = set()
        for way, read in ways.items():
            begin = time.process_time()
            sums.add(read(shared))
            cpu_s[way].append(time.process_time() - begin)
        assert len(sums) == 1, f"the ways do not give the same frames: {sums}"
    print(f"\n{name}")
    first = next(iter(ways))
    for way, times in cpu_s.items():
        ratios = [theirs / mine for theirs, mine in zip(times, cpu_s[first], strict=True)]
        each = [1e3 * seconds / shared.num_episodes for seconds in times]
        print(
            f"  {way:22} {min(each):9.1f} {statistics.median(each):9.1f} "
            f"{min(ratios):8.2f}x {statistics.median(ratios):8.2f}x"
        )


def main() -> None:
    """Make the files, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--frames", type=int, default=150, help="frames an episode, at 30 fps")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, av {av.__version__}")
    print(f"{args.episodes} episodes of {args.frames} frames, {SIZE[0]}x{SIZE[1]}, {FPS} fps")
    print(f"{'CPU ms an episode':24} {'min':>9} {'median':>9} {'min':>9} {'median':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, gop, options) in KINDS.items():
            path = Path(folder) / f"{codec}.mp4"
            shared = Shared(path, args.episodes, args.frames)
            generate(path, shared, codec, gop, options)
            size_mb = path.stat().st_size / 1e6
            compare(f"{name} ({size_mb:.0f} MB): 8 frames of each", shared, EIGHT, args.rounds)
            compare(f"{name}: every frame", shared, EVERY, max(1, args.rounds // 2))


if __name__ == "__main__":
    main()
