"""Pictures of a toy table: objects, two receptacles and a gripper, 41 geoms in all."""

import hashlib
import math
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from roboreward.core import UsageError
from roboreward.sim import rays, render, surfaces
from roboreward.sim.opengl import render_opengl
from roboreward.sim.render import RayRenderer

VIEW = {
    "camera_pos": (0.0, -0.62, 0.52),
    "camera_target": (0.0, 0.02, 0.03),
    "fovy_deg": 45.0,
    "light_direction": (0.35, 0.25, -1.0),
    "ambient": 0.45,
    "diffuse": 0.6,
    "table_geom": 0,
}


COLOURS = {
    "red": ".85 .16 .15 1",
    "blue": ".15 .35 .85 1",
    "green": ".2 .65 .25 1",
    "yellow": ".95 .8 .15 1",
    "orange": ".95 .5 .1 1",
    "cyan": ".2 .75 .75 1",
    "purple": ".55 .3 .65 1",
    "white": ".9 .9 .95 1",
    "dark": ".2 .2 .22 1",
    "grey": ".5 .52 .55 1",
    "wood": ".72 .62 .5 1",
}


def _geom(kind: str, size: str, colour: str, more: str = "") -> str:
    return f'<geom type="{kind}" size="{size}" rgba="{COLOURS.get(colour, colour)}" {more}/>'


def _body(
    name: str, pos: str, *parts: str, euler: str = "0 0 0", joint: str = "<freejoint/>"
) -> str:
    return f'<body name="{name}" pos="{pos}" euler="{euler}">{joint}{"".join(parts)}</body>'


def _bowl(num: int, radius: float, height: float) -> str:
    walls = [_geom("cylinder", f"{radius} .003", "white", 'pos="0 0 .003"')]
    for k in range(num):
        angle = 2 * math.pi * k / num
        x, y = -radius * math.sin(angle), radius * math.cos(angle)
        place = f'pos="{x:.4f} {y:.4f} {height}" euler="0 0 {math.degrees(angle):.2f}"'
        walls.append(
            _geom("box", f"{radius * math.tan(math.pi / num):.4f} .003 {height}", "white", place)
        )
    return "".join(walls)


def _tray() -> str:
    floor = _geom("box", ".06 .06 .003", "purple", 'pos="0 0 .003"')
    ends = [_geom("box", ".06 .003 .02", "purple", f'pos="0 {y} .02"') for y in (0.06, -0.06)]
    sides = [_geom("box", ".003 .06 .02", "purple", f'pos="{x} 0 .02"') for x in (0.06, -0.06)]
    return "".join([floor, *ends, *sides])


def _hand() -> str:
    finger = _geom("box", ".005 .01 .03", "dark") + _geom(
        "box", ".006 .011 .006", "orange", 'pos="0 0 -.026"'
    )
    return "".join(
        [
            _geom("box", ".035 .02 .012", "grey"),
            _geom("cylinder", ".014 .1", "grey", 'pos="0 0 .11"'),
            _geom("capsule", ".01 .02", "grey", 'pos="0 .02 .02" euler="0 90 0"'),
            _body("left", "-.028 0 -.035", finger, joint=""),
            _body("right", ".028 0 -.035", finger, joint=""),
        ]
    )


def toy_xml() -> str:
    hidden = [
        _geom("box", ".01 .01 .01", "1 0 1 1", f'pos="{0.05 * k - 0.2} 0 .1" group="3"')
        for k in range(4)
    ]
    bodies = [
        _geom("box", ".42 .34 .02", "wood", 'name="table" pos="0 0 -.02"'),
        _body("bowl", "-.16 .12 0", _bowl(16, 0.055, 0.018), joint=""),
        _body("tray", ".17 .13 0", _tray(), joint=""),
        _body("cube", "-.1 -.12 .022", _geom("box", ".022 .022 .022", "red")),
        _body("can", ".02 -.06 .03", _geom("cylinder", ".02 .03", "blue")),
        _body("rod", ".14 -.1 .018", _geom("cylinder", ".018 .035", "green"), euler="0 90 35"),
        _body("ball", "-.16 .12 .031", _geom("sphere", ".025", "yellow")),
        _body("pill", "-.22 -.05 .018", _geom("capsule", ".018 .025", "orange"), euler="0 90 -40"),
        _body("egg", ".24 -.02 .02", _geom("ellipsoid", ".035 .022 .02", "cyan")),
        _body("hand", ".02 .02 .2", _hand(), joint=""),
        *hidden,
        _geom("sphere", ".05", "1 0 1 0", 'pos="0 0 .1"'),
    ]
    return f'<mujoco><compiler angle="degree"/><worldbody>{"".join(bodies)}</worldbody></mujoco>'


