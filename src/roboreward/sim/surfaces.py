"""What the renderer knows about geoms: their extents, which are drawn, and the normals of their surfaces.

MuJoCo before 3.5 does not return normals, so all versions compute them here and draw the same picture.
"""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from roboreward.sim.rays import Floats, Ints, dot, visible_geoms

PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}"))
    for name in ("PLANE", "SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX")
)
DRAWABLE = (PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX)
FACE_BITS = 3  # A face of the scene is named geom << 3 | face: no geom has more than six.
FACE_FLAT, FACE_UP = 0, 5  # A plane's only face, and the face at +z of a box.
_ROUND = (SPHERE, CAPSULE, ELLIPSOID)
_WHOLE_FROM = (
    4  # A body of this many geoms casts the shadow of one thing, such as a bowl built of walls.
)


@dataclass(frozen=True)
class Shapes:
    """What stays as it is while things only move: G geoms, and C groups of geoms that cast shadows together.

    Attributes:
        visible: (G,) whether each geom is drawn.
        is_plane: (G,) whether each is a plane.
        extents: (G, 3) half sides (m) of each geom's box in its own frame.
        curve: (G, 4) float32: what divides a point's coordinates to give the normal of a round surface, and half the
            length of the straight part of a capsule.
        rgb: (3, G) float32 colours.
        caster_body: (C,) the body of each caster, never the world.
        caster_mid: (C, 3) middle (m) of each caster's box in the frame of its body.
        caster_half: (C, 3) its half sides (m).
    """

    visible: npt.NDArray[np.bool_]
    is_plane: npt.NDArray[np.bool_]
    extents: Floats
    curve: Floats
    rgb: Floats
    caster_body: Ints
    caster_mid: Floats
    caster_half: Floats


def fingerprint(model: Any) -> tuple[bytes, ...]:
    """Return the bytes of everything in a model that `find_shapes` reads and callers may edit."""
    arrays = (
        model.geom_type,
        model.geom_size,
        model.geom_group,
        model.geom_rgba,
        model.geom_pos,
        model.geom_quat,
    )
    return tuple(array.tobytes() for array in arrays)


def find_shapes(model: Any) -> Shapes:
    """Return the shapes of a model as it stands."""
    types, sizes = model.geom_type, model.geom_size
    visible, extents = visible_geoms(model), half_extents(types, sizes)
    divisor = np.where((types == ELLIPSOID)[:, None], sizes * sizes, 1.0)
    straight = np.where(types == CAPSULE, sizes[:, 1], 0.0)
    body, low, high = _casters_in_bodies(model, visible & (types != PLANE), extents)
    return Shapes(
        visible=visible,
        is_plane=types == PLANE,
        extents=extents,
        curve=np.hstack([divisor, straight[:, None]]).astype(np.float32),
        rgb=np.ascontiguousarray(model.geom_rgba[:, :3].T),
        caster_body=body,
        caster_mid=(low + high) / 2,
        caster_half=(high - low) / 2,
    )


def half_extents(types: Ints, sizes_G3: Floats) -> Floats:
    """Return (G, 3) half sides (m) of each geom's box in its own frame; a plane's thickness is 0."""
    radius, length = sizes_G3[:, 0], sizes_G3[:, 1]
    is_round = (types == SPHERE) | (types == CAPSULE) | (types == CYLINDER)
    x, y, z = radius, np.where(is_round, radius, length), sizes_G3[:, 2]
    z = np.where(types == SPHERE, radius, z)
    z = np.where(types == CYLINDER, length, np.where(types == CAPSULE, radius + length, z))
    return np.stack([x, y, np.where(types == PLANE, 0.0, z)], axis=1)


