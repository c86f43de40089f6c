"""Scenes: their spacing, their looks, their splits, and the camera's arithmetic."""

from itertools import combinations
from math import dist

import numpy as np
import pytest

from roboreward.sim import (
    HELD_OUT_OBJECTS,
    HELD_OUT_RECEPTACLES,
    SPLITS,
    Layout,
    SceneState,
    Split,
    all_tasks,
    project,
    sample_layout,
    score_task,
)
from roboreward.sim.layout import OBJECT_GAP_M, RECEPTACLE_GAP_M, RECEPTACLE_OBJECT_GAP_M


def _layouts(split: Split, num: int = 60) -> list[Layout]:
    return [sample_layout(np.random.default_rng(seed), split=split) for seed in range(num)]


def _looks(layout: Layout) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    objects = {(thing.colour, str(thing.shape)) for thing in layout.objects}
    return objects, {(thing.colour, str(thing.kind)) for thing in layout.receptacles}


def test_things_keep_their_distance() -> None:
    for layout in _layouts("train"):
        objects = [thing.xy for thing in layout.objects]
        receptacles = [thing.xy for thing in layout.receptacles]
        assert min(dist(a, b) for a, b in combinations(objects, 2)) >= OBJECT_GAP_M
        assert min(dist(a, b) for a in objects for b in receptacles) >= RECEPTACLE_OBJECT_GAP_M
        assert dist(*receptacles) >= RECEPTACLE_GAP_M


def test_no_two_things_of_a_scene_have_the_same_name() -> None:
    for layout in _layouts("test-combos"):
        names = [thing.name for thing in (*layout.objects, *layout.receptacles)]
        assert len(set(names)) == 6


@pytest.mark.parametrize("split", ["train", "test", "test-phrasing"])
def test_held_out_combinations_stay_out(split: Split) -> None:
    for layout in _layouts(split, num=300):
        objects, receptacles = _looks(layout)
        assert not objects & HELD_OUT_OBJECTS
        assert not receptacles & HELD_OUT_RECEPTACLES


def test_every_scene_of_the_combination_split_shows_a_held_out_object() -> None:
    layouts = _layouts("test-combos")
    assert all(_looks(layout)[0] & HELD_OUT_OBJECTS for layout in layouts)
    assert any(_looks(layout)[1] & HELD_OUT_RECEPTACLES for layout in layouts)


def test_no_task_is_even_begun_at_the_start() -> None:
    for split in SPLITS:
        for layout in _layouts(split, num=20):
            places = [(*thing.xy, thing.half_height_m) for thing in layout.objects]
            start = SceneState(
                np.array(places),
                np.array([(*thing.xy, 0.0) for thing in layout.receptacles]),
                np.array((0.4, 0.0, 0.2)),
                0.09,
                -1,
            )
            scores = {score_task(task, layout, start, start).score for task in all_tasks(layout)}
            assert scores == {1}


def test_the_same_generator_state_gives_the_same_scene() -> None:
    assert _layouts("test", num=3) == _layouts("test", num=3)


def test_the_middle_of_the_view_projects_to_the_middle_of_the_picture() -> None:
    camera = _layouts("train", num=1)[0].camera
    np.testing.assert_allclose(project(np.array([camera.target]), camera, size_px=96), [[48, 48]])


def test_right_is_right_and_higher_is_up_in_the_picture() -> None:
    camera = _layouts("train", num=1)[0].camera
    here, right, above = project(
        np.array([(0, 0, 0), (0.1, 0, 0), (0, 0, 0.1)], dtype=float), camera, size_px=96
    )
    assert right[0] > here[0] + 10
    assert above[1] < here[1] - 5


def test_everything_that_can_be_reached_is_in_the_picture() -> None:
    for layout in _layouts("train"):
        corners = [(x, y, z) for x in (-0.18, 0.18) for y in (-0.19, 0.19) for z in (0.0, 0.17)]
        uv = project(np.array(corners), layout.camera, size_px=96)
        assert uv.min() > 0
        assert uv.max() < 96
