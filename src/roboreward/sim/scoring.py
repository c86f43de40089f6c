"""The exact score of an episode, from the simulator's state: rule "sim-rule-v1".

It turns the five levels of `core.RUBRIC_V1` into measurements, and judges only what an onlooker can see by comparing
the end with the start.

Every relation
  - A score above 1 needs a subject that moved more than MOVED_M or is held. A wrong object that moved earns nothing.
  - Minor flaws: the subject is still held (not for lift); another object moved more than COLLATERAL_M; and those below.
  - In the right region without a flaw 5, with one flaw 4, with more 3.
  - Outside it: 3 when more than HALF_WAY of the horizontal way was covered, or the subject is held and raised by
    RAISED_M; 2 when more than SOME_WAY was covered or the subject is held; else 1. The way is the distance between the
    centres less the distance at which the relation begins to hold, compared with the same at the start.

put    region: the subject's centre within the outer edge of the receptacle, resting in or on it, or held above it.
       Flaw: it lies on the rim, that is beyond the inner edge or not at the height of the floor.
next   region: the gap between the two is at most LOOSE_GAP_M. Flaws: the gap is above NEXT_GAP_M; one of the two does
       not stand on the table. On top of the reference is not next to it.
stack  region: the subject rests on the reference, or is held above it. Flaw: it overhangs, its centre being more than
       CENTRED_FRAC of the reference's half-width away.
lift   held and raised by LIFTED_M 5, by NEARLY_LIFTED_M 4, by PARTLY_LIFTED_M 3 (another object moved: one less, not
       below 3); held lower, or moved 2; else 1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from roboreward.core import SCORES, Label
from roboreward.sim.layout import Floats, Layout, ReceptacleShape
from roboreward.sim.tasks import Task

AUTHOR: Final = "sim-rule-v1"
MOVED_M: Final = 0.02
COLLATERAL_M: Final = 0.03
HALF_WAY: Final = 0.5
SOME_WAY: Final = 0.15
RAISED_M: Final = 0.04
NEXT_GAP_M: Final = 0.035
LOOSE_GAP_M: Final = 0.05
CENTRED_FRAC: Final = 0.6
LIFTED_M: Final = 0.10
NEARLY_LIFTED_M: Final = 0.06
PARTLY_LIFTED_M: Final = 0.03
REST_TOLERANCE_M: Final = 0.012
"""A thing that tilts or has toppled stands this much higher or lower than an upright one."""


@dataclass(frozen=True, eq=False)
class SceneState:
    """What matters of one moment. Arrays are float64, metres, read-only.

    Attributes:
        objects_xyz: Centres of the objects, (4, 3).
        receptacles_xyz: Centres of the receptacles on the table, (2, 3).
        gripper_xyz: The point between the finger tips, (3,).
        opening_m: Distance between the fingers.
        held: Index of the object in the grip, or -1.
    """

    objects_xyz: Floats
    receptacles_xyz: Floats
    gripper_xyz: Floats
    opening_m: float
    held: int


@dataclass(frozen=True)
class _Change:
    """The comparison of end with start that all relations share."""

    subject: int
    start: SceneState
    end: SceneState

    @property
    def is_held(self) -> bool:
        return self.end.held == self.subject

    @property
    def raised_m(self) -> float:
        return float(
            self.end.objects_xyz[self.subject, 2] - self.start.objects_xyz[self.subject, 2]
        )

    @property
    def raised_words(self) -> str:
        return f"held, raised by {max(0, round(100 * self.raised_m))} cm"

    @property
    def moved_m(self) -> Floats:
        return np.asarray(np.linalg.norm(self.end.objects_xyz - self.start.objects_xyz, axis=1))

    @property
    def common_flaws(self) -> list[str]:
        others = [m for i, m in enumerate(self.moved_m) if i != self.subject]
        return ["another object was moved"] if max(others) > COLLATERAL_M else []


def score_task(task: Task, layout: Layout, start: SceneState, end: SceneState) -> Label:
    """Score how far the task got between two moments of one scene.

    Args:
        task: What was asked; any task of the scene, not only the one that was tried.
        layout: The scene.
        start: Before.
        end: After.

    Returns:
        Score 1..5 by the rule at the top of this file, author "sim-rule-v1", and the reason in words.
    """
    change = _Change(task.subject, start, end)
    if not change.is_held and change.moved_m[task.subject] <= MOVED_M:
        return _label(1, f"the {layout.objects[task.subject].name} was not moved")
    if task.relation == "lift":
        return _score_lift(change)
    if task.relation == "put":
        return _score_put(task, layout, change)
    if task.relation == "next":
        return _score_next(task, layout, change)
    return _score_stack(task, layout, change)


def _label(score: int, reason: str) -> Label:
    return Label(score=SCORES[score - 1], author=AUTHOR, reason=reason)


def _score_lift(change: _Change) -> Label:
    if not change.is_held:
        return _label(2, "moved, but not held")
    words = change.raised_words
    bars = ((LIFTED_M, 5), (NEARLY_LIFTED_M, 4), (PARTLY_LIFTED_M, 3))
    score = next((s for bar, s in bars if change.raised_m >= bar), 2)
    flaws = change.common_flaws
    if flaws and score > 3:
        return _label(score - 1, f"{words}, but {flaws[0]}")
    return _label(score, words)


def _score_put(task: Task, layout: Layout, change: _Change) -> Label:
    receptacle = layout.receptacles[task.target]
    size = receptacle.size
    place = change.end.objects_xyz[task.subject] - change.end.receptacles_xyz[task.target]
    if size.distance(place[:2]) <= size.outer:
        flaws = [*_put_flaws(task, layout, change, place), *change.common_flaws]
        return _in_region(f"with the {receptacle.name}", flaws)
    ways = [
        _way(task, state, state.receptacles_xyz, size.inner, size=size)
        for state in (change.start, change.end)
    ]
    return _outside_region(ways, change)


def _put_flaws(task: Task, layout: Layout, change: _Change, place: Floats) -> list[str]:
    size, thing = layout.receptacles[task.target].size, layout.objects[task.subject]
    if change.is_held:
        return ["still held"]
    is_centred = size.distance(place[:2]) <= size.inner
    is_low = place[2] <= size.floor + thing.half_height_m + REST_TOLERANCE_M
    return [] if is_centred and is_low else ["on the rim"]


def _score_next(task: Task, layout: Layout, change: _Change) -> Label:
    subject, reference = layout.objects[task.subject], layout.objects[task.target]
    touching = subject.half_width_m + reference.half_width_m
    here, there = change.end.objects_xyz[[task.subject, task.target]]
    gap = float(np.linalg.norm(here[:2] - there[:2])) - touching
    is_beside = abs(here[2] - there[2]) <= reference.half_height_m + REST_TOLERANCE_M
    if gap <= LOOSE_GAP_M and (is_beside or change.is_held):
        flaws = ["the gap is too wide"] if gap > NEXT_GAP_M else []
        flaws += ["still held"] if change.is_held else []
        flaws += [] if _both_stand(task, layout, change) else ["not both on the table"]
        return _in_region(f"beside the {reference.name}", [*flaws, *change.common_flaws])
    ways = [
        _way(task, state, state.objects_xyz, touching + NEXT_GAP_M)
        for state in (change.start, change.end)
    ]
    return _outside_region(ways, change)


def _both_stand(task: Task, layout: Layout, change: _Change) -> bool:
    pair = (task.subject, task.target)
    heights = [float(change.end.objects_xyz[i, 2]) - layout.objects[i].half_height_m for i in pair]
    return max(heights) <= REST_TOLERANCE_M


def _score_stack(task: Task, layout: Layout, change: _Change) -> Label:
    subject, reference = layout.objects[task.subject], layout.objects[task.target]
    here, there = change.end.objects_xyz[[task.subject, task.target]]
    offset = float(np.linalg.norm(here[:2] - there[:2]))
    height = float(here[2] - there[2]) - subject.half_height_m - reference.half_height_m
    is_resting = abs(height) <= REST_TOLERANCE_M
    is_above = change.is_held and height > -REST_TOLERANCE_M
    centred_m = CENTRED_FRAC * reference.half_width_m
    if offset <= reference.half_width_m + subject.half_width_m / 2 and (is_resting or is_above):
        flaws = ["it overhangs"] if offset > centred_m else []
        flaws += ["still held"] if change.is_held else []
        return _in_region(f"on top of the {reference.name}", [*flaws, *change.common_flaws])
    ways = [_way(task, state, state.objects_xyz, centred_m) for state in (change.start, change.end)]
    return _outside_region(ways, change)


def _way(
    task: Task,
    state: SceneState,
    references_xyz: Floats,
    reach_m: float,
    *,
    size: ReceptacleShape | None = None,
) -> float:
    """Return the horizontal distance that is still missing to the relation, in metres."""
    offset = (state.objects_xyz[task.subject] - references_xyz[task.target])[:2]
    distance = float(np.linalg.norm(offset)) if size is None else size.distance(offset)
    return max(0.0, distance - reach_m)


def _in_region(place: str, flaws: list[str]) -> Label:
    if not flaws:
        return _label(5, f"released {place}, nothing else moved")
    return _label(4 if len(flaws) == 1 else 3, f"{place}, but {' and '.join(flaws)}")


def _outside_region(ways: list[float], change: _Change) -> Label:
    before, after = ways
    covered = 1.0 - after / before if before > 0 else 0.0
    words = f"{max(0, round(100 * covered))} % of the way covered"
    if change.is_held:
        words += f", {change.raised_words}"
    if covered > HALF_WAY or (change.is_held and change.raised_m >= RAISED_M):
        return _label(3, words)
    if covered > SOME_WAY or change.is_held:
        return _label(2, words)
    return _label(1, f"{words}, too little")
