"""Line charts: every line that can be drawn is drawn, named and described."""

import itertools
import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from roboreward.pages import TONES, Series, line_chart

NAN = math.nan
Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]


def chart(*series: Series, **settings: object) -> str:
    return line_chart(series, label="A chart", x_label="episodes", **settings)  # type: ignore[arg-type]


def line(label: str, y: list[float], **settings: object) -> Series:
    return Series(label, [float(n) for n in range(len(y))], y, **settings)  # type: ignore[arg-type]


def names_at(markup: str) -> dict[str, float]:
    """Return the names of lines by their height."""
    found = re.findall(r'<text class="start" x="[\d.]+" y="([\d.]+)">([^<]*)<', markup)
    return {name: float(y) for y, name in found}


def test_lines_that_end_together_have_names_that_do_not_overlap() -> None:
    series = [line(f"reward {n}", [0.0, 0.9 + n / 1000], tone=tone) for n, tone in enumerate(TONES)]
    heights = sorted(names_at(chart(*series)).values())
    assert len(heights) == 8
    assert all(b - a >= 16 for a, b in itertools.pairwise(heights))


def test_names_stand_in_the_order_of_the_ends() -> None:
    heights = names_at(chart(line("low", [0, 0.1]), line("high", [0, 0.9]), line("mid", [1, 0.5])))
    assert heights["high"] < heights["mid"] < heights["low"]


def test_a_gap_cuts_the_line_and_the_band_and_a_lone_point_is_a_dot() -> None:
    y = [0.1, 0.2, NAN, 0.4, NAN, 0.5, 0.6]
    band = {"lo": [v - 0.1 for v in y], "hi": [v + 0.1 for v in y]}
    markup = chart(line("gappy", y, **band))
    assert markup.count("<polyline") == 2
    assert markup.count("<circle") == 1
    assert markup.count("<polygon") == 3
    assert "nan" not in markup


def test_a_point_without_an_interval_has_no_band() -> None:
    y, lo, hi = [0.1, 0.2, 0.3], [0.0, NAN, 0.2], [0.2, NAN, 0.4]
    assert chart(line("x", y, lo=lo, hi=hi)).count("<polygon") == 2
    assert "<polygon" not in chart(line("x", y))


def test_a_line_without_values_is_said_but_not_drawn() -> None:
    markup = chart(line("empty", [NAN, NAN]), line("full", [0.1, 0.2]))
    assert set(names_at(markup)) == {"full"}
    assert "empty: no values; full: 10 % to 20 %" in markup


@pytest.mark.parametrize("series", [[], [line("empty", [NAN])], [line("none", [])]])
def test_a_chart_without_values_says_so(series: list[Series]) -> None:
    markup = chart(*series)
    assert ">no values<" in markup
    assert "nan" not in markup
    ElementTree.fromstring(markup)


def test_the_chart_is_described_for_those_who_do_not_see_it(tags_of: Tags) -> None:
    (about,) = (attrs for tag, attrs in tags_of(chart(line("nano", [0.25, 0.9]))) if tag == "svg")
    assert about["role"] == "img"
    assert about["aria-label"] == "A chart. nano: 25 % to 90 %"


def test_names_from_elsewhere_are_text(tags_of: Tags) -> None:
    markup = chart(line("<script>alert(1)</script>", [0, 1]))
    assert "script" not in {tag for tag, _ in tags_of(markup)}
    assert not [attrs for _, attrs in tags_of(markup) if "style" in attrs]
    ElementTree.fromstring(markup)


def test_given_ends_are_kept_and_what_lies_beyond_stays_in_the_frame() -> None:
    band = {"lo": [-0.5, 0.1], "hi": [0.5, 1.5]}
    markup = chart(line("x", [0.1, 0.9], **band), y_range=(0.0, 1.0), x_range=(0.0, 4.0))
    ys = [
        float(y) for y in re.findall(r",([\d.]+)[ \"]", "".join(re.findall("points=[^/]*", markup)))
    ]
    assert min(ys) == pytest.approx(14)
    assert max(ys) == pytest.approx(288)
    assert ">100 %<" in markup
    assert ">4<" in markup


def test_fitted_ends_hold_lines_and_bands_and_zero() -> None:
    markup = chart(line("x", [0.1, 0.2], lo=[0.0, 0.1], hi=[0.2, 0.33]))
    assert re.findall(r">(\d+) %<", markup) == ["0", "10", "20", "30", "40"]
    assert ">-2<" in chart(line("x", [-2, 3]), is_percent=False)


def test_main_lines_are_drawn_last() -> None:
    markup = chart(line("main", [0, 1], is_main=True), line("other", [0, 1], tone="2"))
    assert markup.index("line tone-2") < markup.index("line tone-1 main")
