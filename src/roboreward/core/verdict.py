"""The answer of a reward model: a score with what stands behind it, or a named reason for having none."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roboreward.core.frames import FrameRecord
from roboreward.core.rubric import SCORES, SUCCESS_SCORE, Score, progress_of

Status = Literal[
    "scored", "abstained", "unparsed", "out_of_range", "refused", "empty", "truncated", "failed"
]
"""`scored` is the only status with a score.

abstained     the model can tell that the input is outside what it knows
unparsed      there was text, but no complete answer in it
out_of_range  a complete answer that is not one of 1..5
refused       the model or its provider declined
empty         no text at all
truncated     the text was cut off before an answer
failed        the call did not end: network, memory, a broken video; not the model's answer, so it blocks publication
"""

Probs = tuple[float, float, float, float, float]


class Usage(BaseModel):
    """What a call consumed, where the provider says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Verdict(BaseModel):
    """One answer. Built by `Verdict.scored`, `Verdict.from_probs` or `Verdict.without_score`.

    Attributes:
        status: See `Status`.
        score: 1..5 when scored, else None.
        reason: Why there is no score, in words; None when scored.
        probs: Probabilities of the scores 1..5, or None. They add up to 1.
        expected: Mean of the distribution in [1, 5], or None.
        success_prob: Probability of a score of 4 or 5, or None.
        level_set: Neighbouring levels that hold the truth with the chance that a calibration states, or None.
        distribution_source: Where `probs` come from. "head" is a five-way output layer of the model.
        rationale: The model's own explanation, when it gives one.
        raw_text: The completion, unedited, for models that answer in text.
        frames: Which frames were seen.
        model, revision: Who answered.
        rubric, prompt, parser: Versions in force; None where the model has no prompt or parser.
        latency_s: Wall time of the call, in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    score: Score | None = None
    reason: str | None = None
    probs: Probs | None = None
    expected: float | None = Field(default=None, ge=1, le=5)
    success_prob: float | None = Field(default=None, ge=0, le=1)
    level_set: tuple[Score, ...] | None = Field(default=None, min_length=1)
    distribution_source: Literal["logprobs", "samples", "head", "none"] = "none"
    rationale: str | None = None
    raw_text: str | None = None
    frames: FrameRecord | None = None
    model: str = ""
    revision: str | None = None
    rubric: str | None = None
    prompt: str | None = None
    parser: str | None = None
    usage: Usage | None = None
    latency_s: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _score_only_when_scored(self) -> "Verdict":
        if (self.status == "scored") != (self.score is not None):
            raise ValueError(
                f"status {self.status!r} with score {self.score!r}: a bad answer is never a score"
            )
        if self.status != "scored" and not self.reason:
            raise ValueError(f"status {self.status!r} needs a reason")
        if self.probs is not None and not math.isclose(sum(self.probs), 1.0, abs_tol=1e-3):
            raise ValueError(f"probabilities add up to {sum(self.probs):.4f}, not 1")
        return self

    @property
    def is_scored(self) -> bool:
        """Whether there is a score."""
        return self.status == "scored"

    @property
    def progress(self) -> float | None:
        """Progress in [0, 1] for the score, or None without one."""
        return None if self.score is None else progress_of(self.score)

    @classmethod
    def scored(cls, score: Score, *, model: str = "", raw_text: str | None = None) -> "Verdict":
        """A score without a distribution."""
        return cls(status="scored", score=score, model=model, raw_text=raw_text)

    @classmethod
    def from_probs(
        cls,
        probs: Probs,
        *,
        source: Literal["logprobs", "samples", "head"],
        score: Score | None = None,
        model: str = "",
    ) -> "Verdict":
        """A distribution and what follows from it.

        Args:
            probs: Non-negative, adding up to 1 within 1e-3.
            source: Where the distribution comes from.
            score: The score to report; the most probable one when None (the lower one of a tie).
            model: Who answered.
        """
        best = SCORES[max(range(5), key=lambda i: probs[i])]
        expected = sum(s * p for s, p in zip(SCORES, probs, strict=True)) / sum(probs)
        return cls(
            status="scored",
            score=score if score is not None else best,
            probs=probs,
            expected=min(5.0, max(1.0, expected)),
            success_prob=min(1.0, sum(probs[SUCCESS_SCORE - 1 :])),
            distribution_source=source,
            model=model,
        )

    @classmethod
    def without_score(
        cls, status: Status, reason: str, *, model: str = "", raw_text: str | None = None
    ) -> "Verdict":
        """No score, and why."""
        return cls(status=status, reason=reason, model=model, raw_text=raw_text)
