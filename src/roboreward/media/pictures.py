"""Still pictures: single frames as bytes and back, and a contact sheet of what a model was shown."""

import io
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roboreward.core import Frames, FrameSample, MediaRefused, UsageError, shorten
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits, RefusalReason

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_BACKGROUND: Final = (255, 255, 255)
_INK: Final = (28, 30, 33)
_FAINT: Final = (110, 116, 124)
_EDGE: Final = (205, 209, 214)
_MARGIN_PX: Final = 16
_GAP_PX: Final = 8
_TITLE_PX: Final = 18
_TEXT_PX: Final = 14
_LABEL_PX: Final = 12
_MIN_CELL_PX: Final = 96
_MAX_CELL_PX: Final = 320
_MAX_COLUMNS: Final = 8
_MAX_CAPTION_CHARS: Final = 600
_SMALLER: Final = "Scale it down, or raise the limit."
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_MODES: Final = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "1", "CMYK", "YCbCr")
"""Pillow's names for pictures of up to 8 bits a channel. Depth comes as "I;16", "I" or "F"."""


def png_bytes(frame_HWC: Frames) -> bytes:
    """Return a uint8 RGB frame (H, W, 3) as PNG: exact."""
    return _encoded(frame_HWC, format="PNG", optimize=False, compress_level=6)


def jpeg_bytes(frame_HWC: Frames, *, quality: int = 90) -> bytes:
    """Return a uint8 RGB frame (H, W, 3) as JPEG with full colour resolution; `quality` is 1..95."""
    return _encoded(frame_HWC, format="JPEG", quality=quality, subsampling=0)


def _encoded(frame_HWC: Frames, **options: Any) -> bytes:
    from PIL import Image

    if frame_HWC.dtype != np.uint8 or frame_HWC.ndim != 3 or frame_HWC.shape[2] != 3:
        raise UsageError(
            f"a picture needs uint8 RGB (H, W, 3), got {frame_HWC.dtype} {frame_HWC.shape}."
        )
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame_HWC)).save(out, **options)
    return out.getvalue()


