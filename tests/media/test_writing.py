"""Written videos are whole or absent, the same every time, and what a browser plays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from roboreward.core import FramePolicy, StoreError, UsageError
from roboreward.media import VideoProfile, probe, sample_frames, write_video

ALL = FramePolicy(fps=1000, max_frames=64)


@pytest.fixture
def frames(coded: Callable[..., np.ndarray]) -> np.ndarray:
    return np.stack([coded(index) for index in range(10)])


def test_what_is_written_is_read_back(
    tmp_path: Path, frames: np.ndarray, index_of: Callable[[np.ndarray], int]
) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, frames, fps=5)
    sample = sample_frames(path, policy=ALL)
    assert [index_of(frame) for frame in sample.frames_THWC] == list(range(10))
    assert sample.record.timestamps_s == pytest.approx([i / 5 for i in range(10)])
    assert np.abs(sample.frames_THWC.astype(int) - frames).mean() < 4
    assert probe(path).codec == "h264"


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "a.mp4", frames, fps=29.97)
    write_video(tmp_path / "another_name.mp4", frames.copy(order="F"), fps=29.97)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "another_name.mp4").read_bytes()


def test_the_index_comes_before_the_pictures(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "v.mp4", frames, fps=5)
    data = (tmp_path / "v.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_browsers_get_the_pixel_format_and_colours_they_know(
    tmp_path: Path, frames: np.ndarray
) -> None:
    import av

    write_video(tmp_path / "v.mp4", frames, fps=5)
    with av.open(str(tmp_path / "v.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv420p", 6, 1)


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 250, 250), (9, 9, 9)]
)
def test_plain_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    frames = np.full((3, 32, 32, 3), colour, np.uint8)
    write_video(tmp_path / "v.mp4", frames, fps=5)
    sample = sample_frames(tmp_path / "v.mp4", policy=ALL)
    assert np.abs(sample.frames_THWC.astype(int) - frames).max() <= 6


def test_upscaling_by_two_keeps_the_colour_of_single_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    errors = []
    for factor in (1, 2):
        path = tmp_path / f"x{factor}.mp4"
        write_video(path, frames, fps=5, profile=VideoProfile(upscale=factor, crf=1))
        back = sample_frames(path, policy=ALL).frames_THWC[:, ::factor, ::factor]
        errors.append(np.abs(back.astype(int) - frames).mean())
    assert errors[1] < 4
    assert errors[0] > 5 * errors[1]


@pytest.mark.parametrize("num", [1, 2])
def test_the_shortest_videos_are_whole(tmp_path: Path, frames: np.ndarray, num: int) -> None:
    write_video(tmp_path / "v.mp4", frames[:num], fps=0.5)
    assert sample_frames(tmp_path / "v.mp4", policy=ALL).record.num_frames == num


def test_odd_sizes_say_what_helps(tmp_path: Path) -> None:
    frames = np.zeros((2, 33, 32, 3), np.uint8)
    with pytest.raises(UsageError, match="upscale=2"):
        write_video(tmp_path / "v.mp4", frames, fps=5)
    write_video(tmp_path / "v.mp4", frames, fps=5, profile=VideoProfile(pixel_format="yuv444p"))
    assert sample_frames(tmp_path / "v.mp4").frames_THWC.shape[1:] == (33, 32, 3)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 32, 32, 3), np.float32),
        np.zeros((2, 32, 32), np.uint8),
        np.zeros((2, 32, 32, 4), np.uint8),
        np.zeros((0, 32, 32, 3), np.uint8),
    ],
)
def test_a_wrong_array_is_a_usage_error(tmp_path: Path, frames: np.ndarray) -> None:
    with pytest.raises(UsageError, match="uint8 RGB"):
        write_video(tmp_path / "v.mp4", frames, fps=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e6])
def test_a_wrong_rate_is_a_usage_error(tmp_path: Path, frames: np.ndarray, fps: float) -> None:
    with pytest.raises(UsageError, match="fps"):
        write_video(tmp_path / "v.mp4", frames, fps=fps)


def test_a_folder_that_cannot_be_written_is_a_store_error(
    tmp_path: Path, frames: np.ndarray
) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(StoreError, match=r"v\.mp4"):
            write_video(folder / "v.mp4", frames, fps=5)


def test_a_failure_on_the_way_leaves_the_old_file_and_no_litter(
    tmp_path: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, frames, fps=5)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("roboreward.media.writing._yuv_frame", fail)
    with pytest.raises(StoreError, match="No space left"):
        write_video(path, frames[::-1], fps=5)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_profile_knows_its_bounds() -> None:
    with pytest.raises(ValidationError):
        VideoProfile(crf=60)
