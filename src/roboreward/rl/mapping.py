"""From a verdict to the float that a learner is given, by a named mapping."""

from typing import Final, Literal, get_args

from roboreward.core import (
    SCORES,
    SUCCESS_SCORE,
    UnknownName,
    UsageError,
    Verdict,
    progress_of,
    shorten,
)

RewardMapping = Literal["progress", "expected", "success_prob", "success"]
"""How a verdict becomes a reward in [0, 1].

progress      (score - 1) / 4, the convention of the field for five levels
expected      the same for the mean of the distribution: finer, needs a distribution
success_prob  the probability of a score of `success_score` or more: needs a distribution
success       1.0 for a score of `success_score` or more, else 0.0
"""

REWARD_MAPPINGS: Final[tuple[RewardMapping, ...]] = get_args(RewardMapping)
NEED_DISTRIBUTION: Final[frozenset[RewardMapping]] = frozenset({"expected", "success_prob"})


def reward_of(
    verdict: Verdict, mapping: RewardMapping = "progress", *, success_score: int = SUCCESS_SCORE
) -> float | None:
    """Return the reward of a verdict, in [0, 1], or None when the verdict is not `scored`.

    None is not zero: a learner that is told 0 for an attempt nobody could judge learns to avoid what it did there.

    Args:
        verdict: The answer of a reward model.
        mapping: See `RewardMapping`.
        success_score: Lowest score, 2..5, that counts as a success in "success" and "success_prob".

    Raises:
        UnknownName: There is no such mapping.
        UsageError: The mapping needs a distribution and the verdict has a score but no distribution, or
            `success_score` is out of range.
    """
    check_mapping(mapping)
    check_success_score(success_score)
    if verdict.score is None or verdict.progress is None:
        return None
    if mapping == "progress":
        return verdict.progress
    if mapping == "success":
        return float(verdict.score >= success_score)
    if mapping == "expected":
        return progress_of(_expected(verdict))
    return _success_prob(verdict, success_score)


def check_mapping(mapping: str) -> RewardMapping:
    """Return `mapping` if there is one of that name.

    Raises:
        UnknownName: There is not; the message offers the nearest names.
    """
    for known in REWARD_MAPPINGS:
        if mapping == known:
            return known
    raise UnknownName("reward mapping", mapping, REWARD_MAPPINGS)


def check_success_score(success_score: int) -> int:
    """Return `success_score` if it is one of 2..5; 1 would call every attempt a success.

    Raises:
        UsageError: It is not.
    """
    if success_score not in SCORES[1:]:
        raise UsageError(f"success_score is {shorten(success_score)!r}; give 2, 3, 4 or 5.")
    return success_score


def _expected(verdict: Verdict) -> float:
    if verdict.expected is None:
        raise _no_distribution(verdict, "expected")
    return verdict.expected


def _success_prob(verdict: Verdict, success_score: int) -> float:
    # A model may know the probability of success without a full distribution, but only for the usual threshold.
    if success_score == SUCCESS_SCORE and verdict.success_prob is not None:
        return verdict.success_prob
    if verdict.probs is None:
        raise _no_distribution(verdict, "success_prob")
    return min(1.0, sum(verdict.probs[success_score - 1 :]))


def _no_distribution(verdict: Verdict, mapping: RewardMapping) -> UsageError:
    who = f"The model {verdict.model!r}" if verdict.model else "The model"
    return UsageError(
        f'{who} gave the score {verdict.score} without a distribution, which mapping "{mapping}" needs. '
        'Use mapping "progress" or "success", or a model that offers a distribution.'
    )
