"""What a model has seen: by bytes, by attempt, by group, and never by coincidence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roboreward.core import DataError, UsageError
from roboreward.dataset import find_contamination, read_dataset, read_index, write_index
from roboreward.store import sha256_file

DatasetOf = Callable[..., Path]


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"file_name": f"lab/{name}.mp4", "task": f"lift {name}", "reward": 3, **more}


def index_of(tmp_path: Path, *lines: dict[str, Any]) -> Path:
    path = tmp_path / "index.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def seen_in(folder: Path, index: Path) -> list[tuple[str, tuple[str, ...]]]:
    dataset = read_dataset(folder, has_videos=False)
    found = find_contamination(dataset, read_index(index), has_videos=False)
    return [(one.where.rpartition(":")[2], one.by) for one in found.seen]


def test_the_training_split_is_all_seen_and_the_test_split_is_not(
    clean_dataset: Path, tmp_path: Path
) -> None:
    dataset, path = read_dataset(clean_dataset), tmp_path / "seen.jsonl"
    assert write_index(path, dataset, splits=["train"]) == 60
    found = find_contamination(dataset, read_index(path))
    assert {one.split for one in found.seen} == {"train"}
    assert len(found.seen) == 60
    assert {one.by for one in found.seen} == {("video", "episode", "group")}
    assert found.share == pytest.approx(0.6)
    assert found.has_videos


def test_a_copied_video_is_seen_whatever_its_name_and_group(
    clean_dataset: Path, tmp_path: Path
) -> None:
    source = next((clean_dataset / "train").rglob("*.mp4"))
    (tmp_path / "mine" / "lab").mkdir(parents=True)
    shutil.copyfile(source, tmp_path / "mine" / "lab" / "new.mp4")
    (tmp_path / "mine" / "metadata.jsonl").write_text(json.dumps(row("new")))
    index = index_of(tmp_path, {"sha256": sha256_file(source).upper()})
    found = find_contamination(read_dataset(tmp_path / "mine"), read_index(index))
    assert [one.by for one in found.seen] == [("video",)]


def test_a_clip_is_seen_by_the_group_of_its_parent(dataset_of: DatasetOf, tmp_path: Path) -> None:
    folder = dataset_of(test=[row("a", group="g1"), row("b", group="g2")])
    assert seen_in(folder, index_of(tmp_path, {"source": "lab", "group": "g1"})) == [
        ("1", ("group",))
    ]


def test_sessions_count_as_groups(dataset_of: DatasetOf, tmp_path: Path) -> None:
    folder = dataset_of(test=[row("a", group="s7"), row("b", session_id="s8"), row("c")])
    index = index_of(tmp_path, {"session": "s7"}, {"session": "s8"})
    assert [number for number, _ in seen_in(folder, index)] == ["1", "2"]


def test_a_name_of_another_source_is_no_match_and_another_spelling_is(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    folder = dataset_of(
        test=[row("a", group="s1", source="robo_arena"), row("b", episode_id="e1", source="droid")]
    )
    elsewhere = index_of(tmp_path, {"source": "bridge", "group": "s1", "episode_id": "e1"})
    assert seen_in(folder, elsewhere) == []
    spelled = index_of(tmp_path, {"source": "RoboArena", "group": "s1"})
    assert seen_in(folder, spelled) == [("1", ("group",))]
    anywhere = index_of(tmp_path, {"episode_id": "e1"})
    assert seen_in(folder, anywhere) == [("2", ("episode",))]


def test_groups_that_begin_with_the_source_match_under_each_spelling(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    folder = dataset_of(test=[{"file_name": "robo_arena/s1.mp4", "task": "t", "reward": 1}])
    for line in (
        {"group": "robo_arena/s1"},
        {"source": "roboarena", "group": "roboarena/s1"},
    ):
        assert seen_in(folder, index_of(tmp_path, line)) == [("1", ("group",))]


def built(name: str, **more: Any) -> dict[str, Any]:
    """Return a row as `dataset build` writes it; it says nothing of the original unless it is told to."""
    says = {"session": "", "source_sha256": "", "licence": "", "source_facts": ""}
    return row(name, **says) | more


def test_what_a_build_made_is_found_by_the_names_of_its_corpus(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    arena = {"source": "robo_arena", "group": "robo_arena/robo_arena-2025_s1", "session": "2025_s1"}
    clips = {"source": "clips", "group": "clips/robometer:x"}
    folder = dataset_of(test=[built("a", **arena), built("b", **clips), built("c")])
    for line, number in (
        ({"source": "robo_arena", "session": "2025_s1"}, "1"),
        ({"source": "RoboArena", "group": "robo_arena-2025_s1"}, "1"),
        ({"source": "robo_arena", "group": "robo_arena/robo_arena-2025_s1"}, "1"),
        ({"source": "clips", "group": "robometer:x"}, "2"),
        ({"source": "clips", "group": "clips/robometer:x"}, "2"),
        ({"group": "robometer:x"}, "2"),
    ):
        assert seen_in(folder, index_of(tmp_path, line)) == [(number, ("group",))], line
    for line in (
        {"source": "bridge", "session": "2025_s1"},
        {"source": "robo_arena", "session": "robo_arena-2025_s1"},
        {"source": "robo_arena", "group": "robometer:x"},
    ):
        assert seen_in(folder, index_of(tmp_path, line)) == [], line


def test_an_index_may_have_the_source_before_groups_that_do_not(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    folder = dataset_of(test=[row("a", group="g1", source="my_lab"), row("b", group="g2")])
    for line in ({"source": "my-lab", "group": "MyLab/g1"}, {"group": "my_lab/g1"}):
        assert seen_in(folder, index_of(tmp_path, line)) == [("1", ("group",))]


def test_a_row_that_names_its_session_is_not_taken_for_one_by_its_group(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    folder = dataset_of(test=[built("a", group="lab/3", session="7"), built("b", group="lab/3")])
    assert seen_in(folder, index_of(tmp_path, {"source": "lab", "session": "3"})) == [
        ("2", ("group",))
    ]


def test_the_original_file_counts_as_the_video(dataset_of: DatasetOf, tmp_path: Path) -> None:
    digest = "ab" * 32
    folder = dataset_of(
        test=[built("a", source_sha256=digest), built("b", source_sha256="CD" * 32), built("c")]
    )
    for line in ({"sha256": digest}, {"source_sha256": digest.upper()}):
        assert seen_in(folder, index_of(tmp_path, line)) == [("1", ("video",))]
    assert seen_in(folder, index_of(tmp_path, {"sha256": "cd" * 32})) == [("2", ("video",))]


def test_an_index_holds_session_and_original_where_the_rows_do(
    dataset_of: DatasetOf, tmp_path: Path
) -> None:
    digest, path = "ab" * 32, tmp_path / "seen.jsonl"
    told = {"session": "s1", "source_sha256": digest, "group": "lab/day-1"}
    odd = {"source_sha256": "not known", "group": "lab/day-2"}
    folder = dataset_of(train=[built("a", **told), built("b", **odd)], test=[row("c")])
    dataset = read_dataset(folder, has_videos=False)
    write_index(path, dataset, splits=["train"], has_videos=False)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"source": "lab", **told}
    assert second == {"source": "lab", "group": "lab/day-2"}
    found = find_contamination(dataset, read_index(path), has_videos=False)
    assert [one.by for one in found.seen] == [("video", "group"), ("group",)]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_index_is_no_answer(tmp_path: Path, content: str) -> None:
    (tmp_path / "none.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"none\.jsonl: there is no line in it"):
        read_index(tmp_path / "none.jsonl")


def test_an_index_of_nothing_is_not_written(dataset_of: DatasetOf, tmp_path: Path) -> None:
    folder = dataset_of(train=[row("a")], test=[row("b", reward=9)])
    dataset = read_dataset(folder, allow_bad=True, has_videos=False)
    with pytest.raises(DataError, match="no usable row in test"):
        write_index(tmp_path / "x", dataset, splits=["test"], has_videos=False)
    assert not (tmp_path / "x").exists()


def test_an_index_never_replaces_what_it_is_of(dataset_of: DatasetOf) -> None:
    folder = dataset_of(train=[row("a")])
    with pytest.raises(UsageError, match="is a part of the dataset"):
        write_index(
            folder / "train" / "metadata.jsonl",
            read_dataset(folder, has_videos=False),
            has_videos=False,
        )


def test_the_result_is_told_in_words_and_as_json(dataset_of: DatasetOf, tmp_path: Path) -> None:
    folder = dataset_of(test=[row("a", group="g1"), row("b", group="g2"), row("c", source="other")])
    index = read_index(index_of(tmp_path, {"group": "g1"}))
    found = find_contamination(read_dataset(folder, has_videos=False), index, has_videos=False)
    text = found.text()
    assert "1 of 3 examples were seen in training (33.3 %)" in text
    assert "lab: 1 of 2 (50.0 %)" in text
    assert "not compared by their bytes" in text
    value = json.loads(json.dumps(found.as_json()))
    assert value["by_source"]["other"] == {"num_rows": 1, "num_seen": 0}
    assert value["seen"][0]["by"] == ["group"]


def test_an_index_is_sorted_and_the_same_each_time(clean_dataset: Path, tmp_path: Path) -> None:
    dataset = read_dataset(clean_dataset)
    for name in ("a", "b"):
        write_index(tmp_path / name, dataset)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = (tmp_path / "a").read_text().splitlines()
    assert lines == sorted(lines)
    assert set(json.loads(lines[0])) == {"source", "group", "episode_id", "sha256"}
    assert "task" not in lines[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"source": "lab"}, "none of sha256, episode_id, group, session"),
        ({"sha256": "abc"}, "64 hex digits"),
        ({"sha256": "g" * 64}, "64 hex digits"),
        ({"source_sha256": "abc"}, "'source_sha256' must be 64 hex digits"),
        ({"group": 7}, "'group' must be a text"),
        ({"group": "g", "source": 7}, "'source' must be a text"),
    ],
)
def test_a_line_that_cannot_be_compared_is_refused(
    tmp_path: Path, line: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=r"index\.jsonl:2: ") as caught:
        read_index(index_of(tmp_path, {"group": "fine"}, line))
    assert says in str(caught.value)


def test_a_split_that_is_not_there_is_named(clean_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'dev'; there is: train, test"):
        write_index(tmp_path / "x", read_dataset(clean_dataset), splits=["dev"])
