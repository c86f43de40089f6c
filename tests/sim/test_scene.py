"""The world: what is where, what is seen, what is gripped."""

from collections.abc import Iterator

import numpy as np
import pytest

from roboreward.sim import Layout, project, sample_layout
from roboreward.sim.pictures import render_now
from roboreward.sim.scene import MAX_HALF_GAP_M, World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def _layouts(num: int) -> Iterator[Layout]:
    return (sample_layout(np.random.default_rng(seed), split="train") for seed in range(num))


def test_objects_stand_where_the_layout_says_and_stay_there(world: World) -> None:
    for layout in _layouts(4):
        world.set_scene(layout)
        start = world.state()
        np.testing.assert_allclose(start.objects_xyz[:, :2], [thing.xy for thing in layout.objects])
        for _ in range(25):
            world.tick()
        np.testing.assert_allclose(world.state().objects_xyz, start.objects_xyz, atol=0.001)


def test_projection_agrees_with_the_segmentation(world: World) -> None:
    for layout in _layouts(6):
        world.set_scene(layout)
        seen = render_now(layout, world, size_px=96).geom_id
        uv = project(world.state().objects_xyz, layout.camera, size_px=96).astype(int)
        assert [int(seen[v, u]) for u, v in uv] == list(world.object_geoms)


def test_the_parked_gripper_is_out_of_the_picture(world: World) -> None:
    hidden = {world.model.geom(name).id for name in ("palm", "rod", "left", "right", "shadow")}
    for layout in _layouts(6):
        world.set_scene(layout)
        assert not hidden & set(np.unique(render_now(layout, world, size_px=96).geom_id).tolist())


def test_few_geoms_are_in_play(world: World) -> None:
    for layout in _layouts(10):
        world.set_scene(layout)
        assert (world.model.geom_group == 0).sum() <= 45


def _reach(world: World, xyz: np.ndarray, *, half_gap_m: float, ticks: int = 25) -> None:
    world.command(xyz, half_gap_m=half_gap_m)
    for _ in range(ticks):
        world.tick()


def test_an_object_is_held_from_when_both_fingers_touch_it_until_they_open(world: World) -> None:
    layout = next(_layouts(1))
    world.set_scene(layout)
    place = world.state().objects_xyz[2].copy()
    above = place + np.array((0.0, 0.0, 0.12))
    _reach(world, above, half_gap_m=MAX_HALF_GAP_M)
    _reach(world, place, half_gap_m=MAX_HALF_GAP_M)
    assert world.state().held == -1
    _reach(world, place, half_gap_m=0.0)
    _reach(world, above, half_gap_m=0.0)
    lifted = world.state()
    assert lifted.held == 2
    assert lifted.objects_xyz[2, 2] > 0.12
    assert lifted.opening_m == pytest.approx(2 * layout.objects[2].half_width_m, abs=0.006)
    _reach(world, above, half_gap_m=MAX_HALF_GAP_M)
    assert world.state().held == -1
    assert world.state().objects_xyz[2, 2] < 0.05


def test_recorded_moments_can_be_shown_again(world: World) -> None:
    layout = next(_layouts(1))
    world.set_scene(layout)
    moment, picture = world.snapshot(), render_now(layout, world, size_px=32).rgb
    _reach(world, np.array((0.0, 0.0, 0.1)), half_gap_m=0.0)
    assert (render_now(layout, world, size_px=32).rgb != picture).any()
    world.show(moment)
    assert (render_now(layout, world, size_px=32).rgb == picture).all()
