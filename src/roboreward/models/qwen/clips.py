"""Frames as the model counts them: in pairs, each of which is seen on its own, with the time between its two frames."""

from dataclasses import dataclass

from roboreward.core import FrameSample
from roboreward.models.qwen.sizes import VideoSettings, frame_size


@dataclass(frozen=True)
class Patch:
    """Two frames of a sample, seen as one. Equal for equal frames of the same sample in the same size.

    Attributes:
        owner: `id` of the sample.
        frames: Their places in it.
        size: Height and width in pixels that they are brought to.
    """

    owner: int
    frames: tuple[int, ...]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Clip:
    """The first frames of a sample, ready to be laid out.

    Attributes:
        sample: Whose frames.
        patches: Its pairs, in order; the last frame of an odd number stands twice.
        times_s: Time of each pair: the mean of its first and last frame.
        step_s: Mean time from one pair to the next.
        num_tokens: Tokens of one pair.
        grid: Rows and columns of patches of a frame.
    """

    sample: FrameSample
    patches: tuple[Patch, ...]
    times_s: tuple[float, ...]
    step_s: float
    num_tokens: int
    grid: tuple[int, int]


def make_clip(
    sample: FrameSample,
    settings: VideoSettings,
    *,
    num_frames: int | None = None,
    budget_frames: int | None = None,
) -> Clip:
    """Return the clip of the first `num_frames` frames.

    Args:
        sample: Whose frames.
        settings: Pairs, sizes.
        num_frames: None for all.
        budget_frames: See `QwenConfig.budget_frames`.

    Raises:
        UsageError: The frames are too long for their width.
    """
    num = num_frames or len(sample.record.indices)
    height, width = sample.frames_THWC.shape[1:3]
    size = frame_size(settings, num_frames=budget_frames or num, height_px=height, width_px=width)
    places = [*range(num), *[num - 1] * (-num % settings.pair)]
    times = sample.record.timestamps_s
    groups = [tuple(places[i : i + settings.pair]) for i in range(0, len(places), settings.pair)]
    return Clip(
        sample=sample,
        patches=tuple(Patch(id(sample), group, size) for group in groups),
        times_s=tuple((times[group[0]] + times[group[-1]]) / 2 for group in groups),
        step_s=settings.pair * _step_s(times[:num]),
        num_tokens=settings.tokens_of(size),
        grid=(size[0] // settings.patch_px, size[1] // settings.patch_px),
    )


def _step_s(times: tuple[float, ...]) -> float:
    """Mean time from frame to frame; the half second of 2 fps where there is one frame only."""
    if len(times) < 2 or times[-1] <= times[0]:
        return 0.5
    return (times[-1] - times[0]) / (len(times) - 1)
