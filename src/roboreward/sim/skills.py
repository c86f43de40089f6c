"""The tabletop as a Gymnasium environment of few decisions: what a policy with skills or chunks decides.

The task is always to put an object into or onto a receptacle. Observations are positions from the simulator, so a
policy learns what to do, not how to see; the reward model is the one who looks at pictures.
"""

from typing import Any, Final, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from roboreward.core import Frames, UsageError
from roboreward.sim.attempt import Attempt
from roboreward.sim.expert import (
    FAST_M_S,
    OPEN_MARGIN_M,
    SLOW_M_S,
    TRAVEL_Z_M,
    Move,
    pick_and_place,
)
from roboreward.sim.layout import NUM_OBJECTS, NUM_RECEPTACLES, TABLE_AREA_M, Floats, sample_layout
from roboreward.sim.phrasing import phrase
from roboreward.sim.pictures import render_now
from roboreward.sim.scene import MAX_HALF_GAP_M, World, park_xyz
from roboreward.sim.scoring import SceneState
from roboreward.sim.splits import Split, check_split, episode_seed
from roboreward.sim.tasks import Task

F32 = npt.NDArray[np.float32]
NumDecisions = Literal[1, 4]

ACTION_M: Final = 0.1
"""One unit of an action, in metres."""
LIMIT: Final = 5.0
"""Largest absolute value of an action, in units of `ACTION_M`."""
EPISODE_S: Final = 5.0
"""About how long an episode lasts. There is one picture a decision, so this gives the times of the pictures."""
_NEAR_M: Final = 0.2
_LOWEST_M: Final = 0.016
_HIGHEST_M: Final = 0.30
_CHUNKS_AT_SUBJECT: Final = 2


