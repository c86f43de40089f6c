"""One answer of a provider: as it came, as the ledger keeps it, and several of them as one reply."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from roboreward.core import FrameSample, Usage
from roboreward.models.asking import Reply, ReplyStatus, Token
from roboreward.models.replies import summed
from roboreward.store import LedgerEntry

KEPT: Final = frozenset({"ok", "refused", "truncated", "empty"})
"""Statuses of answers that the ledger keeps."""


@dataclass(frozen=True)
class Answer:
    """One sample of an answer, as a provider gave it or the ledger kept it.

    Attributes:
        status, reason: As in `Reply`.
        text: With the prefix that was forced.
        tokens: With alternatives, where the provider tells.
        input_tokens, output_tokens, cached_tokens: As the provider counts.
        served_by: What the provider says answered.
        cost_usd: By the price table; None where the price is unknown.
        latency_s: Of the try that succeeded.
        is_stored: Whether it comes from the ledger.
    """

    status: ReplyStatus
    text: str = ""
    reason: str = ""
    tokens: tuple[Token, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    served_by: str = ""
    cost_usd: float | None = None
    latency_s: float | None = None
    is_stored: bool = False


def digest_of(part: str | FrameSample) -> str:
    """Return the SHA-256 of a text, or of frames with their shape and times."""
    if isinstance(part, str):
        return hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()
    frames = part.frames_THWC
    digest = hashlib.sha256(f"{frames.shape} {part.record.timestamps_s}".encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def joined(answers: Sequence[Answer]) -> Reply:
    """Make one reply of the samples.

    One that failed makes the reply "failed": those that came are kept in the ledger, so that asking again is cheap. One
    that was refused, cut off or empty among others counts as a text that says nothing, so that it is not lost either.
    """
    broken = next((answer for answer in answers if answer.status == "failed"), None)
    whole = [answer for answer in answers if answer.status == "ok"]
    first = broken or (whole[0] if whole else answers[0])
    texts = [answer.text if answer.status == "ok" or not whole else "" for answer in answers]
    return Reply(
        status=first.status,
        texts=() if broken or not any(texts) else tuple(texts if whole else texts[:1]),
        reason=first.reason,
        tokens=first.tokens,
        usage=_usage(answers),
        served_by=first.served_by,
        is_stored=all(answer.is_stored for answer in answers),
    )


def _usage(answers: Sequence[Answer]) -> Usage | None:
    return summed(
        [
            None
            if answer.input_tokens is None
            else Usage(
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                cost_usd=answer.cost_usd,
            )
            for answer in answers
            if answer.input_tokens is not None or answer.status != "failed"
        ]
    )


def entry_of(answer: Answer, *, provider: str, model: str, prices: str) -> LedgerEntry:
    """Return what the ledger keeps of an answer."""
    return LedgerEntry(
        provider=provider,
        model=model,
        status=answer.status,
        served_by=answer.served_by,
        reason=answer.reason,
        text=answer.text,
        tokens=tuple((token.text, token.alternatives) for token in answer.tokens),
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cached_tokens=answer.cached_tokens,
        cost_usd=answer.cost_usd,
        prices=prices,
        latency_s=answer.latency_s,
    )


def answer_of(entry: LedgerEntry) -> Answer:
    """Return the answer that the ledger kept."""
    return Answer(
        status=entry.status,  # type: ignore[arg-type]
        text=entry.text,
        reason=entry.reason,
        tokens=tuple(Token(text, likely) for text, likely in entry.tokens),
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cached_tokens=entry.cached_tokens,
        served_by=entry.served_by,
        cost_usd=entry.cost_usd,
        latency_s=entry.latency_s,
        is_stored=True,
    )
