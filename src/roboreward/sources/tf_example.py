"""Parses `tf.train.Example`, the protocol buffer that TFRecord files of TensorFlow Datasets hold, without TensorFlow.

Outside rules: the wire format ("Encoding", Protocol Buffers documentation) and the message definitions of
tensorflow/core/example/example.proto and feature.proto: Example { Features features = 1 }, Features
{ map<string, Feature> feature = 1 }, Feature { oneof: BytesList 1, FloatList 2, Int64List 3 }, each a repeated
`value` = 1, numbers packed or not.

Every length is compared with what is there before it is used, so memory is bounded by the record: at worst some sixty
bytes for each byte of packed integers, while they are unpacked. Nesting is fixed by the definitions above; there is
no recursion.
"""

from collections.abc import Callable, Container, Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from roboreward.core import DataError, shorten

Values: TypeAlias = list[bytes] | npt.NDArray[np.float32] | npt.NDArray[np.int64]
"""One feature: byte strings in order, or float32 (N,), or int64 (N,)."""

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MAX_VARINT_BYTES: Final = 10
_Field: TypeAlias = tuple[int, int, int, int]
"""Field number, wire type, and where its value begins and ends (for a varint: the bytes of the varint)."""


def parse_example(
    record: bytes, *, where: str, names: Container[str] | None = None
) -> dict[str, Values]:
    """Return the features of a serialized `tf.train.Example` by name, in stored order.

    A feature of no kind, which the format allows, is an empty list of byte strings. Fields that the definitions do not
    know are passed over, as the wire format asks.

    Args:
        record: The serialized message.
        where: File and record, for messages.
        names: Features that are wanted; the others are passed over, which saves their parsing. None for all.

    Raises:
        DataError: The bytes are no such message, a name is not UTF-8 or occurs twice, or a feature has two kinds.
            `where` is named.
    """
    try:
        return _example(memoryview(record), names)
    except _Malformed as error:
        raise DataError(
            f"{where}: not a tf.train.Example: {error}. Write or download the file again."
        ) from error


class _Malformed(ValueError):
    """Why bytes are no such message."""


def _example(record: memoryview, names: Container[str] | None) -> dict[str, Values]:
    features: dict[str, Values] = {}
    seen: set[str] = set()
    for _, _, begin, end in _wanted(record, 0, len(record), number=1):
        for _, _, entry, entry_end in _wanted(record, begin, end, number=1):
            name, start, stop = _entry(record, entry, entry_end)
            if name in seen:
                raise _Malformed(f"the feature {shorten(name)!r} occurs twice")
            seen.add(name)
            if names is None or name in names:
                features[name] = _feature(record, start, stop, name)
    return features


def _entry(record: memoryview, begin: int, end: int) -> tuple[str, int, int]:
    """Return key (field 1) and place of the value (field 2) of a map entry; what is missing is empty."""
    name, value = "", None
    for number, wire, start, stop in _fields(record, begin, end):
        if number not in (1, 2):
            continue
        if wire != _BYTES:
            raise _Malformed(f"field {number} of a feature is of wire type {wire}")
        if number == 1:
            name = _text(record[start:stop])
        elif value is None:
            value = start, stop
        else:
            raise _Malformed(f"the feature {shorten(name)!r} has two values")
    return name, *(value or (end, end))


def _text(data: memoryview) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise _Malformed(f"the name of a feature is not UTF-8 ({error.reason})") from error


def _feature(record: memoryview, begin: int, end: int, name: str) -> Values:
    values: Values | None = None
    for kind, wire, start, stop in _fields(record, begin, end):
        if kind not in _READERS:
            continue
        if wire != _BYTES:
            raise _Malformed(f"the feature {shorten(name)!r} has a list of wire type {wire}")
        if values is not None:
            raise _Malformed(f"the feature {shorten(name)!r} has two lists of values")
        values = _READERS[kind](record, start, stop)
    return [] if values is None else values


