"""A dataset as a folder of splits: every row with its place, and nothing lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roboreward.core import DataError, UsageError
from roboreward.dataset import read_dataset, read_set, refuse_own_file
from roboreward.dataset.features import Kind, differences, kind_of, merged, mixed_columns

GOOD: dict[str, Any] = {"file_name": "lab/a.mp4", "task": "lift the cup", "reward": 3}
DatasetOf = Callable[..., Path]


def test_splits_come_in_their_order_with_rows_that_know_their_place(dataset_of: DatasetOf) -> None:
    found = read_dataset(
        dataset_of(extra=[GOOD], test=[GOOD], train=[GOOD, {**GOOD, "task": "drop it"}]),
        has_videos=False,
    )
    assert [split.name for split in found.splits] == ["train", "test", "extra"]
    assert [row.where for row in found.rows] == [
        "train/metadata.jsonl:1",
        "train/metadata.jsonl:2",
        "test/metadata.jsonl:1",
        "extra/metadata.jsonl:1",
    ]
    assert found.rows[1].example.task == "drop it"
    assert found.name == "data"


def test_a_single_split_is_a_dataset_too(clean_dataset: Path) -> None:
    by_folder = read_dataset(clean_dataset / "test")
    by_file = read_dataset(clean_dataset / "test" / "metadata.jsonl")
    assert [split.name for split in by_folder.splits] == ["test"]
    assert by_folder.rows == by_file.rows
    assert by_folder.rows[0].where == "metadata.jsonl:1"


def test_the_examples_are_those_of_a_set(clean_dataset: Path) -> None:
    (split,) = read_dataset(clean_dataset / "train").splits
    assert tuple(row.example for row in split.rows) == read_set(clean_dataset / "train").examples


def test_without_videos_the_rest_is_read_and_checked_the_same(
    clean_dataset: Path, tmp_path: Path
) -> None:
    text = (clean_dataset / "train" / "metadata.jsonl").read_text()
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(DataError, match="there is no video"):
        read_dataset(tmp_path)
    bare = [row.example for row in read_dataset(tmp_path, has_videos=False).rows]
    full = [row.example for row in read_dataset(clean_dataset / "train").rows]
    assert [e.model_copy(update={"video": Path()}) for e in bare] == [
        e.model_copy(update={"video": Path()}) for e in full
    ]
    assert bare[0].video == tmp_path / bare[0].file_name


@pytest.mark.parametrize(
    "name", ["viola/x_index_7_1_attempt_1_score_2.mp4", "viola/x_index_7_2.mp4", "roboarena/s.mp4"]
)
def test_what_is_inferred_from_published_names_is_the_same_without_videos(
    tmp_path: Path, name: str
) -> None:
    row = {"video": name, "task": "lift", "reward": 2, "gpt5_mini_check": "ANSWER: TRUE"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    bare = read_dataset(tmp_path, has_videos=False).rows[0].example
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).touch()
    assert bare == read_dataset(tmp_path).rows[0].example
    assert bare.extra == {"gpt5_mini_check": "ANSWER: TRUE"}


def test_a_bad_row_stops_or_is_kept_with_its_place(dataset_of: DatasetOf) -> None:
    folder = dataset_of(train=[GOOD, {**GOOD, "reward": 7}])
    with (folder / "train" / "metadata.jsonl").open("a") as stream:
        stream.write("{torn")
    with pytest.raises(DataError, match=r"metadata\.jsonl:[23]: "):
        read_dataset(folder, has_videos=False)
    found = read_dataset(folder, has_videos=False, allow_bad=True)
    (split,) = found.splits
    assert [found.where(bad) for bad in split.bad_rows] == [
        "train/metadata.jsonl:2",
        "train/metadata.jsonl:3",
    ]
    assert "not JSON" in split.bad_rows[1].reason
    assert len(split.rows) == 1


def test_repeated_ids_are_kept_for_those_who_count_them(dataset_of: DatasetOf) -> None:
    found = read_dataset(dataset_of(train=[GOOD, GOOD]), has_videos=False)
    assert len({row.example.example_id for row in found.rows}) == 1
    assert len(found.rows) == 2


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_file_name_without_a_name_is_a_bad_row(dataset_of: DatasetOf, name: str) -> None:
    with pytest.raises(DataError, match="'file_name'"):
        read_dataset(dataset_of(train=[{**GOOD, "file_name": name}]), has_videos=False)


def test_what_is_no_dataset_is_refused_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"notes\.txt"):
        read_dataset(tmp_path)
    with pytest.raises(UsageError, match="There is no"):
        read_dataset(tmp_path / "nowhere")


def test_files_of_a_dataset_are_told_from_others(dataset_of: DatasetOf, tmp_path: Path) -> None:
    folder = dataset_of(train=[GOOD], test=[{**GOOD, "file_name": "lab/stored.mp4"}])
    for name in ("other.mp4", "blob"):
        (tmp_path / name).write_bytes(b"x")
    (folder / "test" / "lab").mkdir()
    (folder / "test" / "lab" / "stored.mp4").symlink_to(tmp_path / "blob")
    (tmp_path / "beside").symlink_to(folder)
    found = read_dataset(folder, has_videos=False)
    for own in (
        folder / "train" / "metadata.jsonl",
        folder / "test" / ".." / "train" / "metadata.jsonl",
        tmp_path / "beside" / "test" / "metadata.jsonl",
        folder / "train" / "lab" / "a.mp4",
        tmp_path / "beside" / "train" / "lab" / "a.mp4",
        tmp_path / "blob",
    ):
        with pytest.raises(UsageError, match="is a part of the dataset"):
            refuse_own_file(own, found)
    for other in (
        folder / "metadata.jsonl",
        folder / "README.md",
        tmp_path / "a.mp4",
        tmp_path / "other.mp4",
        folder / "train" / "lab" / "new.mp4",
    ):
        refuse_own_file(other, found)


def test_columns_are_those_of_all_rows(dataset_of: DatasetOf) -> None:
    rows = [{**GOOD, "n": 1, "tags": ["a"]}, {**GOOD, "n": 0.5, "more": {"x": None}}]
    columns = dict(read_dataset(dataset_of(train=rows), has_videos=False).splits[0].columns.fields)
    assert columns["n"] == Kind("float64")
    assert columns["tags"] == Kind("list", item=Kind("string"))
    assert str(columns["more"]) == "struct(x: null)"
    assert columns["reward"] == Kind("int64")


def test_types_are_merged_as_a_json_reader_does() -> None:
    assert merged([]) == Kind("null")
    assert merged([Kind("null"), Kind("bool")]) == Kind("bool")
    assert merged([kind_of(True), kind_of(1)]).name == "mixed"
    one, other = kind_of({"a": {"b": 1}}), kind_of({"a": {"b": "x", "c": 2}})
    assert mixed_columns(merged([one, other])) == ["a.b"]
    assert mixed_columns(kind_of({"a": [1, "x"]})) == ["a[]"]
    assert differences(one, other) == ["a.b: int64 against string", "a.c: absent against int64"]
    assert differences(one, one) == []
