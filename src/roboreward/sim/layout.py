"""Everything random about a scene, as frozen values: what stands where, in which colour, seen how.

World frame: metres, z up, the table top is z = 0, the camera looks from the front (negative y).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from roboreward.core import RoboRewardError
from roboreward.sim.splits import HELD_OUT_OBJECTS, HELD_OUT_RECEPTACLES, Split, allows_held_out

Shape = Literal["cube", "cylinder", "ball"]
Kind = Literal["bowl", "plate", "box"]
Rgb = tuple[float, float, float]
Floats = npt.NDArray[np.float64]

SHAPES: Final[tuple[Shape, ...]] = ("cube", "cylinder", "ball")
KINDS: Final[tuple[Kind, ...]] = ("bowl", "plate", "box")
OBJECT_COLOURS: Final[dict[str, Rgb]] = {
    "red": (0.86, 0.08, 0.10),
    "green": (0.10, 0.62, 0.18),
    "blue": (0.10, 0.26, 0.90),
    "yellow": (0.98, 0.90, 0.10),
    "purple": (0.55, 0.12, 0.72),
    "orange": (1.00, 0.50, 0.02),
}
RECEPTACLE_COLOURS: Final[dict[str, Rgb]] = {
    "white": (0.96, 0.96, 0.96),
    "black": (0.09, 0.09, 0.10),
    "brown": (0.40, 0.23, 0.11),
    "cyan": (0.35, 0.85, 0.90),
}
NUM_OBJECTS: Final = 4
NUM_RECEPTACLES: Final = 2

OBJECT_GAP_M: Final = 0.11
RECEPTACLE_OBJECT_GAP_M: Final = 0.13
RECEPTACLE_GAP_M: Final = 0.165
OBJECT_AREA_M: Final = (0.178, 0.188)
RECEPTACLE_AREA_M: Final = (0.150, 0.145)
TABLE_AREA_M: Final = (0.205, 0.212)
"""Half sides of what the camera sees well, from the middle: sampled places keep within their own, smaller areas."""
HALF_WIDTH_RANGE_M: Final = (0.021, 0.0275)
CYLINDER_ASPECT: Final = 1.2
"""Height over diameter of a cylinder, so that it does not read as a ball from above."""


@dataclass(frozen=True)
class ReceptacleShape:
    """Size of one kind of receptacle, in metres.

    Attributes:
        inner: An object whose centre is within this distance is inside. Distance is Chebyshev for a box, else
            Euclidean.
        outer: An object whose centre is within this distance rests at least partly on it.
        floor: Height of the surface that objects stand on.
        rim: Height of the highest point.
    """

    inner: float
    outer: float
    floor: float
    rim: float
    is_square: bool = False

    def distance(self, offset_xy: Floats) -> float:
        """Return how far a point at `offset_xy` (2,) from the centre is, in this kind's own measure."""
        if self.is_square:
            return float(np.max(np.abs(offset_xy)))
        return math.hypot(float(offset_xy[0]), float(offset_xy[1]))


RECEPTACLE_SHAPES: Final[dict[Kind, ReceptacleShape]] = {
    "bowl": ReceptacleShape(inner=0.050, outer=0.070, floor=0.006, rim=0.036),
    "plate": ReceptacleShape(inner=0.052, outer=0.070, floor=0.008, rim=0.008),
    "box": ReceptacleShape(inner=0.052, outer=0.062, floor=0.006, rim=0.040, is_square=True),
}


@dataclass(frozen=True)
class ObjectSpec:
    """One loose object. `half_width_m` is half of its horizontal size, `half_height_m` of its vertical size."""

    colour: str
    shape: Shape
    half_width_m: float
    xy: tuple[float, float]
    yaw_rad: float

    @property
    def half_height_m(self) -> float:
        return self.half_width_m * (CYLINDER_ASPECT if self.shape == "cylinder" else 1.0)

    @property
    def name(self) -> str:
        """How a task calls it, such as "red cube"."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class ReceptacleSpec:
    """One fixed receptacle."""

    colour: str
    kind: Kind
    xy: tuple[float, float]

    @property
    def size(self) -> ReceptacleShape:
        return RECEPTACLE_SHAPES[self.kind]

    @property
    def name(self) -> str:
        """How a task calls it, such as "white bowl"."""
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks from `pos` at `target` (metres), upright, with a vertical field of view."""

    pos: tuple[float, float, float]
    target: tuple[float, float, float]
    fovy_deg: float


@dataclass(frozen=True)
class Lighting:
    """One distant light. `direction` is the unit vector in which its light travels."""

    direction: tuple[float, float, float]
    ambient: float
    diffuse: float


@dataclass(frozen=True)
class Layout:
    """One scene. `park_side` is -1 or 1: on which side, out of the picture, the gripper waits."""

    objects: tuple[ObjectSpec, ...]
    receptacles: tuple[ReceptacleSpec, ...]
    table_rgb: Rgb
    camera: Camera
    lighting: Lighting
    park_side: int


def sample_layout(rng: np.random.Generator, *, split: Split) -> Layout:
    """Draw a scene in which no relation between two things nearly holds.

    Held-out combinations occur only in `test-combos`, there in every scene.
    """
    object_looks = _object_looks(rng, split=split)
    receptacle_looks = _receptacle_looks(rng, split=split)
    receptacle_xy, object_xy = _sample_places(rng)
    objects = tuple(
        ObjectSpec(colour, shape, float(rng.uniform(*HALF_WIDTH_RANGE_M)), xy, _yaw(rng))
        for (colour, shape), xy in zip(object_looks, object_xy, strict=True)
    )
    receptacles = tuple(
        ReceptacleSpec(colour, kind, xy)
        for (colour, kind), xy in zip(receptacle_looks, receptacle_xy, strict=True)
    )
    return Layout(
        objects=objects,
        receptacles=receptacles,
        table_rgb=_table_rgb(rng),
        camera=_camera(rng),
        lighting=_lighting(rng),
        park_side=int(rng.choice((-1, 1))),
    )


