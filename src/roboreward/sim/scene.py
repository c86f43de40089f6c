"""The one MuJoCo model of the tabletop, compiled once a process and edited in place for each scene.

Nothing here opens a window or needs OpenGL.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import mujoco
import numpy as np

from roboreward.sim.layout import (
    HALF_WIDTH_RANGE_M,
    KINDS,
    NUM_OBJECTS,
    NUM_RECEPTACLES,
    OBJECT_COLOURS,
    RECEPTACLE_COLOURS,
    RECEPTACLE_SHAPES,
    Floats,
    Layout,
    ObjectSpec,
)
from roboreward.sim.scoring import SceneState

TIMESTEP_S: Final = 0.005
SUBSTEPS: Final = 8
TICK_S: Final = TIMESTEP_S * SUBSTEPS
"""Commands change and states are recorded at this interval."""

MAX_HALF_GAP_M: Final = 0.046
PARK_M: Final = (0.43, 0.02, 0.20)
VISIBLE_GROUP: Final = 0
HIDDEN_GROUP: Final = 5
BURIED_Z_M: Final = -1.0
_SHADOW: Final = 0.72
_FINGER_HALF_THICKNESS_M: Final = 0.006
_OBJECT_MASS_KG: Final = 0.08
_GEOM_TYPES: Final = {
    "cube": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "ball": mujoco.mjtGeom.mjGEOM_SPHERE,
}


def _receptacle_xml(slot: int) -> str:
    return "".join(
        f'<body name="{kind}{slot}" pos="0 0 {BURIED_Z_M}">{_kind_xml(kind)}</body>'
        for kind in KINDS
    )


def _kind_xml(kind: str) -> str:
    if kind == "bowl":
        return _bowl_xml()
    return _plate_xml() if kind == "plate" else _box_xml()


def _bowl_xml() -> str:
    size = RECEPTACLE_SHAPES["bowl"]
    parts = [_geom("cylinder", (0.053, size.floor / 2), (0, 0, size.floor / 2))]
    tilt, height = math.radians(24), size.rim
    for i in range(8):
        angle = i * math.pi / 4
        radius = 0.0505 + height / 2 * math.tan(tilt)
        pos = (radius * math.cos(angle), radius * math.sin(angle), height / 2)
        half = (0.0026, 0.0275, height / 2 / math.cos(tilt))
        # Two turns: about z by the angle, then outwards by the tilt.
        quat = _product(_turn((0, 0, 1), angle), _turn((0, 1, 0), tilt))
        turn = 'quat="' + " ".join(f"{q:.7f}" for q in quat) + '"'
        parts.append(_geom("box", half, pos, turn))
    return "".join(parts)


def _plate_xml() -> str:
    size = RECEPTACLE_SHAPES["plate"]
    return _geom("cylinder", (size.outer, 0.003), (0, 0, 0.003)) + _geom(
        "cylinder", (size.inner, size.floor / 2), (0, 0, size.floor / 2)
    )


def _box_xml() -> str:
    size = RECEPTACLE_SHAPES["box"]
    half, wall, height = size.outer, 0.004, size.rim
    parts = [_geom("box", (half, half, size.floor / 2), (0, 0, size.floor / 2))]
    for sign in (-1, 1):
        edge = sign * (half - wall)
        parts.append(_geom("box", (wall, half, height / 2), (edge, 0, height / 2)))
        parts.append(_geom("box", (half, wall, height / 2), (0, edge, height / 2)))
    return "".join(parts)


def _geom(kind: str, size: Sequence[float], pos: Sequence[float], turn: str = "") -> str:
    numbers = [" ".join(f"{v:.6f}" for v in values) for values in (size, pos)]
    return f'<geom class="receptacle" type="{kind}" size="{numbers[0]}" pos="{numbers[1]}" {turn}/>'


def _turn(axis: Sequence[float], angle: float) -> list[float]:
    return [math.cos(angle / 2), *(a * math.sin(angle / 2) for a in axis)]


def _product(p: Sequence[float], q: Sequence[float]) -> list[float]:
    out = np.zeros(4)
    mujoco.mju_mulQuat(out, np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64))
    return [float(v) for v in out]


def _object_xml(index: int) -> str:
    # Compiled at the largest size, so that bounding volumes hold for all that it is shrunk to.
    half = HALF_WIDTH_RANGE_M[1] * 1.2
    return (
        f'<body name="object{index}" pos="0 0 {half}"><freejoint name="object{index}"/>'
        f'<inertial pos="0 0 0" mass="{_OBJECT_MASS_KG}" diaginertia="4e-5 4e-5 4e-5"/>'
        f'<geom name="object{index}" class="object" type="box" size="{half} {half} {half}"/></body>'
    )


def _finger_xml(name: str, sign: int) -> str:
    return (
        f'<body name="{name}" gravcomp="1"><joint name="{name}" type="slide" axis="{sign} 0 0" '
        f'range="0 {MAX_HALF_GAP_M}" limited="true" damping="1"/>'
        f'<geom name="{name}" class="finger" pos="{sign * _FINGER_HALF_THICKNESS_M} 0 0.015"/></body>'
    )


def _model_xml() -> str:
    objects = "".join(_object_xml(i) for i in range(NUM_OBJECTS))
    welds = "".join(
        f'<weld name="grip{i}" body1="hand" body2="object{i}" active="false"/>'
        for i in range(NUM_OBJECTS)
    )
    slots = "".join(_receptacle_xml(slot) for slot in range(NUM_RECEPTACLES))
    return f"""
