"""What Robometer is given: a text with a marker behind every picture, and pictures cut into patches. No torch here."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from roboreward.core import DataError, Frames, FrameSample
from roboreward.models.method_prompt import load_method_prompt

SPECIAL_TOKENS: Final = (
    "<|split_token|>",
    "<|reward_token|>",
    "<|pref_token|>",
    "<|sim_token|>",
    "<|prog_token|>",
)
"""Tokens that the weights have rows for, in the order in which they were added to the Qwen3-VL vocabulary."""
PROGRESS_TOKEN: Final = SPECIAL_TOKENS[-1]
IMAGE_PAD: Final = "<|image_pad|>"

_MIN_TOKENS, _MAX_TOKENS = 4, 16_384
_OTHER_READINGS: Final = {
    "use_per_frame_progress_token": "false",
    "use_multi_image": "false",
}
Floats = npt.NDArray[np.float32]


def text_of(task: str, tokens_per_frame: list[int]) -> str:
    """Return the whole text: one turn of the user, with a place for each token of each picture.

    Raises:
        UsageError: The task is empty or too long.
    """
    pictures = [
        f"Picture {number}: <|vision_start|>{IMAGE_PAD * num}<|vision_end|>{PROGRESS_TOKEN}"
        for number, num in enumerate(tokens_per_frame, 1)
    ]
    question = load_method_prompt("robometer-v1").part(0, task=task)
    return f"<|im_start|>user\n{question}{''.join(pictures)}<|im_end|>\n"


def picture_size(height_px: int, width_px: int, *, unit_px: int) -> tuple[int, int]:
    """Return height and width that a picture is brought to: whole tokens of `unit_px`, 4 to 16,384 of them."""
    height, width = (
        max(unit_px, round(side / unit_px) * unit_px) for side in (height_px, width_px)
    )
    least, most = _MIN_TOKENS * unit_px**2, _MAX_TOKENS * unit_px**2
    if height * width > most:
        shrink = (height_px * width_px / most) ** 0.5
        height, width = (
            max(unit_px, int(side / shrink / unit_px) * unit_px) for side in (height_px, width_px)
        )
    elif height * width < least:
        grow = (least / (height_px * width_px)) ** 0.5
        height, width = (
            int(np.ceil(side * grow / unit_px)) * unit_px for side in (height_px, width_px)
        )
    return height, width


def patches_of(
    sample: FrameSample, *, patch_px: int, merge: int, repeat: int
) -> tuple[Floats, tuple[int, int]]:
    """Return the patches of all frames, and the grid of one frame.

    Args:
        sample: Frames of one size.
        patch_px: Side of a patch.
        merge: Patches of a side that become one token.
        repeat: How often a single picture stands in time.

    Returns:
        float32 (T * rows * columns, 3 * repeat * patch_px**2) in [-1, 1], patches of one token side by side, and
        (rows, columns).
    """
    height, width = picture_size(*sample.frames_THWC.shape[1:3], unit_px=patch_px * merge)
    resized = np.stack([_resized(frame, height, width) for frame in sample.frames_THWC])
    values = (resized.astype(np.float32) / 255 - 0.5) / 0.5
    rows, columns = height // patch_px, width // patch_px
    cut = values.reshape(
        len(values), rows // merge, merge, patch_px, columns // merge, merge, patch_px, 3
    ).transpose(0, 1, 4, 2, 5, 7, 3, 6)
    flat = cut.reshape(len(values) * rows * columns, 3, 1, patch_px**2)
    return np.repeat(flat, repeat, axis=2).reshape(len(flat), -1), (rows, columns)


def check_reading(folder: Path) -> None:
    """Refuse a checkpoint whose settings say that it reads progress elsewhere than behind every picture.

    Raises:
        DataError: They say so.
    """
    file = folder / "config.yaml"
    text = file.read_text("utf-8", "replace") if file.is_file() else ""
    for key, other in _OTHER_READINGS.items():
        if re.search(rf"^\s*{key}:\s*{other}\b", text, re.MULTILINE | re.IGNORECASE):
            raise DataError(
                f"{file} has {key}: {other}. Only checkpoints that read progress behind every picture are run, "
                "as robometer/Robometer-4B does."
            )


def _resized(frame_HWC: Frames, height: int, width: int) -> Frames:
    if frame_HWC.shape[:2] == (height, width):
        return frame_HWC
    picture = Image.fromarray(frame_HWC).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8)
