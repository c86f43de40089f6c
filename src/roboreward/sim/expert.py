"""Scripts for the gripper: how to do each task well, and how to fail at it the way robots do.

A plan is a list of straight moves. A failure changes the intention (which object, which target, how high) or the plan's
points, never the physics: what comes of it is decided by the simulation.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

import numpy as np

from roboreward.core import UnknownName
from roboreward.sim.layout import TABLE_AREA_M, Floats, Layout
from roboreward.sim.scene import MAX_HALF_GAP_M, TICK_S, park_xyz
from roboreward.sim.tasks import Task

Failure = Literal[
    "none",
    "bad_grasp",
    "bad_place",
    "wrong_object",
    "wrong_target",
    "early_stop",
    "forced_drop",
    "noise",
    "low_lift",
    "bump",
    "two_tasks",
]
FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)
ORGANIC_WEIGHTS: Final[dict[Failure, float]] = {
    "none": 0.07,
    "bad_grasp": 0.11,
    "bad_place": 0.16,
    "wrong_object": 0.07,
    "wrong_target": 0.06,
    "early_stop": 0.20,
    "forced_drop": 0.18,
    "noise": 0.09,
    "low_lift": 0.12,
    "bump": 0.10,
}

NOT_ORGANIC: Final[frozenset[Failure]] = frozenset({"two_tasks"})
"""Kinds that are never drawn. "two_tasks" is no mishap: the expert first brings another object into a receptacle and
then does the task: a success of the two in a row, and of neither alone, since each moves the other one's object."""

TRAVEL_Z_M: Final = 0.15
FAST_M_S: Final = 0.75
SLOW_M_S: Final = 0.35
OPEN_MARGIN_M: Final = 0.014
GRASP_SD_M: Final = 0.021
PLACE_SD_M: Final = 0.045
NOISE_SD_M: Final = 0.018
NEXT_GAP_GOAL_M: Final = 0.017
SETTLE_S: Final = 0.32

Phase = Literal["approach", "grasp", "carry", "release", "retreat"]


@dataclass(frozen=True)
class Move:
    """Go straight to a point at a speed, then wait. `half_gap_m` of 0 closes the fingers from the start of the move."""

    xyz: tuple[float, float, float]
    half_gap_m: float
    speed_m_s: float
    dwell_s: float = 0.0
    phase: Phase = "approach"


@dataclass(frozen=True)
class Intent:
    """What the script will try: the aim of every stage, before it becomes moves.

    Attributes:
        subject: The object it goes for.
        grasp_xyz: Where the fingers close.
        place_xyz: Where they open, or where a lift ends.
        is_lift: Whether to hold on at the end.
        sweep: Start and end of a careless sweep through another object before the grasp, if any.
    """

    subject: int
    grasp_xyz: Floats
    place_xyz: Floats
    is_lift: bool
    sweep: tuple[Floats, Floats] | None = None
    drop_frac: float | None = None
    jitter: Floats = field(default_factory=lambda: np.zeros((8, 3)))


@dataclass(frozen=True)
class Plan:
    """The moves, and the share of them (in time, 0..1) after which everything stops, 1.0 for none."""

    moves: tuple[Move, ...]
    stop_frac: float = 1.0


def pick_and_place(
    layout: Layout, *, subject: int, grasp_xyz: Floats, place_xyz: Floats
) -> tuple[Move, ...]:
    """Return the moves that close the fingers at one point, open them at another, and leave the picture.

    Args:
        layout: The scene.
        subject: The object whose width the fingers are opened to.
        grasp_xyz, place_xyz: Where the fingers close and open, (3,), metres.
    """
    intent = Intent(subject, np.asarray(grasp_xyz), np.asarray(place_xyz), is_lift=False)
    return tuple(_moves(intent, layout))


def check_failure(failure: str) -> Failure:
    """Return `failure` if there is one of that name.

    Raises:
        UnknownName: There is not; the message offers the nearest names.
    """
    for known in FAILURES:
        if failure == known:
            return known
    raise UnknownName("failure", failure, FAILURES)


