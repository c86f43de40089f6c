"""Whether generated rows fit what they were made from: parents, tasks that must differ, validators that said no."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from roboreward.core import Example, shorten
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.lint_sharing import plain_group
from roboreward.dataset.lint_tasks import normal_text, validator_texts
from roboreward.dataset.splits import Dataset, DatasetRow

_ANSWER: Final = re.compile(r"answer\s*:\s*\W*(true|false)", re.I)


def origin_findings(dataset: Dataset) -> Iterator[Finding]:
    """Yield findings about clips, counterfactuals and rejected rows."""
    family = Family(dataset)
    for split in dataset.splits:
        orphans = [row for row in split.rows if _is_orphan(row, family)]
        if orphans:
            row = orphans[0]
            of = f" {row.example.parent_id!r}" if row.example.parent_id else ""
            text = f"Clip {shorten(repr(row.example.file_name))}: its parent{of} is not in the dataset."
            yield finding("missing-parent", text, [row.where for row in orphans])
        same = [row for row in split.rows if _asks_what_its_parent_asks(row, family)]
        if same:
            text = f"Counterfactual task {shorten(repr(same[0].example.task))} is that of the video's original row."
            yield finding("same-task-as-parent", text, [row.where for row in same])
        rejected = [(row, said) for row in split.rows if (said := _rejection(row.example))]
        if rejected:
            row, said = rejected[0]
            text = f"{said}, and the row under {shorten(repr(row.example.task))} is there all the same."
            yield finding("rejected-row", text, [row.where for row, _ in rejected])


class Family:
    """Finds what a row was made from.

    Our own rows name their parent by id. Published rows do not: there, a row's relatives are the rows of its group that
    are no clips.

    Args:
        dataset: All splits are searched.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._by_id = {row.example.example_id: row for row in reversed(dataset.rows)}
        self._relatives: defaultdict[str, list[DatasetRow]] = defaultdict(list)
        for row in dataset.rows:
            if row.example.origin != "clip":
                self._relatives[plain_group(row)].append(row)

    def parents_named(self, example: Example) -> tuple[str, ...]:
        """Return the ids that a row gives for what it was made from, nearest first."""
        provenance = example.provenance.parent_ids if example.provenance else ()
        own = (example.parent_id,) if example.parent_id else ()
        return tuple(dict.fromkeys((*own, *provenance)))

    def parent(self, row: DatasetRow) -> DatasetRow | None:
        """Return the row that `row` was made from by the id it gives, or None."""
        ids = self.parents_named(row.example)
        found = (self._by_id.get(name) for name in ids if name != row.example.example_id)
        return next((parent for parent in found if parent is not None), None)

    def relatives(self, row: DatasetRow) -> list[DatasetRow]:
        """Return the rows of the same group that are no clips, without the row itself."""
        return [found for found in self._relatives[plain_group(row)] if found is not row]


def _is_orphan(row: DatasetRow, family: Family) -> bool:
    made = row.example.provenance
    # A build records how it made a clip, and may have left the parent out for balance.
    if row.example.origin != "clip" or (made is not None and made.operation == "clip"):
        return False
    if family.parents_named(row.example):
        return family.parent(row) is None
    return not family.relatives(row)


def _asks_what_its_parent_asks(row: DatasetRow, family: Family) -> bool:
    if row.example.origin != "counterfactual":
        return False
    parent = family.parent(row)
    originals = [r for r in family.relatives(row) if r.example.origin == "original"]
    sources = [parent] if parent is not None else originals
    task = normal_text(row.example.task)
    return any(normal_text(source.example.task) == task for source in sources)


def _rejection(example: Example) -> str | None:
    """Return who rejected a row, or None.

    A validator that gives the label itself (an exact oracle, a person) may disagree with what was proposed: the row
    then stands under the validator's label, and nothing is wrong with it.
    """
    own = example.validation
    if own is not None and not own.is_accepted and own.validator != example.label.author:
        return f"Validator {own.validator!r} said no"
    for text in validator_texts(example):
        answers = _ANSWER.findall(text)
        is_ours = own is not None and own.text == text
        if answers and answers[-1].lower() == "false" and not is_ours:
            return f"A validator answered {shorten(text[-40:])!r}"
    return None
