"""The one MP4 layout that normalised videos and their clips have, written and read back byte for byte.

A general muxer would do, but its bytes change with its version, and facts about the whole video (bit rates, edit lists)
would travel into a clip. Here every byte is a function of the frames that are there, and a file is known to be of this
layout when writing what was read gives the same bytes. Boxes: ISO/IEC 14496-12; `avcC`: ISO/IEC 14496-15, 5.3.3.1.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from roboreward.media.retiming import TICKS_PER_S

MAX_FILE_BYTES: Final = 2**31
_MATRIX: Final = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_FTYP: Final = b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41"
_UNDETERMINED: Final = 0x55C4
"""The language "und" in five bits a letter."""
_COLOURS: Final = b"nclx" + struct.pack(">3HB", 1, 1, 6, 0)
"""Primaries and transfer BT.709, matrix BT.601, limited range: as `write_video` tags its colours."""
_HIGH: Final = 100
_NUMBER: Final = struct.Struct(">I")
_TO_AVCC: Final = 8 + 8 + 78
"""From the start of `stsd`'s body to the `avcC` box: version and count, the entry's head, its fixed fields."""
_NAME_AT: Final = 8 + 8 + 42
_SIZE_AT: Final = 8 + 8 + 24


class NotThisLayout(ValueError):
    """The bytes are not what `header` writes. The text says what differs."""


@dataclass(frozen=True)
class Coding:
    """What holds for all frames of a file.

    Attributes:
        profile: Name of the profile, ASCII, at most 31 characters.
        width_px: Even.
        height_px: Even.
        sps: H.264 sequence parameter set, without start code.
        pps: H.264 picture parameter set, likewise.
    """

    profile: str
    width_px: int
    height_px: int
    sps: bytes
    pps: bytes


@dataclass(frozen=True)
class Index:
    """One entry a frame, in order. All frames lie one behind the other, and are shown in the order they are stored.

    Attributes:
        sizes: Bytes of each frame's packet.
        durations: Ticks of 1 / `TICKS_PER_S` s that each frame is shown.
        keys: Places of the keyframes, from 0.
    """

    sizes: tuple[int, ...]
    durations: tuple[int, ...]
    keys: tuple[int, ...]


def header(coding: Coding, index: Index) -> bytes:
    """Return everything of the file that comes before the first frame's packet.

    Raises:
        NotThisLayout: The file would be larger, or the video longer, than 32-bit fields can say.
    """
    num_bytes = sum(index.sizes)
    if num_bytes > MAX_FILE_BYTES or sum(index.durations) >= 2**32:
        raise NotThisLayout(f"{num_bytes:,} bytes of frames are too many for one file")
    start = _box(b"ftyp", _FTYP)
    length = len(start) + len(_moov(coding, index, 0)) + 8
    return start + _moov(coding, index, length) + struct.pack(">I4s", 8 + num_bytes, b"mdat")


def read_header(data: bytes) -> tuple[Coding, Index, int]:
    """Return what `header` was given, and how many bytes it made of it.

    Args:
        data: The file's bytes from its start to at least the end of its `moov` box and 8 more.

    Raises:
        NotThisLayout: The bytes are not `header`'s.
    """
    try:
        coding, index = _parse(data)
        expected = header(coding, index)
    except (struct.error, KeyError, IndexError, UnicodeError) as error:
        raise NotThisLayout("its boxes are not those of a normalised video") from error
    if data[: len(expected)] != expected:
        raise NotThisLayout("its header differs from the one of a normalised video")
    return coding, index, len(expected)


def moov_end(head: bytes) -> int:
    """Return where the `moov` box ends, from the file's first bytes (48 are enough).

    Raises:
        NotThisLayout: The file does not begin with our `ftyp` and a `moov`.
    """
    start = _box(b"ftyp", _FTYP)
    length = int.from_bytes(head[len(start) : len(start) + 4], "big")
    if not head.startswith(start) or head[len(start) + 4 : len(start) + 8] != b"moov":
        raise NotThisLayout("it was not written by normalise_video or cut_prefix")
    return len(start) + length


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, _NUMBER.pack(flags), *parts)


def _moov(coding: Coding, index: Index, begin: int) -> bytes:
    duration = sum(index.durations)
    times = struct.pack(">4I", 0, 0, TICKS_PER_S, duration)
    rate_and_volume = struct.pack(">IHH8x", 1 << 16, 1 << 8, 0)
    mvhd = _full(b"mvhd", 0, times, rate_and_volume, _MATRIX, bytes(24), _NUMBER.pack(2))
    mdhd = _full(b"mdhd", 0, times, struct.pack(">HH", _UNDETERMINED, 0))
    hdlr = _full(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"VideoHandler\0")
    media = _box(b"mdia", mdhd, hdlr, _minf(coding, index, begin))
    return _box(b"moov", mvhd, _box(b"trak", _tkhd(coding, duration), media))


def _tkhd(coding: Coding, duration: int) -> bytes:
    """Enabled and in the movie (flags 3), track 1."""
    times = struct.pack(">5I8x", 0, 0, 1, 0, duration)
    size = struct.pack(">2I", coding.width_px << 16, coding.height_px << 16)
    return _full(b"tkhd", 3, times, bytes(8), _MATRIX, size)


def _minf(coding: Coding, index: Index, begin: int) -> bytes:
    vmhd = _full(b"vmhd", 1, bytes(8))
    dinf = _box(b"dinf", _full(b"dref", 0, _NUMBER.pack(1), _full(b"url ", 1)))
    return _box(b"minf", vmhd, dinf, _stbl(coding, index, begin))


def _stbl(coding: Coding, index: Index, begin: int) -> bytes:
    """All frames are one chunk."""
    runs = [(len(list(same)), ticks) for ticks, same in groupby(index.durations)]
    num = len(index.sizes)
    return _box(
        b"stbl",
        _full(b"stsd", 0, _NUMBER.pack(1), _avc1(coding)),
        _full(b"stts", 0, _numbers([len(runs), *(number for run in runs for number in run)])),
        _full(b"stss", 0, _numbers([len(index.keys), *(place + 1 for place in index.keys)])),
        _full(b"stsc", 0, _numbers([1, 1, num, 1])),
        _full(b"stsz", 0, _numbers([0, num, *index.sizes])),
        _full(b"stco", 0, _numbers([1, begin])),
    )


def _numbers(values: Sequence[int]) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _avc1(coding: Coding) -> bytes:
    """The sample entry. Its compressor name, which is informative, is the profile's name."""
    name = coding.profile.encode("ascii")
    return _box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        struct.pack(">HHIIIH", coding.width_px, coding.height_px, 72 << 16, 72 << 16, 0, 1),
        struct.pack(">B31s", len(name), name),
        struct.pack(">HH", 24, 0xFFFF),
        _box(b"avcC", _avcc(coding)),
        _box(b"colr", _COLOURS),
    )


