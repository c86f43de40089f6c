"""What questions on one video save by sharing: eight tasks, and a verdict along the video.

    OMP_NUM_THREADS=1 python benchmarks/qwen_sharing.py

CPU time is of a tiny model of the real architecture. Multiply-adds are counted for Qwen3-VL-4B from its published sizes
and from the tokens that are really run: matrix products of the vision tower, its mergers, the language model and the
output layer, and both products of attention, as far as a mask lets a token see. Nothing was run on the real weights.
Goals: eight tasks for a quarter of eight calls, at 1e-4; 32 anchors for a sixth of 32 calls, at 1e-3.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from roboreward.core import FrameSample, Query
from roboreward.judge import PromptConfig
from roboreward.models import QwenConfig, QwenJudge, load_qwen
from roboreward.models.qwen import engine as engines
from roboreward.testing.tiny_vlm import write_tiny_vlm

REPEATS, PX = 3, 224
BUDGET = 1024 * 28 * 28
"""Pixels of a video in the trainer of the published checkpoints."""

# Qwen3-VL-4B-Instruct: language model, vision tower.
WIDTH, DEPTH, INNER, HEADS, KV_HEADS, HEAD, WORDS = 2560, 36, 9728, 32, 8, 128, 151_936
SIGHT, SIGHT_DEPTH, SIGHT_INNER, DEEP = 1024, 24, 4096, 3


class Counter:
    """Counts multiply-adds of the 4B model for what the engine is told to run."""

    def __init__(self) -> None:
        self.total = 0

    def see(self, grids) -> None:
        for rows, columns in grids:
            num = rows * columns
            layer = 4 * SIGHT**2 + 2 * SIGHT * SIGHT_INNER + 2 * num * SIGHT
            merger = (num // 4) * ((4 * SIGHT) ** 2 + 4 * SIGHT * WIDTH)
            self.total += (
                num * (3 * 2 * 16 * 16 * SIGHT + SIGHT_DEPTH * layer) + (1 + DEEP) * merger
            )

    def read(self, num) -> None:
        self.total += num * WIDTH * WORDS

    def run(self, num, seen) -> None:
        """Add `num` tokens that together look at `seen` tokens."""
        layer = WIDTH * HEAD * (2 * HEADS + 2 * KV_HEADS) + 3 * WIDTH * INNER
        self.total += DEPTH * (num * layer + 2 * seen * HEADS * HEAD)


def count(work) -> int:
    counter, saved = (
        Counter(),
        {n: getattr(engines.Engine, n) for n in ("see", "_forward", "_read")},
    )

    def see(self, pixels, grids):
        counter.see(grids.values())
        return saved["see"](self, pixels, grids)

    def forward(self, rows, sights, cache, mask):
        num = sum(len(row.ids) for row in rows)
        seen = sum(len(r.ids) * (len(r.ids) + 1) // 2 for r in rows)
        counter.run(num, int((mask == 0).sum()) if mask is not None else seen)
        return saved["_forward"](self, rows, sights, cache, mask)

    def read(self, states, rows):
        counter.read(sum(len(s) for s in states))
        return saved["_read"](self, states, rows)

    try:
        engines.Engine.see, engines.Engine._forward, engines.Engine._read = see, forward, read
        work()
    finally:
        for name, value in saved.items():
            setattr(engines.Engine, name, value)
    return counter.total


def main() -> None:
    settings = {"min_pixels": 4096, "max_pixels": BUDGET, "budget_frames": 8}
    with tempfile.TemporaryDirectory() as folder:
        path = str(write_tiny_vlm(Path(folder)))
        sharing = load_qwen(path, config=QwenConfig(**settings))
        separate = load_qwen(path, config=QwenConfig(**settings, is_sharing=False))
    print(
        f"frames of {PX} px, Qwen3-VL, torch {torch.__version__}, {torch.get_num_threads()} thread"
    )
    print(
        "| what | order | CPU ms | one by one | times less | largest difference | 4B: times less |"
    )
    print("|---|---|---|---|---|---|---|")
    for order in ("video-then-text", "text-then-video"):
        prompt = PromptConfig(order=order)
        ours, theirs = QwenJudge(sharing, prompt=prompt), QwenJudge(separate, prompt=prompt)
        for name, together, alone in cases(ours, theirs):
            fast, values = timed(together)
            slow, expected = timed(alone)
            gap = max(
                np.abs(np.subtract(a.probs, b.probs)).max()
                for a, b in zip(values, expected, strict=True)
            )
            large = count(alone) / count(together)
            cells = (name, order, f"{1e3 * fast:.0f}", f"{1e3 * slow:.0f}", f"{slow / fast:.1f}")
            print(f"| {' | '.join(cells)} | {gap:.0e} | {large:.1f} |")


def cases(ours, theirs):
    rng = np.random.default_rng(0)
    video = sample_of(rng, 8)
    tasks = [
        f"put the {c} cup on the {d}"
        for c in ("red", "blue", "big", "far")
        for d in ("table", "shelf")
    ]
    yield (
        "8 tasks, 8 frames",
        lambda: ours.score([Query(video, task) for task in tasks]),
        lambda: [theirs.score([Query(again(video), task)])[0] for task in tasks],
    )
    for num, every in ((32, 1), (64, 2)):
        query = Query(sample_of(rng, num), "lift the cup")
        anchors = list(range(every, num + 1, every))
        yield (
            f"32 anchors, {num} frames",
            lambda query=query, anchors=anchors: ours.curve(query, anchors),
            lambda query=query, anchors=anchors: [
                theirs.score([Query(query.sample.take(tuple(range(n))), query.task)])[0]
                for n in anchors
            ],
        )


def sample_of(rng, num):
    colours = rng.integers(0, 200, (num, 1, 1, 3)) + rng.integers(0, 56, (num, PX, PX, 3))
    return FrameSample.from_array(colours.astype(np.uint8))


def again(sample):
    return FrameSample(sample.frames_THWC, sample.record)


def timed(work):
    best, result = float("inf"), None
    for _ in range(REPEATS):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


if __name__ == "__main__":
    main()
