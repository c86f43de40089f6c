"""Exports: what trainers are given, and that they are given nothing else."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roboreward.core import DataError, MissingExtra, UsageError
from roboreward.dataset import (
    DatasetRow,
    export_conversations,
    export_messages,
    export_parquet,
    read_dataset,
)

DatasetOf = Callable[..., Path]


def prompt_for(task: str) -> str:
    return f"How far did the robot get?\n\nTask: {task}"


@pytest.fixture(scope="module")
def rows(clean_dataset: Path) -> tuple[DatasetRow, ...]:
    return read_dataset(clean_dataset).rows


def test_conversations_are_those_of_the_authors_trainer(
    rows: tuple[DatasetRow, ...], tmp_path: Path
) -> None:
    path = tmp_path / "train.json"
    assert export_conversations(path, rows, prompt_for=prompt_for) == 100
    first, example = json.loads(path.read_text())[0], rows[0].example
    assert first == {
        "video": [f"train/{example.file_name}"],
        "conversations": [
            {"from": "human", "value": f"{prompt_for(example.task)}\n<video>"},
            {"from": "gpt", "value": f"ANSWER: {example.label.score}"},
        ],
        "metadata": {"reward": example.label.score, "original_id": example.example_id},
        "subset": example.source,
    }


def test_messages_have_one_mark_for_each_video(
    rows: tuple[DatasetRow, ...], tmp_path: Path
) -> None:
    path = tmp_path / "train.jsonl"
    assert export_messages(path, rows, prompt_for=prompt_for, video_root="/data/set") == 100
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 100
    for line, row in zip(lines, rows, strict=True):
        assert set(line) == {"messages", "videos"}
        user, assistant = line["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].count("<video>") == len(line["videos"]) == 1
        assert assistant["content"] == f"ANSWER: {row.example.label.score}"
        assert line["videos"] == [f"/data/set/{row.split}/{row.example.file_name}"]


def test_what_a_model_is_asked_does_not_tell_the_label(
    rows: tuple[DatasetRow, ...], tmp_path: Path
) -> None:
    export_messages(tmp_path / "a", rows, prompt_for=lambda task: task)
    for line, row in zip((tmp_path / "a").read_text().splitlines(), rows, strict=True):
        assert json.loads(line)["messages"][0]["content"] == f"{row.example.task}\n<video>"


def test_the_video_may_come_first(rows: tuple[DatasetRow, ...], tmp_path: Path) -> None:
    export_messages(tmp_path / "a", rows[:1], prompt_for=prompt_for, order="video-then-text")
    content = json.loads((tmp_path / "a").read_text())["messages"][0]["content"]
    assert content.startswith("<video>\nHow far")


def test_a_task_that_would_add_a_video_is_refused(dataset_of: DatasetOf, tmp_path: Path) -> None:
    row = {"file_name": "a/b.mp4", "task": "watch <video> and lift", "reward": 1}
    found = read_dataset(dataset_of(train=[row]), has_videos=False).rows
    for export in (export_messages, export_conversations):
        with pytest.raises(DataError, match=r"train/metadata\.jsonl:1: .*<video>"):
            export(tmp_path / "x", found, prompt_for=prompt_for)
    assert not (tmp_path / "x").exists()


def test_nothing_to_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rows"):
        export_messages(tmp_path / "x", [], prompt_for=prompt_for)


def test_parquet_holds_every_row_and_nests_as_text(dataset_of: DatasetOf, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    full = {
        "file_name": "a/b.mp4",
        "task": "lift",
        "reward": 4,
        "cut_frac": 0.5,
        "validator": {"validator": "v", "is_accepted": False, "text": "no"},
        "provenance": {"operation": "clip", "seed": 1},
        "unknown": {"z": 1},
    }
    bare = {"file_name": "a/c.mp4", "task": "lift", "reward": 2}
    found = read_dataset(dataset_of(train=[full, bare]), has_videos=False).rows
    assert export_parquet(tmp_path / "t.parquet", found, video_root="/d") == 2
    first, second = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert (first["video"], first["reward"], first["cut_frac"]) == ("/d/train/a/b.mp4", 4, 0.5)
    assert (first["validator"], first["is_accepted"]) == ("v", False)
    assert json.loads(first["provenance"]) == {"operation": "clip", "seed": 1}
    assert json.loads(first["extra"]) == {"unknown": {"z": 1}}
    assert second["validator"] is second["cut_frac"] is second["extra"] is None
    assert list(first) == list(second)


def test_without_pyarrow_the_command_that_adds_it_is_named(
    rows: tuple[DatasetRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'pip install "roboreward\[data\]"'):
        export_parquet(tmp_path / "x.parquet", rows)


def test_the_same_rows_give_the_same_bytes(rows: tuple[DatasetRow, ...], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("a", "b"):
        export_conversations(tmp_path / f"{name}.json", rows, prompt_for=prompt_for)
        export_parquet(tmp_path / f"{name}.parquet", rows)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
