"""Turns pictures into H.264 packets of which every prefix is what encoding that prefix alone would give."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from roboreward.core import Frames, RoboRewardError
from roboreward.media.profiles import NormalProfile

_BT601: Final = 6
_BT709: Final = 1
_LIMITED_RANGE: Final = 1
_NO_PICTURE_TYPE: Final = 0
_BOX_AVERAGE: Final = 0x20 | 0x40000 | 0x80000
"""swscale's area, accurate rounding and bit-exact flags: without the last two, results depend on the processor."""

_NOMINAL_FPS: Final = 30
"""What the encoder is told, whatever the video's rate: times live in the container, and how a frame is encoded must not
depend on when the next one is shown."""

_ONLY_BACKWARDS: Final = {
    "bframes": 0,
    "rc-lookahead": 0,
    "sync-lookahead": 0,
    "mbtree": 0,
    "scenecut": 0,
    "open-gop": 0,
    "threads": 1,
    "lookahead-threads": 1,
    "sliced-threads": 0,
    "slices": 1,
}
"""With these, x264 decides on a frame from it and the frames before it, and gives the same bytes on every x86-64
processor with SSSE3 (compared by masking SSE4, AVX, AVX2 and AVX-512)."""

_START_CODE: Final = b"\0\0\1"
SLICE: Final = 1
KEY_SLICE: Final = 5
"""A slice of an IDR picture: nothing behind it refers to anything before it (ITU-T H.264, 7.4.1.2.4)."""

_SPS, _PPS = 7, 8
_UNIT_TYPE: Final = 0x1F


@dataclass(frozen=True)
class Packet:
    """One frame as it is stored: a 4-byte length and one slice.

    Attributes:
        data: The bytes.
        is_key: Whether decoding can begin here.
    """

    data: bytes
    is_key: bool


class Encoder:
    """Encodes frames of one size, in order, one thread, no clock.

    Only slices are kept, with one set of parameters: the library's own words (its version, its settings) stay out.

    Args:
        profile: How to encode; its rate and size rules are applied elsewhere.
        size: (width, height), even.

    Attributes:
        sps: Sequence parameter set, known after the first packet.
        pps: Picture parameter set, likewise.
    """

    def __init__(self, profile: NormalProfile, size: tuple[int, int]) -> None:
        import av

        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, _NOMINAL_FPS), Fraction(_NOMINAL_FPS)
        context.thread_count, context.thread_type = 1, "NONE"
        context.color_range, context.colorspace = _LIMITED_RANGE, _BT601
        context.color_primaries, context.color_trc = _BT709, _BT709
        every = {"keyint": profile.keyframe_every, "min-keyint": profile.keyframe_every}
        settings = {**_ONLY_BACKWARDS, **every}
        context.options = {
            "crf": str(profile.crf),
            "preset": profile.preset,
            "flags": "+bitexact",
            "x264-params": ":".join(f"{key}={value}" for key, value in settings.items()),
        }
        self._context, self._count = context, 0
        self.sps = self.pps = b""

    def encode(self, frame: Any) -> list[Packet]:
        """Encode a picture of the encoder's size and format; return what is ready."""
        frame.pts, frame.time_base = self._count, self._context.time_base
        # A decoded frame carries how it was stored before, which the encoder would take for a wish.
        frame.pict_type = _NO_PICTURE_TYPE
        self._count += 1
        return [self._packet(bytes(packet)) for packet in self._context.encode(frame)]

    def finish(self) -> list[Packet]:
        """Return what was held back. Nothing can be encoded afterwards."""
        return [self._packet(bytes(packet)) for packet in self._context.encode(None)]

    def _packet(self, data: bytes) -> Packet:
        units: dict[int, bytes] = {}
        for unit in data.split(_START_CODE)[1:]:
            # A unit never ends in a zero byte: what is there belongs to the next start code.
            units[unit[0] & _UNIT_TYPE] = unit.rstrip(b"\0")
        sps, pps = units.get(_SPS, self.sps), units.get(_PPS, self.pps)
        if self.sps and (sps, pps) != (self.sps, self.pps):
            raise RoboRewardError("The encoder changed its parameters within a video. Report this.")
        self.sps, self.pps = sps, pps
        is_key = KEY_SLICE in units
        unit = units[KEY_SLICE if is_key else SLICE]
        return Packet(len(unit).to_bytes(4, "big") + unit, is_key)


def unit_type(first_byte: int) -> int:
    """Return the kind of an H.264 unit (ITU-T H.264, table 7-1) by its first byte."""
    return first_byte & _UNIT_TYPE


def picture_of_rgb(frame_HWC: Frames, size: tuple[int, int]) -> Any:
    """Return RGB (H, W, 3) as a picture of `size` (width, height), converted by averaging 2x2 boxes.

    It is cut where it has one pixel more than wanted, and scaled by area otherwise.
    """
    from av import VideoFrame

    width, height = size
    if 0 <= frame_HWC.shape[1] - width <= 1 and 0 <= frame_HWC.shape[0] - height <= 1:
        frame_HWC = frame_HWC[:height, :width]
    return VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24").reformat(
        width=width,
        height=height,
        format="yuv420p",
        dst_colorspace="ITU601",
        dst_color_range="MPEG",
        interpolation=_BOX_AVERAGE,
        threads=1,
    )


def scaled(frame: Any, size: tuple[int, int]) -> Any:
    """Return a plain yuv420p picture in `size` (width, height); the same object when it has it."""
    width, height = size
    if (frame.width, frame.height) == size:
        return frame
    return frame.reformat(width=width, height=height, interpolation=_BOX_AVERAGE, threads=1)
