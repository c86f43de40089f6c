"""`roboreward calibrate`, from simulated rollouts to a calibrated model, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import roboreward.models
from roboreward.cli import main
from roboreward.dataset import SIM_SETS, build_sim_set


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def val_set(tmp_path_factory):
    """A small `sim-val`: 40 rollouts."""
    folder = tmp_path_factory.mktemp("sets") / "sim-val"
    return build_sim_set("sim-val", folder, per_level=8, num_workers=1)


def test_the_validation_set_is_balanced_and_of_its_own_scenes(val_set):
    labels = [example.label.score for example in val_set.examples]
    assert {labels.count(level) for level in range(1, 6)} == {8}
    details = [example.provenance.details for example in val_set.examples]
    assert {found["split"] for found in details} == {"train"}
    assert min(int(found["index"]) for found in details) >= SIM_SETS["sim-val"].first_index
    assert val_set.name == "sim-val"


@pytest.mark.slow
@pytest.mark.usefixtures("needs_nano")
def test_nano_is_calibrated_and_used(val_set, tmp_path):
    folder, out = val_set.path.parent, tmp_path / "cal"
    page = tmp_path / "page.html"
    arguments = ("calibrate", "--model", "nano", "--set", folder, "--runs", tmp_path / "runs")
    result = call(*arguments, "--out", out, "--html", page, "--keep", 0.8, "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    stored = json.loads((out / "calibration.json").read_text())
    assert stored == value["calibration"]
    assert stored["set_hash"] == val_set.set_hash
    assert stored["num_rows"] + sum(stored["num_left_out"].values()) == 40
    assert value["reports"][0]["is_cross_fitted"]
    assert "Calibration of nano" in page.read_text()

    (run,) = (tmp_path / "runs").iterdir()
    again = call("calibrate", run, "--keep", 0.8, "--out", tmp_path / "again.json")
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "again.json").read_text()) == stored
    assert f"calibrated:{tmp_path / 'again.json'}:nano" in again.stdout

    task = val_set.examples[0].task
    uri = f"calibrated:{out}:nano"
    scored = call("score", val_set.examples[0].video, "--task", task, "--model", uri, "--json")
    verdict = json.loads(scored.stdout)["results"][0]["verdict"]
    assert verdict["model"] == uri
    assert verdict["revision"].count("+cal-") == 1
    assert verdict["level_set"]


@pytest.mark.slow
@pytest.mark.usefixtures("needs_nano")
def test_a_test_split_is_reported_on_but_not_fitted_on(val_set, tmp_path):
    held_out = tmp_path / "robots" / "test"
    shutil.copytree(val_set.path.parent, held_out)
    rows = (held_out / "metadata.jsonl").read_text().splitlines()
    (held_out / "metadata.jsonl").write_text("".join(f"{row}\n" for row in rows[:35]))
    runs = ("--runs", tmp_path / "runs")
    refused = call("calibrate", "--model", "nano", "--set", held_out, *runs)
    assert refused.exit_code == 2
    assert refused.output.count("\n") == 1
    assert "is a test split ('test')" in refused.output
    assert not (tmp_path / "runs").exists()

    arguments = ("calibrate", "--model", "nano", "--set", val_set.path.parent, *runs)
    result = call(*arguments, "--report-on", held_out, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    own, other = json.loads(result.stdout)["reports"]
    assert (own["is_cross_fitted"], other["is_cross_fitted"]) == (True, False)
    assert other["num_shared_groups"] == other["num_groups"] > 0


def test_a_built_in_test_set_is_refused_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOREWARD_CACHE", str(tmp_path / "cache"))
    result = call("calibrate", "--model", "nano", "--set", "sim-test")
    assert result.exit_code == 2
    assert "'sim-test'" in result.output
    assert not (tmp_path / "cache").exists()


def test_a_model_without_probabilities_is_refused(make_set, tmp_path):
    arguments = ("calibrate", "--model", "mock:3", "--set", make_set(6), "--runs", tmp_path / "r")
    result = call(*arguments)
    assert result.exit_code == 2
    assert "No answer of mock:3 carries probabilities (it gave 6 scored)" in result.output


@pytest.mark.usefixtures("needs_nano")
def test_the_calibration_of_another_model_is_not_overwritten(val_set, tmp_path):
    out = tmp_path / "calibration.json"
    shipped = Path(roboreward.models.__file__).parent / "weights" / "calibration.json"
    out.write_text(shipped.read_text().replace('"model": "nano"', '"model": "other"'))
    before = out.read_text()
    arguments = ("--model", "nano", "--set", val_set.path.parent, "--runs", tmp_path / "runs")
    result = call("calibrate", *arguments, "--out", out)
    assert result.exit_code == 2
    assert "is the calibration of other" in result.output
    assert out.read_text() == before


@pytest.mark.parametrize(
    "arguments", [(), ("--model", "nano"), ("--set", "sim-val"), ("runs", "--set", "sim-val")]
)
def test_what_to_fit_on_must_be_said(arguments):
    result = call("calibrate", *arguments)
    assert result.exit_code == 2
    assert "--model M --set SET" in result.output


def test_a_folder_without_a_run_is_named(tmp_path: Path):
    result = call("calibrate", tmp_path)
    assert result.exit_code == 2
    assert "There is no run" in result.output
