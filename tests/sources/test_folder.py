"""A folder with a metadata file: every kind of footage, every spelling of a column, and every bad row by its line."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roboreward.core import DataError, UnknownName, UsageError
from roboreward.media import png_bytes, write_video
from roboreward.sources import Skip, Source, SourceEpisode
from roboreward.sources.folder import FolderSource

FRAMES = np.full((4, 16, 16, 3), 90, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos, a folder of pictures and two arrays."""
    root = tmp_path / "rollouts"
    (root / "clips").mkdir(parents=True)
    for name in ("a", "b"):
        write_video(root / f"clips/{name}.mp4", FRAMES, fps=10.0)
    (root / "frames").mkdir()
    for place, frame in enumerate(FRAMES):
        (root / f"frames/{place}.png").write_bytes(png_bytes(frame))
    np.save(root / "c.npy", FRAMES)
    np.savez(root / "d.npz", frames=FRAMES)
    return root


def write_jsonl(folder: Path, rows: Sequence[Mapping[str, Any] | str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path = folder / "metadata.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def read(folder: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    return list(FolderSource(folder, **options).episodes(on_skip=skips.append)), skips


def test_the_metadata_file_may_be_named_as_it_is_called_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "list.csv").write_text("file,task\n")
    (tmp_path / "elsewhere.csv").write_text("file,task\n")
    monkeypatch.chdir(tmp_path)
    inside = FolderSource(tmp_path / "there", metadata="list.csv")
    assert inside.metadata == tmp_path / "there" / "list.csv"
    outside = FolderSource(tmp_path / "there", metadata="elsewhere.csv")
    assert outside.metadata == Path("elsewhere.csv")
    with pytest.raises(UsageError, match=r"no gone\.csv, in .*there or here"):
        FolderSource(tmp_path / "there", metadata="gone.csv")


def test_every_kind_of_footage_is_read(folder: Path) -> None:
    names = ["clips/a.mp4", "frames", "c.npy", "d.npz"]
    write_jsonl(folder, [{"file_name": n, "task": "lift", "fps": 5} for n in names])
    source = FolderSource(folder)
    episodes, skips = read(folder)
    assert isinstance(source, Source)
    assert (source.name, source.licence) == ("rollouts", None)
    assert not skips
    assert [e.episode_id for e in episodes] == ["clips/a", "frames", "c", "d"]
    for episode in episodes:
        footage = episode.views[episode.judged_view]
        assert footage.fps == 5.0
        assert len(list(footage.frames())) == 4
        assert episode.group == episode.episode_id


def test_csv_says_the_same_as_json_lines(folder: Path) -> None:
    rows = [
        {"file": "clips/a.mp4", "task": "lift, then\nput down", "score": 4, "group": "s1"},
        {"file": "clips/b.mp4", "task": 'say "hi"', "outcome": "success", "note": "ü"},
    ]
    write_jsonl(folder, rows)
    csv = (
        "file,task,score,group,outcome,note\r\n"
        'clips/a.mp4,"lift, then\nput down",4,s1,,\r\n'
        'clips/b.mp4,"say ""hi""",,,success,ü\r\n'
    )
    (folder / "list.csv").write_bytes(b"\xef\xbb\xbf" + csv.encode())
    (folder / "list.tsv").write_text("file\ttask\nclips/a.mp4\tlift\n")
    lines, _ = read(folder)
    table, skips = read(folder, metadata=folder / "list.csv")
    assert not skips
    for one, two in zip(lines, table, strict=True):
        assert (one.task, one.group, one.label, dict(one.extra)) == (
            two.task,
            two.group,
            two.label,
            dict(two.extra),
        )
    assert [e.where.rpartition(":")[2] for e in table] == ["2", "4"]
    assert read(folder, metadata=folder / "list.tsv")[0][0].task == "lift"


def test_columns_may_have_other_names(folder: Path) -> None:
    write_jsonl(folder, [{"clip": "clips/a.mp4", "goal": "lift", "task": "not this one"}])
    episodes, _ = read(folder, columns={"file": "clip", "task": "goal"})
    assert episodes[0].task == "lift"
    assert episodes[0].extra["task"] == "not this one"
    with pytest.raises(UnknownName, match="Did you mean file"):
        FolderSource(folder, columns={"fil": "clip"})


def test_a_score_is_a_label_and_an_outcome_is_one_only_where_its_worth_is_said(
    folder: Path,
) -> None:
    rows = [
        {"id": i, "file_name": "clips/a.mp4", "task": "lift", **outcome}
        for i, outcome in enumerate(
            [{"score": 3}, {"outcome": "success"}, {"outcome": "partial"}, {"success": True}]
        )
    ]
    write_jsonl(folder, rows)
    plain, _ = read(folder)
    assert [e.label and e.label.score for e in plain] == [3, None, None, None]
    assert [e.extra.get("outcome") for e in plain] == [None, "success", "partial", True]
    told, _ = read(folder, outcome_scores={"success": 5, "true": 5})
    assert [e.label and e.label.score for e in told] == [3, 5, None, 5]
    assert [e.episode_id for e in told] == ["0", "1", "2", "3"]
    with pytest.raises(UsageError, match="success"):
        FolderSource(folder, outcome_scores={"success": 6})


def test_a_video_has_its_own_rate_unless_another_is_given(folder: Path) -> None:
    write_jsonl(
        folder,
        [
            {"file_name": "clips/a.mp4", "task": "lift"},
            {"file_name": "clips/b.mp4", "task": "lift", "fps": "2.5"},
        ],
    )
    assert [e.views["video"].fps for e in read(folder)[0]] == [10.0, 2.5]
    assert [e.views["video"].fps for e in read(folder, fps=7)[0]] == [7.0, 2.5]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{rubbish", "bad_row"),
        ({"task": "lift"}, "no_file"),
        ({"file_name": "", "task": "lift"}, "no_file"),
        ({"file_name": 3, "task": "lift"}, "no_file"),
        ({"file_name": "clips/none.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "x" * 5000, "task": "lift"}, "no_file"),
        ({"file_name": "a\0b", "task": "lift"}, "no_file"),
        ({"file_name": "../outside.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "clips/../../outside.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "/etc/passwd", "task": "lift"}, "no_file"),
        ({"file_name": "C:\\a.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "C:a.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "link.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "linked/outside.mp4", "task": "lift"}, "no_file"),
        ({"file_name": "clips/b.mp4"}, "no_task"),
        ({"file_name": "clips/b.mp4", "task": ""}, "no_task"),
        ({"file_name": "clips/b.mp4", "task": "\t"}, "no_task"),
        ({"file_name": "clips/b.mp4", "task": ["lift"]}, "no_task"),
        ({"file_name": "clips/b.mp4", "task": "x" * 3000}, "no_task"),
        ({"file_name": "clips/b.mp4", "task": "lift", "score": 6}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "score": "3.5"}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "score": True}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "fps": -1}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "fps": "fast"}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "group": ["s"]}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "id": 1.5}, "bad_row"),
        ({"file_name": "clips/b.mp4", "task": "lift", "id": "clips/a"}, "duplicate_id"),
        ({"file_name": "clips/a.mp4", "task": "push"}, "duplicate_id"),
        ({"file_name": "frames", "task": "lift"}, "no_fps"),
        ({"file_name": "c.npy", "task": "lift"}, "no_fps"),
        ({"file_name": "empty", "task": "lift", "fps": 5}, "bad_footage"),
        ({"file_name": "text.mp4", "task": "lift"}, "bad_footage"),
        ({"file_name": "text.npy", "task": "lift", "fps": 5}, "bad_footage"),
    ],
)
def test_a_bad_row_is_counted_or_raised_and_named(folder: Path, row: Any, reason: str) -> None:
    outside = folder.parent / "outside.mp4"
    write_video(outside, FRAMES, fps=10.0)
    (folder / "link.mp4").symlink_to(outside)
    (folder / "linked").symlink_to(folder.parent)
    (folder / "empty").mkdir()
    for name in ("text.mp4", "text.npy"):
        (folder / name).write_text("only text")
    good = {"file_name": "clips/a.mp4", "task": "lift"}
    path = write_jsonl(folder, [good, row, {**good, "id": "third"}])
    episodes, skips = read(folder)
    assert [(skip.reason, skip.where) for skip in skips] == [(reason, f"{path}:2")]
    assert f"{path}:2: " in skips[0].message
    assert len(episodes) == 2
    with pytest.raises(DataError, match=r"metadata\.jsonl:2: "):
        list(FolderSource(folder).episodes())


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "same.mp4").symlink_to(folder / "clips/a.mp4")
    write_jsonl(folder, [{"file_name": "same.mp4", "task": "lift"}])
    assert len(read(folder)[0]) == 1


