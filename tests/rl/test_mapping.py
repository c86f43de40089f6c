"""A verdict becomes a reward by a named rule, or becomes none at all."""

from typing import get_args

import pytest

from roboreward.core import Score, Status, UnknownName, UsageError, Verdict
from roboreward.rl.mapping import REWARD_MAPPINGS, RewardMapping, reward_of

UNSURE = Verdict.from_probs((0.1, 0.1, 0.2, 0.4, 0.2), source="head")


@pytest.mark.parametrize(("score", "reward"), [(1, 0.0), (2, 0.25), (3, 0.5), (4, 0.75), (5, 1.0)])
def test_progress_goes_from_zero_to_one_in_quarters(score: Score, reward: float) -> None:
    assert reward_of(Verdict.scored(score)) == reward


@pytest.mark.parametrize(
    ("mapping", "reward"),
    [("progress", 0.75), ("expected", 0.625), ("success_prob", 0.6), ("success", 1.0)],
)
def test_each_mapping_reads_its_part_of_the_distribution(
    mapping: RewardMapping, reward: float
) -> None:
    assert reward_of(UNSURE, mapping) == pytest.approx(reward)


@pytest.mark.parametrize(("threshold", "rewards"), [(4, [0, 0, 0, 1, 1]), (5, [0, 0, 0, 0, 1])])
def test_success_starts_at_the_threshold(threshold: int, rewards: list[float]) -> None:
    verdicts = [Verdict.scored(score) for score in (1, 2, 3, 4, 5)]
    assert [reward_of(v, "success", success_score=threshold) for v in verdicts] == rewards


def test_the_probability_of_success_follows_the_threshold() -> None:
    assert reward_of(UNSURE, "success_prob", success_score=5) == pytest.approx(0.2)
    assert reward_of(UNSURE, "success_prob", success_score=2) == pytest.approx(0.9)


def test_a_probability_of_success_without_a_distribution_is_enough_for_the_usual_threshold() -> (
    None
):
    verdict = Verdict(status="scored", score=4, success_prob=0.7, model="half-open")
    assert reward_of(verdict, "success_prob") == 0.7
    with pytest.raises(UsageError, match="'half-open' gave the score 4 without a distribution"):
        reward_of(verdict, "success_prob", success_score=5)


@pytest.mark.parametrize("mapping", REWARD_MAPPINGS)
@pytest.mark.parametrize("status", [s for s in get_args(Status) if s != "scored"])
def test_no_verdict_without_a_score_becomes_a_number(
    status: Status, mapping: RewardMapping
) -> None:
    assert reward_of(Verdict.without_score(status, "because"), mapping) is None


@pytest.mark.parametrize("mapping", ["expected", "success_prob"])
def test_a_mapping_of_the_distribution_says_so_when_there_is_none(mapping: RewardMapping) -> None:
    with pytest.raises(UsageError, match=rf'"{mapping}" needs.*"progress" or "success"'):
        reward_of(Verdict.scored(3, model="mock:3"), mapping)


def test_an_unknown_mapping_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean progress"):
        reward_of(Verdict.without_score("failed", "because"), "progres")  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [1, 6, "4"])
def test_a_threshold_that_is_no_score_is_refused(threshold: int) -> None:
    with pytest.raises(UsageError, match="give 2, 3, 4 or 5"):
        reward_of(UNSURE, "success", success_score=threshold)
