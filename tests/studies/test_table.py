"""The table as strings: nothing that does not separate looks as if it did."""

from collections.abc import Callable

import pytest

from roboreward.studies.cells import percent, points, share
from roboreward.studies.results import StudyRun
from roboreward.studies.stats import Interval
from roboreward.studies.table import study_markdown, study_table

MakeRuns = Callable[..., list[StudyRun]]


def test_references_come_first_and_floors_last(make_runs: MakeRuns) -> None:
    runs = make_runs("none", "floor", "mine", "nano", "oracle-success", seeds=2)
    head, *body = study_table(runs)
    assert head[:5] == ["variant", "base policy", "reward", "seeds", "true success"]
    assert [row[2] for row in body] == ["oracle-success", "nano", "mine", "floor", "none"]
    assert {len(row) for row in body} == {len(head)}


def test_a_difference_that_does_not_separate_says_so(make_runs: MakeRuns) -> None:
    runs = make_runs("none", success=0.4) + make_runs("nano", success=0.4)
    runs += make_runs("oracle-success", success=0.9)
    nano = next(row for row in study_table(runs) if row[2] == "nano")
    assert nano[5] == "0 [0, 0] not separable"
    # That all seeds differ by the same may be chance: an interval without a width tells nothing.
    assert nano[6] == "-50 [-50, -50] not separable"


def test_a_difference_that_separates_stands_without_a_word(
    make_run: Callable[..., StudyRun],
) -> None:
    runs = [
        make_run(reward, seed=seed, success=success)
        for reward, shares in (("none", (0.4, 0.4, 0.4)), ("nano", (0.89, 0.9, 0.91)))
        for seed, success in enumerate(shares)
    ]
    nano = next(row for row in study_table(runs) if row[2] == "nano")
    assert nano[5] == "+50 [+48, +52]"


def test_evaluations_that_were_stopped_are_told_beside_the_dropped_episodes(
    make_runs: MakeRuns,
) -> None:
    stopped = {"eval_scores": (None, 5, None, 5), "dropped": {}}
    runs = [run.model_copy(update=stopped) for run in make_runs("nano", "none", seeds=3)]
    rows = {row[2]: row for row in study_table(runs)[1:]}
    assert rows["nano"][8] == "0, 6 evaluations stopped"
    assert rows["none"][8] == "-, 6 evaluations stopped"


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_and_missing_rewards_leave_no_false_numbers(
    seeds: int, make_runs: MakeRuns
) -> None:
    (alone,) = study_table(make_runs("nano", seeds=seeds, success=0.5))[1:]
    assert alone[4:7] == ["50 %", "-", "-"]
    (_, nano, _) = study_table(make_runs("none", "nano", seeds=seeds, success=0.5))
    assert nano[5] == "0 too few seeds"


def test_dropped_episodes_and_false_positives_are_counted(make_runs: MakeRuns) -> None:
    runs = make_runs("none", "nano", "floor", num_train=400)
    rows = {row[2]: row for row in study_table(runs)[1:]}
    num = sum(sum(run.dropped.values()) for run in runs if run.reward == "nano")
    assert rows["nano"][8] == f"{num} ({num / 20:.1f} %)"
    assert rows["floor"][8] == "0"
    assert rows["none"][7:9] == ["-", "-"]


def test_markdown_has_one_line_a_row_and_the_same_cells(make_runs: MakeRuns) -> None:
    runs = make_runs("none", "a|b", seeds=2)
    lines = study_markdown(runs).splitlines()
    assert len(lines) == 4
    assert lines[1].count("---:") == 7
    assert "a\\|b" in lines[2]
    assert lines[0].startswith("| variant | base policy | reward |")


def test_shares_are_cut_at_their_ends_and_never_rounded_to_none_or_all() -> None:
    assert share(Interval(value=0.98, lo=0.93, hi=1.03)) == "98 % [93, 100]"
    assert share(Interval(value=0.5)) == "50 %"
    assert [percent(v) for v in (0, 0.001, 0.5, 0.999, 1)] == [
        "0 %",
        "<1 %",
        "50 %",
        ">99 %",
        "100 %",
    ]


def test_a_separable_difference_does_not_seem_to_touch_zero() -> None:
    assert points(Interval(value=-0.03, lo=-0.06, hi=-0.004)) == "-3 [-6, -0.4]"
    assert points(Interval(value=0.0, lo=-0.05, hi=0.05)) == "0 [-5, +5]"
