"""`roboreward bench`: runs, reports, and what they print."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from roboreward.cli import main
from roboreward.cli.bench import with_floors


def bench(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["bench", *(str(argument) for argument in arguments)])


def test_a_run_prints_the_model_beside_the_floors(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    result = bench("run", "--set", make_set(12), "--model", "mock:3", "--out", out)
    assert result.exit_code == 0, result.output
    for name in ("mock:3", "floor:constant-1", "floor:constant-5", "floor:label-sampler"):
        assert name in result.stdout
    assert "12 examples" in result.stdout
    assert len(list(out.glob("*/DONE"))) == 8


def test_json_holds_every_run_and_nothing_else(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = ("--set", make_set(10), "--model", "mock:3", "--no-floors", "--out", tmp_path / "r")
    value = json.loads(bench("run", *arguments, "--json").stdout)
    assert value["num_bad_rows"] == 0
    (run,) = value["sets"][0]["runs"]
    assert run["model"] == "mock:3"
    # labels 1..5, twice each, against a constant 3
    assert run["estimates"]["mae"]["value"] == 1.2
    assert run["estimates"]["mae"]["lo"] <= 1.2 <= run["estimates"]["mae"]["hi"]


def test_a_limit_scores_only_so_many(make_set: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ("--set", make_set(8), "--model", "mock:3", "--no-floors", "--limit", 3)
    result = bench("run", *arguments, "--out", tmp_path / "r", "--json")
    assert json.loads(result.stdout)["sets"][0]["runs"][0]["num_examples"] == 3


def test_the_report_says_the_same_as_the_run(make_set: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    arguments = ("--set", make_set(6), "--model", "mock:3", "--no-floors", "--out", out)
    ran = json.loads(bench("run", *arguments, "--json").stdout)
    reported = json.loads(bench("report", out, "--json").stdout)
    assert reported["sets"] == ran["sets"]


def test_the_page_is_written_and_needs_nothing_else(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    out, page = tmp_path / "runs", tmp_path / "page.html"
    bench("run", "--set", make_set(6), "--model", "mock:3", "--no-floors", "--out", out)
    result = bench("report", out, "--html", page)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "mock:3" in text
    assert 'src="http' not in text


def test_a_video_that_cannot_be_read_is_a_finding(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_set(6)
    (folder / "v002.mp4").write_bytes(b"not a video")
    arguments = ("--set", folder, "--model", "mock:3", "--no-floors", "--out", tmp_path / "r")
    result = bench("run", *arguments)
    assert result.exit_code == 1
    assert "1 of 6 calls failed" in result.stdout
    assert bench("report", tmp_path / "r").exit_code == 1


def test_floors_join_each_model_once() -> None:
    models = with_floors(["nano", "floor:constant-3", "mock:2"])
    assert models[:3] == ["nano", "floor:constant-3", "mock:2"]
    assert len(models) == len(set(models))
    assert "floor:first-frame:nano" in models
    assert not any("mock" in model for model in models[3:])