<mujoco>
  <option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" iterations="15" ls_iterations="10"/>
  <default>
    <default class="object">
      <geom contype="1" conaffinity="7" friction="0.9 0.005 0.0005" condim="3" solref="0.01 1"/>
    </default>
    <default class="receptacle"><geom contype="2" conaffinity="0" group="{HIDDEN_GROUP}"/></default>
    <default class="finger">
      <geom type="box" size="{_FINGER_HALF_THICKNESS_M} 0.010 0.030" contype="4" conaffinity="0" mass="0.05"
            rgba="0.20 0.21 0.24 1" friction="1.2 0.01 0.001" solref="0.01 1"/>
    </default>
    <default class="looks"><geom contype="0" conaffinity="0" rgba="0.62 0.64 0.68 1"/></default>
  </default>
  <worldbody>
    <geom name="table" type="plane" size="2 2 0.1" contype="2" conaffinity="0"/>
    {slots}{objects}
    <body name="carriage" gravcomp="1">
      <inertial pos="0 0 0" mass="0.2" diaginertia="1e-3 1e-3 1e-3"/>
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom name="shadow" class="looks" type="cylinder" size="0.026 0.0004" pos="0 0 0.0004"/>
      <body name="hand" gravcomp="1">
        <inertial pos="0 0 0.06" mass="0.4" diaginertia="1e-3 1e-3 1e-3"/>
        <joint name="z" type="slide" axis="0 0 1"/>
        <geom name="palm" class="looks" type="box" size="0.054 0.014 0.008" pos="0 0 0.053"/>
        <body name="rod">
          <geom name="rod" class="looks" type="cylinder" size="0.009 0.17" pos="0 0 0.231" mass="0"/>
        </body>
        {_finger_xml("left", -1)}{_finger_xml("right", 1)}
      </body>
    </body>
  </worldbody>
  <equality>{welds}</equality>
  <actuator>
    <position joint="x" kp="700" kv="45"/>
    <position joint="y" kp="700" kv="45"/>
    <position joint="z" kp="700" kv="38" forcerange="-60 60"/>
    <position joint="left" kp="250" kv="6" forcerange="-8 8"/>
    <position joint="right" kp="250" kv="6" forcerange="-8 8"/>
  </actuator>
</mujoco>"""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One recorded moment: all joint positions, and the object in the grip (or -1)."""

    qpos: Floats
    held: int


