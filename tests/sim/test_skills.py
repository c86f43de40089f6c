"""The tabletop in one decision or four: what the actions mean, what is seen, what is refused."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from roboreward.core import UnknownName, UsageError
from roboreward.sim import ACTION_M, SkillEnv
from roboreward.sim.layout import object_combos
from roboreward.sim.phrasing import HELD_OUT_PHRASINGS, TRAINING_PHRASINGS
from roboreward.sim.skills import EPISODE_S, LIMIT
from roboreward.sim.splits import HELD_OUT_OBJECTS, HELD_OUT_RECEPTACLES

# 6 mm above resting, as the demonstrators open the fingers.
IDEAL = {
    1: ((0, 0, 0, 0, 0, 0.06),),
    4: ((0, 0, 1.2, -1), (0, 0, 0, 1), (0, 0, 1.2, 1), (0, 0, 0.06, -1)),
}
BOTH = pytest.mark.parametrize("num_decisions", [1, 4])
END = tuple[Any, float, bool, bool, dict[str, Any]]


def play(env: SkillEnv, index: int, actions: Sequence[Sequence[float]] | None = None) -> list[END]:
    """Play one episode and return what each step returned; the ideal one without actions."""
    env.reset(options={"index": index})
    chosen = IDEAL[env.num_decisions] if actions is None else actions
    return [env.step(np.array(action, np.float32)) for action in chosen]


@pytest.fixture
def env_id() -> Iterator[str]:
    """A name for `gymnasium.make`: only with one does Gymnasium's checker try render modes."""
    name = "roboreward-tests/Skills-v0"
    gym.register(name, entry_point="roboreward.sim:SkillEnv")
    yield name
    del gym.registry[name]


@BOTH
# An action of 1 is 10 cm, whose size shows what a policy means; that is more than the checker recommends.
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized space")
def test_gymnasiums_own_checker_finds_nothing_else(num_decisions: int, env_id: str) -> None:
    settings = {"num_decisions": num_decisions, "size_px": 24, "render_mode": "rgb_array"}
    check_env(gym.make(env_id, **settings).unwrapped)


@BOTH
def test_ideal_actions_are_a_full_success_on_every_scene(num_decisions: Any) -> None:
    env = SkillEnv(split="test", num_decisions=num_decisions)
    for index in range(10):
        steps = play(env, index)
        _, reward, is_done, is_late, info = steps[-1]
        assert (info["score"], info["is_success"], reward) == (5, True, 1.0), info["reason"]
        assert (is_done, is_late) == (True, False)
        assert [step[1:4] for step in steps[:-1]] == [(0.0, False, False)] * (num_decisions - 1)


def test_a_grasp_beside_the_subject_is_no_success() -> None:
    env = SkillEnv(split="test")
    for index in range(10):
        missed = (0.2 / ACTION_M, *IDEAL[1][0][1:])
        ((_, reward, is_done, _, info),) = play(env, index, [missed])
        assert (reward, info["is_success"], is_done) == (0.0, False, True)
        assert info["score"] < 5


def test_one_unit_of_an_action_is_ten_centimetres_where_the_object_is_put() -> None:
    env = SkillEnv(split="test")
    for index in range(20):
        env.reset(options={"index": index})
        target = env.start.receptacles_xyz[env.task.target, :2]
        away = np.sign(-target) * 0.13  # towards the middle, so within reach
        ((*_, info),) = play(env, index, [(0, 0, 0, *(away / ACTION_M), 0.06)])
        lies = env.attempt.state.objects_xyz[env.task.subject, :2]
        if info["score"] > 1 and "another object" not in info["reason"]:
            assert np.abs(lies - (target + away)).max() < 0.04
            return
    pytest.fail("the object was never put beside its receptacle")


def test_fingers_that_are_to_open_below_resting_open_at_resting() -> None:
    env = SkillEnv(split="test")
    low, zero = (play(env, 3, [(0, 0, 0, 0, 0, height)])[0] for height in (-0.1, 0.0))
    assert np.array_equal(low[0], zero[0])
    assert low[4] == zero[4]
    assert zero[4]["score"] == 5


def test_four_decisions_that_keep_the_fingers_closed_leave_the_object_held() -> None:
    env = SkillEnv(split="test", num_decisions=4)
    chunks = (*IDEAL[4][:3], (0, 0, 0.3, 1))
    *_, (_, reward, is_done, _, info) = play(env, 0, chunks)
    assert env.attempt.state.held == env.task.subject
    assert (info["score"], reward, is_done) == (4, 0.0, True)


