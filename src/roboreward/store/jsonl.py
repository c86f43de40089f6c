"""JSON lines that survive a kill: one object a line, appended whole, checked on the way in and on the way out."""

import errno
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NoReturn

from roboreward.core import DataError, StoreError, shorten
from roboreward.store.atomic import sync_folder
from roboreward.store.failure import cannot_write

MAX_LINE_BYTES: Final = 1 << 20
"""Longest line that is written or read, with its line break."""


class JsonlWriter:
    """Appends records to a file, one line each.

    Each record is one write call. With `is_durable`, it is on disk when `append` returns; otherwise after `sync` or
    `close`, which is many times faster. A kill can tear only the last line: it is cut off when the file is opened
    again, and `torn` says what was cut. One writer a file: take `lock_folder` around it.

    Args:
        path: The file; made, with its folders, when missing.
        durable: Whether every record is forced to disk at once.

    Attributes:
        torn: Bytes of a torn last line that were cut off on opening; empty when there were none.

    Raises:
        StoreError: The place cannot be written to.
    """

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        self.path = Path(path)
        self.is_durable = durable
        self.torn = b""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._is_open = True
        try:
            self._repair()
            sync_folder(self.path.parent)
        except OSError as error:
            self._give_up()
            raise cannot_write(self.path, error) from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record.

        Raises:
            StoreError: The record cannot be stored (NaN, too long, not Unicode), the disk refused, or the writer is
                closed. The file then holds the earlier records and no part of this one.
            TypeError: The record is not made of JSON types.
        """
        line = _encode(record, self.path)
        if not self._is_open:
            raise StoreError(f"{self.path} is closed; open it again to append.")
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, "only a part of the line was written")
            if self.is_durable:
                os.fsync(self._fd)
        except OSError as error:
            self._take_back(size)
            raise cannot_write(self.path, error) from error

    def sync(self) -> None:
        """Force everything appended so far to disk."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Force everything to disk and close. Closing twice is allowed."""
        if not self._is_open:
            return
        try:
            self.sync()
        finally:
            self._give_up()

    def __enter__(self) -> "JsonlWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _repair(self) -> None:
        """Cut a torn last line; a whole object that lacks its line break (an editor's doing) gets one."""
        size = os.fstat(self._fd).st_size
        tail = _last_line(self._fd, size)
        if not tail:
            return
        if _is_object(tail):
            os.write(self._fd, b"\n")
        else:
            self.torn = tail
            os.ftruncate(self._fd, size - len(tail))
        os.fsync(self._fd)

    def _take_back(self, size: int) -> None:
        """Undo a partial write. If even that fails, stop writing: the next opening repairs the file."""
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        self._is_open = False
        os.close(self._fd)


def read_jsonl(
    path: Path | str, *, on_bad: Callable[[int, DataError], None] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read records one at a time, with the number of their line, from 1. Blank lines are passed over.

    Args:
        path: The file, UTF-8.
        on_bad: Called with the line number and the error for each bad line, which is then left out; None to raise.

    Raises:
        DataError: The file cannot be read; or a line is not one JSON object, is longer than `MAX_LINE_BYTES`, repeats
            a key, holds NaN or an infinity, or is not UTF-8. The message names file and line.
    """
    try:
        with open(path, "rb") as file:
            for row, line in enumerate(_lines(file), start=1):
                try:
                    record = _decode(line, first=row == 1)
                except ValueError as error:
                    bad = DataError(f"{path}:{row}: {error}.")
                    if on_bad is None:
                        raise bad from error
                    on_bad(row, bad)
                    continue
                if record is not None:
                    yield row, record
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error


def _encode(record: Mapping[str, Any], path: Path) -> bytes:
    try:
        text = json.dumps(dict(record), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        line = text.encode() + b"\n"
    except ValueError as error:
        raise StoreError(f"A record for {path} cannot be stored as JSON: {error}.") from error
    if len(line) > MAX_LINE_BYTES:
        raise StoreError(
            f"A record for {path} has {len(line):,} bytes, at most {MAX_LINE_BYTES:,} are allowed: "
            f"{shorten(text)}"
        )
    return line


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only its first part, one byte over the limit."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES + 1)


def _decode(line: bytes, *, first: bool = False) -> dict[str, Any] | None:
    """Return the object on a line, or None when it is blank. Raises ValueError with the reason."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"the line is longer than {MAX_LINE_BYTES:,} bytes")
    text = line.decode("utf-8-sig" if first else "utf-8").strip()
    if not text:
        return None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        torn = "" if line.endswith(b"\n") else "; the last line is torn"
        raise ValueError(
            f"not JSON ({error.msg} at character {error.pos + 1}{torn}): {shorten(text)!r}"
        ) from error
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is wanted, got {shorten(text)!r}")
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {shorten(twice)!r} occurs twice")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shorten(text, 20)} is too large")
    return value


def _is_object(line: bytes) -> bool:
    try:
        return _decode(line) is not None
    except ValueError:
        return False


def _last_line(fd: int, size: int) -> bytes:
    """Return what follows the last line break: empty when the file is whole."""
    tail = b""
    position = size
    while position > 0 and b"\n" not in tail:
        step = min(position, 1 << 16)
        position -= step
        tail = os.pread(fd, step, position) + tail
    return tail.rpartition(b"\n")[2]
