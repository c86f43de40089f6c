"""Pictures in MCAP files: the library `mcap` takes records apart, the few messages that hold pictures are parsed here.

Outside rules: the MCAP specification (mcap.dev/spec); foxglove.CompressedImage as protobuf (timestamp 1, data 2,
format 3, frame_id 4) and as JSON (data in base64); sensor_msgs/msg/CompressedImage (header, format, data) and
foxglove_msgs/msg/CompressedImage (timestamp, frame_id, data, format) in plain CDR, as ROS 2 writes them.

A file is read from front to back, a chunk at a time. What a chunk may be unpacked to is compared with a limit before
it is, so memory is bounded by `MAX_RECORD_BYTES` and a copy of it.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from roboreward.core import DataError, MissingExtra, shorten

MAX_RECORD_BYTES: Final = 128 * 2**20
"""Largest record and largest unpacked chunk; recorders make chunks of some megabytes."""

_SHORTENED: Final = 12


@dataclass
class Topic:
    """What the messages of one topic are.

    Attributes:
        name: Such as "/camera/front".
        schema: Name of its schema.
        encoding: Such as "protobuf".
        num: How many messages there are.
        first_ns: Log time of the first.
        last_ns: Log time of the last.
        is_ordered: Whether log times never go back.
    """

    name: str
    schema: str
    encoding: str
    num: int = 0
    first_ns: int = 0
    last_ns: int = 0
    is_ordered: bool = True

    @property
    def holds_pictures(self) -> bool:
        """Whether its messages can be parsed."""
        return (self.schema, self.encoding) in _PICTURES

    @property
    def rate(self) -> float | None:
        """Messages a second, on the average."""
        span_ns = self.last_ns - self.first_ns
        return (self.num - 1) * 1e9 / span_ns if self.num > 1 and span_ns > 0 else None

    def take(self, log_time_ns: int) -> None:
        """Count a message."""
        self.first_ns = log_time_ns if self.num == 0 else self.first_ns
        self.is_ordered &= self.num == 0 or log_time_ns >= self.last_ns
        self.last_ns, self.num = log_time_ns, self.num + 1


def need_mcap() -> None:
    """Raise MissingExtra where the library is not installed."""
    _library()


def read_topics(path: Path) -> tuple[Topic, ...]:
    """Read a file through, comparing its checksums, and return its topics in the order in which they come.

    Raises:
        DataError: It is broken, cut off, over a limit, or no MCAP file.
        MissingExtra: mcap is not installed.
    """
    topics: dict[str, Topic] = {}
    for topic, message in _messages(path):
        topics.setdefault(topic.name, topic).take(message.log_time)
    return tuple(topics.values())


def read_pictures(path: Path, topic: str) -> Iterator[bytes]:
    """Yield the encoded pictures of a topic in the order of the file.

    Raises:
        DataError: As for `read_facts`, or a message cannot be parsed.
    """
    for found, message in _messages(path):
        if found.name == topic:
            try:
                yield _PICTURES[found.schema, found.encoding](message.data)
            except (ValueError, LookupError, TypeError, struct.error, RecursionError) as error:
                text = f"{path}: a message of {topic} is no {found.schema} ({shorten(error)})"
                raise DataError(f"{text}. Record it again.") from error


def _messages(path: Path) -> Iterator[tuple[Topic, Any]]:
    """Yield each message with its topic."""
    stream_reader, records = _library()
    topics: dict[int, Topic] = {}
    schemas: dict[int, str] = {0: ""}
    with _explained(path), path.open("rb") as file:
        for record in _records(file, stream_reader, records):
            if isinstance(record, records.Schema):
                schemas[record.id] = record.name
            elif isinstance(record, records.Channel):
                made = Topic(record.topic, schemas[record.schema_id], record.message_encoding)
                topics.setdefault(record.id, made)
            elif isinstance(record, records.Message):
                yield topics[record.channel_id], record


def _records(file: IO[bytes], stream_reader: Any, records: Any) -> Iterator[Any]:
    """Yield the records of a file, chunks taken apart."""
    reader = stream_reader.StreamReader(
        _Careful(file), emit_chunks=True, validate_crcs=True, record_size_limit=MAX_RECORD_BYTES
    )
    for record in reader.records:
        if isinstance(record, records.Chunk):
            plain = replace(record, compression="", data=_unpacked(record))
            yield from stream_reader.breakup_chunk(plain, validate_crc=True)
        else:
            yield record


class _Careful:
    """A file that raises where less is there than is asked for: the library goes on with less."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, num: int) -> bytes:
        if num > MAX_RECORD_BYTES:
            raise ValueError(f"{num:,} bytes in one piece; the limit is {MAX_RECORD_BYTES:,}")
        data = self._file.read(num)
        if len(data) < num:
            raise EOFError("the file ends early")
        return data


