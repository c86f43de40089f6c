"""How fast robot data are read, against the plain reading of the same bytes in the same run.

    python benchmarks/sources.py rlds [--data ../shared/data] [--repeats 7] [--megabytes 200]

Every figure is CPU time, of the fastest of the repeats, on one core, from files that the operating system holds in
memory. A ratio compares with reading the same file whole, in blocks of 1 MiB, which no disk is as fast as.
"""

import argparse
import json
import platform
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from roboreward.media import jpeg_bytes
from roboreward.sources.crc32c import crc32c, masked_crc32c
from roboreward.sources.rlds import RldsSource
from roboreward.sources.tf_example import parse_example
from roboreward.sources.tfrecord import read_records
from roboreward.store import commit_of

Part = Callable[[argparse.Namespace], None]


def fastest_s(work: Callable[[], Any], repeats: int) -> float:
    """Return the CPU time of the fastest of the repeats, after one that does not count."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def read_raw(path: Path) -> int:
    """Read a file whole, in blocks, and return its size."""
    num_bytes = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            num_bytes += len(block)
    return num_bytes


def _field(number: int, data: bytes) -> bytes:
    length, out = len(data), bytearray([number << 3 | 2])
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*out, length]) + data


def _example(features: dict[str, list[bytes]]) -> bytes:
    entries = []
    for name, values in features.items():
        value = _field(1, b"".join(_field(1, part) for part in values))
        entries.append(_field(1, _field(1, name.encode()) + _field(2, value)))
    return _field(1, b"".join(entries))


def _features() -> dict[str, Any]:
    def nested(features: dict[str, Any]) -> dict[str, Any]:
        return {"featuresDict": {"features": features}}

    shape = {"dimensions": ["480", "640", "3"]}
    image = {"image": {"shape": shape, "dtype": "uint8", "encodingFormat": "jpeg"}}
    steps = nested({"observation": nested({"image": image}), "language_instruction": {"text": {}}})
    return nested({"steps": {"sequence": {"feature": steps, "length": "-1"}}})


def generate(folder: Path, megabytes: int) -> Path:
    """Write one shard of 60-step episodes of 640x480 JPEG pictures of noise, about 30 MB each."""
    rng = np.random.default_rng(0)
    frame = np.kron(rng.integers(0, 256, (240, 320, 3)), np.ones((2, 2, 1))).astype(np.uint8)
    pictures = [jpeg_bytes(np.roll(frame, step, axis=1)) for step in range(60)]
    record = _example(
        {
            "steps/observation/image": pictures,
            "steps/language_instruction": [b"push the noise"] * len(pictures),
        }
    )
    num_records = max(1, megabytes * 1_000_000 // len(record))
    head = struct.pack("<Q", len(record))
    framed = head + struct.pack("<I", masked_crc32c(head)) + record
    framed += struct.pack("<I", masked_crc32c(record))
    with (folder / "noise-train.tfrecord-00000-of-00001").open("wb") as file:
        for _ in range(num_records):
            file.write(framed)
    split = {"name": "train", "shardLengths": [str(num_records)]}
    info = {"name": "noise", "fileFormat": "tfrecord", "splits": [split]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text(json.dumps(_features()))
    return folder


def _parse_all(path: Path) -> int:
    return sum(len(parse_example(data, where="")) for _, data in read_records(path))


def _decode_judged(source: RldsSource) -> int:
    return sum(
        sum(1 for _ in episode.views[episode.judged_view].frames()) for episode in source.episodes()
    )


def report_shard(name: str, folder: Path, repeats: int, **options: Any) -> None:
    """Print one block of the table: a shard of the split "train"."""
    path = next(folder.glob("*-train.tfrecord-*"))
    checked = RldsSource(folder, **options)
    unchecked = RldsSource(folder, is_checked=False, **options)
    num_episodes = sum(1 for _ in checked.episodes())
    megabytes = read_raw(path) / 1e6
    ways: dict[str, Callable[[], Any]] = {
        "the file, plainly": lambda: read_raw(path),
        "records, unchecked": lambda: sum(1 for _ in read_records(path, is_checked=False)),
        "records, checked": lambda: sum(1 for _ in read_records(path)),
        "all features, checked": lambda: _parse_all(path),
        "episodes, unchecked": lambda: sum(1 for _ in unchecked.episodes()),
        "episodes, checked": lambda: sum(1 for _ in checked.episodes()),
        "and one camera decoded": lambda: _decode_judged(checked),
    }
    print(f"\n{name}: {num_episodes} episodes, {megabytes:.1f} MB")
    raw_s = 0.0
    for way, work in ways.items():
        seconds = fastest_s(work, repeats)
        raw_s = raw_s or seconds
        rates = f"{megabytes / seconds:9.0f} {num_episodes / seconds:11.0f}"
        print(f"  {way:24} {rates} {seconds / raw_s:8.1f}x")


def rlds(args: argparse.Namespace) -> None:
    """RLDS shards, and the checksum alone."""
    print("CRC-32C alone")
    rng = np.random.default_rng(0)
    for num_bytes in (1_000, 139_000, 2_000_000, 50_000_000):
        data = rng.integers(0, 256, num_bytes, dtype=np.uint8).tobytes()
        calls = max(1, 5_000_000 // num_bytes)
        seconds = fastest_s(lambda: [crc32c(data) for _ in range(calls)], args.repeats) / calls  # noqa: B023
        print(f"  {num_bytes:>12,} bytes {num_bytes / seconds / 1e6:9.0f} MB/s")
    print(f"\n{'':26} {'MB/s':>9} {'episodes/s':>11} {'ratio':>9}")
    bridge = args.data / "rlds" / "bridge_dataset" / "1.0.0"
    if bridge.is_dir():
        report_shard("Bridge V2, 64x64, 4 cameras, 10 steps", bridge, args.repeats)
    else:
        print(f"no Bridge shards in {bridge}: left out")
    with tempfile.TemporaryDirectory() as folder:
        generated = generate(Path(folder), args.megabytes)
        report_shard("generated, 640x480, 60 steps", generated, args.repeats, fps=10.0)


PARTS: dict[str, Part] = {"rlds": rlds}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--data", type=Path, default=default, help="folder of real data")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=200, help="size of the generated shard")
    args = parser.parse_args()
    commit = commit_of(Path(__file__))
    print(
        f"commit {commit}, python {platform.python_version()}, numpy {np.__version__}, {_processor()}\n"
    )
    PARTS[args.part](args)


if __name__ == "__main__":
    main()
