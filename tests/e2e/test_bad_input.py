"""Every kind of bad input: the message names what, where and what to do, and the exit code is 2."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from roboreward.cli import main


def roboreward(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def score(*arguments: Any, task: str = "lift the block", model: str = "mock:3") -> Any:
    return roboreward("score", *arguments, "--task", task, "--model", model)


def bench(*arguments: Any) -> Any:
    return roboreward("bench", "run", "--model", "mock:3", "--no-floors", *arguments)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert_refused(score(tmp_path / "absent.mp4"), "absent.mp4")


def test_the_installed_program_ends_with_the_same_code(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("roboreward")
    words = [program, "score", tmp_path / "absent.mp4", "--task", "lift", "--model", "mock:3"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "absent.mp4" in result.stderr


def test_a_folder_is_not_a_video(tmp_path: Path) -> None:
    assert_refused(score(tmp_path), tmp_path.name)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is text\n" * 50, b"#EXTM3U\n#EXTINF:1,\n../other.mp4\n"],
    ids=["empty", "text", "playlist"],
)
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fake.mp4"
    path.write_bytes(content)
    assert_refused(score(path), "fake.mp4")


@pytest.mark.parametrize("task", ["", "   ", "\n\t"])
def test_an_empty_task_is_refused(video: Path, task: str) -> None:
    assert_refused(score(video, task=task), "task is empty")


def test_a_task_of_ten_thousand_characters_is_refused_with_the_limit(video: Path) -> None:
    assert_refused(score(video, task="lift " * 2000), "9,999 characters", "2,000")


def test_an_unknown_model_is_refused_with_the_nearest_names(video: Path) -> None:
    assert_refused(score(video, model="nanoo"), "Unknown model 'nanoo'", "Did you mean nano")
    result = score(video, model="floor:constnat-3")
    assert_refused(result, "floor:constant-3")


def test_an_unknown_model_stops_a_run_before_anything_is_written(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    result = roboreward("bench", "run", "--set", make_set(5), "--model", "nanoo", "--out", out)
    assert_refused(result, "nano")
    assert not out.exists()


def test_a_picture_that_cannot_be_written_is_refused(video: Path, tmp_path: Path) -> None:
    assert_refused(score(video, "--picture", tmp_path / "none" / "a.png"), "none", "does not exist")
    assert_refused(score(video, "--picture", tmp_path / "a.jpg"), ".png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(make_set: Callable[..., Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(bench("--set", make_set(5), "--out", locked / "runs"), "locked")


def test_an_output_that_is_a_file_is_refused(make_set: Callable[..., Path], tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("mine")
    assert_refused(bench("--set", make_set(5), "--out", occupied), "occupied")
    assert occupied.read_text() == "mine"


def spoil(folder: Path, row: int, line: str) -> None:
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    lines[row - 1] = line
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


BAD_ROWS = {
    "not-json": '{"file_name": "v003.mp4", "task": ',
    "no-task": '{"file_name": "v003.mp4", "reward": 3}',
    "reward-6": '{"file_name": "v003.mp4", "task": "lift", "reward": 6}',
    "reward-true": '{"file_name": "v003.mp4", "task": "lift", "reward": true}',
    "absent-video": '{"file_name": "v999.mp4", "task": "lift", "reward": 3}',
    "leads-out": '{"file_name": "../../etc/hosts", "task": "lift", "reward": 3}',
}


@pytest.mark.parametrize("line", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_stops_the_run_and_names_file_and_row(
    make_set: Callable[..., Path], tmp_path: Path, line: str
) -> None:
    folder = make_set(6)
    spoil(folder, 4, line)
    result = bench("--set", folder, "--out", tmp_path / "runs")
    assert_refused(result, "metadata.jsonl:4:")
    assert not (tmp_path / "runs").exists()


def test_skip_bad_goes_on_and_counts(make_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_set(8)
    spoil(folder, 2, BAD_ROWS["not-json"])
    spoil(folder, 5, BAD_ROWS["reward-6"])
    result = bench("--set", folder, "--skip-bad", "--out", tmp_path / "runs", "--json")
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["num_bad_rows"] == 2
    assert value["sets"][0]["runs"][0]["num_examples"] == 6
    assert "metadata.jsonl:2:" in result.stderr
    assert "metadata.jsonl:5:" in result.stderr
    assert "Skipped 2 bad of 8 rows." in result.stderr


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert_refused(bench("--set", tmp_path / "nowhere", "--out", tmp_path / "r"), "nowhere")


def test_a_folder_without_metadata_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "stray.txt").write_text("x")
    assert_refused(bench("--set", tmp_path, "--out", tmp_path / "r"), "metadata.jsonl")


def test_a_report_on_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    assert_refused(roboreward("bench", "report", tmp_path), "no run")


def test_records_changed_by_hand_are_found(make_set: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    assert bench("--set", make_set(5), "--out", out).exit_code == 0
    (records,) = out.glob("*/records.jsonl")
    records.write_text(
        records.read_text()
        .replace('"score": 3', '"score": 5', 1)
        .replace('"score":3', '"score":5', 1)
    )
    assert_refused(roboreward("bench", "report", out), "records.jsonl", "changed")


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = roboreward("train", tmp_path / "absent.toml", "--out", tmp_path / "w")
    assert_refused(result, "absent.toml")
