"""One moment of a scene through one camera: where rays are needed, what they hit, and how bright it is.

Brightness here is a factor on a geom's colour; colours and samples are put together in `render`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from roboreward.sim.rays import Camera, Floats, Ints, Vector, cast, dot, screen_boxes
from roboreward.sim.shadows import Light, Plane, lit_plane, lit_solids, make_casters
from roboreward.sim.surfaces import FACE_BITS, FACE_FLAT, FACE_UP, Shapes, local_normals

_NOTHING = np.int32(-1 << FACE_BITS)
_TOP_TOLERANCE_M = 1e-7
_AMBIENT_FROM_BELOW = 0.7  # Share of the ambient light that a surface gets which looks down.


@dataclass(frozen=True)
class Top:
    """The face of the table that looks up: its plane, its axes, and half its sides (m, may be infinite)."""

    plane: Plane
    axes: tuple[Vector, Vector]
    half: tuple[float, float]


@dataclass(frozen=True)
class View:
    """What one camera sees of an empty table, pixel by pixel: whether its top (N,), and places across the light (m)."""

    camera: Camera
    light: Light
    x: Floats
    y: Floats
    has_top: npt.NDArray[np.bool_]
    u: Floats
    v: Floats


class Scene:
    """One moment, seen by one camera in one light."""

    def __init__(
        self, model: Any, data: Any, shapes: Shapes, view: View, top: Top, table: int
    ) -> None:
        self.model, self.data, self.shapes, self.view, self.top, self.table = (
            model,
            data,
            shapes,
            view,
            top,
            table,
        )
        self.camera, self.light = view.camera, view.light
        self._axes = data.geom_xmat.reshape(-1, 3, 3)
        self._top_key = np.int32(
            table << FACE_BITS | (FACE_FLAT if shapes.is_plane[table] else FACE_UP)
        )
        self._casters = make_casters(data, shapes=shapes, light=self.light, floor=top.plane)
        self._traits = self._make_traits()

    def _make_traits(self) -> Floats:
        """(G, 22) float32 what shading needs to know of a geom, in one row so that one lookup brings it all."""
        traits = np.empty((len(self._axes), 22), np.float32)
        traits[:, :9] = self._axes.transpose(0, 2, 1).reshape(-1, 9)
        traits[:, 9:12], traits[:, 12:15] = self.data.geom_xpos, self.model.geom_size
        traits[:, 15:19] = self.shapes.curve
        traits[:, 19:22] = -dot(
            self._axes.transpose(1, 0, 2), np.array(self.light.direction)[:, None, None]
        )
        return traits

    def top_keys(self) -> Ints:
        keys: Ints = np.where(self.view.has_top, self._top_key, _NOTHING)
        return keys

    def top_level(self) -> Floats:
        """(N,) brightness of the endless plane of the table's top at each pixel."""
        plane, view = self.top.plane, self.view
        lit = lit_plane(
            self._casters, self.light, floor=plane, camera=self.camera, u=view.u, v=view.v
        )
        facing = max(-dot(plane.normal, self.light.direction), 0.0)
        return _level(self.light, facing * lit, plane.normal[2])

    def busy(self) -> npt.NDArray[np.intp]:
        """Pixels in which something other than the top of the table may be seen."""
        side = len(self.view.x)
        mask = np.zeros((side, side), np.bool_)
        others = self.shapes.visible.copy()
        others[self.table] = False
        if (others & self.shapes.is_plane).any():
            mask[:] = True
        for left, top, right, bottom in self._geom_boxes(np.flatnonzero(others)):
            mask[top:bottom, left:right] = True
        if not self.shapes.is_plane[self.table]:
            left, top, right, bottom = self._geom_boxes(np.array([self.table]))[0]
            mask[top:bottom, left:right] |= ~self.view.has_top.reshape(side, side)[
                top:bottom, left:right
            ]
        return np.flatnonzero(mask)

    def _geom_boxes(self, geoms: Any) -> list[list[int]]:
        arms = self._axes[geoms].transpose(0, 2, 1) * self.shapes.extents[geoms][:, :, None]
        corners = self.data.geom_xpos[geoms][:, None, :]
        for k in range(3):
            corners = np.concatenate(
                [corners - arms[:, k : k + 1], corners + arms[:, k : k + 1]], axis=1
            )
        return screen_boxes(self.camera, corners, size_px=len(self.view.x))

    def look(self, x: Floats, y: Floats, top_level: Floats) -> tuple[Ints, Floats]:
        """Cast rays through points of the picture and shade what they hit.

        Args:
            x: (N,) places in the plane of the picture at depth 1.
            y: (N,)
            top_level: (N,) brightness of the top of the table at these points.

        Returns:
            Face (N,) and brightness (N,) float32; that of nothing means nothing.
        """
        camera = self.camera
        rays = np.empty((len(x), 3))
        for k in range(3):
            rays[:, k] = camera.forward[k] + x * camera.right[k] + y * camera.up[k]
        geom, depth = cast(self.model, self.data, camera.pos, rays)
        key, level = geom << FACE_BITS, top_level.copy()
        is_top = self._is_top(geom, depth, rays)
        key[is_top] = self._top_key
        solid = np.flatnonzero((geom >= 0) & ~is_top)
        if len(solid):
            rays, depth, geom = rays[solid], depth[solid], geom[solid]
            world = [(camera.pos[k] + depth * rays[:, k]).astype(np.float32) for k in range(3)]
            face, level[solid] = self._shade(geom, world)
            key[solid] |= face
        return key, level

    def _is_top(self, geom: Ints, depth: Floats, rays: Floats) -> npt.NDArray[np.bool_]:
        is_top: npt.NDArray[np.bool_] = geom == self.table
        if not self.shapes.is_plane[self.table]:
            plane, hit = self.top.plane, np.flatnonzero(is_top)
            start = dot(plane.normal, self.camera.pos) - dot(plane.normal, plane.point)
            is_top[hit] = start + depth[hit] * dot(plane.normal, rays[hit].T) > -_TOP_TOLERANCE_M
        return is_top

    def _shade(self, geom: Ints, world: list[Floats]) -> tuple[Ints, Floats]:
        """Face and brightness of points on geoms, worked out in the frame of each geom."""
        traits = np.ascontiguousarray(self._traits[geom].T)
        away = [world[k] - traits[9 + k] for k in range(3)]
        q = np.stack([dot(traits[3 * k : 3 * k + 3], away) for k in range(3)])
        normal, face = local_normals(self.model.geom_type[geom], q, traits[12:15], traits[15:19])
        facing = np.maximum(dot(normal, traits[19:22]), 0)
        upward = normal[0] * traits[2] + normal[1] * traits[5] + normal[2] * traits[8]
        facing *= lit_solids(
            self._casters, self.light, world=world, body=self.model.geom_bodyid[geom]
        )
        return face, _level(self.light, facing, upward)


