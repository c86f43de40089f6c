"""Reading a reply to a question for a score of 1 to 5: probabilities first, then texts."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from roboreward.core import SCORES, Probs, Verdict
from roboreward.judge import parse
from roboreward.models.asking import Reply
from roboreward.models.replies import alternatives_behind, mass_of, why_unreadable

PREFIX: Final = "ANSWER:"
"""What the published checkpoints were trained to begin with (see judge/prompts)."""
MIN_MASS: Final = 0.01
"""Least share of all probability that must lie on the answers that were asked for. Below it the model was about to say
something else, and what little it left to them is no opinion."""
MIN_READ_FRAC: Final = 0.5
"""Least share of an answer's samples that must be readable: a few of many are a choice of those that suit."""
READER: Final = "read-v2"
"""The rules of this file, a part of the revision of whatever reads by them. Version 1 took any mass and any share."""
CHOICES: Final = tuple(f"{space}{score}" for space in (" ", "") for score in SCORES)
"""Both ways to write a score behind the prefix: tokenizers differ in whether the space belongs to the digit."""


class Reading(NamedTuple):
    """What one reply says of one criterion.

    Attributes:
        probs: A distribution, or None.
        is_from_logprobs: Whether it is the model's own, and not the share of its samples.
        failure: The verdict that says why there is no distribution.
        read_frac: The share of the reply's samples that could be read.
    """

    probs: Probs | None
    is_from_logprobs: bool = False
    failure: Verdict | None = None
    read_frac: float = 1.0


def read_score(reply: Reply) -> Reading:
    """Return what a reply to a question for a score says: its probabilities, else the share of each score in its texts.

    Probabilities count only if the five scores have `MIN_MASS` of all together; where the choices have less, a text
    that came with them is read. A text counts only if `parse-v1` finds one score in it: a digit somewhere else is not
    an answer. Of several, `MIN_READ_FRAC` must count.
    """
    failure = why_unreadable(reply, num_choices=len(CHOICES))
    if failure is not None:
        return _no(failure)
    if reply.choice_logprobs is not None:
        mass = [mass_of(CHOICES, reply.choice_logprobs, str(score)) for score in SCORES]
        if sum(mass) >= MIN_MASS:
            return Reading(scaled(mass), is_from_logprobs=True)
        if not reply.texts:
            return _no(too_little(sum(mass), "the scores 1 to 5"))
    mass = _likely_scores(reply)
    if 0 < sum(mass) < MIN_MASS:
        return _no(too_little(sum(mass), "the scores 1 to 5"))
    if sum(mass) > 0:
        return Reading(scaled(mass), is_from_logprobs=True)
    return _read_texts(reply)


def too_little(mass: float, answers: str) -> Verdict:
    """Return the verdict on a reply that leaves the answers less than `MIN_MASS`."""
    reason = f"The model was about to say something else: {answers} together have probability {mass:.2g}."
    return Verdict.without_score("unparsed", reason)


def too_few(num_read: int, num: int, reason: str | None) -> Verdict:
    """Return the verdict on an answer of which less than `MIN_READ_FRAC` of the samples can be read.

    Args:
        num_read: How many can be.
        num: How many there are.
        reason: Why the first of the others cannot be.
    """
    text = f"{num_read} of {num} samples can be read, and at least half must be. One that cannot: {reason}"
    return Verdict.without_score("unparsed", text)


def _read_texts(reply: Reply) -> Reading:
    texts = reply.texts or ("",)
    was_cut = "length" if reply.status == "truncated" else None
    read = [parse(text, finish_reason=was_cut) for text in texts]
    scores = [verdict.score for verdict in read if verdict.score is not None]
    failures = [verdict for verdict in read if verdict.score is None]
    if failures and len(texts) == 1:
        return _no(failures[0])
    if len(scores) < MIN_READ_FRAC * len(texts):
        return _no(too_few(len(scores), len(texts), failures[0].reason))
    share = len(scores) / len(texts)
    return Reading(scaled([scores.count(score) for score in SCORES]), read_frac=share)


def _no(failure: Verdict) -> Reading:
    return Reading(None, failure=failure, read_frac=0.0)


def _likely_scores(reply: Reply) -> list[float]:
    """The probabilities at the place of the score, where the text has one score and tokens tell; else zeros.

    Alternatives without any score say nothing, for not every server puts the token that was drawn among them.
    """
    digits = [str(score) for score in SCORES]
    if len(reply.texts) != 1 or not parse(reply.texts[0]).is_scored:
        return [0.0] * len(digits)
    found = alternatives_behind(reply.tokens, PREFIX, digits)
    return [mass_of(found.keys(), found.values(), digit) for digit in digits]


def scaled(mass: Sequence[float]) -> Probs:
    """Return five weights, not all 0, as a distribution."""
    total = sum(mass)
    one, two, three, four, five = (part / total for part in mass)
    return one, two, three, four, five
