"""Steering: from one number an episode to a better policy, and from no number to nothing at all."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch", reason="the rl extra is not installed")

from roboreward.core import ENDS_ONLY, Capability, Query, UsageError, Verdict  # noqa: E402
from roboreward.rl import (  # noqa: E402
    BAD_ACTION,
    Demonstrations,
    FlowPolicy,
    History,
    RewardModelWrapper,
    Steering,
    SteeringBudget,
    clone,
    play,
)
from roboreward.rl import steering as module  # noqa: E402

pytestmark = pytest.mark.torch

NEAR = 0.35
SHORT = SteeringBudget(num_episodes=30, num_random=10, num_updates=2)
ENOUGH = SteeringBudget(num_episodes=150, num_random=50, num_updates=8)
HIT, MISS = 200, 100


class Reach(gym.Env[Any, Any]):
    """Tells a point, and wants every action near it. Its picture shows whether that was so.

    Args:
        num_decisions: Of an episode.
        pays: Its own reward at the end, from whether all actions were near.
        shown: From the scene and whether all were near to the brightness of the picture.
        blind: Scenes whose last observation is NaN.
        is_late: Whether it ends by truncation.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012
    render_mode = "rgb_array"
    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Box(-5.0, 5.0, (1,), np.float32)

    def __init__(
        self,
        num_decisions: int = 1,
        *,
        pays: Callable[[bool], float] = float,
        shown: Callable[[int, bool], int] = lambda scene, is_near: HIT if is_near else MISS,
        blind: Sequence[int] = (),
        is_late: bool = False,
    ) -> None:
        self.num_decisions, self.pays, self.shown = num_decisions, pays, shown
        self.blind, self.is_late = blind, is_late
        self.scenes: list[int] = []
        self.actions: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.scene = int(options["index"])
        self.scenes.append(self.scene)
        self.point = np.random.default_rng(self.scene).uniform(-1, 1, 1).astype(np.float32)
        self.num_steps, self.is_near = 0, True
        return self._observe(), {"task": "reach the point"}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert np.isfinite(action).all()
        self.actions.append(np.array(action))
        self.num_steps += 1
        self.is_near &= bool(abs(action[0] - self.point[0]) < NEAR)
        is_over = self.num_steps == self.num_decisions
        info = {"score": 5 if self.pays(self.is_near) else 1, "is_near": self.is_near}
        reward = self.pays(self.is_near) if is_over else 0.0
        return self._observe(), reward, is_over and not self.is_late, is_over and self.is_late, info

    def render(self) -> Any:
        is_over = self.num_steps == self.num_decisions
        value = self.shown(self.scene, self.is_near) if is_over else 0
        return np.full((4, 4, 3), value, np.uint8)

    def _observe(self) -> Any:
        is_blind = self.scene in self.blind and self.num_steps == self.num_decisions - 1
        return np.full(1, np.nan, np.float32) if is_blind else self.point


class Onlooker:
    """A reward model: 5 for a picture as bright as a hit, 1 for that of a miss, no score for any other."""

    name, revision, frame_policy = "onlooker", "v1", ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset()

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        return [self._answer(int(query.sample.frames_THWC[-1, 0, 0, 0])) for query in queries]

    def _answer(self, brightness: int) -> Verdict:
        if brightness in (HIT, MISS):
            return Verdict.scored(5 if brightness == HIT else 1)
        return Verdict.without_score("abstained" if brightness == 1 else "refused", "too dark")


def watched(env: Reach) -> gym.Env[Any, Any]:
    return RewardModelWrapper(env, model=Onlooker(), on_error="drop")


@pytest.fixture(scope="module")
def base() -> FlowPolicy:
    """A policy that acts at random, whatever it sees."""
    rng = np.random.default_rng(0)
    seen, done = rng.uniform(-1, 1, (2000, 1)), rng.normal(size=(2000, 1))
    return clone(Demonstrations(seen.astype(np.float32), done.astype(np.float32)), steps=200)


def success(choose: Callable[[Any], Any], *, num: int = 150, num_decisions: int = 1) -> float:
    """Share of new scenes in which all actions are near the point."""
    env = Reach(num_decisions)
    return float(np.mean([play(env, choose, index=50_000 + i)[2]["is_near"] for i in range(num)]))


def test_success_rises_from_the_base_policys_to_nearly_always(base: FlowPolicy) -> None:
    steering = Steering(base, seed=0)
    assert 0.12 < success(steering.draw) < 0.4
    history = steering.train(Reach(), first_index=0, budget=ENOUGH)
    assert success(steering.choose) > 0.85
    assert 0.12 < success(steering.draw) < 0.4
    assert np.mean(history.rewards[-40:]) > 0.7 > 0.4 > np.mean(history.rewards[:50])  # type: ignore[arg-type]


