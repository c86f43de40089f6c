"""The frames of a running episode, in memory that does not grow with its length."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roboreward.core import FramePolicy, FrameRecord, Frames, FrameSample, UsageError, shorten

# With four times as many frames as a model may want, at least twice as many are left after every second one is
# forgotten. Then the stride is under half of the even spacing, and the nearest frame that is left lies within a
# quarter of it: no gap of a sample is under a half or over one and a half times the even one.
_HELD_PER_WANTED: Final = 4
_ENDS: Final = 2


class FrameMemory:
    """Remembers an episode of unknown length well enough to show a model evenly spaced frames of it.

    Frames 0, s, 2s, ... are held, and the newest one. When there are too many, every second one is forgotten and the
    stride s doubles. At most 4 * `policy.max_frames` + 1 frames are held; for a model that compares the end with the
    start (`max_frames` of 2 or less) it is two. Frames are copied, since environments reuse their buffers.

    Args:
        policy: Which frames the model wants to see.
        fps: Frames a second of the environment: one from `reset`, then one a step.

    Raises:
        UsageError: `fps` is not a positive number.
    """

    def __init__(self, policy: FramePolicy, *, fps: float) -> None:
        if not (math.isfinite(fps) and fps > 0):
            raise UsageError(f"fps is {fps}; give the environment's steps a second, above 0.")
        self._policy, self._fps = policy, float(fps)
        is_ends_only = policy.max_frames <= _ENDS
        self._capacity = 1 if is_ends_only else _HELD_PER_WANTED * policy.max_frames
        self._held: list[Frames] = []
        self._stride = 1
        self._num_frames = 0
        self._loose: Frames | None = None
        self._is_newest_lost = False

    @property
    def num_frames(self) -> int:
        """Frames of the episode so far, held or not."""
        return self._num_frames

    @property
    def num_held(self) -> int:
        """Frames in memory."""
        return len(self._indices())

    @property
    def is_next_held(self) -> bool:
        """Whether the next frame will stay in memory when others follow it.

        When it will not, and the episode goes on after it, `skip` may be called in place of `add`. That saves the
        rendering of most frames.
        """
        if self._capacity == 1:
            return self._num_frames == 0
        return self._num_frames % self._stride == 0

    def add(self, frame_HWC: Any) -> None:
        """Remember the next frame.

        Args:
            frame_HWC: uint8 RGB, (H, W, 3), the same size for the whole episode. It is copied.

        Raises:
            UsageError: It is of another type or shape, or of another size than the first frame.
        """
        frame = self._checked(frame_HWC)
        self._is_newest_lost = False
        if self.is_next_held:
            # An even capacity makes the new frame's index a multiple of the doubled stride, too.
            if len(self._held) == self._capacity:
                self._held = self._held[::2]
                self._stride *= 2
            self._held.append(frame.copy())
        elif self._loose is None:
            self._loose = frame.copy()
        else:
            np.copyto(self._loose, frame)
        self._num_frames += 1

    def skip(self) -> None:
        """Count the next frame without looking at it. Another one must follow before `sample`.

        Raises:
            UsageError: The frame is one to be held; see `is_next_held`.
        """
        if self.is_next_held:
            raise UsageError(f"Frame {self._num_frames} is one to be held; add it.")
        self._is_newest_lost = True
        self._num_frames += 1

    def sample(self, *, origin: str = "episode") -> FrameSample:
        """Return what the model is to see: as many frames as its policy wants of an episode of this length.

        The first and the newest frame are always among them (a sample of one is the newest); between them, of the
        frames that are held, those nearest to even spacing, the later one of two equally near. While nothing has been
        forgotten these are the frames that would be sampled from a video of the episode.

        Returns:
            Frames uint8 (T, H, W, 3), own memory; indices strictly increasing, counted over the whole episode;
            timestamps in seconds from the first frame; `record.num_frames` of the whole episode.

        Raises:
            UsageError: There is no frame yet, or the newest one was skipped.
        """
        if not self._num_frames or self._is_newest_lost:
            why = "was skipped" if self._num_frames else "is not there yet"
            raise UsageError(f"The newest frame {why}; add it before asking for a sample.")
        indices = self._choose(self._indices())
        frames_THWC: Frames = np.stack([self._frame(index) for index in indices])
        record = FrameRecord(
            indices=indices,
            timestamps_s=tuple(index / self._fps for index in indices),
            num_frames=self._num_frames,
            width_px=frames_THWC.shape[2],
            height_px=frames_THWC.shape[1],
        )
        return FrameSample(frames_THWC, record, origin)

    def _indices(self) -> list[int]:
        """Return the indices of the frames in memory, increasing."""
        indices = [k * self._stride for k in range(len(self._held))]
        newest = self._num_frames - 1
        has_loose = bool(indices) and newest > indices[-1] and not self._is_newest_lost
        return [*indices, newest] if has_loose else indices

    def _frame(self, index: int) -> Frames:
        place, rest = divmod(index, self._stride)
        if not rest and place < len(self._held):
            return self._held[place]
        assert self._loose is not None
        return self._loose

    def _choose(self, held: list[int]) -> tuple[int, ...]:
        num = min(self._count_wanted(), self._num_frames)
        if num == 1:
            return (held[-1],)
        last, parts = self._num_frames - 1, num - 1
        return tuple(_nearest(held, k * last, parts) for k in range(num))

    def _count_wanted(self) -> int:
        """As many as `media.sample_frames` would take of a video of this length, halves rounded up."""
        policy = self._policy
        wanted = int(self._num_frames / self._fps * policy.fps + 0.5)
        return min(max(wanted, policy.min_frames), policy.max_frames)

    def _checked(self, frame_HWC: Any) -> Frames:
        frame = np.asarray(frame_HWC)
        shape = frame.shape
        if frame.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise UsageError(
                f"Frame {self._num_frames} is {frame.dtype} {shape}; frames must be uint8 RGB (H, W, 3). "
                f"{_advice(frame, shorten(repr(frame_HWC), 40))}"
            )
        if self._held and shape != self._held[0].shape:
            raise UsageError(
                f"Frame {self._num_frames} is {shape}, the episode began with {self._held[0].shape}; "
                "keep one size for an episode."
            )
        return frame


def _nearest(held: list[int], place: int, parts: int) -> int:
    """Return the held index nearest to `place / parts`, in integers so that no platform's rounding matters."""
    return min(held, key=lambda index: (abs(index * parts - place), -index))


def _advice(frame: npt.NDArray[Any], given: str) -> str:
    shape = frame.shape
    if frame.dtype == object:
        return f"Got {given}; give the picture itself."
    if len(shape) == 3 and shape[0] == 3:
        return "Channels come last: frame.transpose(1, 2, 0)."
    if frame.dtype != np.uint8:
        return "Scale to 0..255 and convert to uint8."
    return "Give one colour picture a step."
