"""What a dataset holds, counted."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from roboreward.dataset import DatasetStats, dataset_stats, read_dataset

DatasetOf = Callable[..., Path]


@pytest.fixture(scope="module")
def stats(clean_dataset: Path) -> DatasetStats:
    return dataset_stats(clean_dataset)


def test_every_table_counts_every_row_once(stats: DatasetStats) -> None:
    assert set(stats.tables) == {"split", "source", "origin", "view", "label author"}
    for tallies in stats.tables.values():
        assert sum(tally.total for tally in tallies) == stats.num_rows == 100
        assert [sum(t.by_split[i] for t in tallies) for i in (0, 1)] == [60, 40]


def test_levels_are_those_of_the_rows(stats: DatasetStats, clean_dataset: Path) -> None:
    rows = read_dataset(clean_dataset).rows
    levels = Counter(r.example.label.score for r in rows if r.example.source == "kitchen")
    (kitchen,) = (t for t in stats.tables["source"] if t.name == "kitchen")
    assert kitchen.by_level == tuple(levels[score] for score in range(1, 6))
    assert kitchen.num_groups == 50


def test_splits_keep_their_order_and_other_tables_begin_with_the_largest(
    dataset_of: DatasetOf,
) -> None:
    def rows(source: str, num: int) -> list[dict[str, object]]:
        return [
            {"file_name": f"{source}/{i}.mp4", "task": f"t {i}", "reward": 1} for i in range(num)
        ]

    folder = dataset_of(train=rows("a", 1), test=[*rows("b", 3), *rows("c", 3)])
    found = dataset_stats(folder, has_videos=False)
    assert [tally.name for tally in found.tables["split"]] == ["train", "test"]
    assert [tally.name for tally in found.tables["source"]] == ["b", "c", "a"]
    assert [tally.name for tally in found.tables["view"]] == ["not stated"]


def test_task_lengths_are_told_by_level_and_add_up(
    stats: DatasetStats, clean_dataset: Path
) -> None:
    assert [s.name for s in stats.task_words] == [*(f"score {n}" for n in range(1, 6)), "all"]
    lengths = [len(row.example.task.split()) for row in read_dataset(clean_dataset).rows]
    everything = stats.task_words[-1]
    assert (everything.num, everything.least, everything.most) == (100, min(lengths), max(lengths))
    assert everything.mean == pytest.approx(sum(lengths) / 100)
    assert everything.lo <= everything.median <= everything.hi
    assert sum(sum(counts) for counts in stats.task_counts.values()) == 100


def test_videos_are_timed_and_measured_unless_told_otherwise(
    stats: DatasetStats, clean_dataset: Path
) -> None:
    assert [s.name for s in stats.durations_s] == ["kitchen", "workshop", "all"]
    assert stats.durations_s[-1].median == pytest.approx(1.0)  # 4 frames, 4 a second
    assert stats.resolutions == (("32x32", 100),)
    assert stats.size_bytes == sum(p.stat().st_size for p in clean_dataset.rglob("*.mp4"))
    bare = dataset_stats(clean_dataset, has_videos=False)
    assert (bare.durations_s, bare.size_bytes, bare.num_refused) == ((), None, None)
    assert bare.tables == stats.tables


def test_broken_videos_and_bad_rows_are_counted(published_dataset: Path) -> None:
    found = dataset_stats(published_dataset)
    assert found.num_refused == 2
    assert sum(s.num for s in found.durations_s if s.name == "all") == found.num_videos - 2


def test_the_text_holds_the_tables_and_json_holds_everything(stats: DatasetStats) -> None:
    text = stats.text()
    for word in ("kitchen", "workshop", "score 5", "person-1", "32x32 (100)", "rows of a group"):
        assert word in text
    assert "100 examples, 100 videos, 100 groups" in text
    value = json.loads(json.dumps(stats.as_json()))
    assert value["tables"]["split"][0]["by_level"] == [12, 12, 12, 12, 12]
    assert all(len(counts) == 5 for counts in value["task_counts"].values())


def test_columns_of_the_text_are_aligned(stats: DatasetStats) -> None:
    lines = stats.text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("source"))
    ends = [len(line) for line in lines[head : head + 3]]
    assert len(set(ends)) == 1
