"""Steering a frozen generative policy through its noise, from one reward an episode. Needs torch.

The idea is that of DSRL (Wagenmaker et al., "Steering Your Diffusion Policy with Latent Space Reinforcement Learning",
2025): the policy stays as it is, and reinforcement learning chooses the noise that it starts from. Any noise that is
likely under a Gaussian gives an action that the policy could have taken anyway, so exploration stays sensible. Here the
learner is small: a critic, and the best of a number of noise samples.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import gymnasium as gym
import numpy as np

from roboreward.core import UsageError
from roboreward.rl.critic import NUM_HEADS, Critic
from roboreward.rl.demonstrations import F32
from roboreward.rl.flow import FlowPolicy

NUM_SAMPLES: Final = 48
"""Noise samples to choose from at each decision."""
BAD_ACTION: Final = "bad_action"
NOT_FINITE: Final = "not_finite"
_MOST_DECISIONS: Final = 10_000

Choose = Callable[[F32], F32]
"""From an observation to an action."""
Decisions = list[tuple[F32, F32]]
"""Observations and the actions taken."""


@dataclass(frozen=True)
class SteeringBudget:
    """How long to learn.

    Attributes:
        num_episodes: Training episodes.
        num_random: Of these, the first ones, in which noise is drawn as the base policy draws it.
        num_updates: Gradient steps an episode, once it is no longer drawn.
    """

    num_episodes: int
    num_random: int
    num_updates: int


@dataclass
class History:
    """What happened in training, an entry an episode.

    Attributes:
        infos: The environment's last info; empty for an episode that was stopped.
        rewards: What the learner was given, None when the episode was dropped.
        dropped: Why, counted: the status of the verdict, "bad_action" for an action, and "not_finite" for a reward of
            the environment itself, that is no finite number.
    """

    infos: list[dict[str, Any]] = field(default_factory=list)
    rewards: list[float | None] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


class Steering:
    """A frozen policy with a critic that chooses its noise.

    Args:
        policy: The frozen policy.
        seed: Of critic and exploration.
    """

    def __init__(self, policy: FlowPolicy, *, seed: int) -> None:
        self.policy = policy
        self._rng = np.random.default_rng([seed, 11])
        self.critic = Critic(num_seen=policy.num_seen, num_done=policy.num_done, seed=seed)

    def train(
        self,
        env: gym.Env[F32, F32],
        *,
        first_index: int,
        budget: SteeringBudget,
    ) -> History:
        """Play and learn. Of an episode the learner gets observations, actions and the final reward, nothing else.

        An episode whose reward is not a finite number, or in which the policy gave an action that is not finite, is
        left out of learning and counted.

        Args:
            env: The environment; scene number n is asked for with `options={"index": n}`.
            first_index: Scene of the first episode; then one after the other.
            budget: How long.
        """
        history = History()
        for number in range(budget.num_episodes):
            is_random = number < budget.num_random
            choose = self.draw if is_random else self._by(int(self._rng.integers(NUM_HEADS)))
            self._learn(history, *play(env, choose, index=first_index + number))
            if number + 1 >= budget.num_random:
                is_first = number + 1 == budget.num_random
                self.critic.update(budget.num_updates * (budget.num_random if is_first else 1))
        return history

    def draw(self, seen_S: F32) -> F32:
        """Return an action as the base policy takes it: from noise as it comes."""
        noise = self._rng.standard_normal((1, self.policy.num_done), np.float32)
        action: F32 = self.policy.actions(seen_S, noise)[0]
        return action

    def choose(self, seen_S: F32) -> F32:
        """Return the action that promises most by the mean of the heads: the policy that was learned.

        As long as nothing was learned it is the base policy.
        """
        return self._by(None)(seen_S)

    def _by(self, head: int | None) -> Choose:
        def choose(seen_S: F32) -> F32:
            if len(self.critic) == 0:
                return self.draw(seen_S)
            noises = self._rng.standard_normal((NUM_SAMPLES, self.policy.num_done), np.float32)
            actions = self.policy.actions(seen_S, noises)
            chosen: F32 = actions[self.critic.best(seen_S, actions, head=head)]
            return chosen

        return choose

    def _learn(
        self, history: History, decisions: Decisions, reward: float, info: dict[str, Any]
    ) -> None:
        history.infos.append(info)
        if math.isfinite(reward):
            history.rewards.append(reward)
            self.critic.add(decisions, reward)
            return
        history.rewards.append(None)
        verdict = info.get("reward_model")
        why = BAD_ACTION if not info else NOT_FINITE
        history.dropped[why if verdict is None else str(verdict["status"])] += 1


def play(
    env: gym.Env[F32, F32], choose: Choose, *, index: int
) -> tuple[Decisions, float, dict[str, Any]]:
    """Play one episode.

    Returns:
        The decisions; the sum of rewards, NaN when the episode was stopped at an action that is not finite; the last
        info, empty when stopped.

    Raises:
        UsageError: The environment does not end.
    """
    seen, _ = env.reset(options={"index": index})
    decisions: Decisions = []
    total = 0.0
    while len(decisions) < _MOST_DECISIONS:
        action = choose(seen)
        if not np.isfinite(action).all():
            return decisions, math.nan, {}
        decisions.append((seen, action))
        seen, reward, is_done, is_late, info = env.step(action)
        total += float(reward)
        if is_done or is_late:
            return decisions, total, info
    raise UsageError(
        f"The environment did not end within {_MOST_DECISIONS:,} steps. Give it a time limit."
    )
