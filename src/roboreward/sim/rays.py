"""Rays and cameras: what the renderer asks of MuJoCo and of perspective, as flat arrays.

Arithmetic is elementwise on purpose: additions, products and square roots are the same bits on every
processor, while matrix products, exponentials and long sums are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import radians, sqrt, tan
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from roboreward.core import UsageError

Floats = npt.NDArray[Any]
Ints = npt.NDArray[np.int32]
Vector = tuple[float, float, float]

# MuJoCo 3.5 added an output for normals to this call; the text signature is the only way to ask without calling.
_RETURNS_NORMALS = "normal:" in (mujoco.mj_multiRay.__doc__ or "")
_VISIBLE_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
_NUM_GROUPS_SEEN = 3
_WIDE_M, _NODE_ROOM = 1e3, 1.5


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: position and orthonormal axes in the world, and tan of half the vertical field of view."""

    pos: Vector
    right: Vector
    up: Vector
    forward: Vector
    half_height: float


def look_at(pos: Any, target: Any, *, fovy_deg: float) -> Camera:
    """Return the camera at `pos` (m) that looks at `target` (m), with the world's z upwards in the picture.

    A camera that looks straight down or up has the world's y upwards.

    Raises:
        UsageError: `pos` equals `target`, or the field of view is not between 0 and 180 degrees.
    """
    if not 0 < fovy_deg < 180:
        raise UsageError(
            f"The vertical field of view is {fovy_deg} degrees; give one between 0 and 180."
        )
    eye, aim = _vector(pos), _vector(target)
    forward = unit((aim[0] - eye[0], aim[1] - eye[1], aim[2] - eye[2]), "camera direction")
    is_vertical = abs(forward[2]) > 1 - 1e-9
    right = unit(
        _cross(forward, (0.0, 1.0, 0.0) if is_vertical else (0.0, 0.0, 1.0)), "camera axis"
    )
    return Camera(eye, right, _cross(right, forward), forward, tan(radians(fovy_deg) / 2))


def project(camera: Camera, points: Floats) -> Floats:
    """Return where points are seen.

    Args:
        camera: The camera.
        points: (..., 3) world positions (m).

    Returns:
        (3, ...): x and y in the picture as fractions of its side from the top left corner (inside it: 0..1), and the
        depth along the camera's axis (m); a point with depth <= 0 is behind the camera and its x and y mean nothing.
    """
    return np.stack(_project(camera, points))


def screen_boxes(camera: Camera, corners: Floats, *, size_px: int) -> list[list[int]]:
    """Return [left, top, right, bottom] in whole pixels (right and bottom excluded) around groups of points.

    Args:
        camera: The camera.
        corners: (G, C, 3) world positions (m); what they enclose is convex.
        size_px: Side of the picture.
    """
    x, y, depth = _project(camera, corners)
    edges = np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)
    edges[(depth <= 1e-6).any(axis=1)] = (0, 0, 1, 1)
    # Half a pixel of room on each side, because rays pass through the middles of pixels and rounding may cut corners.
    edges = np.minimum(np.maximum(edges * size_px + (-0.5, -0.5, 1.5, 1.5), 0), size_px)
    boxes: list[list[int]] = edges.astype(int).tolist()
    return boxes


def _project(camera: Camera, points: Floats) -> tuple[Floats, Floats, Floats]:
    away = (
        points[..., 0] - camera.pos[0],
        points[..., 1] - camera.pos[1],
        points[..., 2] - camera.pos[2],
    )
    depth = dot(away, camera.forward)
    scale = 0.5 / (np.where(depth == 0, 1e-12, depth) * camera.half_height)
    return 0.5 + dot(away, camera.right) * scale, 0.5 - dot(away, camera.up) * scale, depth


def visible_geoms(model: Any) -> npt.NDArray[np.bool_]:
    """Return (ngeom,) whether each geom is drawn: its group is below 3 and its alpha is not 0."""
    seen: npt.NDArray[np.bool_] = (model.geom_group < _NUM_GROUPS_SEEN) & (
        model.geom_rgba[:, 3] > 0
    )
    return seen


def cast(model: Any, data: Any, origin: Vector, directions_N3: Floats) -> tuple[Ints, Floats]:
    """Return the nearest visible geom (N,), -1 for none, and the distance in lengths of the ray's direction (N,)."""
    num = len(directions_N3)
    geom, distance = np.full(num, -1, np.int32), np.full(num, -1.0)
    if num:
        inputs = [model, data, np.array(origin), directions_N3.reshape(-1), _VISIBLE_GROUPS, 1, -1]
        if _RETURNS_NORMALS:
            mujoco.mj_multiRay(*inputs, geom, distance, None, num, mujoco.mjMAXVAL)
        else:
            with _wide_bounds(model):
                mujoco.mj_multiRay(*inputs, geom, distance, num, mujoco.mjMAXVAL)
    return geom, distance


@contextmanager
def _wide_bounds(model: Any) -> Iterator[None]:
    """Stop MuJoCo before 3.5 from missing geoms: there this call skips some that single rays hit.

    It bounds a geom by the directions to the corners of its box, beyond which the edges bulge, and a body by a box
    without any room for rounding. Boxes around everything cost nothing measurable, and the fault is gone.
    """
    geoms, nodes = model.geom_aabb.copy(), model.bvh_aabb.copy()
    try:
        model.geom_aabb[:, :3], model.geom_aabb[:, 3:] = 0, _WIDE_M
        model.bvh_aabb[:, 3:] *= _NODE_ROOM
        yield
    finally:
        model.geom_aabb[:], model.bvh_aabb[:] = geoms, nodes


def dot(a: Any, b: Any) -> Any:
    """Return a[0]*b[0] + a[1]*b[1] + a[2]*b[2], in that order."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(vector: Any, name: str) -> Vector:
    """Return the vector at length 1, or raise UsageError naming it when it has no direction."""
    x, y, z = _vector(vector)
    length = sqrt(x * x + y * y + z * z)
    if not 1e-12 < length < 1e12:
        raise UsageError(
            f"The {name} {(x, y, z)} has no direction; give a finite vector that is not zero."
        )
    return x / length, y / length, z / length


def _vector(values: Any) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