def load(xml: str):
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def every_ray(model, data, view, size_px: int):
    """What MuJoCo says of every pixel, without any of the renderer's shortcuts."""
    camera = rays.look_at(view["camera_pos"], view["camera_target"], fovy_deg=view["fovy_deg"])
    ticks = ((2 * np.arange(size_px) + 1) / size_px - 1) * camera.half_height
    x, y = np.meshgrid(ticks, -ticks)
    axes = np.array([camera.right, camera.up, camera.forward])
    directions = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3) @ axes
    geom, distance = rays.cast(model, data, camera.pos, directions)
    return geom, np.array(camera.pos) + distance[:, None] * directions, directions


SIMPLE = {
    "camera_pos": (0.0, -0.3, 0.4),
    "camera_target": (0.0, 0.0, 0.0),
    "fovy_deg": 45.0,
    "light_direction": (0.0, 0.0, -1.0),
    "ambient": 0.4,
    "diffuse": 0.6,
    "table_geom": 0,
}
CAMERAS = {
    "in front": VIEW["camera_pos"],
    "above": (0.0, 0.02, 0.9),
    "at the side": (0.7, 0.3, 0.25),
    "below the table": (0.1, -0.7, -0.3),
}


def simple_xml(*geoms: str, table: str = 'type="plane" size="1 1 .1" rgba=".6 .6 .6 1"') -> str:
    bodies = "".join(f"<body>{geom}</body>" for geom in geoms)
    return f"<mujoco><worldbody><geom {table}/>{bodies}</worldbody></mujoco>"


def picture(xml: str, *, size_px: int = 48, **changes):
    model, data = load(xml)
    return RayRenderer(model, size_px=size_px).render(data, **{**SIMPLE, **changes})


def pixel_of(point, *, size_px: int = 48, **changes) -> tuple[int, int]:
    view = {**SIMPLE, **changes}
    camera = rays.look_at(view["camera_pos"], view["camera_target"], fovy_deg=view["fovy_deg"])
    x, y, depth = rays.project(camera, np.array(point))
    assert depth > 0
    return int(y * size_px), int(x * size_px)


@pytest.fixture(scope="module")
def scene():
    return load(toy_xml())


def test_a_picture_has_one_colour_and_one_geom_for_each_pixel(scene):
    model, data = scene
    image = RayRenderer(model, size_px=48).render(data, **VIEW)
    assert (image.rgb.shape, image.rgb.dtype) == ((48, 48, 3), np.uint8)
    assert (image.geom_id.shape, image.geom_id.dtype) == ((48, 48), np.int32)
    assert len(np.unique(image.geom_id)) > 25


@pytest.mark.parametrize("place", CAMERAS)
def test_each_pixel_names_the_geom_that_mujoco_hits_through_its_middle(scene, place):
    model, data = scene
    view = {**VIEW, "camera_pos": CAMERAS[place]}
    seen, _, _ = every_ray(model, data, view, 64)
    image = RayRenderer(model, size_px=64).render(data, **view)
    np.testing.assert_array_equal(image.geom_id, seen.reshape(64, 64))


