"""LeRobot datasets of every version: whole ones, odd ones and broken ones, made here; and the real folders."""

import hashlib
import json
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roboreward.core import DataError, MissingExtra, UnknownName, UsageError
from roboreward.media import MediaLimits, VideoProfile, jpeg_bytes, png_bytes, write_video
from roboreward.sources import Skip, Source, SourceEpisode

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from roboreward.sources.lerobot import LeRobotSource  # noqa: E402  # after the library is known to be there
from roboreward.sources.lerobot_meta import fill  # noqa: E402

FPS = 10
FRONT, WRIST = "observation.images.front", "observation.images.wrist"
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
V3_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
TASKS = ["lift the block", "open the drawer"]


def pictures(first: int, num: int, *, camera: int = 0) -> np.ndarray:
    """Frames whose brightness is the number of the frame in the dataset; a camera has its own corner."""
    frames = np.zeros((num, 32, 48, 3), np.uint8)
    frames[:] = (3 * np.arange(first, first + num) % 240)[:, None, None, None]
    frames[:, :8, :8] = 200 if camera else 20
    return frames


def number_of(frame: np.ndarray) -> int:
    return round(float(frame[16:].mean()) / 3)


def data_rows(
    number: int, first: int, length: int, changes: Mapping[str, Any]
) -> dict[str, list[Any]]:
    columns = {
        "timestamp": pa.array(np.arange(length) / FPS, pa.float32()),
        "frame_index": list(range(length)),
        "episode_index": [number] * length,
        "index": list(range(first, first + length)),
        "task_index": [number % 2] * length,
    }
    columns |= {key: value(length) if callable(value) else value for key, value in changes.items()}
    return {key: value for key, value in columns.items() if value is not None}


