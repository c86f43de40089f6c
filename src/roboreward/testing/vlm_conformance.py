"""Does a vision-language model keep the contract of `models.Vlm`? For our models and for plug-ins."""

import math
from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from roboreward.core import FrameSample
from roboreward.models import Ask, Decoding, Reply, ReplyStatus, Vlm
from roboreward.testing.conformance import ConformanceError
from roboreward.testing.synthetic import synthetic_queries

_ROUNDING = 0.01
_DRAWN = Decoding(num_samples=3, temperature=1.0, max_new_tokens=16)
_GREEDY = Decoding(max_new_tokens=16)


def check_vlm(vlm: Vlm, *, is_deterministic: bool = True) -> None:
    """Check that a model keeps the contract of `models.Vlm`. Four calls of three to five questions.

    Checked: the attributes; no questions give no replies; as many replies as questions, in their order; known statuses,
    with a reason where there is no text; one probability a choice; logarithms of probabilities that are none above 1,
    alone or together; `has_logprobs`; no more texts than samples; questions that cannot be answered (frames 400 times
    as long as wide, no parts at all, an empty choice) cost nobody else's answer; and, for a deterministic model, the
    same answers in another order. Not checked: that the answers are any good. An exception that the model lets out
    passes through.

    Args:
        vlm: The model, loaded.
        is_deterministic: False for a model that samples or sits behind an API.

    Raises:
        ConformanceError: With everything that was found.
    """
    findings = list(_attribute_findings(vlm))
    if not findings:
        findings += dict.fromkeys(_answer_findings(vlm, is_deterministic))
    if findings:
        name = str(getattr(vlm, "name", type(vlm).__name__))
        raise ConformanceError(name, findings, contract="a vision-language model")


def _attribute_findings(vlm: Vlm) -> Iterator[str]:
    if not isinstance(vlm, Vlm):
        yield "it lacks one of: name, revision, has_logprobs, ask"
        return
    for field in ("name", "revision"):
        value = getattr(vlm, field)
        if not isinstance(value, str) or not value or not value.isprintable():
            yield f"{field} must be a printable text, got {value!r}"
        if getattr(vlm, field) != value:
            yield f"{field} changes from one look to the next"
    if not isinstance(vlm.has_logprobs, bool):
        yield f"has_logprobs must be True or False, got {vlm.has_logprobs!r}"


def _asks() -> list[Ask]:
    """Questions that are told apart by their number of choices, of which none begins another."""
    choices = ((" 1", " 2"), (" A", " B", " C"), (" True", " False", " Yes", " No"))
    return [
        Ask(
            (query.sample, f"{query.task}. Which is it?"),
            prefix="ANSWER:",
            choices=offered,
            ask_id=query.query_id,
        )
        for query, offered in zip(synthetic_queries(3, size_px=64), choices, strict=True)
    ]


def _bad_asks() -> list[Ask]:
    sliver = FrameSample.from_array(np.zeros((2, 400, 1, 3), np.uint8))
    return [
        Ask((sliver, "what is this?"), ask_id="sliver"),
        Ask((), ask_id="nothing"),
        Ask(("is it?",), choices=("",), ask_id="empty choice"),
    ]


def _answer_findings(vlm: Vlm, is_deterministic: bool) -> Iterator[str]:
    if vlm.ask([], _GREEDY) != []:
        yield "no questions must give an empty list"
    asks = _asks()
    replies = vlm.ask(asks, _GREEDY)
    if len(replies) != len(asks):
        yield f"{len(asks)} questions gave {len(replies)} replies"
        return
    for ask, reply in zip(asks, replies, strict=True):
        yield from _reply_findings(ask, reply, num_samples=1)
    yield from _told_findings(vlm, replies)
    for ask, reply in zip(asks, vlm.ask(asks, _DRAWN), strict=False):
        yield from _reply_findings(ask, reply, num_samples=_DRAWN.num_samples)
    yield from _company_findings(vlm, asks, replies, is_deterministic)


def _reply_findings(ask: Ask, reply: Reply, *, num_samples: int) -> Iterator[str]:
    who = f"the reply to {ask.ask_id}"
    if reply.status not in get_args(ReplyStatus):
        yield f"{who} has the unknown status {reply.status!r}"
    if reply.status == "failed" and not reply.reason:
        yield f"{who} does not say why it failed"
    if len(reply.texts) > num_samples:
        yield f"{who} has {len(reply.texts)} texts of {num_samples} samples"
    if reply.status == "ok" and ask.is_text_wanted and not reply.texts:
        yield f"{who} has no text, though one was wanted"
    given = reply.choice_logprobs
    if given is not None and len(given) != len(ask.choices):
        yield f"{who} has {len(given)} probabilities for {len(ask.choices)} choices: are the replies in order?"
    for logprobs in (given or (), *(token.alternatives.values() for token in reply.tokens)):
        yield from _logprob_findings(who, list(logprobs))


def _logprob_findings(who: str, logprobs: Sequence[float]) -> Iterator[str]:
    wrong = [p for p in logprobs if math.isnan(p) or p > _ROUNDING]
    if wrong:
        yield f"{who} gives {wrong[0]} as the logarithm of a probability"
    elif sum(map(math.exp, logprobs)) > 1 + _ROUNDING:
        yield f"{who} gives probabilities that add up to more than 1"


def _told_findings(vlm: Vlm, replies: Sequence[Reply]) -> Iterator[str]:
    answered = [reply for reply in replies if reply.status in ("ok", "truncated")]
    told = [
        reply.choice_logprobs is not None or any(token.alternatives for token in reply.tokens)
        for reply in answered
    ]
    if vlm.has_logprobs and answered and not any(told):
        yield "has_logprobs is True, and no reply carries probabilities"
    if not vlm.has_logprobs and any(told):
        yield "has_logprobs is False, and a reply carries probabilities"


def _company_findings(
    vlm: Vlm, asks: Sequence[Ask], replies: Sequence[Reply], is_deterministic: bool
) -> Iterator[str]:
    first, nothing, empty = _bad_asks()
    mixed = vlm.ask([first, asks[0], nothing, *asks[1:], empty], _GREEDY)
    if len(mixed) != len(asks) + 3:
        yield f"with three bad questions among them, {len(asks) + 3} questions gave {len(mixed)} replies"
        return
    others = [mixed[1], *mixed[3:-1]]
    lost = [b.status != a.status for a, b in zip(replies, others, strict=True)]
    changed = [_said(a) != _said(b) for a, b in zip(replies, others, strict=True)]
    if any(lost) or (is_deterministic and any(changed)):
        yield "bad questions among them changed the answers to the others"
    if is_deterministic:
        backwards = vlm.ask(asks[::-1], _GREEDY)
        if [_said(reply) for reply in backwards] != [_said(reply) for reply in replies[::-1]]:
            yield "the answers depend on the order of the questions"


def _said(reply: Reply) -> tuple[str, tuple[str, ...], int | None]:
    """What must not change: numbers may, by rounding."""
    given = reply.choice_logprobs
    return reply.status, reply.texts, None if given is None else len(given)
