"""What a row of the published layout says, and what its file name tells where the row does not.

The published rows hold `file_name` (the hub's viewer calls it `video`), `task`, `reward` and `gpt5_mini_check`. What is
read off a file name is an inference and not a fact of the release. Functions raise without file and row, which the
caller adds.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from roboreward.core import DataError, Origin, Score, shorten
from roboreward.sources.cells import is_file, path_in

METADATA: Final = "metadata.jsonl"
PUBLISHED_AUTHOR: Final = "metadata"
"""Author of a reward whose row names none."""

_CLIP: Final = re.compile(r"_attempt_\d+_score_[1-5]$")
_INDEXED_COPY: Final = re.compile(r"(_index_\d+)_[1-3]$")
_PUBLISHED: Final = re.compile(r"_index_\d+(_[1-3])?$")
_COPY: Final = re.compile(r"_[1-3]$")
_ROBO_ARENA: Final = {"robo_arena", "roboarena"}


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


def file_name_of(row: Mapping[str, Any]) -> str:
    """Return the row's video path, from `file_name`, or `video` as the hub's viewer names it.

    Raises:
        DataError: There is none, or it is no text.
    """
    value = row.get("file_name", row.get("video"))
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            "'file_name' is missing or not a text. Give the video's path in this folder."
        )
    return value


def stem_of(row: Mapping[str, Any]) -> str:
    """Return the row's video path without extension, or "" where there is none: the row itself reports that."""
    try:
        return str(PurePosixPath(file_name_of(row)).with_suffix(""))
    except (DataError, ValueError):
        return ""


def reward_of(row: Mapping[str, Any]) -> Score:
    """Return the row's reward.

    Raises:
        DataError: It is no integer from 1 to 5; texts and truth values are none.
    """
    reward = row.get("reward")
    if type(reward) is not int or not 1 <= reward <= 5:
        raise DataError(f"'reward' must be an integer from 1 to 5, got {shorten(repr(reward))}.")
    return cast("Score", reward)


def video_of(file_name: str, root: Path) -> Path:
    """Return the path of the row's video.

    Raises:
        DataError: It leads out of `root`, or there is no file.
    """
    path = path_in(root, file_name)
    if not is_file(path):
        raise DataError(
            f"there is no video {shorten(repr(file_name))}. Add the file or remove the row."
        )
    return path
