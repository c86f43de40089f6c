"""Frames handed out one at a time are those of a full decode, bit for bit, for whole videos and for slices."""

import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboreward.core import MediaRefused, UsageError
from roboreward.media import MediaLimits, stream_frames
from roboreward.media.limits import DEFAULT_LIMITS
from roboreward.media.reader import open_video
from roboreward.media.slicing import read_slice

Index = Callable[[np.ndarray], int]
Encode = Callable[..., Path]

KINDS: list[dict[str, Any]] = [
    {"name": "h264.mp4", "options": {"bf": "3", "preset": "fast"}},
    {"name": "plain.mp4", "options": {"bf": "0"}},
    {"name": "h264.mkv", "options": {"bf": "2", "preset": "fast"}},
    {"name": "open.mp4", "options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}},
    {"name": "h265.mp4", "codec": "libx265", "options": {"x265-params": "log-level=none"}},
    {"name": "mpeg4.mp4", "codec": "mpeg4"},
    {"name": "mpeg4-b.mkv", "codec": "mpeg4", "options": {"bf": "2"}},
    {"name": "vp9.webm", "codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    {
        "name": "av1.mp4",
        "codec": "libsvtav1",
        "options": {"preset": "12", "svtav1-params": "lp=1"},
        "gop": 2,
    },
    {"name": "fragments.mp4", "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    {"name": "late.mkv", "pts": [500 + 12 * i for i in range(60)]},
    {"name": "odd.mp4", "pts": [12 * i + i * i // 4 for i in range(60)], "gop": 7},
]


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind["name"]))
def kind(request: pytest.FixtureRequest, encode: Encode) -> Path:
    """A video of 60 coded frames at about 10 fps."""
    return encode(**{"num": 60, **request.param})


def _every(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _same(frames: Any, expected: list[np.ndarray]) -> bool:
    got = list(frames)
    return len(got) == len(expected) and all(map(np.array_equal, got, expected))


def _times_s(path: Path) -> list[float]:
    with open_video(path, DEFAULT_LIMITS) as video:
        timeline = read_slice(video, start_s=0, end_s=None, limits=DEFAULT_LIMITS).timeline
    first = timeline.shown[0].pts
    return [(frame.pts - first) * timeline.seconds_per_tick for frame in timeline.shown]


def test_a_whole_video_streams_as_it_decodes(kind: Path, index_of: Index) -> None:
    frames = list(stream_frames(kind))
    assert [index_of(frame) for frame in frames] == list(range(60))
    assert _same(frames, _every(kind))


@pytest.mark.parametrize(
    ("first", "last"), [(0, 60), (0, 1), (1, 2), (11, 13), (12, 24), (23, 36), (35, 60), (59, 60)]
)
def test_a_slice_holds_the_frames_of_the_whole_at_the_same_places(
    kind: Path, first: int, last: int
) -> None:
    times = _times_s(kind)
    end_s = times[last] if last < len(times) else None
    frames = stream_frames(kind, start_s=times[first], end_s=end_s)
    assert _same(frames, _every(kind)[first:last])


def test_times_next_to_a_frame_mean_that_frame(kind: Path, index_of: Index) -> None:
    times = _times_s(kind)
    for shift_s in (-0.02, 0.02):
        found = stream_frames(kind, start_s=times[20] + shift_s, end_s=times[25] + shift_s)
        assert [index_of(frame) for frame in found] == list(range(20, 25))


def test_slices_that_touch_share_no_frame_and_lose_none(kind: Path, index_of: Index) -> None:
    ends_s = [0.0, 1.04, 1.96, 3.33, 4.0]
    found = [
        index_of(frame)
        for start_s, end_s in zip(ends_s, [*ends_s[1:], None], strict=True)
        for frame in stream_frames(kind, start_s=start_s, end_s=end_s)
    ]
    assert found == list(range(60))


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory, plain_bytes: bytes) -> Path:
    path = tmp_path_factory.mktemp("stream") / "plain.mp4"
    path.write_bytes(plain_bytes)
    return path


@settings(max_examples=60, deadline=None)
@given(ends=st.tuples(st.floats(0, 2.94), st.floats(0, 2.94)))
def test_both_ends_of_a_slice_are_the_nearest_frames(
    long_path: Path, index_of: Index, ends: tuple[float, float]
) -> None:
    start_s, end_s = sorted(ends)
    first, last = (int(np.floor(time_s * 10 + 0.5 + 1e-6)) for time_s in (start_s, end_s))
    if first == last:
        if start_s < end_s:
            with pytest.raises(MediaRefused) as caught:
                list(stream_frames(long_path, start_s=start_s, end_s=end_s))
            assert caught.value.reason == "no_frames"
        return
    found = stream_frames(long_path, start_s=start_s, end_s=end_s)
    assert [index_of(frame) for frame in found] == list(range(first, last))


def test_single_frames_are_picked_from_a_slice_and_from_the_whole(kind: Path) -> None:
    every, times = _every(kind), _times_s(kind)
    picked = stream_frames(kind, indices=[0, 13, 14, 59])
    assert _same(picked, [every[i] for i in (0, 13, 14, 59)])
    picked = stream_frames(kind, start_s=times[20], end_s=times[40], indices=[0, 3, 19])
    assert _same(picked, [every[i] for i in (20, 23, 39)])
    assert list(stream_frames(kind, indices=[])) == []


def test_picked_frames_cost_no_decoding_of_the_others(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roboreward.media import decoding

    path = encode("video.mp4", 60, gop=6, options={"bf": "0"})
    decoded: list[Any] = []
    real = decoding._decode_spans

    def counted(*args: Any) -> Any:
        for frame in real(*args):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(decoding, "_decode_spans", counted)
    list(stream_frames(path, start_s=1.8, end_s=5.4, indices=[0, 12]))
    assert len(decoded) == 2


def test_a_slice_reads_few_packets_of_a_long_file(encode: Encode) -> None:
    path = encode("video.mp4", 200, gop=10)
    with open_video(path, DEFAULT_LIMITS) as video:
        part = read_slice(video, start_s=15.0, end_s=16.0, limits=DEFAULT_LIMITS)
    assert part.timeline.num_shown == 10
    assert len(part.timeline.stored) < 25
    assert not part.is_to_end


def test_limits_hold_for_the_slice_and_not_for_the_file(encode: Encode) -> None:
    path = encode("video.mp4", 60)
    limits = MediaLimits(max_duration_s=2.0, max_frames_walked=40)
    assert len(list(stream_frames(path, start_s=2.0, end_s=3.5, limits=limits))) == 15
    for wanted in ({}, {"start_s": 2.0}, {"end_s": 3.0}):
        with pytest.raises(MediaRefused) as caught:
            list(stream_frames(path, limits=limits, **wanted))
        assert caught.value.reason in ("too_long", "too_many_frames")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"start_s": 2.0, "end_s": 3.3}, "truncated"),
        ({"start_s": 7.0}, "no_frames"),
        ({"start_s": 1.0, "end_s": 1.01}, "no_frames"),
    ],
)
def test_a_slice_that_is_not_there_is_refused(
    encode: Encode, wanted: dict[str, float], reason: str
) -> None:
    path = encode("video.mp4", 30)
    with pytest.raises(MediaRefused) as caught:
        list(stream_frames(path, **wanted))
    assert caught.value.reason == reason
    assert "video.mp4" in str(caught.value)


