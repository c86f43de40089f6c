"""Dots with intervals: one row each, on one axis."""

import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from roboreward.pages import DotRow, dot_plot

Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]
ROWS = (
    DotRow("nano", 0.9, 0.8, 1.1, shown="90 % [80, 100]", is_main=True),
    DotRow("one seed", 0.5, shown="50 %", tone="2"),
    DotRow("gone", math.nan, tone="floor"),
)


def plot(*rows: DotRow, **settings: object) -> str:
    return dot_plot(rows, label="Success", x_range=(0.0, 1.0), **settings)  # type: ignore[arg-type]


def test_each_row_has_its_name_its_numbers_and_a_dot_where_it_has_a_value() -> None:
    markup = plot(*ROWS)
    shown = {"nano", "one seed", "gone", "90 % [80, 100]", "50 %"}
    assert shown <= set(re.findall(r">([^<>]+)</text>", markup))
    assert markup.count("<circle") == 2
    assert markup.count('class="range"') == 1
    assert "nan" not in markup.replace("nano", "")


def test_an_interval_beyond_the_axis_is_cut_at_its_end() -> None:
    markup = plot(ROWS[0])
    (end,) = re.findall(r'class="range" x1="[\d.]+" x2="([\d.]+)"', markup)
    (track,) = re.findall(r'class="track" x1="[\d.]+" x2="([\d.]+)"', markup)
    assert float(end) == pytest.approx(float(track))


def test_a_reference_stands_at_its_value() -> None:
    (x,) = re.findall(r'class="reference" x1="([\d.]+)"', plot(*ROWS, reference=0.5))
    (dot,) = re.findall(r'tone-2">.*?cx="([\d.]+)"', plot(*ROWS))
    assert x == dot
    assert "reference" not in plot(*ROWS)
    assert "reference" not in plot(*ROWS, reference=math.nan)


def test_the_plot_is_described_for_those_who_do_not_see_it(tags_of: Tags) -> None:
    about = tags_of(plot(*ROWS))[0][1]
    assert about["role"] == "img"
    assert about["aria-label"] == "Success. nano: 90 % [80, 100]; one seed: 50 %; gone: no value"


def test_names_from_elsewhere_are_text(tags_of: Tags) -> None:
    markup = plot(DotRow("<script>x</script>", 0.5, shown="<b>"))
    assert not {"script", "b"} & {tag for tag, _ in tags_of(markup)}
    ElementTree.fromstring(markup)


def test_a_plot_without_rows_is_an_empty_axis() -> None:
    ElementTree.fromstring(plot())
    assert ">100 %<" in plot()
