"""An attempt: moves one after the other, pictures of what was, and nothing disturbed by looking."""

import numpy as np
import pytest

from roboreward.core import Frames
from roboreward.sim.attempt import Attempt
from roboreward.sim.expert import SLOW_M_S, Move, commands_of, pick_and_place
from roboreward.sim.layout import Layout, sample_layout
from roboreward.sim.pictures import render_now
from roboreward.sim.scene import MAX_HALF_GAP_M, World, park_xyz
from roboreward.sim.scoring import SceneState
from roboreward.sim.tasks import Task

TASK = Task("put", 0, 0)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def layout_of(seed: int = 0) -> Layout:
    return sample_layout(np.random.default_rng(seed), split="test")


def expert_moves(layout: Layout) -> tuple[Move, ...]:
    thing, receptacle = layout.objects[0], layout.receptacles[0]
    height = receptacle.size.floor + thing.half_height_m + 0.006
    return pick_and_place(
        layout,
        subject=0,
        grasp_xyz=np.array((*thing.xy, thing.half_height_m)),
        place_xyz=np.array((*receptacle.xy, height)),
    )


def is_same(one: SceneState, other: SceneState) -> bool:
    pairs = (
        (one.objects_xyz, other.objects_xyz),
        (one.gripper_xyz, other.gripper_xyz),
        (one.receptacles_xyz, other.receptacles_xyz),
        (one.opening_m, other.opening_m),
    )
    return one.held == other.held and all(np.array_equal(a, b) for a, b in pairs)


def picture(layout: Layout, world: World) -> Frames:
    """The picture of now. A tick leaves what is drawn one substep behind, so things are put in place first."""
    world.show(world.snapshot())
    return render_now(layout, world, size_px=24).rgb.copy()


def test_good_moves_are_a_full_success(world: World) -> None:
    attempt = Attempt(layout_of(), world=world)
    assert attempt.label(TASK).score == 1
    attempt.play(expert_moves(attempt.layout))
    attempt.rest()
    assert attempt.label(TASK).score == 5


def test_moves_in_parts_are_the_same_as_at_once(world: World) -> None:
    layout = layout_of(1)
    moves = expert_moves(layout)
    whole = Attempt(layout, world=world)
    whole.play(moves)
    end = whole.state
    parts = Attempt(layout, world=world)
    for move in moves:
        parts.play([move])
    assert is_same(parts.state, end)


def test_the_first_move_starts_where_the_gripper_is_parked(world: World) -> None:
    layout = layout_of()
    attempt = Attempt(layout, world=world)
    x, y, z = park_xyz(layout)
    before = attempt.state.gripper_xyz
    attempt.play([Move((x, y, z - 0.02), MAX_HALF_GAP_M, SLOW_M_S)])
    assert np.abs(attempt.state.gripper_xyz - before).max() < 0.03


def test_looking_does_not_disturb_what_follows(world: World) -> None:
    layout = layout_of(2)
    moves = expert_moves(layout)
    # Two moves in, the fingers are about to close; three later the object is carried.
    for num_before in (2, 5):
        ends = []
        for is_looked_at in (False, True):
            attempt = Attempt(layout, world=world)
            attempt.play(moves[:num_before])
            now = attempt.state
            if is_looked_at:
                attempt.frames(3, size_px=16)
                attempt.frames(1, size_px=16)  # of the start alone
                assert is_same(attempt.state, now)
            attempt.play(moves[num_before:])
            attempt.rest()
            ends.append(attempt.state)
        assert is_same(*ends)


def test_pictures_go_from_the_first_moment_to_the_latest(world: World) -> None:
    layout = layout_of(3)
    attempt = Attempt(layout, world=world)
    start = picture(layout, world)
    attempt.play(expert_moves(layout)[:4])
    now = picture(layout, world)
    frames = attempt.frames(5, size_px=24)
    assert (frames.dtype, frames.shape) == (np.uint8, (5, 24, 24, 3))
    assert np.array_equal(frames[0], start)
    assert np.array_equal(frames[-1], now)
    assert not np.array_equal(start, now)
    assert len({frame.tobytes() for frame in frames}) > 2
    assert np.array_equal(picture(layout, world), now)


def test_pictures_are_evenly_spaced(world: World) -> None:
    layout = layout_of(4)
    attempt = Attempt(layout, world=world)
    commands = list(commands_of(expert_moves(layout)[:5], np.array(park_xyz(layout))))
    looks = [picture(layout, world)]
    for aim, half_gap_m in commands:
        attempt.play([Move(tuple(aim), half_gap_m, 100.0)])
        looks.append(picture(layout, world))
    middle = attempt.frames(3, size_px=24)[1]
    assert np.array_equal(middle, looks[round((len(looks) - 1) / 2)])


def test_before_any_move_every_picture_is_the_start(world: World) -> None:
    frames = Attempt(layout_of(), world=world).frames(2, size_px=16)
    assert np.array_equal(frames[0], frames[1])


def test_the_fingers_stay_as_they_were_commanded(world: World) -> None:
    attempt = Attempt(layout_of(), world=world)
    assert attempt.half_gap_m == MAX_HALF_GAP_M
    attempt.play([Move((0.0, 0.0, 0.2), 0.0, SLOW_M_S)])
    attempt.rest()
    assert attempt.half_gap_m == 0.0
    assert attempt.state.opening_m < 0.01


def test_an_attempt_starts_anew_whatever_was_played_before(world: World) -> None:
    layout = layout_of(5)
    ends = []
    for before in (6, 7):
        other = Attempt(layout_of(before), world=world)
        other.play(expert_moves(other.layout)[:4])
        attempt = Attempt(layout, world=world)
        attempt.play(expert_moves(layout))
        ends.append(attempt.state)
    assert is_same(*ends)
