"""A vision-language model that answers by a rule: for tests of everything that stands on one."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from roboreward.core import Status
from roboreward.models import Ask, Decoding, Reply

Answer = str | Sequence[str] | Mapping[str, float] | Reply
"""What a rule may say: one text; several, one a sample; the probability of each choice, with or without its leading
space; or a whole reply."""

_NAN: Final = float("nan")
BAD_REPLIES: Final[Mapping[str, Reply]] = MappingProxyType(
    {
        "failed": Reply("failed", reason="The connection was lost."),
        "refused": Reply("refused", reason="Withheld by the content filter."),
        "refused-text": Reply("refused", ("I cannot judge this video.",)),
        "truncated": Reply("truncated", ("The robot is about to",)),
        "truncated-empty": Reply("truncated"),
        "empty": Reply("empty"),
        "blank": Reply("ok", ("  \n",)),
        "nothing": Reply("ok"),
        "babble": Reply("ok", ("The robot made 2 steps.",)),
        "nan": Reply("ok", choice_logprobs=(_NAN,)),
        "too-few": Reply("ok", choice_logprobs=()),
        "above-one": Reply("ok", choice_logprobs=(0.7,)),
        "impossible": Reply("ok", choice_logprobs=(-math.inf,)),
    }
)
"""Replies with nothing to read, each in its own way. A single log-probability stands for one a choice."""

STATUS_OF_BAD_REPLIES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "failed": "failed",
        "refused": "refused",
        "refused-text": "refused",
        "truncated": "truncated",
        "truncated-empty": "truncated",
        "empty": "empty",
        "blank": "empty",
        "nothing": "empty",
        "babble": "unparsed",
        "nan": "failed",
        "too-few": "failed",
        "above-one": "failed",
        "impossible": "unparsed",
    }
)
"""What a method that reads probabilities and texts must make of each of `BAD_REPLIES`."""


class ScriptedVlm:
    """Answers every question by a rule, and remembers the questions.

    Args:
        rule: From the question to what is said. A reply of `BAD_REPLIES` may be returned as it is.
        has_logprobs: Whether replies carry probabilities. Without them, probabilities in a rule's answer become the
            text of the likeliest choice.
        name: Its URI.
        revision: Its revision.
    """

    def __init__(
        self,
        rule: Callable[[Ask], Answer],
        *,
        has_logprobs: bool = True,
        name: str = "scripted:vlm",
        revision: str = "1",
    ) -> None:
        self.rule, self.has_logprobs = rule, has_logprobs
        self.name, self.revision = name, revision
        self.asked: list[Ask] = []
        self.decodings: list[Decoding] = []

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        """Answer by the rule; see `Vlm`."""
        self.asked += asks
        self.decodings.append(decoding)
        return [self._reply(ask, self.rule(ask)) for ask in asks]

    def _reply(self, ask: Ask, answer: Answer) -> Reply:
        if isinstance(answer, Reply):
            return _one_a_choice(answer, len(ask.choices))
        if isinstance(answer, Mapping):
            return self._reply_of_probs(ask, answer)
        texts = (answer,) if isinstance(answer, str) else tuple(answer)
        starts = (text if text.startswith(ask.prefix) else ask.prefix + text for text in texts)
        return Reply("ok", tuple(starts))

    def _reply_of_probs(self, ask: Ask, probs: Mapping[str, float]) -> Reply:
        likeliest = max(probs, key=lambda text: probs[text])
        texts = (f"{ask.prefix} {likeliest.strip()}",) if ask.is_text_wanted else ()
        if not self.has_logprobs:
            return Reply("ok", texts)
        left = {text.strip(): prob for text, prob in probs.items()}
        given = (left.pop(choice.strip(), 0.0) for choice in ask.choices)
        logprobs = tuple(math.log(prob) if prob > 0 else -math.inf for prob in given)
        return Reply("ok", texts, choice_logprobs=logprobs)


def _one_a_choice(reply: Reply, num_choices: int) -> Reply:
    if reply.choice_logprobs is None or len(reply.choice_logprobs) != 1:
        return reply
    return Reply(reply.status, reply.texts, reply.reason, reply.choice_logprobs * num_choices)
