"""One row of a metadata file, both ways: JSON object -> `Example` -> JSON object.

The published rows hold `file_name`, `task`, `reward` and `gpt5_mini_check`. Where our own keys are absent, what they
would say is inferred from the file name; `infer` states how, and the result is an inference, not a fact of the release.
"""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roboreward.core import (
    DataError,
    Example,
    Provenance,
    Validation,
    content_id,
    shorten,
)
from roboreward.sources import PUBLISHED_AUTHOR, file_name_of, infer, reward_of, task_in, video_of

OWN_KEYS = (
    "example_id",
    "episode_id",
    "group",
    "source",
    "origin",
    "view",
    "label_author",
    "label_reason",
    "parent_id",
    "cut_frac",
    "validator",
    "provenance",
)
_REQUIRED = ("file_name", "task", "reward")


def example_of(row: Mapping[str, Any], *, root: Path, known_stems: Set[str]) -> Example:
    """Turn a metadata row into an example.

    Args:
        row: The JSON object.
        root: Folder of the metadata file; the video must lie in it.
        known_stems: File names of the set without extension, for `base_of`.

    Raises:
        DataError: What is wrong with the row and what to do; without file and row number, which the caller adds.
    """
    file_name = file_name_of(row)
    video, task, reward = video_of(file_name, root), task_in(row.get("task")), reward_of(row)
    inferred = infer(file_name, reward, known_stems)
    known = {*OWN_KEYS, *_REQUIRED, *(() if "file_name" in row else ("video",))}
    extra = {k: v for k, v in row.items() if k not in known}
    fields: dict[str, Any] = {
        "example_id": _given(row, "example_id", content_id([file_name, task])),
        "video": video,
        "file_name": file_name,
        "task": task,
        "label": {
            "score": reward,
            "author": _given(row, "label_author", PUBLISHED_AUTHOR),
            "reason": row.get("label_reason"),
        },
        "source": _given(row, "source", inferred.source),
        "group": _given(row, "group", inferred.group),
        "origin": _given(row, "origin", inferred.origin),
        "validation": row.get("validator"),
        "provenance": row.get("provenance"),
        "extra": extra,
    }
    for key in ("episode_id", "view", "parent_id", "cut_frac"):
        fields[key] = row.get(key)
    try:
        return Example.model_validate(fields)
    except ValidationError as error:
        raise DataError(_first_complaint(error)) from None


def row_of(example: Example) -> dict[str, Any]:
    """Return the metadata row of an example: published keys, ours, unknown ones. Absent values are left out."""
    own: dict[str, Any] = {
        "example_id": example.example_id,
        "episode_id": example.episode_id,
        "group": example.group,
        "source": example.source,
        "origin": example.origin,
        "view": example.view,
        "label_author": example.label.author,
        "label_reason": example.label.reason,
        "parent_id": example.parent_id,
        "cut_frac": example.cut_frac,
        "validator": _dump(example.validation),
        "provenance": _dump(example.provenance),
    }
    row = {"file_name": example.file_name, "task": example.task, "reward": example.label.score}
    return row | {k: v for k, v in own.items() if v is not None} | dict(example.extra)


def _given(row: Mapping[str, Any], key: str, otherwise: str) -> Any:
    """Return what the row says, unless it says nothing; 0 and false are wrong values, not absent ones."""
    value = row.get(key)
    return otherwise if value is None or value == "" else value


def _dump(record: Validation | Provenance | None) -> dict[str, Any] | None:
    return None if record is None else record.model_dump(mode="json", exclude_defaults=True)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"'{where}': {first['msg']}, got {shorten(repr(first['input']))}."
