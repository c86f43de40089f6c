"""Normalised videos: the same bytes every time, the frames and times of the source, no word about their making."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from roboreward.core import FramePolicy, MediaRefused, StoreError, UsageError
from roboreward.media import (
    NORMAL_V1,
    MediaLimits,
    NormalProfile,
    normalise_video,
    sample_frames,
    stream_frames,
)

ALL = FramePolicy(fps=1000, max_frames=64)
EIGHT = FramePolicy(min_frames=8, max_frames=8)
WORST_REAL_PSNR_DB = 35.0
WORST_SYNTHETIC_PSNR_DB = 38.0


def scene(num: int, *, width: int = 96, height: int = 64, seed: int = 0) -> Iterator[np.ndarray]:
    """Draw a textured grey scene with a coloured block that crosses it, with a little noise in every frame."""
    rng = np.random.default_rng(seed)
    base = np.kron(rng.integers(60, 190, (-(-height // 8), -(-width // 8), 1)), np.ones((8, 8, 3)))
    base = base[:height, :width]
    for t in range(num):
        frame = base + rng.normal(0, 1.5, base.shape)
        left = int((0.5 + 0.4 * np.sin(t / 7 + seed)) * (width - 24))
        frame[height // 3 : height // 3 + 20, left : left + 24] = (200, 70, 60)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def psnr_db(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio of each frame."""
    squares = (one.astype(float) - other) ** 2
    return 10 * np.log10(255**2 / np.maximum(squares.mean(axis=(1, 2, 3)), 1e-9))


def packets_of(path: Path) -> list[tuple[int, int, bool]]:
    """Return (time, size, is a keyframe) of each packet, as another reader finds them."""
    import av

    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
        assert all(packet.pts == packet.dts for packet in found)
        return [(packet.pts, packet.size, packet.is_keyframe) for packet in found]


# What is written


def test_frames_come_back_in_order_with_their_times(
    tmp_path: Path, coded: Callable[..., np.ndarray], index_of: Callable[[np.ndarray], int]
) -> None:
    path = tmp_path / "v.mp4"
    done = normalise_video((coded(i) for i in range(50)), path, fps=12.5)
    sample = sample_frames(path, policy=ALL)
    assert [index_of(frame) for frame in sample.frames_THWC] == list(range(50))
    assert sample.record.timestamps_s == pytest.approx([i / 12.5 for i in range(50)])
    assert (done.num_frames, done.fps, done.duration_s) == (50, 12.5, 4.0)
    assert (done.width_px, done.height_px, done.profile) == (64, 48, "normal-v1")
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.size_bytes == path.stat().st_size


def test_the_same_frames_give_the_same_bytes_whatever_the_name_and_the_memory_order(
    tmp_path: Path,
) -> None:
    frames = list(scene(20))
    one = normalise_video(frames, tmp_path / "a.mp4", fps=10)
    other = normalise_video(
        (np.asfortranarray(frame) for frame in frames), tmp_path / "another.mp4", fps=10
    )
    assert one.sha256 == other.sha256


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, encode: Callable[..., Path]) -> None:
    source = encode("s.mkv", 20)
    done = {normalise_video(source, tmp_path / f"{i}.mp4").sha256 for i in range(3)}
    assert len(done) == 1