def test_a_video_without_a_frame_is_a_skip(folder: Path) -> None:
    import av

    path = folder / "zero.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    write_jsonl(folder, [{"file_name": "zero.mp4", "task": "lift"}])
    episodes, skips = read(folder)
    assert not episodes
    assert [skip.reason for skip in skips] == ["no_frames"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"list.csv:1: there is no header"),
        ("file,file\n", r"list.csv:1: .*twice"),
        ("file,task\n" + "x" * 200_000 + ",lift\n", r"list.csv:2: not CSV"),
        ('file,task\nclips/a.mp4,"lift', r"list.csv:2: not CSV"),
        ("file,task\n" + "," * 2_000_000, r"list.csv:2: the line is longer"),
        (b"file,task\nclips/a.mp4,l\xff\n", r"list.csv:2: not UTF-8"),
    ],
)
def test_csv_that_cannot_be_read_is_named_by_its_line(
    folder: Path, text: str | bytes, complaint: str
) -> None:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=complaint):
        read(folder, metadata=path)


def test_a_csv_row_of_another_length_is_a_skip(folder: Path) -> None:
    (folder / "metadata.csv").write_text(
        "file,task\nclips/a.mp4,lift\nclips/b.mp4,lift,5\n\nclips/b.mp4\nclips/b.mp4,push\n"
    )
    episodes, skips = read(folder)
    assert [e.task for e in episodes] == ["lift", "push"]
    assert [skip.where.rpartition(":")[2] for skip in skips] == ["3", "5"]
    assert {skip.reason for skip in skips} == {"bad_row"}


