"""Made-up videos and tasks: nothing in them means anything, everything in them is reproducible."""

import numpy as np

from roboreward.core import FrameRecord, FrameSample, Query

_TASKS = (
    "put the red cube on the blue plate",
    "lift the green ball",
    "push the yellow cube next to the red bowl",
    "stack the blue cube on the green cube",
)


def synthetic_sample(*, num_frames: int = 4, size_px: int = 32, seed: int = 0) -> FrameSample:
    """Return a bright square that crosses a noisy picture.

    Args:
        num_frames: Frames in the sample; the made-up video holds ten times as many.
        size_px: Width and height.
        seed: Another seed gives another picture.

    Returns:
        A sample whose frames (num_frames, size_px, size_px, 3) are read-only.
    """
    rng = np.random.default_rng(seed)
    frames_THWC = np.repeat(
        rng.integers(0, 200, (1, size_px, size_px, 3), np.uint8), num_frames, axis=0
    )
    side = max(1, size_px // 4)
    for t, left in enumerate(np.linspace(0, size_px - side, num_frames).astype(int)):
        frames_THWC[t, side : 2 * side, left : left + side] = 255
    frames_THWC.flags.writeable = False
    record = FrameRecord(
        indices=tuple(10 * t for t in range(num_frames)),
        timestamps_s=tuple(float(t) for t in range(num_frames)),
        num_frames=10 * num_frames,
        width_px=size_px,
        height_px=size_px,
    )
    return FrameSample(frames_THWC, record, f"synthetic-{seed}")


def synthetic_queries(num: int, *, num_frames: int = 4, size_px: int = 32) -> list[Query]:
    """Return `num` queries. Each has its own picture, and its own length of video, which tells them apart."""
    queries = []
    for i in range(num):
        sample = synthetic_sample(num_frames=num_frames, size_px=size_px, seed=i)
        record = sample.record.model_copy(update={"num_frames": sample.record.num_frames + i})
        video = FrameSample(sample.frames_THWC, record, sample.origin)
        queries.append(Query(video, _TASKS[i % len(_TASKS)], f"synthetic-{i}"))
    return queries
