"""Where rewards come from: chance that knows nothing, models with their revision, and no name twice."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from roboreward.core import FrameSample, Query, RewardModel, UnknownName
from roboreward.models import load_model
from roboreward.rl import RewardModelWrapper
from roboreward.sim import SkillEnv
from roboreward.studies.rewards import NANOS, RewardSource, reward_sources

IDEAL = np.array((0, 0, 0, 0, 0, 0.06), np.float32)


def floor(seed: int = 0) -> RewardModel:
    model = reward_sources(["floor"])["floor"].model(seed=seed)
    assert model is not None
    return model


def queries(num: int, *, brightness: int, task: str = "put the red cube in the box") -> list[Query]:
    frames = np.full((2, 8, 8, 3), brightness, np.uint8)
    return [Query(FrameSample.from_array(frames), task, f"episode {i}") for i in range(num)]


def scores_of(model: RewardModel, asked: Sequence[Query]) -> list[int]:
    scores = [verdict.score for verdict in model.score(asked)]
    assert None not in scores
    return [int(score or 0) for score in scores]


def test_the_floor_gives_each_level_about_equally_often() -> None:
    counts = Counter(scores_of(floor(), queries(2000, brightness=0)))
    # 400 each; four deviations of a binomial are 72.
    assert set(counts) == {1, 2, 3, 4, 5}
    assert all(abs(num - 400) < 72 for num in counts.values())


def test_the_floor_does_not_look_at_the_frames_and_each_seed_is_another_chance() -> None:
    dark, bright = (scores_of(floor(), queries(50, brightness=value)) for value in (0, 255))
    assert dark == bright
    assert scores_of(floor(1), queries(50, brightness=0)) != dark


def test_the_floor_says_nothing_about_the_outcome_of_an_episode() -> None:
    source = reward_sources(["floor"])["floor"]
    by_outcome: dict[float, list[float]] = {0.0: [], 1.0: []}
    for seed in range(2):
        env = SkillEnv(split="test", size_px=8, render_mode="rgb_array")
        wrapped = source.wrap(env, model=source.model(seed=seed))
        for index in range(50):
            wrapped.reset(options={"index": index})
            # Every second episode is missed on purpose.
            action = IDEAL + np.eye(6, dtype=np.float32)[0] * 2 * (index % 2)
            _, reward, _, _, info = wrapped.step(action)
            by_outcome[info["env_reward"]].append(float(reward))
    good, bad = (np.array(by_outcome[key]) for key in (1.0, 0.0))
    assert min(len(good), len(bad)) > 40
    # Four standard errors of a difference of means of uniform levels.
    assert abs(good.mean() - bad.mean()) < 4 * 0.354 * (1 / len(good) + 1 / len(bad)) ** 0.5
    assert len(set(good)) == len(set(bad)) == 5


def test_the_simulators_truth_comes_from_the_environment_itself() -> None:
    for name in ("oracle-success", "oracle-1-5", "none"):
        source = reward_sources([name])[name]
        env = SkillEnv()
        assert source.model(seed=0) is None
        assert source.wrap(env, model=None) is env
        assert source.is_trained == (name != "none")
        assert source.uri == ""


def test_a_models_reward_replaces_the_environments_and_drops_what_has_none() -> None:
    (source,) = reward_sources([], further=["mock:no idea"]).values()
    env = SkillEnv(size_px=8, render_mode="rgb_array")
    wrapped: gym.Env[Any, Any] = source.wrap(env, model=source.model(seed=0))
    assert isinstance(wrapped, RewardModelWrapper)
    wrapped.reset(options={"index": 0})
    _, reward, _, _, info = wrapped.step(IDEAL)
    assert np.isnan(reward)
    assert (info["is_dropped"], info["reward_model"]["status"]) == (True, "unparsed")


def test_a_reward_has_the_revision_of_its_model(needs_nano: None) -> None:
    found = reward_sources(["none", *NANOS], further=["mock:3"])
    assert list(found) == ["none", *NANOS, "mock:3"]
    for name in (*NANOS, "mock:3"):
        assert found[name].revision == load_model(found[name].uri).revision != ""
    assert len({found[name].revision for name in NANOS}) == len(NANOS)


def test_a_nano_of_ones_own_goes_by_the_name_in_the_study() -> None:
    found = reward_sources(["nano"], {"nano": "mock:4"})
    assert found["nano"] == RewardSource(
        name="nano", uri="mock:4", revision=load_model("mock:4").revision
    )


def test_an_unknown_further_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(UnknownName, match="mock:4"):
        reward_sources(["none"], further=["mokc:4"])
