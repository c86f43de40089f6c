"""An episode of any length is remembered in few frames, evenly enough, and honestly numbered."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboreward.core import ENDS_ONLY, FramePolicy, UsageError
from roboreward.media.sampling import choose_indices, count_wanted
from roboreward.rl.frame_memory import FrameMemory


def _frame(index: int) -> np.ndarray:
    """A picture that says which one it is."""
    return np.array([index % 256, index // 256, 7], np.uint8) * np.ones((2, 3, 1), np.uint8)


def _index_of(frame_HWC: np.ndarray) -> int:
    return int(frame_HWC[0, 0, 0]) + 256 * int(frame_HWC[0, 0, 1])


def _filled(num: int, policy: FramePolicy, *, fps: float, is_lazy: bool = False) -> FrameMemory:
    memory = FrameMemory(policy, fps=fps)
    for index in range(num):
        if is_lazy and not memory.is_next_held and index < num - 1:
            memory.skip()
        else:
            memory.add(_frame(index))
    return memory


@settings(deadline=None)
@given(
    num=st.integers(1, 3000),
    max_frames=st.integers(1, 12),
    min_frames=st.integers(1, 12),
    fps=st.sampled_from([1.0, 4.0, 12.5, 50.0]),
    is_lazy=st.booleans(),
)
def test_a_sample_has_both_ends_and_is_nearly_even(
    num: int, max_frames: int, min_frames: int, fps: float, is_lazy: bool
) -> None:
    policy = FramePolicy(max_frames=max_frames, min_frames=min_frames)
    memory = _filled(num, policy, fps=fps, is_lazy=is_lazy)
    sample = memory.sample()
    record = sample.record
    assert [_index_of(frame) for frame in sample.frames_THWC] == list(record.indices)
    assert len(record.indices) == min(num, count_wanted(num / fps, policy))
    assert record.indices[-1] == num - 1
    assert record.indices[0] == 0 or len(record.indices) == 1
    assert record.timestamps_s == tuple(index / fps for index in record.indices)
    assert (record.num_frames, record.width_px, record.height_px) == (num, 3, 2)
    assert memory.num_held <= 4 * max_frames + 1
    if len(record.indices) > 1:
        even = (num - 1) / (len(record.indices) - 1)
        gaps = [b - a for a, b in pairwise(record.indices)]
        # Whole numbers cannot be evener than the neighbours of the even gap.
        assert min(gaps) >= min(even / 2, np.floor(even))
        assert max(gaps) <= max(even * 1.5, np.ceil(even))
        assert min(gaps) >= 1


@settings(deadline=None)
@given(num=st.integers(1, 32), fps=st.sampled_from([2.0, 4.0, 10.0]))
def test_before_anything_is_forgotten_the_frames_are_those_of_a_video(num: int, fps: float) -> None:
    policy = FramePolicy()
    sample = _filled(num, policy, fps=fps).sample()
    assert sample.record.indices == choose_indices(num, count_wanted(num / fps, policy))


def test_memory_stays_bounded_over_thousands_of_frames() -> None:
    memory = FrameMemory(FramePolicy(), fps=10.0)
    most = 0
    for index in range(5000):
        memory.add(_frame(index))
        most = max(most, memory.num_held)
    assert most <= 33
    assert memory.num_frames == 5000
    assert len(memory.sample().frames_THWC) == 8


def test_a_model_that_compares_the_ends_costs_two_frames() -> None:
    memory = FrameMemory(ENDS_ONLY, fps=10.0)
    held = []
    for index in range(100):
        held.append(memory.is_next_held)
        memory.add(_frame(index))
    assert held == [True] + [False] * 99
    assert memory.num_held == 2
    assert memory.sample().record.indices == (0, 99)


def test_frames_are_copied_because_environments_reuse_their_buffers() -> None:
    memory = FrameMemory(FramePolicy(max_frames=4), fps=1.0)
    buffer = np.zeros((2, 3, 3), np.uint8)
    for index in range(40):
        buffer[:] = _frame(index)
        memory.add(buffer)
    buffer[:] = 255
    sample = memory.sample()
    assert [_index_of(frame) for frame in sample.frames_THWC] == list(sample.record.indices)


def test_a_sample_keeps_its_pixels_when_the_episode_goes_on() -> None:
    memory = FrameMemory(ENDS_ONLY, fps=1.0)
    memory.add(_frame(0))
    memory.add(_frame(1))
    sample = memory.sample()
    memory.add(_frame(2))
    assert _index_of(sample.frames_THWC[-1]) == 1


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        (np.zeros((2, 3, 3), np.float32), r"float32 \(2, 3, 3\).*Scale to 0..255"),
        (np.zeros((3, 84, 84), np.uint8), r"uint8 \(3, 84, 84\).*transpose\(1, 2, 0\)"),
        (np.zeros((2, 3, 4), np.uint8), "one colour picture"),
        (np.zeros((2, 3), np.uint8), "one colour picture"),
        (np.zeros((0, 3, 3), np.uint8), "one colour picture"),
        (None, "Got None"),
    ],
)
def test_what_is_no_picture_is_refused_with_advice(frame: Any, advice: str) -> None:
    with pytest.raises(UsageError, match=f"Frame 0 is .*{advice}"):
        FrameMemory(ENDS_ONLY, fps=1.0).add(frame)


def test_a_change_of_size_within_an_episode_is_refused() -> None:
    memory = FrameMemory(ENDS_ONLY, fps=1.0)
    memory.add(np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(UsageError, match=r"Frame 1 is \(4, 3, 3\).*began with \(2, 3, 3\)"):
        memory.add(np.zeros((4, 3, 3), np.uint8))


def test_a_frame_to_be_held_cannot_be_skipped() -> None:
    with pytest.raises(UsageError, match="Frame 0 is one to be held"):
        FrameMemory(ENDS_ONLY, fps=1.0).skip()


def test_a_sample_without_the_newest_frame_is_refused() -> None:
    memory = FrameMemory(ENDS_ONLY, fps=1.0)
    with pytest.raises(UsageError, match="is not there yet"):
        memory.sample()
    memory.add(_frame(0))
    memory.add(_frame(1))
    memory.skip()
    with pytest.raises(UsageError, match="was skipped"):
        memory.sample()
    memory.add(_frame(3))
    assert memory.sample().record.indices == (0, 3)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(UsageError, match="fps is"):
        FrameMemory(ENDS_ONLY, fps=fps)
