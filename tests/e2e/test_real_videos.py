"""Videos of real robots: nano says that it does not know, other models answer, and a folder of them is a set."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from roboreward.cli import main

NUM_CLIPS = 6


def roboreward(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def clips(shared_data: Path) -> list[dict[str, Any]]:
    lines = (shared_data / "clips.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    found = [row | {"path": shared_data / row["file_name"]} for row in rows if row["task"]]
    return found[:: len(found) // NUM_CLIPS][:NUM_CLIPS]


@pytest.mark.usefixtures("needs_nano")
def test_nano_abstains_on_real_robots_and_names_what_to_use(clips: list[dict[str, Any]]) -> None:
    paths = [clip["path"] for clip in clips]
    task = "put the red cube in the blue bowl"  # words that nano knows: the pictures must tell
    result = roboreward("score", *paths, "--task", task, "--json")
    assert result.exit_code == 0, result.stderr
    verdicts = [r["verdict"] for r in json.loads(result.stdout)["results"]]
    assert [v["status"] for v in verdicts] == ["abstained"] * len(clips)
    assert all("RoboReward" in v["reason"] for v in verdicts)


def test_a_floor_and_the_mock_answer_real_videos(clips: list[dict[str, Any]]) -> None:
    for model in ("floor:constant-2", "mock:2"):
        paths = [clip["path"] for clip in clips[:2]]
        result = roboreward("score", *paths, "--task", clips[0]["task"], "--model", model, "--json")
        assert result.exit_code == 0, result.stderr
        for answer in json.loads(result.stdout)["results"]:
            assert answer["verdict"]["score"] == 2
            assert len(answer["verdict"]["frames"]["indices"]) >= 1


def test_a_folder_of_real_videos_can_be_benchmarked(
    clips: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    rows = []
    for number, clip in enumerate(clips):
        name = f"{number}.mp4"
        (folder / name).write_bytes(clip["path"].read_bytes())
        rows.append({"file_name": name, "task": clip["task"], "reward": number % 5 + 1})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text)
    arguments = ("--set", folder, "--model", "mock:3", "--out", tmp_path / "runs", "--json")
    result = roboreward("bench", "run", *arguments)
    assert result.exit_code == 0, result.stderr
    runs = json.loads(result.stdout)["sets"][0]["runs"]
    assert len(runs) == 8
    assert all(run["num_records"] == len(clips) for run in runs)
