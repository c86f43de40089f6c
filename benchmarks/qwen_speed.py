"""What a verdict of a local model costs beside the usual way, on a tiny model of the real architecture.

    OMP_NUM_THREADS=1 python benchmarks/qwen_speed.py [--queries 64] [--px 224]

The usual way is that of a model card: one question at a time, `generate` until the answer has ended, text parsed. Both
ways get the same frames, processed alike. Goal: a third of its time. A tiny model flatters nobody: most of its time is
overhead of the library and the output layer, where a large model's is the prompt, which both ways run once.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from roboreward.core import FrameSample, Query
from roboreward.judge import parse
from roboreward.models import QwenJudge, load_qwen
from roboreward.models.asking import Ask
from roboreward.models.qwen.pixels import pixel_values
from roboreward.testing.tiny_vlm import write_tiny_vlm

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=64)
    parser.add_argument("--px", type=int, default=224)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    queries = [query_of(rng, i, args.px) for i in range(args.queries)]
    with tempfile.TemporaryDirectory() as folder:
        vlm = load_qwen(str(write_tiny_vlm(Path(folder))))
    judge = QwenJudge(vlm)
    usual, said = timed(lambda: [usual_way(vlm, judge, query) for query in queries])
    batch, read = timed(lambda: judge.score(queries))
    alone, _ = timed(lambda: [judge.score([query]) for query in queries])
    agree = np.mean([a == b.score for a, b in zip(said, read, strict=True)])
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {threads} thread")
    print(f"{len(queries)} queries of 4 to 8 frames of {args.px} px; same score: {agree:.1%}")
    print("| way | CPU ms a query | times faster |\n|---|---|---|")
    for name, cost in (
        ("one by one, generate", usual),
        ("one by one, one pass", alone),
        ("batches, one pass", batch),
    ):
        print(f"| {name} | {1e3 * cost / len(queries):.1f} | {usual / cost:.1f} |")


def query_of(rng, number, px):
    frames = rng.integers(0, 256, (int(rng.integers(4, 9)), px, px, 3)).astype(np.uint8)
    return Query(FrameSample.from_array(frames), f"put cup number {number} on the shelf")


def usual_way(vlm, judge, query):
    """Return the score that `generate` writes."""
    layout = vlm.layouts.lay_out(Ask(judge.ask_of(query).parts))
    clip = layout.clips[0]
    ids = torch.tensor([layout.ids])
    values = pixel_values(query.sample.frames_THWC, clip.patches, vlm.checkpoint.video)
    with torch.inference_mode():
        out = vlm.engine.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == vlm.layouts.pad_id).int() * 2,
            pixel_values_videos=torch.cat(values),
            video_grid_thw=torch.tensor([[len(clip.patches), *clip.grid]]),
            max_new_tokens=32,
            do_sample=False,
        )
    text = vlm.layouts.tokenizer.decode(out[0, len(layout.ids) :], skip_special_tokens=True)
    return parse(text).score


def timed(work):
    best, result = float("inf"), None
    for _ in range(REPEATS):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


if __name__ == "__main__":
    main()
