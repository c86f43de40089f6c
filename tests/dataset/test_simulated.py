"""Built-in sets: the same everywhere, balanced, and in the published layout."""

import json
from collections import Counter
from pathlib import Path

import pytest

from roboreward.core import UnknownName
from roboreward.dataset import SIM_SETS, build_sim_set, open_set, read_set
from roboreward.media import sample_frames
from roboreward.store import sha256_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    build_sim_set("sim-test", folder, per_level=1, num_workers=1)
    return folder


def test_levels_come_equally_often_and_nothing_shown_to_a_model_tells_them(folder: Path) -> None:
    examples = read_set(folder).examples
    assert Counter(e.label.score for e in examples) == dict.fromkeys((1, 2, 3, 4, 5), 1)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert {"file_name", "task", "reward"} <= set(rows[0])
    scripts = [json.loads(row["provenance"])["details"]["script"] for row in rows]
    assert all(script not in row["file_name"] for script, row in zip(scripts, rows, strict=True))


def test_videos_hold_all_frames(folder: Path) -> None:
    example = read_set(folder).examples[0]
    record = sample_frames(example.video).record
    assert record.num_frames == 8
    assert record.width_px == record.height_px == 192


def test_an_interrupted_set_is_finished_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = read_set(folder)
    half = tmp_path / "half"
    build_sim_set("sim-test", half, per_level=1, num_workers=1)
    (half / "metadata.jsonl").unlink()
    next(half.glob("*/*.mp4")).unlink()
    again = build_sim_set("sim-test", half, per_level=1, num_workers=1)
    assert again.set_hash == first.set_hash
    assert [sha256_file(e.video) for e in again.examples] == [
        sha256_file(e.video) for e in first.examples
    ]


def test_a_set_that_is_there_is_not_made_again(folder: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.mp4")}
    build_sim_set("sim-test", folder, num_workers=1)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.mp4")} == before


def test_an_unknown_set_is_refused_with_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean .*sim-test"):
        open_set("sim-tets", cache=tmp_path)


def test_no_two_built_in_sets_share_an_episode() -> None:
    spans = [(s.split, s.first_index, s.first_index + 300 * s.per_level) for s in SIM_SETS.values()]
    for i, (split, start, stop) in enumerate(spans):
        for other, begin, end in spans[i + 1 :]:
            assert split != other or stop <= begin or end <= start
