"""Wherever packets come from, memory, the file anew or single groups of it, the same frames come out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import FramePolicy
from roboreward.media import decoding, sample_frames, sampling, slicing, stream_frames, timeline
from roboreward.media.limits import DEFAULT_LIMITS
from roboreward.media.reader import open_video
from roboreward.media.slicing import Slice, read_slice
from roboreward.media.timeline import Timeline, read_timeline

Encode = Callable[..., Path]
EIGHT = FramePolicy(min_frames=8, max_frames=8)
AV1: dict[str, Any] = {
    "codec": "libsvtav1",
    "gop": 4,
    "options": {"preset": "12", "svtav1-params": "lp=1"},
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "0")


def _timeline(path: Path) -> Timeline:
    with open_video(path, DEFAULT_LIMITS) as video:
        return read_timeline(video)


def _hide_start(path: Path, patch_box: Callable[..., bytes]) -> None:
    """Let the edit list begin with the eleventh frame."""
    import av

    with av.open(str(path)) as container:
        ticks = int(container.streams.video[0].duration or 0) // 30
    path.write_bytes(patch_box(path.read_bytes(), b"elst", 12, [10 * ticks]))


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("layout", [{}, {"movflags": "faststart"}])
def test_the_index_of_av1_in_mp4_says_what_its_packets_say(
    encode: Encode,
    patch_box: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    layout: dict[str, str],
    is_hidden: bool,
) -> None:
    path = encode("v.mp4", 30, container_options=layout, **AV1)
    if is_hidden:
        _hide_start(path, patch_box)
    told, sample = _timeline(path), sample_frames(path, policy=EIGHT)
    monkeypatch.setattr(timeline, "_walk_index", lambda _: None)
    walked = _timeline(path)
    assert told.is_from_index
    assert walked.packets
    assert replace(told, is_from_index=False) == replace(walked, packets=())
    assert walked.num_shown == (20 if is_hidden else 30)
    again = sample_frames(path, policy=EIGHT)
    assert sample.record == again.record
    np.testing.assert_array_equal(sample.frames_THWC, again.frames_THWC)


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("ends_s", [(0.0, 0.4), (0.55, 1.2), (1.0, None), (1.3, 1.4), (0.0, 1.9)])
def test_a_slice_is_the_same_from_the_index_and_from_packets(
    encode: Encode,
    patch_box: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    ends_s: tuple[float, float | None],
    is_hidden: bool,
) -> None:
    path = encode("v.mp4", 30, **AV1)
    if is_hidden:
        _hide_start(path, patch_box)

    def cut() -> tuple[Slice, list[np.ndarray]]:
        start_s, end_s = ends_s
        with open_video(path, DEFAULT_LIMITS) as video:
            part = read_slice(video, start_s=start_s, end_s=end_s, limits=DEFAULT_LIMITS)
        return part, list(stream_frames(path, start_s=start_s, end_s=end_s))

    told, frames = cut()
    monkeypatch.setattr(slicing, "_walk_index", lambda *_: None)
    walked, again = cut()
    assert told.timeline.is_from_index
    assert not walked.timeline.is_from_index
    assert told.is_to_end == walked.is_to_end
    assert told.timeline.duration_s == walked.timeline.duration_s
    times = [[frame.pts for frame in part.timeline.shown] for part in (told, walked)]
    assert times[0] == times[1]
    np.testing.assert_array_equal(np.stack(frames), np.stack(again))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("v.mkv", AV1),
        ("v.mp4", {**AV1, "container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("v.mp4", {"options": {"bf": "0"}}),
    ],
)
def test_other_files_are_walked(encode: Encode, name: str, given: dict[str, Any]) -> None:
    assert not _timeline(encode(name, 30, **given)).is_from_index


def test_an_index_that_points_behind_the_end_is_not_believed(
    encode: Encode, patch_box: Callable[..., bytes]
) -> None:
    path = encode("v.mp4", 30, container_options={"movflags": "faststart"}, **AV1)
    path.write_bytes(path.read_bytes()[:-1])
    told = _timeline(path)
    assert not told.is_from_index
    assert (told.num_shown, told.num_missing) == (29, 1)


def test_times_that_the_packets_do_not_have_cost_time_and_no_frames(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode("v.mp4", 30, **AV1)
    right = sample_frames(path, policy=EIGHT)
    real = timeline._walk_index

    def shifted(video: Any) -> Any:
        walk = real(video)
        assert walk is not None
        walk.stored = [replace(frame, pts=frame.pts + 7) for frame in walk.stored]
        walk.shown = walk.stored
        return walk

    monkeypatch.setattr(timeline, "_walk_index", shifted)
    counted: list[int] = []
    real_all = sampling.decode_all
    monkeypatch.setattr(sampling, "decode_all", lambda *a: counted.append(1) or real_all(*a))
    found = sample_frames(path, policy=EIGHT)
    assert counted
    assert found.record.indices == right.record.indices
    np.testing.assert_array_equal(found.frames_THWC, right.frames_THWC)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("v.mp4", {"options": {"bf": "3", "preset": "fast"}}),
        ("v.mkv", {"options": {"x264-params": "open-gop=1:keyint=6:bframes=3"}}),
        ("v.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
        ("v.mkv", AV1),
    ],
)
def test_files_too_large_to_keep_give_the_same_frames(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, Any]
) -> None:
    path = encode(name, 30, **given)
    assert _timeline(path).packets

    def everything() -> list[np.ndarray]:
        slices = stream_frames(path, start_s=0.7, end_s=2.2)
        picked = stream_frames(path, start_s=0.7, end_s=2.2, indices=[1, 9])
        return [*sample_frames(path, policy=EIGHT).frames_THWC, *slices, *picked]

    small = everything()
    for module in (timeline, decoding):
        monkeypatch.setattr(module, "KEPT_BYTES", 200)
    assert not _timeline(path).packets
    np.testing.assert_array_equal(np.stack(everything()), np.stack(small))


@pytest.mark.parametrize("given", [{}, AV1])
def test_a_sample_opens_a_file_once(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    import av

    path, real, opened = encode("v.mp4", 30, **given), av.open, []
    monkeypatch.setattr(av, "open", lambda *a, **k: opened.append(1) or real(*a, **k))
    sample_frames(path, policy=EIGHT)
    assert len(opened) == 1
