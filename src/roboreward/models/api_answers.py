"""One answer of a provider: as it came, as the ledger keeps it, and several of them as one reply."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from roboreward.core import FrameSample, Usage
from roboreward.models.asking import Reply, ReplyStatus, Token
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
    """Make one reply of the samples: "ok" when any is, else as the first."""
    whole = [answer for answer in answers if answer.status == "ok"]
    first = whole[0] if whole else answers[0]
    texts = tuple(answer.text for answer in (whole or answers[:1]) if answer.text)
    return Reply(
        status=first.status,
        texts=texts,
        reason=first.reason,
        tokens=first.tokens,
        usage=_usage(answers),
        served_by=first.served_by,
        is_stored=all(answer.is_stored for answer in answers),
    )


def _usage(answers: Sequence[Answer]) -> Usage | None:
    def total(name: str) -> Any:
        values = [getattr(answer, name) for answer in answers]
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    counted = [answer for answer in answers if answer.input_tokens is not None]
    # The cost of some samples would look like the cost of all.
    is_cost_known = bool(counted) and all(answer.cost_usd is not None for answer in counted)
    if not counted:
        return None
    return Usage(
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cost_usd=total("cost_usd") if is_cost_known else None,
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
