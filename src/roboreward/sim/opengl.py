"""The same picture by OpenGL, for those who have it and want to compare: `RayRenderer` is what everything else uses."""

import warnings
from math import asin, atan2, degrees, dist
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from roboreward.core import UsageError, shorten
from roboreward.sim.rays import look_at


def render_opengl(
    data: Any, *, camera_pos: Any, camera_target: Any, fovy_deg: float, size_px: int = 96
) -> npt.NDArray[np.uint8]:
    """Draw a scene with `mujoco.Renderer`, lights as in the model, without shadows and reflections.

    Args:
        data: The `mujoco.MjData`. Its model's field of view and sampling are changed for the call and put back.
        camera_pos: (3,) position (m).
        camera_target: (3,) the point in the middle of the picture (m); the world's z is up.
        fovy_deg: Vertical field of view in degrees.
        size_px: Side of the picture.

    Returns:
        (H, W, 3) uint8. Not the same bytes on every machine: that is up to its OpenGL.

    Raises:
        UsageError: No OpenGL library can be loaded here, or the camera has no direction.
    """
    model, camera = data.model, mujoco.MjvCamera()
    x, y, z = look_at(camera_pos, camera_target, fovy_deg=fovy_deg).forward
    camera.lookat, camera.distance = camera_target, dist(camera_pos, camera_target)
    camera.azimuth, camera.elevation = degrees(atan2(y, x)), degrees(asin(z))
    before = model.vis.global_.fovy, model.vis.quality.offsamples
    model.vis.global_.fovy, model.vis.quality.offsamples = fovy_deg, 0
    try:
        with _open(model, size_px) as renderer:
            renderer.update_scene(data, camera=camera)
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
            return np.array(renderer.render())
    finally:
        model.vis.global_.fovy, model.vis.quality.offsamples = before


def _open(model: Any, size_px: int) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return mujoco.Renderer(model, size_px, size_px)
    except (mujoco.FatalError, AttributeError, ImportError, RuntimeError) as error:
        raise UsageError(
            f"OpenGL cannot be used here ({shorten(error)}). Install EGL or OSMesa and set MUJOCO_GL=egl or "
            "MUJOCO_GL=osmesa before Python starts, or use RayRenderer, which needs neither."
        ) from error
