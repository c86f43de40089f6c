import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roboreward.core import SCORES, Verdict
from roboreward.judge import PARSE_V1, helm_error, parse, parse_helm

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "golden" / "answers.jsonl").read_text().splitlines()
]
ANY_TEXT = st.text(st.characters(), max_size=200)
PIECES = st.sampled_from(
    [
        "ANSWER",
        ":",
        " ",
        "\n",
        "4",
        "7",
        "3.5",
        "/5",
        " or ",
        "-",
        "**",
        "<score>",
        "<think>",
        "</think>",
        "a",
        "\ud800",
    ]
)


@pytest.mark.parametrize(
    "row", GOLDEN, ids=lambda row: f"{row['text'][:40]!r}-{row['finish_reason']}"
)
def test_every_golden_answer_is_read_as_written_down(row):
    verdict = parse(row["text"], finish_reason=row["finish_reason"])
    assert (verdict.status, verdict.score) == (row["status"], row["score"]), verdict.reason
    assert verdict.raw_text == row["text"]
    assert verdict.parser == PARSE_V1


def test_every_golden_answer_has_the_authors_value_too():
    wrong = [row for row in GOLDEN if parse_helm(row["text"]).value != row["helm"]]
    assert wrong == []


def test_the_golden_table_is_large_and_covers_every_status_of_the_parser():
    assert len(GOLDEN) >= 60
    seen = {row["status"] for row in GOLDEN}
    assert seen == {"scored", "unparsed", "out_of_range", "refused", "empty", "truncated"}
    cases = [(row["text"], row["finish_reason"]) for row in GOLDEN]
    assert len(set(cases)) == len(cases)


@given(
    text=ANY_TEXT | st.lists(PIECES, max_size=30).map("".join),
    finish=st.none() | st.sampled_from(["stop", "length"]),
)
@settings(max_examples=150, deadline=None)
@example(text="ANSWER: " + "9" * 6000, finish=None)
@example(text="ANSWER: 4\ud800", finish=None)
def test_any_text_gives_a_verdict_that_can_be_stored(text, finish):
    verdict = parse(text, finish_reason=finish)
    assert (verdict.score in SCORES) == (verdict.status == "scored")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    parse_helm(text)


@given(
    text=st.text(
        st.characters(exclude_categories=["Nd"], exclude_characters="0123456789"), max_size=200
    )
)
@settings(max_examples=50, deadline=None)
def test_a_text_without_digits_is_never_scored(text):
    assert parse(f"ANSWER: {text}").status in {"unparsed", "refused"}


@given(before=ANY_TEXT, score=st.sampled_from(SCORES))
@settings(max_examples=50, deadline=None)
def test_a_clean_last_line_decides_whatever_stands_before_it(before, score):
    assert parse(f"{before}</think>\nANSWER: {score}").score == score


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("ANSWER: " * 130_000, "unparsed"),
        ("ANSWER: 4 or " * 80_000, "scored"),
        ("ANSWER" + " " * 1_000_000, "unparsed"),
        ("ANSWER: 4" + " " * 1_000_000 + "x", "scored"),
        ("ANSWER: " + "*" * 1_000_000, "unparsed"),
        ("ANSWER: " + "1" * 1_000_000, "out_of_range"),
        ("ANSWER: 0." + "0" * 1_000_000, "out_of_range"),
        ("ANSWER: 4" + ",(-" * 300_000 + "5", "scored"),
        ("I'm sorry, " + "but " * 250_000, "unparsed"),
        ("\uff21" * 500_000, "unparsed"),
        ("<think>" * 150_000 + "</think>" * 10, "unparsed"),
    ],
    ids=lambda value: value[:14],
)
def test_a_hostile_megabyte_is_read_all_the_same(text, status):
    """Anything worse than linear would not come back from these in hours."""
    assert parse(text).status == status


def test_no_text_at_all_is_empty_and_stays_none():
    verdict = parse(None)
    assert (verdict.status, verdict.raw_text) == ("empty", None)


def test_the_reason_names_the_bad_value():
    assert "10" in (parse("ANSWER: 10").reason or "")
    assert "4 or 5" in (parse("ANSWER: 4 or 5").reason or "")


def test_half_a_surrogate_pair_is_written_out_because_no_file_could_hold_it():
    assert parse("ANSWER: 4 \ud83d").raw_text == "ANSWER: 4 \\ud83d"


def test_the_authors_error_is_four_when_unparsed_and_not_clamped_otherwise():
    assert helm_error(parse_helm("no idea"), 3) == 4
    assert helm_error(parse_helm("ANSWER: 10"), 3) == 7
    assert helm_error(parse_helm("answer: 2"), 5) == 3
    assert parse_helm("ANSWER: " + "9" * 400).value is None
