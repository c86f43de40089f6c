"""robomimic and LIBERO files become episodes frame by frame; nothing outside the file is ever read."""

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, MissingExtra, UnknownName, UsageError
from roboreward.sources import Footage, Skip, Source, SourceEpisode
from roboreward.sources.hdf5 import Hdf5Source

h5py = pytest.importorskip("h5py")

ENV_ARGS = {
    "env_name": "Lift",
    "type": 1,
    "env_kwargs": {"control_freq": 20, "robots": ["Panda"], "camera_names": ["agentview"]},
}
LIBERO = {
    "problem_info": json.dumps({"language_instruction": "turn on the stove"}),
    "macros_image_convention": "opengl",
}
Change = Callable[[Any], None]


def frames(num: int, *, level: int = 0, size: int = 12) -> np.ndarray:
    """Frames whose rows and columns differ, so that every flip shows."""
    out = np.zeros((num, size, size, 3), np.uint8)
    out[..., 0] = np.arange(size)[None, :, None]
    out[..., 1] = np.arange(size)[None, None, :]
    out[..., 2] = level + np.arange(num)[:, None, None]
    return out


def write(
    path: Path,
    *,
    num_demos: int = 3,
    cameras: tuple[str, ...] = ("agentview_image", "robot0_eye_in_hand_image"),
    attributes: dict[str, str] | None = None,
    change: Change | None = None,
    **options: Any,
) -> Path:
    """Write a robomimic file, or one of LIBERO by its attributes; `change` gets the open file at the end."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(ENV_ARGS)
        for name, value in (attributes or {}).items():
            data.attrs[name] = value
        for number in range(num_demos):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = 5
            demo["rewards"] = np.eye(5)[-1]
            demo["dones"] = np.array([0, 0, 0, 0, 1])
            for camera in cameras:
                demo.create_dataset(f"obs/{camera}", data=frames(5, level=10 * number), **options)
            demo["obs/robot0_eef_pos"] = np.zeros((5, 3))
        if change is not None:
            change(file)
    return path


def read(path: Path, **options: Any) -> list[SourceEpisode]:
    return list(Hdf5Source(path, **{"task": "lift the cube", **options}).episodes())


def read_leniently(path: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    source = Hdf5Source(path, **{"task": "lift the cube", **options})
    return list(source.episodes(on_skip=skips.append)), skips


def test_a_robomimic_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "image.hdf5", num_demos=12)
    source = Hdf5Source(path, task=" lift the cube ")
    assert isinstance(source, Source)
    assert (source.name, source.licence) == ("robomimic", None)
    episodes = list(source.episodes())
    assert [episode.episode_id for episode in episodes] == [
        f"robomimic-image-demo_{number}" for number in range(12)
    ]
    first = episodes[0]
    assert (first.task, first.source, first.label) == ("lift the cube", "robomimic", None)
    assert len({episode.group for episode in episodes}) == 12
    assert list(first.views) == ["agentview_image", "robot0_eye_in_hand_image"]
    assert first.judged_view == "agentview_image"
    assert first.where == f"{path}: data/demo_0"
    assert dict(first.extra) == {
        "layout": "robomimic",
        "env_name": "Lift",
        "embodiment": "Panda",
        "num_steps": 5,
        "last_reward": 1.0,
        "max_reward": 1.0,
        "last_done": True,
        "image_convention": None,
        "flip": "none",
    }
    json.dumps(dict(first.extra))


def test_frames_are_read_when_asked_and_again(tmp_path: Path) -> None:
    footage = read(write(tmp_path / "a.hdf5"))[2].views["agentview_image"]
    assert isinstance(footage, Footage)
    assert (footage.fps, footage.num_frames) == (20.0, 5)
    for _ in range(2):
        np.testing.assert_array_equal(list(footage.frames()), frames(5, level=20))


def test_frames_are_taken_by_their_places(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", chunks=(3, 12, 12, 3), compression="gzip")
    footage: Any = read(path, flip="vertical")[0].views["agentview_image"]
    np.testing.assert_array_equal(list(footage.take([1, 4])), frames(5)[[1, 4], ::-1])
    with pytest.raises(UsageError, match="frame 5 is wanted, there are 5"):
        list(footage.take([0, 5]))


def test_a_libero_file_brings_its_task_and_is_turned_upright(tmp_path: Path) -> None:
    cameras = ("agentview_rgb", "eye_in_hand_rgb")
    path = write(tmp_path / "stove_demo.hdf5", cameras=cameras, attributes=LIBERO)
    source = Hdf5Source(path)
    assert source.name == "libero"
    episode = next(source.episodes())
    assert episode.task == "turn on the stove"
    assert (episode.extra["image_convention"], episode.extra["flip"]) == ("opengl", "vertical")
    upright = list(episode.views["agentview_rgb"].frames())
    np.testing.assert_array_equal(upright, frames(5)[:, ::-1])
    assert upright[0].flags.writeable


def test_an_instruction_in_pieces_is_joined(tmp_path: Path) -> None:
    info = {"problem_info": json.dumps({"language_instruction": list("open it")})}
    assert next(Hdf5Source(write(tmp_path / "a.h5", attributes=info)).episodes()).task == "open it"


@pytest.mark.parametrize(
    ("convention", "flip", "expected"),
    [
        ("opencv", "auto", np.s_[:, :]),
        ("opengl", "none", np.s_[:, :]),
        ("opencv", "vertical", np.s_[:, ::-1]),
        ("opengl", "rotate", np.s_[:, ::-1, ::-1]),
    ],
)
def test_flipping_is_done_as_the_file_says_or_as_asked(
    convention: str, flip: Any, expected: Any, tmp_path: Path
) -> None:
    attributes = {**LIBERO, "macros_image_convention": convention}
    episode = read(write(tmp_path / "a.hdf5", attributes=attributes), flip=flip)[0]
    np.testing.assert_array_equal(
        list(episode.views["agentview_image"].frames()), frames(5)[expected]
    )


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for name in ("b_demo.hdf5", "a_demo.h5"):
        info = {"problem_info": json.dumps({"language_instruction": name[0]})}
        write(tmp_path / name, num_demos=2, attributes=info)
    (tmp_path / "notes.txt").write_text("not data")
    episodes = list(Hdf5Source(tmp_path, name="libero_goal").episodes())
    assert [episode.task for episode in episodes] == ["a", "a", "b", "b"]
    assert episodes[0].episode_id == "libero_goal-a_demo-demo_0"
    assert {episode.source for episode in episodes} == {"libero_goal"}


def test_files_whose_episodes_would_have_the_same_ids_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5")
    write(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"two files are named 'a'.*Rename one"):
        Hdf5Source(tmp_path, task="lift")


def test_what_the_file_does_not_say_must_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5")
    with pytest.raises(UsageError, match=r"a\.hdf5 holds no instruction.*Pass task="):
        Hdf5Source(path)
    with pytest.raises(UsageError, match="task is empty"):
        Hdf5Source(path, task="  ")

    def without_rate(file: Any) -> None:
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift"})

    path = write(tmp_path / "b.hdf5", change=without_rate)
    with pytest.raises(UsageError, match=r"how many steps a second.*Pass fps="):
        Hdf5Source(path, task="lift")
    assert read(path, fps=10)[0].views["agentview_image"].fps == 10
    with pytest.raises(UsageError, match="must be a number above 0, got -1"):
        read(path, fps=-1)


def test_the_camera_is_chosen_or_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", cameras=("shoulder_image", "front_image"))
    with pytest.raises(UsageError, match=r"Pass image_key=, one of: front_image, shoulder_image"):
        read(path)
    assert read(path, image_key="front_image")[0].judged_view == "front_image"
    with pytest.raises(UnknownName, match="Did you mean front_image"):
        read(path, image_key="front_imag")
    only = write(tmp_path / "b.hdf5", cameras=("front_image",))
    assert read(only)[0].judged_view == "front_image"


def test_wrist_views_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5")
    assert list(read(path, allow_wrist_views=False)[0].views) == ["agentview_image"]
    with pytest.raises(UsageError, match="is a wrist view"):
        read(path, image_key="robot0_eye_in_hand_image", allow_wrist_views=False)


def test_an_unknown_flip_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean vertical"):
        read(write(tmp_path / "a.hdf5"), flip="vertica")


def drop_camera(file: Any) -> None:
    del file["data/demo_1/obs/agentview_image"]


def drop_observations(file: Any) -> None:
    del file["data/demo_1/obs"]


def shorten_camera(file: Any) -> None:
    drop_camera(file)
    file["data/demo_1/obs/agentview_image"] = frames(4)


def empty_camera(file: Any) -> None:
    drop_camera(file)
    file["data/demo_1/obs/agentview_image"] = frames(0)


def depth_camera(file: Any) -> None:
    drop_camera(file)
    file["data/demo_1/obs/agentview_image"] = np.zeros((5, 12, 12, 1), np.float32)


def external_camera(file: Any) -> None:
    drop_camera(file)
    file["data/demo_1/obs/agentview_image"] = h5py.ExternalLink("other.hdf5", "/secret")


def soft_camera(file: Any) -> None:
    drop_camera(file)
    file["outside"] = h5py.ExternalLink("other.hdf5", "/secret")
    file["data/demo_1/obs/agentview_image"] = h5py.SoftLink("/outside")


def external_demo(file: Any) -> None:
    del file["data/demo_1"]
    file["data/demo_1"] = h5py.ExternalLink("other.hdf5", "/data/demo_0")


def external_storage(file: Any) -> None:
    drop_camera(file)
    raw = Path(file.filename).with_suffix(".raw")
    raw.write_bytes(bytes(5 * 12 * 12 * 3))
    file["data/demo_1/obs"].create_dataset(
        "agentview_image", (5, 12, 12, 3), np.uint8, external=[(str(raw), 0, h5py.h5f.UNLIMITED)]
    )


def virtual_camera(file: Any) -> None:
    drop_camera(file)
    layout = h5py.VirtualLayout((5, 12, 12, 3), np.uint8)
    layout[:] = h5py.VirtualSource("other.hdf5", "secret", (5, 12, 12, 3))
    file["data/demo_1/obs"].create_virtual_dataset("agentview_image", layout)


def huge_blocks(file: Any) -> None:
    drop_camera(file)
    file["data/demo_1/obs"].create_dataset(
        "agentview_image", (500, 1000, 1000, 3), np.uint8, chunks=(100, 1000, 1000, 3)
    )


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (drop_camera, "no_view", "there is no 'agentview_image'; cameras are: robot0_eye"),
        (drop_observations, "no_view", "no group `obs`"),
        (shorten_camera, "uneven_steps", "different numbers of frames"),
        (empty_camera, "no_frames", "has the shape (0, 12, 12, 3)"),
        (depth_camera, "bad_images", "is float32 (5, 12, 12, 1)"),
        (external_camera, "external_data", "is a link"),
        (soft_camera, "external_data", "is a link"),
        (external_demo, "external_data", "is a link"),
        (external_storage, "external_data", "in another file"),
        (virtual_camera, "external_data", "in another file"),
        (huge_blocks, "too_large", "blocks of 300,000,000 bytes"),
    ],
)
def test_demonstrations_that_cannot_be_used_are_raised_or_counted(
    change: Change, reason: str, words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.hdf5", change=change)
    with pytest.raises(DataError) as caught:
        read(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}: data/demo_1: ")
    episodes, skips = read_leniently(path)
    assert [episode.episode_id[-1] for episode in episodes] == ["0", "2"]
    assert [skip.reason for skip in skips] == [reason]


def test_a_file_without_a_task_among_others_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", num_demos=1, attributes=LIBERO)
    write(tmp_path / "b.hdf5", num_demos=2)
    episodes, skips = read_leniently(tmp_path, task=None)
    assert len(episodes) == 1
    assert [skip.reason for skip in skips] == ["no_task", "no_task"]


def test_a_damaged_file_among_others_is_raised_or_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", num_demos=1)
    damaged = write(tmp_path / "b.hdf5", num_demos=1)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    write(tmp_path / "c.hdf5", num_demos=1)
    with pytest.raises(DataError, match=r"b\.hdf5.* cannot be read"):
        read(tmp_path)
    episodes, skips = read_leniently(tmp_path)
    assert len(episodes) == 2
    assert [(skip.reason, skip.where) for skip in skips] == [("bad_file", str(damaged))]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"problem_info": "{"}, "'problem_info' is not JSON"),
        ({"env_args": "[]"}, "'env_args' is no JSON object"),
    ],
)
def test_attributes_that_make_no_sense_are_data_errors(
    attributes: dict[str, str], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.hdf5", attributes=attributes)
    with pytest.raises(DataError, match=words):
        read(path)


def test_what_is_no_such_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "absent.hdf5")
    with pytest.raises(DataError, match=r"holds no \.hdf5 or \.h5 file"):
        read(tmp_path)
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with pytest.raises(DataError, match=r"text\.hdf5 cannot be read"):
        read(tmp_path / "text.hdf5")
    with h5py.File(tmp_path / "empty.hdf5", "w"):
        pass
    with pytest.raises(DataError, match="no group `data`"):
        read(tmp_path / "empty.hdf5")


def test_damage_inside_the_frames_names_the_camera(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", num_demos=1, chunks=(1, 12, 12, 3), compression="gzip")
    episode = read(path)[0]
    with h5py.File(path) as file:
        chunk = file["data/demo_0/obs/agentview_image"].id.get_chunk_info(2)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(data)
    stream = episode.views["agentview_image"].frames()
    next(stream), next(stream)
    with pytest.raises(DataError, match=r"data/demo_0/obs/agentview_image cannot be read"):
        next(stream)


@pytest.mark.parametrize("options", [{}, {"chunks": (7, 200, 200, 3), "compression": "gzip"}])
def test_frames_are_not_all_in_memory_at_once(
    options: dict[str, Any], tmp_path: Path, traced: Any
) -> None:
    def large(file: Any) -> None:
        del file["data/demo_0/obs/agentview_image"]
        data = np.zeros((200, 200, 200, 3), np.uint8)
        file["data/demo_0/obs"].create_dataset("agentview_image", data=data, **options)

    path = write(tmp_path / "a.hdf5", num_demos=1, cameras=("agentview_image",), change=large)
    footage = read(path)[0].views["agentview_image"]
    num_frames, num_bytes = traced(lambda: sum(1 for _ in footage.frames()))
    assert num_frames == 200
    assert num_bytes < 20 * 200 * 200 * 3


def test_without_h5py_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.hdf5")
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "h5py":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"needs h5py.*roboreward\[data\]"):
        Hdf5Source(path, task="lift")