def test_each_pixel_names_the_geom_that_mujoco_hits_on_planes_too():
    model, data = load(
        simple_xml(
            '<geom type="plane" size="1 1 .1" pos="0 .3 0" euler="90 0 0"/><geom size=".04" pos="0 0 .1"/>',
            table='type="plane" size=".2 .15 .1"',
        )
    )
    view = {**SIMPLE, "camera_pos": (0.1, -0.5, 0.4)}
    seen, _, _ = every_ray(model, data, view, 64)
    assert set(seen) == {-1, 0, 1, 2}
    image = RayRenderer(model, size_px=64).render(data, **view)
    np.testing.assert_array_equal(image.geom_id, seen.reshape(64, 64))


def test_hidden_geoms_are_not_seen(scene):
    model, data = scene
    image = RayRenderer(model, size_px=96).render(data, **VIEW)
    hidden = np.flatnonzero((model.geom_group >= 3) | (model.geom_rgba[:, 3] == 0))
    assert len(hidden) == 5
    assert not np.isin(image.geom_id, hidden).any()
    magenta = np.abs(image.rgb.astype(int) - (255, 0, 255)).sum(axis=2)
    assert magenta.min() > 100


def test_normals_are_those_of_mujoco(scene):
    model, data = scene
    if not rays._RETURNS_NORMALS:
        pytest.skip("this MuJoCo does not return normals")
    geom, points, directions = every_ray(model, data, VIEW, 64)
    told = np.zeros(3 * len(geom))
    ids, distance = np.zeros(len(geom), np.int32), np.zeros(len(geom))
    origin = np.array(VIEW["camera_pos"])
    mujoco.mj_multiRay(
        model,
        data,
        origin,
        directions.ravel(),
        rays._VISIBLE_GROUPS,
        1,
        -1,
        ids,
        distance,
        told,
        len(geom),
        1e10,
    )
    hit = geom >= 0
    geom, axes = geom[hit], data.geom_xmat[geom[hit]].reshape(-1, 3, 3)
    q = np.einsum("njk,nj->kn", axes, points[hit] - data.geom_xpos[geom])
    curve = surfaces.find_shapes(model).curve[geom].T
    normal, _ = surfaces.local_normals(model.geom_type[geom], q, model.geom_size[geom].T, curve)
    ours = np.einsum("njk,kn->nj", axes, normal)
    np.testing.assert_allclose(ours, told.reshape(-1, 3)[hit], atol=1e-4)
    assert set(model.geom_type[geom]) == {2, 3, 4, 5, 6}


def test_the_same_scene_gives_the_same_bytes_whatever_was_drawn_before(scene):
    model, data = scene
    fresh = RayRenderer(model, size_px=48).render(data, **VIEW)
    used = RayRenderer(model, size_px=48)
    used.render(
        data, **{**VIEW, "camera_pos": CAMERAS["above"], "light_direction": (-1.0, 0.0, -1.0)}
    )
    again = used.render(data, **VIEW)
    assert again.rgb.tobytes() == fresh.rgb.tobytes()
    assert again.geom_id.tobytes() == fresh.geom_id.tobytes()


def test_the_same_scene_gives_the_same_bytes_in_another_process(scene):
    model, data = scene
    here = hashlib.sha256(RayRenderer(model).render(data, **VIEW).rgb.tobytes()).hexdigest()
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import hashlib, test_render as t\n"
        "model, data = t.load(t.toy_xml())\n"
        "print(hashlib.sha256(t.RayRenderer(model).render(data, **t.VIEW).rgb.tobytes()).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_a_picture_of_twice_the_size_averages_to_the_small_one(scene):
    model, data = scene
    small = RayRenderer(model, size_px=96).render(data, **VIEW).rgb.astype(float)
    large = RayRenderer(model, size_px=192).render(data, **VIEW).rgb.astype(float)
    averaged = large.reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 1.0
    assert np.abs(averaged - small).max() < 110


