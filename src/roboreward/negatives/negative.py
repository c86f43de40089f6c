"""A generated example before it is written down, and the oracle that may judge it."""

from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from roboreward import __version__
from roboreward.core import Label, Provenance, Score, Validation

TaskT = TypeVar("TaskT")
TaskT_contra = TypeVar("TaskT_contra", contravariant=True)


class Oracle(Protocol[TaskT_contra]):
    """Knows what an episode deserves: a simulator with the exact state, or a person."""

    @property
    def name(self) -> str:
        """Author of the labels it gives."""
        ...

    @property
    def episode_id(self) -> str:
        """The episode that it judges."""
        ...

    def label(self, task: TaskT_contra, keep_frac: float) -> Label:
        """Judge the first `keep_frac` in (0, 1] of the episode under `task`."""
        ...


@dataclass(frozen=True)
class Negative(Generic[TaskT]):
    """A proposed example: some share of an episode under some task.

    Attributes:
        task: The task, in the terms of the source (text, or a simulator's own task object).
        keep_frac: Share of the episode that is shown, in (0, 1]; under 1 for clips.
        proposed: The score that the recipe proposes; None where the recipe leaves it to the oracle.
        label: What the oracle says.
        validation: Whether the two agree.
        parent_id: The episode it was made from.
    """

    origin: Literal["clip", "counterfactual"]
    task: TaskT
    keep_frac: float
    proposed: Score | None
    label: Label
    validation: Validation
    parent_id: str

    @property
    def provenance(self) -> Provenance:
        """How it came to be."""
        return Provenance(
            operation="clip" if self.origin == "clip" else "relabel",
            parent_ids=(self.parent_id,),
            model=self.label.author,
            code_version=__version__,
            details={"keep_frac": self.keep_frac, "proposed": self.proposed},
        )
