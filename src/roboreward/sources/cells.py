"""What a cell of a metadata file must be, whatever the corpus: a task, a path inside the folder, a rate, a score."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from roboreward.core import SCORES, DataError, Score, shorten
from roboreward.sources.unusable import Unusable

MAX_TASK_CHARS: Final = 2_000
"""Longest task accepted. The longest published one is far below; `judge.check_task` holds the same limit."""

_MAX_CARD_BYTES: Final = 1 << 20
_LICENCE: Final = re.compile(r"^license:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


@contextmanager
def because(reason: str, where: str) -> Iterator[None]:
    """Make a `DataError` about a part of an episode one about the episode, an `Unusable` with a reason and a place."""
    try:
        yield
    except Unusable:
        raise
    except DataError as error:
        raise Unusable(reason, where, str(error).removeprefix(f"{where}: ")) from error


def task_in(value: Any) -> str:
    """Return a task as the corpus words it.

    Raises:
        DataError: It is absent, empty, no text or too long; without file and row, which the caller adds.
    """
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            "'task' is missing or empty. Give the instruction that the robot was asked to do."
        )
    if len(value) > MAX_TASK_CHARS:
        raise DataError(
            f"'task' has {len(value)} characters, over the limit of {MAX_TASK_CHARS}. Shorten it."
        )
    return value


def score_in(value: Any) -> Score:
    """Return a score; CSV has it as text.

    Raises:
        DataError: It is no integer from 1 to 5; without file and row.
    """
    if isinstance(value, str) and value.strip() in map(str, SCORES):
        value = int(value)
    if type(value) is not int or value not in SCORES:
        raise DataError(f"a score must be an integer from 1 to 5, got {shorten(repr(value))}.")
    return value


def fps_in(value: Any) -> float:
    """Return a frame rate; CSV has it as text.

    Raises:
        DataError: It is no number above 0; without file and row.
    """
    try:
        rate = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise DataError(f"fps must be a number above 0, got {shorten(repr(value))}.")
    return rate


def path_in(root: Path, name: str) -> Path:
    """Return the path that `name` stands for; there may be nothing at it.

    A snapshot in the hub's cache is a folder of links into `blobs` beside it: these are inside, all other links out of
    the folder are not.

    Args:
        root: The folder that holds everything.
        name: Relative, with forward slashes.

    Raises:
        DataError: It leads out of `root` (absolute, "..", a drive, a link), or cannot be a path; without file and row.
    """
    relative = PurePosixPath(name)
    is_odd = "\\" in name or "\0" in name or bool(PureWindowsPath(name).drive)
    if is_odd or relative.is_absolute() or ".." in relative.parts:
        raise DataError(
            f"path {shorten(repr(name))} leads out of the folder. Use a plain relative path."
        )
    path = root / relative
    try:
        resolved, home = path.resolve(), root.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"path {shorten(repr(name))} cannot be followed ({shorten(error)}). Use a plain relative path."
        ) from error
    is_snapshot = home.parent.name == "snapshots"
    blobs = home.parents[1] / "blobs" if is_snapshot else home
    if not (resolved.is_relative_to(home) or resolved.is_relative_to(blobs)):
        raise DataError(
            f"{shorten(repr(name))} is a link out of the folder. Copy what it links to into the folder."
        )
    return path


def is_file(path: Path) -> bool:
    """Return whether there is a file; a name that no file can have is not there."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; a name that none can have is not there."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def licence_of_card(folder: Path) -> str | None:
    """Return `license` of the block at the top of `README.md`, where the hub keeps it, or None."""
    try:
        with (folder / "README.md").open("rb") as file:
            text = file.read(_MAX_CARD_BYTES).decode(errors="replace")
    except OSError:
        return None
    parts = text.removeprefix("\ufeff").replace("\r\n", "\n").split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return None
    found = _LICENCE.search(parts[1])
    return found[1] if found else None
