"""Pictures of a MuJoCo scene without OpenGL: ray casting with `mj_multiRay`, shaded and anti-aliased in NumPy.

The same scene gives the same bytes on every run, in every process, with MuJoCo 3 and 4. Drawn are planes, boxes,
spheres, capsules, ellipsoids and cylinders in their `geom_rgba` colour; materials, textures and transparency are not.
Most of a picture is the top of a table, so that one face is drawn in closed form and rays are kept for the rest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from roboreward.core import UsageError
from roboreward.sim.rays import Floats, Ints, Vector, look_at, visible_geoms
from roboreward.sim.shading import Scene, make_view, table_top
from roboreward.sim.shadows import make_light
from roboreward.sim.surfaces import (
    BOX,
    DRAWABLE,
    FACE_BITS,
    PLANE,
    Shapes,
    find_shapes,
    fingerprint,
)

# Four points on a rotated grid: no two share a row or a column, so edges near an axis get five steps, not three.
_EDGE_OFFSETS_PX = ((0.125, 0.375), (-0.375, 0.125), (0.375, -0.125), (-0.125, -0.375))
_SAMPLE_WEIGHT = np.float32(1 / (1 + len(_EDGE_OFFSETS_PX)))
_BACKGROUND = (0.80, 0.84, 0.88)


@dataclass(frozen=True)
class RenderedImage:
    """A picture and what is seen in it.

    Attributes:
        rgb: (H, W, 3) uint8.
        geom_id: (H, W) int32, the geom at the centre of each pixel; -1 where there is none.
    """

    rgb: npt.NDArray[np.uint8]
    geom_id: npt.NDArray[np.int32]


class RayRenderer:
    """Draws square pictures of one model. Not thread-safe.

    Colours, kinds, sizes and positions may be edited in the model between pictures, but only within the bounds that
    were compiled: MuJoCo's ray casting skips what lies outside them.

    Args:
        model: The `mujoco.MjModel`.
        size_px: Side of the picture.
        background: Colour where there is no geom, (r, g, b) in 0..1.

    Raises:
        UsageError: The size is not at least 2.
    """

    def __init__(self, model: Any, *, size_px: int = 96, background: Vector = _BACKGROUND) -> None:
        if size_px < 2:
            raise UsageError(f"size_px is {size_px}; give at least 2.")
        self.model, self.size_px = model, size_px
        self._background = tuple(np.float32(part) for part in background)
        self._fingerprint: tuple[bytes, ...] = ()
        self._shapes = self._current_shapes()

    def render(
        self,
        data: Any,
        *,
        camera_pos: Any,
        camera_target: Any,
        fovy_deg: float,
        light_direction: Any,
        ambient: float,
        diffuse: float,
        table_geom: int,
    ) -> RenderedImage:
        """Draw the scene as it stands (`mj_forward` or `mj_kinematics` has been called).

        Args:
            data: The `mujoco.MjData`.
            camera_pos: (3,) position (m).
            camera_target: (3,) the point in the middle of the picture (m); the world's z is up.
            fovy_deg: Vertical field of view in degrees.
            light_direction: (3,) the way the light travels; downwards has negative z.
            ambient: Share of its colour that a surface shows without light, 0..1.
            diffuse: What a surface that faces the light shows on top of that; ambient + diffuse = 1 shows the colour.
            table_geom: Id of the plane or box that fills most of the picture; it casts no shadow.

        Raises:
            UsageError: A vector has no direction, the field of view is out of range, the table is no plane or box, or
                a visible geom is of a kind that is not drawn.
        """
        if not 0 <= table_geom < self.model.ngeom or self.model.geom_type[table_geom] not in (
            PLANE,
            BOX,
        ):
            raise UsageError(
                f"table_geom is {table_geom}; give the id of a plane or a box of this model."
            )
        camera = look_at(camera_pos, camera_target, fovy_deg=fovy_deg)
        light = make_light(light_direction, ambient=ambient, diffuse=diffuse)
        self._shapes = self._current_shapes()
        top = table_top(data, self._shapes, table_geom)
        scene = Scene(
            self.model,
            data,
            self._shapes,
            make_view(camera, light, top, self.size_px),
            top,
            table_geom,
        )
        return self._draw(scene)

    def _current_shapes(self) -> Shapes:
        """Shapes change between episodes, not between frames, so they are worked out again only after an edit."""
        now = fingerprint(self.model)
        if now != self._fingerprint:
            unknown = visible_geoms(self.model) & ~np.isin(self.model.geom_type, DRAWABLE)
            if unknown.any():
                raise UsageError(
                    f"Geom {int(np.flatnonzero(unknown)[0])} is a mesh, height field or SDF, which RayRenderer "
                    "cannot draw; use a primitive, or move it to geom group 3 or above to hide it."
                )
            self._fingerprint, self._shapes = now, find_shapes(self.model)
        return self._shapes

    def _draw(self, scene: "Scene") -> RenderedImage:
        side, x, y = self.size_px, scene.view.x, scene.view.y
        key, busy, top_level = scene.top_keys(), scene.busy(), scene.top_level()
        row, column = np.divmod(busy, side)
        key[busy], level = scene.look(x[column], y[row], top_level[busy])
        parts = _edge_samples(key.reshape(side, side))
        fine = np.concatenate(parts)
        row, column = np.divmod(fine, side)
        shift = np.repeat(_EDGE_OFFSETS_PX, [len(part) for part in parts], axis=0) * (x[1] - x[0])
        fine_key, fine_level = scene.look(
            x[column] + shift[:, 0], y[row] + shift[:, 1], top_level[fine]
        )
        rgb = np.empty((len(key), 3), np.uint8)
        geom, fine_geom = key >> FACE_BITS, fine_key >> FACE_BITS
        seen, empty, fine_empty = (
            geom[busy],
            np.flatnonzero(geom < 0),
            np.flatnonzero(fine_geom < 0),
        )
        for channel, (colours, nothing) in enumerate(
            zip(self._shapes.rgb, self._background, strict=True)
        ):
            plain = top_level * colours[scene.table]
            plain[busy] = colours[seen] * level
            plain[empty] = nothing
            sample = colours[fine_geom] * fine_level
            sample[fine_empty] = nothing
            sample -= plain[fine]
            sample *= _SAMPLE_WEIGHT
            first = 0
            for part in parts:
                plain[part] += sample[first : first + len(part)]
                first += len(part)
            rgb[:, channel] = _levels(plain)
        return RenderedImage(rgb.reshape(side, side, 3), geom.reshape(side, side))


def _levels(channel: Floats) -> npt.NDArray[np.uint8]:
    """The one rounding, of brightness in 0..1 and above."""
    levels: npt.NDArray[np.uint8] = (np.minimum(channel, 1) * 255 + 0.5).astype(np.uint8)
    return levels


def _edge_samples(key: Ints) -> list[npt.NDArray[np.intp]]:
    """Which pixels need each of the samples in `_EDGE_OFFSETS_PX`, for a picture (H, W) of faces.

    A sample lies between the centre of its pixel and those of two neighbours. Where all three show one face, so
    does the sample if edges are straight, and the ray can be saved: about half of them in practice.
    """
    across, down = key[:, 1:] != key[:, :-1], key[1:] != key[:-1]
    beside, above = np.zeros((2, *key.shape), np.bool_), np.zeros((2, *key.shape), np.bool_)
    beside[0, :, 1:] = beside[1, :, :-1] = across
    above[0, 1:] = above[1, :-1] = down
    return [np.flatnonzero(beside[int(dx > 0)] | above[int(dy < 0)]) for dx, dy in _EDGE_OFFSETS_PX]