def _unpacked(chunk: Any) -> bytes:
    """Unpack a chunk, never further than it says that it goes."""
    size = chunk.uncompressed_size
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"a chunk of {size:,} bytes; the limit is {MAX_RECORD_BYTES:,}")
    if chunk.compression == "zstd":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(chunk.data) as stream:
            data = stream.read(size + 1)
    elif chunk.compression == "lz4":
        import lz4.frame

        data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
    elif chunk.compression == "":
        data = chunk.data
    else:
        raise ValueError(f"chunks packed by {shorten(chunk.compression)!r}; zstd and lz4 are read")
    if len(data) != size:
        raise ValueError(f"a chunk does not unpack to the {size:,} bytes that it promises")
    return bytes(data)


def _library() -> tuple[Any, Any]:
    try:
        from mcap import records, stream_reader
    except ModuleNotFoundError as error:
        if error.name != "mcap":
            raise
        raise MissingExtra("mcap", "mcap", "Reading MCAP") from error
    return stream_reader, records


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the libraries raise over a broken file into a DataError."""
    import zstandard
    from mcap.exceptions import McapError

    broken = (
        McapError,
        zstandard.ZstdError,
        OSError,
        EOFError,
        ValueError,
        LookupError,
        RuntimeError,
        OverflowError,
        MemoryError,
        struct.error,
    )
    try:
        yield
    except broken as error:
        cause = shorten(error) or type(error).__name__
        text = f"{path}: cannot be read as MCAP ({cause}). Copy it again, or mend it with `mcap recover`."
        raise DataError(text) from error


def _of_protobuf(message: bytes) -> bytes:
    """Return field 2. Fields of the message are of wire types 0 and 2; the others are passed over as well."""
    at, found = 0, None
    while at < len(message):
        key, at = _varint(message, at)
        length = {1: 8, 5: 4}.get(key & 7, 0)
        if key & 7 in (0, 2):
            length, at = _varint(message, at)
        if key & 7 == 0:
            continue
        if key & 7 not in (1, 2, 5) or at + length > len(message):
            raise ValueError("cut off, or no protobuf")
        if key == (2 << 3 | 2):
            found = message[at : at + length]
        at += length
    if found is None:
        raise ValueError("no field 'data'")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        byte = message[at + place] if at + place < len(message) else 0xFF
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("cut off, or no protobuf")


def _of_json(message: bytes) -> bytes:
    return base64.b64decode(json.loads(message)["data"], validate=True)


def _of_cdr(message: bytes, place: int) -> bytes:
    """Return one of the three arrays of bytes (texts are such, too) that follow a time of eight bytes."""
    if message[:1] != b"\0" or message[1:2] not in (b"\0", b"\1"):
        raise ValueError(f"not plain CDR: {message[:_SHORTENED].hex(' ')}")
    order, at = "<" if message[1] else ">", 12
    value = b""
    for _ in range(place + 1):
        at += -at % 4
        (length,) = struct.unpack_from(f"{order}I", message, at)
        value = message[at + 4 : at + 4 + length]
        at += 4 + length
        if len(value) != length:
            raise ValueError("cut off")
    return value


_PICTURES: Final[Mapping[tuple[str, str], Callable[[bytes], bytes]]] = {
    ("foxglove.CompressedImage", "protobuf"): _of_protobuf,
    ("foxglove.CompressedImage", "json"): _of_json,
    ("sensor_msgs/msg/CompressedImage", "cdr"): lambda message: _of_cdr(message, 2),
    ("foxglove_msgs/msg/CompressedImage", "cdr"): lambda message: _of_cdr(message, 1),
}
"""What takes the picture out of a message, by schema and encoding."""
