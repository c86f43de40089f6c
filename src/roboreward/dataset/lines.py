"""`rows.jsonl` of a build: one line an episode, appended when its videos are made, read back in any order.

A line that was written anew stands further down, so the last one of a key counts. What is kept in memory are four
numbers a line (key, two digests, place: 32 bytes).
"""

import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from roboreward.core import DataError, shorten

Line = dict[str, Any]
"""What is known of one episode, as JSON."""
Words = npt.NDArray[np.uint64]


class LineIndex:
    """Where the line of each episode is, and what it was made of.

    Args:
        path: The file; one that is missing has no lines.

    Raises:
        DataError: A line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        keys, facts, words, offsets = array("Q"), array("Q"), array("Q"), array("Q")
        for offset, line in _lines(path):
            try:
                keys.append(int(line["key"], 16))
                facts.append(int(line["facts"], 16))
                words.append(int(line["words"], 16))
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(path, json.dumps(line)) from error
            offsets.append(offset)
        order = np.argsort(_words(keys), kind="stable")
        is_last = np.append(_words(keys)[order][1:] != _words(keys)[order][:-1], True)
        order = order[is_last[: len(order)]]
        self._keys, self._facts = _words(keys)[order], _words(facts)[order]
        self._said, self._offsets = _words(words)[order], _words(offsets)[order]

    def __len__(self) -> int:
        return len(self._keys)

    def holds(self, key: str, *, facts: str, words: str | None = None) -> bool:
        """Whether there is a line of the episode `key` with these digests, all as hex digits; None for any words."""
        wanted = np.uint64(int(key, 16))
        place = int(self._keys.searchsorted(wanted))
        if place == len(self._keys) or self._keys[place] != wanted:
            return False
        is_same = int(self._facts[place]) == int(facts, 16)
        return is_same and (words is None or int(self._said[place]) == int(words, 16))

    def lines(self, keys: Words) -> Iterator[Line]:
        """Yield the lines of episodes in this order; those without a line are passed over."""
        places = self._keys.searchsorted(keys)
        places[places == len(self._keys)] = 0
        if len(self._keys):
            found = self._offsets[places[self._keys[places] == keys]]
            yield from (line for _, line in _lines(self.path, found.tolist()))


def _lines(path: Path, offsets: Iterable[int] | None = None) -> Iterator[tuple[int, Line]]:
    """Yield offset and content of all lines, or of those at the offsets."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            at = 0
            places = iter(offsets) if offsets is not None else None
            while True:
                if places is not None:
                    at = next(places, -1)
                    if at < 0:
                        return
                    file.seek(at)
                raw = file.readline()
                if not raw:
                    return
                yield at, _parsed(path, raw)
                at += len(raw)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error


def _parsed(path: Path, raw: bytes) -> Line:
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise _damaged(path, raw.decode("utf-8", "replace")) from error
    if not isinstance(line, dict):
        raise _damaged(path, raw.decode("utf-8", "replace"))
    return line


def _damaged(path: Path, line: str) -> DataError:
    return DataError(
        f"{path}: a damaged line, {shorten(line)!r}. Delete the file, and build again."
    )


def _words(values: "array[int]") -> Words:
    return np.frombuffer(values, np.uint64) if len(values) else np.zeros(0, np.uint64)
