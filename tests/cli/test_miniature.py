"""`roboreward miniature`, whose whole quick run is a step of `.ci/run`: what it keeps of its stages."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.cli.miniature import Stages


def test_a_stage_that_is_found_done_keeps_the_time_that_it_took(tmp_path: Path) -> None:
    first = Stages(tmp_path / "stages.json", of="x")
    assert first.run("work", lambda: 7) == 7
    again = Stages(tmp_path / "stages.json", of="x")
    assert again.wall_s == first.wall_s
    again.run("work", lambda: 8)
    assert again.wall_s == first.wall_s
    assert first.wall_s["work"] is not None


def test_a_stage_that_was_interrupted_claims_no_time(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(tmp_path / "stages.json", of="x").run("work", interrupted)
    again = Stages(tmp_path / "stages.json", of="x")
    again.run("work", lambda: None)
    assert again.wall_s == {"work": None}


def test_times_of_another_recipe_are_forgotten(tmp_path: Path) -> None:
    Stages(tmp_path / "stages.json", of="x").run("work", lambda: None)
    assert Stages(tmp_path / "stages.json", of="y").wall_s == {}


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    command = ["miniature", "--recipe", str(tmp_path / "none.toml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "Cannot read the recipe" in result.output
