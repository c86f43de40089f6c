"""One simulated attempt: physics first, then only the frames that are shown."""

from dataclasses import dataclass

import numpy as np

from roboreward.core import Frames, Label, UsageError
from roboreward.sim.expert import Failure, check_failure, commands, draw_failure, make_plan
from roboreward.sim.layout import Floats, Layout, project, sample_layout
from roboreward.sim.phrasing import phrase
from roboreward.sim.pictures import render_moments
from roboreward.sim.scene import TICK_S, Snapshot, World, shared_world
from roboreward.sim.scoring import SceneState, score_task
from roboreward.sim.splits import Split, allows_held_out, check_split, episode_seed
from roboreward.sim.tasks import Task, all_tasks, involves_held_out


@dataclass(frozen=True)
class EpisodeSpec:
    """What identifies an episode: the same spec gives the same bits.

    Attributes:
        split: Which scenes, combinations and phrasings; see `splits`.
        index: Number of the episode in its split, from 0.
        failure: How the script fails; "none" for the expert, None to draw an organic failure (sometimes none).
        num_frames: Frames to show, evenly spaced from the first moment to the last, at least 2.
        size_px: Width and height of a frame.
    """

    split: Split
    index: int
    failure: str | None = "none"
    num_frames: int = 8
    size_px: int = 96

    def __post_init__(self) -> None:
        check_split(self.split)
        if self.failure is not None:
            check_failure(self.failure)
        if self.num_frames < 2 or self.size_px < 8 or self.index < 0:
            raise UsageError(f"{self}: needs num_frames >= 2, size_px >= 8 and index >= 0.")


@dataclass(frozen=True, eq=False)
class SimEpisode:
    """What happened.

    Attributes:
        frames_THWC: uint8 (T, H, W, 3); T is 0 when only states were simulated.
        states: The scene at exactly the moments of the frames.
        times_s: Those moments, from the start.
        task_text: The task in one of the split's phrasings.
        label: The exact score of the last moment against the first.
        failure: How the script failed.
        duration_s: From the first moment to the last.
        seed: What everything was drawn from.
    """

    spec: EpisodeSpec
    frames_THWC: Frames
    states: tuple[SceneState, ...]
    times_s: tuple[float, ...]
    layout: Layout
    task: Task
    task_text: str
    label: Label
    failure: Failure
    duration_s: float
    seed: int

    def pixels_uv(self, points_xyz: Floats) -> Floats:
        """Return where world points (N, 3) are in the frames: (N, 2), u right, v down, in pixels."""
        return project(points_xyz, self.layout.camera, size_px=self.spec.size_px)


@dataclass(frozen=True, eq=False)
class Script:
    """Everything about an episode that is decided before the physics runs."""

    seed: int
    layout: Layout
    task: Task
    task_text: str
    failure: Failure
    rng: np.random.Generator


def simulate(spec: EpisodeSpec) -> SimEpisode:
    """Run one episode and render its frames.

    The same spec gives the same bits, in any process and whatever ran before. Another version of MuJoCo may move things
    a little differently, and so give another label to an episode that was close to two levels.
    """
    return _simulate(spec, has_frames=True)


def simulate_states_only(spec: EpisodeSpec) -> SimEpisode:
    """Run one episode without rendering: the same as `simulate`, but no frames (0, H, W, 3)."""
    return _simulate(spec, has_frames=False)


def _simulate(spec: EpisodeSpec, *, has_frames: bool) -> SimEpisode:
    script, world = write_script(spec), shared_world()
    record = _play(script, world)
    shown = np.rint(np.linspace(0, len(record) - 1, spec.num_frames)).astype(int)
    moments = [record[i] for i in shown]
    states = tuple(world.state(moment) for moment in moments)
    empty = np.zeros((0, spec.size_px, spec.size_px, 3), dtype=np.uint8)
    return SimEpisode(
        spec=spec,
        frames_THWC=render_moments(moments, script.layout, world, size_px=spec.size_px)
        if has_frames
        else empty,
        states=states,
        times_s=tuple(float(i) * TICK_S for i in shown),
        layout=script.layout,
        task=script.task,
        task_text=script.task_text,
        label=score_task(script.task, script.layout, states[0], states[-1]),
        failure=script.failure,
        duration_s=(len(record) - 1) * TICK_S,
        seed=script.seed,
    )


def write_script(spec: EpisodeSpec) -> Script:
    """Draw scene, task, wording and failure. The scene and the task do not depend on `spec.failure`."""
    seed = episode_seed(spec.split, spec.index)
    scene_rng, failure_rng, plan_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)
    )
    layout = sample_layout(scene_rng, split=spec.split)
    task = _draw_task(layout, split=spec.split, rng=scene_rng)
    failure = spec.failure
    drawn = draw_failure(task, rng=failure_rng)
    return Script(
        seed=seed,
        layout=layout,
        task=task,
        task_text=phrase(task, layout, rng=scene_rng, split=spec.split),
        failure=drawn if failure is None else check_failure(failure),
        rng=plan_rng,
    )


def _draw_task(layout: Layout, *, split: Split, rng: np.random.Generator) -> Task:
    """Draw the relation first, so that relations with many pairs do not crowd out the others."""
    tasks = all_tasks(layout)
    if allows_held_out(split):
        tasks = [task for task in tasks if involves_held_out(task, layout)]
    relations = sorted({task.relation for task in tasks})
    weights = np.array([{"put": 0.4, "lift": 0.16}.get(relation, 0.22) for relation in relations])
    relation = relations[int(rng.choice(len(relations), p=weights / weights.sum()))]
    options = [task for task in tasks if task.relation == relation]
    return options[int(rng.integers(len(options)))]


def _play(script: Script, world: World) -> list[Snapshot]:
    world.set_scene(script.layout)
    plan = make_plan(script.task, script.layout, failure=script.failure, rng=script.rng)
    record = [world.snapshot()]
    for xyz, half_gap_m in commands(plan, world.state().gripper_xyz):
        world.command(xyz, half_gap_m=half_gap_m)
        world.tick()
        record.append(world.snapshot())
    return record
