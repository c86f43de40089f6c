"""The two intervals against published values."""

from itertools import pairwise

import pytest

from roboreward.core import rising_pools, student_t, wilson

# Two-sided 95 %, from the standard tables.
TABLE = {
    1: 12.706, 2: 4.303, 4: 2.776, 8: 2.306, 9: 2.262, 10: 2.228, 12: 2.179, 20: 2.086, 30: 2.042,
    60: 2.000, 120: 1.980, 1000: 1.962,
}  # fmt: skip


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_of_students_t_are_those_of_the_tables(freedom: int) -> None:
    # Tables are rounded to 0.0005, and the formula is promised to 0.001.
    assert student_t(freedom) == pytest.approx(TABLE[freedom], abs=0.0012)


def test_quantiles_fall_all_the_way_also_where_the_table_ends() -> None:
    found = [student_t(freedom) for freedom in range(1, 300)]
    assert all(a > b for a, b in pairwise(found))
    # About 0.059, 0.044 and 0.034 from 7 on: each step is smaller than the one before it.
    steps = [a - b for a, b in pairwise(found)]
    assert steps[5] > steps[6] > steps[7] > steps[8] > steps[9]
    assert found[-1] > 1.96


@pytest.mark.parametrize("freedom", [0, -3])
def test_no_degrees_of_freedom_is_an_error(freedom: int) -> None:
    with pytest.raises(ValueError, match=f"{freedom} degrees of freedom"):
        student_t(freedom)


def test_wilsons_interval_of_a_hand_worked_case() -> None:
    # 8 of 10, z = 1.96: centre (0.8 + 0.19208) / 1.38416 = 0.71674,
    # half 1.96 * sqrt(0.016 + 0.009604) / 1.38416 = 0.22658.
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0.2, 10) == pytest.approx((1 - 0.9433, 1 - 0.4902), abs=1e-4)


@pytest.mark.parametrize("num", [1, 10, 10_000])
def test_wilsons_interval_has_width_at_its_ends_and_stays_within_0_and_1(num: int) -> None:
    # z^2 / (n + z^2) is the far end when none of n, or all, are so.
    width = 3.841459 / (num + 3.841459)
    assert wilson(0.0, num) == pytest.approx((0.0, width), abs=1e-6)
    assert wilson(1.0, num) == pytest.approx((1 - width, 1.0), abs=1e-6)
    assert wilson(0.0, num)[0] >= 0
    assert wilson(1.0, num)[1] <= 1


def test_more_cases_narrow_wilsons_interval() -> None:
    widths = [hi - lo for lo, hi in (wilson(0.3, num) for num in (5, 50, 500))]
    assert widths[0] > 2.5 * widths[1] > 6 * widths[2]


def test_pools_rise_and_keep_sums_weights_and_points() -> None:
    points = [(1.0, 1.0), (3.0, 1.0), (1.0, 2.0), (8.0, 2.0), (8.0, 2.0), (5.0, 1.0)]
    assert rising_pools(points) == [(1.0, 1.0, 1), (4.0, 3.0, 2), (16.0, 4.0, 2), (5.0, 1.0, 1)]
    assert rising_pools([]) == []
