"""Infos of many environments are taken apart as Gymnasium puts them together."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from roboreward.rl.vector_infos import forget, has_key, info_of

FIRST: dict[str, Any] = {"task": "lift", "robot": {"mass": 2.0, "name": "arm"}, "stage": 3}
SECOND: dict[str, Any] = {"task": "push", "robot": {"mass": 5.0, "age": 1}, "pose": np.ones(3)}


class Pair(VectorEnv[Any, Any, Any]):
    """Only there for how Gymnasium puts infos together."""

    num_envs = 2


def _together(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    infos = Pair()._add_info({}, first, 0)
    return Pair()._add_info(infos, second, 1)


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in info.items()}


def test_each_environment_gets_its_own_info_back() -> None:
    infos = _together(FIRST, SECOND)
    assert _plain(info_of(infos, 0)) == FIRST
    assert _plain(info_of(infos, 1)) == SECOND | {"pose": [1.0, 1.0, 1.0]}


def test_a_key_is_there_for_those_whose_mask_says_so() -> None:
    infos = _together(FIRST, SECOND)
    assert [has_key(infos, "stage", i) for i in (0, 1)] == [True, False]
    assert [has_key(infos, "pose", i) for i in (0, 1)] == [False, True]
    assert not has_key(infos, "nothing", 0)


def test_what_has_no_mask_is_everybodys() -> None:
    infos = {"task": ["lift", "push"], "robot": "arm", "rate": 5, "_private": np.zeros(2)}
    assert info_of(infos, 1) == {"task": "push", "robot": "arm", "rate": 5, "_private": 0.0}


def test_a_forgotten_info_leaves_nothing_behind_a_new_one() -> None:
    infos = _together(FIRST, SECOND)
    forget(infos, 0)
    assert info_of(infos, 0) == {}
    Pair()._add_info(infos, {"task": "open", "robot": {"age": 7}}, 0)
    assert info_of(infos, 0) == {"task": "open", "robot": {"age": 7}}
    assert _plain(info_of(infos, 1)) == SECOND | {"pose": [1.0, 1.0, 1.0]}
