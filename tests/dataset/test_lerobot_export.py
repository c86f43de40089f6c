"""Rewards into a LeRobot dataset: at the last frames, never invented, and the corpus left as it is."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.core import DataError, StoreError, UsageError
from roboreward.dataset import (
    Dataset,
    build_dataset,
    export_lerobot,
    match_episodes,
    read_dataset,
    read_dataset_recipe,
    write_episode_labels,
)
from roboreward.media import write_video
from roboreward.sources import LeRobotSource
from roboreward.store import sha256_file

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LENGTHS = (5, 8, 3, 4)
TASKS = ("lift the cup", "open the drawer")
CAMERA = "observation.images.front"
PATHS = {
    "v2.1": (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    ),
    "v3.0": (
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    ),
}
Corpus = Callable[..., Path]
DatasetOf = Callable[..., Path]


def columns_of(number: int, first: int, more: Mapping[str, Any]) -> Any:
    length = LENGTHS[number]
    columns = {
        "action": pa.array([[float(i), 0.5] for i in range(length)], pa.list_(pa.float32(), 2)),
        "timestamp": pa.array(np.arange(length) / 10, pa.float32()),
        "frame_index": pa.array(range(length), pa.int64()),
        "episode_index": pa.array([number] * length, pa.int64()),
        "index": pa.array(range(first, first + length), pa.int64()),
        "task_index": pa.array([number % 2] * length, pa.int64()),
    }
    columns |= {name: pa.array([value] * length) for name, value in more.items()}
    return pa.table({name: column for name, column in columns.items() if name is not None})


def write_corpus(folder: Path, version: str, **more: Any) -> Path:
    """Write four episodes of 5, 8, 3 and 4 frames; in v3.0 the first three share a file, in groups of four rows."""
    data_path, video_path = PATHS[version]
    tables, listed, first, starts = [], [], 0, [0, 0, 0, 0]
    for number, length in enumerate(LENGTHS):
        tables.append(columns_of(number, first, more))
        row = {"episode_index": number, "tasks": [TASKS[number % 2]], "length": length}
        place = (0, 1) if number == 3 else (0, 0)
        starts[number] = 0 if number == 3 else first
        row |= {"data/chunk_index": place[0], "data/file_index": place[1]} | {
            f"videos/{CAMERA}/{key}": value
            for key, value in {
                "chunk_index": place[0],
                "file_index": place[1],
                "from_timestamp": starts[number] / 10,
                "to_timestamp": (starts[number] + length) / 10,
            }.items()
        }
        listed.append(row)
        first += length
    parts = [[0], [1], [2], [3]] if version == "v2.1" else [[0, 1, 2], [3]]
    for place, numbers in enumerate(parts):
        named = {"episode_chunk": 0, "episode_index": place, "chunk_index": 0, "file_index": place}
        data = folder / data_path.format(**named)
        data.parent.mkdir(parents=True, exist_ok=True)
        table = pa.concat_tables([tables[number] for number in numbers])
        features = {name: {"dtype": "int64", "_type": "Value"} for name in ("index",)}
        noted = json.dumps({"info": {"features": features}}).encode()
        table = table.replace_schema_metadata({b"huggingface": noted})
        pq.write_table(table, data, row_group_size=4, compression="zstd")
        video = folder / video_path.format(**named, video_key=CAMERA)
        video.parent.mkdir(parents=True, exist_ok=True)
        shade = np.arange(sum(LENGTHS[number] for number in numbers)) * 9 + 40 * place
        frames = np.tile((shade % 250)[:, None, None, None], (1, 32, 32, 3))
        frames[:, :8, :8] = 250 - frames[:, :8, :8]
        write_video(video, frames.astype(np.uint8), fps=10)
    (folder / "meta").mkdir()
    write_meta(folder, version, listed, more)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("hidden")
    return folder


def write_meta(
    folder: Path, version: str, listed: list[dict[str, Any]], more: Mapping[str, Any]
) -> None:
    data_path, video_path = PATHS[version]
    kinds = {"action": ("float32", 2), "timestamp": ("float32", 1)}
    kinds |= {
        name: ("int64", 1) for name in ("frame_index", "episode_index", "index", "task_index")
    }
    kinds |= {name: ("bool" if value is False else "float32", 1) for name, value in more.items()}
    features = {
        name: {"dtype": kind, "shape": [n], "names": None} for name, (kind, n) in kinds.items()
    }
    picture = {"dtype": "video", "shape": [32, 32, 3], "names": ["height", "width", "channels"]}
    info = {
        "codebase_version": version,
        "robot_type": "so101",
        "fps": 10,
        "total_episodes": len(listed),
        "total_frames": sum(LENGTHS),
        "chunks_size": 1000,
        "data_path": data_path,
        "video_path": video_path,
        "features": {CAMERA: picture, **features},
        "note": "kept",
    }
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    if version == "v2.1":
        lines = "".join(json.dumps(row) + "\n" for row in listed)
        (folder / "meta" / "episodes.jsonl").write_text(lines)
        return
    episodes = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    episodes.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(listed), episodes)


@pytest.fixture(params=["v2.1", "v3.0"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Corpus:
    return lambda **more: write_corpus(tmp_path / "lab", request.param, **more)


def row(number: int, score: int, **changes: Any) -> dict[str, Any]:
    """The row of a labelled episode, as a build writes it."""
    return {
        "file_name": f"lab/{number}-{score}-{len(changes)}.mp4",
        "task": TASKS[number % 2],
        "reward": score,
        "episode_id": f"episode_{number:06d}",
        "group": f"lab/{number}",
        "source": "lab",
        "origin": "rollout",
        "label_author": "person-1",
        "example_id": f"{number}-{score}-{'-'.join(map(str, changes.values()))}",
    } | changes


@pytest.fixture
def labelled(dataset_of: DatasetOf) -> Dataset:
    """Labels of the episodes 0, 2 and 3 over two splits, and rows that are no labels of whole episodes."""
    no = {"validator": "judge", "is_accepted": False}
    train = [
        row(0, 4),
        row(0, 1, origin="clip", cut_frac=0.3, parent_id="0-4-"),
        row(0, 2, origin="counterfactual", task="eat the cup"),
        row(1, 5, source="other"),
        row(1, 5, validator=no),
    ]
    test = [row(2, 1), row(3, 5, origin="original"), row(3, 5, origin="original", view="b")]
    return read_dataset(dataset_of(train=train, test=test), has_videos=False)


def table_of(folder: Path) -> dict[str, list[Any]]:
    """All rows of the data, in the order of `index`."""
    files = sorted((folder / "data").rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files]).sort_by("index").to_pydict()


def contents_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_file(path) for path in files}


def test_a_reward_stands_at_the_last_frame_and_is_null_without_a_label(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    before = contents_of(folder)
    labels = match_episodes(labelled.rows, folder)
    made = export_lerobot(tmp_path / "out", labels)
    data = table_of(made.folder)
    assert data["next.reward"] == [
        *[0.0, 0.0, 0.0, 0.0, 0.75],
        *[None] * 8,
        *[0.0, 0.0, 0.0],
        *[0.0, 0.0, 0.0, 1.0],
    ]
    ends = {4, 12, 15, 19}
    assert data["next.done"] == [number in ends for number in range(20)]
    assert (made.num_labelled, made.num_without, made.num_frames) == (3, 1, 20)
    assert contents_of(folder) == before


def test_the_rest_of_the_dataset_is_as_it_was(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder, out = corpus(), tmp_path / "out"
    export_lerobot(out, match_episodes(labelled.rows, folder))
    old, new = table_of(folder), table_of(out)
    assert list(new) == [*old, "next.reward", "next.done"]
    assert {name: new[name] for name in old} == old
    for path in sorted((folder / "data").rglob("*.parquet")):
        was, now = (pq.ParquetFile(p) for p in (path, out / path.relative_to(folder)))
        assert now.metadata.row_group(0).column(0).compression == "ZSTD"
        assert now.num_row_groups == was.num_row_groups
        assert now.schema_arrow.field("next.reward").type == pa.float32()
        assert now.schema_arrow.field("next.done").type == pa.bool_()
        noted = json.loads(now.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        assert noted["next.reward"] == {"dtype": "float32", "_type": "Value"}
        assert "index" in noted
    was, now = (json.loads((f / "meta" / "info.json").read_text()) for f in (folder, out))
    assert now["features"].pop("next.reward") == {"dtype": "float32", "shape": [1], "names": None}
    assert now["features"].pop("next.done") == {"dtype": "bool", "shape": [1], "names": None}
    assert now == was
    same = {k: v for k, v in contents_of(folder).items() if not k.startswith(("data/", "."))}
    del same["meta/info.json"]
    assert same.items() <= contents_of(out).items()
    assert not (out / ".cache").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_our_own_reader_reads_what_was_written(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    made = export_lerobot(tmp_path / "out", match_episodes(labelled.rows, folder))
    episodes = list(LeRobotSource(made.folder).episodes())
    assert [e.episode_id for e in episodes] == [f"episode_{n:06d}" for n in range(4)]
    found = [episode.extra.get("next.reward") for episode in episodes]
    said = {n: {"last": reward, "sum": reward} for n, reward in ((0, 0.75), (2, 0.0), (3, 1.0))}
    assert found == [said.get(n) for n in range(4)]
    assert LeRobotSource(made.folder).licence == "mit"
    frames = [
        [frame.mean() for frame in one.views[CAMERA].frames()]
        for source in (folder, made.folder)
        for one in LeRobotSource(source).episodes()
    ]
    assert frames[:4] == frames[4:]


def test_a_copy_of_the_metadata_shares_nothing_with_the_corpus(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder, out = corpus(), tmp_path / "out"
    export_lerobot(out, match_episodes(labelled.rows, folder))
    shared = [
        path.relative_to(out)
        for path in out.rglob("*")
        if path.is_file() and os.stat(path).st_nlink > 1
    ]
    assert all(path.suffix == ".mp4" for path in shared)


def test_where_links_are_refused_videos_are_copied(
    corpus: Corpus, labelled: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no links here")

    folder = corpus()
    monkeypatch.setattr(os, "link", refuse)
    made = export_lerobot(tmp_path / "out", match_episodes(labelled.rows, folder))
    videos = list(made.folder.rglob("*.mp4"))
    assert videos
    assert all(os.stat(video).st_nlink == 1 for video in videos)


def test_the_labels_are_listed_with_their_authors(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    labels = match_episodes(labelled.rows, corpus())
    made = export_lerobot(tmp_path / "out", labels)
    value = json.loads(made.labels_file.read_text())
    assert (value["column"], value["mapping"], value["num_without_label"]) == (
        "next.reward",
        "progress",
        1,
    )
    told = [(e["episode_index"], e["score"], e["reward"], e["author"]) for e in value["episodes"]]
    assert told == [(0, 4, 0.75, "person-1"), (2, 1, 0.0, "person-1"), (3, 5, 1.0, "person-1")]
    assert write_episode_labels(tmp_path / "labels.json", labels) == 3
    alone = json.loads((tmp_path / "labels.json").read_text())
    assert alone == {key: value[key] for key in value if key != "column"}


def test_the_list_of_labels_is_not_written_into_the_corpus(
    corpus: Corpus, labelled: Dataset
) -> None:
    folder = corpus()
    labels, info = match_episodes(labelled.rows, folder), folder / "meta" / "info.json"
    before = info.read_bytes()
    with pytest.raises(UsageError, match="which is not changed"):
        write_episode_labels(info, labels)
    assert info.read_bytes() == before


def test_a_reward_that_is_there_is_not_overwritten(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus(**{"next.reward": 0.25, "next.done": False})
    labels = match_episodes(labelled.rows, folder)
    with pytest.raises(UsageError, match=r"'next\.reward' already"):
        export_lerobot(tmp_path / "out", labels)
    made = export_lerobot(tmp_path / "out", labels, column="reward.video")
    data = table_of(made.folder)
    assert data["next.reward"] == [0.25] * 20
    assert data["next.done"] == [False] * 20
    assert not made.has_written_done
    assert math.isclose(sum(value or 0.0 for value in data["reward.video"]), 1.75)
    assert made.labels_file.name == "reward.video.json"


@pytest.mark.parametrize("column", ["next.done", "", "a/b", "../x", " "])
def test_names_that_no_column_can_have_are_refused(
    corpus: Corpus, labelled: Dataset, tmp_path: Path, column: str
) -> None:
    labels = match_episodes(labelled.rows, corpus())
    with pytest.raises(UsageError, match="cannot be the name"):
        export_lerobot(tmp_path / "out", labels, column=column)
    assert not (tmp_path / "out").exists()


def test_places_that_are_taken_or_in_the_corpus_are_refused(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    labels = match_episodes(labelled.rows, folder)
    (tmp_path / "taken").mkdir()
    for out, says in ((tmp_path / "taken", "there already"), (folder / "out", "not changed")):
        with pytest.raises(UsageError, match=says):
            export_lerobot(out, labels)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write"):
        export_lerobot(tmp_path / "file" / "out", labels)


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([row(1, 5, source="other")], UsageError, "its sources: other.*--source"),
        ([row(0, 4, origin="clip", cut_frac=0.5)], UsageError, "No original or rollout"),
        ([row(0, 4), row(0, 3)], DataError, r"metadata\.jsonl:2: .*score 3 here and 4 in train/m"),
        ([row(0, 4), row(7, 3)], DataError, r"metadata\.jsonl:2: .*no episode 'episode_000007'"),
        ([row(0, 4, task="sing")], DataError, r"metadata\.jsonl:1: the task is 'sing'"),
    ],
)
def test_labels_that_do_not_fit_the_corpus_are_errors(
    corpus: Corpus,
    dataset_of: DatasetOf,
    rows: list[dict[str, Any]],
    error: type[Exception],
    says: str,
) -> None:
    found = read_dataset(dataset_of(train=rows), has_videos=False)
    with pytest.raises(error, match=says):
        match_episodes(found.rows, corpus())


def test_other_tasks_are_taken_where_that_is_allowed(corpus: Corpus, dataset_of: DatasetOf) -> None:
    found = read_dataset(dataset_of(train=[row(1, 2, task="sing")]), has_videos=False)
    assert list(match_episodes(found.rows, corpus(), allow_other_tasks=True).rows) == [1]


def test_a_corpus_may_have_another_name_in_the_rows(corpus: Corpus, dataset_of: DatasetOf) -> None:
    found = read_dataset(dataset_of(train=[row(1, 2, source="arm")]), has_videos=False)
    labels = match_episodes(found.rows, corpus(), source="arm")
    assert (labels.source, labels.num_without) == ("arm", 3)


def test_a_data_file_that_goes_bad_leaves_nothing_behind(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    labels = match_episodes(labelled.rows, folder)
    last = max((folder / "data").rglob("*.parquet"))
    data = last.read_bytes()
    last.write_bytes(data[:8] + b"\0" * 64 + data[72:])  # the footer is whole: the pages are not
    with pytest.raises(DataError, match=rf"{last.name}: cannot be read"):
        export_lerobot(tmp_path / "out", labels)
    last.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=rf"{last.name}: cannot be read"):
        export_lerobot(tmp_path / "out", labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "lab"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"episode_index": pa.array([3, None, 3, 3], pa.int64())}, r"parquet:2: 'episode_index'"),
        ({"episode_index": pa.array(["3"] * 4)}, "no column 'episode_index' of whole numbers"),
        ({"episode_index": pa.array([0, 3, 3, 3], pa.int64())}, "episode 0 has rows here and in"),
        ({"episode_index": pa.array([9] * 4, pa.int64())}, "no row of the data is of episode 3"),
    ],
)
def test_numbers_of_episodes_that_are_wrong_are_errors(
    corpus: Corpus, labelled: Dataset, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    folder = corpus()
    labels = match_episodes(labelled.rows, folder)
    last = max((folder / "data").rglob("*.parquet"))
    table = pq.read_table(last)
    for name, values in change.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table, last)
    with pytest.raises(DataError, match=says):
        export_lerobot(tmp_path / "out", labels)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_link_is_not_left_out_silently(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    labels = match_episodes(labelled.rows, folder)
    (folder / "more").symlink_to(tmp_path)
    with pytest.raises(DataError, match="more: a link to a folder"):
        export_lerobot(tmp_path / "out", labels)


def test_the_command_tells_how_many_have_a_label(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    folder = corpus()
    start = ["dataset", "export", str(labelled.folder), "--lerobot", str(folder), "--format"]
    result = CliRunner().invoke(main, [*start, "lerobot", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "3 of 4 episodes have a reward in next.reward" in result.stdout
    assert "1 have no label and null" in result.stdout
    end = ["episode-labels", "--out", str(tmp_path / "labels.json"), "--json"]
    value = json.loads(CliRunner().invoke(main, [*start, *end]).stdout)
    assert (value["num_labelled"], value["num_without_label"]) == (3, 1)
    assert len(json.loads((tmp_path / "labels.json").read_text())["episodes"]) == 3
    end = ["lerobot", "--out", str(tmp_path / "b"), "--split", "train", "--column", "r", "--json"]
    value = json.loads(CliRunner().invoke(main, [*start, *end]).stdout)
    assert (value["num_labelled"], value["column"], value["has_written_done"]) == (1, "r", True)
    again = CliRunner().invoke(main, [*start, "lerobot", "--out", str(tmp_path / "out")])
    assert again.exit_code == 2
    assert "there already" in again.stderr


def test_the_same_labels_give_the_same_bytes(
    corpus: Corpus, labelled: Dataset, tmp_path: Path
) -> None:
    labels = match_episodes(labelled.rows, corpus())
    for name in ("a", "b"):
        export_lerobot(tmp_path / name, labels)
    assert contents_of(tmp_path / "a") == contents_of(tmp_path / "b")


@pytest.mark.hub
def test_the_hubs_library_reads_the_data_by_the_features_of_info(
    corpus: Corpus, labelled: Dataset, tmp_path: Path, datasets: Any
) -> None:
    """LeRobot reads its data so: every column must be in info.json, with its type."""
    made = export_lerobot(tmp_path / "out", match_episodes(labelled.rows, corpus()))
    info = json.loads((made.folder / "meta" / "info.json").read_text())
    features = {}
    for name, feature in info["features"].items():
        value = datasets.Value(feature["dtype"]) if feature["dtype"] != "video" else None
        (size, *_) = feature["shape"]
        if value is not None:
            features[name] = value if size == 1 else datasets.Sequence(value, length=size)
    found = datasets.Dataset.from_parquet(
        [str(path) for path in sorted((made.folder / "data").rglob("*.parquet"))],
        features=datasets.Features(features),
        cache_dir=str(tmp_path / "cache"),
    )
    assert found["next.reward"][4] == 0.75
    assert found["next.reward"][5] is None
    assert sum(found["next.done"]) == 4


def test_a_dataset_that_was_built_from_the_corpus_fits_it(corpus: Corpus, tmp_path: Path) -> None:
    folder = corpus()
    (tmp_path / "recipe.toml").write_text(
        'kind = "dataset"\n[[sources]]\nreader = "lerobot"\npath = "lab"\nunlabelled = "success"\nlimit = 3\n'
    )
    build_dataset(read_dataset_recipe(tmp_path / "recipe.toml"), tmp_path / "set", num_workers=1)
    labels = match_episodes(read_dataset(tmp_path / "set").rows, folder)
    assert list(labels.rows) == [0, 1, 2]
    assert labels.num_without == 1
    rewards = table_of(export_lerobot(tmp_path / "out", labels).folder)["next.reward"]
    assert [rewards[end] for end in (4, 12, 15)] == [1.0, 1.0, 1.0]
    assert rewards[16:] == [None] * 4


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("so101_bimanual_cloth_v21", [0, 1, 2, 3]),
        ("g1_pick_bottle_v21", [12, 13]),
        ("open_50_v30", [0]),
    ],
)
def test_real_folders_come_back_with_rewards(
    shared_data: Path, dataset_of: DatasetOf, tmp_path: Path, name: str, numbers: list[int]
) -> None:
    folder = shared_data / "lerobot" / name
    given = list(LeRobotSource(folder).episodes(on_skip=id))
    rows = [
        row(i, 1 + i % 5, task=e.task, episode_id=e.episode_id, source=name)
        for i, e in enumerate(given)
    ]
    labels = match_episodes(read_dataset(dataset_of(train=rows), has_videos=False).rows, folder)
    assert list(labels.rows) == numbers
    made = export_lerobot(tmp_path / "out", labels)
    read = list(LeRobotSource(made.folder).episodes(on_skip=id))
    assert [e.extra["episode_index"] for e in read] == numbers
    assert [e.extra["next.reward"]["last"] for e in read] == [i % 5 / 4 for i in range(len(read))]
    files = sorted((made.folder / "data").rglob("*.parquet"))
    columns = ["episode_index", "next.reward", "next.done"]
    data = pa.concat_tables([pq.read_table(file, columns=columns) for file in files])
    episodes = data["episode_index"].to_numpy()
    assert data["next.reward"].null_count == int((~np.isin(episodes, numbers)).sum())
    assert sum(data["next.done"].to_pylist()) == len(set(episodes.tolist()))
