"""Still pictures are exact where they promise it, and a contact sheet shows every frame and all of its caption."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roboreward.core import FrameSample, MediaRefused, UsageError
from roboreward.media import MediaLimits, contact_sheet, decode_image, jpeg_bytes, png_bytes


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


def _picture(mode: str, kind: str, *, size: tuple[int, int] = (6, 4)) -> bytes:
    out = io.BytesIO()
    colour = (77,) * len(mode) if mode.isalpha() else 77
    Image.new(mode, size, colour).save(out, kind)
    return out.getvalue()


def test_a_decoded_png_is_what_was_encoded(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (33, 47, 3), dtype=np.uint8)
    back = decode_image(png_bytes(frame), where="here")
    np.testing.assert_array_equal(back, frame)
    assert back.flags.writeable


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("L", "JPEG"), ("RGB", "WEBP")]
)
def test_pictures_of_eight_bits_become_rgb(mode: str, kind: str) -> None:
    back = decode_image(_picture(mode, kind), where="here")
    assert back.shape == (4, 6, 3)
    assert np.abs(back.astype(int) - 77).max() <= 3


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"", "empty", "zero bytes"),
        (b"GIF89a" + bytes(20), "not_a_picture", "first bytes"),
        (_picture("RGB", "GIF"), "not_a_picture", "no PNG, JPEG or WebP"),
        (_picture("I;16", "PNG"), "not_a_picture", "looks like depth"),
        (_picture("RGB", "PNG", size=(3000, 3000)), "too_many_pixels", "3000x3000"),
        (_picture("RGB", "JPEG", size=(300, 300))[:-300], "truncated", "truncated"),
        (_picture("RGB", "PNG", size=(300, 300))[:-60], "truncated", "truncated"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused_by_name(
    data: bytes, reason: str, words: str
) -> None:
    with pytest.raises(MediaRefused, match=rf"^step 3: .*{words}") as caught:
        decode_image(data, where="step 3")
    assert caught.value.reason == reason


def test_a_picture_with_too_many_bytes_is_refused() -> None:
    with pytest.raises(MediaRefused, match="max_bytes=10"):
        decode_image(_picture("RGB", "PNG"), where="here", limits=MediaLimits(max_bytes=10))


def test_damaged_pictures_decode_or_are_refused(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for data in (png_bytes(frame), jpeg_bytes(frame)):
        for _ in range(150):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 4):
                damaged[place] = rng.integers(0, 256)
            try:
                back = decode_image(bytes(damaged), where="here")
            except MediaRefused:
                continue
            assert back.dtype == np.uint8
            assert back.shape[2] == 3


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
