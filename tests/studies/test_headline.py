"""The headline is true in every case: gain, loss, no difference, missing runs, too few seeds."""

from collections.abc import Callable
from typing import Any

import pytest

from roboreward.studies.cells import cells_of
from roboreward.studies.headline import headline_of, oracle_sentence, study_headline
from roboreward.studies.results import StudyRun

Make = Callable[..., StudyRun]


def runs_of(make_run: Make, reward: str, *successes: float, **settings: Any) -> list[StudyRun]:
    """One run a seed, with exactly these final successes."""
    return [
        make_run(reward, seed=seed, success=success, num_train=20, **settings)
        for seed, success in enumerate(successes)
    ]


def said(*runs: list[StudyRun]) -> str:
    return study_headline(cells_of([run for part in runs for run in part]))


def test_a_rise_is_said_with_both_numbers_and_random_scores_beside_it(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.45, 0.45, 0.44)
    nano = runs_of(make_run, "nano", 0.92, 0.93, 0.94)
    floor = runs_of(make_run, "floor", 0.42, 0.45, 0.45)
    assert said(none, nano, floor) == (
        "With nano as the only reward, true success rises from 45 % to 93 % [91, 95] on the imprecise policy. "
        "With random scores there is no separable rise (44 %)."
    )


def test_several_cells_are_one_sentence_for_each_kind_of_change(make_run: Make) -> None:
    parts = []
    for base, after in (
        ("imprecise", (0.92, 0.91, 0.9)),
        ("near-miss", (0.4, 0.6, 0.2)),
        ("wrong-object", (0.1, 0.11, 0.1)),
    ):
        parts.append(runs_of(make_run, "none", 0.4, 0.41, 0.42, base=base))
        parts.append(runs_of(make_run, "nano", *after, base=base))
    text = said(*parts)
    assert "rises from 41 % to 91 % [89, 93] on the imprecise policy." in text
    assert "It falls from 41 % to 10 % [9, 12] on wrong-object." in text
    assert "on near-miss, which is not separable from no change." in text
    assert "It goes from 41 % to 40 %" in text


def test_a_second_variant_is_named(make_run: Make) -> None:
    none = (
        runs_of(make_run, "none", 0.4, 0.4, 0.4),
        runs_of(make_run, "none", 0.4, 0.4, 0.4, variant="chunked"),
    )
    nano = (
        runs_of(make_run, "nano", 0.89, 0.9, 0.91),
        runs_of(make_run, "nano", 0.79, 0.8, 0.81, variant="chunked"),
    )
    text = said(*none, *nano)
    assert (
        "rises from 40 % to 90 % [88, 92] on the imprecise policy and "
        "from 40 % to 80 % [78, 82] on imprecise (chunked)." in text
    )


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_one_seed_or_two_have_no_interval_and_say_so(num_seeds: int, make_run: Make) -> None:
    none, nano = (
        runs_of(make_run, reward, *[success] * num_seeds)
        for reward, success in (("none", 0.4), ("nano", 0.9))
    )
    text = said(none, nano)
    assert "goes from 40 % to 90 % on the imprecise policy (too few seeds for an interval)." in text
    assert "rises" not in text


def test_seeds_that_all_agree_still_have_an_interval_with_a_width(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.39, 0.4, 0.41)
    nano = runs_of(make_run, "nano", 0.9, 0.9, 0.9)
    assert "rises from 40 % to 90 % [87, 92] on the imprecise policy." in said(none, nano)


def test_a_reward_without_a_base_policy_claims_no_change(make_run: Make) -> None:
    text = said(runs_of(make_run, "nano", 0.9, 0.91, 0.92))
    assert "reaches 91 % [89, 93] on the imprecise policy (the base policy was not run" in text
    assert text.endswith("which would tell how much of this is the reward's doing.")


def test_only_seeds_that_both_have_are_compared(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.4, 0.4, 0.4)
    nano = runs_of(make_run, "nano", 0.79, 0.8, 0.81, 0.2, 0.2)
    assert "rises from 40 % to 80 % [78, 82] on the imprecise policy." in said(none, nano)


def test_random_scores_that_rise_are_not_hidden(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.4, 0.4, 0.4)
    nano = runs_of(make_run, "nano", 0.8, 0.8, 0.8)
    floor = runs_of(make_run, "floor", 0.6, 0.61, 0.6)
    assert said(none, nano, floor).endswith(
        "With random scores it rises from 40 % to 60 % [59, 62] on the imprecise policy."
    )


def test_random_scores_that_do_harm_are_said_to(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.4, 0.4, 0.4)
    nano = runs_of(make_run, "nano", 0.8, 0.8, 0.8)
    floor = runs_of(make_run, "floor", 0.2, 0.21, 0.2)
    assert said(none, nano, floor).endswith("With random scores it falls (20 %).")
    runs = none + nano + floor
    assert headline_of(runs) == (said(runs), "")
    oracle = runs_of(make_run, "oracle-success", 0.9, 0.9, 0.9)
    headline, compared = headline_of(runs + oracle)
    assert headline.endswith("falls (20 %).")
    assert compared.startswith("Measured against oracle-success")


def test_a_study_of_one_other_reward_is_about_that_reward(make_run: Make) -> None:
    none = runs_of(make_run, "none", 0.4, 0.4)
    assert said(none, runs_of(make_run, "mine", 0.8, 0.8)).startswith(
        "With mine as the only reward"
    )
    assert said(none, runs_of(make_run, "floor", 0.4, 0.4)).startswith("With floor as the only")
    assert said(none) == "No policy was trained. True success is 40 % on the imprecise policy."
    three = runs_of(make_run, "none", 0.4, 0.4, 0.4)
    assert said(three).endswith("True success is 40 % [36, 44] on the imprecise policy.")


def test_the_reference_is_compared_in_paired_points(make_run: Make) -> None:
    nano = runs_of(make_run, "nano", 0.9, 0.92, 0.94)
    oracle = runs_of(make_run, "oracle-success", 0.94, 0.97, 1.0)
    level = runs_of(make_run, "oracle-success", 0.92, 0.92, 0.92)
    assert oracle_sentence(cells_of(nano + oracle)).endswith(
        "nano differs by -5 [-7, -3] points on the imprecise policy."
    )
    assert oracle_sentence(cells_of(nano + level)).endswith(
        "nano differs by 0 [-5, +5] points on the imprecise policy (not separable)."
    )
    assert oracle_sentence(cells_of(nano)) == ""
