"""What the methods ask of a reply before they read it: is there an answer, and are its probabilities probabilities?"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from roboreward.core import Query, RewardModel, RoboRewardError, Usage, Verdict
from roboreward.models.asking import Ask, Decoding, Reply, Token, Vlm

_ROUNDING: Final = 0.01
"""How far above 0 a logarithm may be before it is no rounding any more (half precision: 0.004)."""

_DECORATION: Final = " \t\r\n*_~`\"'<[({#$:"
_WORDS: Final = {
    "refused": "The model or its provider declined to answer.",
    "empty": "The model gave no text.",
    "truncated": "The answer was cut off.",
    "ok": "The model gave neither a text nor probabilities.",
}


def ask_all(vlm: Vlm, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
    """Ask, and make sure that there is one reply a question.

    Raises:
        RoboRewardError: The model lost a question, so that nobody can say which reply belongs to which.
    """
    replies = vlm.ask(asks, decoding) if asks else []
    if len(replies) != len(asks):
        raise RoboRewardError(
            f"{vlm.name} answered {len(asks)} questions with {len(replies)} replies, which is a fault of it. "
            "Report it to whoever made it."
        )
    return replies


def why_unreadable(reply: Reply, *, num_choices: int = 0) -> Verdict | None:
    """Return the verdict on a reply that holds nothing to read, or None when it holds something.

    Numbers that are no probabilities are a fault of the machinery, not an answer: "failed". A reply that was refused
    stays refused whatever else it carries; one that was cut off may still carry probabilities.

    Args:
        reply: Any reply.
        num_choices: How many choices were asked for; 0 where only a text will do.
    """
    if reply.status == "failed":
        return Verdict.without_score("failed", reply.reason or "The call failed.")
    fault = _fault_of_logprobs(reply, num_choices)
    if fault:
        return Verdict.without_score("failed", fault)
    told = reply.choice_logprobs is not None or any(t.alternatives for t in reply.tokens)
    has_probs = told and num_choices > 0
    has_text = any(text.strip() for text in reply.texts)
    if reply.status == "refused" or not (has_probs or has_text):
        status = "empty" if reply.status == "ok" else reply.status
        raw = "\n".join(reply.texts) or None
        return Verdict.without_score(status, reply.reason or _WORDS[reply.status], raw_text=raw)
    return None


def _fault_of_logprobs(reply: Reply, num_choices: int) -> str:
    given = reply.choice_logprobs
    if given is not None and len(given) != num_choices:
        return f"{len(given)} probabilities came for {num_choices} choices."
    alternatives = [p for token in reply.tokens for p in token.alternatives.values()]
    wrong = [p for p in (*(given or ()), *alternatives) if math.isnan(p) or p > _ROUNDING]
    return f"{wrong[0]} came as the logarithm of a probability." if wrong else ""


def mass_of(texts: Iterable[str], logprobs: Iterable[float], answer: str) -> float:
    """Return the probability of an answer in any way of writing it: with or without a space, in any case."""
    pairs = zip(texts, logprobs, strict=True)
    total = sum(
        math.exp(min(p, 0.0)) for text, p in pairs if text.strip().lower() == answer.lower()
    )
    return min(1.0, total)


def alternatives_behind(
    tokens: Sequence[Token], marker: str, answers: Sequence[str]
) -> dict[str, float]:
    """Return what was likely where the answer behind the last `marker` stands; {} where none of the answers does.

    Without the marker in the tokens (a prefix that was forced) the first token that is not blank must be an answer.
    """
    text, start = "".join(token.text for token in tokens), 0
    place = text.upper().rfind(marker.upper())
    behind = place + len(marker) if place >= 0 else 0
    for token in tokens:
        start += len(token.text)
        word = token.text.strip(_DECORATION)
        if start > behind and word:
            return token.alternatives if word in answers else {}
    return {}


def total_usage(replies: Iterable[Reply]) -> Usage | None:
    """Return the sum of what the replies consumed; see `summed`. Calls that failed and tell nothing are passed over."""
    return summed([r.usage for r in replies if r.usage is not None or r.status != "failed"])


def summed(usages: Sequence[Usage | None]) -> Usage | None:
    """Return the sum; None where nobody tells anything.

    The cost is None unless all costs are known: that of some would look like the cost of all.
    """
    told = [usage for usage in usages if usage is not None]
    if not told:
        return None
    tokens_in = [u.input_tokens for u in told if u.input_tokens is not None]
    tokens_out = [u.output_tokens for u in told if u.output_tokens is not None]
    costs = [u.cost_usd for u in told if u.cost_usd is not None]
    return Usage(
        input_tokens=sum(tokens_in) if tokens_in else None,
        output_tokens=sum(tokens_out) if tokens_out else None,
        cost_usd=sum(costs) if len(costs) == len(usages) else None,
    )


def signed(
    model: RewardModel, queries: Sequence[Query], verdicts: Sequence[Verdict], *, prompt: str
) -> list[Verdict]:
    """Write into each verdict who answered, by which prompt, and which frames were shown.

    What a provider says answered is expected in `revision`, and comes behind the model's own revision there.
    """
    return [
        verdict.model_copy(
            update={
                "model": model.name,
                "revision": " ".join(filter(None, (model.revision, verdict.revision))),
                "prompt": prompt,
                "frames": query.sample.record,
            }
        )
        for query, verdict in zip(queries, verdicts, strict=True)
    ]


def served_by(replies: Iterable[Reply]) -> str | None:
    """Return what providers say answered, each name once; None where none of them says."""
    return " ".join(dict.fromkeys(reply.served_by for reply in replies if reply.served_by)) or None
