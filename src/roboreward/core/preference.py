"""Which of two attempts at a task got further: the question, the answer, and the contract of who answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roboreward.core.frames import FrameSample
from roboreward.core.verdict import Status, Usage


@dataclass(frozen=True, eq=False)
class Pair:
    """Two attempts at one task.

    Attributes:
        first, second: What is shown of each.
        task: What both were to do.
        pair_id: For messages and seeds.
    """

    first: FrameSample
    second: FrameSample
    task: str
    pair_id: str = ""


class Preference(BaseModel):
    """The answer about a pair.

    Attributes:
        status: "scored", or why there is no answer; as in `Verdict`.
        prob_first: Probability that the first attempt got further; None without an answer.
        is_tie: Whether neither is preferred.
        position_bias: How much the place decided, in [-0.5, 0.5]: by how much an attempt is preferred for being shown
            first. None where pairs are not shown side by side.
        reason: Why there is no answer; None when there is one.
        rule: How the number came about.
        raw_texts: What was said to each order, unedited.
        model, revision, prompt: Who answered, and by which prompt.
        usage: What it consumed, where that is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    prob_first: float | None = Field(default=None, ge=0, le=1)
    is_tie: bool = False
    position_bias: float | None = Field(default=None, ge=-0.5, le=0.5)
    reason: str | None = None
    rule: str = ""
    raw_texts: tuple[str, ...] = ()
    model: str = ""
    revision: str | None = None
    prompt: str | None = None
    usage: Usage | None = None

    @model_validator(mode="after")
    def _number_only_when_scored(self) -> "Preference":
        if (self.status == "scored") != (self.prob_first is not None):
            raise ValueError(f"status {self.status!r} with probability {self.prob_first!r}")
        if self.status != "scored" and not self.reason:
            raise ValueError(f"status {self.status!r} needs a reason")
        return self


@runtime_checkable
class PreferenceModel(Protocol):
    """Anything that says which of two attempts got further.

    A reward model that names the capability "preference" is one.

    Attributes:
        name: The URI it was loaded by.
        revision: What else can change its numbers.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...

    def prefer(self, pairs: Sequence[Pair]) -> list[Preference]:
        """Answer all pairs: same length, same order; one bad pair never loses the others."""
        ...
