"""The checker of vision-language models finds what is broken, and passes what is not."""

import math
from dataclasses import replace

import pytest

from roboreward.models import Reply, Token
from roboreward.testing import BAD_REPLIES, ConformanceError, ScriptedVlm, check_vlm


def answer(ask):
    if not ask.parts or "" in ask.choices:
        return BAD_REPLIES["failed"]
    return {choice: 0.9 / max(1, len(ask.choices)) for choice in ask.choices} or "nothing"


class Good(ScriptedVlm):
    """Keeps the contract; the classes below break it in one way each."""

    def __init__(self, has_logprobs=True):
        super().__init__(answer, has_logprobs=has_logprobs, name="good")

    def ask(self, asks, decoding):
        return [self.one(reply) for reply in super().ask(asks, decoding)]

    def one(self, reply):
        return reply


class NoRevision(Good):
    revision = ""

    def __init__(self):
        self.rule, self.has_logprobs, self.name = answer, True, "good"
        self.asked, self.decodings = [], []


class MaybeLogprobs(Good):
    def __init__(self):
        super().__init__(has_logprobs=None)


class NoneForNothing(Good):
    def ask(self, asks, decoding):
        return super().ask(asks, decoding) if asks else None


class Loses(Good):
    def ask(self, asks, decoding):
        return super().ask(asks, decoding)[:-1]


class LosesBadOnes(Good):
    def ask(self, asks, decoding):
        return super().ask([ask for ask in asks if ask.parts], decoding)


class Swaps(Good):
    def ask(self, asks, decoding):
        return super().ask(asks, decoding)[::-1]


class SwapsTexts(Good):
    """Replies without probabilities can be told apart by repeating them backwards."""

    def __init__(self):
        super().__init__(has_logprobs=False)

    def ask(self, asks, decoding):
        return [Reply("ok", (f"ANSWER: {i}",)) for i, _ in enumerate(asks)]


class InfectedByBadOnes(Good):
    def ask(self, asks, decoding):
        replies = super().ask(asks, decoding)
        is_spoilt = any(not ask.parts for ask in asks)
        return [BAD_REPLIES["failed"]] * len(replies) if is_spoilt else replies


class OddStatus(Good):
    def one(self, reply):
        return replace(reply, status="fine")


class SilentFailure(Good):
    def one(self, reply):
        return Reply("failed")


class TooManyTexts(Good):
    def one(self, reply):
        return replace(reply, texts=reply.texts * 9)


class NoText(Good):
    def one(self, reply):
        return replace(reply, texts=())


class NotANumber(Good):
    def one(self, reply):
        given = reply.choice_logprobs
        return replace(reply, choice_logprobs=given and (math.nan, *given[1:]))


class AboveOne(Good):
    def one(self, reply):
        given = reply.choice_logprobs
        return replace(reply, choice_logprobs=given and (0.0,) * len(given))


class AlternativesAboveOne(Good):
    def one(self, reply):
        return replace(reply, tokens=(Token(" 1", {" 1": 0.5}),))


class PromisesLogprobs(Good):
    def one(self, reply):
        return replace(reply, choice_logprobs=None)


class HidesLogprobs(Good):
    def one(self, reply):
        self.has_logprobs = False
        return reply


BROKEN = {
    NoRevision: "revision must be a printable text",
    MaybeLogprobs: "has_logprobs must be True or False",
    NoneForNothing: "empty list",
    Loses: "3 questions gave 2 replies",
    LosesBadOnes: "6 questions gave 5 replies",
    Swaps: "are the replies in order",
    SwapsTexts: "order of the questions",
    InfectedByBadOnes: "changed the answers to the others",
    OddStatus: "unknown status 'fine'",
    SilentFailure: "does not say why",
    TooManyTexts: "9 texts of 1 samples",
    NoText: "no text, though one was wanted",
    NotANumber: "gives nan as",
    AboveOne: "add up to more than 1",
    AlternativesAboveOne: "gives 0.5 as",
    PromisesLogprobs: "has_logprobs is True",
    HidesLogprobs: "has_logprobs is False",
}


@pytest.mark.parametrize("has_logprobs", [True, False])
def test_a_model_that_keeps_the_contract_passes(has_logprobs):
    check_vlm(Good(has_logprobs))
    check_vlm(Good(has_logprobs), is_deterministic=False)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_is_found_and_named(kind):
    with pytest.raises(ConformanceError, match="contract of a vision-language model") as caught:
        check_vlm(kind())
    assert any(BROKEN[kind] in finding for finding in caught.value.findings)


def test_something_that_is_no_model_is_named():
    with pytest.raises(ConformanceError, match=r"str does not keep .*\n- it lacks"):
        check_vlm("qwen")


@pytest.mark.torch
def test_a_local_model_keeps_it(tiny_qwen):
    from roboreward.models import load_vlm

    check_vlm(load_vlm(f"qwen:{tiny_qwen}"))
