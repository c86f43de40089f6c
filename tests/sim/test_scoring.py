"""The rule, on states made by hand: one row of each table is one picture an onlooker could see."""

from dataclasses import replace

import numpy as np
import pytest

from roboreward.sim import (
    Camera,
    Layout,
    Lighting,
    ObjectSpec,
    ReceptacleSpec,
    SceneState,
    Task,
    score_task,
)

HALF = 0.025
LAYOUT = Layout(
    objects=(
        ObjectSpec("red", "cube", HALF, (-0.15, 0.0), 0.0),
        ObjectSpec("blue", "cube", HALF, (0.15, 0.0), 0.0),
        ObjectSpec("green", "ball", HALF, (0.15, 0.15), 0.0),
        ObjectSpec("yellow", "ball", HALF, (-0.15, 0.15), 0.0),
    ),
    receptacles=(
        ReceptacleSpec("white", "bowl", (0.0, 0.1)),
        ReceptacleSpec("black", "box", (0.0, -0.1)),
    ),
    table_rgb=(0.5, 0.5, 0.5),
    camera=Camera((0.0, -0.6, 0.9), (0.0, 0.0, 0.0), 30.0),
    lighting=Lighting((0.0, 0.0, -1.0), 0.5, 0.5),
    park_side=1,
)
START = SceneState(
    objects_xyz=np.array([(*thing.xy, HALF) for thing in LAYOUT.objects]),
    receptacles_xyz=np.array([(*thing.xy, 0.0) for thing in LAYOUT.receptacles]),
    gripper_xyz=np.array((0.4, 0.0, 0.2)),
    opening_m=0.09,
    held=-1,
)
FLOOR = 0.006 + HALF


def _end(*places: tuple[int, tuple[float, float, float]], held: int = -1) -> SceneState:
    objects = START.objects_xyz.copy()
    for index, place in places:
        objects[index] = place
    return replace(START, objects_xyz=objects, held=held)


def _score(task: Task, end: SceneState) -> int:
    return score_task(task, LAYOUT, START, end).score


OTHER = (2, (0.15, 0.19, HALF))


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        (5, _end((0, (0.0, 0.1, FLOOR)))),
        (5, _end((0, (0.02, 0.12, FLOOR + 0.005)), (1, (0.15, 0.025, HALF)))),
        (4, _end((0, (0.0, 0.1, FLOOR)), held=0)),
        (4, _end((0, (0.0, 0.1, 0.15)), held=0)),
        (4, _end((0, (0.06, 0.1, 0.05)))),
        (4, _end((0, (0.03, 0.1, 0.055)))),
        (4, _end((0, (0.0, 0.1, FLOOR)), OTHER)),
        (3, _end((0, (0.0, 0.1, 0.15)), OTHER, held=0)),
        (3, _end((0, (-0.06, 0.055, HALF)))),
        (3, _end((0, (-0.15, 0.0, HALF + 0.05)), held=0)),
        (2, _end((0, (-0.11, 0.025, HALF)))),
        (2, _end((0, (-0.15, 0.0, HALF)), held=0)),
        (1, _end((0, (-0.19, 0.0, HALF)))),
        (1, _end((0, (-0.14, 0.01, HALF)))),
        (1, _end((1, (0.0, 0.1, FLOOR)))),
        (1, _end((1, (0.0, 0.1, 0.15)), held=1)),
        (1, START),
    ],
)
def test_putting_into_a_bowl_is_scored_by_place_flaws_and_way(
    expected: int, end: SceneState
) -> None:
    assert _score(Task("put", 0, 0), end) == expected


def test_a_box_is_square() -> None:
    corner = _end((0, (0.045, -0.055, FLOOR)))
    assert _score(Task("put", 0, 1), corner) == 5
    assert _score(Task("put", 0, 0), _end((0, (0.045, 0.145, FLOOR)))) == 4


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        (5, _end((0, (0.08, 0.0, HALF)))),
        (4, _end((0, (0.055, 0.0, HALF)))),
        (4, _end((0, (0.08, 0.0, HALF)), held=0)),
        (4, _end((0, (0.08, 0.0, HALF)), OTHER)),
        (3, _end((0, (0.08, 0.0, 0.06)), held=0)),
        (3, _end((0, (0.15, 0.0, 3 * HALF)))),
        (3, _end((0, (0.0, 0.0, HALF)))),
        (2, _end((0, (-0.09, 0.0, HALF)))),
        (1, _end((0, (-0.125, 0.0, HALF)))),
        (1, _end((1, (-0.08, 0.0, HALF)))),
    ],
)
def test_next_to_is_scored_by_gap_flaws_and_way(expected: int, end: SceneState) -> None:
    assert _score(Task("next", 0, 1), end) == expected


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        (5, _end((0, (-0.15, 0.0, HALF + 0.11)), held=0)),
        (4, _end((0, (-0.15, 0.0, HALF + 0.08)), held=0)),
        (4, _end((0, (-0.15, 0.0, HALF + 0.11)), OTHER, held=0)),
        (3, _end((0, (-0.15, 0.0, HALF + 0.08)), OTHER, held=0)),
        (3, _end((0, (-0.15, 0.0, HALF + 0.04)), held=0)),
        (2, _end((0, (-0.15, 0.0, HALF + 0.01)), held=0)),
        (2, _end((0, (-0.10, 0.0, HALF)))),
        (1, _end((0, (-0.14, 0.0, HALF)))),
        (1, _end((1, (0.15, 0.0, HALF + 0.15)), held=1)),
    ],
)
def test_lifting_is_scored_by_height(expected: int, end: SceneState) -> None:
    assert _score(Task("lift", 0), end) == expected


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        (5, _end((0, (0.155, 0.005, 3 * HALF)))),
        (4, _end((0, (0.155, 0.0, 4 * HALF)), held=0)),
        (4, _end((0, (0.17, 0.0, 3 * HALF)))),
        (4, _end((0, (0.15, 0.0, 3 * HALF)), OTHER)),
        (4, _end((0, (0.19, 0.0, 3 * HALF)), (1, (0.19, 0.0, HALF)))),
        (3, _end((0, (0.17, 0.0, 4 * HALF)), held=0)),
        (3, _end((0, (0.095, 0.0, HALF)))),
        (2, _end((0, (-0.09, 0.0, HALF)))),
        (1, _end((0, (-0.125, 0.0, HALF)))),
    ],
)
def test_stacking_is_scored_by_overhang_flaws_and_way(expected: int, end: SceneState) -> None:
    assert _score(Task("stack", 0, 1), end) == expected


def test_a_label_says_who_gave_it_and_why() -> None:
    label = score_task(Task("put", 0, 0), LAYOUT, START, _end((0, (0.0, 0.1, 0.15)), held=0))
    assert label.author == "sim-rule-v1"
    assert label.reason == "with the white bowl, but still held"