def test_edges_are_mixed_from_the_colours_beside_them():
    xml = simple_xml(
        '<geom type="box" size=".08 .08 .001" pos="0 0 .001" euler="0 0 20" rgba="1 0 0 1"/>'
    )
    image = picture(xml, light_direction=(0, 0, -1), ambient=1.0, diffuse=0.0)
    greens = image.rgb[:, :, 1]
    table, thing = int(greens.max()), int(greens.min())
    assert (table, thing) == (153, 0)
    mixed = (greens > thing) & (greens < table)
    assert len(np.unique(greens[mixed])) >= 4
    assert 20 < mixed.sum() < 300


def test_a_surface_that_faces_the_light_shows_its_own_colour():
    xml = simple_xml('<geom type="box" size=".05 .05 .02" pos="0 0 .02" rgba=".8 .3 .1 1"/>')
    image = picture(xml)
    np.testing.assert_array_equal(image.rgb[pixel_of((0, 0, 0.04))], [204, 77, 26])
    np.testing.assert_array_equal(image.rgb[0, 0], [153, 153, 153])


def test_light_from_one_side_leaves_the_other_side_dark():
    xml = simple_xml('<geom size=".06" pos="0 0 .06"/>')
    image = picture(xml, light_direction=(1, 0, -1))
    bright, dark = (image.rgb[pixel_of((x, -0.02, 0.09))].mean() for x in (-0.03, 0.03))
    assert bright > dark + 30


@pytest.mark.parametrize(
    "table", ['type="plane" size="1 1 .1"', 'type="box" size="1 1 .05" pos="0 0 -.05"']
)
def test_a_shadow_lies_where_the_light_carries_it_and_softens_with_height(table):
    def darkness(height: float) -> np.ndarray:
        xml = simple_xml(
            f'<geom size=".02" pos="-{height} 0 {height}"/>', table=f'{table} rgba=".6 .6 .6 1"'
        )
        image = picture(xml, size_px=96, light_direction=(1, 0, -1), camera_pos=(0.0, 0.0, 0.5))
        on_table = image.geom_id == 0
        return np.where(on_table, image.rgb.max() - image.rgb[:, :, 0].astype(int), 0)

    low, high = darkness(0.06), darkness(0.14)
    middle = pixel_of((0, 0, 0), size_px=96, camera_pos=(0.0, 0.0, 0.5))
    for shade in (low, high):
        assert shade[middle] == shade.max() > 15
    assert (high > 0).sum() > (low > 0).sum() > 20


def test_a_thing_shades_what_lies_under_it_but_not_itself():
    plate = '<geom type="box" size=".05 .05 .01" pos="0 0 .01" rgba=".2 .4 .9 1"/>'
    ball = '<geom size=".02" pos="0 .02 .2"/>'
    spot = pixel_of((0, 0.02, 0.02))
    alone, below = picture(simple_xml(plate)), picture(simple_xml(plate, ball))
    assert below.geom_id[spot] == alone.geom_id[spot] == 1
    assert int(below.rgb[spot][2]) < int(alone.rgb[spot][2]) - 40
    np.testing.assert_array_equal(alone.rgb[spot], [51, 102, 230])


def test_a_thing_casts_no_shadow_on_itself():
    xml = simple_xml('<geom type="box" size=".02 .06 .08" pos="0 0 .08"/>')
    camera = {"camera_pos": (-0.5, 0.0, 0.2), "camera_target": (0.0, 0.0, 0.08)}
    image = picture(xml, light_direction=(1, 0, -1), **camera)
    high, low = (image.rgb[pixel_of((-0.02, 0, z), **camera)] for z in (0.14, 0.02))
    np.testing.assert_array_equal(high, low)


def test_the_side_of_a_table_is_shaded_as_a_side():
    model, data = load(simple_xml(table='type="box" size=".1 .1 .05" pos="0 0 -.05"'))
    image = RayRenderer(model, size_px=48).render(data, **SIMPLE)
    top, side = (image.rgb[pixel_of(point)] for point in ((0, 0, 0), (0, -0.1, -0.03)))
    assert int(top[0]) > int(side[0]) + 40