def decode_image(data: bytes, *, where: str, limits: MediaLimits = DEFAULT_LIMITS) -> Frames:
    """Return the picture that `data` holds as uint8 RGB (H, W, 3), as stored: no rotation tag is followed.

    Transparency is dropped and grey made RGB. The size is checked before a pixel is decoded.

    Args:
        data: A PNG, JPEG or WebP picture, by content.
        where: What it is and where it was, for messages.
        limits: `max_bytes` and `max_pixels` hold.

    Raises:
        MediaRefused: "empty", "too_large", "not_a_picture", "too_many_pixels", "truncated" or "undecodable"; the
            message begins with `where`.
    """
    if not data:
        raise _refused("empty", where, "the picture has zero bytes")
    if len(data) > limits.max_bytes:
        text = f"the picture has {len(data):,} bytes; the limit is max_bytes={limits.max_bytes:,}"
        raise _refused("too_large", where, text, advice=_SMALLER)
    from PIL import Image, UnidentifiedImageError

    too_many = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_picture(picture, where, limits)
            return np.array(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        text = f"no PNG, JPEG or WebP picture, by its first bytes ({data[:8].hex(' ')})"
        raise _refused("not_a_picture", where, text) from error
    except too_many as error:
        raise _refused("too_many_pixels", where, shorten(error), advice=_SMALLER) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason: RefusalReason = "truncated" if "truncated" in str(error) else "undecodable"
        raise _refused(
            reason, where, f"the picture cannot be decoded ({shorten(error)})"
        ) from error


def _check_picture(picture: "Image", where: str, limits: MediaLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        text = (
            f"a picture of {width}x{height} pixels; the limit is max_pixels={limits.max_pixels:,}"
        )
        raise _refused("too_many_pixels", where, text, advice=_SMALLER)
    if picture.mode not in _MODES:
        text = f"a picture of mode {picture.mode}, over 8 bits a channel; this looks like depth"
        raise _refused("not_a_picture", where, text)


def _refused(
    reason: RefusalReason, where: str, text: str, *, advice: str = "Copy or write it again."
) -> MediaRefused:
    return MediaRefused(reason, f"{where}: {text}. {advice}")


def contact_sheet(
    sample: FrameSample, *, caption: str | Sequence[str] = "", max_width_px: int = 1200
) -> "Image":
    """Draw the frames of a sample in a grid, each with its number and time, under a caption.

    Args:
        sample: What a model was shown.
        caption: Lines of text; the first is the title (the task, say), the others (the verdict) are set smaller.
            Long lines are wrapped, very long ones cut at 600 characters.
        max_width_px: Width of the picture, margins included; at least 160.

    Returns:
        An RGB picture on white, at most `max_width_px` wide.

    Raises:
        UsageError: `max_width_px` is below 160.
    """
    from PIL import Image, ImageDraw

    if max_width_px < 160:
        raise UsageError(f"max_width_px must be at least 160, got {max_width_px}.")
    lines = caption.split("\n") if isinstance(caption, str) else list(caption)
    grid = _grid(sample, max_width_px - 2 * _MARGIN_PX)
    text_px = min(max_width_px - 2 * _MARGIN_PX, max(grid.width_px, 480))
    texts = _wrapped([line for line in lines if line.strip()], text_px)
    head_px = sum(line.height_px for line in texts) + (_GAP_PX if texts else 0)
    width = max(grid.width_px, *(math.ceil(line.width_px) for line in texts), 0)
    size = (width + 2 * _MARGIN_PX, head_px + grid.height_px + 2 * _MARGIN_PX)
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    _draw_caption(draw, texts)
    _draw_frames(sheet, draw, sample, grid, _MARGIN_PX + head_px)
    return sheet


@dataclass(frozen=True)
class _Grid:
    columns: int
    rows: int
    cell_width_px: int
    cell_height_px: int

    @property
    def width_px(self) -> int:
        return self.columns * (self.cell_width_px + _GAP_PX) - _GAP_PX

    @property
    def height_px(self) -> int:
        return self.rows * self.step_y_px - _GAP_PX

    @property
    def step_y_px(self) -> int:
        return self.cell_height_px + _LABEL_PX + 8 + _GAP_PX


def _grid(sample: FrameSample, room_px: int) -> _Grid:
    """Choose columns so that rows are full where possible and cells neither tiny nor blown up."""
    num, height, width, _ = sample.frames_THWC.shape
    most = max(1, min(num, _MAX_COLUMNS, (room_px + _GAP_PX) // (_MIN_CELL_PX + _GAP_PX)))
    rows = math.ceil(num / most)
    if rows == 1 and num > 4 and (room_px + _GAP_PX) // num - _GAP_PX < 180:
        rows = 2
    columns = math.ceil(num / rows)
    cell = min((room_px + _GAP_PX) // columns - _GAP_PX, _MAX_CELL_PX)
    if width < cell:
        cell -= cell % width
    return _Grid(columns, rows, cell, max(1, round(cell * height / width)))


@dataclass(frozen=True)
class _Line:
    text: str
    font: Any
    height_px: int
    width_px: float
    colour: tuple[int, int, int]


def _wrapped(lines: Sequence[str], room_px: int) -> list[_Line]:
    from PIL import ImageFont

    out: list[_Line] = []
    for number, line in enumerate(lines):
        size = _TITLE_PX if number == 0 else _TEXT_PX
        font = ImageFont.load_default(size=size)
        text = line if len(line) <= _MAX_CAPTION_CHARS else f"{line[: _MAX_CAPTION_CHARS - 3]}..."
        for part in _parts(text, font, room_px):
            colour = _INK if number == 0 else _FAINT
            out.append(_Line(part, font, round(1.4 * size), font.getlength(part), colour))
    return out


def _parts(text: str, font: Any, room_px: int) -> list[str]:
    """Break at spaces, and inside a word only when it alone is wider than the room."""
    parts, current = [], ""
    for word in text.split():
        if current and font.getlength(f"{current} {word}") <= room_px:
            current = f"{current} {word}"
            continue
        if current:
            parts.append(current)
        while font.getlength(word) > room_px:
            fits = max(1, int(len(word) * room_px / font.getlength(word)) - 1)
            parts.append(word[:fits])
            word = word[fits:]
        current = word
    return [*parts, current] if current else parts


def _draw_caption(draw: "ImageDraw", lines: Sequence[_Line]) -> None:
    y = _MARGIN_PX
    for line in lines:
        draw.text((_MARGIN_PX, y), line.text, font=line.font, fill=line.colour)
        y += line.height_px


def _draw_frames(
    sheet: "Image", draw: "ImageDraw", sample: FrameSample, grid: _Grid, top_px: int
) -> None:
    from PIL import Image, ImageFont

    font = ImageFont.load_default(size=_LABEL_PX)
    size = (grid.cell_width_px, grid.cell_height_px)
    is_larger = sample.frames_THWC.shape[2] < grid.cell_width_px
    method = Image.Resampling.NEAREST if is_larger else Image.Resampling.LANCZOS
    for number, frame_HWC in enumerate(sample.frames_THWC):
        x = _MARGIN_PX + (number % grid.columns) * (grid.cell_width_px + _GAP_PX)
        y = top_px + (number // grid.columns) * grid.step_y_px
        sheet.paste(Image.fromarray(frame_HWC).resize(size, method), (x, y))
        draw.rectangle((x - 1, y - 1, x + size[0], y + size[1]), outline=_EDGE)
        index, seconds = sample.record.indices[number], sample.record.timestamps_s[number]
        label = f"{seconds:.2f} s  #{index}"
        draw.text((x, y + size[1] + 4), label, font=font, fill=_FAINT)
