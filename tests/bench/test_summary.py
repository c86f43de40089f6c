"""Summaries of runs and their comparison."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from roboreward.bench import by_set, compare, summarize
from roboreward.core import UsageError

Make = Callable[..., Any]


def rows(rng: np.random.Generator, *, off: float, num: int = 80) -> list[tuple[int, int]]:
    """Labels 1..5 in turn; an answer is one step off with probability `off`."""
    wrong = rng.random(num) < off
    labels = np.arange(num) % 5 + 1
    return [(int(y), int(y + (1 if y < 5 else -1) * w)) for y, w in zip(labels, wrong, strict=True)]


def test_statuses_add_up_and_a_failed_call_blocks_publication(make_result: Make) -> None:
    (summary,) = summarize([make_result([(1, 1), (2, "failed"), (3, "unparsed"), (4, None)])])
    assert summary.statuses == {"abstained": 1, "failed": 1, "scored": 1, "unparsed": 1}
    assert sum(summary.statuses.values()) == summary.num_records == 4
    assert not summary.is_publishable
    assert sum(map(sum, summary.confusion)) == 3


def test_an_unfinished_run_says_what_is_missing(make_result: Make) -> None:
    (summary,) = summarize([make_result([(1, 1)] * 3, num_examples=5)])
    assert (summary.num_missing, summary.is_publishable) == (2, False)


def test_a_level_of_few_groups_has_no_interval(make_result: Make) -> None:
    (summary,) = summarize([make_result([(1, 2)] * 12 + [(5, 5)] * 3)])
    assert summary.levels[0].lo is not None
    assert (summary.levels[4].value, summary.levels[4].lo) == (0.0, None)
    assert summary.levels[2].value is None


def test_clear_differences_are_told_apart_and_small_ones_are_not(
    make_result: Make, rng: np.random.Generator
) -> None:
    bad = make_result(rows(rng, off=0.9), model="bad")
    good = make_result(rows(rng, off=0.1), model="good")
    near = make_result(rows(rng, off=0.12), model="near")
    found = {row.model: row for row in compare([bad, good, near])}
    assert list(found)[-1] == "bad"
    assert found["bad"].not_separable_from == ()
    assert found["good"].not_separable_from == ("near",)
    assert found["near"].not_separable_from == ("good",)
    assert (found["bad"].rank_lo, found["bad"].rank_hi) == (3, 3)
    gap = found["bad"].behind_best
    assert gap is not None
    assert (gap.lo or 0) > 0.4


def test_the_same_answers_share_their_rank_and_are_not_separable(make_result: Make) -> None:
    answers = rows(np.random.default_rng(3), off=0.5)
    one, two = compare([make_result(answers, model="a"), make_result(answers, model="b")])
    assert (one.rank_lo, one.rank_hi) == (two.rank_lo, two.rank_hi) == (1, 2)
    assert (one.not_separable_from, two.not_separable_from) == (("b",), ("a",))


def test_adding_a_model_changes_no_number_of_the_others(
    make_result: Make, rng: np.random.Generator
) -> None:
    one, two = (make_result(rows(rng, off=off), model=str(off)) for off in (0.2, 0.6))
    assert summarize([one, two])[0] == summarize([one])[0]


def test_too_few_groups_give_no_rank_and_separate_nobody(make_result: Make) -> None:
    first, second = compare(
        [make_result([(1, 1)] * 5, model="a"), make_result([(1, 5)] * 5, model="b")]
    )
    assert (first.rank_lo, first.not_separable_from) == (None, ("b",))
    assert second.behind_best is not None
    assert (second.behind_best.value, second.behind_best.lo) == (4.0, None)


def test_a_run_in_which_every_call_failed_comes_last_without_a_number(make_result: Make) -> None:
    failed = make_result([(1, "failed")] * 12, model="a")
    found = compare([failed, make_result([(1, 2)] * 12, model="b")])
    assert [row.model for row in found] == ["b", "a"]
    assert found[1].behind_best is None
    assert [(row.rank_lo, row.rank_hi) for row in found] == [(1, 1), (2, 2)]
    assert summarize([failed])[0].estimates["mae"].value is None


def test_runs_on_different_examples_are_not_compared(make_result: Make) -> None:
    results = [make_result([(1, 1)]), make_result([(1, 1)], set_hash="other")]
    with pytest.raises(UsageError, match="different examples"):
        compare(results)
    assert [len(part) for part in by_set(results)] == [1, 1]


def test_nothing_to_summarise_is_a_plain_error(make_result: Make) -> None:
    with pytest.raises(UsageError, match="no run"):
        summarize([])
    with pytest.raises(UsageError, match="no record"):
        summarize([make_result([])])


def test_models_of_the_same_skill_are_seldom_told_apart(make_result: Make) -> None:
    rng = np.random.default_rng(7)
    num_false, num_simulations = 0, 100
    for seed in range(num_simulations):
        pair = [make_result(rows(rng, off=0.4, num=15), model=name) for name in "ab"]
        found = compare(pair, num_draws=300, seed=seed)
        num_false += not found[0].not_separable_from
    assert num_false / num_simulations <= 0.08


def test_wrongly_separated_pairs_grow_no_more_frequent_with_more_models(make_result: Make) -> None:
    rng = np.random.default_rng(8)
    num_false, num_simulations = 0, 25
    for seed in range(num_simulations):
        models = [make_result(rows(rng, off=0.4, num=30), model=name) for name in "abcdef"]
        found = compare(models, num_draws=300, seed=seed)
        num_false += any(len(row.not_separable_from) < 5 for row in found)
    assert num_false / num_simulations <= 0.1