def test_a_chunk_closes_the_fingers_only_once_it_is_there() -> None:
    env = SkillEnv(split="test", num_decisions=4)
    env.reset(options={"index": 1})
    env.step(np.array(IDEAL[4][0], np.float32))
    assert env.attempt.state.opening_m > 0.05
    assert env.attempt.state.held == -1
    subject = env.start.objects_xyz[env.task.subject]
    above = env.attempt.state.gripper_xyz - subject
    assert np.abs(above - (0, 0, 0.12)).max() < 0.02
    env.step(np.array(IDEAL[4][1], np.float32))
    assert env.attempt.state.held == env.task.subject
    for index in range(5):
        # From above in one go: fingers that closed on the way would hold the object by its top.
        env.reset(options={"index": index})
        env.step(np.array((0, 0, 0, 1), np.float32))
        now = env.attempt.state
        assert now.held == env.task.subject
        assert np.abs(now.gripper_xyz - now.objects_xyz[env.task.subject]).max() < 0.005


@BOTH
@pytest.mark.parametrize("has_levels", [False, True])
def test_the_reward_is_success_or_progress(num_decisions: Any, has_levels: bool) -> None:
    env = SkillEnv(split="test", num_decisions=num_decisions, has_levels=has_levels)
    found = set()
    for index in range(12):
        # Stops short of the receptacle, by more from scene to scene.
        actions = [list(action) for action in IDEAL[num_decisions]]
        env.reset(options={"index": index})
        way = env.start.objects_xyz[env.task.subject] - env.start.receptacles_xyz[env.task.target]
        at = slice(3, 5) if num_decisions == 1 else slice(0, 2)
        for action in actions[-2:]:
            action[at] = list(way[:2] / ACTION_M * index / 11)
        *_, (_, reward, _, _, info) = play(env, index, actions)
        expected = (info["score"] - 1) / 4 if has_levels else float(info["score"] == 5)
        assert reward == expected
        found.add(info["score"])
    assert len(found) >= 3


@BOTH
def test_the_same_index_is_the_same_episode_whatever_was_played_before(num_decisions: Any) -> None:
    fresh = SkillEnv(split="test", num_decisions=num_decisions)
    used = SkillEnv(split="test", num_decisions=num_decisions)
    for before in range(3):
        play(used, before)
    used.reset(options={"index": 4})
    used.step(np.full(used.action_space.shape or (), 0.4, np.float32))
    first, info = fresh.reset(options={"index": 17})
    again, info_again = used.reset(seed=5, options={"index": 17})
    assert np.array_equal(first, again)
    assert info == info_again
    assert (fresh.layout, fresh.task) == (used.layout, used.task)
    rough = [np.array(action, np.float32) + 0.2 for action in IDEAL[num_decisions]]
    for action in rough:
        (seen, *rest), (seen_again, *rest_again) = fresh.step(action), used.step(action)
        assert np.array_equal(seen, seen_again)
        assert rest == rest_again


def test_another_index_another_scene_and_a_seed_draws_the_index() -> None:
    env = SkillEnv()
    assert not np.array_equal(
        env.reset(options={"index": 0})[0], env.reset(options={"index": 1})[0]
    )
    one, two = env.reset(seed=3), env.reset()
    assert not np.array_equal(one[0], two[0])
    again = SkillEnv().reset(seed=3)
    assert np.array_equal(one[0], again[0])
    assert one[1] == again[1]


def test_the_observation_says_where_the_receptacle_is_seen_from_the_subject() -> None:
    env = SkillEnv(split="test")
    for index in range(5):
        seen, _ = env.reset(options={"index": index})
        subject = env.start.objects_xyz[env.task.subject, :2]
        there = env.start.receptacles_xyz[:, :2]
        assert seen[:2] * 0.2 == pytest.approx(subject, abs=1e-6)
        assert seen[2:4] * 0.2 + subject == pytest.approx(there[env.task.target], abs=1e-6)
        assert seen[4:6] * 0.2 + subject == pytest.approx(there[1 - env.task.target], abs=1e-6)
        beside = env.start.objects_xyz[env.other, :2]
        assert seen[6:8] * 0.2 + subject == pytest.approx(beside, abs=1e-6)
        ways = np.linalg.norm(env.start.objects_xyz[:, :2] - subject, axis=1)
        assert env.other == np.argsort(ways)[1]


