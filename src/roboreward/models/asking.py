"""Asking a vision-language model, wherever it runs: the one protocol behind local weights and every provider.

A `Vlm` knows nothing of scores. What makes a reward model of it stands on top: `rubric_judge` (the published prompt),
`topreward`, `gvl` and others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import FrameSample, Usage

IDENTITY: dict[str, Any] = {"role": "identity"}
ReplyStatus = Literal["ok", "truncated", "refused", "empty", "failed"]
"""As in `core.Status`; "ok" is any text that came whole."""


class Decoding(BaseModel):
    """How an answer is drawn.

    Attributes:
        max_new_tokens: Longest answer. 5 would truncate "ANSWER: N".
        temperature: 0 for the most probable answer.
        num_samples: Answers that are drawn for one question.
        seed: Of the drawing, where the model takes one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: int = Field(default=32, ge=1, json_schema_extra=IDENTITY)
    temperature: float = Field(default=0.0, ge=0, json_schema_extra=IDENTITY)
    num_samples: int = Field(default=1, ge=1, le=64, json_schema_extra=IDENTITY)
    seed: int = Field(default=0, ge=0, json_schema_extra=IDENTITY)


@dataclass(frozen=True, eq=False)
class Ask:
    """One question.

    Attributes:
        parts: Texts and frames, in the order in which they are shown. Questions of one call that begin with the same
            frames (the same object) may share what these cost.
        prefix: How the answer is made to begin, such as "ANSWER:"; a model that cannot be made to begins as it likes.
        choices: Texts whose probability right behind the prefix is wanted, such as " 4"; () for none.
        is_text_wanted: Whether an answer is generated. False where the choices are enough.
        ask_id: For messages; never shown to a model.
        has_times: Whether a model behind an API is told at what time of its video each frame stands, and may be shown
            the frames as a video. Local models are told times by the layout that they were trained on.
    """

    parts: tuple[str | FrameSample, ...]
    prefix: str = ""
    choices: tuple[str, ...] = ()
    is_text_wanted: bool = True
    ask_id: str = ""
    has_times: bool = True


@dataclass(frozen=True)
class Token:
    """One token of an answer.

    Attributes:
        text: As it stands in the answer.
        alternatives: Natural logarithms of the probabilities of the likeliest tokens at its place, by their text.
    """

    text: str
    alternatives: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The answer to one question.

    Attributes:
        status: "ok" or why there is no whole answer.
        texts: One a sample, with the prefix that was forced; none where none was wanted, or came.
        reason: In words, where the status is not "ok".
        choice_logprobs: Natural logarithm of the probability of each choice; None where the model does not tell.
        tokens: The first sample's tokens with their alternatives, where the model tells.
        usage: What it consumed, where the model tells.
        served_by: What a provider says answered, such as a dated snapshot; "" where nobody else than the model did.
        is_stored: Whether it is an earlier answer that was kept, so that nothing was sent.
    """

    status: ReplyStatus
    texts: tuple[str, ...] = ()
    reason: str = ""
    choice_logprobs: tuple[float, ...] | None = None
    tokens: tuple[Token, ...] = ()
    usage: Usage | None = None
    served_by: str = ""
    is_stored: bool = False


@runtime_checkable
class Vlm(Protocol):
    """A vision-language model that can be asked.

    Attributes:
        name: Its URI, such as "openai:gpt-5-mini" or "teetone/RoboReward-8B".
        revision: What else can change its answers and is known before the first one: a commit, a digest of weights.
        has_logprobs: Whether its replies carry `choice_logprobs` or `tokens`.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def has_logprobs(self) -> bool: ...

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        """Answer all questions: same length, same order; one that fails gets status "failed" and loses no other.

        Raises:
            UsageError: What would fail for every question: a wrong key, a model that does not exist.
        """
        ...
