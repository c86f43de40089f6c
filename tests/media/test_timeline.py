"""Files that are cut off, damaged or over a limit get a named refusal; one missing frame is tolerated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import FramePolicy, MediaRefused
from roboreward.media import REQUEST_LIMITS, MediaLimits, probe, sample_frames

EIGHT = FramePolicy(min_frames=8, max_frames=8)
Index = Callable[[np.ndarray], int]
Encode = Callable[..., Path]


def _reason(path: Path, **limits: float) -> str:
    with pytest.raises(MediaRefused) as caught:
        sample_frames(path, policy=EIGHT, limits=MediaLimits(**limits))
    assert path.name in str(caught.value)
    return str(caught.value.reason)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
def test_a_file_cut_anywhere_is_truncated(
    tmp_path: Path, plain_bytes: bytes, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(plain_bytes[: int(share * len(plain_bytes))])
    assert _reason(path) == "truncated"
    assert capfd.readouterr() == ("", "")


def test_a_file_with_its_index_at_the_end_is_truncated_when_it_lost_it(encode: Encode) -> None:
    path = encode()
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 8])
    assert _reason(path) == "truncated"


def test_one_announced_frame_too_many_is_tolerated_and_two_are_not(
    tmp_path: Path, plain_bytes: bytes, index_of: Index, packet_sizes: Callable[[Path], list[int]]
) -> None:
    path = tmp_path / "short.mp4"
    path.write_bytes(plain_bytes)
    sizes = packet_sizes(path)
    path.write_bytes(plain_bytes[: -sizes[-1]])
    sample = sample_frames(path, policy=EIGHT)
    assert probe(path).announced_frames == 30
    assert sample.record.num_frames == 29
    assert index_of(sample.frames_THWC[-1]) in (28, 29)
    path.write_bytes(plain_bytes[: -sizes[-1] - sizes[-2]])
    assert _reason(path) == "truncated"


def test_a_last_frame_that_is_cut_through_is_left_out(
    tmp_path: Path, encode: Encode, index_of: Index
) -> None:
    path = encode(options={"bf": "0"}, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[:-3])
    sample = sample_frames(path, policy=EIGHT)
    assert sample.record.indices[-1] == 28
    assert [index_of(frame) for frame in sample.frames_THWC] == list(sample.record.indices)


def test_a_last_frame_of_rubbish_is_left_out(
    encode: Encode, index_of: Index, packet_sizes: Callable[[Path], list[int]]
) -> None:
    path = encode(options={"bf": "0"}, container_options={"movflags": "+faststart"})
    size = packet_sizes(path)[-1]
    path.write_bytes(path.read_bytes()[:-size] + b"\xff" * size)
    sample = sample_frames(path, policy=EIGHT)
    assert sample.record.num_frames == 29
    assert [index_of(frame) for frame in sample.frames_THWC] == list(sample.record.indices)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_a_cut_matroska_file_is_truncated(encode: Encode, codec: str, share: float) -> None:
    options = {"deadline": "realtime"} if codec == "libvpx-vp9" else {}
    path = encode("v.mkv", codec=codec, options=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert _reason(path) == "truncated"


def test_a_cut_fragmented_file_is_truncated(encode: Encode) -> None:
    path = encode(container_options={"movflags": "frag_keyframe+empty_moov"})
    data = path.read_bytes()
    path.write_bytes(data[: int(0.7 * len(data))])
    assert _reason(path) == "truncated"


def test_flipped_bytes_are_damage(tmp_path: Path, encode: Encode, rng: Any) -> None:
    path = encode(size=(160, 120), container_options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 1000
    for at in rng.integers(start, len(data) - 2000, size=40):
        data[at] ^= 0x5A
    path.write_bytes(bytes(data))
    assert _reason(path) in ("damaged", "truncated")


def test_a_track_whose_data_is_all_rubbish_is_undecodable(
    tmp_path: Path, plain_bytes: bytes
) -> None:
    path = tmp_path / "rubbish.mp4"
    start = plain_bytes.index(b"mdat") + 4
    path.write_bytes(plain_bytes[:start] + b"\xff" * (len(plain_bytes) - start))
    assert _reason(path) == "undecodable"


def test_a_header_that_makes_no_sense_is_undecodable(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"\x00\x00\x00\x08moov")
    assert _reason(path) in ("undecodable", "not_a_video")


def test_too_many_pixels_are_refused_before_decoding(encode: Encode) -> None:
    path = encode(num=1, size=(2064, 2064))
    assert _reason(path) == "too_many_pixels"
    assert sample_frames(path, limits=MediaLimits(max_pixels=5_000_000)).record.width_px == 2064


def test_a_header_that_lies_about_the_size_does_not_help(
    encode: Encode, patch_box: Callable[..., bytes]
) -> None:
    path = encode(num=1, size=(2064, 2064))
    path.write_bytes(patch_box(path.read_bytes(), b"avc1", 24, [64 << 16 | 48]))
    assert _reason(path) in ("too_many_pixels", "undecodable", "no_frames")


def test_a_header_that_lies_about_the_size_does_not_get_more_memory(
    encode: Encode, patch_box: Callable[..., bytes]
) -> None:
    path = encode(num=4, size=(640, 480))
    path.write_bytes(patch_box(path.read_bytes(), b"avc1", 24, [64 << 16 | 48]))
    assert _reason(path, max_held_bytes=2 * 640 * 480 * 3) == "too_large"


def test_data_that_should_lie_beyond_the_end_is_missing(
    encode: Encode, patch_box: Callable[..., bytes]
) -> None:
    path = encode()
    path.write_bytes(patch_box(path.read_bytes(), b"stco", 8, [-16]))
    assert _reason(path) == "truncated"


def test_a_box_of_absurd_length_is_a_cut(tmp_path: Path, plain_bytes: bytes) -> None:
    path = tmp_path / "long.mp4"
    huge = b"\x00\x00\x00\x01free" + b"\x7f" + b"\xff" * 7
    at = plain_bytes.index(b"moov") - 4
    path.write_bytes(plain_bytes[:at] + huge + plain_bytes[at:])
    assert _reason(path) == "truncated"


@pytest.mark.parametrize(("size", "reason"), [((96, 64), "size_changes"), ((1080, 720), "damaged")])
def test_a_size_that_changes_on_the_way_is_refused(
    tmp_path: Path, encode: Encode, size: tuple[int, int], reason: str
) -> None:
    import av

    fast = {"deadline": "realtime", "cpu-used": "8"}
    small = encode("small.mkv", 4, codec="libvpx-vp9", options=fast)
    large = encode("large.mkv", 4, codec="libvpx-vp9", options=fast, size=size)
    path = tmp_path / "both.mkv"
    with (
        av.open(str(small)) as first,
        av.open(str(large)) as second,
        av.open(str(path), "w") as out,
    ):
        track = out.add_stream_from_template(first.streams.video[0])
        for number, source in enumerate((first, second)):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.pts += 400 * number
                    packet.dts += 400 * number
                    packet.stream = track
                    out.mux(packet)
    assert _reason(path, max_pixels=100 * 100) == reason


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_too_many_frames_are_refused_announced_or_not(encode: Encode, name: str) -> None:
    path = encode(name, 30, rate=1000)
    assert _reason(path, max_frames_walked=29) == "too_many_frames"
    assert sample_frames(path, limits=MediaLimits(max_frames_walked=30)).record.num_frames == 30


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_a_video_that_lasts_too_long_is_refused(encode: Encode, name: str) -> None:
    path = encode(name, 2, pts=[0, 120 * 700], options={"bf": "0"})
    assert _reason(path) == "too_long"


@pytest.mark.parametrize("box", [b"mvhd", b"mdhd"])
def test_an_absurd_duration_in_the_header_is_harmless(
    encode: Encode, index_of: Index, patch_box: Callable[..., bytes], box: bytes
) -> None:
    path = encode(num=5)
    path.write_bytes(patch_box(path.read_bytes(), box, 16, [2**31 - 1]))
    sample = sample_frames(path, policy=EIGHT)
    assert [index_of(frame) for frame in sample.frames_THWC] == [0, 1, 2, 3, 4]
    assert sample.record.timestamps_s[-1] == pytest.approx(0.4)


def test_frames_that_do_not_fit_in_memory_are_refused(encode: Encode) -> None:
    assert _reason(encode(), max_held_bytes=8 * 64 * 48 * 3 - 1) == "too_large"


@pytest.mark.parametrize("limit", ["max_cpu_s", "max_wall_s"])
def test_the_deadline_stops_the_work(encode: Encode, limit: str) -> None:
    assert _reason(encode(), **{limit: 1e-9}) == "too_slow"


def test_limits_for_requests_are_tighter() -> None:
    assert REQUEST_LIMITS.max_bytes == 32 * 2**20
    assert REQUEST_LIMITS.max_wall_s < MediaLimits().max_wall_s
