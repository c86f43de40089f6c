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
    assert "There is no recipe" in result.output
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_the_ablations_is_refused_before_anything_is_trained(
    tmp_path: Path, checkout: Path
) -> None:
    text = (checkout / "recipes" / "nano-quick.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.partition("[ablations.no-negatives]")[0])
    command = ["miniature", "--recipe", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "has no [ablations.no-negatives]" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damaged", ["{", "[]", '{"of": "x"}'])
def test_a_damaged_list_of_times_is_as_good_as_none(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "stages.json").write_text(damaged)
    assert Stages(tmp_path / "stages.json", of="x").run("work", lambda: 7) == 7
