"""Tasks in words. The vocabulary is closed: held-out phrasings use only words that training phrasings use too."""

from typing import Final

import numpy as np

from roboreward.sim.layout import KINDS, OBJECT_COLOURS, RECEPTACLE_COLOURS, SHAPES, Layout
from roboreward.sim.splits import Split
from roboreward.sim.tasks import Task

TRAINING_PHRASINGS: Final[dict[str, tuple[str, ...]]] = {
    "put in": (
        "put the {s} in the {r}",
        "place the {s} into the {r}",
        "move the {s} into the {r}",
        "drop the {s} in the {r}",
    ),
    "put on": (
        "put the {s} on the {r}",
        "place the {s} onto the {r}",
        "move the {s} onto the {r}",
        "set the {s} down on the {r}",
    ),
    "next": (
        "put the {s} next to the {r}",
        "place the {s} beside the {r}",
        "move the {s} right next to the {r}",
        "set the {s} down beside the {r}",
    ),
    "lift": (
        "lift the {s}",
        "pick up the {s}",
        "raise the {s} from the table",
        "take the {s} and hold it up",
    ),
    "stack": (
        "stack the {s} on the {r}",
        "put the {s} on top of the {r}",
        "place the {s} on top of the {r}",
        "stack the {s} onto the {r}",
    ),
}
HELD_OUT_PHRASINGS: Final[dict[str, tuple[str, ...]]] = {
    "put in": ("put the {s} into the {r}", "take the {s} and place it in the {r}"),
    "put on": ("put the {s} onto the {r}", "take the {s} and set it on the {r}"),
    "next": ("move the {s} beside the {r}", "take the {s} and put it next to the {r}"),
    "lift": ("lift the {s} up from the table", "pick the {s} up and hold it"),
    "stack": ("set the {s} on top of the {r}", "take the {s} and stack it on the {r}"),
}


def _vocabulary() -> tuple[str, ...]:
    words = {*OBJECT_COLOURS, *RECEPTACLE_COLOURS, *SHAPES, *KINDS}
    for phrasings in TRAINING_PHRASINGS.values():
        for phrasing in phrasings:
            words.update(word for word in phrasing.split() if not word.startswith("{"))
    return tuple(sorted(words))


VOCABULARY: Final = _vocabulary()
"""Every word that a task of this world can hold, sorted."""


def phrase(task: Task, layout: Layout, *, rng: np.random.Generator, split: Split) -> str:
    """Return the task in one of the split's phrasings, drawn at random."""
    table = HELD_OUT_PHRASINGS if split == "test-phrasing" else TRAINING_PHRASINGS
    options = table[_family(task, layout)]
    return _fill(options[int(rng.integers(len(options)))], task, layout)


def task_text(task: Task, layout: Layout) -> str:
    """Return the task in its canonical wording."""
    return _fill(TRAINING_PHRASINGS[_family(task, layout)][0], task, layout)


def _family(task: Task, layout: Layout) -> str:
    if task.relation != "put":
        return task.relation
    return "put on" if layout.receptacles[task.target].kind == "plate" else "put in"


def _fill(phrasing: str, task: Task, layout: Layout) -> str:
    return phrasing.format(s=layout.objects[task.subject].name, r=_reference_name(task, layout))


def _reference_name(task: Task, layout: Layout) -> str:
    if task.relation == "lift":
        return ""
    things = layout.receptacles if task.relation == "put" else layout.objects
    return things[task.target].name
