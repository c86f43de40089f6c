"""What `RewardModelWrapper` costs beside the environment and the reward model.

    OMP_NUM_THREADS=1 python benchmarks/wrapper.py

Alternates episodes of an environment that does nothing, bare and wrapped, and prints the best and the median of the
differences; then, for comparison, a step of `roboreward/Tabletop-v0` and a verdict of nano. Frames are 96 x 96.
"""

import statistics
import time

import gymnasium as gym
import numpy as np

from roboreward.core import FrameSample, Query
from roboreward.models import load_model
from roboreward.rl import RewardModelWrapper
from roboreward.sim import TabletopEnv

NUM_STEPS, NUM_EPISODES = 50, 60


class Nothing(gym.Env):
    """Steps that cost nothing, and a picture."""

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (96, 96, 3), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (4,), np.float32)
    picture = np.zeros((96, 96, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        self.num = 0
        return self.picture, {"task": "lift the red cube"}

    def step(self, action):
        self.num += 1
        return self.picture, 0.0, self.num == NUM_STEPS, False, {}


def episode_s(env: gym.Env) -> tuple[float, float]:
    """Seconds of all steps but the last, each, and of the last."""
    env.reset(seed=0)
    action = np.zeros(4, np.float32)
    start = time.perf_counter()
    for _ in range(NUM_STEPS - 1):
        env.step(action)
    middle = time.perf_counter()
    env.step(action)
    return (middle - start) / (NUM_STEPS - 1), time.perf_counter() - middle


def shown(values: list[float]) -> str:
    return f"{1e6 * min(values):.1f} us, median {1e6 * statistics.median(values):.1f}"


def main() -> None:
    bare, wrapped = Nothing(), RewardModelWrapper(Nothing(), model="mock:4", image_key="")
    pairs = [(episode_s(bare), episode_s(wrapped)) for _ in range(NUM_EPISODES)]
    print("wrapper, a step:", shown([b[0] - a[0] for a, b in pairs]))
    print("wrapper and `mock:4`, an episode's end:", shown([b[1] - a[1] for a, b in pairs]))
    table = TabletopEnv(max_steps=NUM_STEPS)
    print(
        "a step of Tabletop-v0, picture included:", shown([episode_s(table)[0] for _ in range(10)])
    )
    nano = load_model("nano")
    sample = FrameSample.from_array(np.stack([table.reset(seed=0)[0]["image"]] * 2))
    times = []
    for _ in range(NUM_EPISODES):
        start = time.perf_counter()
        nano.score([Query(sample, "lift the red cube")])
        times.append(time.perf_counter() - start)
    print("a verdict of nano:", shown(times))


if __name__ == "__main__":
    main()
