"""The tabletop as a Gymnasium environment: `roboreward/Tabletop-v0`."""

from typing import Any, Final

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from roboreward.core import UsageError
from roboreward.sim.episode import EpisodeSpec, write_script
from roboreward.sim.pictures import render_now
from roboreward.sim.scene import MAX_HALF_GAP_M, TICK_S, World
from roboreward.sim.scoring import score_task
from roboreward.sim.splits import Split, check_split

ENV_ID: Final = "roboreward/Tabletop-v0"
STEP_M: Final = 0.04
TICKS_PER_STEP: Final = 2
SUCCESS_STEPS: Final = 3
_REACH_M: Final = np.array(((-0.45, -0.30, 0.016), (0.45, 0.30, 0.30)))
_STATE_SIZE: Final = 23
_FAR_M: Final = 2.0

Observation = dict[str, Any]


class TabletopEnv(gym.Env[Observation, npt.NDArray[np.float32]]):
    """One random scene and task an episode; the reward is 1.0 once the task is done, else 0.0.

    Action, float32 (4,) in [-1, 1]: the first three move the gripper by up to 4 cm along x, y, z; the fourth closes the
    fingers when positive, else opens them. One step is 0.08 s.

    Observation: `image`, uint8 RGB (size_px, size_px, 3); `state`, float32 (23,) in metres: gripper xyz, finger
    opening, 1.0 when something is held, xyz of four objects and of two receptacles.

    `info` holds `task` (the instruction), `score` (1..5 by "sim-rule-v1", present state against the start),
    `reason`, and `is_success`. An episode terminates when the score has been 5 for three steps, and is truncated after
    `max_steps`.

    Args:
        split: Which scenes, combinations and phrasings; see `splits`.
        size_px: Side of the observed image, and of what `render` returns.
        max_steps: Steps after which an episode is truncated.
        render_mode: None or "rgb_array".

    Raises:
        UsageError: `max_steps` is below 1 or `render_mode` is unknown.
    """

    metadata = {  # noqa: RUF012 (Gymnasium declares it as an instance variable)
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / (TICK_S * TICKS_PER_STEP)),
    }

    def __init__(
        self,
        *,
        split: Split = "train",
        size_px: int = 96,
        max_steps: int = 100,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"render_mode is {render_mode!r}; give 'rgb_array' or None.")
        if max_steps < 1:
            raise UsageError(f"max_steps is {max_steps}; give at least 1.")
        self.split, self.size_px, self.max_steps = check_split(split), size_px, max_steps
        self.render_mode = render_mode
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size_px, size_px, 3), np.uint8),
                "state": spaces.Box(-_FAR_M, _FAR_M, (_STATE_SIZE,), np.float32),
            }
        )
        self._world = World()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. `options={"index": n}` asks for the scene and task of one episode of the split."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        index = int((options or {}).get("index", drawn))
        self._script = write_script(EpisodeSpec(self.split, index, size_px=self.size_px))
        self._world.set_scene(self._script.layout)
        self._start = self._world.state()
        self._aim = np.array(self._start.gripper_xyz)
        self._num_steps = self._num_good_steps = 0
        return self._observe(), self._info()

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move, wait 0.08 s, and score."""
        moves = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self._aim = np.clip(self._aim + STEP_M * moves[:3], *_REACH_M)
        for _ in range(TICKS_PER_STEP):
            self._world.command(self._aim, half_gap_m=0.0 if moves[3] > 0 else MAX_HALF_GAP_M)
            self._world.tick()
        self._num_steps += 1
        info = self._info()
        self._num_good_steps = self._num_good_steps + 1 if info["score"] == 5 else 0
        is_done = self._num_good_steps >= SUCCESS_STEPS
        info["is_success"] = is_done
        is_late = self._num_steps >= self.max_steps and not is_done
        return self._observe(), float(is_done), is_done, is_late, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return the present picture, uint8 (size_px, size_px, 3), or None without a render mode."""
        return self._picture() if self.render_mode == "rgb_array" else None

    def _picture(self) -> npt.NDArray[np.uint8]:
        return render_now(self._script.layout, self._world, size_px=self.size_px).rgb

    def _observe(self) -> Observation:
        state = self._world.state()
        parts = (
            state.gripper_xyz,
            (state.opening_m, float(state.held >= 0)),
            state.objects_xyz.ravel(),
            state.receptacles_xyz.ravel(),
        )
        vector = np.clip(np.concatenate(parts), -_FAR_M, _FAR_M).astype(np.float32)
        return {"image": self._picture(), "state": vector}

    def _info(self) -> dict[str, Any]:
        script = self._script
        label = score_task(script.task, script.layout, self._start, self._world.state())
        return {
            "task": script.task_text,
            "score": int(label.score),
            "reason": label.reason,
            "is_success": False,
        }


def register_env() -> str:
    """Make `gymnasium.make("roboreward/Tabletop-v0")` work, and return that id. May be called again."""
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point="roboreward.sim.env:TabletopEnv")
    return ENV_ID
