"""Which packets of an AV1 video must be decoded to see some of its frames, read from the frames' headers.

AV1 frames name the frames that they build on: seven of eight slots, and which slots they fill (AV1 Bitstream & Decoding
Process Specification 1.0.0 with errata 1: 5.5 sequence header, 5.9 frame header, 7.20 and 7.21 reference frames). An
encoder with a pyramid of frames, such as SVT-AV1 by default, leaves most of them without a follower. What cannot be
told from the headers with certainty is not guessed: then every packet is needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_SEQUENCE, _DELIMITER, _FRAME_HEADER, _TILES, _METADATA, _FRAME, _COPY, _PADDING = (
    *range(1, 8),
    15,
)
"""Types of units (section 6.2.2)."""

_WITHOUT_PIXELS: Final = (_DELIMITER, _TILES, _METADATA, _COPY, _PADDING)
_KEY, _INTER, _INTRA, _SWITCH = range(4)
"""Types of frames (section 6.8.2)."""

_NUM_SLOTS: Final = 8
_NUM_REFERENCES: Final = 7
_ALL_SLOTS: Final = 255
_CHOSEN_BY_FRAME: Final = 2
_HEADER_BYTES: Final = 64
"""No field that is read lies further back."""

_CONFIGURATION_BYTES: Final = 4
"""Before the sequence header in the `av1C` box of MP4 and in Matroska's CodecPrivate."""


class _Unclear(Exception):
    """The headers use a feature that is not followed here."""


class _Bits:
    """The fields of a header, first bit first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, num: int) -> int:
        self._left -= num
        if self._left < 0:
            raise _Unclear("a header ends too early")
        return self._value >> self._left & ((1 << num) - 1)


@dataclass(frozen=True)
class _Sequence:
    """What the frames' headers depend on.

    Attributes:
        order_bits: Length of a frame's place in the order of showing; 0 where there is none.
        screen_tools: 0, 1, or 2 where each frame says.
        whole_motion: Likewise.
    """

    order_bits: int
    screen_tools: int
    whole_motion: int


@dataclass(frozen=True)
class _Frame:
    """One frame's header.

    Attributes:
        kind: Key, inter, intra-only or switch.
        shows: The slot that is shown again in place of a new frame.
        uses: Slots that the frame may build on.
        fills: Slots that hold it afterwards, a bit for each.
    """

    kind: int
    shows: int | None = None
    uses: tuple[int, ...] = ()
    fills: int = 0


def needed_packets(
    packets: Sequence[Any], wanted: set[int], extradata: bytes | None
) -> set[int] | None:
    """Return the places of the packets that the frames of the `wanted` ones cannot be decoded without.

    Args:
        packets: From a keyframe on, in stored order; anything with the buffer protocol.
        wanted: Places in `packets`.
        extradata: What the container says about the codec.

    Returns:
        Places, with the wanted ones and the first; None when all may be needed.
    """
    try:
        follows = _what_follows(packets, extradata or b"")
    except (_Unclear, IndexError):
        return None
    needed: set[int] = set()
    # The first one brings the sequence header, without which a decoder refuses intra-only frames too.
    todo = [0, *wanted]
    while todo:
        place = todo.pop()
        if place not in needed:
            needed.add(place)
            todo.extend(follows[place])
    return needed


def _what_follows(packets: Sequence[Any], extradata: bytes) -> list[set[int]]:
    """Return for each packet the packets that its frames build on.

    A sequence header in the container only counts where the packets bring none.
    """
    sequence: _Sequence | None = None
    sequence_bytes = b""
    slots: list[tuple[int, int] | None] = [None] * _NUM_SLOTS
    follows: list[set[int]] = []
    for place, packet in enumerate((extradata[_CONFIGURATION_BYTES:], *packets), start=-1):
        uses: set[int] = set()
        for kind, data in _units(memoryview(packet)):
            if kind == _SEQUENCE:
                if sequence_bytes not in (b"", data):
                    raise _Unclear("the sequence changes")
                sequence = _read_sequence(_Bits(data))
                sequence_bytes = data if place >= 0 else b""
            elif kind in (_FRAME_HEADER, _FRAME):
                uses |= _note(_read_frame(_Bits(data), sequence), place, slots)
            elif kind not in _WITHOUT_PIXELS:
                raise _Unclear("a kind of unit that is not known here")
        if place >= 0:
            follows.append(uses - {place})
    return follows


def _note(frame: _Frame, place: int, slots: list[tuple[int, int] | None]) -> set[int]:
    """Fill the slots, each with the kind of frame and its packet; return the packets that were used."""
    used: set[int] = set()
    for slot in frame.uses if frame.shows is None else (frame.shows,):
        held = slots[slot]
        if held is None or (frame.shows is not None and held[0] == _KEY):
            # A keyframe that is shown again fills every slot.
            raise _Unclear("a slot is empty, or a keyframe is shown again")
        used.add(held[1])
    for slot in range(_NUM_SLOTS):
        if frame.fills >> slot & 1:
            slots[slot] = frame.kind, place
    return used


def _units(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the first bytes of each unit (section 5.3)."""
    at = 0
    while at < len(data):
        head = data[at]
        if head & 0b10000101:
            raise _Unclear("layers, or reserved bits")
        at += 1
        size = len(data) - at
        if head & 0b10:
            size, at = _read_size(data, at)
        if size > len(data) - at:
            raise _Unclear("a unit is longer than its packet")
        yield head >> 3, bytes(data[at : at + min(size, _HEADER_BYTES)])
        at += size


