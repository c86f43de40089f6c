"""What a model is shown: a few frames of one video, with their places in it, and the question about them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Frames = npt.NDArray[np.uint8]


class FramePolicy(BaseModel):
    """Which frames a model wants to see.

    `fps` frames a second are wanted, never fewer than `min_frames` nor more than `max_frames` (nor more than the video
    has). They are evenly spaced from the first frame to the true last one, which is always included. The defaults are
    those of the published RoboReward checkpoints' video processor (2 fps, 4 to 8 frames).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fps: float = Field(default=2.0, gt=0)
    min_frames: int = Field(default=4, ge=1)
    max_frames: int = Field(default=8, ge=1)


ENDS_ONLY = FramePolicy(fps=2.0, min_frames=2, max_frames=2)
"""First and last frame: for models that compare the end with the start."""


class FrameRecord(BaseModel):
    """Which frames were shown, without the pixels: the part of a frame sample that is kept on disk.

    Attributes:
        indices: Frame numbers in display order, from 0.
        timestamps_s: Their presentation times in seconds from the first frame.
        num_frames: Frames that the video holds (decoded, not announced).
        width_px: Width of the frames as decoded.
        height_px: Height of the frames as decoded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    indices: tuple[int, ...]
    timestamps_s: tuple[float, ...]
    num_frames: int
    width_px: int
    height_px: int


@dataclass(frozen=True, eq=False)
class FrameSample:
    """The frames a model sees.

    Attributes:
        frames_THWC: uint8 RGB, shape (T, H, W, 3), T >= 1. Treat as read-only.
        record: Where they sit in the video. `len(record.indices) == T`.
        origin: The video's path, or a word for where it came from, for messages only: never shown to a model.
    """

    frames_THWC: Frames
    record: FrameRecord
    origin: str = field(default="memory", compare=False)

    def __post_init__(self) -> None:
        shape = self.frames_THWC.shape
        if self.frames_THWC.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or shape[0] < 1:
            raise ValueError(
                f"frames must be uint8 (T>=1, H, W, 3), got {self.frames_THWC.dtype} {shape}"
            )
        if len(self.record.indices) != shape[0]:
            raise ValueError(f"{shape[0]} frames but {len(self.record.indices)} indices")

    @classmethod
    def from_array(
        cls, frames_THWC: Frames, *, fps: float = 2.0, origin: str = "memory"
    ) -> "FrameSample":
        """Wrap frames that are already in memory, taken to be `fps` frames a second, in order."""
        num, height, width = frames_THWC.shape[:3]
        record = FrameRecord(
            indices=tuple(range(num)),
            timestamps_s=tuple(i / fps for i in range(num)),
            num_frames=num,
            width_px=width,
            height_px=height,
        )
        return cls(frames_THWC, record, origin)

    def take(self, positions: tuple[int, ...]) -> "FrameSample":
        """Return the sample that holds only the frames at `positions` (repeats allowed)."""
        record = self.record.model_copy(
            update={
                "indices": tuple(self.record.indices[p] for p in positions),
                "timestamps_s": tuple(self.record.timestamps_s[p] for p in positions),
            }
        )
        return FrameSample(self.frames_THWC[list(positions)], record, self.origin)


@dataclass(frozen=True, eq=False)
class Query:
    """One question to a reward model: how far did this robot get with this task?"""

    sample: FrameSample
    task: str
    query_id: str = ""
