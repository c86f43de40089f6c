"""The table in a terminal and as data."""

import io
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console

from roboreward.bench import print_table, table_data

Make = Callable[..., Any]
GOOD = [(i % 5 + 1, i % 5 + 1) for i in range(20)]
FLAT = [(i % 5 + 1, 3) for i in range(20)]


def printed(results: list[Any]) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_table(results, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_lowest_error_comes_first_with_floors_in_the_same_table(make_result: Make) -> None:
    text = printed([make_result(FLAT, model="floor:constant-3"), make_result(GOOD, model="nano")])
    lines = [line for line in text.splitlines() if line.startswith(("nano", "floor"))]
    assert lines[0].startswith("nano")
    assert "0.000  [0.00, 0.00]" in lines[0]
    assert "1.200" in lines[1]
    assert "separable from all others" in text


def test_what_numbers_would_hide_is_said(make_result: Make) -> None:
    rows = [*GOOD[:4], (1, "failed")]
    text = printed([make_result(rows, model="a", num_examples=9)])
    assert "too few for intervals" in text
    assert "1 of 5 calls failed" in text
    assert "4 of 9 examples missing" in text


def test_a_model_name_cannot_style_or_break_the_table(make_result: Make) -> None:
    text = printed([make_result(GOOD, model="[red]x[/red]")])
    assert "[red]x[/red]" in text


def test_a_model_name_is_no_emoji(make_result: Make) -> None:
    results = [make_result([*GOOD, (1, "failed")], model="openai:m"), make_result(FLAT)]
    text = printed(results)
    assert "openai:m: 1 of 21 calls failed" in text
    assert "(openai:m)" in text


def test_runs_on_two_sets_make_two_tables(make_result: Make) -> None:
    results = [make_result(GOOD), make_result(FLAT, set_hash="other")]
    assert printed(results).count("20 examples") == 2
    assert len(table_data(results)["sets"]) == 2


def test_the_data_form_is_json_and_holds_runs_and_comparison(make_result: Make) -> None:
    results = [make_result(FLAT, model="floor:constant-3"), make_result(GOOD, model="nano")]
    data = json.loads(json.dumps(table_data(results), allow_nan=False))["sets"][0]
    assert [run["model"] for run in data["runs"]] == ["nano", "floor:constant-3"]
    assert data["runs"][1]["estimates"]["mae"]["value"] == 1.2
    assert data["comparison"][1]["behind_best"]["value"] == 1.2
