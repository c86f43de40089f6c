"""Bars in ordered parts: their lengths are the numbers, and every part has its tint and its name."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from roboreward.pages import BarRow, column_chart, stacked_bars

Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]
LEVELS = ("score 1", "score 2", "score 3", "score 4", "score 5")
ROWS = (BarRow("bridge", (10, 20, 30, 0, 40)), BarRow("droid", (5, 5, 5, 5, 5), shown="25 rows"))


def bars(*rows: BarRow, **settings: object) -> str:
    return stacked_bars(rows, parts=LEVELS, label="Levels", **settings)  # type: ignore[arg-type]


def widths(markup: str) -> list[list[float]]:
    """Return the widths of the parts of each lying bar."""
    rows = markup.split('<g class="row">')[1:]
    return [[float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', row)] for row in rows]


def test_parts_are_as_long_as_their_numbers_say() -> None:
    bridge, droid = widths(bars(*ROWS))
    assert len(bridge) == 4  # the part of zero is not drawn
    assert len(droid) == 5
    assert (bridge[1] + 1) / (bridge[0] + 1) == pytest.approx(2, rel=0.01)
    assert sum(bridge) + 4 == pytest.approx(520, abs=0.5)
    assert (sum(droid) + 5) / (sum(bridge) + 4) == pytest.approx(0.25, rel=0.01)


def test_shares_are_compared_over_one_length() -> None:
    bridge, droid = widths(bars(*ROWS, is_share=True))
    assert sum(bridge) + 4 == pytest.approx(sum(droid) + 5, abs=0.5)


def test_names_totals_and_parts_are_written() -> None:
    markup = bars(*ROWS)
    words = set(re.findall(r">([^<>]+)</text>", markup))
    assert {*LEVELS, "bridge", "100", "droid", "25 rows", "40"} <= words


def test_numbers_stand_only_in_parts_that_have_room() -> None:
    markup = bars(BarRow("a", (1, 1000, 0, 0, 0)))
    assert re.findall(r'class="in"[^>]*>([\d,]+)<', markup) == ["1,000"]


def test_five_parts_have_five_tints_and_fewer_are_spread_over_them() -> None:
    def tints(markup: str) -> list[str]:
        return re.findall(r'class="(part-\d)"', markup.split('<g class="row">')[1])

    assert tints(bars(BarRow("a", (1, 1, 1, 1, 1)))) == [f"part-{n}" for n in range(1, 6)]
    two = stacked_bars([BarRow("a", (1, 1))], parts=("no", "yes"), label="x")
    assert tints(two) == ["part-1", "part-5"]
    one = stacked_bars([BarRow("a", (1,))], parts=("examples",), label="x")
    assert tints(one) == ["part-5"]
    assert "examples" not in re.findall(r">([^<>]+)</text>", one)


def test_a_long_legend_goes_on_in_the_next_line() -> None:
    names = tuple(f"a rather long name {n}" for n in range(5))
    markup = stacked_bars([BarRow("a", (1, 1, 1, 1, 1))], parts=names, label="x")
    legend = markup.split('<g class="row">')[0]
    places = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', legend)
    assert len({y for _, y in places}) > 1
    assert all(float(x) + 8.2 * len(names[0]) < 540 for x, _ in places)


def test_columns_stand_on_the_axis_one_part_on_the_other() -> None:
    columns = [BarRow(str(n), (n, 2 * n)) for n in (1, 2, 4)]
    markup = column_chart(columns, parts=("low", "high"), label="Words", x_label="words")
    feet, heights = [], []
    for column in markup.split('<g class="column">')[1:]:
        boxes = re.findall(r' y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', column)
        (low_y, low_h), (high_y, high_h) = ((float(y), float(h)) for y, h in boxes)
        assert high_y + high_h == pytest.approx(low_y, abs=1)
        feet.append(low_y + low_h)
        heights.append(low_h + high_h)
    assert max(feet) - min(feet) < 0.3
    assert heights[2] / heights[0] == pytest.approx(4, rel=0.05)
    assert {"1", "2", "4", "words"} <= set(re.findall(r">([^<>]+)</text>", markup))


def test_many_columns_are_named_here_and_there() -> None:
    columns = [BarRow(f"n{n}", (n,)) for n in range(40)]
    markup = column_chart(columns, parts=("all",), label="x", x_label="y")
    named = re.findall(r">(n\d+)</text>", markup)
    assert named[0] == "n0"
    assert 5 <= len(named) <= 10


def test_charts_are_described_for_those_who_do_not_see_them(tags_of: Tags) -> None:
    about = tags_of(bars(*ROWS))[0][1]
    assert about["role"] == "img"
    assert about["aria-label"] == (
        "Levels. bridge: 100 (score 1 10, score 2 20, score 3 30, score 4 0, score 5 40); "
        "droid: 25 rows (score 1 5, score 2 5, score 3 5, score 4 5, score 5 5)"
    )


@pytest.mark.parametrize("is_column", [False, True])
def test_charts_without_rows_or_numbers_are_drawn_all_the_same(is_column: bool) -> None:
    for rows in ([], [BarRow("empty", (0, 0))]):
        if is_column:
            markup = column_chart(rows, parts=("a", "b"), label="x", x_label="y")
        else:
            markup = stacked_bars(rows, parts=("a", "b"), label="x", is_share=True)
        ElementTree.fromstring(markup)
        assert ("no values" in re.findall(r">([^<>]+)</text>", markup)) == (not rows)
        assert "nan" not in markup


def test_names_from_elsewhere_are_text(tags_of: Tags) -> None:
    rows = [BarRow("<script>x</script>", (1, 2), shown="<b>")]
    for markup in (
        stacked_bars(rows, parts=("<i>", "b"), label="<u>"),
        column_chart(rows, parts=("<i>", "b"), label="<u>", x_label="<s>"),
    ):
        assert not {"script", "b", "i", "u", "s"} & {tag for tag, _ in tags_of(markup)}
        assert not [attrs for _, attrs in tags_of(markup) if "style" in attrs]
        ElementTree.fromstring(markup)


def test_a_row_with_another_number_of_parts_is_an_error() -> None:
    with pytest.raises(ValueError):
        bars(BarRow("a", (1, 2)))
