"""8 evenly spaced RGB frames of a 10 s video: `media.sample_frames` against OpenCV, decord and torchcodec.

    python benchmarks/frame_sampling.py [--rounds 5] [--python LIBRARY=INTERPRETER ...] [--long]

Files of a moving scene, 640x480 at 30 fps, made with x264 and SVT-AV1. Every library runs in a process of its own, with
one decoding thread; the processes take turns, so that a busy machine slows all of them. Figures: the fewest CPU
milliseconds (user and system, all threads) and wall milliseconds of one sampling; the growth of the peak of resident
memory in the first one, 7.4 MB of which are the frames; the wall milliseconds with as many threads as a library likes
(ours has one). Each picture carries its number as a bar code, so a wrong frame is seen; the mean difference from
a plain decoder's pixels is printed where it is over 1 level of 255.

Libraries (names for `--python`): opencv-seek and opencv-grab (opencv-python-headless); decord2; decord (0.6, which has
the import name of decord2 and so needs another interpreter); torchcodec and torchcodec-approximate (torchcodec, which
needs a CUDA build of torch, and the shared libraries of an FFmpeg where the loader finds them).

    python benchmarks/frame_sampling.py --steps

CPU milliseconds a second of video for what a dataset build does with an episode's video, and for the exact fingerprint.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

NUM_FRAMES = 8
FPS = 30
SIZE = (640, 480)
BITS, CELL = 12, 16
"""Digits of the bar code, and the side of one in pixels."""

KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "H.264, x264's defaults (keyframe every 250)": ("libx264", {}),
    "H.264, keyframe every 30": ("libx264", {"g": "30"}),
    "AV1, as LeRobot writes it (keyframe every 2, crf 30)": ("libsvtav1", {"g": "2", "crf": "30"}),
    "AV1, SVT-AV1's defaults": ("libsvtav1", {}),
}
REPEATS = 5
"""Samplings in a process, after the first."""

ABSENT, FAILED = "not installed", "failed"
OURS = "roboreward"
Sampler = Callable[[str, list[int], int], np.ndarray]


def ours(path: str, indices: list[int], threads: int) -> np.ndarray:
    """Sample by the policy whose indices the others are given."""
    from roboreward.core import FramePolicy
    from roboreward.media import sample_frames

    sample = sample_frames(path, policy=FramePolicy(min_frames=NUM_FRAMES, max_frames=NUM_FRAMES))
    assert list(sample.record.indices) == indices
    return sample.frames_THWC


def _capture(path: str, threads: int) -> Any:
    import cv2

    if threads:
        cv2.setNumThreads(threads)
    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)


def opencv_seek(path: str, indices: list[int], threads: int) -> np.ndarray:
    """Set the position before each frame."""
    import cv2

    capture, frames = _capture(path, threads), []
    for index in indices:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        is_there, frame = capture.read()
        if is_there:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    return np.array(frames)


def opencv_grab(path: str, indices: list[int], threads: int) -> np.ndarray:
    """Decode up to the last wanted frame, and convert the wanted ones only."""
    import cv2

    capture, frames, wanted = _capture(path, threads), [], set(indices)
    for index in range(indices[-1] + 1):
        if not capture.grab():
            break
        if index in wanted:
            frames.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return np.array(frames)


def decord(path: str, indices: list[int], threads: int) -> np.ndarray:
    """Ask for a batch: decord seeks by itself."""
    import decord

    frames: np.ndarray = decord.VideoReader(path, num_threads=threads).get_batch(indices).asnumpy()
    return frames


def torchcodec(path: str, indices: list[int], threads: int, seek_mode: str = "exact") -> np.ndarray:
    """Ask for a batch: torchcodec seeks by itself."""
    import torch
    from torchcodec.decoders import VideoDecoder

    torch.set_num_threads(threads or torch.get_num_threads())
    decoder = VideoDecoder(
        path, dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode=seek_mode
    )
    frames: np.ndarray = decoder.get_frames_at(indices).data.numpy()
    return frames


def torchcodec_approximate(path: str, indices: list[int], threads: int) -> np.ndarray:
    """Trust the header instead of looking at every packet first."""
    return torchcodec(path, indices, threads, "approximate")


SAMPLERS: dict[str, tuple[str, Sampler]] = {
    OURS: ("av", ours),
    "opencv-seek": ("cv2", opencv_seek),
    "opencv-grab": ("cv2", opencv_grab),
    "decord2": ("decord", decord),
    "decord": ("decord", decord),
    "torchcodec": ("torchcodec.decoders", torchcodec),
    "torchcodec-approximate": ("torchcodec.decoders", torchcodec_approximate),
}


def run_one(library: str, path: str, indices: list[int], threads: int) -> None:
    """Sample with one library and print what it cost, as JSON. Runs in a process of its own."""
    module, sampler = SAMPLERS[library]
    try:
        __import__(module)
        if module == "av":
            __import__("roboreward.media")
        version = _version_of(library)
    except (ImportError, OSError, RuntimeError):
        print(json.dumps({"error": ABSENT}))
        return
    before = peak_mb(reset=True)
    try:
        frames = sampler(path, indices, threads)
        grown_mb = peak_mb() - before
        costs = [cost(lambda: sampler(path, indices, threads)) for _ in range(REPEATS)]
    except (RuntimeError, ValueError, IndexError) as error:
        print(json.dumps({"error": f"{FAILED}: {str(error).strip().splitlines()[-1][:60]}"}))
        return
    np.save(f"{path}.{library}.npy", frames)
    cpu_ms, wall_ms = (min(values) for values in zip(*costs, strict=True))
    found = {"cpu_ms": cpu_ms, "wall_ms": wall_ms, "grown_mb": grown_mb, "version": version}
    print(json.dumps(found))


def _version_of(library: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    package = {"opencv-seek": "opencv-python-headless", "opencv-grab": "opencv-python-headless"}
    name = package.get(library, library.split("-")[0])
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise ImportError(name) from error


def cost(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the CPU milliseconds of all threads, and the wall milliseconds."""
    cpu_s, wall_s = cpu_seconds(), time.perf_counter()
    work()
    return 1e3 * (cpu_seconds() - cpu_s), 1e3 * (time.perf_counter() - wall_s)