@pytest.mark.parametrize(
    "mask", ["SSSE3", "SSSE3,SSE4,SSE4.2", "SSSE3,SSE4,SSE4.2,AVX,BMI1,BMI2,FMA3,AVX2"]
)
def test_the_bytes_do_not_depend_on_the_processor_s_extensions(
    tmp_path: Path, mask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list(scene(40))
    plain = normalise_video(frames, tmp_path / "a.mp4", fps=10)
    masked = {"asm": f"MMXEXT,SSE2,SSE2Fast,SSE3,{mask}"}
    import roboreward.media.encoding as encoding

    monkeypatch.setattr(encoding, "_ONLY_BACKWARDS", {**encoding._ONLY_BACKWARDS, **masked})
    assert normalise_video(frames, tmp_path / "b.mp4", fps=10).sha256 == plain.sha256


def test_other_settings_give_other_bytes(tmp_path: Path) -> None:
    frames = list(scene(8))
    plain = normalise_video(frames, tmp_path / "a.mp4", fps=10)
    for change in ({"crf": 20}, {"preset": "fast"}, {"keyframe_every": 4}):
        profile = NormalProfile(name="other-v1", **change)
        assert normalise_video(frames, tmp_path / "b.mp4", fps=10, profile=profile) != plain


def test_the_file_says_nothing_about_clock_place_encoder_or_source(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source = encode("a_success_5.mp4", 5)
    path = tmp_path / "v.mp4"
    normalise_video(source, path)
    data = path.read_bytes().lower()
    for word in (b"x264", b"lav", b"success", b"udta", b"edts", b"btrt", b"options"):
        assert word not in data
    at = data.index(b"mvhd") + 8
    assert data[at : at + 8] == bytes(8)  # creation and change


def test_there_are_no_b_frames_and_keyframes_come_at_fixed_places(tmp_path: Path) -> None:
    frames = [*scene(40, seed=1), *scene(40, seed=2)]  # a scene cut in the middle
    path = tmp_path / "v.mp4"
    normalise_video(frames, path, fps=10)
    keys = [place for place, (_, _, is_key) in enumerate(packets_of(path)) if is_key]
    assert keys == [0, 30, 60]


def test_another_reader_finds_the_colours_tagged_and_the_index_first(tmp_path: Path) -> None:
    import av

    path = tmp_path / "v.mp4"
    normalise_video(scene(5), path, fps=10)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv420p", 6, 1)
        assert (stream.average_rate, stream.frames, stream.start_time) == (10, 5, 0)


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 250, 250), (9, 9, 9)]
)
def test_plain_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    frames = [np.full((32, 32, 3), colour, np.uint8)] * 3
    normalise_video(frames, tmp_path / "v.mp4", fps=5)
    sample = sample_frames(tmp_path / "v.mp4", policy=ALL)
    assert np.abs(sample.frames_THWC.astype(int) - colour).max() <= 6


@pytest.mark.parametrize(
    "tags",
    [
        {"colorspace": 1, "color_range": 1},
        {"colorspace": 1, "color_range": 2},
        {"colorspace": 5, "color_range": 2},
        {"colorspace": 6, "color_range": 1},
    ],
)
def test_colours_of_a_file_are_those_that_sampling_shows(
    tmp_path: Path, encode: Callable[..., Path], tags: dict[str, int]
) -> None:
    source = encode("s.mp4", 6, tags=tags, options={"crf": "5"})
    normalise_video(source, tmp_path / "v.mp4")
    before = sample_frames(source, policy=ALL).frames_THWC
    after = sample_frames(tmp_path / "v.mp4", policy=ALL).frames_THWC
    # Flat parts, away from edges where chroma of two colours mixes.
    np.testing.assert_allclose(
        after[:, 32:44, 8:56].mean(axis=(1, 2)), before[:, 32:44, 8:56].mean(axis=(1, 2)), atol=3
    )


@pytest.mark.parametrize("rotation", [(0, 1, -1, 0), (-1, 0, 0, -1)])
def test_rotation_is_applied_and_not_written(
    tmp_path: Path, plain_bytes: bytes, patch_box: Callable[..., bytes], rotation: tuple[int, ...]
) -> None:
    source = tmp_path / "s.mp4"
    a, b, c, d = (value << 16 for value in rotation)
    source.write_bytes(patch_box(plain_bytes, b"tkhd", 40, [a, b, 0, c, d, 0, 0, 0, 1 << 30]))
    done = normalise_video(source, tmp_path / "v.mp4")
    before = sample_frames(source, policy=ALL).frames_THWC
    after = sample_frames(tmp_path / "v.mp4", policy=ALL).frames_THWC
    assert (done.height_px, done.width_px) == before.shape[1:3]
    assert psnr_db(after, before).min() > 25


