"""Demonstrations of mixed quality: as many good ones as stated, and mistakes that are what their name says."""

from collections import Counter
from typing import Any, cast, get_args

import numpy as np
import pytest

from roboreward.core import UnknownName
from roboreward.rl import BASES, check_base, demonstrate
from roboreward.rl import demonstrations as module
from roboreward.rl.demonstrations import WAYS, Base, Way, decisions
from roboreward.sim import ACTION_M, SkillEnv

BOTH = pytest.mark.parametrize("num_decisions", [1, 4])
EVERY_BASE = pytest.mark.parametrize("base", BASES)
NUM_SCENES = 20


@pytest.fixture(scope="module")
def envs() -> dict[int, SkillEnv]:
    return {num: SkillEnv(split="train", num_decisions=num) for num in (1, 4)}


def aims_of(env: SkillEnv, way: Way, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the fingers close and where they open on a scene, xyz in metres on the table, from the actions alone."""
    env.reset(options={"index": index})
    actions = decisions(env, way, rng=np.random.default_rng([index, 9]))
    if env.num_decisions == 1:
        grasp, place = actions[0][:3], actions[0][3:]
    else:
        grasp, place = actions[1][:3], actions[3][:3]
    start, task = env.start, env.task
    target = start.receptacles_xyz[task.target].copy()
    target[2] = env.layout.receptacles[task.target].size.floor
    target[2] += env.layout.objects[task.subject].half_height_m
    return start.objects_xyz[task.subject] + ACTION_M * grasp, target + ACTION_M * place


def away(point: np.ndarray, place: np.ndarray) -> float:
    return float(np.linalg.norm((point - place)[:2]))


@EVERY_BASE
def test_the_shares_of_the_ways_add_up_and_leave_much_to_learn(base: Base) -> None:
    assert sum(WAYS[base].values()) == pytest.approx(1)
    assert 0.3 <= WAYS[base]["good"] <= 0.55
    assert {way for ways in WAYS.values() for way in ways} == set(get_args(Way))


@EVERY_BASE
def test_demonstrators_go_each_way_as_often_as_is_stated(
    base: Base, envs: dict[int, SkillEnv], monkeypatch: pytest.MonkeyPatch
) -> None:
    went: Counter[str] = Counter()

    def counted(env: SkillEnv, way: Way, **settings: Any) -> Any:
        went[way] += 1
        return decisions(env, way, **settings)

    monkeypatch.setattr(module, "decisions", counted)
    demonstrate(envs[1], base=base, num=1000, first_index=0)
    assert set(went) == set(WAYS[base])
    for way, share in WAYS[base].items():
        # Four deviations of a share among 1,000.
        assert abs(went[way] / 1000 - share) < 4 * (share * (1 - share) / 1000) ** 0.5


@BOTH
def test_a_good_one_aims_at_the_subject_and_into_the_receptacle(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "good", index)
        assert np.linalg.norm(grasp - env.start.objects_xyz[env.task.subject]) < 0.02
        assert away(place, env.start.receptacles_xyz[env.task.target]) < 0.05
        receptacle = env.layout.receptacles[env.task.target]
        rest = receptacle.size.floor + env.layout.objects[env.task.subject].half_height_m
        assert 0.003 <= place[2] - rest + 1e-6 <= 0.0121


@BOTH
def test_a_missed_one_closes_beside_the_subject(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "missed", index)
        assert 0.03 < away(grasp, env.start.objects_xyz[env.task.subject]) < 0.09
        assert away(place, env.start.receptacles_xyz[env.task.target]) < 0.05


@BOTH
def test_a_short_one_opens_on_the_way(num_decisions: int, envs: dict[int, SkillEnv]) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "short", index)
        subject = env.start.objects_xyz[env.task.subject]
        way = (env.start.receptacles_xyz[env.task.target] - subject)[:2]
        assert away(grasp, subject) < 0.02
        along = float((place - subject)[:2] @ way / (way @ way))
        beside = float(np.linalg.norm((place - subject)[:2] - along * way))
        assert 0.1 < along < 0.8
        assert beside < 0.05


@BOTH
def test_one_that_uses_the_other_receptacle_opens_over_it(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "other-receptacle", index)
        assert away(grasp, env.start.objects_xyz[env.task.subject]) < 0.02
        assert away(place, env.start.receptacles_xyz[1 - env.task.target]) < 0.05


@BOTH
def test_a_near_miss_opens_over_the_rim_or_just_beyond_it(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "rim", index)
        assert away(grasp, env.start.objects_xyz[env.task.subject]) < 0.02
        assert 0.03 < away(place, env.start.receptacles_xyz[env.task.target]) < 0.16


@BOTH
def test_one_that_takes_the_wrong_object_closes_at_the_neighbour(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    for index in range(NUM_SCENES):
        grasp, place = aims_of(env, "wrong-object", index)
        assert env.other != env.task.subject
        assert np.linalg.norm(grasp - env.start.objects_xyz[env.other]) < 0.02
        assert away(place, env.start.receptacles_xyz[env.task.target]) < 0.05


@BOTH
def test_what_comes_of_each_way_is_what_it_means(
    num_decisions: int, envs: dict[int, SkillEnv]
) -> None:
    env = envs[num_decisions]
    successes: Counter[str] = Counter()
    num_wrong_moved = 0
    for way in get_args(Way):
        for index in range(10):
            env.reset(options={"index": index})
            rng = np.random.default_rng([index, 3])
            info: dict[str, Any] = {}
            for action in decisions(env, way, rng=rng):
                *_, info = env.step(action)
            successes[way] += info["is_success"]
            if way == "wrong-object":
                end = env.attempt.state.objects_xyz[env.other]
                num_wrong_moved += away(end, env.start.receptacles_xyz[env.task.target]) < 0.06
    assert successes["good"] >= 9
    assert max(successes[way] for way in get_args(Way) if way != "good") <= 2
    assert num_wrong_moved >= 8


def test_four_decisions_give_four_rows_an_episode_as_the_scene_was_then(
    envs: dict[int, SkillEnv],
) -> None:
    one = demonstrate(envs[1], base="imprecise", num=3, first_index=5)
    assert (one.seen.shape, one.done.shape) == ((3, 10), (3, 6))
    four = demonstrate(envs[4], base="imprecise", num=3, first_index=5)
    assert (four.seen.shape, four.done.shape) == ((12, 15), (12, 4))
    for found in (one, four):
        assert (found.seen.dtype, found.done.dtype) == (np.float32, np.float32)
    assert four.seen[:, -1].tolist() == [0.0, 0.25, 0.5, 0.75] * 3
    assert four.done[:, 3].tolist() == [-1.0, 1.0, 1.0, -1.0] * 3
    # The scenes are the same: of the start, both see the same.
    assert np.array_equal(four.seen[::4, :10], one.seen)


def test_demonstrations_depend_on_the_scene_and_on_nothing_else(envs: dict[int, SkillEnv]) -> None:
    env = envs[1]
    long = demonstrate(env, base="near-miss", num=6, first_index=100)
    late = demonstrate(env, base="near-miss", num=2, first_index=103)
    assert np.array_equal(long.seen[3:5], late.seen)
    assert np.array_equal(long.done[3:5], late.done)
    other = demonstrate(env, base="wrong-object", num=6, first_index=100)
    assert np.array_equal(long.seen, other.seen)
    assert not np.array_equal(long.done, other.done)


@EVERY_BASE
def test_no_demonstrated_action_is_out_of_reach(base: Base, envs: dict[int, SkillEnv]) -> None:
    found = demonstrate(envs[1], base=base, num=200, first_index=0)
    assert np.abs(found.done).max() < envs[1].action_space.high.max()
    assert np.abs(found.seen).max() < 5


def test_an_unknown_base_is_refused_with_the_nearest_name(envs: dict[int, SkillEnv]) -> None:
    assert [check_base(base) for base in BASES] == list(BASES)
    with pytest.raises(UnknownName, match="Did you mean near-miss"):
        check_base("near-mis")
    with pytest.raises(UnknownName, match="Did you mean near-miss"):
        demonstrate(envs[1], base=cast(Any, "near-mis"), num=1, first_index=0)
