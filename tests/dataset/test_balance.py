"""The balance keeps as many rows as its target allows, with the shares that it asks for."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roboreward.core import UsageError
from roboreward.dataset import Balance
from roboreward.dataset.balance import balanced_counts

Kinds = list[dict[str, str]]


def kinds_of(*cells: tuple[str, str, str]) -> Kinds:
    return [dict(zip(("source", "origin", "level"), cell, strict=True)) for cell in cells]


def shares(name: str, kinds: Kinds, counts: list[int]) -> dict[str, float]:
    total, found = sum(counts), dict[str, float]()
    for kind, num in zip(kinds, counts, strict=True):
        found[kind[name]] = found.get(kind[name], 0) + num / total
    return found


FIVE = kinds_of(*(("a", "rollout", str(level)) for level in range(1, 6)))


def test_an_even_target_keeps_as_many_of_each_as_there_are_of_the_rarest():
    kept = balanced_counts(Balance(level="even"), FIVE, [10, 20, 7, 40, 100], where="train")
    assert kept == [7, 7, 7, 7, 7]


def test_named_shares_are_met_and_what_is_not_named_gets_nothing():
    target = Balance(level={"1": 0.5, "5": 0.5})
    kept = balanced_counts(target, FIVE, [10, 20, 7, 40, 100], where="train")
    assert kept == [10, 0, 0, 0, 10]


def test_a_limit_alone_keeps_the_shares_that_are_there():
    kept = balanced_counts(Balance(max_rows=50), FIVE, [100, 100, 100, 100, 100], where="train")
    assert kept == [10, 10, 10, 10, 10]


def test_a_limit_above_what_is_there_changes_nothing():
    assert balanced_counts(Balance(max_rows=500), FIVE, [1, 2, 3, 4, 5], where="t") == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_two_dimensions_are_met_together():
    kinds = kinds_of(("a", "x", "1"), ("a", "x", "5"), ("b", "x", "1"), ("b", "x", "5"))
    target = Balance(level={"1": 0.5, "5": 0.5}, source={"a": 0.25, "b": 0.75})
    counts = [300, 30, 30, 300]
    kept = balanced_counts(target, kinds, counts, where="train")
    # With n rows, source b gives n / 4 too many of level 5 that source a must not give: 30 <= n / 4 + 30 ... n = 120.
    assert sum(kept) == pytest.approx(120, abs=2)
    assert shares("level", kinds, kept) == pytest.approx({"1": 0.5, "5": 0.5}, abs=0.01)
    assert shares("source", kinds, kept) == pytest.approx({"a": 0.25, "b": 0.75}, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(50, 5000), min_size=18, max_size=18))
def test_no_kind_gives_more_than_it_has_and_every_share_holds(counts: list[int]):
    cells = [(s, o, v) for s in "abc" for o in ("clip", "rollout") for v in "135"]
    kinds = kinds_of(*cells)
    target = Balance(level="even", origin={"clip": 0.3, "rollout": 0.7}, source="even")
    kept = balanced_counts(target, kinds, counts, where="train")
    assert all(0 <= k <= n for k, n in zip(kept, counts, strict=True))
    assert shares("level", kinds, kept) == pytest.approx(dict.fromkeys("135", 1 / 3), abs=0.01)
    assert shares("source", kinds, kept) == pytest.approx(dict.fromkeys("abc", 1 / 3), abs=0.01)
    assert shares("origin", kinds, kept)["clip"] == pytest.approx(0.3, abs=0.01)


def test_the_choice_is_the_largest_that_brute_force_finds():
    kinds = kinds_of(("a", "x", "1"), ("a", "x", "5"), ("b", "x", "1"), ("b", "x", "5"))
    counts = [9, 3, 4, 12]
    target = Balance(level="even", source="even")
    best = 0
    for w in np.ndindex(*(n + 1 for n in counts)):
        a1, a5, b1, b5 = w
        if a1 + a5 == b1 + b5 == a1 + b1 == a5 + b5:
            best = max(best, sum(w))
    assert abs(sum(balanced_counts(target, kinds, counts, where="train")) - best) <= 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=6, max_size=6),
    st.sampled_from(
        [{"level": "even", "source": "even"}, {"level": "even", "source": {"a": 0.25, "b": 0.75}}]
    ),
)
def test_no_choice_is_larger_also_where_kinds_must_be_left_out(counts: list[int], target: dict):
    kinds = kinds_of(*((s, "x", v) for s in "ab" for v in "135"))
    present = {k["level"] for k, n in zip(kinds, counts, strict=True) if n}
    sources = {k["source"] for k, n in zip(kinds, counts, strict=True) if n}
    assume(len(present) == 3 and len(sources) == 2)
    shares_of = {"a": 0.5, "b": 0.5} if target["source"] == "even" else target["source"]
    best = 0
    for kept in itertools.product(*(range(n + 1) for n in counts)):
        total = sum(kept)
        levels = [kept[i] + kept[i + 3] for i in range(3)]
        if len(set(levels)) == 1 and sum(kept[:3]) == shares_of["a"] * total:
            best = max(best, total)
    try:
        found = balanced_counts(Balance.model_validate(target), kinds, counts, where="train")
    except UsageError:
        found = [0]
    # A fraction of a row may be gained or lost in each kind.
    assert sum(found) >= best - 3
    assert all(0 <= k <= n for k, n in zip(found, counts, strict=False))


def test_kinds_that_must_be_left_out_do_not_stand_in_the_way():
    cells = [(s, o, v) for s in "a" for o in ("rollout", "clip", "original") for v in "12345"]
    kinds = kinds_of(*cells)
    counts = [1000 if (o, v) != ("clip", "5") else 10 for _, o, v in cells]
    target = Balance(level="even", origin={"rollout": 0.5, "clip": 0.3, "original": 0.2})
    kept = balanced_counts(target, kinds, counts, where="train")
    assert sum(kept) > 4900
    few = kinds_of(*((("a", "clip", v)) for v in "1234"), ("a", "rollout", "5"))
    kept = balanced_counts(
        Balance(level="even", origin={"clip": 0.8, "rollout": 0.2}), few, [25] * 5, where="train"
    )
    assert kept == [25] * 5


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"level": {"2": 0.5, "5": 0.5}}, "50% of level '2' in train, and there is no such row"),
        ({"source": {"bridge": 1.0}}, "'bridge'.*There are: a, b"),
        ({"level": {"1": 1.0}, "source": {"b": 1.0}}, "No row of train can be kept"),
    ],
)
def test_a_target_out_of_reach_says_what_is_missing(target: dict, says: str):
    kinds = kinds_of(("a", "x", "1"), ("b", "x", "5"))
    with pytest.raises(UsageError, match=says):
        balanced_counts(Balance.model_validate(target), kinds, [5, 5], where="train")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"level": {"1": 0.5}}, "add up to 1"),
        ({"level": {"1": 1.5, "2": -0.5}}, "negative"),
        ({"level": {"6": 1.0}}, "levels are 1 to 5"),
        ({"max_rows": 0}, "greater than or equal to 1"),
        ({"levels": "even"}, "levels"),
    ],
)
def test_a_wrong_target_is_refused(target: dict, says: str):
    with pytest.raises(ValueError, match=says):
        Balance.model_validate(target)
