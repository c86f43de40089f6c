"""Demonstrations of mixed quality, which the base policies are cloned from.

Real demonstrations and autonomous rollouts hold mistakes, and a policy that imitates them makes the same ones. Each
base policy stands for one kind of mistake, and is made to succeed about half of the time:

imprecise     also misses the grasp, stops short of the receptacle, or uses the other receptacle
near-miss     also lets go on the rim or just beyond it
wrong-object  also moves the neighbouring object into the right receptacle, or misses the grasp
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from roboreward.core import UnknownName
from roboreward.sim import ACTION_M, SkillEnv

F32 = npt.NDArray[np.float32]
Base = Literal["imprecise", "near-miss", "wrong-object"]
BASES: Final[tuple[Base, ...]] = get_args(Base)
Way = Literal["good", "missed", "short", "other-receptacle", "rim", "wrong-object"]

WAYS: Final[dict[Base, dict[Way, float]]] = {
    "imprecise": {"good": 0.45, "missed": 0.2, "short": 0.2, "other-receptacle": 0.15},
    "near-miss": {"good": 0.32, "rim": 0.68},
    "wrong-object": {"good": 0.5, "wrong-object": 0.38, "missed": 0.12},
}
"""How often a demonstrator of each base goes which way."""

_GRASP_SD_M: Final = 0.004
_PLACE_SD_M: Final = 0.012
_AIR_M: Final = (0.003, 0.012)


@dataclass(frozen=True)
class Demonstrations:
    """Pairs to clone: observations (N, S) and actions (N, A) of `SkillEnv`, float32."""

    seen: F32
    done: F32


def check_base(base: str) -> Base:
    """Return `base` if there is one of that name.

    Raises:
        UnknownName: There is not; the message offers the nearest names.
    """
    for known in BASES:
        if base == known:
            return known
    raise UnknownName("base policy", base, BASES)


def demonstrate(env: SkillEnv, *, base: Base, num: int, first_index: int) -> Demonstrations:
    """Demonstrate `num` episodes of an environment, scenes `first_index` and on.

    With one decision nothing needs to be played; with four the episodes are, so that observations are real.
    """
    seen, done = [], []
    ways = WAYS[check_base(base)]
    for index in range(first_index, first_index + num):
        observation, _ = env.reset(options={"index": index})
        rng = np.random.default_rng([index, BASES.index(base)])
        way = list(ways)[int(rng.choice(len(ways), p=list(ways.values())))]
        actions = decisions(env, way, rng=rng)
        for action in actions:
            seen.append(observation)
            done.append(action)
            if len(actions) > 1:
                observation = env.step(action)[0]
    return Demonstrations(np.stack(seen), np.stack(done))


def decisions(env: SkillEnv, way: Way, *, rng: np.random.Generator) -> list[F32]:
    """Return the actions of one demonstrator for the environment's present scene: one, or four chunks."""
    grasp, place = _aims(env, way, rng=rng)
    if env.num_decisions == 1:
        return [(np.concatenate([grasp, place]) / ACTION_M).astype(np.float32)]
    up = np.array((0.0, 0.0, 0.12))
    points = (grasp + up, grasp, place * (1, 1, 0) + up, place)
    return [
        np.append(point / ACTION_M, grip).astype(np.float32)
        for point, grip in zip(points, (-1.0, 1.0, 1.0, -1.0), strict=True)
    ]


def _aims(
    env: SkillEnv, way: Way, *, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where the fingers close, from the subject, and where they open, from resting in the receptacle; (3,) metres."""
    start, task = env.start, env.task
    subject = start.objects_xyz[task.subject]
    receptacles = start.receptacles_xyz[:, :2]
    target = receptacles[task.target]
    grasp = rng.normal(0.0, _GRASP_SD_M, size=3)
    place = np.array((*rng.normal(0.0, _PLACE_SD_M, size=2), rng.uniform(*_AIR_M)))
    if way == "missed":
        grasp[:2] += _ring(rng, 0.045, 0.07)
    elif way == "short":
        place[:2] -= rng.uniform(0.3, 0.8) * (target - subject[:2])
    elif way == "other-receptacle":
        place[:2] += receptacles[1 - task.target] - target
    elif way == "rim":
        place[:2] += _ring(rng, 0.072, 0.11)
    elif way == "wrong-object":
        grasp += start.objects_xyz[env.other] - subject
    return grasp, place


def _ring(rng: np.random.Generator, inner_m: float, outer_m: float) -> npt.NDArray[np.float64]:
    """Draw an offset (2,) in any direction, of a length within a range."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(inner_m, outer_m)
    return length * np.array((np.cos(angle), np.sin(angle)))
