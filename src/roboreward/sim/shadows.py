"""Soft shadows without rays: every body is an ellipsoid, and light is parallel.

The shadow of an ellipsoid under parallel light is an ellipse, so how deep a point is in shadow is one quadratic form.
Shadows are there as a cue for height, not for their exact outline: they grow softer as the body rises.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from roboreward.sim.rays import Camera, Floats, Ints, Vector, dot, screen_boxes, unit
from roboreward.sim.surfaces import Shapes

_STRENGTH = np.float32(0.6)
_OVERSIZE = 1.1  # An ellipsoid inside a box is smaller than the box: this makes up for some of it.
_BASE_SOFTNESS, _SOFTNESS_PER_HEIGHT, _SOFTEST = 0.15, 0.12, 0.8
_LEAST_HALF_M = 1e-4
_GRAZING = 1e-3  # Light this flat on a plane has no footprint worth drawing.


@dataclass(frozen=True)
class Light:
    """Light that travels along `direction`, two unit vectors across it, and its strengths as fractions."""

    direction: Vector
    across: tuple[Vector, Vector]
    ambient: float
    diffuse: float


@dataclass(frozen=True)
class Plane:
    """An endless plane: a point on it and its unit normal."""

    point: Vector
    normal: Vector


@dataclass(frozen=True)
class Casters:
    """C ellipsoids as the light sees them: u and v across the light, w along it (m); (C,) float32 but the first two.

    A point at (du, dv) from a centre has the squared distance uu*du^2 + uv*du*dv + vv*dv^2, which is 1 on the
    outline; the shadow ends at `outer` and is full at `outer - 1/slope`.
    """

    body: Ints
    centre: Floats
    u: Floats
    v: Floats
    w: Floats
    uu: Floats
    uv: Floats
    vv: Floats
    outer: Floats
    slope: Floats
    rise: Floats


def make_light(direction: Any, *, ambient: float, diffuse: float) -> Light:
    """Return the light with axes across it; raise UsageError when the direction is no direction."""
    along = unit(direction, "light_direction")
    helper = (1.0, 0.0, 0.0) if abs(along[0]) < 0.6 else (0.0, 1.0, 0.0)
    share = dot(helper, along)
    first = unit([helper[k] - share * along[k] for k in range(3)], "light axis")
    second = (
        along[1] * first[2] - along[2] * first[1],
        along[2] * first[0] - along[0] * first[2],
        along[0] * first[1] - along[1] * first[0],
    )
    return Light(along, (first, second), float(ambient), float(diffuse))


def make_casters(data: Any, *, shapes: Shapes, light: Light, floor: Plane) -> Casters:
    """Return the shapes' casters where they are now; height over the floor makes a shadow softer."""
    body = shapes.caster_body
    frame = data.xmat[body].reshape(-1, 3, 3)
    half = np.maximum(shapes.caster_half * _OVERSIZE, _LEAST_HALF_M)
    mid = shapes.caster_mid
    centre = data.xpos[body] + sum(frame[:, :, k] * mid[:, k : k + 1] for k in range(3))
    # Axes a, b across and c along the light, in the space in which the ellipsoid is the unit sphere.
    axes = np.array([*light.across, light.direction])
    a, b, c = (dot(frame.transpose(1, 0, 2), axis[:, None, None]) / half for axis in axes)
    a, b, c, place = a.T, b.T, c.T, centre.T
    along, ac, bc = dot(c, c), dot(a, c), dot(b, c)
    height = np.maximum(dot(floor.normal, place) - dot(floor.normal, floor.point), 0)
    soft = np.minimum(
        _BASE_SOFTNESS + _SOFTNESS_PER_HEIGHT * 3 * height / dot((1, 1, 1), half.T), _SOFTEST
    )
    rows = [
        *(dot(axis, place) for axis in axes),
        dot(a, a) - ac * ac / along,
        2 * (dot(a, b) - ac * bc / along),
        dot(b, b) - bc * bc / along,
        (1 + soft) * (1 + soft),
        1 / (4 * soft),
        2 / half.min(axis=1),
    ]
    return Casters(body, centre, *np.array(rows).astype(np.float32))


