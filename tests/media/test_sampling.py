"""The right frames come out, whatever the codec, container, rate or orientation."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.core import ENDS_ONLY, FramePolicy, MediaRefused, UsageError
from roboreward.media import MediaLimits, probe, sample_frames
from roboreward.media.sampling import choose_indices, count_wanted

EIGHT = FramePolicy(min_frames=8, max_frames=8)
LAST = FramePolicy(min_frames=1, max_frames=1)
Index = Callable[[np.ndarray], int]
Encode = Callable[..., Path]


def _check(path: Path, index_of: Index, *, num: int, policy: FramePolicy = EIGHT) -> Any:
    """Assert that the sample is honest about which frames it holds, and return it."""
    sample = sample_frames(path, policy=policy)
    record = sample.record
    assert record.num_frames == num
    assert [index_of(frame) for frame in sample.frames_THWC] == list(record.indices)
    assert record.indices == choose_indices(num, len(record.indices))
    assert all(a < b for a, b in pairwise(record.timestamps_s))
    assert record.timestamps_s[0] == 0.0 or len(record.indices) == 1
    return sample


@given(num=st.integers(1, 20_000), wanted=st.integers(1, 64))
def test_indices_increase_from_the_first_frame_to_the_last(num: int, wanted: int) -> None:
    indices = choose_indices(num, wanted)
    assert len(indices) == min(num, wanted)
    assert indices[-1] == num - 1
    assert indices[0] == 0 or len(indices) == 1
    gaps = [b - a for a, b in pairwise(indices)]
    assert all(gap >= 1 for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(0.0, 4), (1.9, 4), (2.25, 5), (3.0, 6), (100.0, 8)]
)
def test_the_published_policy_wants_two_a_second_from_four_to_eight(
    duration_s: float, expected: int
) -> None:
    assert count_wanted(duration_s, FramePolicy()) == expected


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("v.mp4", "libx264", "yuv420p", {"bf": "3", "preset": "fast"}),
        ("v.mov", "libx264", "yuv444p", {}),
        ("v.mkv", "libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=6:bframes=3"}),
        ("v.mkv", "libx264", "yuv420p10le", {}),
        ("v.mp4", "libx265", "yuv420p", {"x265-params": "log-level=none:pools=none"}),
        (
            "v.mp4",
            "libx265",
            "yuv420p10le",
            {"x265-params": "log-level=none:pools=none:open-gop=1:keyint=6:bframes=3"},
        ),
        ("v.webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
        ("v.mkv", "libvpx-vp9", "yuv444p", {"deadline": "realtime", "cpu-used": "8"}),
        ("v.mp4", "mpeg4", "yuv420p", {"bf": "2", "q": "2"}),
    ],
)
def test_every_accepted_codec_gives_the_frames_asked_for(
    encode: Encode, index_of: Index, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = encode(name, 30, codec=codec, pix_fmt=pix_fmt, options=options)
    sample = _check(path, index_of, num=30)
    assert sample.frames_THWC.shape == (8, 48, 64, 3)
    error = np.abs(sample.frames_THWC[0, 40, 32].astype(int) - (200, 60, 40)).max()
    assert error <= 12


def test_av1_with_short_groups_gives_the_frames_asked_for(
    encode: Encode, index_of: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "0")
    path = encode(
        "v.mp4", 12, codec="libsvtav1", gop=2, options={"preset": "12", "svtav1-params": "lp=1"}
    )
    _check(path, index_of, num=12)


@pytest.mark.parametrize(("num", "expected"), [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8)])
def test_short_videos_give_all_they_have(
    encode: Encode, index_of: Index, num: int, expected: int
) -> None:
    sample = _check(encode(num=num), index_of, num=num)
    assert len(sample.frames_THWC) == expected


def test_two_frames_are_the_first_and_the_last(encode: Encode, index_of: Index) -> None:
    sample = _check(encode(num=17), index_of, num=17, policy=ENDS_ONLY)
    assert sample.record.indices == (0, 16)


def test_one_frame_is_the_last(encode: Encode, index_of: Index) -> None:
    sample = _check(encode(num=17), index_of, num=17, policy=LAST)
    assert sample.record.indices == (16,)
    assert sample.record.timestamps_s == pytest.approx((1.6,))


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_a_variable_rate_is_followed(encode: Encode, index_of: Index, name: str) -> None:
    ticks = [0, 1, 2, 60, 61, 180, 200, 201, 900, 1200]
    path = encode(name, 10, pts=ticks, options={"bf": "0"})
    sample = _check(path, index_of, num=10, policy=FramePolicy(min_frames=1, max_frames=64))
    assert sample.record.timestamps_s == pytest.approx([tick / 120 for tick in ticks], abs=2e-3)


def test_a_rate_of_120_that_is_only_claimed_changes_nothing(
    encode: Encode, index_of: Index
) -> None:
    path = encode(num=20, rate=120, pts=[240 * i for i in range(20)])
    sample = _check(path, index_of, num=20)
    assert sample.record.timestamps_s[-1] == pytest.approx(19 / 6)


def test_times_start_at_the_first_frame_even_when_the_file_does_not(
    encode: Encode, index_of: Index
) -> None:
    path = encode("v.mkv", 10, pts=[1200 + 12 * i for i in range(10)])
    sample = _check(path, index_of, num=10)
    assert sample.record.timestamps_s[-1] == pytest.approx(0.9, abs=2e-3)


def test_frames_hidden_by_an_edit_list_are_not_shown(
    tmp_path: Path, encode: Encode, index_of: Index, patch_box: Callable[..., bytes]
) -> None:
    path = encode(num=30, options={"bf": "0"})
    import av

    with av.open(str(path)) as container:
        ticks_per_frame = int(container.streams.video[0].duration) // 30
    data = patch_box(path.read_bytes(), b"elst", 12, [10 * ticks_per_frame])
    path.write_bytes(data)
    sample = sample_frames(path, policy=EIGHT)
    assert index_of(sample.frames_THWC[0]) == 10
    assert index_of(sample.frames_THWC[-1]) == 29
    assert sample.record.num_frames == 20


def test_a_fragmented_file_is_read(encode: Encode, index_of: Index) -> None:
    path = encode(container_options={"movflags": "frag_keyframe+empty_moov"})
    _check(path, index_of, num=30)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_all_eight_orientations_come_out_upright(
    tmp_path: Path,
    encode: Encode,
    patch_box: Callable[..., bytes],
    turns: int,
    is_mirrored: bool,
) -> None:
    path = encode(num=2)
    stored = sample_frames(path, policy=LAST).frames_THWC[0]
    # x' = a x + c y, y' = b x + d y with y downwards: a clockwise quarter turn maps right to down, down to left.
    a, b, c, d = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][turns]
    expected = np.rot90(stored, k=-turns)
    if is_mirrored:
        a, c, expected = -a, -c, expected[:, ::-1]
    one = 1 << 16
    data = patch_box(path.read_bytes(), b"tkhd", 40, [a * one, b * one, 0, c * one, d * one])
    path.write_bytes(data)
    sample = sample_frames(path, policy=LAST)
    np.testing.assert_array_equal(sample.frames_THWC[0], expected)
    assert (sample.record.width_px, sample.record.height_px) == expected.shape[1::-1]


def test_an_orientation_that_is_no_right_angle_is_refused(
    encode: Encode, patch_box: Callable[..., bytes]
) -> None:
    path = encode(num=2)
    path.write_bytes(patch_box(path.read_bytes(), b"tkhd", 40, [46341, 46341, 0, -46341, 46341]))
    with pytest.raises(MediaRefused) as caught:
        sample_frames(path)
    assert caught.value.reason == "odd_rotation"


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [("libx264", "yuv444p", "v.mp4"), ("libvpx-vp9", "yuv420p", "v.webm")],
)
def test_odd_sizes_come_out_whole(
    encode: Encode, index_of: Index, coded: Any, codec: str, pix_fmt: str, name: str
) -> None:
    path = encode(name, 9, codec=codec, pix_fmt=pix_fmt, size=(101, 77), options={"crf": "10"})
    sample = _check(path, index_of, num=9)
    assert sample.frames_THWC.shape[1:] == (77, 101, 3)
    error = np.abs(sample.frames_THWC[-1].astype(int) - coded(8, width=101, height=77))
    assert np.median(error) <= 8
    assert error[60:, -1].max() <= 30


@pytest.mark.parametrize(("matrix", "color_range"), [(1, 1), (1, 2), (5, 1), (6, 2)])
def test_colours_follow_the_tags_of_the_file(encode: Encode, matrix: int, color_range: int) -> None:
    tags = {"colorspace": matrix, "color_range": color_range}
    path = encode(num=3, options={"crf": "1"}, tags=tags)
    sample = sample_frames(path, policy=LAST)
    assert np.abs(sample.frames_THWC[0, 40, 32].astype(int) - (200, 60, 40)).max() <= 4


def test_the_first_video_track_is_read_beside_sound(
    tmp_path: Path, encode: Encode, index_of: Index
) -> None:
    import av

    source, path = encode("plain.mp4", 12), tmp_path / "both.mkv"
    with av.open(str(source)) as read, av.open(str(path), "w") as write:
        sound = write.add_stream("aac", rate=16000)
        track = write.add_stream_from_template(read.streams.video[0])
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        write.mux(sound.encode(frame))
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = track
                write.mux(packet)
        write.mux(sound.encode(None))
    _check(path, index_of, num=12)


def test_the_thorough_way_picks_the_same_frames(
    encode: Encode, index_of: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(num=30, options={"bf": "2"})
    quick = _check(path, index_of, num=30)
    monkeypatch.setattr("roboreward.media.sampling.decode_wanted", lambda *_: None)
    thorough = _check(path, index_of, num=30)
    np.testing.assert_array_equal(quick.frames_THWC, thorough.frames_THWC)
    assert quick.record.timestamps_s == pytest.approx(thorough.record.timestamps_s)


def test_frames_shown_before_their_keyframe_pull_in_the_group_before() -> None:
    from roboreward.media.decoding import _spans
    from roboreward.media.timeline import StoredFrame

    pts = [0, 3, 1, 2, 6, 5, 4, 9]
    stored = [StoredFrame(at, tick, at in (0, 4)) for at, tick in enumerate(pts)]
    ends = [(span.first, span.last) for span in _spans(stored, [stored[4], stored[6]])]
    assert ends == [(0, 6)]
    assert [(span.first, span.last) for span in _spans(stored, [stored[2], stored[7]])] == [
        (0, 2),
        (4, 7),
    ]


def test_the_quick_way_suffices_for_every_ordinary_file(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roboreward.media.sampling.decode_all", None)
    hevc = "log-level=none:pools=none:open-gop=1:keyint=6:bframes=3"
    sample_frames(encode("a.mp4", codec="libx265", options={"x265-params": hevc}), policy=EIGHT)
    sample_frames(encode("b.mkv", options={"x264-params": "open-gop=1:keyint=6:bframes=3"}))
    sample_frames(encode("c.webm", codec="libvpx-vp9", options={"deadline": "realtime"}))
    sample_frames(encode("d.mp4", codec="mpeg4", options={"bf": "2"}))


def test_more_frames_than_the_limit_is_a_usage_error(encode: Encode) -> None:
    policy = FramePolicy(fps=1000, max_frames=100)
    with pytest.raises(UsageError, match="max_frames_returned=20"):
        sample_frames(encode(), policy=policy, limits=MediaLimits(max_frames_returned=20))


def test_memory_is_bounded_by_the_frames_returned(encode: Encode) -> None:
    path = encode(num=200, size=(160, 120), options={"bf": "0"})
    sample_frames(path, policy=ENDS_ONLY)
    tracemalloc.start()
    try:
        sample = sample_frames(path, policy=ENDS_ONLY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * sample.frames_THWC[0].nbytes


def test_the_probe_tells_what_the_header_says(encode: Encode) -> None:
    info = probe(encode("v.mov", 20))
    assert (info.container, info.codec, info.width_px, info.height_px) == ("mp4", "h264", 64, 48)
    assert (info.fps, info.announced_frames) == (10.0, 20)
    assert info.duration_s == pytest.approx(2.0, abs=0.01)
    assert info.size_bytes == info.path.stat().st_size


def test_a_webm_announces_no_number_of_frames(encode: Encode) -> None:
    info = probe(encode("v.webm", 3, codec="libvpx-vp9", options={"deadline": "realtime"}))
    assert (info.container, info.codec, info.announced_frames) == ("webm", "vp9", None)