def _byte_strings(record: memoryview, begin: int, end: int) -> list[bytes]:
    return [
        bytes(record[start:stop]) for _, _, start, stop in _wanted(record, begin, end, number=1)
    ]


def _floats(record: memoryview, begin: int, end: int) -> npt.NDArray[np.float32]:
    """Return packed floats (one field of 4 n bytes) or unpacked ones (n fields of 4 bytes), or any mixture."""
    packed = bytearray()
    for number, wire, start, stop in _fields(record, begin, end):
        if number != 1:
            continue
        if wire not in (_BYTES, _FIXED32) or (stop - start) % 4:
            raise _Malformed(f"{stop - start} bytes of wire type {wire} are no float32 values")
        packed += record[start:stop]
    return np.frombuffer(packed, "<f4").astype(np.float32)


def _integers(record: memoryview, begin: int, end: int) -> npt.NDArray[np.int64]:
    """Return packed integers (one field of varints) or unpacked ones (a field each), or any mixture."""
    packed = bytearray()
    for number, wire, start, stop in _fields(record, begin, end):
        if number != 1:
            continue
        if wire not in (_BYTES, _VARINT):
            raise _Malformed(f"wire type {wire} holds no int64 values")
        packed += record[start:stop]
    return _varints(np.frombuffer(packed, np.uint8))


_READERS: Final[dict[int, Callable[[memoryview, int, int], Values]]] = {
    1: _byte_strings,
    2: _floats,
    3: _integers,
}
"""How each member of the oneof of Feature is read."""


def _varints(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the integers of a run of varints: 7 bits a byte, the lowest first, the high bit set but for the last."""
    ends = np.flatnonzero(data < 0x80) + 1
    if data.size and (ends.size == 0 or ends[-1] != data.size):
        raise _Malformed("the last integer of a list is cut off")
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: ends.size]
    lengths = ends - begins
    if ends.size and int(lengths.max()) > _MAX_VARINT_BYTES:
        raise _Malformed(f"an integer has more than {_MAX_VARINT_BYTES} bytes")
    values = np.zeros(ends.size, np.uint64)
    for place in range(int(lengths.max()) if ends.size else 0):
        has_place = lengths > place
        digits = (data[begins[has_place] + place] & 0x7F).astype(np.uint64)
        values[has_place] |= digits << np.uint64(7 * place)
    return values.view(np.int64)


def _wanted(record: memoryview, begin: int, end: int, *, number: int) -> Iterator[_Field]:
    """Yield the fields with this number, which must be byte strings or messages."""
    for field in _fields(record, begin, end):
        if field[0] != number:
            continue
        if field[1] != _BYTES:
            raise _Malformed(f"field {number} is of wire type {field[1]}, a message is wanted")
        yield field


def _fields(record: memoryview, begin: int, end: int) -> Iterator[_Field]:
    """Yield the fields of one message, each inside `begin` to `end`."""
    at = begin
    while at < end:
        tag, at = _varint(record, at, end)
        number, wire = tag >> 3, tag & 7
        start = at
        if wire == _BYTES:
            length, start = _varint(record, at, end)
            at = start + length
        elif wire == _VARINT:
            _, at = _varint(record, at, end)
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
        else:
            raise _Malformed(f"wire type {wire} at byte {start} is none")
        if at > end:
            raise _Malformed(f"a field at byte {start} has {at - end:,} bytes more than are there")
        if number == 0:
            raise _Malformed(f"field number 0 at byte {start} is none")
        yield number, wire, start, at


def _varint(record: memoryview, at: int, end: int) -> tuple[int, int]:
    """Return the varint at `at` and the place behind it."""
    value = 0
    for shift, place in enumerate(range(at, min(end, at + _MAX_VARINT_BYTES))):
        byte = record[place]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + 1
    raise _Malformed(f"the number at byte {at} is cut off or longer than 64 bits")
