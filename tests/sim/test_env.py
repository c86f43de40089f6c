"""The Gymnasium environment."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from roboreward.core import UsageError
from roboreward.sim import EpisodeSpec, TabletopEnv, register_env
from roboreward.sim.episode import write_script

LIFT = next(i for i in range(50) if write_script(EpisodeSpec("train", i)).task.relation == "lift")


def test_gymnasiums_own_checker_finds_nothing() -> None:
    env = gym.make(register_env(), size_px=24, render_mode="rgb_array")
    check_env(env.unwrapped)


def test_it_can_be_made_by_name() -> None:
    assert register_env() == register_env()
    env = gym.make(register_env(), size_px=24, split="test")
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert info["score"] == 1
    assert isinstance(info["task"], str)
    env.close()


def _towards(state: np.ndarray, goal: np.ndarray, *, grip: float) -> np.ndarray:
    return np.array((*np.clip((goal - state[:3]) / 0.04, -1, 1), grip), dtype=np.float32)


def test_lifting_by_hand_is_rewarded_once_and_ends_the_episode() -> None:
    env = TabletopEnv(size_px=24)
    observation, _ = env.reset(seed=0, options={"index": LIFT})
    subject = write_script(EpisodeSpec("train", LIFT)).task.subject
    place = observation["state"][5 + 3 * subject : 8 + 3 * subject].astype(float)
    above = place + np.array((0.0, 0.0, 0.14))
    plan = [(above, -1.0)] * 25 + [(place, -1.0)] * 10 + [(place, 1.0)] * 8 + [(above, 1.0)] * 25
    rewards: list[float] = []
    last: Any = None
    for goal, grip in plan:
        last = env.step(_towards(observation["state"], goal, grip=grip))
        observation = last[0]
        rewards.append(last[1])
        if last[2]:
            break
    assert sum(rewards) == rewards[-1] == 1.0
    assert last[4]["score"] == 5
    assert last[4]["is_success"]


def test_doing_nothing_is_truncated_without_reward() -> None:
    env = TabletopEnv(size_px=24, max_steps=4)
    env.reset(seed=3)
    steps = [env.step(np.zeros(4, dtype=np.float32)) for _ in range(4)]
    assert [step[1] for step in steps] == [0.0] * 4
    assert [step[3] for step in steps] == [False, False, False, True]


def test_two_environments_do_not_disturb_each_other() -> None:
    one, two = TabletopEnv(size_px=24), TabletopEnv(size_px=24)
    first, _ = one.reset(seed=1)
    two.reset(seed=2)
    again, _ = TabletopEnv(size_px=24).reset(seed=1)
    assert (first["image"] == again["image"]).all()
    action = np.array((1, 0, 0, -1), dtype=np.float32)
    moved = one.step(action)[0]["state"]
    assert moved[5:] == pytest.approx(first["state"][5:], abs=0.002)


def test_an_unknown_render_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="rgb_array"):
        TabletopEnv(render_mode="human")
