"""What is wrong with single rows: unusable ones, repeated ids, and tasks that say what they should not."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from roboreward.core import Example, shorten
from roboreward.dataset.layout import BadRow
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetRow, DatasetSplit

_SAYS_SCORE: Final = re.compile(
    r"\b(?:score|reward|rating|label)(?:\s+(?:of|is)|\s*[:=#])?\s*[1-5]\b|\banswer\s*:", re.I
)
_ENDS_WITH_SCORE: Final = re.compile(
    r"(?:\(\s*[1-5]\s*\)|\[\s*[1-5]\s*\]|[:=]\s*[1-5]|\s-+\s*[1-5]|\b[1-5]\s*(?:/|of|out of)\s*5)\W*$",
    re.I,
)
_ENDS_WITH_DIGIT: Final = re.compile(r"\b([1-5])\W*$")
_FEWEST_DIGITS, _LEAST_AGREEMENT = 3, 0.6
"""Numbered objects end tasks with a digit too, so a bare one counts only where it keeps being the label."""
_SHORTEST_QUOTE_CHARS: Final = 16
_QUOTE_CHARS: Final = 60


def row_findings(dataset: Dataset) -> Iterator[Finding]:
    """Yield findings about rows that cannot be used, and ids that repeat within the dataset."""
    for split in dataset.splits:
        kinds: dict[str, list[BadRow]] = {}
        for bad in split.bad_rows:
            kinds.setdefault(_code_of(bad.reason), []).append(bad)
        for code, found in kinds.items():
            places = [dataset.where(bad) for bad in found]
            yield finding(code, f"Row not usable: {found[0].reason}", places)
    first: dict[str, str] = {}
    repeats: list[DatasetRow] = []
    for row in dataset.rows:
        if first.setdefault(row.example.example_id, row.where) != row.where:
            repeats.append(row)
    if repeats:
        name = repeats[0].example.example_id
        text = f"example_id {shorten(repr(name))} is that of {first[name]} too."
        yield finding("repeated-id", text, [row.where for row in repeats])


def _code_of(reason: str) -> str:
    if reason.startswith("'task' is missing or empty"):
        return "empty-task"
    return "missing-video" if reason.startswith("there is no video") else "bad-row"


def task_findings(dataset: Dataset, *, max_task_words: int) -> Iterator[Finding]:
    """Yield findings about the texts of tasks, split by split."""
    for split in dataset.splits:
        yield from _some(split, "label-in-task", _states_score)
        yield from _some(split, "task-ends-with-score", _ends_with_score)
        yield from _digits_at_the_end(split)
        yield from _some(split, "validator-text-in-task", _quotes)
        yield from _some(split, "long-task", lambda e: _is_long(e, max_task_words))
        yield from _some(split, "odd-characters", _odd_characters)


def _some(
    split: DatasetSplit, code: str, complaint_of: Callable[[Example], str | None]
) -> Iterator[Finding]:
    found = [(row, text) for row in split.rows if (text := complaint_of(row.example))]
    if found:
        yield finding(code, found[0][1], [row.where for row, _ in found])


def _states_score(example: Example) -> str | None:
    found = _SAYS_SCORE.search(example.task)
    return (
        found and f"Task {shorten(repr(example.task))} states a score or an answer ({found[0]!r})."
    )


def _ends_with_score(example: Example) -> str | None:
    found = _ENDS_WITH_SCORE.search(example.task)
    return found and f"Task {shorten(repr(example.task))} ends with a score ({found[0].strip()!r})."


def _digits_at_the_end(split: DatasetSplit) -> Iterator[Finding]:
    digits: list[tuple[DatasetRow, bool]] = []
    for row in split.rows:
        task = row.example.task
        if (found := _ENDS_WITH_DIGIT.search(task)) and not _ENDS_WITH_SCORE.search(task):
            digits.append((row, int(found[1]) == row.example.label.score))
    agreeing = [row for row, is_label in digits if is_label]
    if len(agreeing) >= max(_FEWEST_DIGITS, _LEAST_AGREEMENT * len(digits)):
        text = (
            f"Of {len(digits)} tasks that end with a digit, {len(agreeing)} end with their own label, "
            f"such as {shorten(repr(agreeing[0].example.task))}."
        )
        yield finding("task-ends-with-score", text, [row.where for row in agreeing])


def _quotes(example: Example) -> str | None:
    task = normal_text(example.task)
    for text in [*validator_texts(example), example.label.reason or ""]:
        said = normal_text(text)
        quote = said[:_QUOTE_CHARS]
        # A reason may well repeat the task; a task never repeats the reason.
        if len(quote) >= _SHORTEST_QUOTE_CHARS and quote in task and said != task:
            return f"Task {shorten(repr(example.task))} holds what a validator or labeller wrote."
    return None


def validator_texts(example: Example) -> list[str]:
    """Return what validators wrote about an example: our key, and published ones such as `gpt5_mini_check`."""
    own = example.validation.text if example.validation else None
    return [*([own] if own else []), *_check_texts(example.extra)]


def _check_texts(extra: Mapping[str, Any]) -> Sequence[str]:
    return [v for k, v in sorted(extra.items()) if k.endswith("_check") and isinstance(v, str)]


def normal_text(text: str) -> str:
    """Return text as it is compared: lower case, single spaces, no full stop at the end."""
    return " ".join(text.lower().split()).rstrip(". ")


def _is_long(example: Example, max_task_words: int) -> str | None:
    num = len(example.task.split())
    return (
        f"A task of {num} words: {shorten(repr(example.task))}." if num > max_task_words else None
    )


def _odd_characters(example: Example) -> str | None:
    odd = sorted({c for c in example.task if not (c.isascii() and c.isprintable())})
    if not odd:
        return None
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in odd[:3])
    return f"Task {shorten(repr(example.task))} holds {shown}."
