"""Readers that other distributions bring: found through entry points, loaded only when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from roboreward.core import RoboRewardError, UsageError, shorten
from roboreward.sources.source import Source

ENTRY_POINTS: Final = "roboreward.sources"
"""Entry-point group of plug-ins. The entry's name is the reader's name; its value is a class (or another callable) that
takes the corpus's path, then its options as keyword-only arguments, and returns a `Source`."""


@dataclass(frozen=True)
class PlugIn:
    """A reader as its distribution announces it.

    Attributes:
        entry: The entry point.
    """

    entry: EntryPoint

    def __str__(self) -> str:
        return f"The reader {self.entry.name!r} of {self.distribution} ({self.entry.value})"

    @property
    def distribution(self) -> str:
        """Name and version of the distribution that brings it."""
        dist = self.entry.dist
        try:
            return "an unnamed distribution" if dist is None else f"{dist.name} {dist.version}"
        except (KeyError, TypeError):  # its metadata are missing
            return "an unnamed distribution"

    def load(self) -> Callable[..., Any]:
        """Return the class, importing its module.

        Raises:
            UsageError: It cannot be imported, or is nothing that can be called; names the distribution and the cause.
        """
        try:
            found = self.entry.load()
        except Exception as error:  # the import of other people's code may raise anything
            raise UsageError(
                f"{self} cannot be loaded ({_told(error)}). Install what it needs, or its package again."
            ) from error
        if not callable(found):
            text = f"is a {type(found).__name__}, not a class. Tell its author."
            raise UsageError(f"{self} {text}")
        made: Callable[..., Any] = found
        return made

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        """Open a corpus with it.

        Raises:
            RoboRewardError: What the plug-in raises itself.
            UsageError: It raised something else, or returned what is no source.
        """
        make = self.load()
        try:
            source = make(path, **options)
            is_source = isinstance(source, Source)
        except RoboRewardError:
            raise
        except Exception as error:  # as for its import
            text = f"failed on {path} ({_told(error)}). Check path and options, or tell its author."
            raise UsageError(f"{self} {text}") from error
        if not is_source:
            raise UsageError(
                f"{self} returned a {type(source).__name__}, which is not a source. "
                "Its author can find out why with roboreward.testing.check_source."
            )
        checked: Source = source
        return checked


def plug_ins() -> Mapping[str, Sequence[PlugIn]]:
    """Return what is installed, by name: several where distributions claim the same one. Loads none of them."""
    found: dict[str, list[PlugIn]] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        found.setdefault(entry.name, []).append(PlugIn(entry))
    return found


def conflict(name: str, claims: Sequence[PlugIn], *, is_built_in: bool) -> str:
    """Return why a name is not free, with what to do, or nothing where it is."""
    if len(claims) + is_built_in < 2:
        return ""
    who = " and ".join(sorted(plug_in.distribution for plug_in in claims))
    if is_built_in:
        text = f"The reader {name!r} is built in, and {who} claims its name."
        return f"{text} Remove that distribution, or rename its reader."
    return f"The name {name!r} is claimed by {who}. Remove all of them but one."


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {shorten(error, 200)}"
