"""The published layout as a source: what its rows and file names say, and rows that cannot be used."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, UsageError, content_id
from roboreward.media import write_video
from roboreward.sources import Skip, Source, SourceEpisode
from roboreward.sources.roboreward_layout import RoboRewardSource

PUBLISHED = [
    {"file_name": "bridge/ep_index_7.mp4", "task": "lift it", "reward": 5},
    {"file_name": "bridge/ep_index_7_1.mp4", "task": "push it", "reward": 2},
    {"file_name": "bridge/ep_index_7_attempt_1_score_3.mp4", "task": "lift it", "reward": 3},
    {"file_name": "robo_arena/s1_index_2.mp4", "task": "open it", "reward": 4},
    {"video": "roboarena/s1_index_3.mp4", "task": "open it", "reward": 1, "gpt5_mini_check": "no"},
]


def write_split(
    folder: Path, rows: Sequence[Mapping[str, Any] | str], *, split: str = "train"
) -> Path:
    root = folder / split
    root.mkdir(parents=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (root / "metadata.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for row in rows:
        name = row.get("file_name", row.get("video")) if isinstance(row, Mapping) else None
        if isinstance(name, str) and ".." not in name and not name.startswith("/"):
            (root / name).parent.mkdir(exist_ok=True)
            write_video(root / name, np.zeros((3, 16, 16, 3), np.uint8), fps=10.0)
    return folder


def read(folder: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    return list(RoboRewardSource(folder, **options).episodes(on_skip=skips.append)), skips


def test_published_rows_become_episodes(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "RoboReward", PUBLISHED)
    source = RoboRewardSource(folder)
    episodes, skips = read(folder)
    assert isinstance(source, Source)
    assert source.name == "RoboReward"
    assert not skips
    assert [e.source for e in episodes] == ["bridge"] * 3 + ["robo_arena", "roboarena"]
    assert [e.extra["origin"] for e in episodes] == [
        "original",
        "counterfactual",
        "clip",
        "rollout",
        "rollout",
    ]
    assert [e.label.score for e in episodes if e.label] == [5, 2, 3, 4, 1]
    assert {e.group for e in episodes[:3]} == {"bridge/ep_index_7"}
    assert episodes[4].extra["gpt5_mini_check"] == "no"
    for episode in episodes:
        footage = episode.views[episode.judged_view]
        assert footage.fps == 10.0
        assert len(list(footage.frames())) == 3


def test_neither_id_nor_group_tells_the_score_of_a_clip(tmp_path: Path) -> None:
    episodes, _ = read(write_split(tmp_path / "set", PUBLISHED))
    for episode in episodes:
        assert "score" not in episode.episode_id + episode.group + episode.where
    row = PUBLISHED[0]
    assert episodes[0].episode_id == content_id([row["file_name"], row["task"]])


def test_what_the_row_says_goes_before_what_its_name_tells(tmp_path: Path) -> None:
    own = {
        "example_id": "a1",
        "source": "my_robot",
        "group": "session 3",
        "view": "front",
        "label_author": "ann",
        "label_reason": "it fell",
        "origin": "rollout",
        "split": "other",
    }
    episodes, _ = read(write_split(tmp_path / "set", [{**PUBLISHED[0], **own}]))
    episode = episodes[0]
    assert (episode.episode_id, episode.source, episode.group) == ("a1", "my_robot", "session 3")
    assert episode.judged_view == "front"
    assert episode.label is not None
    assert (episode.label.author, episode.label.reason) == ("ann", "it fell")
    assert episode.extra["origin"] == "rollout"


def test_copies_are_told_by_the_unsuffixed_video_where_there_is_no_index(tmp_path: Path) -> None:
    rows = [
        {"file_name": f"toto/{name}.mp4", "task": f"do {name}", "reward": 3}
        for name in ("push_1", "push_1_2", "lift_1")
    ]
    episodes, _ = read(write_split(tmp_path / "set", rows))
    assert [e.group for e in episodes] == ["toto/push_1", "toto/push_1", "toto/lift_1"]


def test_an_announced_frame_that_is_not_there_is_tolerated(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "set", PUBLISHED[:1])
    path = folder / "train/bridge/ep_index_7.mp4"
    data = path.read_bytes()
    at = data.index(b"stsz") + 12
    assert int.from_bytes(data[at : at + 4], "big") == 3
    size = int.from_bytes(data[at + 12 : at + 16], "big")
    path.write_bytes(data[:-size])
    episodes, skips = read(folder)
    assert not skips
    assert len(list(episodes[0].views["video"].frames())) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{rubbish", "bad_row"),
        ("[1]", "bad_row"),
        ({"file_name": "a.mp4", "task": "lift", "reward": 0}, "bad_row"),
        ({"file_name": "a.mp4", "task": "lift", "reward": "5"}, "bad_row"),
        ({"file_name": "a.mp4", "task": "lift", "reward": True}, "bad_row"),
        ({"file_name": "a.mp4", "task": "lift"}, "bad_row"),
        ({"task": "lift", "reward": 5}, "bad_row"),
        ({"file_name": "a.mp4", "task": "lift", "reward": 5, "group": 3}, "bad_row"),
        ({"file_name": "a.mp4", "task": "  ", "reward": 5}, "no_task"),
        ({"file_name": "a.mp4", "reward": 5}, "no_task"),
        ({"file_name": "a.mp4", "task": "x" * 2001, "reward": 5}, "no_task"),
        ({"file_name": "../a.mp4", "task": "lift", "reward": 5}, "no_video"),
        ({"file_name": "/etc/passwd", "task": "lift", "reward": 5}, "no_video"),
    ],
)
def test_a_row_that_cannot_be_used_is_counted_or_raised(
    tmp_path: Path, row: Any, reason: str
) -> None:
    folder = write_split(tmp_path / "set", [PUBLISHED[0], row, PUBLISHED[1]])
    episodes, skips = read(folder)
    assert [skip.reason for skip in skips] == [reason]
    assert skips[0].where == f"{folder}/train/metadata.jsonl:2"
    assert skips[0].where in skips[0].message
    assert len(episodes) == 2
    with pytest.raises(DataError, match=r"metadata\.jsonl:2"):
        list(RoboRewardSource(folder).episodes())


def test_videos_that_are_missing_or_rotten_and_rows_that_occur_twice(tmp_path: Path) -> None:
    rows = [*PUBLISHED[:3], PUBLISHED[0]]
    folder = write_split(tmp_path / "set", rows)
    (folder / "train/bridge/ep_index_7_1.mp4").unlink()
    (folder / "train/bridge/ep_index_7_attempt_1_score_3.mp4").write_bytes(b"")
    _, skips = read(folder)
    assert [skip.reason for skip in skips] == ["no_video", "bad_video", "duplicate_id"]


def test_splits_that_are_there_are_named(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "set", PUBLISHED[:1], split="val")
    assert len(read(folder, split="val")[0]) == 1
    with pytest.raises(UsageError, match="val"):
        RoboRewardSource(folder)
    with pytest.raises(UsageError, match="Name the release"):
        RoboRewardSource(tmp_path / "nowhere")