# Sizes


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ((640, 480), (640, 480)),
        ((320, 192), (320, 192)),
        ((1280, 720), (640, 360)),
        ((720, 1280), (360, 640)),
        ((1920, 1081), (640, 360)),
        ((321, 241), (320, 240)),
        ((5000, 7), (640, 2)),
        ((1, 1), (2, 2)),
    ],
)
def test_the_size_rule(given: tuple[int, int], stored: tuple[int, int]) -> None:
    assert NORMAL_V1.size_of(*given) == stored


def test_upscaling_happens_only_when_asked(tmp_path: Path) -> None:
    large = NormalProfile(name="large-v1", longest_side_px=192, is_upscaled=True)
    assert large.size_of(96, 64) == (192, 128)
    done = normalise_video(scene(3), tmp_path / "v.mp4", fps=5, profile=large)
    assert (done.width_px, done.height_px) == (192, 128)


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (3, 5), (1, 40), (701, 3), (33, 47)])
def test_any_size_can_be_stored(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    frames = [np.full((height, width, 3), 128, np.uint8)] * 4
    normalise_video(frames, tmp_path / "v.mp4", fps=2)
    assert sample_frames(tmp_path / "v.mp4", policy=ALL).record.num_frames == 4


def test_an_odd_frame_loses_its_last_row_and_column_and_nothing_else(tmp_path: Path) -> None:
    frames = list(scene(4, width=97, height=65))
    normalise_video(frames, tmp_path / "v.mp4", fps=5)
    after = sample_frames(tmp_path / "v.mp4", policy=ALL).frames_THWC
    assert psnr_db(after, np.stack(frames)[:, :64, :96]).min() > 30


# Times


def test_variable_frame_rate_is_kept_by_timestamps(
    tmp_path: Path, encode: Callable[..., Path], index_of: Callable[[np.ndarray], int]
) -> None:
    pts = [0, 12, 24, 36, 37, 38, 60, 120, 240, 252]
    source = encode("s.mp4", 10, pts=pts)
    path = tmp_path / "v.mp4"
    normalise_video(source, path)
    sample = sample_frames(path, policy=ALL)
    assert [index_of(frame) for frame in sample.frames_THWC] == list(range(10))
    assert sample.record.timestamps_s == pytest.approx([p / 120 for p in pts], abs=1e-5)


def test_a_container_that_claims_120_fps_is_not_believed(
    tmp_path: Path, encode: Callable[..., Path], index_of: Callable[[np.ndarray], int]
) -> None:
    # Ten frames a second and one pair of frames 1/120 s apart: readers that go by rate see 120 fps.
    pts = [*(12 * i for i in range(20)), 12 * 19 + 1]
    source = encode("s.mp4", 21, pts=pts)
    ten = NormalProfile(name="ten-v1", fps=10)
    done = normalise_video(source, tmp_path / "v.mp4", profile=ten)
    frames = sample_frames(tmp_path / "v.mp4", policy=ALL).frames_THWC
    assert (done.num_frames, done.fps) == (20, 10.0)
    assert [index_of(frame) for frame in frames] == [*range(19), 19]
    kept = normalise_video(source, tmp_path / "w.mp4")
    assert (kept.num_frames, kept.duration_s) == (21, pytest.approx(20 / 10 + 1 / 120, abs=0.02))


@pytest.mark.parametrize(
    ("rate", "wanted", "expected"),
    [
        (30, 10.0, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]),
        (10, 4.0, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),  # halves: the later frame
        (10, 20.0, [0, *(i for i in range(1, 30) for _ in range(2))]),
    ],
)
def test_resampling_takes_the_frame_nearest_in_time(
    tmp_path: Path,
    coded: Callable[..., np.ndarray],
    index_of: Callable[[np.ndarray], int],
    rate: int,
    wanted: float,
    expected: list[int],
) -> None:
    profile = NormalProfile(name="x-v1", fps=wanted)
    done = normalise_video(
        (coded(i) for i in range(30)), tmp_path / "v.mp4", fps=rate, profile=profile
    )
    found = [index_of(frame) for frame in stream_frames(tmp_path / "v.mp4")]
    assert found == expected
    assert done.fps == pytest.approx(wanted)


