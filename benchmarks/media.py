"""Time to sample 8 frames from a video: our reader against decoding everything, and OpenCV where it is installed.

    python benchmarks/media.py [--data ../shared/data] [--repeats 3]

Every method returns the same 8 evenly spaced RGB frames. Figures are CPU and wall milliseconds a video (the fastest
of the repeats, one decoding thread), and the ratio to our CPU time. Videos: three generated ones (10 s, 640x480,
30 fps) and, where the folder exists, the real clips by family.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from roboreward.core import FramePolicy
from roboreward.media import VideoProfile, sample_frames, write_video
from roboreward.media.sampling import choose_indices

NUM_FRAMES = 8
POLICY = FramePolicy(min_frames=NUM_FRAMES, max_frames=NUM_FRAMES)
Sampler = Callable[[Path], np.ndarray]


def ours(path: Path) -> np.ndarray:
    """Sample with the reader of this package."""
    return sample_frames(path, policy=POLICY).frames_THWC


def decode_everything(path: Path) -> np.ndarray:
    """Convert every frame to RGB, then choose: what most data loaders do."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([frames[index] for index in choose_indices(len(frames), NUM_FRAMES)])


def decode_and_convert_wanted(path: Path) -> np.ndarray:
    """Decode every frame, convert the wanted ones only, and believe the announced number of frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        wanted = set(choose_indices(stream.frames, NUM_FRAMES))
        frames = enumerate(container.decode(stream))
        return np.stack([f.to_ndarray(format="rgb24") for index, f in frames if index in wanted])


def with_opencv(path: Path) -> np.ndarray:
    """Grab every frame and convert the wanted ones: OpenCV's fastest way that is exact."""
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
    wanted = set(choose_indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) or 1, NUM_FRAMES))
    frames, index = [], 0
    while capture.grab():
        if index in wanted:
            frames.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
        index += 1
    capture.release()
    return np.stack(frames) if frames else np.zeros((0, 1, 1, 3), np.uint8)


def generate(folder: Path) -> dict[str, list[Path]]:
    """Write the generated videos: a textured scene with moving blocks and a little noise."""
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(60, 200, (60, 80, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    frames = np.repeat(base[None], 300, axis=0)
    for t in range(300):
        x, y = 40 + t, int(200 + 120 * np.sin(t / 20))
        frames[t, y : y + 60, x : x + 60] = (220, 40, 30)
        frames[t] += rng.integers(0, 6, base.shape, dtype=np.uint8)
    out: dict[str, list[Path]] = {}
    for gop in (250, 30, 2):
        path = folder / f"gop{gop}.mp4"
        profile = VideoProfile(crf=23, preset="medium", keyframe_every=gop)
        write_video(path, frames, fps=30, profile=profile)
        out[f"generated 10 s 640x480 H.264, keyframe every {gop}"] = [path]
    return out


def families(data: Path) -> dict[str, list[Path]]:
    """Group the real videos by folder, and the clips by the first word of their name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(data.rglob("*.mp4")):
        parts = path.relative_to(data).parts
        name = path.name.split("-")[0] if parts[0] == "clips" else parts[1]
        found[f"{parts[0]}/{name}"].append(path)
    return dict(found)


def measure(sampler: Sampler, paths: list[Path], repeats: int) -> tuple[float, float, int]:
    """Return the CPU and wall milliseconds a video, and how many videos did not give all their frames."""
    best_cpu_s = best_wall_s = float("inf")
    num_short = 0
    for _ in range(repeats):
        cpu_s, wall_s, num_short = time.process_time(), time.perf_counter(), 0
        for path in paths:
            num_short += len(sampler(path)) < min(NUM_FRAMES, len_of(path))
        best_cpu_s = min(best_cpu_s, time.process_time() - cpu_s)
        best_wall_s = min(best_wall_s, time.perf_counter() - wall_s)
    return 1e3 * best_cpu_s / len(paths), 1e3 * best_wall_s / len(paths), num_short


_LENGTHS: dict[Path, int] = {}


def len_of(path: Path) -> int:
    """Return how many frames a video holds. Learned before the clock starts."""
    if path not in _LENGTHS:
        _LENGTHS[path] = sample_frames(path).record.num_frames
    return _LENGTHS[path]


def samplers() -> dict[str, Sampler]:
    """Return the methods that can run here, ours first."""
    methods: dict[str, Sampler] = {
        "roboreward": ours,
        "PyAV, convert all": decode_everything,
        "PyAV, convert wanted": decode_and_convert_wanted,
    }
    try:
        import cv2
    except ImportError:
        print("OpenCV is not installed: left out", file=sys.stderr)
    else:
        cv2.setNumThreads(1)
        methods[f"OpenCV {cv2.__version__}"] = with_opencv
    return methods


def report(name: str, paths: list[Path], methods: dict[str, Sampler], repeats: int) -> None:
    """Print one block of the table."""
    for path in paths:
        len_of(path)
    print(f"\n{name} ({len(paths)} videos)")
    ours_ms = 0.0
    for method, sampler in methods.items():
        cpu_ms, wall_ms, num_short = measure(sampler, paths, repeats)
        ours_ms = ours_ms or cpu_ms
        note = f"   {num_short} videos without all frames" if num_short else ""
        print(f"  {method:22} {cpu_ms:9.1f} {wall_ms:9.1f} {cpu_ms / ours_ms:7.2f}x{note}")


def environment() -> dict[str, Any]:
    """Return what the figures depend on."""
    versions = {"python": platform.python_version(), "av": av.__version__, "numpy": np.__version__}
    return {"machine": platform.machine(), "processor": _processor(), **versions}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder of real videos")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    methods = samplers()
    print(", ".join(f"{key} {value}" for key, value in environment().items()))
    print(f"{'':24} {'CPU ms':>9} {'wall ms':>9} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in {**generate(Path(folder)), **families(args.data)}.items():
            report(name, paths, methods, args.repeats)


if __name__ == "__main__":
    main()
