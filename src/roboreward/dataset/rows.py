"""One row of a metadata file, both ways: JSON object -> `Example` -> JSON object.

The published rows hold `file_name`, `task`, `reward` and `gpt5_mini_check`. Where our own keys are absent, what they
would say is inferred from the file name; `infer` states how, and the result is an inference, not a fact of the release.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from roboreward.core import (
    DataError,
    Example,
    Origin,
    Provenance,
    Validation,
    content_id,
    shorten,
)

MAX_TASK_CHARS = 2_000
"""Longest task accepted. The longest published one is far below; `judge.check_task` holds the same limit."""

PUBLISHED_AUTHOR = "metadata"
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
_CLIP = re.compile(r"_attempt_\d+_score_[1-5]$")
_INDEXED_COPY = re.compile(r"(_index_\d+)_[1-3]$")
_PUBLISHED = re.compile(r"_index_\d+(_[1-3])?$")
_COPY = re.compile(r"_[1-3]$")
_ROBO_ARENA = {"robo_arena", "roboarena"}


@dataclass(frozen=True)
class Inferred:
    """What a file name tells when the row itself does not."""

    source: str
    group: str
    origin: Origin


def base_of(file_name: str, known_stems: Set[str] = frozenset()) -> str:
    """Return the parent video's name without extension: clip and copy suffixes removed.

    `_attempt_<n>_score_<k>` marks a clip. `_1`.. `_3` marks a copy of the video under another task; since plain
    numbering looks the same, it is only removed behind `_index_<N>` or when the unsuffixed video is in the set too.
    """
    stem = _CLIP.sub("", str(PurePosixPath(file_name).with_suffix("")))
    if _INDEXED_COPY.search(stem):
        return _INDEXED_COPY.sub(r"\1", stem)
    bare = _COPY.sub("", stem)
    return bare if bare != stem and bare in known_stems else stem


def infer(file_name: str, reward: int, known_stems: Set[str] = frozenset()) -> Inferred:
    """Infer source, group and origin of a published row.

    Source is the first folder (its spelling kept). Origin is "clip" for names that carry the clip pattern; for other
    names of the published form (`_index_<N>`) "original" with a reward of 5 and "counterfactual" below; and "rollout"
    for RoboArena and for every name that is not of the published form.
    """
    parts = PurePosixPath(file_name).parts
    source = parts[0] if len(parts) > 1 else "unknown"
    stem = PurePosixPath(file_name).stem
    origin: Origin = "rollout"
    if source not in _ROBO_ARENA and _CLIP.search(stem):
        origin = "clip"
    elif source not in _ROBO_ARENA and _PUBLISHED.search(stem):
        origin = "original" if reward == 5 else "counterfactual"
    return Inferred(source, base_of(file_name, known_stems), origin)


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
    video, task, reward = _video_of(file_name, root), _task_of(row), _reward_of(row)
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


def file_name_of(row: Mapping[str, Any]) -> str:
    """Return the row's video path, from `file_name`, or `video` as the hub's viewer names it."""
    value = row.get("file_name", row.get("video"))
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            "'file_name' is missing or not a text. Give the video's path in this folder."
        )
    return value


def _given(row: Mapping[str, Any], key: str, otherwise: str) -> Any:
    """Return what the row says, unless it says nothing; 0 and false are wrong values, not absent ones."""
    value = row.get(key)
    return otherwise if value is None or value == "" else value


def _task_of(row: Mapping[str, Any]) -> str:
    task = row.get("task")
    if not isinstance(task, str) or not task.strip():
        raise DataError(
            "'task' is missing or empty. Give the instruction that the robot was asked to do."
        )
    if len(task) > MAX_TASK_CHARS:
        raise DataError(
            f"'task' has {len(task)} characters, over the limit of {MAX_TASK_CHARS}. Shorten it."
        )
    return task


def _reward_of(row: Mapping[str, Any]) -> int:
    reward = row.get("reward")
    if type(reward) is not int or not 1 <= reward <= 5:
        raise DataError(f"'reward' must be an integer from 1 to 5, got {shorten(repr(reward))}.")
    return reward


def _video_of(file_name: str, root: Path) -> Path:
    relative = PurePosixPath(file_name)
    is_odd = "\\" in file_name or "\0" in file_name
    if is_odd or relative.is_absolute() or ".." in relative.parts:
        raise DataError(
            f"path {shorten(repr(file_name))} leads out of the set's folder. Use a plain relative path."
        )
    path = root / relative
    if not _is_file(path):
        raise DataError(
            f"there is no video {shorten(repr(file_name))}. Add the file or remove the row."
        )
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"{shorten(repr(file_name))} is a link out of the set's folder. Copy the video in."
        )
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system takes
        return False


def _dump(record: Validation | Provenance | None) -> dict[str, Any] | None:
    return None if record is None else record.model_dump(mode="json", exclude_defaults=True)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"'{where}': {first['msg']}, got {shorten(repr(first['input']))}."