def test_a_slice_may_want_one_frame_too_many_at_the_end(encode: Encode, index_of: Index) -> None:
    found = stream_frames(encode("video.mp4", 30), start_s=2.0, end_s=3.1)
    assert [index_of(frame) for frame in found] == list(range(20, 30))


@pytest.mark.parametrize(
    "wanted",
    [
        {"start_s": -1.0},
        {"start_s": 2.0, "end_s": 2.0},
        {"start_s": float("nan")},
        {"end_s": float("nan")},
        {"indices": [3, 3]},
        {"indices": [-1]},
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(
    tmp_path: Path, wanted: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        stream_frames(tmp_path / "none.mp4", **wanted)


@pytest.mark.parametrize("wanted", [{}, {"start_s": 1.0, "end_s": 2.0}])
def test_an_index_behind_the_last_frame_is_refused(
    encode: Encode, wanted: dict[str, float]
) -> None:
    path = encode("video.mp4", 30)
    with pytest.raises(UsageError, match="Count from 0"):
        list(stream_frames(path, indices=[0, 30], **wanted))


def test_a_missing_file_is_refused_when_the_first_frame_is_asked_for(tmp_path: Path) -> None:
    frames = stream_frames(tmp_path / "none.mp4")
    with pytest.raises(MediaRefused) as caught:
        next(frames)
    assert caught.value.reason == "missing"


def _without_last_packets(path: Path, sizes: list[int], num: int) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - sum(sizes[-num:])])
    return path


@pytest.mark.parametrize("wanted", [{}, {"start_s": 1.5}, {"start_s": 1.5, "end_s": 3.0}])
def test_one_lost_frame_at_the_end_is_tolerated_and_two_are_not(
    encode: Encode,
    index_of: Index,
    packet_sizes: Callable[[Path], list[int]],
    wanted: dict[str, float],
) -> None:
    options = {"bf": "0"}
    path = encode("v.mp4", 30, options=options, container_options={"movflags": "+faststart"})
    sizes = packet_sizes(path)
    first = 15 if wanted else 0
    _without_last_packets(path, sizes, 1)
    found = [index_of(frame) for frame in stream_frames(path, **wanted)]
    assert found == list(range(first, 29))
    _without_last_packets(path, sizes[:-1], 2)
    with pytest.raises(MediaRefused) as caught:
        list(stream_frames(path, **wanted))
    assert caught.value.reason == "truncated"


def test_a_lost_frame_that_is_asked_for_by_its_place_is_not_tolerated(
    encode: Encode, packet_sizes: Callable[[Path], list[int]]
) -> None:
    path = encode("v.mp4", 30, container_options={"movflags": "+faststart"}, options={"bf": "0"})
    sizes = packet_sizes(path)
    data = bytearray(path.read_bytes())
    data[-sizes[-1] :] = b"\xff" * sizes[-1]
    path.write_bytes(data)
    with pytest.raises(MediaRefused) as caught:
        list(stream_frames(path, start_s=2.0, indices=[0, 9]))
    assert caught.value.reason == "damaged"


def test_damage_is_reported_where_it_is_wanted_and_only_there(
    tmp_path: Path, encode: Encode, index_of: Index, packet_sizes: Callable[[Path], list[int]]
) -> None:
    path = encode("v.mp4", 60, container_options={"movflags": "+faststart"}, options={"bf": "0"})
    sizes = packet_sizes(path)
    data = bytearray(path.read_bytes())
    begin = len(data) - sum(sizes[30:])
    data[begin : begin + sizes[30]] = b"\xff" * sizes[30]
    path.write_bytes(data)
    before = [index_of(frame) for frame in stream_frames(path, start_s=0.0, end_s=2.4)]
    behind = [index_of(frame) for frame in stream_frames(path, start_s=3.6)]
    assert before == list(range(24))
    assert behind == list(range(36, 60))
    for wanted in ({}, {"start_s": 2.5, "end_s": 3.5}):
        with pytest.raises(MediaRefused) as caught:
            list(stream_frames(path, **wanted))
        assert caught.value.reason == "damaged"


def test_the_time_that_the_caller_takes_does_not_count(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roboreward.media import limits as module

    class Clock:
        now_s = 0.0

        def monotonic(self) -> float:
            return self.now_s

        def thread_time(self) -> float:
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    limits = MediaLimits(max_wall_s=5.0, max_cpu_s=5.0)
    frames = stream_frames(encode("video.mp4", 30), limits=limits)
    num = 0
    for _ in frames:
        clock.now_s += 100.0
        num += 1
    assert num == 30
    frames = stream_frames(encode("video.mp4", 30), start_s=1.0, end_s=2.0, limits=limits)
    next(frames)
    monkeypatch.setattr(module.Deadline, "restart", lambda _self: None)
    clock.now_s += 100.0
    with pytest.raises(MediaRefused) as caught:
        list(frames)
    assert caught.value.reason == "too_slow"


def test_memory_does_not_grow_with_the_length(encode: Encode) -> None:
    path = encode("video.mp4", 200, size=(320, 240))

    def peak(num: int) -> int:
        tracemalloc.start()
        for _ in islice(stream_frames(path), num):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)
    assert peak(200) < peak(4) + 3 * 320 * 240 * 3


def test_leaving_early_closes_the_file(encode: Encode) -> None:
    path = encode("video.mp4", 30)
    frames = stream_frames(path)
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # the suite turns a file left open into an error
    assert len(list(stream_frames(path))) == 30