class SkillEnv(gym.Env[F32, F32]):
    """One random scene and one "put" task an episode, in one decision or in four.

    One decision: the action, float32 (6,) in units of 10 cm, is a whole pick and place: where the fingers close, xyz
    from the subject's centre; where they open, xy from the receptacle's centre; and how far above resting they open.

    Four decisions: each action, float32 (4,), is a chunk: a point that the gripper goes to by way of a safe height, and
    whether the fingers are closed (positive) or open once there. The point's xyz is seen from the subject's place at
    the start for the first two chunks, and from resting in the receptacle for the last two.

    Observation, float32 (10,): the subject's xy; from it the receptacle's xy, the other receptacle's xy and the
    nearest other object's xy, in units of 20 cm; the subject's half height and the receptacle's rim, centred. With four
    decisions (15,): as the scene is now, and also the gripper's xyz from the subject, 1.0 when the subject is held, and
    the share of decisions that are behind.

    The reward is given at the end: 1.0 for a score of 5, else 0.0; with `has_levels` progress, (score - 1) / 4. `info`
    holds `task`, and at the end `score` (1..5 by "sim-rule-v1"), `reason` and `is_success`.

    Args:
        split: Which scenes and phrasings; see `splits`.
        num_decisions: 1 or 4.
        has_levels: Whether the reward is progress.
        size_px: Side of what `render` returns.
        render_mode: None or "rgb_array".

    Raises:
        UsageError: `num_decisions` or `render_mode` is unknown, or an action is not finite.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1 / EPISODE_S}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(
        self,
        *,
        split: Split = "train",
        num_decisions: NumDecisions = 1,
        has_levels: bool = False,
        size_px: int = 96,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"render_mode is {render_mode!r}; give 'rgb_array' or None.")
        if num_decisions not in (1, 4):
            raise UsageError(f"num_decisions is {num_decisions!r}; give 1 or 4.")
        self.split, self.num_decisions = check_split(split), num_decisions
        self.has_levels, self.size_px, self.render_mode = has_levels, size_px, render_mode
        num_seen, num_done = (10, 6) if num_decisions == 1 else (15, 4)
        self.observation_space = spaces.Box(-10.0, 10.0, (num_seen,), np.float32)
        self.action_space = spaces.Box(-LIMIT, LIMIT, (num_done,), np.float32)
        self.metadata = {**self.metadata, "render_fps": num_decisions / EPISODE_S}
        self._world = World()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[F32, dict[str, Any]]:
        """Start an episode. `options={"index": n}` asks for scene and task number n of the split."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        index = int((options or {}).get("index", drawn))
        rng = np.random.default_rng([episode_seed(self.split, index), 1])
        self.layout = sample_layout(rng, split=self.split)
        self.task = Task("put", int(rng.integers(NUM_OBJECTS)), int(rng.integers(NUM_RECEPTACLES)))
        self.task_text = phrase(self.task, self.layout, rng=rng, split=self.split)
        self.attempt = Attempt(self.layout, world=self._world)
        self.start = self.attempt.state
        self._other = self._nearest_other()
        self._num_made = 0
        return self._observe(), {"task": self.task_text}

    def step(self, action: F32) -> tuple[F32, float, bool, bool, dict[str, Any]]:
        """Carry out one decision."""
        units = self._checked(action)
        is_whole = self.num_decisions == 1
        self.attempt.play(self._whole_moves(units) if is_whole else self._chunk_moves(units))
        self._num_made += 1
        info: dict[str, Any] = {"task": self.task_text}
        if self._num_made < self.num_decisions:
            return self._observe(), 0.0, False, False, info
        if not is_whole and units[3] <= 0:
            self.attempt.play(self._leaving_moves())
        self.attempt.rest()
        label = self.attempt.label(self.task)
        info |= {
            "score": int(label.score),
            "reason": label.reason,
            "is_success": label.score == 5,
        }
        reward = (label.score - 1) / 4 if self.has_levels else float(label.score == 5)
        return self._observe(), reward, True, False, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return the present picture, uint8 (size_px, size_px, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        return render_now(self.layout, self._world, size_px=self.size_px).rgb

    def frames(self, num_frames: int) -> Frames:
        """Return pictures of evenly spaced moments of the episode so far, uint8 (num_frames, size_px, size_px, 3)."""
        return self.attempt.frames(num_frames, size_px=self.size_px)

    @property
    def other(self) -> int:
        """Index of the object that stands nearest to the subject."""
        return self._other

    def _checked(self, action: F32) -> Floats:
        units = np.asarray(action, dtype=np.float64)
        if self._num_made >= self.num_decisions:
            raise UsageError("The episode has ended; call reset before the next step.")
        if units.shape != self.action_space.shape or not np.isfinite(units).all():
            raise UsageError(
                f"The action {units.tolist()} is not {self.action_space.shape} finite numbers."
            )
        return np.clip(units, -LIMIT, LIMIT)

    def _whole_moves(self, units: Floats) -> tuple[Move, ...]:
        grasp = self.start.objects_xyz[self.task.subject] + ACTION_M * units[:3]
        rest = self._resting_place(self.start)
        place = np.array(
            (*(rest[:2] + ACTION_M * units[3:5]), rest[2] + max(0.0, ACTION_M * units[5]))
        )
        return pick_and_place(
            self.layout,
            subject=self.task.subject,
            grasp_xyz=_within_reach(grasp),
            place_xyz=_within_reach(place),
        )

    def _chunk_moves(self, units: Floats) -> list[Move]:
        is_first_half = self._num_made < _CHUNKS_AT_SUBJECT
        seen_from = (
            self.start.objects_xyz[self.task.subject]
            if is_first_half
            else self._resting_place(self.start)
        )
        there = _within_reach(seen_from + ACTION_M * units[:3])
        here = self.attempt.state.gripper_xyz
        gap = self._gap_m if self._was_open else 0.0
        moves = []
        if np.linalg.norm(there[:2] - here[:2]) > 0.02:
            height = max(TRAVEL_Z_M, float(there[2]))
            moves = [
                Move((float(here[0]), float(here[1]), height), gap, SLOW_M_S),
                Move((float(there[0]), float(there[1]), height), gap, FAST_M_S, 0.04),
            ]
        point = (float(there[0]), float(there[1]), float(there[2]))
        moves.append(Move(point, gap, SLOW_M_S, 0.08))
        is_closed = bool(units[3] > 0)
        if is_closed == self._was_open:
            moves.append(Move(point, 0.0 if is_closed else self._gap_m, SLOW_M_S, 0.28))
        return moves

    @property
    def _was_open(self) -> bool:
        return self.attempt.half_gap_m > 0

    @property
    def _gap_m(self) -> float:
        half = self.layout.objects[self.task.subject].half_width_m
        return min(MAX_HALF_GAP_M, half + OPEN_MARGIN_M)

    def _leaving_moves(self) -> list[Move]:
        x, y, z = (float(v) for v in self.attempt.state.gripper_xyz)
        up = Move((x, y, max(TRAVEL_Z_M, z)), self._gap_m, SLOW_M_S)
        return [up, Move(park_xyz(self.layout), MAX_HALF_GAP_M, FAST_M_S)]

    def _resting_place(self, state: SceneState) -> Floats:
        """Where the subject's centre is when it rests in the middle of the receptacle."""
        height = self.layout.receptacles[self.task.target].size.floor
        height += self.layout.objects[self.task.subject].half_height_m
        return np.array((*state.receptacles_xyz[self.task.target, :2], height))

    def _nearest_other(self) -> int:
        places = self.start.objects_xyz[:, :2]
        away = np.linalg.norm(places - places[self.task.subject], axis=1)
        away[self.task.subject] = np.inf
        return int(away.argmin())

    def _observe(self) -> F32:
        state = self.attempt.state
        subject = state.objects_xyz[self.task.subject]
        thing, target = self.layout.objects[self.task.subject], self.task.target
        flat = [
            subject[:2],
            state.receptacles_xyz[target, :2] - subject[:2],
            state.receptacles_xyz[1 - target, :2] - subject[:2],
            state.objects_xyz[self._other, :2] - subject[:2],
        ]
        rim = self.layout.receptacles[target].size.rim
        sizes = ((thing.half_height_m - 0.0275) / 0.005, (rim - 0.028) / 0.015)
        seen: list[Floats] = [np.concatenate(flat) / _NEAR_M, np.array(sizes)]
        if self.num_decisions > 1:
            is_held = float(state.held == self.task.subject)
            behind = self._num_made / self.num_decisions
            seen += [(state.gripper_xyz - subject) / _NEAR_M, np.array((is_held, behind))]
        return np.clip(np.concatenate(seen), -10.0, 10.0).astype(np.float32)


def _within_reach(xyz: Floats) -> Floats:
    lowest = (-TABLE_AREA_M[0], -TABLE_AREA_M[1], _LOWEST_M)
    return np.clip(xyz, lowest, (*TABLE_AREA_M, _HIGHEST_M))
