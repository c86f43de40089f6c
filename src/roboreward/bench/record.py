"""One example's outcome in a run: one JSON line."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from roboreward.core import Example, Origin, Score, Verdict

MAX_TEXT_CHARS: Final = 50_000
"""Longest text of a model that is stored whole; of a longer one, both ends are kept."""


class Record(BaseModel):
    """What was asked, what is true, what was answered.

    Holds all that the metrics need, so that every number can be recomputed from records alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    example_id: str
    source: str
    group: str
    origin: Origin
    task: str
    label: Score
    verdict: Verdict

    @classmethod
    def of(cls, example: Example, verdict: Verdict) -> "Record":
        """Join an example and the verdict on it, its texts made fit for one line of a file."""
        return cls(
            example_id=example.example_id,
            source=example.source,
            group=example.group,
            origin=example.origin,
            task=example.task,
            label=example.label.score,
            verdict=verdict.model_copy(update=_fit_texts(verdict)),
        )


def _fit_texts(verdict: Verdict) -> dict[str, str]:
    """Return the texts that cannot be stored as they are: too long, or with halves of surrogate pairs.

    Models may answer anything, and no answer may stop a run.
    """
    fitted = {}
    for name in ("reason", "rationale", "raw_text"):
        value = getattr(verdict, name)
        if value is None:
            continue
        text = value.encode("utf-8", "replace").decode("utf-8")
        if len(text) > MAX_TEXT_CHARS:
            half = MAX_TEXT_CHARS // 2
            text = f"{text[:half]} [{len(text) - 2 * half} characters left out] {text[-half:]}"
        if text != value:
            fitted[name] = text
    return fitted
