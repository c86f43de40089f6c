"""How often nano declines: real videos and natural images (it should), held-out simulated rollouts (it should not).

    python benchmarks/abstention.py --videos DIR --images DIR --cache DIR

Goals: at least 95 % of what is not from its world, at most 2 % of held-out simulated rollouts. Each video or image is
asked about with a task from nano's own vocabulary, so that only the picture can give it away.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from roboreward.core import FrameSample, Query, Verdict
from roboreward.dataset import SIM_SETS, open_set
from roboreward.media import sample_frames
from roboreward.models import load_model

TASK = "put the red cube in the white bowl"
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    nano = load_model(args.model)
    print(f"{args.model} {nano.revision}\n\n| what | number | declined |\n|---|---|---|")

    def show(name: str, verdicts: list[Verdict]) -> None:
        share = Counter(v.status for v in verdicts)["abstained"] / len(verdicts)
        print(f"| {name} | {len(verdicts)} | {share:.1%} |")

    if args.videos:
        paths = sorted(args.videos.rglob("*.mp4"))
        show(
            "real robot videos",
            [ask(nano, sample_frames(p, policy=nano.frame_policy)) for p in paths],
        )
    if args.images:
        paths = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in PICTURES)
        show("natural images", [ask(nano, still(p)) for p in paths])
    if args.cache:
        for name in (n for n in SIM_SETS if n != "sim-demo"):
            examples = open_set(name, cache=args.cache).examples
            queries = [
                Query(sample_frames(e.video, policy=nano.frame_policy), e.task) for e in examples
            ]
            show(name, nano.score(queries))


def ask(nano, sample: FrameSample) -> Verdict:
    return nano.score([Query(sample, TASK)])[0]


def still(path: Path) -> FrameSample:
    """A video in which nothing moves."""
    frame = np.asarray(Image.open(path).convert("RGB"))
    return FrameSample.from_array(np.stack([frame, frame]))


if __name__ == "__main__":
    main()
