"""From frames to what the vision tower takes: the published video processor's numbers, without torchvision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from roboreward.core import Frames
from roboreward.models.qwen.clips import Patch
from roboreward.models.qwen.sizes import VideoSettings


def resize(frames_THWC: Frames, size: tuple[int, int]) -> Any:
    """Return uint8 frames as a tensor (T, 3, height, width), by cubic interpolation with antialiasing."""
    frames_TCHW = torch.from_numpy(np.ascontiguousarray(frames_THWC.transpose(0, 3, 1, 2)))
    if frames_TCHW.shape[-2:] == size:
        return frames_TCHW
    return interpolate(frames_TCHW, size=size, mode="bicubic", antialias=True, align_corners=False)


def pixel_values(
    frames_THWC: Frames, patches: Sequence[Patch], settings: VideoSettings
) -> list[Any]:
    """Return for each patch its squares of pixels, float32 (rows x columns, 3 x pair x side x side), in token order.

    Args:
        frames_THWC: All frames of the sample that the patches are of.
        patches: All of one sample and one size.
        settings: Grid, mean and deviation.
    """
    places = sorted({place for patch in patches for place in patch.frames})
    resized = resize(frames_THWC[places], patches[0].size).float()
    mean = torch.tensor(settings.mean).mul(255).view(1, 3, 1, 1)
    std = torch.tensor(settings.std).mul(255).view(1, 3, 1, 1)
    normal = resized.sub_(mean).div_(std)
    row_of = {place: row for row, place in enumerate(places)}
    return [_squares(normal[[row_of[place] for place in p.frames]], settings) for p in patches]


def _squares(frames_TCHW: Any, settings: VideoSettings) -> Any:
    """Cut frames into squares, those of one token one after the other."""
    num, channels, height, width = frames_TCHW.shape
    side, merge = settings.patch_px, settings.merge
    rows, columns = height // settings.factor_px, width // settings.factor_px
    cut = frames_TCHW.reshape(num, channels, rows, merge, side, columns, merge, side)
    return cut.permute(2, 5, 3, 6, 1, 0, 4, 7).reshape(rows * columns * merge**2, -1)