def test_a_missing_or_unknown_metadata_file_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"metadata\.jsonl"):
        FolderSource(folder)
    with pytest.raises(UsageError, match=r"none\.csv"):
        FolderSource(folder, metadata=folder / "none.csv")
    with pytest.raises(UsageError, match=r"one of \.jsonl"):
        list(FolderSource(folder, metadata=folder / "c.npy").episodes())
    write_jsonl(folder, [])
    assert read(folder) == ([], [])
    with pytest.raises(UsageError, match="fps"):
        FolderSource(folder, fps=0)


CELL = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "file_name": st.sampled_from(["clips/a.mp4", "frames", "c.npy", ".", "clips", ""]) | CELL,
        "task": CELL | st.just("lift"),
        "id": CELL,
        "group": CELL,
        "score": CELL,
        "outcome": CELL | st.lists(CELL, max_size=2),
        "fps": CELL | st.just(5),
    },
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(ROW | st.text(max_size=20), max_size=4))
def test_whatever_json_lines_say_every_row_is_an_episode_or_a_skip(
    folder: Path, rows: list[Any]
) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    text = "".join(line.replace("\n", " ").replace("\r", " ") + "\n" for line in lines)
    (folder / "metadata.jsonl").write_bytes(text.encode("utf-8", "replace"))
    episodes, skips = read(folder, outcome_scores={"success": 5})
    blank = sum(1 for line in text.splitlines() if not line.strip())
    assert len(episodes) + len(skips) >= len(rows) - blank - text.count("\x0c")
    for episode in episodes:
        assert episode.task.strip()
        json.dumps(dict(episode.extra))
        with suppress(DataError):
            list(episode.views["video"].frames())


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(alphabet='abc,"\n\r;fileta sk.mp4/\t', max_size=80))
def test_whatever_csv_says_the_answer_is_a_data_error_or_right(folder: Path, text: str) -> None:
    (folder / "metadata.csv").write_bytes(b"file,task\n" + text.encode())
    with suppress(DataError):
        episodes, _ = read(folder)
        assert all(episode.task.strip() for episode in episodes)


def test_all_real_clips_come_with_their_outcomes(shared_data: Path) -> None:
    file = shared_data / "clips.jsonl"
    columns = {name: name for name in ("id", "task", "outcome", "group")} | {"file": "file_name"}
    episodes, skips = read(
        shared_data, metadata=file, columns=columns, outcome_scores={"success": 5}
    )
    assert len(episodes) == 118
    assert [skip.reason for skip in skips] == ["no_task"] * 19
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    outcomes = Counter(row["outcome"] for row in rows if (row["task"] or "").strip())
    assert Counter(e.extra["outcome"] for e in episodes) == outcomes
    assert sum(e.label is not None for e in episodes) == outcomes["success"]
    assert len({e.group for e in episodes}) <= len(episodes)
    assert all(0.5 <= e.views["video"].fps <= 120 for e in episodes)


@pytest.mark.slow
def test_every_frame_of_the_real_clips_can_be_read(shared_data: Path) -> None:
    source = FolderSource(shared_data, metadata=shared_data / "clips.jsonl")
    episodes = list(source.episodes(on_skip=lambda skip: None))
    counts = [sum(1 for _ in e.views["video"].frames()) for e in episodes]
    assert min(counts) >= 4
    assert sum(counts) == 9729
