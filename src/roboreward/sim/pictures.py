"""Frames of recorded moments: the world, a layout's camera and light, and the ray-casting renderer."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from roboreward.core import Frames
from roboreward.sim.layout import Layout
from roboreward.sim.render import RayRenderer, RenderedImage
from roboreward.sim.scene import Snapshot, World


def render_moments(
    moments: Sequence[Snapshot], layout: Layout, world: World, *, size_px: int
) -> Frames:
    """Return the pictures of recorded moments of the world's present scene, uint8 (T, size_px, size_px, 3)."""
    frames = []
    for moment in moments:
        world.show(moment)
        frames.append(render_now(layout, world, size_px=size_px).rgb)
    return np.stack(frames)


def render_now(layout: Layout, world: World, *, size_px: int) -> RenderedImage:
    """Return the picture of the world as it is, with the geom seen in each pixel."""
    return _renderer(world, size_px).render(
        world.data,
        camera_pos=layout.camera.pos,
        camera_target=layout.camera.target,
        fovy_deg=layout.camera.fovy_deg,
        light_direction=layout.lighting.direction,
        ambient=layout.lighting.ambient,
        diffuse=layout.lighting.diffuse,
        table_geom=world.table_geom,
    )


_renderers: "WeakKeyDictionary[World, dict[int, RayRenderer]]" = WeakKeyDictionary()


def _renderer(world: World, size_px: int) -> RayRenderer:
    by_size = _renderers.setdefault(world, {})
    if size_px not in by_size:
        by_size[size_px] = RayRenderer(world.model, size_px=size_px)
    return by_size[size_px]
