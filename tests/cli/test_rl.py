"""`roboreward rl study`: the table, the page, the exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.studies import CellPlan, StudyPlan, VariantBudget, plan
from roboreward.testing import FakeProvider


def test_an_unknown_study_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["rl", "study", "reward-sorce", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "Unknown study 'reward-sorce'. Did you mean reward-source?" in result.output


def test_without_torch_the_error_names_the_command_that_adds_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from roboreward.cli import main\n"
        f"main(['rl', 'study', 'reward-source', '--smoke', '--out', {str(tmp_path / 'out')!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert 'pip install "roboreward[rl]"' in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def tiny_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = VariantBudget(
        num_demos=20, num_clone_steps=20, num_episodes=4, num_random=2, num_updates=1
    )
    tiny = StudyPlan(
        cells=(
            CellPlan(variant="one-decision", base="imprecise", rewards=("none", "nano", "floor")),
        ),
        budgets={"one-decision": budget},
        num_seeds=1,
        num_eval=4,
        num_shown=1,
    )
    monkeypatch.setitem(plan._PLANS, "smoke", tiny)


@pytest.mark.torch
@pytest.mark.usefixtures("needs_nano", "tiny_plan")
def test_a_study_writes_its_table_and_its_page(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the rl extra is not installed")
    out = tmp_path / "study"
    command = ["rl", "study", "reward-source", "--smoke", "--workers", "1", "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "true success" in result.output
    assert "runs: 3/3" in result.output
    page = (out / "index.html").read_text()
    assert "roboreward rl study reward-source --smoke" in page
    assert str(tmp_path) not in page
    assert (out / "table.md").read_text().count("\n| one-decision | imprecise |") == 3
    assert set(json.loads((out / "study.json").read_text())["rewards"]) == {"none", "nano", "floor"}


@pytest.mark.torch
@pytest.mark.usefixtures("needs_nano", "tiny_plan")
def test_the_json_of_a_study_holds_every_row_and_nothing_else_is_printed(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the rl extra is not installed")
    command = ["rl", "study", "reward-source", "--smoke", "--workers", "1", "--json"]
    command += ["--reward", "mock:no answer here", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    rows = {row["reward"]: row for row in json.loads(result.output)["rows"]}
    assert set(rows) == {"none", "nano", "floor", "mock:no answer here"}
    assert rows["mock:no answer here"]["num_dropped"] == 4


@pytest.mark.torch
@pytest.mark.usefixtures("tiny_plan")
def test_a_further_reward_that_has_the_name_of_an_own_one_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the rl extra is not installed")
    command = ["rl", "study", "reward-source", "--smoke", "--reward", "nano"]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "study")])
    assert result.exit_code == 2
    assert "'nano' is one of the study's own rewards" in result.output


@pytest.mark.torch
def test_a_folder_without_a_nano_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the rl extra is not installed")
    command = ["rl", "study", "reward-source", "--smoke", "--nano", str(tmp_path / "nothing")]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "study")])
    assert result.exit_code == 2
    assert "Cannot read nano's weights in" in result.output


@pytest.mark.torch
@pytest.mark.api
@pytest.mark.usefixtures("needs_nano", "tiny_plan")
def test_a_reward_model_behind_an_api_is_paid_once_within_a_limit_by_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="the rl extra is not installed")
    pytest.importorskip("openai", reason="needs the api extra")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ROBOREWARD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "prices.toml").write_text(
        "version = '1'\n[[price]]\nprovider = 'openai'\nmodel = 'm'\ninput_usd = 1.0\noutput_usd = 1.0\n"
        "date = '2026-01'\nsource = 'made up for a test of ours'\n"
    )
    with FakeProvider() as fake:
        command = ["rl", "study", "reward-source", "--smoke", "--reward", "openai:m"]
        command += ["--base-url", f"openai={fake.url}/v1", "--max-usd", "1"]
        command += ["--prices", str(tmp_path / "prices.toml")]
        several = [*command, "--workers", "2", "--out", str(tmp_path / "several")]
        refused = CliRunner().invoke(main, several)
        assert (refused.exit_code, fake.num_requests) == (2, 0)
        assert "openai:m is behind an API" in refused.stderr

        once = CliRunner().invoke(main, [*command, "--json", "--out", str(tmp_path / "once")])
        assert once.exit_code == 0, once.output
        num = fake.num_requests
        assert num >= 4
        assert f"openai:m: {num} calls sent, {num * 0.001005:.4f} USD." in once.stderr
        again = CliRunner().invoke(main, [*command, "--json", "--out", str(tmp_path / "again")])
        assert again.exit_code == 0, again.output
        assert f"openai:m: 0 calls sent, {num} answers from the ledger." in again.stderr
        assert fake.num_requests == num