class World:
    """The tabletop: set a scene, command the gripper, tick, look.

    Not thread-safe. Everything that `set_scene` does not overwrite is constant, so a scene plays the same whatever
    came before it.
    """

    def __init__(self) -> None:
        self.model: Any = mujoco.MjModel.from_xml_string(_model_xml())
        self.data: Any = mujoco.MjData(self.model)
        self._shadow = self._geom_id("shadow")
        self.table_geom = self._geom_id("table")
        self.object_geoms = tuple(self._geom_id(f"object{i}") for i in range(NUM_OBJECTS))
        self._object_qpos = [
            int(self.model.joint(f"object{i}").qposadr[0]) for i in range(NUM_OBJECTS)
        ]
        self._object_dof = [
            int(self.model.joint(f"object{i}").dofadr[0]) for i in range(NUM_OBJECTS)
        ]
        self._hand_qpos = [int(self.model.joint(axis).qposadr[0]) for axis in "xyz"]
        self._finger_qpos = [int(self.model.joint(n).qposadr[0]) for n in ("left", "right")]
        self._finger_geoms = (self._geom_id("left"), self._geom_id("right"))
        self._hand_body = int(self.model.body("hand").id)
        self._object_bodies = [int(self.model.body(f"object{i}").id) for i in range(NUM_OBJECTS)]
        self._bodies = {
            (kind, slot): int(self.model.body(f"{kind}{slot}").id)
            for kind in KINDS
            for slot in range(NUM_RECEPTACLES)
        }
        self.held = -1
        self._grip_m = MAX_HALF_GAP_M
        self._receptacles_xyz: Floats = np.zeros((NUM_RECEPTACLES, 3))

    def _geom_id(self, name: str) -> int:
        return int(self.model.geom(name).id)

    def set_scene(self, layout: Layout) -> None:
        """Turn the model into this scene and put the gripper at its park pose."""
        mujoco.mj_resetData(self.model, self.data)
        self.held = -1
        self.model.geom_rgba[self.table_geom, :3] = layout.table_rgb
        self.model.geom_rgba[self._shadow, :3] = np.multiply(layout.table_rgb, _SHADOW)
        for slot, receptacle in enumerate(layout.receptacles):
            self._set_receptacle(slot, receptacle.kind, receptacle.colour, receptacle.xy)
        for index, thing in enumerate(layout.objects):
            self._set_object(index, thing)
        self._receptacles_xyz = _read_only([(*r.xy, 0.0) for r in layout.receptacles])
        self.data.qpos[self._hand_qpos] = park_xyz(layout)
        self.data.qpos[self._finger_qpos] = MAX_HALF_GAP_M
        self.command(park_xyz(layout), half_gap_m=MAX_HALF_GAP_M)
        mujoco.mj_forward(self.model, self.data)

    def _set_receptacle(self, slot: int, kind: str, colour: str, xy: tuple[float, float]) -> None:
        for other in KINDS:
            body = self._bodies[other, slot]
            is_shown = other == kind
            first = int(self.model.body_geomadr[body])
            geoms = slice(first, first + int(self.model.body_geomnum[body]))
            self.model.body_pos[body] = (*xy, 0.0) if is_shown else (0.0, 0.0, BURIED_Z_M)
            self.model.geom_group[geoms] = VISIBLE_GROUP if is_shown else HIDDEN_GROUP
            self.model.geom_contype[geoms] = 2 if is_shown else 0
            self.model.geom_rgba[geoms, :3] = RECEPTACLE_COLOURS[colour]
            if other == "plate":
                # The well is a shade off, so that a plate does not read as a plain disc.
                self.model.geom_rgba[first + 1, :3] = _shade(RECEPTACLE_COLOURS[colour])

    def _set_object(self, index: int, thing: ObjectSpec) -> None:
        geom, qpos, dof = (
            self.object_geoms[index],
            self._object_qpos[index],
            self._object_dof[index],
        )
        half, height = thing.half_width_m, thing.half_height_m
        sizes = {
            "cube": (half, half, half),
            "cylinder": (half, height, 0.0),
            "ball": (half, 0.0, 0.0),
        }
        self.model.geom_type[geom] = _GEOM_TYPES[thing.shape]
        self.model.geom_size[geom] = sizes[thing.shape]
        self.model.geom_rgba[geom, :3] = OBJECT_COLOURS[thing.colour]
        # What can roll is braked where it turns, or it would leave the table.
        self.model.dof_damping[dof + 3 : dof + 6] = 1e-5 if thing.shape == "cube" else 4e-4
        self.data.qpos[qpos : qpos + 3] = (*thing.xy, height)
        self.data.qpos[qpos + 3 : qpos + 7] = _turn((0, 0, 1), thing.yaw_rad)

    def command(self, xyz: Sequence[float] | Floats, *, half_gap_m: float) -> None:
        """Set where the gripper shall go (metres) and half of the gap between its fingers."""
        self.data.ctrl[:3] = xyz
        self.data.ctrl[3:5] = half_gap_m
        self._grip_m = half_gap_m

    def tick(self) -> None:
        """Advance by `TICK_S`. Both fingers on one object make a grasp; commanding them apart ends it."""
        mujoco.mj_step(self.model, self.data, nstep=SUBSTEPS)
        if self.held >= 0 and self._grip_m > 0.0:
            self.data.eq_active[self.held] = 0
            self.held = -1
        elif self.held < 0 and self._grip_m <= 0.0:
            self._try_grasp()

    def _try_grasp(self) -> None:
        pairs = np.asarray(self.data.contact.geom).reshape(-1, 2)
        for index, geom in enumerate(self.object_geoms):
            touching = pairs[(pairs == geom).any(axis=1)]
            if all((touching == finger).any() for finger in self._finger_geoms):
                self._weld(index)
                return

    def _weld(self, index: int) -> None:
        body = self._object_bodies[index]
        # The hand never turns, so its frame is the world's.
        mujoco.mj_kinematics(self.model, self.data)
        offset = self.data.xpos[body] - self.data.xpos[self._hand_body]
        self.model.eq_data[index, :3] = 0.0
        self.model.eq_data[index, 3:6] = offset
        self.model.eq_data[index, 6:10] = self.data.xquat[body]
        self.data.eq_active[index] = 1
        self.held = index

    def snapshot(self) -> Snapshot:
        """Record this moment."""
        return Snapshot(_read_only(self.data.qpos), self.held)

    def state(self, snapshot: Snapshot | None = None) -> SceneState:
        """Return what matters of a recorded moment of the present scene, or of now."""
        qpos, held = (
            (self.data.qpos, self.held) if snapshot is None else (snapshot.qpos, snapshot.held)
        )
        return SceneState(
            objects_xyz=_read_only([qpos[a : a + 3] for a in self._object_qpos]),
            receptacles_xyz=self._receptacles_xyz,
            gripper_xyz=_read_only(qpos[self._hand_qpos]),
            opening_m=float(qpos[self._finger_qpos].sum()),
            held=held,
        )

    def show(self, snapshot: Snapshot) -> None:
        """Put everything where it was at a recorded moment of the present scene, for rendering only."""
        self.data.qpos[:] = snapshot.qpos
        mujoco.mj_kinematics(self.model, self.data)


def _read_only(values: Any) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _shade(rgb: tuple[float, float, float]) -> Floats:
    # Dark things get lighter, light things darker.
    return np.clip(np.multiply(rgb, 0.82) + (0.10 if max(rgb) < 0.5 else 0.0), 0.0, 1.0)


def park_xyz(layout: Layout) -> tuple[float, float, float]:
    """Return where the gripper waits, out of the picture."""
    return (layout.park_side * PARK_M[0], PARK_M[1], PARK_M[2])


@cache
def shared_world() -> World:
    """Return this process's world, compiled on first use."""
    return World()
