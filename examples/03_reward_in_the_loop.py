"""Put nano in the loop: a Gymnasium environment whose reward is a reward model's verdict.

You will see four attempts at one task, each of which lifts another object: nano pays for the right
one only, without a look at the simulator's own score. Then a task that nano does not know: there is
no verdict, so the episode is dropped, and its reward is NaN instead of an invented 0.

Run: python examples/03_reward_in_the_loop.py
"""

from typing import Any

import gymnasium as gym
import numpy as np

from roboreward.rl import RewardModelWrapper
from roboreward.sim import register_env

NUM_OBJECTS = 4
STEP_M = 0.04
ABOVE_M = np.array((0.0, 0.0, 0.14))
OPEN, CLOSED = -1.0, 1.0


def make(**kwargs: Any) -> RewardModelWrapper:
    """Wrap a fresh tabletop. `gym.make` applies its time limit inside, where it belongs."""
    env = gym.make(register_env(), split="test", max_steps=70)
    return RewardModelWrapper(env, model="nano", image_key="image", on_error="drop", **kwargs)


def lift(env: gym.Env[Any, Any], number: int) -> tuple[float, dict[str, Any]]:
    """Play one episode that lifts object `number`; return the last reward and info."""
    observation, info = env.reset(options={"index": 8})
    place = observation["state"][5 + 3 * number : 8 + 3 * number].astype(float)
    above = place + ABOVE_M
    plan = [(above, OPEN)] * 18 + [(place, OPEN)] * 8 + [(place, CLOSED)] * 6
    reward, is_over = 0.0, False
    while not is_over:
        goal, grip = plan.pop(0) if plan else (above, CLOSED)
        move = np.clip((goal - observation["state"][:3]) / STEP_M, -1.0, 1.0)
        action = np.array((*move, grip), np.float32)
        observation, reward, terminated, truncated, info = env.step(action)
        is_over = terminated or truncated
    return reward, info


def show(reward: float, info: dict[str, Any]) -> None:
    """Print what the simulator and the reward model say about an episode."""
    told = info["reward_model"]
    verdict = f"nano {told['score']}" if told["score"] else f"nano {told['status']}"
    print(f"  simulator {info['score']}, {verdict}: reward {reward}, dropped {info['is_dropped']}")
    if told["reason"]:
        print(f"  {told['reason']}")


env = make()
print(env.reset(options={"index": 8})[1]["task"])
for number in range(NUM_OBJECTS):
    show(*lift(env, number))
env.close()

env = make(task="fold the towel")
print("fold the towel")
show(*lift(env, 0))
print(f"  left out: {dict(env.num_dropped)} of {env.num_judged}")
env.close()