def _avcc(coding: Coding) -> bytes:
    """Packets carry 4-byte lengths; one parameter set of each kind; 8 bits, 4:2:0."""
    sps, pps = coding.sps, coding.pps
    head = bytes([1]) + sps[1:4] + bytes([0xFC | 3, 0xE0 | 1])
    sets = struct.pack(">H", len(sps)) + sps + b"\1" + struct.pack(">H", len(pps)) + pps
    return head + sets + (bytes([0xFC | 1, 0xF8, 0xF8, 0]) if sps[1] >= _HIGH else b"")


def _parse(data: bytes) -> tuple[Coding, Index]:
    """Take what `header` needs from where it would put it; whether all else is there shows when it is written."""
    stbl = _find(data, b"moov", b"trak", b"mdia", b"minf", b"stbl")
    tables = dict(_children(stbl))
    sizes = _table(tables[b"stsz"], skip=1)
    return _coding(tables[b"stsd"]), Index(
        sizes,
        tuple(_durations(_table(tables[b"stts"], width=2), len(sizes))),
        tuple(place - 1 for place in _table(tables[b"stss"])),
    )


def _find(data: bytes, *kinds: bytes) -> bytes:
    for kind in kinds:
        data = dict(_children(data))[kind]
    return data


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8:
            return
        yield kind, data[at + 8 : at + length]
        at += length


def _table(body: bytes, *, skip: int = 0, width: int = 1) -> tuple[int, ...]:
    """Return the numbers of a table: version and flags, `skip` numbers, the count, the rows of `width` numbers."""
    (count,) = _NUMBER.unpack_from(body, 4 + 4 * skip)
    begin = 8 + 4 * skip
    if len(body) - begin != 4 * width * count:
        raise NotThisLayout("a table has another length than it says")
    return struct.unpack_from(f">{width * count}I", body, begin)


def _durations(runs: Sequence[int], num: int) -> Iterator[int]:
    if sum(runs[::2]) != num:
        raise NotThisLayout("its tables do not agree on the number of frames")
    for count, ticks in zip(runs[::2], runs[1::2], strict=True):
        yield from (ticks for _ in range(count))


def _coding(stsd: bytes) -> Coding:
    width, height = struct.unpack_from(">HH", stsd, _SIZE_AT)
    name = stsd[_NAME_AT + 1 : _NAME_AT + 1 + min(31, stsd[_NAME_AT])]
    avcc = dict(_children(stsd[_TO_AVCC:]))[b"avcC"]
    (length,) = struct.unpack_from(">H", avcc, 6)
    sps = avcc[8 : 8 + length]
    (length,) = struct.unpack_from(">H", avcc, 9 + len(sps))
    return Coding(name.decode("ascii"), width, height, sps, avcc[11 + len(sps) :][:length])
