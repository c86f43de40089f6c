"""Reading a reply to a question for a score of 1 to 5: probabilities first, then texts."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from roboreward.core import SCORES, Probs, Verdict
from roboreward.judge import parse
from roboreward.models.asking import Reply
from roboreward.models.replies import alternatives_behind, mass_of, why_unreadable

PREFIX: Final = "ANSWER:"
"""What the published checkpoints were trained to begin with (see judge/prompts)."""
CHOICES: Final = tuple(f"{space}{score}" for space in (" ", "") for score in SCORES)
"""Both ways to write a score behind the prefix: tokenizers differ in whether the space belongs to the digit."""


class Reading(NamedTuple):
    """What one reply says of one criterion: a distribution, or the verdict that says why there is none."""

    probs: Probs | None
    is_from_logprobs: bool = False
    failure: Verdict | None = None


def read_score(reply: Reply) -> Reading:
    """Return what a reply to a question for a score says: its probabilities, else the share of each score in its texts.

    A text counts only if `parse-v1` finds one score in it: a digit somewhere else is not an answer.
    """
    failure = why_unreadable(reply, num_choices=len(CHOICES))
    if failure is not None:
        return Reading(None, failure=failure)
    if reply.choice_logprobs is not None:
        mass = [mass_of(CHOICES, reply.choice_logprobs, str(score)) for score in SCORES]
        if sum(mass) > 0:
            return Reading(scaled(mass), is_from_logprobs=True)
        if not reply.texts:
            reason = "None of the scores 1 to 5 has any probability."
            return Reading(None, failure=Verdict.without_score("unparsed", reason))
    likely = _likely_scores(reply)
    if likely is not None:
        return Reading(likely, is_from_logprobs=True)
    was_cut = "length" if reply.status == "truncated" else None
    read = [parse(text, finish_reason=was_cut) for text in reply.texts or ("",)]
    scores = [verdict.score for verdict in read if verdict.score is not None]
    if not scores:
        return Reading(None, failure=read[0])
    return Reading(scaled([scores.count(score) for score in SCORES]))


def _likely_scores(reply: Reply) -> Probs | None:
    """The probabilities at the place of the score, where the text has one score and tokens tell what was likely."""
    if len(reply.texts) != 1 or not parse(reply.texts[0]).is_scored:
        return None
    digits = [str(score) for score in SCORES]
    found = alternatives_behind(reply.tokens, PREFIX, digits)
    mass = [mass_of(found.keys(), found.values(), digit) for digit in digits]
    return scaled(mass) if sum(mass) > 0 else None


def scaled(mass: Sequence[float]) -> Probs:
    """Return five weights, not all 0, as a distribution."""
    total = sum(mass)
    one, two, three, four, five = (part / total for part in mass)
    return one, two, three, four, five
