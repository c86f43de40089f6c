"""What the checkpoint says of frames, and the size that a frame gets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from roboreward.core import UsageError
from roboreward.models.qwen.config import QwenConfig
from roboreward.models.qwen.schema import VideoFile, checked

MAX_RATIO: Final = 200
"""The published processors refuse frames longer than this many times their width."""


@dataclass(frozen=True)
class VideoSettings:
    """The video processor's settings.

    Attributes:
        family: "qwen3_vl" or "qwen2_5_vl".
        min_pixels, max_pixels: Budget: of the whole video (Qwen3-VL) or of each frame (Qwen2.5-VL).
        patch_px: Side of a patch.
        merge: Patches of a side that become one token.
        pair: Frames that become one temporal patch.
        mean, std: Of the channels, in [0, 1].
        is_capped: See `QwenConfig.cap_pixels_per_frame`.
        max_tokens: The limit behind that cap: tokens of a frame (Qwen3-VL), of a whole context (Qwen2.5-VL).
    """

    family: str
    min_pixels: int
    max_pixels: int
    patch_px: int
    merge: int
    pair: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_capped: bool
    max_tokens: int

    @property
    def factor_px(self) -> int:
        """Side of the square of pixels behind one token."""
        return self.patch_px * self.merge

    def tokens_of(self, size: tuple[int, int]) -> int:
        """Return the tokens of one temporal patch of frames of this size."""
        return (size[0] // self.factor_px) * (size[1] // self.factor_px)


_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "qwen3_vl": {
        "patch_size": 16,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "max_video_tokens": 768,
    },
    "qwen2_5_vl": {
        "patch_size": 14,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "max_video_tokens": 128_000,
    },
}


def video_settings(
    found: Mapping[str, Any], *, family: str, config: QwenConfig, where: str
) -> VideoSettings:
    """Return the settings that a checkpoint's file and the config give together; the config wins.

    Args:
        found: The file's content; empty where there is none.
        family: Of the model.
        config: Explicit settings.
        where: The file, for messages.

    Raises:
        UsageError: A value is wrong, or there is no pixel budget in either.
    """
    file = checked(found, VideoFile, where=where)
    both = {**_DEFAULTS[family], **file.model_dump(exclude_none=True)}
    size = file.size or VideoFile.Size()
    low = config.min_pixels or file.min_pixels or size.shortest_edge
    high = config.max_pixels or file.max_pixels or size.longest_edge
    if not low or not high:
        raise UsageError(
            f"{where} does not say how many pixels a video may have. Copy the file from the model that the weights "
            "were trained from, or set min_pixels and max_pixels."
        )
    capped = config.cap_pixels_per_frame
    return VideoSettings(
        family=family,
        min_pixels=low,
        max_pixels=high,
        patch_px=both["patch_size"],
        merge=file.merge_size or 2,
        pair=file.temporal_patch_size or 2,
        mean=tuple(both["image_mean"]),
        std=tuple(both["image_std"]),
        is_capped=bool(file.cap_pixels_per_frame) if capped is None else capped,
        max_tokens=both["max_video_tokens"],
    )


def frame_size(
    settings: VideoSettings, *, num_frames: int, height_px: int, width_px: int
) -> tuple[int, int]:
    """Return height and width that the published processor gives the frames of a video.

    Raises:
        UsageError: The frames are longer than `MAX_RATIO` times their width.
    """
    num, height, width = max(num_frames, settings.pair), height_px, width_px
    is_shared = settings.family == "qwen3_vl"
    if is_shared:
        height, width = _at_least(settings.factor_px, height, width)
    if max(height, width) > MAX_RATIO * min(height, width):
        raise UsageError(
            f"Frames of {width_px} x {height_px} pixels are longer than {MAX_RATIO} times their width, which the "
            "model's processor does not take. Crop them."
        )
    if is_shared:
        rounded = round(num / settings.pair) * settings.pair
        return _fit(settings, _cap_of_video(settings, num), (height, width), num, rounded)
    return _fit(settings, _cap_of_frame(settings, num), (height, width), 1, 1)


def _at_least(factor: int, height: int, width: int) -> tuple[int, int]:
    if height >= factor and width >= factor:
        return height, width
    scale = max(factor / height, factor / width)
    return int(height * scale), int(width * scale)


def _cap_of_video(settings: VideoSettings, num: int) -> int:
    if not settings.is_capped:
        return settings.max_pixels
    most = min(settings.max_tokens * settings.factor_px**2, settings.max_pixels // num)
    return max(most, int(settings.min_pixels * 1.05)) * num


def _cap_of_frame(settings: VideoSettings, num: int) -> int:
    if not settings.is_capped:
        return settings.max_pixels
    total = int(settings.max_tokens * settings.factor_px**2 * 0.9)
    most = min(settings.max_pixels, total * settings.pair // num)
    return max(most, int(settings.min_pixels * 1.05))


def _fit(
    settings: VideoSettings, max_pixels: int, size: tuple[int, int], num: int, rounded: int
) -> tuple[int, int]:
    """Round both sides to the grid; where the budget is broken, scale by its root and round to the safe side.

    Args:
        settings: Grid, and the lower end of the budget.
        max_pixels: The upper end.
        size: Height and width of a frame.
        num: Frames, for the scale.
        rounded: Frames, for the test whether the budget is broken: the processor rounds them to pairs there.
    """
    grid, (height, width) = settings.factor_px, size
    high, wide = round(height / grid) * grid, round(width / grid) * grid
    if rounded * high * wide > max_pixels:
        scale = math.sqrt(num * height * width / max_pixels)
        high = max(grid, math.floor(height / scale / grid) * grid)
        wide = max(grid, math.floor(width / scale / grid) * grid)
    elif rounded * high * wide < settings.min_pixels:
        scale = math.sqrt(settings.min_pixels / (num * height * width))
        high = math.ceil(height * scale / grid) * grid
        wide = math.ceil(width * scale / grid) * grid
    return high, wide