def _casters_in_bodies(
    model: Any, visible: npt.NDArray[np.bool_], extents: Floats
) -> tuple[Ints, Floats, Floats]:
    """Bodies (C,) and lowest and highest corners (C, 3) in their frames; MuJoCo sorts geoms by body."""
    geoms = np.flatnonzero(visible & (model.geom_bodyid > 0))
    owners = model.geom_bodyid[geoms].astype(np.int32)
    axes = _rotations(model.geom_quat[geoms])
    reach = sum(np.abs(axes[:, :, k]) * extents[geoms, k : k + 1] for k in range(3))
    low, high = model.geom_pos[geoms] - reach, model.geom_pos[geoms] + reach
    if not len(geoms):
        return owners, low, high
    is_single = np.bincount(owners)[owners] < _WHOLE_FROM
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]) | is_single)
    return owners[starts], np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)


def _rotations(quats: Floats) -> Floats:
    """(G, 3, 3) rotation matrices of unit quaternions (w, x, y, z)."""
    w, x, y, z = quats.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)


def local_normals(kinds: Ints, q: Floats, size: Floats, curve: Floats) -> tuple[Floats, Ints]:
    """Return outward normals of surface points in the frames of their geoms, and which face each lies on.

    Args:
        kinds: (N,) each one of `DRAWABLE`.
        q: (3, N) points in the frames of their geoms (m).
        size: (3, N) the `geom_size` at each point (m).
        curve: (4, N) the `Shapes.curve` at each point.

    Returns:
        (3, N) unit normals, and (N,) face numbers below 8 that differ across a crease.
    """
    normal, face = _box_normals(q, size)
    tubes = np.flatnonzero(kinds == CYLINDER)
    if len(tubes):
        _set(normal, tubes, _cylinder_normals(_at(q, tubes), _at(size, tubes), face, tubes))
    curved = np.flatnonzero((kinds == SPHERE) | (kinds == CAPSULE) | (kinds == ELLIPSOID))
    if len(curved):
        _set(normal, curved, _round_normals(_at(q, curved), _at(curve, curved)))
        face[curved] = 0
    flat = np.flatnonzero(kinds == PLANE)
    if len(flat):
        normal[:, flat] = np.array([[0], [0], [1]])
        face[flat] = FACE_FLAT
    return normal, face


def _box_normals(q: Floats, size: Floats) -> tuple[Floats, Ints]:
    """The face whose plane is nearest from outside; where two are equally near, the first."""
    outside = np.abs(q) - size
    is_z = outside[2] > np.maximum(outside[0], outside[1])
    is_y = (outside[1] > outside[0]) & ~is_z
    is_x = ~(is_y | is_z)
    normal = np.copysign(np.stack([is_x, is_y, is_z]).astype(q.dtype), q)
    is_positive = normal[0] + normal[1] + normal[2] > 0
    return normal, (is_y * np.int32(2) + is_z * np.int32(4) + is_positive).astype(np.int32)


def _cylinder_normals(q: Floats, size: Floats, face: Ints, which: Any) -> Floats:
    radial = np.sqrt(q[0] * q[0] + q[1] * q[1])
    is_cap = np.abs(q[2]) - size[1] > radial - size[0]
    scale = ~is_cap / np.maximum(radial, 1e-9)
    face[which] = is_cap * (np.int32(1) + (q[2] > 0))
    return np.stack([q[0] * scale, q[1] * scale, np.copysign(is_cap, q[2])])


def _round_normals(q: Floats, curve: Floats) -> Floats:
    """The gradient of the surface's equation, which for a capsule starts at the nearest point of its straight part."""
    spine = np.minimum(np.maximum(q[2], -curve[3]), curve[3])
    v = np.stack([q[0] / curve[0], q[1] / curve[1], (q[2] - spine) / curve[2]])
    scaled: Floats = v / np.sqrt(np.maximum(dot(v, v), 1e-30))
    return scaled


def _at(rows: Floats, which: Any) -> Floats:
    chosen: Floats = np.take(rows, which, axis=1)
    return chosen


def _set(rows: Floats, which: Any, values: Floats) -> None:
    for row, value in zip(rows, values, strict=True):
        row[which] = value
