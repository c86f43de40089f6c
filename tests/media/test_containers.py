"""What is not a video is refused by its content, whatever its name, before the codec library sees it."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from roboreward.core import DataError, MediaRefused
from roboreward.media import MediaLimits, jpeg_bytes, png_bytes, probe, sample_frames


def _refused(path: Path, **limits: float) -> MediaRefused:
    with pytest.raises(MediaRefused) as caught:
        sample_frames(path, limits=MediaLimits(**limits))
    assert path.name in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"#EXTM3U\n#EXTINF:2,\nother.mp4\n#EXT-X-ENDLIST\n", "HLS playlist"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "concat list"),
        (b"just some words about a robot\n", "text"),
        (b"<html><body>404</body></html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"\x00" * 5000, "unknown data"),
        (b"\x1a\x45", "unknown data"),
        (b"x", "text"),
        (b"\x00\x00\x00\x20ftypavif" + bytes(200), "AVIF picture"),
    ],
)
def test_what_is_not_a_video_is_refused_and_named(
    tmp_path: Path, encode: Callable[..., Path], content: bytes, found: str
) -> None:
    encode("other.mp4", 3)
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    error = _refused(path)
    assert error.reason == "not_a_video"
    assert found in str(error)


@pytest.mark.parametrize("as_bytes", [png_bytes, jpeg_bytes])
def test_a_picture_with_a_video_name_is_refused(
    tmp_path: Path, coded: Callable[..., object], as_bytes: Callable[..., bytes]
) -> None:
    path = tmp_path / "picture.mp4"
    path.write_bytes(as_bytes(coded(1)))
    assert "picture" in str(_refused(path))


def test_a_missing_file_is_a_data_error_that_names_the_path(tmp_path: Path) -> None:
    error = _refused(tmp_path / "nowhere" / "v.mp4")
    assert isinstance(error, DataError)
    assert error.reason == "missing"


def test_a_path_through_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert _refused(tmp_path / "file" / "v.mp4").reason == "missing"


def test_a_folder_and_a_pipe_are_not_files(tmp_path: Path) -> None:
    assert _refused(tmp_path).reason == "not_a_file"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        assert _refused(tmp_path / "pipe.mp4").reason == "not_a_file"


def test_a_name_that_no_system_accepts_is_refused() -> None:
    with pytest.raises(MediaRefused) as caught:
        probe("a\0b.mp4")
    assert caught.value.reason == "unreadable"


def test_a_file_without_permission_is_unreadable(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    path = encode(num=2)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert _refused(path).reason == "unreadable"


def test_zero_bytes_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.touch()
    assert _refused(path).reason == "empty"


def test_a_file_over_the_byte_limit_is_too_large(encode: Callable[..., Path]) -> None:
    path = encode(num=2)
    assert _refused(path, max_bytes=500).reason == "too_large"


def test_the_name_does_not_decide(encode: Callable[..., Path]) -> None:
    path = encode("video.mp4", 5)
    renamed = path.rename(path.with_name("notes.txt"))
    assert probe(renamed).container == "mp4"


def test_a_path_that_looks_like_a_protocol_is_a_plain_file_name(
    tmp_path: Path, encode: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode("other.mp4", 3)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MediaRefused) as caught:
        sample_frames("concat:other.mp4")
    assert caught.value.reason == "missing"


@pytest.mark.parametrize("name", ["sound.mp4", "sound.mkv"])
def test_sound_alone_is_not_a_video(tmp_path: Path, name: str) -> None:
    import av
    import numpy as np

    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    error = _refused(path)
    assert error.reason == "not_a_video"
    assert "audio" in str(error)


def test_another_codec_is_named(encode: Callable[..., Path]) -> None:
    error = _refused(encode("v.mkv", 3, codec="mjpeg", pix_fmt="yuvj420p"))
    assert error.reason == "unsupported_codec"
    assert "mjpeg" in str(error)


def test_random_headers_are_refused_by_name_and_leave_stderr_clean(
    tmp_path: Path, rng: object, plain_bytes: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.mp4"
    reasons = set()
    for _ in range(60):
        data = bytearray(plain_bytes)
        for at in rng.integers(0, 1200, size=4):  # type: ignore[attr-defined]
            data[at] ^= int(rng.integers(1, 256))  # type: ignore[attr-defined]
        path.write_bytes(bytes(data))
        try:
            sample_frames(path)
        except MediaRefused as error:
            reasons.add(error.reason)
    assert reasons
    assert capfd.readouterr() == ("", "")


def test_layout_of_reads_only_the_outside() -> None:
    from roboreward.media.containers import layout_of

    boxes = (
        b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
        + b"\x00\x00\x00\x08moov"
        + b"\x00\x00\xff\x00mdat"
    )
    layout = layout_of(io.BytesIO(boxes), path=Path("v.mp4"))
    assert (layout.has_index, layout.is_cut) == (True, True)
