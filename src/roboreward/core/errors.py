"""Every error this package raises on purpose, as one tree.

    RoboRewardError
      UsageError          the caller must change something (exit code 2)
        UnknownName       no such model, set, recipe ... with the nearest names
        MissingExtra      an optional dependency is absent, with the command that adds it
      DataError           an input file or record is bad; names the file and the row
        MediaRefused      a video that is broken, over a limit, or of a kind not accepted
      StoreError          the disk did not do its job

A message says what happened (with the value, shortened), where, and what to do. An answer that cannot be used
is not an exception: it is a `Verdict` whose status names the reason.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RoboRewardError(Exception):
    """Root of the tree. `str(error)` is fit to be shown to a person."""


class UsageError(RoboRewardError):
    """The caller asked for something that cannot be done as asked."""


class UnknownName(UsageError):
    """A name that is not in a registry.

    Args:
        kind: What was looked up, such as "model".
        name: The name as given.
        known: All valid names; the nearest are offered, or all of them when none is near.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = get_close_matches(name, self.known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(self.known)}."
        super().__init__(f"Unknown {kind} {shorten(name)!r}. {hint}")


class MissingExtra(UsageError):
    """An optional dependency is absent."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f'Add it with: pip install "roboreward[{extra}]"'
        )


class DataError(RoboRewardError):
    """An input file or record is bad. The message names the file, and the row where there is one."""


class MediaRefused(DataError):
    """A video was not read.

    Attributes:
        reason: One short, stable word for programs, such as "truncated" or "too_many_pixels".
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class StoreError(RoboRewardError):
    """A file could not be written, or what is on disk is not whole."""


def shorten(value: object, limit: int = 80) -> str:
    """Return `value` as text of at most `limit` characters, for use in a message."""
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
