"""Score a video of a robot.

You will see one simulated attempt scored with its distribution, and then an abstention: the second
video is noise, which is not from nano's world, and nano says so instead of guessing.

Run: python examples/01_score_a_video.py
"""

import tempfile
from pathlib import Path

import numpy as np

import roboreward
from roboreward.media import write_video
from roboreward.sim import EpisodeSpec, simulate

model = roboreward.load_model("nano")


def show(path: Path, task: str) -> None:
    """Print the verdict on one video."""
    sample = roboreward.sample_frames(path, policy=model.frame_policy)
    verdict = model.score([roboreward.Query(sample, task)])[0]
    print(f"{path.name}: {task}")
    if verdict.score is None or verdict.probs is None:
        print(f"  {verdict.status}: {verdict.reason}")
        return
    print(f"  score {verdict.score} of 5, progress {verdict.progress:.0%}")
    for level, prob in enumerate(verdict.probs, start=1):
        print(f"  {level} {'#' * round(30 * prob):<30} {prob:.2f}")


with tempfile.TemporaryDirectory() as folder:
    episode = simulate(EpisodeSpec(split="test", index=0))
    attempt = Path(folder) / "attempt.mp4"
    write_video(attempt, episode.frames_THWC, fps=4.0)
    show(attempt, episode.task_text)
    print(f"  the simulator says {episode.label.score}: {episode.label.reason}\n")

    noise = Path(folder) / "noise.mp4"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    write_video(noise, pixels, fps=4.0)
    show(noise, episode.task_text)
