"""One example with its past, in words and as a picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, MediaRefused, UnknownName, UsageError
from roboreward.dataset import portray, read_dataset, save_portrait
from roboreward.media import decode_image, write_video

DatasetOf = Callable[..., Path]


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original, a clip of it, a relabel of the clip (same video), and an orphan."""
    folder = tmp_path_factory.mktemp("family") / "family"
    rows: list[dict[str, Any]] = [
        {
            "file_name": "lab/whole.mp4",
            "task": "put the cup on the plate",
            "reward": 5,
            "example_id": "original",
            "origin": "original",
            "label_author": "demonstration",
        },
        {
            "file_name": "lab/part.mp4",
            "task": "put the cup on the plate",
            "reward": 2,
            "example_id": "clip",
            "origin": "clip",
            "parent_id": "original",
            "cut_frac": 0.3,
            "label_author": "rule",
            "label_reason": "the cup was only touched",
            "validator": {"validator": "judge", "is_accepted": True, "text": "it was touched"},
            "provenance": {
                "operation": "clip",
                "parent_ids": ["original"],
                "seed": 7,
                "details": {"num_frames": 3},
            },
        },
        {
            "file_name": "lab/part.mp4",
            "task": "push the cup away",
            "reward": 1,
            "example_id": "relabel",
            "origin": "counterfactual",
            "parent_id": "clip",
        },
        {
            "file_name": "lab/other.mp4",
            "task": "lift it",
            "reward": 3,
            "example_id": "orphan",
            "origin": "clip",
            "parent_id": "long-gone",
        },
    ]
    for name, num in (("whole", 10), ("part", 3), ("other", 4)):
        frames = np.full((num, 48, 64, 3), 90, np.uint8)
        (folder / "train" / "lab").mkdir(parents=True, exist_ok=True)
        write_video(folder / "train" / "lab" / f"{name}.mp4", frames, fps=4.0)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train" / "metadata.jsonl").write_text(text)
    return folder


def test_the_chain_goes_back_to_the_original(family: Path) -> None:
    portrait = portray(read_dataset(family), "relabel")
    assert [a.name for a in portrait.ancestors] == ["clip", "original"]
    text = portrait.text()
    assert text.index("push the cup away") < text.index("the first 30 %") < text.index("5 of 5")
    for words in (
        "2 of 5, minimal progress, by rule: the cup was only touched",
        "judge accepted it: it was touched",
        "seed 7",
        "train/metadata.jsonl:2",
    ):
        assert words in text


def test_a_parent_that_is_not_there_is_named(family: Path) -> None:
    portrait = portray(read_dataset(family), "orphan")
    assert [(a.name, a.row) for a in portrait.ancestors] == [("long-gone", None)]
    assert "long-gone, which is not in the dataset" in portrait.text()


def test_a_published_clip_finds_its_original_by_its_name(dataset_of: DatasetOf) -> None:
    stem = "bridge/bridge_index_7"
    rows = [
        {"file_name": f"{stem}.mp4", "task": "lift", "reward": 5},
        {
            "file_name": f"{stem}_attempt_1_score_2.mp4",
            "task": "lift",
            "reward": 2,
            "gpt5_mini_check": "It fits. ANSWER: TRUE",
        },
    ]
    dataset = read_dataset(dataset_of(train=rows), has_videos=False)
    portrait = portray(dataset, "train/metadata.jsonl:2")
    (ancestor,) = portrait.ancestors
    assert ancestor.is_inferred
    assert ancestor.row is dataset.rows[0]
    assert "as its file name says" in portrait.text()
    assert "It fits. ANSWER: TRUE" in portrait.text()


def test_rows_that_name_each_other_as_parents_end(dataset_of: DatasetOf) -> None:
    rows = [
        {"file_name": f"a/{i}.mp4", "task": "t", "reward": 1, "example_id": i, "parent_id": p}
        for i, p in (("x", "y"), ("y", "z"), ("z", "x"))
    ]
    dataset = read_dataset(dataset_of(train=rows), has_videos=False)
    assert [a.name for a in portray(dataset, "x").ancestors] == ["y", "z"]


def test_an_example_is_found_by_id_place_and_file_name(family: Path) -> None:
    dataset = read_dataset(family)
    for which in ("original", "train/metadata.jsonl:1", "lab/whole.mp4", "train/lab/whole.mp4"):
        assert portray(dataset, which).row.example.example_id == "original"
    with pytest.raises(DataError, match=r"2 rows.*clip .*relabel"):
        portray(dataset, "lab/part.mp4")
    with pytest.raises(UnknownName, match=r"Did you mean .*original"):
        portray(dataset, "orginal")
    with pytest.raises(UsageError, match="such as 'original'"):
        portray(dataset, "q?")


def test_json_holds_the_whole_chain(family: Path) -> None:
    value = json.loads(json.dumps(portray(read_dataset(family), "relabel").as_json()))
    assert value["example"]["task"] == "push the cup away"
    assert [a["example"]["label"]["score"] for a in value["ancestors"]] == [2, 5]


def test_the_picture_shows_the_example_and_what_looks_different_before_it(family: Path) -> None:
    dataset = read_dataset(family)
    alone = portray(dataset, "original").picture(num_frames=3)
    chain = portray(dataset, "relabel").picture(num_frames=3)
    assert alone.dtype == np.uint8
    assert alone.shape[2] == 3
    assert chain.shape[0] > 2 * alone.shape[0]
    assert chain.shape[1] == alone.shape[1]


def test_the_picture_is_saved_as_its_name_says(family: Path, tmp_path: Path) -> None:
    portrait = portray(read_dataset(family), "clip")
    for name, first in (("a.png", b"\x89PNG"), ("a.jpg", b"\xff\xd8")):
        save_portrait(tmp_path / name, portrait, num_frames=2)
        data = (tmp_path / name).read_bytes()
        assert data.startswith(first)
        assert decode_image(data, where=name).shape == portrait.picture(num_frames=2).shape


def test_a_broken_video_is_an_error_but_a_broken_ancestor_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    write_video(tmp_path / "lab" / "b.mp4", np.full((4, 48, 64, 3), 90, np.uint8), fps=4.0)
    (tmp_path / "lab" / "a.mp4").write_bytes(b"broken")
    rows: list[dict[str, Any]] = [
        {"file_name": "lab/a.mp4", "task": "t", "reward": 5, "example_id": "a"},
        {"file_name": "lab/b.mp4", "task": "u", "reward": 2, "example_id": "b", "parent_id": "a"},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = read_dataset(tmp_path)
    assert portray(dataset, "b").picture().shape[0] > 0
    with pytest.raises(MediaRefused):
        portray(dataset, "a").picture()
