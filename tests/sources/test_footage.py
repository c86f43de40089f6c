"""Footage of videos, arrays and pictures: the right frames, in order, in bounded memory, or a named error."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roboreward.core import DataError, MediaRefused, UnknownName, UsageError
from roboreward.media import MediaLimits, VideoProfile, jpeg_bytes, png_bytes, write_video
from roboreward.sources import Footage
from roboreward.sources.array_footage import ArrayFootage
from roboreward.sources.footage import (
    ImageFolderFootage,
    VideoFootage,
    store,
    take,
)

FRAMES = np.arange(12 * 4 * 6 * 3, dtype=np.uint8).reshape(12, 4, 6, 3)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """30 frames at 10 fps whose brightness tells their number, keyframes three apart."""
    frames = np.zeros((30, 32, 32, 3), np.uint8)
    frames[:] = (8 * np.arange(30))[:, None, None, None]
    path = tmp_path / "shared.mp4"
    write_video(path, frames, fps=10.0, profile=VideoProfile(keyframe_every=3))
    return path


def numbers(frames: Iterator[np.ndarray]) -> list[int]:
    return [round(float(frame.mean()) / 8) for frame in frames]


def test_all_kinds_are_footage(video: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "0.png").write_bytes(png_bytes(FRAMES[0]))
    np.save(tmp_path / "a.npy", FRAMES)
    kinds: list[Any] = [
        VideoFootage(video),
        ImageFolderFootage(tmp_path / "pictures", fps=5.0),
        ArrayFootage(tmp_path / "a.npy", fps=5.0),
    ]
    for kind in kinds:
        assert isinstance(kind, Footage)
        assert kind.fps > 0
        for _ in range(2):  # it may be read again
            frame = next(iter(kind.frames()))
            assert frame.dtype == np.uint8
            assert frame.shape[2] == 3


@pytest.mark.parametrize(
    "settings",
    [{}, {"fps": 5.0}, {"start_s": 0.7, "end_s": 1.6}, {"num_frames": 30}, {"num_frames": 31}],
)
def test_stored_footage_has_the_frames_that_it_hands_out(
    video: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    footage = VideoFootage(video, **settings)
    written = store(footage, tmp_path / "stored.mp4")
    frames = numbers(footage.frames())
    assert numbers(VideoFootage(tmp_path / "stored.mp4").frames()) == frames
    assert written.num_frames == len(frames)
    assert written.fps == pytest.approx(footage.fps)


def test_stored_footage_has_no_more_frames_than_the_corpus_says(
    video: Path, tmp_path: Path
) -> None:
    written = store(VideoFootage(video, num_frames=12, fps=10.0), tmp_path / "stored.mp4")
    assert written.num_frames == 12
    assert numbers(VideoFootage(tmp_path / "stored.mp4").frames()) == list(range(12))


def test_footage_with_too_few_frames_is_not_stored_without_a_word(
    video: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="30 frames are there, 40 should be"):
        store(VideoFootage(video, num_frames=40), tmp_path / "stored.mp4")
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    with pytest.raises(MediaRefused, match="row 7"):
        store(VideoFootage(tmp_path / "junk.mp4", where="row 7"), tmp_path / "stored.mp4")


def test_footage_without_a_quicker_way_is_stored_frame_by_frame(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FRAMES)
    written = store(ArrayFootage(tmp_path / "a.npy", fps=5.0), tmp_path / "stored.mp4")
    assert (written.num_frames, written.fps) == (12, 5.0)


def test_a_whole_video_gives_all_frames_at_the_rate_of_its_header(video: Path) -> None:
    footage = VideoFootage(video)
    assert footage.fps == 10.0
    assert footage.num_frames is None
    assert numbers(footage.frames()) == list(range(30))
    assert VideoFootage(video, fps=2.5).fps == 2.5


def test_a_slice_is_half_open(video: Path) -> None:
    assert numbers(VideoFootage(video, start_s=0.7, end_s=1.1).frames()) == [7, 8, 9, 10]
    assert numbers(VideoFootage(video, start_s=2.7).frames()) == [27, 28, 29]
    assert numbers(VideoFootage(video, end_s=0.2).frames()) == [0, 1]


def test_the_promised_number_of_frames_is_held(video: Path) -> None:
    assert len(list(VideoFootage(video, num_frames=20).frames())) == 20
    assert len(list(VideoFootage(video, num_frames=31).frames())) == 30
    with pytest.raises(DataError, match=r"row 7: .*shared.mp4: 30 frames are there, 32 should be"):
        list(VideoFootage(video, num_frames=32, where="row 7").frames())


def test_what_media_refuses_keeps_its_reason_and_gets_the_row(tmp_path: Path) -> None:
    footage = VideoFootage(tmp_path / "none.mp4", where="list.csv:4")
    for ask in (
        lambda: footage.fps,
        lambda: list(footage.frames()),
        lambda: list(footage.take([0])),
    ):
        with pytest.raises(MediaRefused) as caught:
            ask()
        assert caught.value.reason == "missing"
        assert "none.mp4" in str(caught.value)
    assert str(caught.value).startswith("list.csv:4: ")


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf"), True])
def test_a_rate_that_makes_no_sense_is_refused(video: Path, fps: float) -> None:
    with pytest.raises(UsageError, match="fps"):
        VideoFootage(video, fps=fps)


def test_frames_are_taken_by_place_from_any_footage(video: Path) -> None:
    class Slow:
        fps, num_frames = 10.0, None

        def frames(self) -> Iterator[np.ndarray]:
            return VideoFootage(video).frames()

    for footage in (VideoFootage(video), Slow()):
        assert numbers(take(footage, [0, 4, 29])) == [0, 4, 29]
        assert numbers(take(footage, [])) == []
        with pytest.raises(UsageError):
            list(take(footage, [3, 30]))
        with pytest.raises(UsageError, match="increase"):
            take(footage, [4, 3])
    assert numbers(take(VideoFootage(video, start_s=1.0, end_s=2.0), [0, 9])) == [10, 19]


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("order", ["THWC", "TCHW"])
def test_arrays_give_their_frames_in_either_order(tmp_path: Path, name: str, order: str) -> None:
    array = FRAMES if order == "THWC" else FRAMES.transpose(0, 3, 1, 2).copy()
    if name.endswith("y"):
        np.save(tmp_path / name, array)
    else:
        np.savez_compressed(tmp_path / name, frames=array, actions=np.zeros((12, 7)))
    footage = ArrayFootage(tmp_path / name, fps=5.0)
    assert footage.num_frames == 12
    np.testing.assert_array_equal(np.stack(list(footage.frames())), FRAMES)
    np.testing.assert_array_equal(np.stack(list(footage.take([0, 5, 11]))), FRAMES[[0, 5, 11]])
    frame = next(footage.frames())
    frame[:] = 0  # the caller's own memory
    np.testing.assert_array_equal(next(footage.frames()), FRAMES[0])


def test_an_array_stored_by_columns_is_mapped_and_cannot_be_unpacked(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(FRAMES))
    footage = ArrayFootage(tmp_path / "a.npy", fps=5.0)
    np.testing.assert_array_equal(np.stack(list(footage.frames())), FRAMES)
    np.savez(tmp_path / "a.npz", frames=np.asfortranarray(FRAMES))
    with pytest.raises(DataError, match="ascontiguousarray"):
        ArrayFootage(tmp_path / "a.npz", fps=5.0)


def test_the_array_is_chosen_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, front=FRAMES, wrist=FRAMES[::-1])
    with pytest.raises(DataError, match="front, wrist"):
        ArrayFootage(path, fps=5.0)
    wrist = ArrayFootage(path, fps=5.0, key="wrist")
    np.testing.assert_array_equal(next(wrist.frames()), FRAMES[-1])
    with pytest.raises(UnknownName, match="Did you mean wrist"):
        ArrayFootage(path, fps=5.0, key="wrists")


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((3, 4, 5, 3), np.float32), "uint8"),
        (np.array([{"a": 1}], dtype=object), "uint8"),
        (np.zeros((3, 4, 5), np.uint8), r"\(T, H, W, 3\)"),
        (np.zeros((0, 4, 5, 3), np.uint8), r"\(T, H, W, 3\)"),
        (np.zeros((3, 4, 5, 4), np.uint8), r"\(T, H, W, 3\)"),
    ],
)
def test_an_array_that_is_no_video_is_refused(
    tmp_path: Path, array: np.ndarray, complaint: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", frames=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=complaint) as caught:
            ArrayFootage(tmp_path / name, fps=5.0)
        assert name in str(caught.value)


def npy_bytes(shape: tuple[int, ...], *, num_bytes: int, descr: str = "|u1") -> bytes:
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + bytes(num_bytes)


@pytest.mark.parametrize(
    "shape", [(100, 400, 400, 3), (10**9, 10**9, 10**9, 3), (2, 5000, 5000, 3), (10**6, 1, 1, 3)]
)
def test_a_shape_that_is_only_claimed_allocates_nothing(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy_bytes(shape, num_bytes=100))
    packed = tmp_path / "a.npz"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("frames.npy", path.read_bytes())
    tracemalloc.start()
    for file in (path, packed):
        with pytest.raises(DataError):
            ArrayFootage(file, fps=5.0)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_packed_array_is_unpacked_frame_by_frame(tmp_path: Path) -> None:
    path, frame_bytes = tmp_path / "a.npz", 256 * 256 * 3
    np.savez_compressed(path, frames=np.zeros((60, 256, 256, 3), np.uint8))
    assert path.stat().st_size < frame_bytes
    tracemalloc.start()
    assert sum(1 for _ in ArrayFootage(path, fps=5.0).frames()) == 60
    assert tracemalloc.get_traced_memory()[1] < 8 * frame_bytes
    tracemalloc.stop()


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, frames=FRAMES)
    data = path.read_bytes()
    good = (FRAMES.size + 128).to_bytes(4, "little")
    assert good in data
    path.write_bytes(data.replace(good, (FRAMES.size * 9 + 128).to_bytes(4, "little")))
    with pytest.raises(DataError):
        list(ArrayFootage(path, fps=5.0).frames())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="numpy"):
        ArrayFootage(path, fps=5.0)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 400), new=st.binary(min_size=1, max_size=8), is_packed=st.booleans())
def test_flipped_bytes_give_frames_or_a_data_error(
    tmp_path: Path, at: int, new: bytes, is_packed: bool
) -> None:
    path = tmp_path / "fuzz.bin"
    out = io.BytesIO()
    (np.savez_compressed if is_packed else np.save)(out, FRAMES)
    data = bytearray(out.getvalue())
    at %= len(data)
    data[at : at + len(new)] = new
    path.write_bytes(data)
    frames: list[np.ndarray] = []
    with suppress(DataError):
        frames = list(ArrayFootage(path, fps=5.0).frames())
    assert all(frame.dtype == np.uint8 and frame.shape[2] == 3 for frame in frames)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes pictures by name, each as bright as its place."""

    def write(*names: str) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir(exist_ok=True)
        for place, name in enumerate(names):
            frame = np.full((8, 8, 3), 8 * place, np.uint8)
            encode = jpeg_bytes if name.lower().endswith(("jpg", "jpeg")) else png_bytes
            (folder / name).write_bytes(encode(frame))
        return folder

    return write


