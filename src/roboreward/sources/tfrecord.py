"""Reads TFRecord files in plain Python: framing, checksums and bounds. What a record holds is `tf_example`'s matter.

Outside rule: the TFRecord format ("TFRecord and tf.train.Example", TensorFlow documentation). A record is its length
(64 bits, little endian), the masked CRC-32C of the length, the data, and the masked CRC-32C of the data.
"""

import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from roboreward.core import DataError
from roboreward.sources.crc32c import masked_crc32c

MAX_RECORD_BYTES: Final = 1 << 30
"""Largest record that is read unless the caller allows more. An RLDS episode is one record, with all its pictures."""

_HEAD: Final = struct.Struct("<QI")
_FOOT: Final = struct.Struct("<I")
_FRAMING_BYTES: Final = _HEAD.size + _FOOT.size
_KNOWN_OTHERS: Final = (
    (b"\x1f\x8b", "a gzip archive, to be unpacked with gunzip"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (run `git lfs pull`)"),
    (b"<!", "HTML, such as the page of a failed download"),
    (b"<h", "HTML, such as the page of a failed download"),
    (b"<?", "XML, such as the page of a failed download"),
)


class BrokenRecords(DataError):
    """The framing of a TFRecord file is broken: nothing behind this place can be found.

    Attributes:
        record: The first record that was not read, counted from 0.
    """

    def __init__(self, record: int, message: str) -> None:
        self.record = record
        super().__init__(message)


class BadRecord(DataError):
    """One record cannot be used; those behind it can.

    Attributes:
        record: Its number, from 0.
        reason: "checksum" or "too_large".
    """

    def __init__(self, record: int, reason: str, message: str) -> None:
        self.record, self.reason = record, reason
        super().__init__(message)


OnBadRecord = Callable[[BadRecord], None]


def read_records(
    path: Path | str,
    *,
    is_checked: bool = True,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_bad: OnBadRecord | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Read records one at a time, with their number, from 0. No more than one record is in memory.

    Args:
        path: The file, not compressed.
        is_checked: Whether the checksums of the data are compared; those of the lengths always are, because a wrong
            length loses everything behind it. Without the check a flipped bit becomes a wrong picture or number.
        max_record_bytes: Limit for one record. A length is also compared with what the file still holds, so that a
            lying one allocates nothing.
        on_bad: Called for each record that does not fit its checksum or the limit, which is then left out; None to
            raise.

    Raises:
        BrokenRecords: A length does not fit its checksum, or the file ends inside a record or with bytes that are
            none. The message names file and record.
        BadRecord: A record does not fit its checksum or the limit, without `on_bad`.
        DataError: The file cannot be read.
    """
    try:
        size_bytes = _size_of_file(path)
        with open(path, "rb") as file:
            records = _Records(file, path, size_bytes, is_checked, max_record_bytes)
            while file.tell() < size_bytes:
                number = records.num_passed
                # A list that is emptied: a name would keep the record in memory for as long as the caller works on it.
                held: list[bytes] = []
                try:
                    held.append(records.read())
                except BadRecord as error:
                    if on_bad is None:
                        raise
                    on_bad(error)
                if held:
                    yield number, held.pop()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error


def _size_of_file(path: Path | str) -> int:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is a folder, a pipe or a device. Name a TFRecord file.")
    return status.st_size


@dataclass
class _Records:
    """An open file, positioned between two records."""

    file: BinaryIO
    path: Path | str
    size_bytes: int
    is_checked: bool
    max_record_bytes: int
    num_passed: int = 0

    def read(self) -> bytes:
        """Return the data of the next record. Also after a BadRecord, the file is positioned behind it."""
        left = self.size_bytes - self.file.tell() - _FRAMING_BYTES
        head = self.file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise self._broken(f"{len(head)} trailing bytes are too few for a record")
        length, stored = _HEAD.unpack(head)
        if masked_crc32c(head[:8]) != stored:
            raise self._broken(_describe_bad_length(head, self.num_passed))
        if length > left:
            text = f"the record has {length:,} bytes, {max(left, 0):,} are left"
            raise self._broken(f"the file ends early: {text}")
        if length > self.max_record_bytes:
            self.file.seek(length + _FOOT.size, os.SEEK_CUR)
            text = f"{length:,} bytes, over the limit max_record_bytes={self.max_record_bytes:,}"
            raise self._bad("too_large", f"{text}. Raise it if that is right.")
        return self._data(length)

    def _data(self, length: int) -> bytes:
        data, foot = self.file.read(length), self.file.read(_FOOT.size)
        if len(data) + len(foot) < length + _FOOT.size:
            raise self._broken("the file became shorter while it was read")
        if self.is_checked and masked_crc32c(data) != _FOOT.unpack(foot)[0]:
            text = f"the {length:,} bytes do not fit their checksum (CRC-32C)"
            raise self._bad("checksum", f"{text}. Copy or download the file again.")
        self.num_passed += 1
        return data

    @property
    def _where(self) -> str:
        return f"{self.path}: record {self.num_passed} (from 0)"

    def _broken(self, text: str) -> BrokenRecords:
        message = f"{self._where}: {text}. Copy or download the file again."
        return BrokenRecords(self.num_passed, message)

    def _bad(self, reason: str, text: str) -> BadRecord:
        error = BadRecord(self.num_passed, reason, f"{self._where}: {text}")
        self.num_passed += 1
        return error


def _describe_bad_length(head: bytes, number: int) -> str:
    if number == 0:
        for magic, text in _KNOWN_OTHERS:
            if head.startswith(magic[: len(head)]):
                return f"this is {text}"
    return "the length of the record does not fit its checksum"