@lru_cache(maxsize=4)
def make_view(camera: Camera, light: Light, top: Top, size_px: int) -> View:
    """All frames of an episode share one: camera, light and table stay where they are."""
    ticks = (2 * np.arange(size_px) + 1) / size_px - 1
    x, y = ticks * camera.half_height, ticks * -camera.half_height

    def across(axis: Vector) -> Floats:
        rows: Floats = dot(axis, camera.forward) + y * dot(axis, camera.up)
        grid: Floats = rows[:, None] + x * dot(axis, camera.right)
        return grid

    height = dot(top.plane.normal, camera.pos) - dot(top.plane.normal, top.plane.point)
    depth = max(height, 0.0) / np.maximum(-across(top.plane.normal), 1e-9)
    has_top = (depth > 0) & (depth < 1e6)
    for axis, half in zip(top.axes, top.half, strict=True):
        start = dot(axis, camera.pos) - dot(axis, top.plane.point)
        has_top &= np.abs(start + depth * across(axis)) <= half
    u, v = (
        (dot(axis, camera.pos) + depth * across(axis)).astype(np.float32) for axis in light.across
    )
    return View(camera, light, x, y, has_top.reshape(-1), u, v)


def table_top(data: Any, shapes: Shapes, table: int) -> Top:
    axes = data.geom_xmat[table].reshape(3, 3).T.tolist()
    half, up = shapes.extents[table].tolist(), axes[2]
    x, y, z = (float(data.geom_xpos[table, k]) + up[k] * half[2] for k in range(3))
    # A plane with a side of 0 is endless.
    wide, deep = (h if h > 0 else float("inf") for h in half[:2])
    return Top(Plane((x, y, z), tuple(up)), (tuple(axes[0]), tuple(axes[1])), (wide, deep))


def _level(light: Light, lit: Floats, upward: Any) -> Floats:
    """Brightness (float32): ambient light comes mostly from above, direct light as given."""
    share = 0.5 * (1 - _AMBIENT_FROM_BELOW)
    level: Floats = light.ambient * (1 - share + share * upward) + light.diffuse * lit
    return level
