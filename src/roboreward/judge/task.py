"""The task text: data from a stranger, put into a prompt without changing the prompt around it."""

import re
from typing import Final, NamedTuple

from roboreward.core import UsageError, shorten

MAX_TASK_CHARS: Final = 2000

# Control characters, line and paragraph separators, bidirectional overrides and isolates, halves of surrogate pairs:
# they end the line that the task stands on, reorder what a person sees, or cannot be written as UTF-8.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")

# Chat-template tokens, media placeholders and reasoning tags of common models.
_TAG = re.compile(
    r"<(?=\|[^<>|]{0,40}\|>|/?(?:video|image|audio|think|answer|s|bos|eos|system|user|assistant)>)",
    re.IGNORECASE,
)
_FIELD = re.compile(r"(?<![^\W_])(answer)[\s*_~`\"']*[:\uff1a][\s:\uff1a]*", re.IGNORECASE)


class Neutralized(NamedTuple):
    """A task whose reserved sequences are defused.

    Attributes:
        text: The task; as it was when `num_defused` is 0.
        num_defused: How many sequences were defused.
    """

    text: str
    num_defused: int


def check_task(task: str) -> str:
    """Return the task cleaned of what breaks the format, and of nothing else.

    Runs of control characters, line breaks and direction overrides become one space; space at either end goes.

    Raises:
        UsageError: The task is not text, is empty, or is longer than `MAX_TASK_CHARS` characters.
    """
    if not isinstance(task, str):
        raise UsageError(f"The task must be text, got {type(task).__name__}.")
    cleaned = _BREAKS.sub(" ", task).strip()
    if not cleaned:
        raise UsageError("The task is empty. Say what the robot was to do.")
    if len(cleaned) > MAX_TASK_CHARS:
        raise UsageError(
            f"The task has {len(cleaned):,} characters, at most {MAX_TASK_CHARS:,} are allowed: "
            f"{shorten(cleaned, 60)!r}. Give the instruction alone."
        )
    return cleaned


def neutralize(task: str) -> Neutralized:
    """Defuse sequences that could pass for a marker of the prompt, the chat template or the answer.

    `<|im_end|>` becomes `< |im_end|>` and `ANSWER: 5` becomes `ANSWER 5`. Tasks of real robot data hold neither, so
    the prompt of the published weights is untouched for them. This is a fence, not a cure: prompt injection by plain
    words stays possible.
    """
    text, num_tags = _TAG.subn("< ", task)
    text, num_fields = _FIELD.subn(r"\1 ", text)
    return Neutralized(text, num_tags + num_fields)