def test_pictures_come_in_natural_order(pictures: Callable[..., Path]) -> None:
    names = ["frame_1.png", "frame_2.jpg", "frame_10.PNG", "frame_100.jpeg"]
    folder = pictures(*names)
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "notes.txt").write_text("not a picture")
    footage = ImageFolderFootage(folder, fps=5.0)
    assert footage.num_frames == 4
    assert numbers(footage.frames()) == [0, 1, 2, 3]
    assert numbers(footage.take([1, 3])) == [1, 3]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "no PNG"),
        (["frame_1.png", "frame_01.png"], "same place"),
        (["frame_1.png", "frame_1.jpg"], "same place"),
        (["frame_1.png", "frame_2.tiff"], "frame_2.tiff: accepted are PNG"),
    ],
)
def test_a_folder_of_which_the_order_is_not_clear_is_refused(
    pictures: Callable[..., Path], names: list[str], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        ImageFolderFootage(pictures(*names), fps=5.0)


def test_pictures_are_held_to_limits_and_to_one_size(pictures: Callable[..., Path]) -> None:
    folder = pictures("0.png", "1.png", "2.png")
    with pytest.raises(DataError, match="max_frames_walked=2"):
        ImageFolderFootage(folder, fps=5.0, limits=MediaLimits(max_frames_walked=2))
    footage = ImageFolderFootage(folder, fps=5.0, limits=MediaLimits(max_pixels=63))
    with pytest.raises(MediaRefused, match="max_pixels"):
        list(footage.frames())
    (folder / "1.png").write_bytes(png_bytes(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError, match=r"1\.png: its size"):
        list(ImageFolderFootage(folder, fps=5.0).frames())
    (folder / "1.png").write_bytes(b"GIF89a")
    with pytest.raises(MediaRefused, match=r"1\.png"):
        list(ImageFolderFootage(folder, fps=5.0).frames())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        ImageFolderFootage(tmp_path / "nowhere", fps=5.0)