def _read_size(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the lowest first (section 4.10.5), and the place behind it."""
    size = 0
    for group in range(8):
        size |= (data[at + group] & 127) << 7 * group
        if data[at + group] < 128:
            return size, at + group + 1
    raise _Unclear("a size is too long")


def _read_sequence(bits: _Bits) -> _Sequence:
    """Read a sequence header up to the last field that is needed (section 5.5.1)."""
    bits.take(3 + 1)  # profile, still picture
    if bits.take(1) or bits.take(1):
        raise _Unclear("a still picture, or times in the headers")
    has_delay = bits.take(1)
    if bits.take(5):
        raise _Unclear("more than one operating point")
    bits.take(12)
    if bits.take(5) > 7:
        bits.take(1)  # tier
    if has_delay and bits.take(1):
        bits.take(4)
    widths = bits.take(4) + 1, bits.take(4) + 1
    bits.take(sum(widths))
    if bits.take(1):
        raise _Unclear("frames have numbers")
    bits.take(3 + 4)  # superblocks, intra tools; inter tools
    has_order = bits.take(1)
    bits.take(2 * has_order)
    screen_tools = _CHOSEN_BY_FRAME if bits.take(1) else bits.take(1)
    whole_motion = _CHOSEN_BY_FRAME
    if screen_tools and not bits.take(1):
        whole_motion = bits.take(1)
    return _Sequence(bits.take(3) + 1 if has_order else 0, screen_tools, whole_motion)


def _read_frame(bits: _Bits, sequence: _Sequence | None) -> _Frame:
    """Read a frame's header up to the slots that it uses (section 5.9.2)."""
    if sequence is None:
        raise _Unclear("no sequence header")
    if bits.take(1):
        return _Frame(_INTER, shows=bits.take(3))
    kind, is_shown = bits.take(2), bits.take(1)
    bits.take(not is_shown)  # whether it may be shown later
    is_whole = kind == _SWITCH or (kind == _KEY and is_shown)
    is_inter = kind in (_INTER, _SWITCH)
    is_resilient = is_whole or bits.take(1)
    bits.take(1)  # whether probabilities stay
    has_tools = sequence.screen_tools
    if has_tools == _CHOSEN_BY_FRAME:
        has_tools = bits.take(1)
    bits.take(has_tools and sequence.whole_motion == _CHOSEN_BY_FRAME)
    bits.take((kind != _SWITCH) + sequence.order_bits)
    bits.take(
        3 * (is_inter and not is_resilient)
    )  # whose probabilities it begins with: one of those it uses
    fills = _ALL_SLOTS if is_whole else bits.take(_NUM_SLOTS)
    if not is_inter:
        return _Frame(kind, fills=fills)
    if is_resilient or (sequence.order_bits and bits.take(1)):
        raise _Unclear("the slots that it uses are not written out")
    return _Frame(kind, uses=tuple(bits.take(3) for _ in range(_NUM_REFERENCES)), fills=fills)
