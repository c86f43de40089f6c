"""Intervals over seeds: hand-worked, none where there is none to be had, never without a width."""

import math

import numpy as np
import pytest

from roboreward.core import wilson
from roboreward.studies.stats import MIN_VALUES, Interval, mean_interval, share_interval


def test_the_interval_of_a_mean_is_students() -> None:
    # mean 0.5, deviation 0.1, t of 2 degrees 4.303: half is 4.303 * 0.1 / sqrt(3).
    found = mean_interval([0.4, 0.5, 0.6])
    half = 4.303 * 0.1 / math.sqrt(3)
    assert found.value == pytest.approx(0.5)
    assert (found.lo, found.hi) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_more_seeds_of_the_same_spread_narrow_the_interval() -> None:
    few, many = mean_interval([0.4, 0.6] * 2), mean_interval([0.4, 0.6] * 8)
    assert few.hi is not None
    assert many.hi is not None
    assert few.hi - few.value > 2 * (many.hi - many.value) > 0


@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7], [0.2, 0.9]])
def test_below_three_values_there_is_a_mean_and_no_interval(values: list[float]) -> None:
    assert len(values) < MIN_VALUES
    for found in (mean_interval(values), share_interval(values, num_cases=300)):
        assert found.value == pytest.approx(sum(values) / len(values))
        assert (found.lo, found.hi) == (None, None)
        assert not found.is_separable_from_zero


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
    with pytest.raises(ValueError, match="no values"):
        share_interval([], num_cases=0)


def test_shares_are_cut_at_0_and_1_and_differences_are_not() -> None:
    values = [0.9, 1.0, 1.0]
    share, mean = share_interval(values, num_cases=60), mean_interval(values)
    assert share.hi == 1.0
    assert (mean.hi or 0) > 1.05
    assert share.lo == mean.lo
    low = share_interval([0.0, 0.0, 0.1], num_cases=60)
    assert low.lo == 0.0
    assert (low.hi or 0) > 0.1


@pytest.mark.parametrize("num_seeds", range(MIN_VALUES, 11))
def test_equal_shares_have_wilsons_interval_whatever_their_mean_is_rounded_to(
    num_seeds: int,
) -> None:
    # Means of equal numbers are often off by the last digit, such as those of ten times 0.02.
    for num_good in range(51):
        share = num_good / 50
        found = share_interval([share] * num_seeds, num_cases=50 * num_seeds)
        lo, hi = wilson(share, 50 * num_seeds)
        assert (found.lo, found.hi) == (pytest.approx(lo), pytest.approx(hi))
        assert (found.hi or 0) - (found.lo or 0) > 0.005


def test_only_an_interval_that_leaves_zero_out_is_separable_from_it() -> None:
    assert Interval(value=0.2, lo=0.1, hi=0.3).is_separable_from_zero
    assert Interval(value=-0.2, lo=-0.3, hi=-0.1).is_separable_from_zero
    assert not Interval(value=0.2, lo=-0.1, hi=0.5).is_separable_from_zero
    assert not Interval(value=0.2, lo=0.0, hi=0.4).is_separable_from_zero
    assert not Interval(value=0.2).is_separable_from_zero


def test_seeds_that_differ_by_the_same_do_not_separate_whatever_the_rounding() -> None:
    for num_more in (1, 2, 7, 30):
        starts = [n / 150 for n in (3, 50, 71, 90, 118)]
        ends = [(n + num_more) / 150 for n in (3, 50, 71, 90, 118)]
        found = mean_interval([b - a for a, b in zip(starts, ends, strict=True)])
        assert found.value == pytest.approx(num_more / 150)
        assert not found.is_separable_from_zero


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Five seeds of 150 episodes each, as in a quick study, around a true share that differs from seed to seed."""
    rng = np.random.default_rng(0)
    num_covered, num_tries = 0, 2000
    for _ in range(num_tries):
        of_seeds = np.clip(rng.normal(0.6, 0.05, 5), 0, 1)
        found = share_interval((rng.binomial(150, of_seeds) / 150).tolist(), num_cases=750)
        num_covered += (found.lo or 0) <= 0.6 <= (found.hi or 0)
    assert 0.935 <= num_covered / num_tries <= 0.965
