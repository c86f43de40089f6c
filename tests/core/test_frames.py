"""A frame sample is frames with their places."""

import numpy as np
import pytest

from roboreward.core import FrameSample


def frames(num: int) -> np.ndarray:
    return np.arange(num, dtype=np.uint8).reshape(num, 1, 1, 1) * np.ones((1, 4, 6, 3), np.uint8)


def test_taking_frames_keeps_their_places_in_the_video() -> None:
    ends = FrameSample.from_array(frames(8), fps=4).take((0, 7))
    assert ends.record.indices == (0, 7)
    assert ends.record.timestamps_s == (0.0, 1.75)
    assert ends.record.num_frames == 8
    assert ends.frames_THWC[:, 0, 0, 0].tolist() == [0, 7]


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
    ],
)
def test_what_is_not_uint8_rgb_frames_is_refused(bad: np.ndarray) -> None:
    record = FrameSample.from_array(frames(2)).record
    with pytest.raises(ValueError, match="frames must be uint8"):
        FrameSample(bad, record)
