"""Models that other distributions bring: loaded when they are asked for, and named when they do not work."""

from collections.abc import Callable
from importlib.metadata import EntryPoint

from roboreward.core import RoboRewardError, UsageError, shorten

Maker = Callable[[str], object]


def maker_of(entry: EntryPoint) -> Maker:
    """Return what makes models of a plug-in, importing its module.

    Raises:
        UsageError: It cannot be imported, or is nothing that can be called.
    """
    try:
        found = entry.load()
    except Exception as error:  # the import of other people's code may raise anything
        raise UsageError(
            f"{_who(entry)} cannot be loaded ({_told(error)}). Install what it needs, or its package again."
        ) from error
    if not callable(found):
        raise UsageError(
            f"{_who(entry)} is a {type(found).__name__}, not a function. Tell its author."
        )
    maker: Maker = found
    return maker


def make_of(entry: EntryPoint, rest: str) -> object:
    """Return what a plug-in makes of what stands behind the colon.

    Raises:
        RoboRewardError: What the plug-in raises itself.
        UsageError: It cannot be loaded, or raised something else.
    """
    make = maker_of(entry)
    try:
        return make(rest)
    except RoboRewardError:
        raise
    except Exception as error:  # as for its import
        raise UsageError(
            f"{_who(entry)} failed on {shorten(rest)!r} ({_told(error)}). Check the name, or tell its author."
        ) from error


def not_one(entry: EntryPoint, made: object, *, what: str, checker: str) -> UsageError:
    """Return the error for a plug-in that made something else than it should.

    Args:
        entry: The plug-in.
        made: What it returned.
        what: What it should have returned, in words.
        checker: The function of `roboreward.testing` that tells its author why it is none.
    """
    return UsageError(
        f"{_who(entry)} returned a {type(made).__name__}, which is not {what}. "
        f"Its author can find out why with roboreward.testing.{checker}."
    )


def why_not_loaded(entry: EntryPoint) -> str:
    """Return why a plug-in cannot be imported, or "" where it can."""
    try:
        maker_of(entry)
    except UsageError as error:
        return str(error)
    return ""


def _who(entry: EntryPoint) -> str:
    return f"The plug-in {entry.name!r} ({entry.value})"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {shorten(error, 200)}"