def test_with_four_decisions_the_observation_says_what_is_held_and_how_far_it_is() -> None:
    env = SkillEnv(split="test", num_decisions=4)
    first, _ = env.reset(options={"index": 2})
    steps = play(env, 2)
    assert first.shape == (15,)
    assert [first[-1], *(step[0][-1] for step in steps)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [step[0][-2] for step in steps] == [0.0, 1.0, 1.0, 0.0]


@BOTH
@pytest.mark.parametrize("bad", ["nan", "infinite", "short", "nested"])
def test_an_action_that_is_none_is_refused_and_changes_nothing(
    num_decisions: Any, bad: str
) -> None:
    env = SkillEnv(split="test", num_decisions=num_decisions)
    env.reset(options={"index": 0})
    action = np.zeros(env.action_space.shape or (), np.float32)
    if bad in ("nan", "infinite"):
        action[1] = {"nan": np.nan, "infinite": -np.inf}[bad]
    else:
        action = action[:-1] if bad == "short" else action[None]
    with pytest.raises(UsageError, match="finite numbers"):
        env.step(action)
    ideal = [env.step(np.array(a, np.float32)) for a in IDEAL[num_decisions]]
    assert ideal[-1][4]["score"] == 5


@BOTH
def test_a_step_after_the_end_is_refused(num_decisions: Any) -> None:
    env = SkillEnv(num_decisions=num_decisions)
    play(env, 0)
    with pytest.raises(UsageError, match="has ended; call reset"):
        env.step(np.zeros(env.action_space.shape or (), np.float32))


def test_an_action_beyond_its_limits_is_cut_to_them() -> None:
    env = SkillEnv(split="test")
    far, limit = (play(env, 1, [(0, 0, 0, way, 0, 0.06)])[0] for way in (1e6, LIMIT))
    assert np.array_equal(far[0], limit[0])
    assert far[1:] == limit[1:]


@BOTH
def test_pictures_have_the_size_that_was_asked_for(num_decisions: Any) -> None:
    env = SkillEnv(num_decisions=num_decisions, size_px=20, render_mode="rgb_array")
    play(env, 0)
    picture = env.render()
    assert picture is not None
    assert (picture.dtype, picture.shape) == (np.uint8, (20, 20, 3))
    frames = env.frames(3)
    assert (frames.dtype, frames.shape) == (np.uint8, (3, 20, 20, 3))
    assert np.array_equal(frames[-1], picture)
    assert SkillEnv().render() is None
    assert env.metadata["render_fps"] == num_decisions / EPISODE_S


def test_looking_in_the_middle_does_not_change_the_end() -> None:
    plain, watched = (SkillEnv(num_decisions=4, size_px=16) for _ in range(2))
    for env in (plain, watched):
        env.reset(options={"index": 8})
    for action in IDEAL[4]:
        unseen = plain.step(np.array(action, np.float32))
        seen = watched.step(np.array(action, np.float32))
        watched.frames(4)
        assert np.array_equal(unseen[0], seen[0])
        assert unseen[1:] == seen[1:]


def test_two_environments_do_not_disturb_each_other() -> None:
    one, two = SkillEnv(num_decisions=4), SkillEnv(num_decisions=4)
    alone = play(SkillEnv(num_decisions=4), 5)
    one.reset(options={"index": 5})
    two.reset(options={"index": 6})
    for action, expected in zip(IDEAL[4], alone, strict=True):
        found = one.step(np.array(action, np.float32))
        two.step(np.array(action, np.float32))
        assert np.array_equal(found[0], expected[0])
        assert found[1:] == expected[1:]


def test_held_out_looks_and_wordings_stay_in_their_splits() -> None:
    held_out = HELD_OUT_OBJECTS | HELD_OUT_RECEPTACLES
    starts = {
        name: {words.partition("{")[0] for table in phrasings.values() for words in table}
        for name, phrasings in (("usual", TRAINING_PHRASINGS), ("new", HELD_OUT_PHRASINGS))
    }
    for split, is_novel in (("train", False), ("test", False), ("test-combos", True)):
        env = SkillEnv(split=cast(Any, split))
        for index in range(40):
            _, info = env.reset(options={"index": index})
            assert bool(object_combos(env.layout) & held_out) == is_novel
            assert info["task"].startswith(tuple(starts["usual"]))
            assert env.task.relation == "put"
    env = SkillEnv(split="test-phrasing")
    for index in range(40):
        assert env.reset(options={"index": index})[1]["task"].startswith(tuple(starts["new"]))


def test_the_task_names_what_is_scored() -> None:
    env = SkillEnv(split="test")
    for index in range(20):
        _, info = env.reset(options={"index": index})
        assert env.layout.objects[env.task.subject].name in info["task"]
        assert env.layout.receptacles[env.task.target].name in info["task"]


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="rgb_array"):
        SkillEnv(render_mode="human")
    with pytest.raises(UsageError, match="1 or 4"):
        SkillEnv(num_decisions=cast(Any, 2))
    with pytest.raises(UnknownName, match="test-combos"):
        SkillEnv(split=cast(Any, "test-combo"))