def cpu_seconds() -> float:
    """Return user and system time of this process and of children that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb(*, reset: bool = False) -> float:
    """Return the peak of resident memory; where `reset` is possible (Linux), since this call."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def scene(num: int) -> Iterator[np.ndarray]:
    """Draw a textured room, two textured things that move before it, a little noise, and the frame's number."""
    width, height = SIZE
    rng = np.random.default_rng(0)
    room = np.kron(rng.integers(60, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    things = [np.kron(rng.integers(20, 240, (20, 20, 3)), np.ones((8, 8, 1))) for _ in range(2)]
    for t in range(num):
        frame = room.copy()
        for thing, period in zip(things, (70, 43), strict=True):
            x = int((0.5 + 0.5 * np.sin(t / period * 6)) * (width - 160))
            y = int((0.5 + 0.5 * np.cos(t / period * 5)) * (height - 160))
            frame[y : y + 160, x : x + 160] = thing
        frame += rng.integers(0, 6, frame.shape)
        for bit in range(BITS):
            frame[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (t >> bit & 1)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def numbers(frames: np.ndarray) -> list[int]:
    """Read the bar codes."""
    cells = frames[:, 4 : CELL - 4, : BITS * CELL].mean(axis=(1, 3))
    digits = cells.reshape(len(frames), BITS, CELL)[:, :, 4:-4].mean(axis=2) > 127
    return [int(value) for value in (digits << np.arange(BITS)).sum(axis=1)]


def write(path: Path, num: int, codec: str, options: dict[str, str]) -> None:
    """Encode the scene."""
    import av

    with av.open(str(path), "w") as container:
        given = {"svtav1-params": "lp=1"} if codec == "libsvtav1" else {}
        stream: Any = container.add_stream(codec, rate=FPS, options={**given, **options})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for frame in scene(num):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def plainly(path: Path, indices: list[int]) -> np.ndarray:
    """Decode everything with PyAV: what the others are compared with."""
    import av

    with av.open(str(path)) as container:
        frames = enumerate(container.decode(video=0))
        wanted = [f.to_ndarray(format="rgb24") for index, f in frames if index in indices]
    return np.stack(wanted)


def ask(library: str, python: str, path: Path, indices: list[int], threads: int) -> dict[str, Any]:
    """Run one library in its process and return what it printed."""
    given = [
        "--one",
        library,
        str(path),
        "--threads",
        str(threads),
        "--indices",
        json.dumps(indices),
    ]
    quiet = {**os.environ, "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_LOG_LEVEL": "OFF"}
    done = subprocess.run(
        [python, __file__, *given], capture_output=True, text=True, env=quiet, check=False
    )
    if done.returncode:
        return {"error": f"{FAILED}: exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def verdict(library: str, path: Path, indices: list[int], truth: np.ndarray) -> str:
    """Say what is wrong with the frames that a library gave; nothing when nothing is."""
    frames = np.load(f"{path}.{library}.npy")
    if len(frames) != len(indices):
        return f"only {len(frames)} of {len(indices)} frames"
    num_wrong = sum(a != b for a, b in zip(numbers(frames), indices, strict=True))
    difference = np.abs(frames.astype(int) - truth).mean()
    notes = [f"{num_wrong} wrong frames"] if num_wrong else []
    return ", ".join(notes + ([f"{difference:.1f} levels off"] if difference > 1 else []))


def merge(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep the least of every figure, or the error."""
    errors = [run for run in runs if "error" in run]
    if errors:
        return errors[0]
    least = {key: min(run[key] for run in runs) for key in ("cpu_ms", "wall_ms", "grown_mb")}
    return {**runs[0], **least}


def measure(name: str, path: Path, num: int, pythons: dict[str, str], rounds: int) -> None:
    """Let the libraries take turns, and print one block of the table."""
    indices = [(2 * k * (num - 1) + NUM_FRAMES - 1) // (2 * (NUM_FRAMES - 1)) for k in range(8)]
    truth = plainly(path, indices)
    runs: dict[str, list[dict[str, Any]]] = {library: [] for library in pythons}
    for _ in range(rounds):
        for library, python in pythons.items():
            runs[library].append(ask(library, python, path, indices, 1))
    free = {library: ask(library, python, path, indices, 0) for library, python in pythons.items()}
    found = {library: merge(results) for library, results in runs.items()}
    notes = {
        library: result.get("error") or verdict(library, path, indices, truth)
        for library, result in found.items()
    }
    right = {lib: found[lib]["cpu_ms"] for lib, note in notes.items() if not note and lib != OURS}
    best = min(right.values(), default=float("nan"))
    print(f"\n{name} ({path.stat().st_size / 1e6:.1f} MB, {num / FPS:g} s)")
    for library, result in found.items():
        if "error" in result:
            print(f"  {library:24} {notes[library]}")
            continue
        ratio = "-" if notes[library] or not right else f"{result['cpu_ms'] / best:.2f}x"
        cells = f"{result['cpu_ms']:8.1f} {result['wall_ms']:8.1f} {ratio:>8}"
        free_ms = free[library].get("wall_ms", float("nan"))
        label = f"{library} {result['version']}"
        print(f"  {label:30} {cells} {result['grown_mb']:8.0f} {free_ms:8.1f}  {notes[library]}")


def steps(path: Path, num: int, rounds: int) -> None:
    """Measure what is done with one video in a dataset build: stored, looked at, cut four times."""
    from roboreward.media import (
        cut_prefix,
        exact_fingerprint,
        normalise_video,
        num_kept,
        perceptual_fingerprint,
    )

    normal, clip = path.with_name("normal.mp4"), path.with_name("clip.mp4")

    def cut() -> None:
        for part in (0.2, 0.4, 0.6, 0.8):
            cut_prefix(normal, clip, num_frames=num_kept(num, keep_frac=part))

    works: dict[str, tuple[bool, Callable[[], Any]]] = {
        "normalise_video": (True, lambda: normalise_video(path, normal)),
        "perceptual_fingerprint": (True, lambda: perceptual_fingerprint(normal)),
        "cut_prefix, four clips": (True, cut),
        "exact_fingerprint": (False, lambda: exact_fingerprint(normal)),
    }
    found = {name: min(cost(work)[0] for _ in range(rounds)) for name, (_, work) in works.items()}
    total = sum(found[name] for name, (is_step, _) in works.items() if is_step)
    print(f"\n{'':24} {'CPU ms a second':>16} {'of the build':>13}")
    for name, (is_step, _) in works.items():
        share = f"{found[name] / total:12.1%}" if is_step else "not in it"
        print(f"  {name:22} {found[name] / num * FPS:16.1f} {share:>13}")


def environment() -> str:
    """Return what the figures depend on."""
    import av

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.processor()
    versions = f"python {platform.python_version()}, av {av.__version__}, numpy {np.__version__}"
    return f"{processor}; {versions}"


def compare(args: argparse.Namespace, folder: Path) -> None:
    """Let all libraries sample all files."""
    given = dict(item.split("=", 1) for item in args.python)
    pythons = {library: given.get(library, sys.executable) for library in args.libraries}
    print(f"{'':32} {'CPU ms':>8} {'wall ms':>8} {'to best':>8} {'peak MB':>8} {'free ms':>8}")
    jobs = [(name, 300, *kind) for name, kind in KINDS.items() if args.kinds in name]
    if args.long:
        jobs += [(f"{name}, six times as long", 1800, *kind) for name, _, *kind in jobs[:1]]
    for number, (name, num, codec, options) in enumerate(jobs):
        path = folder / f"{number}.mp4"
        write(path, num, codec, options)
        measure(name, path, num, pythons, args.rounds)


def main() -> None:
    """Make the files, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes a library and file")
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=INTERPRETER")
    parser.add_argument("--kinds", default="", help="only files whose name has this text")
    parser.add_argument("--libraries", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--long", action="store_true", help="also a file of 60 s, for the memory")
    parser.add_argument("--steps", action="store_true", help="only what a dataset build does")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--indices", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(*args.one, args.indices, args.threads)
        return
    print(environment())
    with tempfile.TemporaryDirectory() as folder:
        if args.steps:
            path = Path(folder) / "0.mp4"
            write(path, 300, *next(iter(KINDS.values())))
            steps(path, 300, args.rounds)
        else:
            compare(args, Path(folder))


if __name__ == "__main__":
    main()
