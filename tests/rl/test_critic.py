"""The critic: it learns which decision pays, and is unsure where it has seen little."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the rl extra is not installed")

from roboreward.rl.critic import NUM_HEADS, Critic  # noqa: E402

pytestmark = pytest.mark.torch

LEFT_RIGHT = np.array(((-0.5,), (0.5,)), np.float32)


def taught(num: int = 120, *, seed: int = 0, steps: int = 300, flip: float = 1.0) -> Critic:
    """A critic of episodes of one decision, in which the action on the side of the observation pays."""
    critic = Critic(num_seen=1, num_done=1, seed=seed)
    rng = np.random.default_rng(1)
    for _ in range(num):
        seen = rng.choice((-1.0, 1.0), size=1).astype(np.float32)
        done = LEFT_RIGHT[rng.integers(2)]
        critic.add([(seen, done)], float(flip * seen[0] * done[0] > 0))
    critic.update(steps)
    return critic


def preferred(critic: Critic, seen: float, actions: np.ndarray, head: int | None = None) -> float:
    return float(actions[critic.best(np.array([seen], np.float32), actions, head=head)][0])


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_it_learns_which_of_two_actions_pays_where(flip: float) -> None:
    critic = taught(flip=flip)
    for head in (None, *range(NUM_HEADS)):
        for seen in (-1.0, 1.0):
            assert preferred(critic, seen, LEFT_RIGHT, head) == pytest.approx(flip * 0.5 * seen)
            other_order = LEFT_RIGHT[::-1].copy()
            assert preferred(critic, seen, other_order, head) == pytest.approx(flip * 0.5 * seen)


def test_levels_between_are_learned_as_means() -> None:
    critic = Critic(num_seen=1, num_done=1, seed=0)
    rng = np.random.default_rng(0)
    seen = np.zeros(1, np.float32)
    # The right action pays 1 in two of three cases, the middle one always 0.5, the left one never.
    middle = np.array([0.0], np.float32)
    for _ in range(200):
        critic.add([(seen, LEFT_RIGHT[0])], 0.0)
        critic.add([(seen, middle)], 0.5)
        critic.add([(seen, LEFT_RIGHT[1])], float(rng.random() < 2 / 3))
    critic.update(300)
    assert preferred(critic, 0.0, np.stack([LEFT_RIGHT[0], middle])) == 0.0
    assert preferred(critic, 0.0, np.stack([LEFT_RIGHT[1], middle])) == 0.5


def test_every_decision_of_an_episode_is_worth_its_one_reward() -> None:
    critic = Critic(num_seen=1, num_done=1, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(120):
        side = rng.integers(2)
        episode = [(np.array([t], np.float32), LEFT_RIGHT[side]) for t in (0.0, 1.0)]
        critic.add(episode, float(side))
    assert len(critic) == 240
    critic.update(200)
    for time in (0.0, 1.0):
        assert preferred(critic, time, LEFT_RIGHT) == 0.5


def test_heads_differ_before_and_after_learning() -> None:
    rng = np.random.default_rng(2)
    actions = rng.normal(size=(300, 4)).astype(np.float32)
    places = rng.normal(size=(8, 2)).astype(np.float32)
    critic = Critic(num_seen=2, num_done=4, seed=0)
    for num_episodes in (0, 12):
        for row in range(num_episodes):
            critic.add([(places[row % 8], actions[row])], float(row % 2))
        critic.update(40)
        chosen = {
            tuple(critic.best(seen, actions, head=head) for seen in places)
            for head in range(NUM_HEADS)
        }
        assert len(chosen) >= 3


def test_without_anything_remembered_an_update_does_nothing() -> None:
    critic, untouched = (Critic(num_seen=1, num_done=1, seed=3) for _ in range(2))
    critic.update(50)
    assert len(critic) == 0
    # Neither weights nor the generator have moved: what follows is the same, too.
    for each in (critic, untouched):
        for number in range(8):
            each.add([(np.full(1, number, np.float32), LEFT_RIGHT[number % 2])], number / 8)
        each.update(3)
    assert weights_of(critic) == weights_of(untouched)


def test_an_episode_without_decisions_teaches_nothing() -> None:
    critic = Critic(num_seen=1, num_done=1, seed=0)
    critic.add([], 1.0)
    assert len(critic) == 0
    critic.update(2)


def test_the_same_seed_is_the_same_critic_and_another_seed_another() -> None:
    found = [weights_of(taught(num=10, steps=5, seed=seed)) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_torchs_global_generator_is_neither_used_nor_disturbed() -> None:
    torch.manual_seed(1)
    before = bytes(torch.get_rng_state().numpy())
    found = weights_of(taught(num=10, steps=5))
    assert bytes(torch.get_rng_state().numpy()) == before
    torch.rand(7)
    assert weights_of(taught(num=10, steps=5)) == found


def test_what_is_remembered_does_not_change_with_the_arrays_it_came_from() -> None:
    critic, other = (Critic(num_seen=1, num_done=1, seed=0) for _ in range(2))
    seen, done = np.ones(1, np.float32), np.ones(1, np.float32)
    for each in (critic, other):
        each.add([(seen.copy(), done.copy())] if each is other else [(seen, done)], 1.0)
    seen[:], done[:] = 9.0, 9.0
    for each in (critic, other):
        each.update(2)
    assert weights_of(critic) == weights_of(other)


def weights_of(critic: Critic) -> list[Any]:
    return [parameter.tolist() for parameter in critic._net.parameters()]
