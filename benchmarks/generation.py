"""How fast episodes of the simulated world are made: CPU milliseconds each, and episodes a minute on all cores.

    python benchmarks/generation.py [--episodes 400]

Goal: 1,500 episodes a minute on two idle cores at 96 px, 8 frames.
"""

import argparse
import os
import platform
import resource
import time

import mujoco

from roboreward.sim import EpisodeSpec, generate, simulate, simulate_states_only


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=400)
    args = parser.parse_args()
    specs = [EpisodeSpec("test", i, None) for i in range(args.episodes)]
    few = specs[:60]
    simulate(few[0])
    physics, whole = cpu_ms(simulate_states_only, few), cpu_ms(simulate, few)
    workers = os.cpu_count() or 1
    start, used = time.perf_counter(), children_s()
    done = sum(1 for _ in generate(specs, num_workers=workers))
    wall, used = time.perf_counter() - start, children_s() - used
    print(f"MuJoCo {mujoco.__version__}, Python {platform.python_version()}, {platform.machine()}")
    print("| what | value |\n|---|---|")
    print(f"| physics and scoring | {physics:.1f} CPU ms an episode |")
    print(f"| with 8 frames of 96 px | {whole:.1f} CPU ms an episode |")
    print(f"| {workers} processes, start-up included | {60 * done / wall:.0f} episodes a minute |")
    print(f"| the same, by CPU time | {60 * workers * done / used:.0f} episodes a minute |")


def cpu_ms(function, specs) -> float:
    start = time.process_time()
    for spec in specs:
        function(spec)
    return 1e3 * (time.process_time() - start) / len(specs)


def children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