def possible_failures(task: Task) -> list[Failure]:
    """Return the kinds that make sense for a task, "none" included."""
    is_lift = task.relation == "lift"
    unfit: set[Failure] = {"bad_place", "wrong_target"} if is_lift else {"low_lift"}
    return [failure for failure in FAILURES if failure not in unfit | NOT_ORGANIC]


def draw_failure(task: Task, *, rng: np.random.Generator) -> Failure:
    """Draw an organic failure kind that fits the task; about one in eight is "none"."""
    kinds = possible_failures(task)
    weights = np.array([ORGANIC_WEIGHTS[kind] for kind in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]


def make_plan(task: Task, layout: Layout, *, failure: Failure, rng: np.random.Generator) -> Plan:
    """Return the moves for a task, failing in the given way."""
    tried = _other_task(task, layout, failure=failure, rng=rng)
    intent = _spoil(_intend(tried, layout, rng=rng), task, layout, failure=failure, rng=rng)
    moves = tuple(_moves(intent, layout))
    if failure == "two_tasks":
        return Plan((*_errand_moves(task, layout, rng=rng), *moves))
    if failure != "early_stop":
        return Plan(moves)
    return Plan(moves, stop_frac=_stop_frac(moves, rng=rng))


def commands(plan: Plan, start_xyz: Floats) -> Iterator[tuple[Floats, float]]:
    """Yield the commanded point (3,) and half gap for each tick of the plan."""
    ticks = list(commands_of(plan.moves, start_xyz))
    kept = max(1, round(plan.stop_frac * len(ticks)))
    yield from ticks[:kept]
    last = ticks[kept - 1]
    # Hold still until things have come to rest.
    yield from [last] * round(SETTLE_S / TICK_S)


def commands_of(moves: Iterable[Move], start_xyz: Floats) -> Iterator[tuple[Floats, float]]:
    """Yield the commanded point (3,) and half gap for each tick of some moves, without an end to rest in."""
    here = np.asarray(start_xyz, dtype=np.float64)
    for move in moves:
        there = np.asarray(move.xyz)
        steps = max(1, math.ceil(float(np.linalg.norm(there - here)) / (move.speed_m_s * TICK_S)))
        for step in range(1, steps + 1):
            yield here + (there - here) * (step / steps), move.half_gap_m
        for _ in range(round(move.dwell_s / TICK_S)):
            yield there, move.half_gap_m
        here = there


def _stop_frac(moves: tuple[Move, ...], *, rng: np.random.Generator) -> float:
    """Draw a moment between the grasp and the release: stopping earlier changes nothing that can be seen."""
    ends: dict[str, float] = {}
    total = 0.0
    here = np.asarray(moves[0].xyz)
    for move in moves:
        there = np.asarray(move.xyz)
        total += float(np.linalg.norm(there - here)) / move.speed_m_s + move.dwell_s
        ends[move.phase] = total
        here = there
    first, last = ends["approach"], ends.get("release", ends["carry"])
    return float(rng.uniform(first, last)) / total


def _other_task(task: Task, layout: Layout, *, failure: Failure, rng: np.random.Generator) -> Task:
    """Return the task that the script will really try."""
    count = len(layout.objects)
    if failure == "wrong_object":
        others = [i for i in range(count) if i not in (task.subject, _object_reference(task))]
        return replace(task, subject=others[int(rng.integers(len(others)))])
    if failure == "wrong_target" and task.relation == "put":
        return replace(task, reference=1 - task.target)
    if failure == "wrong_target":
        others = [i for i in range(count) if i not in (task.subject, task.reference)]
        return replace(task, reference=others[int(rng.integers(len(others)))])
    return task


def _errand_moves(task: Task, layout: Layout, *, rng: np.random.Generator) -> Iterator[Move]:
    """Bring an object that the task does not name into a receptacle that it does not name either."""
    involved = (task.subject, _object_reference(task))
    others = [i for i in range(len(layout.objects)) if i not in involved]
    taken = task.reference if task.relation == "put" else None
    places = [i for i in range(len(layout.receptacles)) if i != taken]
    subject = others[int(rng.integers(len(others)))]
    errand = Task("put", subject, places[int(rng.integers(len(places)))])
    park = park_xyz(layout)
    for move in _moves(_intend(errand, layout, rng=rng), layout):
        if move.xyz != park:
            yield move


def _object_reference(task: Task) -> int | None:
    return task.reference if task.relation in ("next", "stack") else None


def _intend(task: Task, layout: Layout, *, rng: np.random.Generator) -> Intent:
    thing = layout.objects[task.subject]
    grasp = np.array((*thing.xy, thing.half_height_m))
    slip = rng.normal(0.0, 0.0015, size=3) * (1, 1, 0.5)
    return Intent(
        subject=task.subject,
        grasp_xyz=grasp + slip,
        place_xyz=_place_xyz(task, layout, rng=rng),
        is_lift=task.relation == "lift",
    )


def _place_xyz(task: Task, layout: Layout, *, rng: np.random.Generator) -> Floats:
    thing = layout.objects[task.subject]
    air = float(rng.uniform(0.003, 0.010))
    if task.relation == "lift":
        return np.array((*thing.xy, thing.half_height_m + rng.uniform(0.125, 0.17)))
    if task.relation == "put":
        receptacle = layout.receptacles[task.target]
        return np.array((*receptacle.xy, receptacle.size.floor + thing.half_height_m + air))
    reference = layout.objects[task.target]
    if task.relation == "stack":
        height = 2 * reference.half_height_m + thing.half_height_m + air / 2
        return np.array((*reference.xy, height))
    return np.array((*_free_side(task, layout), thing.half_height_m + air / 2))


def _free_side(task: Task, layout: Layout) -> Floats:
    """Return the place beside the reference, in front of it or behind, with most room for object and fingers."""
    thing, reference = layout.objects[task.subject], layout.objects[task.target]
    distance = thing.half_width_m + reference.half_width_m + NEXT_GAP_GOAL_M
    best, best_room = np.asarray(reference.xy), -math.inf
    for angle in np.deg2rad((90, 70, 110, 50, 130, 270, 250, 290, 230, 310)):
        place = np.asarray(reference.xy) + distance * np.array((math.cos(angle), math.sin(angle)))
        room = min(0.03, _room(place, task, layout))
        if room > best_room + 1e-9:
            best, best_room = place, room
    return best


def _room(place: Floats, task: Task, layout: Layout) -> float:
    own = layout.objects[task.subject].half_width_m
    rooms = [side - abs(float(at)) for side, at in zip(TABLE_AREA_M, place, strict=True)]
    for i, other in enumerate(layout.objects):
        if i not in (task.subject, task.target):
            rooms.append(float(np.linalg.norm(place - other.xy)) - own - other.half_width_m - 0.02)
    for receptacle in layout.receptacles:
        rooms.append(
            float(np.linalg.norm(place - receptacle.xy)) - own - receptacle.size.outer - 0.005
        )
    return min(rooms)


def _spoil(
    intent: Intent, task: Task, layout: Layout, *, failure: Failure, rng: np.random.Generator
) -> Intent:
    if failure == "bad_grasp":
        offset = rng.normal(0.0, GRASP_SD_M, size=3) * (1.0, 1.4, 0.5)
        return replace(intent, grasp_xyz=_above_table(intent.grasp_xyz + offset))
    if failure == "bad_place":
        offset = np.array((*rng.normal(0.0, PLACE_SD_M, size=2), rng.uniform(0.0, 0.07)))
        return replace(intent, place_xyz=_on_table(intent.place_xyz + offset))
    if failure == "forced_drop":
        return replace(intent, drop_frac=float(rng.uniform(0.05, 1.0)))
    if failure == "noise":
        jitter = rng.normal(0.0, NOISE_SD_M, size=(8, 3)) * (1.0, 1.0, 0.5)
        return replace(intent, jitter=jitter)
    if failure == "low_lift":
        low = layout.objects[task.subject].half_height_m + rng.uniform(0.005, 0.095)
        return replace(intent, place_xyz=np.array((*intent.place_xyz[:2], low)))
    if failure == "bump":
        return replace(intent, sweep=_sweep(task, layout, rng=rng))
    return intent


def _above_table(xyz: Floats) -> Floats:
    return np.maximum(xyz, (-math.inf, -math.inf, 0.016))


def _on_table(xyz: Floats) -> Floats:
    return np.clip(xyz, (-TABLE_AREA_M[0], -TABLE_AREA_M[1], 0.02), (*TABLE_AREA_M, 0.3))


def _sweep(task: Task, layout: Layout, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return a low path through an object that is not the subject, along the front-back axis."""
    others = [i for i in range(len(layout.objects)) if i != task.subject]
    victim = layout.objects[others[int(rng.integers(len(others)))]]
    sign = -1.0 if victim.xy[1] > 0 else 1.0
    begin = np.array((victim.xy[0], victim.xy[1] - sign * 0.055, victim.half_height_m))
    return begin, begin + np.array((0.0, sign * rng.uniform(0.08, 0.12), 0.0))


def _moves(intent: Intent, layout: Layout) -> Iterator[Move]:
    half = layout.objects[intent.subject].half_width_m
    wide = min(MAX_HALF_GAP_M, half + OPEN_MARGIN_M)
    if intent.sweep is not None:
        yield from _sweep_moves(intent.sweep)
    grasp = intent.grasp_xyz + intent.jitter[0]
    yield Move(_high(grasp), wide, FAST_M_S)
    yield Move(_point(_above_table(grasp)), wide, SLOW_M_S, 0.08)
    yield Move(_point(_above_table(grasp)), 0.0, SLOW_M_S, 0.28, "grasp")
    place = intent.place_xyz + intent.jitter[1]
    if intent.is_lift:
        yield from _lift_moves(intent, grasp, place, layout)
        return
    travel_z = max(TRAVEL_Z_M, float(place[2]))
    above_grasp, above_place = (np.array((*p[:2], travel_z)) for p in (grasp, place))
    yield Move(_point(above_grasp + intent.jitter[2]), 0.0, SLOW_M_S, 0.0, "carry")
    if intent.drop_frac is not None:
        drop = above_grasp + intent.drop_frac * (above_place - above_grasp)
        yield Move(_point(drop), 0.0, FAST_M_S, 0.0, "carry")
        yield from _release_moves(drop, wide, layout)
        return
    yield Move(_point(above_place + intent.jitter[3]), 0.0, FAST_M_S, 0.04, "carry")
    yield Move(_point(_above_table(place)), 0.0, SLOW_M_S, 0.12, "carry")
    yield from _release_moves(_above_table(place), wide, layout)


def _sweep_moves(sweep: tuple[Floats, Floats]) -> Iterator[Move]:
    # Half closed: closed fingers would grasp what they touch.
    gap = 0.012
    yield Move(_high(sweep[0]), gap, FAST_M_S)
    yield Move(_point(sweep[0]), gap, SLOW_M_S)
    yield Move(_point(sweep[1]), gap, SLOW_M_S)
    yield Move(_high(sweep[1]), gap, FAST_M_S)


def _lift_moves(intent: Intent, grasp: Floats, place: Floats, layout: Layout) -> Iterator[Move]:
    if intent.drop_frac is None:
        yield Move(_point(place), 0.0, SLOW_M_S, 0.16, "carry")
        return
    drop = grasp + intent.drop_frac * (place - grasp)
    yield Move(_point(drop), 0.0, SLOW_M_S, 0.1, "carry")
    yield from _release_moves(drop, MAX_HALF_GAP_M, layout)


def _release_moves(at: Floats, wide: float, layout: Layout) -> Iterator[Move]:
    yield Move(_point(at), wide, SLOW_M_S, 0.2, "release")
    yield Move(_high(at), wide, SLOW_M_S, 0.0, "retreat")
    yield Move(park_xyz(layout), MAX_HALF_GAP_M, FAST_M_S, 0.0, "retreat")


def _high(xyz: Floats) -> tuple[float, float, float]:
    return (float(xyz[0]), float(xyz[1]), max(TRAVEL_Z_M, float(xyz[2])))


def _point(xyz: Floats) -> tuple[float, float, float]:
    return (float(xyz[0]), float(xyz[1]), float(xyz[2]))