def _yaw(rng: np.random.Generator) -> float:
    # The gripper cannot turn, so cubes stand nearly square to it.
    return float(rng.uniform(-0.26, 0.26))


def _object_looks(rng: np.random.Generator, *, split: Split) -> list[tuple[str, Shape]]:
    every = [(colour, shape) for colour in OBJECT_COLOURS for shape in SHAPES]
    known = [look for look in every if look not in HELD_OUT_OBJECTS]
    if not allows_held_out(split):
        return [known[i] for i in rng.permutation(len(known))[:NUM_OBJECTS]]
    novel = [look for look in every if look in HELD_OUT_OBJECTS]
    first = novel[int(rng.integers(len(novel)))]
    rest = [look for look in every if look != first]
    picked = [first, *(rest[i] for i in rng.permutation(len(rest))[: NUM_OBJECTS - 1])]
    return [picked[i] for i in rng.permutation(NUM_OBJECTS)]


def _receptacle_looks(rng: np.random.Generator, *, split: Split) -> list[tuple[str, Kind]]:
    every = [(colour, kind) for colour in RECEPTACLE_COLOURS for kind in KINDS]
    if not allows_held_out(split):
        every = [look for look in every if look not in HELD_OUT_RECEPTACLES]
    return [every[i] for i in rng.permutation(len(every))[:NUM_RECEPTACLES]]


def _sample_places(
    rng: np.random.Generator,
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return places of the receptacles and of the objects by rejection, starting over when stuck."""
    for _ in range(1000):
        receptacles = _scatter(rng, NUM_RECEPTACLES, RECEPTACLE_AREA_M, RECEPTACLE_GAP_M, [])
        keep_off = [(xy, RECEPTACLE_OBJECT_GAP_M) for xy in receptacles or []]
        objects = _scatter(rng, NUM_OBJECTS, OBJECT_AREA_M, OBJECT_GAP_M, keep_off)
        if receptacles is not None and objects is not None:
            return receptacles, objects
    raise RoboRewardError("No room on the table for the scene. This is a bug: please report it.")


def _scatter(
    rng: np.random.Generator,
    num: int,
    area: tuple[float, float],
    gap: float,
    keep_off: list[tuple[tuple[float, float], float]],
) -> list[tuple[float, float]] | None:
    taken = list(keep_off)
    places: list[tuple[float, float]] = []
    for x, y in rng.uniform(-1.0, 1.0, size=(40 * num, 2)) * area:
        if all(math.hypot(x - tx, y - ty) >= least for (tx, ty), least in taken):
            places.append((float(x), float(y)))
            taken.append((places[-1], gap))
        if len(places) == num:
            return places
    return None


def _table_rgb(rng: np.random.Generator) -> Rgb:
    # Muted and of middle brightness: neither an object's colour nor a receptacle's white or black.
    value = rng.uniform(0.48, 0.72)
    tint = 1.0 + rng.uniform(-0.13, 0.13, size=3)
    r, g, b = np.clip(value * tint, 0.0, 1.0)
    return (float(r), float(g), float(b))


def _camera(rng: np.random.Generator) -> Camera:
    jitter = rng.uniform(-0.02, 0.02, size=3)
    x, y, z = np.array((0.0, -0.62, 0.95)) + jitter
    return Camera((float(x), float(y), float(z)), (0.0, 0.025, 0.04), 28.5)


def _lighting(rng: np.random.Generator) -> Lighting:
    azimuth = rng.uniform(0.0, 2.0 * math.pi)
    tilt = rng.uniform(0.3, 0.75)
    direction = (
        float(math.sin(tilt) * math.cos(azimuth)),
        float(math.sin(tilt) * math.sin(azimuth)),
        float(-math.cos(tilt)),
    )
    return Lighting(direction, float(rng.uniform(0.38, 0.50)), float(rng.uniform(0.50, 0.65)))


def object_combos(layout: Layout) -> set[tuple[str, str]]:
    """Return the (colour, shape) pairs and (colour, kind) pairs of a scene."""
    objects = {(thing.colour, str(thing.shape)) for thing in layout.objects}
    return objects | {(thing.colour, str(thing.kind)) for thing in layout.receptacles}


def project(points_xyz: Floats, camera: Camera, *, size_px: int) -> Floats:
    """Map world points to pixels of a square image.

    Args:
        points_xyz: Float (N, 3), metres, in front of the camera.
        camera: The camera.
        size_px: Width and height of the image.

    Returns:
        Float (N, 2): u to the right, v down, from the top left corner. Pixel i spans i to i + 1.
    """
    pos, target = np.asarray(camera.pos), np.asarray(camera.target)
    forward = (target - pos) / np.linalg.norm(target - pos)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    relative = np.atleast_2d(np.asarray(points_xyz, dtype=np.float64)) - pos
    scale = size_px / (2.0 * math.tan(math.radians(camera.fovy_deg) / 2.0)) / (relative @ forward)
    return np.stack(
        (size_px / 2.0 + scale * (relative @ right), size_px / 2.0 - scale * (relative @ up)),
        axis=1,
    )
