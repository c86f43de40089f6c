"""One row of a metadata file, both ways: JSON object -> `Example` -> JSON object.

The published rows hold `file_name`, `task`, `reward` and `gpt5_mini_check`. Where our own keys are absent, what they
would say is inferred from the file name; `infer` states how, and the result is an inference, not a fact of the release.

Rows that are written have all of our keys, each with one type and never null: the hub's loader infers the columns of
each split from its own rows, and refuses a dataset where a column is null in one split and a text in another, or where
objects have different keys. So "" says nothing, a share of 1.0 says that nothing was cut, and objects are JSON texts.
"""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from roboreward.core import (
    DataError,
    Example,
    Provenance,
    Validation,
    canonical_json,
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
WHOLE_FRAC: Final = 1.0
"""What `cut_frac` says in a row whose video was not cut."""


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
            "reason": _given(row, "label_reason"),
        },
        "source": _given(row, "source", inferred.source),
        "group": _given(row, "group", inferred.group),
        "origin": _given(row, "origin", inferred.origin),
        "cut_frac": _cut_frac(row),
        "validation": _object(row, "validator"),
        "provenance": _object(row, "provenance"),
        "extra": extra,
    }
    for key in ("episode_id", "view", "parent_id"):
        fields[key] = _given(row, key)
    try:
        return Example.model_validate(fields)
    except ValidationError as error:
        raise DataError(_first_complaint(error)) from None


def row_of(example: Example) -> dict[str, Any]:
    """Return the metadata row of an example: published keys, ours, unknown ones. Ours are all there and never null."""
    own: dict[str, Any] = {
        "example_id": example.example_id,
        "episode_id": example.episode_id or "",
        "group": example.group,
        "source": example.source,
        "origin": example.origin,
        "view": example.view or "",
        "label_author": example.label.author,
        "label_reason": example.label.reason or "",
        "parent_id": example.parent_id or "",
        "cut_frac": WHOLE_FRAC if example.cut_frac is None else example.cut_frac,
        "validator": _text_of(example.validation),
        "provenance": _text_of(example.provenance),
    }
    row = {"file_name": example.file_name, "task": example.task, "reward": example.label.score}
    return row | own | dict(example.extra)


def _given(row: Mapping[str, Any], key: str, otherwise: str | None = None) -> Any:
    """Return what the row says, unless it says nothing; 0 and false are wrong values, not absent ones."""
    value = row.get(key)
    return otherwise if value is None or value == "" else value


def _cut_frac(row: Mapping[str, Any]) -> Any:
    value = row.get("cut_frac")
    is_whole = not isinstance(value, bool) and value == WHOLE_FRAC
    return None if is_whole else value


def _object(row: Mapping[str, Any], key: str) -> Any:
    """Return an object, which may stand there as such or as JSON text."""
    value = _given(row, key)
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{key!r} is no object and no JSON text of one: {shorten(repr(value))}.")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text_of(record: Validation | Provenance | None) -> str:
    if record is None:
        return ""
    return canonical_json(record.model_dump(mode="json", exclude_defaults=True))


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"'{where}': {first['msg']}, got {shorten(repr(first['input']))}."
