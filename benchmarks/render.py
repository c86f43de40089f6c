"""Measure what one picture of the tabletop costs: CPU milliseconds of this thread, minimum and median.

"Rays alone" casts one ray for each pixel with `mj_multiRay` and does nothing else: it is what a picture without
shading and anti-aliasing costs, and tells a slow machine from a slow renderer. Run on idle cores.

Run: OMP_NUM_THREADS=1 python benchmarks/render.py [--repeats 60] [--scenes 6]
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

import numpy as np

from roboreward.sim import Layout, RayRenderer, sample_layout
from roboreward.sim.rays import cast, look_at
from roboreward.sim.scene import World

SIZES_PX = (96, 128, 192, 256)


def cpu_ms(call: Callable[[], object], *, repeats: int) -> list[float]:
    """Return the CPU milliseconds of each of `repeats` calls, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        call()
        times.append((time.thread_time_ns() - start) / 1e6)
    return times


def scene(world: World, seed: int) -> Layout:
    """Set a scene with the gripper over the middle of the table."""
    layout = sample_layout(np.random.default_rng(seed), split="train")
    world.set_scene(layout)
    world.command((0.05, 0.0, 0.1), half_gap_m=0.03)
    for _ in range(40):
        world.tick()
    return layout


def whole(world: World, layout: Layout, *, size_px: int) -> Callable[[], object]:
    renderer = RayRenderer(world.model, size_px=size_px)
    return lambda: renderer.render(
        world.data,
        camera_pos=layout.camera.pos,
        camera_target=layout.camera.target,
        fovy_deg=layout.camera.fovy_deg,
        light_direction=layout.lighting.direction,
        ambient=layout.lighting.ambient,
        diffuse=layout.lighting.diffuse,
        table_geom=world.table_geom,
    )


def rays_alone(world: World, layout: Layout, *, size_px: int) -> Callable[[], object]:
    camera = look_at(layout.camera.pos, layout.camera.target, fovy_deg=layout.camera.fovy_deg)
    ticks = ((2 * np.arange(size_px) + 1) / size_px - 1) * camera.half_height
    x, y = (grid.reshape(-1, 1) for grid in np.meshgrid(ticks, -ticks))
    rays = np.array(camera.forward) + x * np.array(camera.right) + y * np.array(camera.up)
    return lambda: cast(world.model, world.data, camera.pos, rays)


def machine(world: World) -> str:
    """Return one line that says where the numbers come from."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("mujoco", "numpy"))
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}, "
        f"{world.model.ngeom} geoms, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--scenes", type=int, default=6)
    options, world = parser.parse_args(), World()
    print(
        f"python {Path(sys.argv[0]).as_posix()} --repeats {options.repeats} --scenes {options.scenes}"
    )
    print(
        f"{machine(world)}\n{options.repeats} pictures of each of {options.scenes} scenes, CPU ms a picture\n"
    )
    print("  px   rays alone: min  median   whole: min  median   whole / rays alone (minima)")
    for size_px in SIZES_PX:
        bare, full = [], []
        for seed in range(options.scenes):
            layout = scene(world, seed)
            for times, make in ((bare, rays_alone), (full, whole)):
                times.extend(cpu_ms(make(world, layout, size_px=size_px), repeats=options.repeats))
        print(
            f"{size_px:4d}{min(bare):17.2f}{median(bare):8.2f}{min(full):13.2f}{median(full):8.2f}"
            f"{min(full) / min(bare):10.2f}"
        )


if __name__ == "__main__":
    main()
