"""From a reader's name to a source."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Final

from roboreward.core import UnknownName, UsageError
from roboreward.sources.source import Source

READERS: Final[Mapping[str, str]] = {
    "rlds": "rlds:RldsSource",
    "lerobot": "lerobot:LeRobotSource",
    "roboarena": "roboarena:RoboArenaSource",
    "roboreward": "roboreward_layout:RoboRewardSource",
    "folder": "folder:FolderSource",
    "hdf5": "hdf5:Hdf5Source",
}
"""Name of each reader -> file and class of this room."""


def open_source(reader: str, path: Path, options: Mapping[str, Any]) -> Source:
    """Open a corpus.

    Args:
        reader: One of `READERS`.
        path: Its folder or file.
        options: Keyword arguments of the reader's class.

    Raises:
        UnknownName: There is no such reader.
        UsageError: The reader has no such option, or what it raises itself.
        DataError: The corpus makes no sense.
    """
    if reader not in READERS:
        raise UnknownName("reader", reader, READERS)
    file, _, name = READERS[reader].partition(":")
    kind = getattr(import_module(f"roboreward.sources.{file}"), name)
    known = [
        key
        for key, value in signature(kind).parameters.items()
        if value.kind.name == "KEYWORD_ONLY"
    ]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(
            f"The reader {reader!r} has no option {unknown[0]!r}. It has: {', '.join(known)}."
        )
    source: Source = kind(path, **options)
    return source
