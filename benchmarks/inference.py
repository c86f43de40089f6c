"""What a verdict of nano costs: CPU milliseconds an episode, on one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/inference.py

Goal: 5 ms an episode (two frames of 96 px and one task).
"""

import platform
import time

import numpy as np

from roboreward.core import FrameSample, Query
from roboreward.models import load_nano
from roboreward.sim import EpisodeSpec, all_tasks, simulate, task_text


def main() -> None:
    nano = load_nano()
    episodes = [simulate(EpisodeSpec("test", i, num_frames=2)) for i in range(20)]
    samples = [FrameSample.from_array(e.frames_THWC) for e in episodes]
    one = [Query(s, e.task_text) for s, e in zip(samples, episodes, strict=True)]
    eight = [
        Query(s, task_text(task, e.layout))
        for s, e in zip(samples, episodes, strict=True)
        for task in all_tasks(e.layout)[:8]
    ]
    print(f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}")
    print("| what | CPU ms an episode, min | median |\n|---|---|---|")
    for name, queries in (("one task", one), ("eight tasks of one video", eight)):
        times = [cpu_ms(nano, queries) / len(samples) for _ in range(15)]
        print(f"| {name} | {min(times):.2f} | {np.median(times):.2f} |")


def cpu_ms(nano, queries) -> float:
    start = time.process_time()
    nano.score(queries)
    return 1e3 * (time.process_time() - start)


if __name__ == "__main__":
    main()