def test_two_decisions_are_learned_from_one_reward(base: FlowPolicy) -> None:
    steering = Steering(base, seed=0)
    assert success(steering.draw, num_decisions=2) < 0.15
    budget = SteeringBudget(num_episodes=200, num_random=80, num_updates=8)
    steering.train(Reach(2), first_index=0, budget=budget)
    assert success(steering.choose, num_decisions=2) > 0.6
    assert len(steering.critic) == 400


def test_the_reward_models_opinion_is_learned_and_never_the_environments(base: FlowPolicy) -> None:
    """The environment pays, and gives a score of 5, for everything that the reward model calls a miss."""
    env = Reach(pays=lambda is_near: float(not is_near))
    steering = Steering(base, seed=0)
    history = steering.train(watched(env), first_index=0, budget=ENOUGH)
    assert success(steering.choose) > 0.85
    told = [info["reward_model"]["reward"] for info in history.infos]
    assert history.rewards == told
    assert all(
        a + b == 1 for a, b in zip(told, (i["env_reward"] for i in history.infos), strict=True)
    )


def test_what_the_environment_says_beside_the_reward_changes_nothing(base: FlowPolicy) -> None:
    found = []
    for pays in (float, lambda is_near: -7.0):
        steering = Steering(base, seed=0)
        history = steering.train(watched(Reach(pays=pays)), first_index=0, budget=SHORT)
        found.append((history.rewards, steering.choose(np.zeros(1, np.float32)).tolist()))
    assert found[0] == found[1]


def test_episodes_without_a_reward_are_counted_by_status_and_never_learned(
    base: FlowPolicy,
) -> None:
    def shown(scene: int, is_near: bool) -> int:
        # Every third scene is too dark for a score; of these, every second in another way.
        return (HIT if is_near else MISS) if scene % 3 else 1 + scene % 2

    steering = Steering(base, seed=0)
    history = steering.train(watched(Reach(shown=shown)), first_index=0, budget=SHORT)
    assert history.dropped == {"abstained": 5, "refused": 5}
    assert [n for n, reward in enumerate(history.rewards) if reward is None] == [*range(0, 30, 3)]
    assert len(steering.critic) == 20
    assert len(history.infos) == len(history.rewards) == 30


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_an_environments_own_reward_that_is_no_number_is_dropped_too(
    reward: float, base: FlowPolicy
) -> None:
    env = Reach(pays=lambda is_near: 1.0 if is_near else reward)
    steering = Steering(base, seed=0)
    history = steering.train(env, first_index=0, budget=SHORT)
    num_missed = sum(not info["is_near"] for info in history.infos)
    assert history.dropped == {"not_finite": num_missed}
    assert 0 < num_missed < 30
    assert history.rewards.count(None) == num_missed
    assert len(steering.critic) == 30 - num_missed


def test_what_happens_in_a_dropped_episode_changes_nothing(base: FlowPolicy) -> None:
    chosen = []
    for is_late in (False, True):
        dark = Reach(shown=lambda scene, is_near: (HIT if is_near else MISS) if scene < 20 else 1)
        dark.is_late = is_late
        dark.pays = lambda is_near, late=is_late: float(late)
        steering = Steering(base, seed=0)
        steering.train(watched(dark), first_index=0, budget=SHORT)
        assert len(steering.critic) == 20
        chosen.append(steering.choose(np.zeros(1, np.float32)).tolist())
    assert chosen[0] == chosen[1]


def test_a_model_that_never_answers_leaves_the_base_policy_as_it_is(base: FlowPolicy) -> None:
    steering = Steering(base, seed=0)
    env = Reach(shown=lambda scene, is_near: 1)
    history = steering.train(watched(env), first_index=0, budget=SHORT)
    assert history.dropped == {"abstained": 30}
    assert history.rewards == [None] * 30
    assert len(steering.critic) == 0
    # A critic that knows nothing would still prefer something: the same end of the range each time.
    seen = np.zeros(1, np.float32)
    chosen = np.array([steering.choose(seen) for _ in range(300)])
    drawn = np.array([steering.draw(seen) for _ in range(300)])
    assert chosen.mean() == pytest.approx(drawn.mean(), abs=0.25)
    assert chosen.std() == pytest.approx(drawn.std(), abs=0.2)