def test_the_last_frame_after_resampling_is_less_than_a_step_before_the_last_of_all(
    tmp_path: Path, coded: Callable[..., np.ndarray], index_of: Callable[[np.ndarray], int]
) -> None:
    profile = NormalProfile(name="x-v1", fps=7)
    for num in range(1, 40):
        normalise_video((coded(i) for i in range(num)), tmp_path / "v.mp4", fps=30, profile=profile)
        *_, last = stream_frames(tmp_path / "v.mp4")
        assert 0 <= (num - 1 - index_of(last)) / 30 < 1 / 7 + 0.5 / 30


def test_a_given_rate_replaces_the_timestamps(tmp_path: Path, encode: Callable[..., Path]) -> None:
    source = encode("s.mp4", 20, rate=10)
    assert normalise_video(source, tmp_path / "v.mp4", fps=5).duration_s == 4.0


def test_a_slice_is_stored_as_its_frames_alone_would_be(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    path = encode("v.mp4", 60, gop=12)
    stored = normalise_video(path, tmp_path / "slice.mp4", start_s=1.3, end_s=4.1)
    frames = sample_frames(tmp_path / "slice.mp4", policy=ALL)
    expected = list(stream_frames(path, start_s=1.3, end_s=4.1))
    assert stored.num_frames == len(expected) == 28
    assert frames.record.timestamps_s == pytest.approx([i / 10 for i in range(28)])
    assert psnr_db(frames.frames_THWC, np.stack(expected)).min() > WORST_SYNTHETIC_PSNR_DB
    with pytest.raises(UsageError, match="slice"):
        normalise_video(path, tmp_path / "x.mp4", start_s=3.0, end_s=2.0)
    with pytest.raises(UsageError, match="slices"):
        normalise_video(expected, tmp_path / "x.mp4", fps=10, start_s=1.0)


def test_the_digest_of_frames_knows_frames_and_not_their_times(tmp_path: Path) -> None:
    one, other = list(scene(12)), list(scene(12, seed=1))
    slow = normalise_video(one, tmp_path / "slow.mp4", fps=2)
    fast = normalise_video(one, tmp_path / "fast.mp4", fps=30)
    assert slow.frames_sha256 == fast.frames_sha256
    assert slow.sha256 != fast.sha256
    assert normalise_video(other, tmp_path / "o.mp4", fps=2).frames_sha256 != slow.frames_sha256
    assert normalise_video(one[:11], tmp_path / "s.mp4", fps=2).frames_sha256 != slow.frames_sha256


def test_a_rate_that_is_no_whole_number_of_ticks_does_not_drift(tmp_path: Path) -> None:
    done = normalise_video(scene(100), tmp_path / "v.mp4", fps=7)
    assert done.duration_s == pytest.approx(100 / 7, abs=1e-4)
    exact = normalise_video(scene(30), tmp_path / "w.mp4", fps=30000 / 1001)
    assert exact.duration_s == 1.001


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    done = normalise_video(scene(1), tmp_path / "v.mp4", fps=4)
    assert (done.num_frames, done.duration_s) == (1, 0.25)
    again = normalise_video(tmp_path / "v.mp4", tmp_path / "w.mp4")
    assert (again.num_frames, again.duration_s) == (1, 0.25)


# What a model sees


def test_a_model_samples_the_same_frames_before_and_after(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source, path = tmp_path / "s.mp4", tmp_path / "v.mp4"
    finest = NormalProfile(name="finest-v1", crf=1)
    normalise_video(scene(75, width=320, height=240), source, fps=15, profile=finest)
    normalise_video(source, path)
    for policy in (FramePolicy(), EIGHT):
        before, after = sample_frames(source, policy=policy), sample_frames(path, policy=policy)
        assert before.record == after.record
        assert psnr_db(before.frames_THWC, after.frames_THWC).min() >= WORST_SYNTHETIC_PSNR_DB


def _check_real(source: Path, path: Path) -> None:
    done = normalise_video(source, path)
    before, after = sample_frames(source, policy=EIGHT), sample_frames(path, policy=EIGHT)
    assert done.num_frames == before.record.num_frames
    assert before.record.indices == after.record.indices
    assert after.record.timestamps_s == pytest.approx(before.record.timestamps_s, abs=1e-5)
    assert sample_frames(source).record.indices == sample_frames(path).record.indices
    assert psnr_db(before.frames_THWC, after.frames_THWC).min() >= WORST_REAL_PSNR_DB


def test_one_real_video_of_every_kind_keeps_its_frames(shared_data: Path, tmp_path: Path) -> None:
    small = [path for path in shared_data.rglob("*.mp4") if path.stat().st_size < 150_000]
    of_kind = {(path.parent, path.name[:5]): path for path in sorted(small)}
    assert len(of_kind) >= 5
    for source in of_kind.values():
        _check_real(source, tmp_path / "v.mp4")


@pytest.mark.slow
def test_every_third_real_video_keeps_its_frames(shared_data: Path, tmp_path: Path) -> None:
    sources = sorted(shared_data.rglob("*.mp4"))
    assert len(sources) >= 148
    for source in sources[::3]:
        _check_real(source, tmp_path / "v.mp4")


# Memory


@pytest.mark.slow
def test_two_thousand_frames_take_the_memory_of_a_few(tmp_path: Path) -> None:
    code = f"""
import resource, numpy as np
from pathlib import Path
from roboreward.media import normalise_video
def frames(num):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (120, 320, 3), dtype=np.uint8)
    for t in range(num):
        yield np.roll(noise, t, axis=1)[:, :160]
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
normalise_video(frames(50), Path({str(tmp_path)!r}) / "a.mp4", fps=30)
before = peak()
done = normalise_video(frames(2000), Path({str(tmp_path)!r}) / "b.mp4", fps=30)
normalise_video(Path({str(tmp_path)!r}) / "b.mp4", Path({str(tmp_path)!r}) / "c.mp4")
print(done.num_frames, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    num_frames, grown_mb = (float(word) for word in done.stdout.split())
    assert num_frames == 2000
    assert grown_mb < 24  # 58 MB if pictures were kept, 115 MB if frames were


# Bad input


def test_no_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaRefused) as caught:
        normalise_video(iter(()), tmp_path / "v.mp4", fps=5)
    assert caught.value.reason == "no_frames"
    assert not list(tmp_path.iterdir())


def test_frames_need_a_rate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fps"):
        normalise_video(scene(2), tmp_path / "v.mp4")
    for fps in (0, -1, float("nan"), float("inf"), 1e6):
        with pytest.raises(UsageError, match="fps"):
            normalise_video(scene(2), tmp_path / "v.mp4", fps=fps)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((16, 8, 3), np.uint8),
        None,
        "frame",
    ],
)
def test_a_wrong_frame_is_a_usage_error_also_when_it_comes_late(
    tmp_path: Path, frame: object
) -> None:
    frames = [np.zeros((8, 8, 3), np.uint8), frame]
    with pytest.raises(UsageError, match="frames to store"):
        normalise_video(frames, tmp_path / "v.mp4", fps=5)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_limits_hold_for_frames(tmp_path: Path) -> None:
    for limits, reason in (
        (MediaLimits(max_pixels=100), "too_many_pixels"),
        (MediaLimits(max_frames_walked=5), "too_many_frames"),
    ):
        with pytest.raises(MediaRefused) as caught:
            normalise_video(scene(9), tmp_path / "v.mp4", fps=5, limits=limits)
        assert caught.value.reason == reason


def test_resampling_cannot_blow_up_a_pause(tmp_path: Path, encode: Callable[..., Path]) -> None:
    source = encode("s.mp4", 2, pts=[0, 120 * 200])
    fast = NormalProfile(name="fast-v1", fps=1000)
    with pytest.raises(MediaRefused) as caught:
        normalise_video(
            source, tmp_path / "v.mp4", profile=fast, limits=MediaLimits(max_frames_walked=50)
        )
    assert caught.value.reason == "too_many_frames"


@pytest.mark.parametrize("keep", [0.4, 0.7, 0.95])
def test_a_truncated_file_is_refused_and_the_old_target_kept(
    tmp_path: Path, plain_bytes: bytes, keep: float
) -> None:
    source, target = tmp_path / "s.mp4", tmp_path / "v.mp4"
    source.write_bytes(plain_bytes[: int(keep * len(plain_bytes))])
    target.write_bytes(b"old")
    with pytest.raises(MediaRefused) as caught:
        normalise_video(source, target)
    assert caught.value.reason in ("truncated", "damaged")
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [source, target]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"not a video", "not_a_video"), (None, "missing")]
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "s.mp4").write_bytes(content)
    with pytest.raises(MediaRefused) as caught:
        normalise_video(tmp_path / "s.mp4", tmp_path / "v.mp4")
    assert caught.value.reason == reason


def test_an_existing_target_is_replaced_and_may_be_the_source(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source = encode("s.mp4", 10)
    expected = normalise_video(source, tmp_path / "v.mp4").sha256
    assert normalise_video(source, source).sha256 == expected
    assert hashlib.sha256(source.read_bytes()).hexdigest() == expected


def test_a_folder_that_cannot_be_written_is_a_store_error_before_anything_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("x")

    def never() -> Iterator[np.ndarray]:
        raise AssertionError("a frame was asked for")
        yield

    for folder in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(StoreError, match=r"v\.mp4"):
            normalise_video(never(), folder / "v.mp4", fps=5)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(StoreError, match=r"folder\.mp4"):
        normalise_video(scene(2), tmp_path / "folder.mp4", fps=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.mp4"]


def test_an_error_of_the_source_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from scene(2)
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="the camera is gone"):
        normalise_video(broken(), tmp_path / "v.mp4", fps=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit on file sizes")
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_disk_that_is_full_leaves_the_old_file_and_no_litter(
    tmp_path: Path, share: float
) -> None:
    target = tmp_path / "v.mp4"
    whole = normalise_video(scene(40, width=320, height=240), target, fps=5)
    allowed_bytes = (
        int(share * whole.size_bytes) + 1
    )  # at the end, the packets fit, but not with their index
    target.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignore = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed_bytes, before[1]))
        with pytest.raises(StoreError, match="cannot be written"):
            normalise_video(scene(40, width=320, height=240), target, fps=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignore)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_kill_in_the_middle_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = f"""
import numpy as np, sys
from roboreward.media import normalise_video
def frames():
    for t in range(10**6):
        yield np.full((64, 64, 3), t % 256, np.uint8)
        if t == 40:
            print("ready", flush=True)
normalise_video(frames(), {str(tmp_path / "v.mp4")!r}, fps=30)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    assert not (tmp_path / "v.mp4").exists()
    if sys.platform == "linux":  # where a file can have no name
        assert not os.listdir(tmp_path)


def test_a_failure_at_the_last_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "v.mp4"
    target.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    for step in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(step, fail)
            with pytest.raises(StoreError, match="Input/output error"):
                normalise_video(scene(3), target, fps=5)
        assert target.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [target]


# Profiles


def test_a_profile_knows_its_bounds() -> None:
    for change in ({"crf": 60}, {"fps": 0}, {"longest_side_px": 1}, {"keyframe_every": 0}):
        with pytest.raises(ValidationError):
            NormalProfile(name="x-v1", **change)
    for name in ("x", "X-v1", "x-v", "a" * 40 + "-v1", "x_v1", ""):
        with pytest.raises(ValidationError):
            NormalProfile(name=name)


def test_a_given_name_stands_for_its_settings_and_no_others() -> None:
    assert NormalProfile(name="normal-v1") == NORMAL_V1
    with pytest.raises(ValidationError, match="stands for other settings"):
        NormalProfile(name="normal-v1", crf=20)


def test_the_settings_of_normal_v1_are_fixed_by_a_golden_copy() -> None:
    assert NORMAL_V1.model_dump() == {
        "name": "normal-v1",
        "longest_side_px": 640,
        "is_upscaled": False,
        "fps": None,
        "crf": 15,
        "preset": "medium",
        "keyframe_every": 30,
    }
