"""Round numbers on axes, and labels that keep apart."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.pages import svg
from roboreward.pages.svg import number, round_up, spread, ticks

places = st.lists(st.floats(-100, 500), min_size=1, max_size=12)


@given(places)
def test_labels_keep_their_gap_their_order_and_the_frame(given_places: list[float]) -> None:
    moved = spread(given_places, gap=17, lo=0, hi=300)
    in_order = sorted(range(len(moved)), key=lambda i: (given_places[i], moved[i]))
    between = [moved[b] - moved[a] for a, b in itertools.pairwise(in_order)]
    assert all(gap >= 17 - 1e-6 for gap in between)
    assert min(moved) >= -1e-6
    assert max(moved) <= 300 + 1e-6


@given(places)
def test_labels_without_room_share_what_there_is(given_places: list[float]) -> None:
    moved = sorted(spread(given_places, gap=50, lo=0, hi=20))
    assert moved[0] >= -1e-6
    assert moved[-1] <= 20 + 1e-6
    if len(moved) > 1:
        gaps = [b - a for a, b in itertools.pairwise(moved)]
        assert gaps == pytest.approx([20 / (len(moved) - 1)] * len(gaps))


def test_labels_that_are_apart_are_left_alone_and_a_crowd_opens_around_its_middle() -> None:
    assert spread([200, 10, 100], gap=17, lo=0, hi=300) == [200, 10, 100]
    assert spread([100, 100, 100], gap=10, lo=0, hi=300) == [90, 100, 110]
    assert spread([], gap=10, lo=0, hi=300) == []


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_within_the_axis_and_neither_too_many_nor_too_few(lo: float, span: float) -> None:
    found = ticks(lo, lo + span)
    slack = 1e-6 * max(abs(lo), span)
    assert all(lo - slack <= tick <= lo + span + slack for tick in found)
    assert 2 <= len(found) <= 7


def test_ticks_are_round() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0, 400, most=4) == [0, 100, 200, 300, 400]
    assert ticks(-0.3, 0.9) == [-0.2, 0, 0.2, 0.4, 0.6, 0.8]
    assert ticks(3, 3) == [3]


def test_rounding_up_gives_one_two_or_five() -> None:
    assert [round_up(v) for v in (1, 1.1, 3, 7, 0.011)] == pytest.approx([1, 2, 5, 10, 0.02])


def test_numbers_are_as_short_as_an_axis_needs() -> None:
    assert number(0.256, is_percent=True) == "26 %"
    assert number(12000, is_percent=False) == "12,000"
    assert number(0.25, is_percent=False) == "0.25"


def test_a_figure_has_a_description_or_is_decoration() -> None:
    assert 'role="img" aria-label="a &quot;b&quot;"' in svg(1, 1, [], css="x", label='a "b"')
    assert 'aria-hidden="true"' in svg(1, 1, [], css="x", label="")
