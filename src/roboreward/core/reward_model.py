"""The contract of a reward model."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from roboreward.core.frames import FramePolicy, Query
from roboreward.core.verdict import Verdict

Capability = Literal["distribution", "dense", "preference", "rationale"]


@runtime_checkable
class RewardModel(Protocol):
    """Anything that turns (frame sample, task) into a verdict.

    Attributes:
        name: The URI it was loaded by, such as "nano" or "floor:constant-3".
        revision: What else can change its numbers: a weights digest, a commit, a version.
        frame_policy: Which frames it wants to see.
        capabilities: What it offers beyond a score.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def frame_policy(self) -> FramePolicy: ...
    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Answer all queries: same length, same order; one bad query never loses the others.

        A query that cannot be answered gets a verdict without a score. Each verdict's `frames` names the frames that
        were really seen.
        """
        ...


@runtime_checkable
class FittedOnLabels(RewardModel, Protocol):
    """A floor that must see labels of other groups before it can answer. `bench` fits it out of fold."""

    def fit(self, tasks: Sequence[str], scores: Sequence[int]) -> None:
        """Learn from tasks and their scores 1..5, of equal length and at least one. Replaces what was learned."""
        ...
