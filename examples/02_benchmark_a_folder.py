"""Benchmark nano and two floors on a folder of videos with labels.

You will see the folder that such a benchmark needs, then the mean absolute error of each model with
its 95 % interval. A model that does not beat the floors has not looked at the videos.

Run: python examples/02_benchmark_a_folder.py
"""

import json
import tempfile
from pathlib import Path

from roboreward.bench import run_bench, summarize
from roboreward.dataset import read_set
from roboreward.media import write_video
from roboreward.sim import EpisodeSpec, simulate

NUM_EPISODES = 20


def write_folder(folder: Path) -> None:
    """Simulate attempts, some of which fail, and write them in the published layout."""
    rows = []
    for index in range(NUM_EPISODES):
        episode = simulate(EpisodeSpec(split="test", index=index, failure=None))
        name = f"attempt-{index:02d}.mp4"
        write_video(folder / name, episode.frames_THWC, fps=4.0)
        rows.append({"file_name": name, "task": episode.task_text, "reward": episode.label.score})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(lines)


with tempfile.TemporaryDirectory() as temporary:
    rollouts = Path(temporary) / "rollouts"
    rollouts.mkdir()
    write_folder(rollouts)
    print((rollouts / "metadata.jsonl").read_text().splitlines()[0], "...\n")
    models = ["nano", "floor:constant-3", "floor:text-only"]
    results = run_bench(read_set(rollouts), models, Path(temporary) / "runs")
    for summary in summarize(results):
        mae = summary.estimates["mae"]
        print(f"{summary.model:<20} MAE {mae.value:.2f} (95 %: {mae.lo:.2f} to {mae.hi:.2f})")
