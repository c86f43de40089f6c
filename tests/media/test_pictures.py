"""Still pictures are exact where they promise it, and a contact sheet shows every frame and all of its caption."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roboreward.core import FrameSample, UsageError
from roboreward.media import contact_sheet, jpeg_bytes, png_bytes


def _sample(num: int, *, height: int = 48, width: int = 64) -> FrameSample:
    colours = np.linspace(40, 200, num).astype(np.uint8)
    frames = np.broadcast_to(colours[:, None, None, None], (num, height, width, 3)).copy()
    return FrameSample.from_array(frames)


def test_png_is_exact(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (33, 47, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(frame)))), frame)


def test_jpeg_is_close_and_smaller_at_lower_quality(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    back = np.asarray(Image.open(io.BytesIO(jpeg_bytes(frame, quality=95))))
    assert np.abs(back.astype(int) - frame).mean() < 8
    assert len(jpeg_bytes(frame, quality=40)) < len(jpeg_bytes(frame, quality=95))


def test_what_is_not_a_frame_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="uint8 RGB"):
        png_bytes(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("num", [1, 2, 5, 8, 13])
@pytest.mark.parametrize("shape", [(48, 64), (480, 640), (96, 96), (534, 300), (84, 84)])
@pytest.mark.parametrize("max_width_px", [320, 1200])
def test_every_frame_is_on_the_sheet_and_the_sheet_keeps_its_width(
    num: int, shape: tuple[int, int], max_width_px: int
) -> None:
    sample = _sample(num, height=shape[0], width=shape[1])
    sheet = contact_sheet(sample, max_width_px=max_width_px)
    assert sheet.mode == "RGB"
    assert sheet.width <= max_width_px
    found = set(np.unique(np.asarray(sheet)[..., 0]))
    assert set(np.unique(sample.frames_THWC).tolist()) <= found
    assert sheet.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(
    "caption", ["put the cup on the plate " * 30, "x" * 900, "", ["a", "b" * 300]]
)
def test_long_captions_are_wrapped_inside_the_margins(caption: str | list[str]) -> None:
    sheet = np.asarray(contact_sheet(_sample(4), caption=caption, max_width_px=400))
    assert sheet.shape[1] <= 400
    assert (sheet[:, -8:] == 255).all()
    assert (sheet[:, :8] == 255).all()


def test_the_caption_takes_room_above_the_frames() -> None:
    without = contact_sheet(_sample(4))
    with_one = contact_sheet(_sample(4), caption="lift the block\nscore 4 of 5")
    assert with_one.height > without.height + 30


def test_captions_in_any_script_are_drawn(tmp_path: Path) -> None:
    contact_sheet(_sample(2), caption="\u628a\u7ea2\u8272\u65b9\u5757 \U0001f916 \x00\t end").save(
        tmp_path / "s.png"
    )


def test_a_sheet_too_narrow_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="160"):
        contact_sheet(_sample(2), max_width_px=80)
