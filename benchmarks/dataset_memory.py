"""What the commands that hold a dataset's metadata in memory need, against the number of rows.

    python benchmarks/dataset_memory.py [--rows 20000 100000]

The set is generated: rows as `dataset build` writes them, an original and its four clips an episode, ten episodes a
group, in three splits; the videos are empty files, which none of these commands opens. Each command runs in a process
of its own; memory is the largest that the process ever had.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from roboreward.core import Example, Label, Provenance, canonical_json
from roboreward.dataset.rows import row_of
from roboreward.store import JsonlWriter, commit_of

CLIPS = ((1, 0.1), (2, 0.3), (3, 0.5), (4, 0.7))
SPLITS = ("train",) * 8 + ("val", "test")
SHOWN = "train/metadata.jsonl:1"


def examples(episode: int) -> Iterator[Example]:
    """Yield the rows of one episode, the original first."""
    whole_id = _hex(episode)[:16]
    for score, frac in ((5, 1.0), *CLIPS):
        is_clip = frac < 1
        example_id = _hex(episode, score)[:16] if is_clip else whole_id
        source = f"corpus_{episode % 7}"
        yield Example(
            example_id=example_id,
            video=Path(f"{source}/{example_id}.mp4"),
            file_name=f"{source}/{example_id}.mp4",
            task=f"put the {episode % 97} block on the {episode % 31} plate",
            label=Label(
                score=score,
                author="clip-fraction-v1" if is_clip else "demonstration-rule-v1",
                reason=f"the first {frac:.0%} of a success; nobody looked" if is_clip else None,
            ),
            source=source,
            group=f"{source}/session_{episode // 70:06d}",
            origin="clip" if is_clip else "original",
            episode_id=f"episode_{episode:07d}",
            view="front",
            parent_id=whole_id if is_clip else None,
            cut_frac=frac if is_clip else None,
            provenance=Provenance(
                operation="clip" if is_clip else "import",
                parent_ids=(whole_id,) if is_clip else (),
                code_version="0.1.0",
                details={"profile": "normal-v1", "num_frames": 100, "from": "data.tfrecord:1"},
            ),
            extra={
                "session": f"session_{episode // 70:06d}",
                "licence": "cc-by-4.0",
                "source_facts": canonical_json({"policy": "none", "operator": episode % 5}),
                "source_sha256": _hex(episode, 0),
            },
        )


def _hex(*numbers: int) -> str:
    return sha256(repr(numbers).encode()).hexdigest()


def generate(num_rows: int, folder: Path) -> int:
    """Write a set; returns the bytes of its metadata."""
    writers = {
        split: JsonlWriter(folder / split / "metadata.jsonl", durable=False)
        for split in dict.fromkeys(SPLITS)
    }
    for episode in range(num_rows // (1 + len(CLIPS))):
        split = SPLITS[episode // 70 % len(SPLITS)]
        for example in examples(episode):
            video = folder / split / example.file_name
            video.parent.mkdir(exist_ok=True)
            video.touch()
            writers[split].append(row_of(example))
    for writer in writers.values():
        writer.close()
    return sum(writer.path.stat().st_size for writer in writers.values())


def commands(folder: Path, out: Path) -> dict[str, list[str]]:
    """Return the arguments of what is measured, by name."""
    return {
        "lint --no-videos": ["lint", str(folder), "--no-videos"],
        "stats --no-videos": ["stats", str(folder), "--no-videos"],
        "card --no-videos": ["card", str(folder), "--no-videos", "--force"],
        "export --format messages": [
            *("export", str(folder), "--format", "messages", "--out", str(out))
        ],
        "show": ["show", str(folder), SHOWN],
    }


def measure(arguments: list[str]) -> tuple[float, float]:
    """Return CPU seconds and the largest resident memory in MB, of a process of its own."""
    code = "from roboreward.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "dataset", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):  # 1: the linter found something
        raise SystemExit(f"{arguments[0]} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 100_000])
    args = parser.parse_args()
    print(f"commit {commit_of(Path(__file__))}, python {platform.python_version()}, one core\n")
    print(f"{'command':26} {'rows':>9} {'bytes/row':>10} {'CPU s':>7} {'MB':>7}")
    for num_rows in args.rows:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "set"
            each = generate(num_rows, folder) / num_rows
            for name, arguments in commands(folder, Path(place) / "out").items():
                cpu_s, peak_mb = measure(arguments)
                print(
                    f"{name:26} {num_rows:>9,} {each:10.0f} {cpu_s:7.1f} {peak_mb:7.0f}", flush=True
                )


if __name__ == "__main__":
    main()