def write_table(path: Path, columns: Mapping[str, Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, **options)


def picture_column(frames: np.ndarray, encode: Callable[..., bytes] = png_bytes) -> Any:
    cells = [{"bytes": encode(frame), "path": f"frame-{i}.png"} for i, frame in enumerate(frames)]
    return pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def write_meta(
    folder: Path,
    version: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    cameras: Sequence[str],
    kind: str = "video",
    info: Mapping[str, Any] | None = None,
    tasks: Sequence[str] = TASKS,
) -> None:
    is_v2 = version.startswith("v2")
    names = ["height", "width", "channels"]
    pictures_of = {
        camera: {"dtype": kind, "shape": [3, 32, 48], "names": names} for camera in cameras
    }
    content = {
        "codebase_version": version,
        "robot_type": "so101",
        "fps": FPS,
        "total_episodes": len(rows),
        "chunks_size": 1000,
        "data_path": V2_DATA if is_v2 else V3_DATA,
        "video_path": (V2_VIDEO if is_v2 else V3_VIDEO) if kind == "video" else None,
        "features": {"action": {"dtype": "float32", "shape": [6]}, **pictures_of},
    }
    meta = folder / "meta"
    meta.mkdir(parents=True, exist_ok=True)
    (meta / "info.json").write_text(json.dumps({**content, **(info or {})}, indent=1))
    numbered = [{"task_index": i, "task": task} for i, task in enumerate(tasks)]
    if is_v2:
        write_lines(meta / "episodes.jsonl", rows)
        write_lines(meta / "tasks.jsonl", numbered)
        return
    columns = {key: [row.get(key) for row in rows] for key in rows[0]} if rows else {}
    write_table(meta / "episodes/chunk-000/file-000.parquet", columns)
    write_table(
        meta / "tasks.parquet",
        {"task_index": list(range(len(tasks))), "__index_level_0__": list(tasks)},
    )


def write_lines(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> None:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_v2(
    folder: Path,
    lengths: Sequence[int] = (5, 8, 3),
    *,
    version: str = "v2.1",
    cameras: Sequence[str] = (WRIST, FRONT),
    rows: Callable[[list[dict[str, Any]]], Sequence[Any]] = list,
    info: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a v2 dataset; `rows` changes the list of episodes, `changes` the columns of the data."""
    listed, first = [], 0
    for index, length in enumerate(lengths):
        listed.append({"episode_index": index, "tasks": [TASKS[index % 2]], "length": length})
        data = folder / fill(V2_DATA, {"episode_chunk": 0, "episode_index": index})
        write_table(data, data_rows(index, first, length, changes))
        for place, camera in enumerate(cameras):
            values = {"episode_chunk": 0, "episode_index": index, "video_key": camera}
            path = folder / fill(V2_VIDEO, values)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, pictures(first, length, camera=place), fps=FPS)
        first += length
    write_meta(folder, version, rows(listed), cameras=cameras, info=info)
    return folder


def write_v3(
    folder: Path,
    lengths: Sequence[int] = (5, 8, 3),
    *,
    cameras: Sequence[str] = (WRIST, FRONT),
    rows: Callable[[list[dict[str, Any]]], Sequence[Any]] = list,
    info: Mapping[str, Any] | None = None,
    row_groups: int = 4,
    **changes: Any,
) -> Path:
    """Write a v3.0 dataset: all episodes in one data file and one video a camera."""
    listed, tables, first = [], [], 0
    for index, length in enumerate(lengths):
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [TASKS[index % 2]],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "stats/action/max": [1.0],
        }
        for camera in cameras:
            row |= {f"videos/{camera}/chunk_index": 0, f"videos/{camera}/file_index": 0}
            row[f"videos/{camera}/from_timestamp"] = first / FPS
            row[f"videos/{camera}/to_timestamp"] = (first + length) / FPS
        listed.append(row)
        tables.append(pa.table(data_rows(index, first, length, changes)))
        first += length
    data = folder / fill(V3_DATA, {"chunk_index": 0, "file_index": 0})
    data.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), data, row_group_size=row_groups)
    for place, camera in enumerate(cameras):
        path = folder / fill(V3_VIDEO, {"video_key": camera, "chunk_index": 0, "file_index": 0})
        path.parent.mkdir(parents=True)
        frames = pictures(0, first, camera=place)
        write_video(path, frames, fps=FPS, profile=VideoProfile(keyframe_every=4))
    write_meta(folder, "v3.0", rows(listed), cameras=cameras, info=info)
    return folder


WRITERS = {"v2": write_v2, "v3": write_v3}


def read(source: Source) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    return list(source.episodes(on_skip=skips.append)), skips


def reasons(folder: Path, **options: Any) -> list[str]:
    """Read a folder, check that every skip says where, and return their reasons."""
    episodes, skips = read(LeRobotSource(folder, **options))
    for skip in skips:
        assert skip.where in skip.message
        assert str(folder) in skip.where
    if skips:
        with pytest.raises(DataError):
            list(LeRobotSource(folder, **options).episodes())
    return [skip.reason for skip in skips] + ["ok"] * len(episodes)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3"])
def test_every_version_gives_the_same_episodes(tmp_path: Path, version: str) -> None:
    options = {} if version == "v3" else {"version": version}
    folder = WRITERS[version[:2]](tmp_path / "set", **options)
    source = LeRobotSource(folder)
    episodes, skips = read(source)
    assert isinstance(source, Source)
    assert not skips
    assert source.name == "set"
    assert [e.episode_id for e in episodes] == [f"episode_{i:06d}" for i in range(3)]
    assert [e.task for e in episodes] == [TASKS[0], TASKS[1], TASKS[0]]
    assert len({e.group for e in episodes}) == 3
    assert all(e.label is None for e in episodes)
    for episode, first, length in zip(episodes, (0, 5, 13), (5, 8, 3), strict=True):
        assert list(episode.views) == [WRIST, FRONT]
        for camera, footage in episode.views.items():
            assert (footage.fps, footage.num_frames) == (FPS, length)
            frames = list(footage.frames())
            assert [number_of(frame) for frame in frames] == list(range(first, first + length))
            assert all((frame[:8, :8].mean() > 100) == (camera == FRONT) for frame in frames)


def test_the_judged_view_is_the_first_that_is_not_on_the_wrist(tmp_path: Path) -> None:
    folder = write_v3(tmp_path / "set")
    episode = next(LeRobotSource(folder).episodes())
    assert episode.judged_view == FRONT
    assert episode.extra["view_rule"] == "first camera that is not on the wrist, by name"
    given = LeRobotSource(folder, view="wrist")
    assert (given.judged_view, given.view_rule) == (WRIST, "given")
    only = LeRobotSource(folder, exclude_views=["front"])
    assert (only.judged_view, only.view_rule) == (
        WRIST,
        "first camera; all are on the wrist, by name",
    )
    assert next(only.episodes()).extra["views_left_out"] == [FRONT]


def test_cameras_that_are_not_there_are_named(tmp_path: Path) -> None:
    folder = write_v3(tmp_path / "set")
    with pytest.raises(UnknownName, match=r"Did you mean observation\.images\.front"):
        LeRobotSource(folder, view="observation.images.fron")
    with pytest.raises(UnknownName):
        LeRobotSource(folder, exclude_views=["top"])
    with pytest.raises(UnknownName):
        LeRobotSource(folder, view="front", exclude_views=["front"])
    with pytest.raises(UsageError, match="Every camera"):
        LeRobotSource(folder, exclude_views=["front", "wrist"])


@pytest.mark.parametrize(
    ("keys", "judged"),
    [
        (["cam_left_wrist", "cam_high"], 1),
        (["robot0_eye_in_hand", "agentview"], 1),
        (["left_hand_cam", "handle_cam"], 1),
        (["top", "gripper"], 0),
        (["image", "image2"], 0),
    ],
)
def test_wrists_are_told_by_name(tmp_path: Path, keys: list[str], judged: int) -> None:
    folder = write_v2(tmp_path / "set", [2], cameras=keys)
    assert LeRobotSource(folder).judged_view == keys[judged]


def test_depth_is_no_view(tmp_path: Path) -> None:
    depth = {"dtype": "video", "shape": [32, 48, 1], "info": {"video.is_depth_map": True}}
    features = {"observation.images.depth": depth, FRONT: {"dtype": "video", "shape": [32, 48, 3]}}
    folder = write_v2(tmp_path / "set", [2], cameras=[FRONT], info={"features": features})
    episode = next(LeRobotSource(folder).episodes())
    assert list(episode.views) == [FRONT]
    assert episode.extra["views_left_out"] == ["observation.images.depth"]
    folder = write_v2(tmp_path / "deep", [2], cameras=[], info={"features": {"d": depth}})
    with pytest.raises(DataError, match="no feature holds colour pictures"):
        LeRobotSource(folder)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_rows_need_no_numbers_that_are_not_used(tmp_path: Path, version: str) -> None:
    folder = WRITERS[version](tmp_path / "set", index=None, task_index=None, frame_index=None)
    assert reasons(folder) == ["ok"] * 3


def test_a_v2_file_need_not_number_its_episode(tmp_path: Path) -> None:
    assert reasons(write_v2(tmp_path / "set", episode_index=None)) == ["ok"] * 3
    assert reasons(write_v3(tmp_path / "three", episode_index=None)) == ["bad_data"] * 3


def test_templates_may_name_the_chunk_either_way(tmp_path: Path) -> None:
    odd = {"video_path": V2_VIDEO.replace("episode_chunk", "chunk_index")}
    odd["data_path"] = V2_DATA.replace("episode_chunk", "chunk_index")
    assert reasons(write_v2(tmp_path / "set", info=odd)) == ["ok"] * 3


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_folder_of_videos_may_be_called_video(tmp_path: Path, version: str) -> None:
    folder = WRITERS[version](tmp_path / "set")
    (folder / "videos").rename(folder / "video")
    assert reasons(folder) == ["ok"] * 3


def test_numbers_of_chunks_come_from_the_size_of_a_chunk(tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "set", info={"chunks_size": 2})
    assert reasons(folder) == ["no_data", "ok", "ok"]
    for kind in ("data", "videos"):
        (folder / kind / "chunk-001").mkdir()
    name = "episode_000002"
    (folder / f"data/chunk-000/{name}.parquet").rename(folder / f"data/chunk-001/{name}.parquet")
    for camera in (FRONT, WRIST):
        (folder / f"videos/chunk-001/{camera}").mkdir()
        old = folder / f"videos/chunk-000/{camera}/{name}.mp4"
        old.rename(folder / f"videos/chunk-001/{camera}/{name}.mp4")
    assert reasons(folder) == ["ok"] * 3


def test_success_and_reward_of_the_data_are_kept(tmp_path: Path) -> None:
    folder = write_v3(
        tmp_path / "set",
        **{
            "next.success": lambda n: [False] * (n - 1) + [n == 8],
            "next.reward": lambda n: pa.array([0.5] * n, pa.float32()),
        },
    )
    extras = [episode.extra for episode in read(LeRobotSource(folder))[0]]
    assert [extra["next.success"] for extra in extras] == [False, True, False]
    assert [extra["next.reward"]["sum"] for extra in extras] == [2.5, 4.0, 1.5]
    assert all(extra["next.reward"]["last"] == 0.5 for extra in extras)
    assert "next.success" not in next(LeRobotSource(write_v2(tmp_path / "b")).episodes()).extra
    json.dumps(extras)


def test_further_cells_of_an_episode_are_kept(tmp_path: Path) -> None:
    folder = write_v2(
        tmp_path / "set", rows=lambda rows: [{**row, "operator": "A", "list": [1]} for row in rows]
    )
    assert next(LeRobotSource(folder).episodes()).extra["row"] == {"operator": "A"}


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("encode", [png_bytes, jpeg_bytes])
def test_pictures_kept_in_the_data_are_read(
    tmp_path: Path, version: str, encode: Callable[..., bytes]
) -> None:
    counter = iter([0, 5, 13])
    writer = WRITERS[version]
    folder = writer(
        tmp_path / "set",
        cameras=[],
        **{FRONT: lambda n: picture_column(pictures(next(counter), n), encode)},
    )
    content = json.loads((folder / "meta/info.json").read_text())
    content["features"] = {FRONT: {"dtype": "image", "shape": [32, 48, 3]}}
    (folder / "meta/info.json").write_text(json.dumps(content | {"video_path": None}))
    episodes, skips = read(LeRobotSource(folder))
    assert not skips
    for episode, first, length in zip(episodes, (0, 5, 13), (5, 8, 3), strict=True):
        footage = episode.views[FRONT]
        assert (footage.fps, footage.num_frames) == (FPS, length)
        frames = list(footage.frames())
        assert [number_of(frame) for frame in frames] == list(range(first, first + length))


def test_a_picture_may_be_named_and_must_then_lie_in_the_dataset(tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": "images/0.png"}, {"bytes": None, "path": "../out.png"}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    folder = write_v2(tmp_path / "set", [2], cameras=[], **{FRONT: pa.array(cells, kind)})
    features = {FRONT: {"dtype": "image", "shape": [32, 48, 3]}}
    write_meta(
        folder,
        "v2.1",
        [{"episode_index": 0, "tasks": ["x"], "length": 2}],
        cameras=[],
        info={"features": features},
    )
    (folder / "images").mkdir()
    for path in (folder / "images/0.png", tmp_path / "out.png"):
        path.write_bytes(png_bytes(pictures(7, 1)[0]))
    frames = next(LeRobotSource(folder).episodes()).views[FRONT].frames()
    assert number_of(next(frames)) == 7
    with pytest.raises(DataError, match="leads out of the folder"):
        next(frames)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_column_of_pictures_that_is_absent_is_a_skip(tmp_path: Path, version: str) -> None:
    features = {FRONT: {"dtype": "image", "shape": [32, 48, 3]}}
    folder = WRITERS[version](tmp_path / "set", cameras=[], info={"features": features})
    assert reasons(folder) == ["no_view"] * 3
    assert FRONT in read(LeRobotSource(folder))[1][0].message


def test_a_rotten_picture_names_its_row(tmp_path: Path) -> None:
    column = picture_column(pictures(0, 2)).to_pylist()
    column[1]["bytes"] = b"rubbish"
    features = {FRONT: {"dtype": "image", "shape": [32, 48, 3]}}
    folder = write_v2(
        tmp_path / "set", [2], cameras=[], info={"features": features}, **{FRONT: column}
    )
    frames = next(LeRobotSource(folder).episodes()).views[FRONT].frames()
    next(frames)
    with pytest.raises(DataError, match=r"episode_000000.parquet:2"):
        next(frames)


# What is wrong with a dataset, and the reasons that reading it gives.


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_missing_video_names_the_path_that_was_expected(tmp_path: Path, version: str) -> None:
    folder = WRITERS[version](tmp_path / "set")
    for path in folder.glob(f"videos/**/{FRONT}/**/*.mp4"):
        path.unlink()
    episodes, skips = read(LeRobotSource(folder))
    assert not episodes
    assert [skip.reason for skip in skips] == ["no_video"] * 3
    assert str(folder / "videos") in skips[0].message
    assert ".mp4" in skips[0].message
    others, skips = read(LeRobotSource(folder, view="wrist"))
    assert not skips
    assert all(episode.extra["views_missing"] == {FRONT: "no_video"} for episode in others)


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100])
def test_a_video_that_cannot_be_opened_is_a_skip(tmp_path: Path, content: bytes) -> None:
    folder = write_v2(tmp_path / "set")
    path = folder / fill(V2_VIDEO, {"episode_chunk": 0, "episode_index": 1, "video_key": FRONT})
    path.write_bytes(content)
    assert reasons(folder) == ["bad_video", "ok", "ok"]


def test_a_video_without_a_frame_is_a_skip(tmp_path: Path) -> None:
    import av

    folder = write_v2(tmp_path / "set")
    path = folder / fill(V2_VIDEO, {"episode_chunk": 0, "episode_index": 1, "video_key": FRONT})
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream: Any = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    assert reasons(folder) == ["no_frames", "ok", "ok"]


@pytest.mark.parametrize("text", [[], [""], ["  "], None, "", ["", "\t"]])
def test_an_episode_without_instruction_is_a_skip(tmp_path: Path, text: Any) -> None:
    def rows(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "tasks": text} if row["episode_index"] == 1 else row for row in listed]

    assert reasons(write_v2(tmp_path / "set", rows=rows, task_index=None)) == [
        "no_task",
        "ok",
        "ok",
    ]
    numbered = write_v2(tmp_path / "numbered", rows=rows)
    assert [e.task for e in read(LeRobotSource(numbered))[0]][1] == TASKS[1]
    lost = write_v2(tmp_path / "lost", rows=rows, task_index=lambda n: [7] * n)
    assert reasons(lost) == ["no_task", "ok", "ok"]
    given = LeRobotSource(lost, tasks={1: "push the button"})
    assert [e.task for e in read(given)[0]][1] == "push the button"


def test_an_instruction_that_changes_inside_the_episode_is_a_skip(tmp_path: Path) -> None:
    def two(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "tasks": TASKS} for row in listed]

    def none(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "tasks": []} for row in listed]

    assert reasons(write_v3(tmp_path / "a", rows=two)) == ["many_tasks"] * 3
    folder = write_v2(tmp_path / "b", rows=none, task_index=lambda n: [0] + [1] * (n - 1))
    assert reasons(folder) == ["many_tasks"] * 3


@pytest.mark.parametrize("column", ["task", "__index_level_0__"])
def test_tasks_are_found_under_either_name(tmp_path: Path, column: str) -> None:
    folder = write_v3(
        tmp_path / "set", rows=lambda listed: [{**row, "tasks": None} for row in listed]
    )
    write_table(folder / "meta/tasks.parquet", {"task_index": [0, 1], column: TASKS})
    assert [e.task for e in read(LeRobotSource(folder))[0]] == [TASKS[0], TASKS[1], TASKS[0]]


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_lengths_that_disagree_are_a_skip(tmp_path: Path, version: str) -> None:
    def longer(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "length": row["length"] + (row["episode_index"] == 1)} for row in listed]

    folder = WRITERS[version](tmp_path / "set", rows=longer)
    assert reasons(folder) == ["length_disagrees", "ok", "ok"]
    assert "8 rows of episode 1" in read(LeRobotSource(folder))[1][0].message


def test_a_video_shorter_than_its_episode_is_a_skip(tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "two", cameras=[FRONT])
    values = {"episode_chunk": 0, "video_key": FRONT}
    for index, num in ((0, 4), (1, 6), (2, 5)):
        path = folder / fill(V2_VIDEO, {**values, "episode_index": index})
        write_video(path, pictures(0, num), fps=FPS)
    assert reasons(folder) == ["length_disagrees", "length_disagrees", "ok"]
    assert next(LeRobotSource(folder).episodes()).views[FRONT].num_frames == 4
    folder = write_v3(tmp_path / "three", cameras=[FRONT])
    path = folder / fill(V3_VIDEO, {"chunk_index": 0, "file_index": 0, "video_key": FRONT})
    write_video(path, pictures(0, 13), fps=FPS)
    assert reasons(folder) == ["length_disagrees", "ok", "ok"]


def test_an_end_that_is_the_time_of_the_last_frame_costs_no_frame(tmp_path: Path) -> None:
    def earlier(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        key = f"videos/{FRONT}/to_timestamp"
        return [{**row, key: row[key] - 1 / FPS} for row in listed]

    folder = write_v3(tmp_path / "set", cameras=[FRONT], rows=earlier)
    for episode, first, length in zip(
        read(LeRobotSource(folder))[0], (0, 5, 13), (5, 8, 3), strict=True
    ):
        frames = episode.views[FRONT].frames()
        assert [number_of(frame) for frame in frames] == list(range(first, first + length))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to_timestamp": 9.0}, "length_disagrees"),
        ({"to_timestamp": None}, "ok"),
        ({"from_timestamp": None}, "no_video"),
        ({"from_timestamp": -1.0}, "bad_row"),
        ({"from_timestamp": float("nan")}, "bad_row"),
        ({"file_index": 3}, "no_video"),
        ({"file_index": None}, "no_video"),
    ],
)
def test_a_part_of_a_video_that_makes_no_sense_is_a_skip(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    def changed(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        new = {f"videos/{FRONT}/{key}": value for key, value in change.items()}
        return [{**row, **new} if row["episode_index"] == 1 else row for row in listed]

    folder = write_v3(tmp_path / "set", cameras=[FRONT], rows=changed)
    assert sorted(reasons(folder)) == sorted([reason, "ok", "ok"])


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_rates_that_disagree_are_a_skip(tmp_path: Path, version: str) -> None:
    writer = WRITERS[version]
    assert reasons(writer(tmp_path / "a", info={"fps": 30})) == ["fps_disagrees"] * 3
    no_times = writer(tmp_path / "b", info={"fps": 30}, timestamp=None)
    assert reasons(no_times) == ["fps_disagrees"] * 3
    twice = writer(tmp_path / "c", timestamp=lambda n: np.arange(n) / FPS / 2)
    assert reasons(twice) == ["fps_disagrees"] * 3


def test_a_slow_loop_gives_its_own_rate(tmp_path: Path) -> None:
    folder = write_v3(tmp_path / "set", timestamp=lambda n: np.arange(n) / 9.0)
    episodes, skips = read(LeRobotSource(folder))
    assert not skips
    for episode in episodes:
        assert episode.views[FRONT].fps == pytest.approx(9.0)
        assert episode.extra["fps_stated"] == FPS
        assert sum(1 for _ in episode.views[FRONT].frames()) == episode.views[FRONT].num_frames


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_number_listed_twice_is_a_skip(tmp_path: Path, version: str) -> None:
    folder = WRITERS[version](tmp_path / "set", rows=lambda rows: [*rows[:2], rows[1], rows[2]])
    info = json.loads((folder / "meta/info.json").read_text())
    (folder / "meta/info.json").write_text(json.dumps({**info, "total_episodes": 3}))
    assert reasons(folder) == ["duplicate_id", "ok", "ok", "ok"]


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_number_of_episodes_that_disagrees_is_counted(tmp_path: Path, version: str) -> None:
    writer = WRITERS[version]
    more = writer(tmp_path / "more", info={"total_episodes": 5})
    assert reasons(more) == ["no_row", "no_row", "ok", "ok", "ok"]
    assert "info.json" in read(LeRobotSource(more))[1][0].where
    fewer = writer(tmp_path / "fewer", info={"total_episodes": 2})
    assert reasons(fewer) == ["beyond_info", "ok", "ok"]
    absurd = LeRobotSource(writer(tmp_path / "absurd", info={"total_episodes": 9_000_000}))
    with pytest.raises(DataError, match="9,000,000 episodes"):
        read(absurd)


def test_a_bad_line_is_one_skip_and_not_two(tmp_path: Path) -> None:
    def spoilt(rows: list[dict[str, Any]]) -> list[Any]:
        return [rows[0], "{rubbish", {**rows[2], "length": 0}]

    folder = write_v2(tmp_path / "set", rows=spoilt)
    assert reasons(folder) == ["bad_row", "no_frames", "ok"]
    assert read(LeRobotSource(folder))[1][0].where.endswith("episodes.jsonl:2")


@pytest.mark.parametrize(
    "row",
    [
        {"episode_index": "1", "length": 8, "tasks": ["x"]},
        {"episode_index": -1, "length": 8, "tasks": ["x"]},
        {"episode_index": True, "length": 8, "tasks": ["x"]},
        {"episode_index": 1, "length": 8.5, "tasks": ["x"]},
        {"episode_index": 1, "length": 8, "tasks": [3]},
        {"episode_index": 1, "length": 8, "tasks": {"a": 1}},
        {"length": 8, "tasks": ["x"]},
    ],
)
def test_cells_of_the_wrong_kind_are_a_skip(tmp_path: Path, row: dict[str, Any]) -> None:
    folder = write_v2(tmp_path / "set", rows=lambda rows: [rows[0], row, rows[2]])
    assert "bad_row" in reasons(folder)
    assert reasons(folder).count("ok") == 2


def test_data_that_cannot_be_used_is_a_skip(tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "set")
    files = sorted((folder / "data/chunk-000").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"PAR1 rubbish PAR1")
    write_table(files[2], data_rows(0, 0, 3, {}))
    assert reasons(folder) == ["no_data", "bad_data", "bad_data"]


def test_rows_of_an_episode_that_do_not_follow_each_other_are_a_skip(tmp_path: Path) -> None:
    folder = write_v3(tmp_path / "set")
    path = folder / fill(V3_DATA, {"chunk_index": 0, "file_index": 0})
    table = pq.read_table(path)
    order = [0, 1, 5, 2, 3, 4, *range(6, 16)]
    pq.write_table(table.take(order), path, row_group_size=3)
    assert reasons(folder) == ["bad_data", "bad_data", "ok"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/{video_key}.mp4", "/etc/{video_key}.mp4", "{video_key}/../../../x.mp4"],
)
def test_a_template_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert reasons(write_v2(tmp_path / "a", info={"video_path": name})) == ["no_video"] * 3
    assert reasons(write_v2(tmp_path / "b", info={"data_path": name})) == ["no_data"] * 3


def test_a_link_out_of_the_folder_is_refused_and_the_hubs_own_are_not(tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "set")
    path = folder / fill(V2_VIDEO, {"episode_chunk": 0, "episode_index": 0, "video_key": FRONT})
    path.rename(tmp_path / "outside.mp4")
    path.symlink_to(tmp_path / "outside.mp4")
    assert reasons(folder) == ["no_video", "ok", "ok"]
    snapshot = tmp_path / "datasets--a--b" / "snapshots" / "0123"
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    (snapshot.parents[1] / "blobs").mkdir()
    path = snapshot / path.relative_to(folder)
    path.unlink()
    (tmp_path / "outside.mp4").rename(snapshot.parents[1] / "blobs" / "abcd")
    path.symlink_to(snapshot.parents[1] / "blobs" / "abcd")
    assert reasons(snapshot) == ["ok"] * 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"codebase_version": "v1.6"}, "v2.0, v2.1, v3.0"),
        ({"codebase_version": None}, "codebase_version"),
        ({"fps": 0}, "fps"),
        ({"fps": None}, "fps"),
        ({"total_episodes": -1}, "total_episodes"),
        ({"total_episodes": 10**12}, "total_episodes"),
        ({"features": []}, "features"),
        ({"data_path": "{episode_index.__class__}"}, "places that are known"),
        ({"video_path": "{episode_index:0999999999d}"}, "places that are known"),
        ({"video_path": 3}, "video_path"),
    ],
)
def test_an_info_that_makes_no_sense_is_refused(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    folder = write_v2(tmp_path / "set", [2], info=change)
    with pytest.raises(DataError, match=complaint) as caught:
        LeRobotSource(folder)
    assert "info.json" in str(caught.value)


def test_the_reader_loads_no_library_until_it_is_used() -> None:
    code = (
        "import sys, roboreward.sources.lerobot, roboreward.sources.folder\n"
        "print({'pyarrow', 'av', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_folder_that_is_no_dataset_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"meta/info\.json"):
        LeRobotSource(tmp_path)


def test_the_library_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_v2(tmp_path / "set", [2])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"roboreward\[data\]"):
        LeRobotSource(folder)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# set\n", "apache-2.0"),
        ("---\r\nlicense: 'mit' # so\r\n---\r\n", "mit"),
        ("# set\nlicense: mit\n", None),
        ("---\ntags: [x]\n---\nlicense: mit\n", None),
    ],
)
def test_the_licence_is_that_of_the_card(tmp_path: Path, card: str, licence: str | None) -> None:
    folder = write_v2(tmp_path / "set", [2])
    assert LeRobotSource(folder).licence is None
    (folder / "README.md").write_bytes(card.encode())
    assert LeRobotSource(folder).licence == licence


def test_limits_hold_for_an_episode_and_not_for_the_file_that_it_shares(tmp_path: Path) -> None:
    folder = write_v3(tmp_path / "set", [15, 15, 30], cameras=[FRONT])
    limits = MediaLimits(max_duration_s=2.0, max_frames_walked=25)
    episodes, skips = read(LeRobotSource(folder, limits=limits))
    assert not skips
    assert [sum(1 for _ in e.views[FRONT].frames()) for e in episodes[:2]] == [15, 15]
    with pytest.raises(DataError, match=r"episodes/chunk-000/file-000\.parquet:3"):
        list(episodes[2].views[FRONT].frames())


def test_memory_is_flat_over_many_episodes(tmp_path: Path) -> None:
    num = 4000
    folder = tmp_path / "set"
    rows = [{"episode_index": i, "tasks": ["lift"], "length": 1} for i in range(num)]
    features = {FRONT: {"dtype": "image", "shape": [32, 48, 3]}}
    write_meta(folder, "v2.1", rows, cameras=[], info={"features": features}, kind="image")
    data = folder / fill(V2_DATA, {"episode_chunk": 0, "episode_index": 0})
    write_table(data, {FRONT: picture_column(pictures(0, 1))})
    content = json.loads((folder / "meta/info.json").read_text())
    content["data_path"] = "data/chunk-000/episode_000000.parquet"

    def peak(num_read: int) -> int:
        (folder / "meta/info.json").write_text(json.dumps(content | {"total_episodes": num_read}))
        write_lines(folder / "meta/episodes.jsonl", rows[:num_read])
        source = LeRobotSource(folder)
        tracemalloc.start()
        assert sum(1 for _ in source.episodes()) == num_read
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(num) < peak(100) + 50_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
LINES = st.lists(
    st.text(max_size=30)
    | st.fixed_dictionaries({}, optional={"episode_index": JSON, "tasks": JSON, "length": JSON})
    | st.fixed_dictionaries(
        {"episode_index": st.integers(0, 3), "length": st.integers(0, 4), "tasks": JSON}
    )
    | st.fixed_dictionaries({}, optional={"task_index": JSON, "task": JSON}),
    max_size=5,
)
INFO = st.fixed_dictionaries(
    {},
    optional={
        "codebase_version": st.sampled_from(["v2.0", "v3.0", "v9.9"]) | JSON,
        "fps": JSON,
        "total_episodes": st.integers(-1, 6) | JSON,
        "chunks_size": JSON,
        "data_path": JSON | st.just("{episode_index}/{chunk_index}"),
        "video_path": JSON | st.text(alphabet="{}:/.videokyx_0d", max_size=20),
        "features": JSON | st.dictionaries(st.text(max_size=5), st.just({"dtype": "video"})),
        "robot_type": JSON,
    },
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("fuzz") / "set", [2, 3, 1], cameras=[FRONT])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(info=INFO, episodes=LINES, tasks=LINES)
def test_whatever_meta_says_the_answer_is_a_data_error_or_right(
    fuzzed: Path, info: dict[str, Any], episodes: list[Any], tasks: list[Any]
) -> None:
    whole = json.loads((fuzzed / "meta/info.json").read_text())
    original = {name: (fuzzed / "meta" / name).read_text() for name in META}
    try:
        (fuzzed / "meta/info.json").write_text(json.dumps({**whole, **info}))
        write_lines(fuzzed / "meta/episodes.jsonl", [_line(line) for line in episodes])
        write_lines(fuzzed / "meta/tasks.jsonl", [_line(line) for line in tasks])
        with suppress(DataError):
            found, skips = read(LeRobotSource(fuzzed))
            assert all(episode.task.strip() for episode in found)
            assert len({episode.episode_id for episode in found}) == len(found)
            assert all(skip.where and skip.reason for skip in skips)
            for episode in found:
                footage = episode.views[episode.judged_view]
                assert sum(1 for _ in footage.frames()) == footage.num_frames
    finally:
        for name, text in original.items():
            (fuzzed / "meta" / name).write_text(text)


META = ("info.json", "episodes.jsonl", "tasks.jsonl")


def _line(line: Any) -> str:
    text = line if isinstance(line, str) else json.dumps(line)
    return text.encode("utf-8", "replace").decode().replace("\n", " ").replace("\r", " ")


# The real folders.

REAL = {
    "g1_pick_bottle_v21": (2, {"no_video": 98}, 1, 714),
    "so101_bimanual_cloth_v21": (4, {"no_video": 21}, 2, 2 * 1145),
    "open_50_v30": (1, {"no_video": 49}, 1, 427),
    "piper_act_v30_novideo": (0, {"no_video": 55}, 2, 0),
    "record_test_v30_novideo": (0, {"no_video": 4}, 2, 0),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_folders_are_read_to_their_end(shared_data: Path, name: str) -> None:
    num_episodes, skipped, num_views, num_frames = REAL[name]
    folder = shared_data / "lerobot" / name
    source = LeRobotSource(folder)
    episodes, skips = read(source)
    announced = json.loads((folder / "meta/info.json").read_text())["total_episodes"]
    assert len(episodes) == num_episodes
    assert Counter(skip.reason for skip in skips) == skipped
    assert len(episodes) + len(skips) == announced
    assert all("videos/" in skip.message for skip in skips)
    counted = 0
    for episode in episodes:
        assert len(episode.views) == num_views
        for footage in episode.views.values():
            num = sum(1 for _ in footage.frames())
            assert num == footage.num_frames
            counted += num
    assert counted == num_frames


def test_a_real_slow_loop_is_told(shared_data: Path) -> None:
    episodes, _ = read(LeRobotSource(shared_data / "lerobot/so101_bimanual_cloth_v21"))
    assert all(episode.extra["fps_stated"] == 20 for episode in episodes)
    assert all(18 < episode.views[episode.judged_view].fps < 19 for episode in episodes)


def _shared(path: Path, copies: Sequence[Path]) -> list[tuple[float, int]]:
    """Put videos behind each other without encoding them, as LeRobot does; return starts and lengths."""
    import av

    parts: list[tuple[float, int]] = []
    with av.open(str(path), "w") as out:
        stream: Any = None
        offset = 0
        for copy in copies:
            with av.open(str(copy)) as container:
                track = container.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(track, opaque=True)
                    stream.time_base = track.time_base
                parts.append((float(offset * track.time_base), track.frames))
                for packet in container.demux(track):
                    if packet.dts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += track.duration
    return parts


@pytest.mark.parametrize(
    "pattern", ["g1_*/**/*.mp4", "so101_*/**/*cam0/*.mp4", "open_50*/**/*.mp4"]
)
def test_slices_of_real_videos_are_the_whole_bit_for_bit(
    shared_data: Path, tmp_path: Path, pattern: str
) -> None:
    import av

    from roboreward.sources.footage import VideoFootage, take

    videos = sorted((shared_data / "lerobot").glob(pattern))[:1]
    path = tmp_path / "shared.mp4"
    parts = _shared(path, videos * 2)
    with av.open(str(path)) as container:
        every = [digest(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        rate = float(container.streams.video[0].average_rate)
    first = 0
    for start_s, num in parts:
        footage = VideoFootage(path, start_s=start_s, end_s=start_s + num / rate, num_frames=num)
        places = [0, 1, num // 2, num - 1]
        taken = [digest(frame) for frame in take(footage, places)]
        assert taken == [every[first + place] for place in places]
        if first:
            assert [digest(frame) for frame in footage.frames()] == every[first : first + num]
        first += num
    assert first == len(every)


def digest(frame: np.ndarray) -> bytes:
    return hashlib.sha256(frame.tobytes()).digest()
