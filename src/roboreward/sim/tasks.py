"""What can be asked of the robot in a scene."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from roboreward.core import UsageError
from roboreward.sim.layout import Layout
from roboreward.sim.splits import HELD_OUT_OBJECTS

Relation = Literal["put", "next", "lift", "stack"]
RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)


@dataclass(frozen=True)
class Task:
    """One instruction about one scene.

    Attributes:
        relation: "put" into or onto a receptacle, "next" to an object, "lift", or "stack" on an object.
        subject: Index of the object to move.
        reference: Index of a receptacle for "put", of an object for "next" and "stack", None for "lift".
    """

    relation: Relation
    subject: int
    reference: int | None = None

    def __post_init__(self) -> None:
        if (self.reference is None) != (self.relation == "lift"):
            raise UsageError(f"A {self.relation!r} task with reference {self.reference!r}.")
        if self.relation in ("next", "stack") and self.reference == self.subject:
            raise UsageError(f"A {self.relation!r} task of object {self.subject} with itself.")

    @property
    def target(self) -> int:
        """The reference of a relation that has one."""
        if self.reference is None:
            raise UsageError("A 'lift' task has no reference.")
        return self.reference


def all_tasks(layout: Layout) -> list[Task]:
    """Return every task that makes sense in the scene, in a fixed order (about 30)."""
    count = range(len(layout.objects))
    pairs = [(i, j) for i in count for j in count if i != j]
    flat = {i for i in count if layout.objects[i].shape != "ball"}
    return [
        *(Task("put", i, r) for i in count for r in range(len(layout.receptacles))),
        *(Task("next", i, j) for i, j in pairs),
        *(Task("lift", i) for i in count),
        *(Task("stack", i, j) for i, j in pairs if i in flat and j in flat),
    ]


def involves_held_out(task: Task, layout: Layout) -> bool:
    """Whether the task names an object of a held-out combination."""
    indices = [task.subject]
    if task.relation in ("next", "stack"):
        indices.append(task.target)
    looks = ((layout.objects[i].colour, layout.objects[i].shape) for i in indices)
    return any(look in HELD_OUT_OBJECTS for look in looks)