def test_rays_saved_at_edges_would_have_changed_next_to_nothing(scene, monkeypatch):
    model, data = scene
    renderer = RayRenderer(model, size_px=96)
    quick = renderer.render(data, **VIEW).rgb.astype(int)
    everywhere = [np.arange(96 * 96)] * len(render._EDGE_OFFSETS_PX)
    monkeypatch.setattr(render, "_edge_samples", lambda key: everywhere)
    full = renderer.render(data, **VIEW).rgb.astype(int)
    assert np.abs(quick - full).mean() < 0.1


def test_beyond_the_table_there_is_the_background():
    model, data = load(simple_xml(table='type="box" size=".1 .1 .02" pos="0 0 -.02"'))
    image = RayRenderer(model, size_px=32, background=(0.2, 0.4, 0.6)).render(data, **SIMPLE)
    assert (image.geom_id == -1).any()
    assert (image.geom_id == 0).any()
    assert (image.rgb[image.geom_id == -1][:20] == (51, 102, 153)).all()


def test_edits_of_the_model_show_in_the_next_picture():
    model, data = load(
        simple_xml('<geom type="box" size=".05 .05 .05" pos="0 0 .05" rgba="1 0 0 1"/>')
    )
    renderer, spot = RayRenderer(model, size_px=48), pixel_of((0, 0, 0.05))
    before = renderer.render(data, **SIMPLE)
    model.geom_rgba[1] = (0, 1, 0, 1)
    model.geom_type[1], model.geom_size[1] = mujoco.mjtGeom.mjGEOM_SPHERE, (0.03, 0, 0)
    after = renderer.render(data, **SIMPLE)
    assert before.rgb[spot][0] > 150 > before.rgb[spot][1]
    assert after.rgb[spot][1] > 60 > after.rgb[spot][0]
    assert (after.geom_id == 1).sum() < 0.6 * (before.geom_id == 1).sum()
    model.geom_group[1] = 4
    assert (renderer.render(data, **SIMPLE).geom_id == 0).all()


def test_a_point_is_projected_to_the_pixel_that_shows_it(scene):
    model, data = scene
    image = RayRenderer(model, size_px=96).render(data, **VIEW)
    for name in ("cube", "can", "pill", "egg", "rod"):
        body = model.body(name).id
        spot = pixel_of(data.xpos[body], size_px=96, **VIEW)
        assert model.geom_bodyid[image.geom_id[spot]] == body


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table_geom": 1}, "table_geom is 1"),
        ({"table_geom": -1}, "table_geom is -1"),
        ({"camera_target": SIMPLE["camera_pos"]}, "camera direction"),
        ({"light_direction": (0, 0, 0)}, "light_direction"),
        ({"light_direction": (0, 0, math.nan)}, "light_direction"),
        ({"fovy_deg": 180}, "field of view"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(changes, words):
    with pytest.raises(UsageError, match=words):
        picture(simple_xml('<geom size=".1"/>'), **changes)


def test_a_picture_without_pixels_and_a_mesh_are_refused():
    model, _ = load(simple_xml())
    with pytest.raises(UsageError, match="size_px is 1"):
        RayRenderer(model, size_px=1)
    mesh = '<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>'
    xml = simple_xml('<geom type="mesh" mesh="m"/>').replace("<worldbody>", f"{mesh}<worldbody>")
    model, _ = load(xml)
    with pytest.raises(UsageError, match="Geom 1 is a mesh"):
        RayRenderer(model)


# MuJoCo's renderer complains from its destructor when it could not be built.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_opengl_shows_things_where_rays_do_or_says_why_it_cannot(scene):
    model, data = scene
    camera = {key: VIEW[key] for key in ("camera_pos", "camera_target", "fovy_deg")}
    try:
        image = render_opengl(data, size_px=96, **camera)
    except UsageError as error:
        image, reason = None, str(error)
    if image is None:
        assert "MUJOCO_GL" in reason
        pytest.skip(reason)
    spot = pixel_of(data.xpos[model.body("cube").id], size_px=96, **VIEW)
    assert image[spot][0] > 2 * image[spot][1]
    assert model.vis.quality.offsamples > 0