def lit_solids(casters: Casters, light: Light, *, world: list[Floats], body: Ints) -> Floats:
    """Return (N,) float32 the share of light that reaches points on bodies; a body casts none on itself.

    Args:
        casters: C casters.
        light: The light.
        world: Three (N,) float32 coordinates (m).
        body: (N,) the body of each point.
    """
    u, v, w = (dot(axis, world) for axis in (*light.across, light.direction))
    reached = w > casters.w[:, None]
    distance = _quadratic(
        u - casters.u[:, None],
        v - casters.v[:, None],
        *(part[:, None] for part in (casters.uu, casters.uv, casters.vv)),
    )
    reached &= distance < casters.outer[:, None]
    reached &= body != casters.body[:, None]
    pairs = np.flatnonzero(reached)
    which, point = np.divmod(pairs, len(u))
    rise = np.minimum((w[point] - casters.w[which]) * casters.rise[which], 1)
    return _darkest(casters, len(u), which, point, distance.reshape(-1)[pairs], rise)


def lit_plane(
    casters: Casters, light: Light, *, floor: Plane, camera: Camera, u: Floats, v: Floats
) -> Floats:
    """Return (H * W,) float32 the share of light that reaches the floor, all of which lies below the casters.

    Args:
        casters: C casters.
        light: The light.
        floor: The plane.
        camera: The camera that sees it.
        u: (H, W) float32 place across the light (m) of the floor at each pixel.
        v: (H, W) float32 the same along the second axis.
    """
    facing = -dot(floor.normal, light.direction)
    above = np.flatnonzero(dot(floor.normal, casters.centre.T) > dot(floor.normal, floor.point))
    if facing < _GRAZING or not len(above):
        return np.ones(u.size, np.float32)
    boxes = screen_boxes(camera, _footprints(casters, light, floor, facing)[above], size_px=len(u))
    pixels = np.arange(u.size).reshape(u.shape)
    parts = [pixels[top:bottom, left:right].reshape(-1) for left, top, right, bottom in boxes]
    point, which = np.concatenate(parts), np.repeat(above, [len(part) for part in parts])
    distance = _quadratic(
        u.reshape(-1)[point] - casters.u[which],
        v.reshape(-1)[point] - casters.v[which],
        *(part[which] for part in (casters.uu, casters.uv, casters.vv)),
    )
    return _darkest(casters, u.size, which, point, distance, 1)


def _darkest(
    casters: Casters, num: int, which: Any, point: Any, distance: Floats, rise: Any
) -> Floats:
    """(num,) what is left of the light where the deepest of its shadows counts: there is only one light to hide."""
    lit = np.ones(num, np.float32)
    share = np.minimum(np.maximum((casters.outer[which] - distance) * casters.slope[which], 0), 1)
    np.minimum.at(lit, point, 1 - _STRENGTH * rise * share * share * (3 - 2 * share))
    return lit


def _footprints(casters: Casters, light: Light, floor: Plane, facing: float) -> Floats:
    """(C, 4, 3) corners around each caster's shadow on the floor."""
    c, normal = casters, floor.normal
    drop = (dot(normal, c.centre.T) - dot(normal, floor.point)) / facing
    area = c.uu * c.vv - c.uv * c.uv / 4
    reach = np.sqrt(c.outer * c.vv / area), np.sqrt(c.outer * c.uu / area)
    along = np.array(light.direction)
    first, second = (
        r[:, None] * (np.array(axis) + along * (dot(normal, axis) / facing))
        for r, axis in zip(reach, light.across, strict=True)
    )
    centre = c.centre + drop[:, None] * along
    return np.stack([centre + a * first + b * second for a in (-1, 1) for b in (-1, 1)], axis=1)


def _quadratic(du: Floats, dv: Floats, uu: Any, uv: Any, vv: Any) -> Floats:
    total: Floats = du * uu
    total += dv * uv
    total *= du
    dv = dv * dv
    dv *= vv
    total += dv
    return total
