"""The charts of a study: whole blocks, means over seeds, gaps where there is nothing to average."""

import re
from collections.abc import Callable

import pytest

from roboreward.studies.cells import Cell, cells_of
from roboreward.studies.charts import (
    false_positive_curves,
    success_curves,
    success_plot,
    tones_of,
    window_of,
)
from roboreward.studies.results import StudyRun

MakeRuns = Callable[..., list[StudyRun]]


def cell_of(runs: list[StudyRun]) -> Cell:
    (cell,) = cells_of(runs)
    return cell


def lines_of(markup: str) -> set[str]:
    return set(re.findall(r'<text class="start"[^>]*>([^<]*)<', markup))


@pytest.mark.parametrize("num_train", [100, 175, 300, 345, 400, 600])
def test_windows_are_round_and_give_about_ten_points(num_train: int, make_runs: MakeRuns) -> None:
    window = window_of(cell_of(make_runs("nano", seeds=2, num_train=num_train)))
    assert window is not None
    assert window % 5 == 0
    assert 8 <= num_train // window <= 12


def test_the_shortest_run_sets_the_blocks(make_runs: MakeRuns) -> None:
    runs = make_runs("nano", seeds=1, num_train=300) + make_runs("floor", seeds=1, num_train=600)
    assert window_of(cell_of(runs)) == 30
    assert window_of(cell_of(make_runs("none"))) is None


def test_every_reward_has_a_line_and_the_base_policy_is_a_level_one(make_runs: MakeRuns) -> None:
    cell = cell_of(make_runs("none", "floor", "nano", "oracle-success", "mine"))
    markup = success_curves(cell, tones=tones_of([cell]), main="nano")
    assert lines_of(markup) == {"none", "floor", "nano", "oracle-success", "mine"}
    level = re.search(r'line tone-none"><polyline points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"', markup)
    assert level
    assert level[1] == level[2]
    assert markup.count("<polygon") == 4


def test_one_seed_has_a_line_without_a_band(make_runs: MakeRuns) -> None:
    cell = cell_of(make_runs("nano", seeds=1))
    markup = success_curves(cell, tones=tones_of([cell]), main="nano")
    assert lines_of(markup) == {"nano"}
    assert "<polygon" not in markup


def test_only_rewards_that_give_scores_can_have_false_positives(make_runs: MakeRuns) -> None:
    cell = cell_of(make_runs("none", "floor", "nano", "oracle-success"))
    markup = false_positive_curves(cell, tones=tones_of([cell]), main="nano")
    assert lines_of(markup) == {"floor", "nano"}


def test_without_failures_or_training_there_is_no_chart(make_runs: MakeRuns) -> None:
    perfect = [
        run.model_copy(update={"true_scores": (5,) * 100, "reward_scores": (5,) * 100})
        for run in make_runs("nano", num_train=100)
    ]
    cell = cell_of(perfect)
    assert false_positive_curves(cell, tones=tones_of([cell]), main="nano") == ""
    untrained = cell_of(make_runs("none"))
    assert success_curves(untrained, tones=tones_of([untrained]), main="none") == ""


def test_a_block_without_failures_is_a_gap(make_runs: MakeRuns) -> None:
    run = make_runs("nano", seeds=1, num_train=100)[0]
    true = (2,) * 40 + (5,) * 20 + (2,) * 40
    said = (5,) * 10 + (2,) * 30 + (5,) * 20 + (2,) * 40
    cell = cell_of([run.model_copy(update={"true_scores": true, "reward_scores": said})])
    markup = false_positive_curves(cell, tones=tones_of([cell]), main="nano")
    assert markup.count("<polyline") == 2
    assert "nano: 50 % to 0 %" in markup


def test_a_run_that_is_shorter_than_a_block_is_left_out(make_runs: MakeRuns) -> None:
    cell = cell_of(make_runs("nano", seeds=2, num_train=1))
    assert lines_of(success_curves(cell, tones=tones_of([cell]), main="nano")) == {"nano"}
    assert false_positive_curves(cell, tones=tones_of([cell]), main="nano") == ""


def test_rewards_keep_their_colours_and_strangers_get_their_own(make_runs: MakeRuns) -> None:
    tones = tones_of(cells_of(make_runs("nano", "mine", "yours", "none", seeds=1)))
    assert (tones["nano"], tones["none"], tones["floor"]) == ("1", "none", "floor")
    assert len({tones[name] for name in ("nano", "mine", "yours", "nano-no-relabels")}) == 4


def test_final_success_stands_with_its_interval_beside_the_base_policy(make_runs: MakeRuns) -> None:
    cell = cell_of(make_runs("none", success=0.5) + make_runs("nano", success=0.9))
    markup = success_plot(cell, tones=tones_of([cell]), main="nano")
    # All seeds agree, so these are Wilson's intervals of 900 and 500 among 1,000 episodes.
    assert "nano: 90 % [88, 92]; none: 50 % [47, 53]" in markup
    assert 'class="reference"' in markup
    alone = cell_of(make_runs("nano", seeds=1))
    assert 'class="reference"' not in success_plot(alone, tones=tones_of([alone]), main="nano")
