"""The Croissant description, held against the structure that the standard states."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roboreward.dataset import croissant_json, hash_videos, missing_properties, read_dataset
from roboreward.store import sha256_file

DatasetOf = Callable[..., Path]
DATA_TYPES = {"sc:Text", "sc:Integer", "sc:Float", "sc:Boolean", "cr:Label", "cr:Split"}


@pytest.fixture(scope="module")
def value(clean_dataset: Path) -> dict[str, Any]:
    return croissant_json(
        read_dataset(clean_dataset),
        licence="CC-BY-4.0",
        url="https://example.org/set",
        creators=["A. Person"],
        date_published="2025-11-24",
    )


def ids_defined(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "@id" in node and len(node) > 1 and "@type" in node:
            yield node["@id"]
        for key, inner in node.items():
            if key != "@context":
                yield from ids_defined(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from ids_defined(inner)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if set(node) == {"@id"}:
            yield node["@id"]
        for key, inner in node.items():
            if key != "@context":
                yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_the_properties_that_the_standard_asks_for_are_there(value: dict[str, Any]) -> None:
    assert value["@type"] == "sc:Dataset"
    assert value["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert value["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert value["@context"]["conformsTo"] == "dct:conformsTo"
    assert value["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert missing_properties(value) == []


def test_what_nobody_stated_is_left_out_and_named(clean_dataset: Path) -> None:
    bare = croissant_json(read_dataset(clean_dataset))
    assert missing_properties(bare) == ["url", "creator", "datePublished"]
    assert bare["license"] == "unknown"


def test_files_have_type_place_format_and_digest(
    value: dict[str, Any], clean_dataset: Path
) -> None:
    files = [f for f in value["distribution"] if f["@type"] == "cr:FileObject"]
    assert [f["contentUrl"] for f in files] == ["train/metadata.jsonl", "test/metadata.jsonl"]
    for file in files:
        path = clean_dataset / file["contentUrl"]
        assert file["sha256"] == sha256_file(path)
        assert file["contentSize"] == f"{path.stat().st_size} B"
        assert file["encodingFormat"] == "application/jsonlines"
        assert file["name"]


def test_the_sets_of_files_match_every_video(value: dict[str, Any], clean_dataset: Path) -> None:
    sets = [f for f in value["distribution"] if f["@type"] == "cr:FileSet"]
    matched = {
        path for one in sets for glob in one["includes"] for path in clean_dataset.glob(glob)
    }
    assert matched == set(clean_dataset.rglob("*.mp4"))
    assert {one["encodingFormat"] for one in sets} == {"video/mp4"}


def test_ids_are_unique_and_every_reference_has_its_target(value: dict[str, Any]) -> None:
    ids = list(ids_defined(value))
    assert len(ids) == len(set(ids))
    assert set(references(value)) <= set(ids)


def test_each_split_is_a_record_set_of_its_scalar_columns(value: dict[str, Any]) -> None:
    sets = {one["@id"]: one for one in value["recordSet"]}
    assert set(sets) == {"splits", "train", "test"}
    fields = {field["name"]: field for field in sets["train"]["field"]}
    assert {"file_name", "task", "reward", "example_id", "group"} <= set(fields)
    assert fields["reward"]["dataType"] == ["sc:Integer", "cr:Label"]
    assert fields["task"]["source"] == {
        "fileObject": {"@id": "train-metadata"},
        "extract": {"column": "task"},
    }
    assert sets["train"]["key"] == {"@id": "train/example_id"}
    for one in sets.values():
        for field in one["field"]:
            types = field["dataType"]
            assert set(types if isinstance(types, list) else [types]) <= DATA_TYPES


def test_splits_say_what_they_are_for(value: dict[str, Any]) -> None:
    (splits,) = (one for one in value["recordSet"] if one["@id"] == "splits")
    assert splits["dataType"] == "cr:Split"
    assert splits["data"] == [
        {"splits/name": "train", "splits/url": "cr:TrainingSplit"},
        {"splits/name": "test", "splits/url": "cr:TestSplit"},
    ]


def test_every_video_can_be_listed_with_its_digest(clean_dataset: Path) -> None:
    dataset = read_dataset(clean_dataset)
    digests = hash_videos(row.example.video for row in dataset.rows)
    value = croissant_json(dataset, digest_of=digests)
    (files,) = (one for one in value["recordSet"] if one["@id"] == "files")
    assert len(files["data"]) == 100
    for one in files["data"]:
        assert one["files/sha256"] == sha256_file(clean_dataset / one["files/path"])


def test_lists_repeat_objects_are_left_out_and_other_containers_get_their_type(
    dataset_of: DatasetOf,
) -> None:
    row = {"task": "t", "reward": 1, "tags": ["a"], "provenance": {"operation": "import"}}
    rows = [{**row, "file_name": name} for name in ("a/x.webm", "a/y.mkv")]
    value = croissant_json(read_dataset(dataset_of(train=rows), has_videos=False))
    (train,) = (one for one in value["recordSet"] if one["@id"] == "train")
    fields = {field["name"]: field for field in train["field"]}
    assert fields["tags"]["repeated"] is True
    assert fields["tags"]["dataType"] == "sc:Text"
    assert "provenance" not in fields
    kinds = [f["encodingFormat"] for f in value["distribution"] if f["@type"] == "cr:FileSet"]
    assert kinds == ["video/webm", "video/x-matroska"]


def test_the_same_dataset_gives_the_same_text(clean_dataset: Path, tmp_path: Path) -> None:
    texts = {json.dumps(croissant_json(read_dataset(clean_dataset))) for _ in range(2)}
    assert len(texts) == 1