@pytest.mark.parametrize("is_watched", [False, True])
@pytest.mark.parametrize("num_decisions", [1, 2])
def test_an_action_that_is_not_finite_stops_the_episode_and_is_counted(
    is_watched: bool, num_decisions: int, base: FlowPolicy
) -> None:
    env = Reach(num_decisions, blind=(3, 12, 13, 29))
    steering = Steering(base, seed=0)
    wrapped = watched(env) if is_watched else env
    history = steering.train(wrapped, first_index=0, budget=SHORT)
    assert history.dropped == {BAD_ACTION: 4}
    assert [n for n, reward in enumerate(history.rewards) if reward is None] == [3, 12, 13, 29]
    assert [n for n, info in enumerate(history.infos) if not info] == [3, 12, 13, 29]
    # The first decision of two was carried out, and is not learned from either.
    assert len(env.actions) == 30 * num_decisions - 4
    assert len(steering.critic) == 26 * num_decisions
    assert np.isfinite(steering.choose(np.zeros(1, np.float32))).all()


def test_a_policy_that_only_gives_nan_is_stopped_each_time(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    shown = rng.normal(size=(10, 1)).astype(np.float32)
    broken = clone(Demonstrations(shown, shown * np.float32(np.nan)), steps=1)
    env = Reach()
    history = Steering(broken, seed=0).train(env, first_index=0, budget=SHORT)
    assert history.dropped == {BAD_ACTION: 30}
    assert env.actions == []


def test_an_environment_without_an_end_is_an_error(
    base: FlowPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_DECISIONS", 20)
    steering = Steering(base, seed=0)
    assert play(Reach(20), steering.draw, index=0)[2]
    with pytest.raises(UsageError, match=r"did not end within 20 steps\. Give it a time limit"):
        steering.train(Reach(21), first_index=0, budget=SHORT)


def test_an_episode_that_is_cut_off_has_ended(base: FlowPolicy) -> None:
    decisions, total, info = play(Reach(2, is_late=True), lambda seen: seen, index=0)
    assert (len(decisions), total, info["is_near"]) == (2, 1.0, True)


def test_the_reward_of_an_episode_is_the_sum_of_its_steps() -> None:
    class Paying(Reach):
        def step(self, action: Any) -> Any:
            seen, _, *rest = super().step(action)
            return seen, 0.25 * self.num_steps, *rest

    decisions, total, _ = play(Paying(3), lambda seen: seen + 1, index=4)
    assert total == 0.25 * (1 + 2 + 3)
    assert [(done - seen).tolist() for seen, done in decisions] == [[1.0]] * 3


def test_the_same_seed_is_the_same_history_and_another_seed_another(base: FlowPolicy) -> None:
    def run(seed: int) -> tuple[History, list[Any], float]:
        env = Reach()
        steering = Steering(base, seed=seed)
        history = steering.train(watched(env), first_index=7, budget=SHORT)
        return history, env.actions, float(steering.choose(np.zeros(1, np.float32))[0])

    (one, acted, chosen), (same, acted_again, chosen_again), (other, acted_otherwise, _) = (
        run(seed) for seed in (0, 0, 1)
    )
    torch.rand(5)  # somebody else draws
    assert one.rewards == same.rewards
    assert np.array_equal(acted, acted_again)
    assert chosen == chosen_again
    assert not np.array_equal(acted, acted_otherwise)
    assert len(other.rewards) == 30


def test_scenes_come_in_order_each_once(base: FlowPolicy) -> None:
    env = Reach()
    history = Steering(base, seed=0).train(env, first_index=40, budget=SHORT)
    assert env.scenes == list(range(40, 70))
    assert len(history.infos) == 30


def test_the_first_episodes_are_played_as_the_base_policy_plays_and_the_others_not(
    base: FlowPolicy,
) -> None:
    env, same = Reach(), Reach()
    Steering(base, seed=3).train(env, first_index=0, budget=SHORT)
    untrained = Steering(base, seed=3)
    for index in range(30):
        play(same, untrained.draw, index=index)
    acted, drawn = np.array(env.actions), np.array(same.actions)
    # Heads are drawn from the same generator, only once the random episodes are over.
    assert np.array_equal(acted[:10], drawn[:10])
    assert not np.isclose(acted[10:], drawn[10:]).any()


def test_learning_starts_after_the_random_episodes_and_makes_up_for_them(
    base: FlowPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    steering = Steering(base, seed=0)
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr(
        steering.critic, "update", lambda num: steps.append((len(steering.critic), num))
    )
    steering.train(Reach(), first_index=0, budget=SHORT)
    assert steps == [(10, 20), *((number, 2) for number in range(11, 31))]
