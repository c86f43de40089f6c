"""A bad answer is never a score."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roboreward.core import SCORES, Status, Verdict, progress_of


@pytest.mark.parametrize("status", [s for s in get_args(Status) if s != "scored"])
def test_no_status_but_scored_can_carry_a_score(status: Status) -> None:
    with pytest.raises(ValidationError, match="never a score"):
        Verdict(status=status, score=3, reason="why")
    verdict = Verdict.without_score(status, "why")
    assert verdict.score is None
    assert verdict.progress is None


def test_a_missing_score_needs_a_reason_and_scored_needs_a_score() -> None:
    with pytest.raises(ValidationError, match="needs a reason"):
        Verdict(status="refused")
    with pytest.raises(ValidationError, match="never a score"):
        Verdict(status="scored")


@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5))
def test_what_follows_from_a_distribution_agrees_with_it(weights: list[float]) -> None:
    a, b, c, d, e = (w / math.fsum(weights) for w in weights)
    verdict = Verdict.from_probs((a, b, c, d, e), source="head")
    assert verdict.score is not None
    assert (a, b, c, d, e)[verdict.score - 1] == max(a, b, c, d, e)
    assert verdict.expected == pytest.approx(a + 2 * b + 3 * c + 4 * d + 5 * e)
    assert verdict.success_prob == pytest.approx(d + e)


def test_probabilities_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValidationError, match="add up to"):
        Verdict.from_probs((0.5, 0.5, 0.5, 0, 0), source="head")


def test_a_verdict_survives_json() -> None:
    verdict = Verdict.from_probs((0.1, 0.2, 0.3, 0.2, 0.2), source="head", model="nano")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_progress_runs_from_zero_to_one() -> None:
    assert [progress_of(s) for s in SCORES] == [0, 0.25, 0.5, 0.75, 1]
