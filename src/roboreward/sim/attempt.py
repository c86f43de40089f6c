"""One attempt at a scene, move after move, by whoever decides: for policies, where `episode` is for scripts."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from roboreward.core import Frames, Label
from roboreward.sim.expert import SETTLE_S, Move, commands_of
from roboreward.sim.layout import Floats, Layout
from roboreward.sim.pictures import render_moments
from roboreward.sim.scene import MAX_HALF_GAP_M, TICK_S, Snapshot, World, park_xyz
from roboreward.sim.scoring import SceneState, score_task
from roboreward.sim.tasks import Task

_TICKS_TO_REST: Final = round(SETTLE_S / TICK_S)


class Attempt:
    """The physics of one scene from its start, recorded.

    Args:
        layout: The scene.
        world: A world that nobody else uses while the attempt lasts.

    Attributes:
        half_gap_m: Half of the gap between the fingers that was last commanded; 0 is closed.
    """

    def __init__(self, layout: Layout, *, world: World) -> None:
        self.layout = layout
        self._world = world
        world.set_scene(layout)
        self._record: list[Snapshot] = [world.snapshot()]
        self._aim: Floats = np.array(park_xyz(layout))
        self.half_gap_m = MAX_HALF_GAP_M

    @property
    def state(self) -> SceneState:
        """The scene as it is now."""
        return self._world.state()

    def play(self, moves: Iterable[Move]) -> None:
        """Make moves, one after the other, from where the last command pointed."""
        for aim, half_gap_m in commands_of(moves, self._aim):
            self._command(aim, half_gap_m)

    def rest(self) -> None:
        """Hold still until things have come to rest."""
        for _ in range(_TICKS_TO_REST):
            self._command(self._aim, self.half_gap_m)

    def label(self, task: Task) -> Label:
        """Score a task of the scene: now against the start."""
        start = self._world.state(self._record[0])
        return score_task(task, self.layout, start, self.state)

    def frames(self, num_frames: int, *, size_px: int) -> Frames:
        """Return pictures of evenly spaced moments so far, the first and the latest included.

        Returns:
            uint8 (num_frames, size_px, size_px, 3).
        """
        shown = np.rint(np.linspace(0, len(self._record) - 1, num_frames)).astype(int)
        now = self._world.snapshot()
        frames = render_moments(
            [self._record[i] for i in shown], self.layout, self._world, size_px=size_px
        )
        self._world.show(now)
        return frames

    def _command(self, aim: Floats, half_gap_m: float) -> None:
        self._aim, self.half_gap_m = aim, half_gap_m
        self._world.command(aim, half_gap_m=half_gap_m)
        self._world.tick()
        self._record.append(self._world.snapshot())
