"""Clips are the first frames, bit for bit, and nothing in a file tells a clip from an original of the same length."""

import hashlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import MediaRefused, StoreError, UsageError
from roboreward.media import (
    MediaLimits,
    NormalProfile,
    VideoProfile,
    cut_prefix,
    normalise_video,
    num_kept,
    probe,
    stream_frames,
    write_video,
)

CHANCE = 0.5


def attempt(num: int, *, seed: int, width: int = 48, height: int = 32) -> Iterator[np.ndarray]:
    """Draw a made-up attempt: a soft background, a block on a path of its own, noise of its own strength."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(50, 200, (-(-height // 16), -(-width // 16), 3))
    base = np.kron(coarse, np.ones((16, 16, 1)))[:height, :width]
    speed, phase, noise = rng.uniform(0.05, 0.4), rng.uniform(0, 6), rng.uniform(0.5, 4)
    colour = rng.integers(0, 256, 3)
    for t in range(num):
        frame = base + rng.normal(0, noise, base.shape)
        left = int((0.5 + 0.45 * np.sin(phase + speed * t)) * (width - 14))
        top = int((0.5 + 0.4 * np.cos(phase + speed * t)) * (height - 14))
        frame[top : top + 12, left : left + 12] = colour
        yield np.clip(frame, 0, 255).astype(np.uint8)


@pytest.fixture
def normal(tmp_path: Path) -> Path:
    """A normalised video of 70 frames."""
    path = tmp_path / "normal.mp4"
    normalise_video(attempt(70, seed=1), path, fps=10)
    return path


def boxes_of(data: bytes, within: str = "") -> list[tuple[str, bytes]]:
    """Return all boxes of an MP4 with their paths, in order; containers without their content."""
    found, at = [], 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        path, body = f"{within}/{kind.decode()}", data[at + 8 : at + length]
        is_container = kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl")
        found.append((path, b"" if is_container else body))
        found.extend(boxes_of(body, path) if is_container else [])
        at += length
    return found


def planes_of(path: Path) -> list[bytes]:
    """Return the decoded samples of each frame, as another reader finds them."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


# The frames


@pytest.mark.parametrize("num", [1, 2, 29, 30, 31, 69, 70])
def test_the_frames_of_a_clip_are_the_first_frames_bit_for_bit(
    tmp_path: Path, normal: Path, num: int
) -> None:
    done = cut_prefix(normal, tmp_path / "clip.mp4", num_frames=num)
    assert planes_of(tmp_path / "clip.mp4") == planes_of(normal)[:num]
    assert (done.num_frames, done.profile) == (num, "normal-v1")
    assert done.duration_s == pytest.approx(num / 10)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert (done.size_bytes, done.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_clip_has_the_bytes_that_normalising_its_frames_alone_gives(tmp_path: Path) -> None:
    frames = list(attempt(70, seed=3))
    profiles = [
        NormalProfile(name="a-v1"),
        NormalProfile(name="b-v1", crf=30, keyframe_every=7, preset="veryfast"),
        NormalProfile(name="c-v1", preset="slow", longest_side_px=32),
    ]
    for profile in profiles:
        normalise_video(frames, tmp_path / "whole.mp4", fps=12, profile=profile)
        for num in (1, 2, 7, 8, 30, 45, 69, 70):
            alone = normalise_video(frames[:num], tmp_path / "a.mp4", fps=12, profile=profile)
            clip = cut_prefix(tmp_path / "whole.mp4", tmp_path / "c.mp4", num_frames=num)
            assert clip.sha256 == alone.sha256


def test_that_holds_for_a_variable_rate_and_for_a_resampled_one(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    pts = np.cumsum([0, *np.random.default_rng(0).integers(4, 40, 39)]).tolist()
    whole = encode("whole.mkv", 40, pts=pts, options={"bf": "0"})
    for profile in (NormalProfile(name="a-v1"), NormalProfile(name="b-v1", fps=8)):
        normalise_video(whole, tmp_path / "n.mp4", profile=profile)
        for num in (2, 3, 20, 39):
            part = encode("part.mkv", num, pts=pts, options={"bf": "0"})
            alone = normalise_video(part, tmp_path / "a.mp4", profile=profile)
            clip = cut_prefix(tmp_path / "n.mp4", tmp_path / "c.mp4", num_frames=alone.num_frames)
            assert clip.sha256 == alone.sha256


def test_that_holds_for_real_videos(shared_data: Path, tmp_path: Path) -> None:
    small = [path for path in shared_data.rglob("*.mp4") if path.stat().st_size < 110_000]
    of_kind = {(path.parent, path.name[:5]): path for path in sorted(small)}
    assert len(of_kind) >= 5
    for source in of_kind.values():
        whole = normalise_video(source, tmp_path / "n.mp4")
        num = num_kept(whole.num_frames, keep_frac=0.7)
        cut_prefix(tmp_path / "n.mp4", tmp_path / "c.mp4", num_frames=num)
        assert planes_of(tmp_path / "c.mp4") == planes_of(tmp_path / "n.mp4")[:num]
        # From frames in memory, because a source cannot be cut without encoding to give a shorter source.
        frames = list(stream_frames(source))
        normalise_video(frames, tmp_path / "n.mp4", fps=10)
        alone = normalise_video(frames[:num], tmp_path / "a.mp4", fps=10)
        clip = cut_prefix(tmp_path / "n.mp4", tmp_path / "c.mp4", num_frames=num)
        assert clip.sha256 == alone.sha256


def test_a_clip_can_be_cut_again_and_the_whole_is_a_copy(tmp_path: Path, normal: Path) -> None:
    one, two = tmp_path / "1.mp4", tmp_path / "2.mp4"
    cut_prefix(normal, one, num_frames=50)
    cut_prefix(one, two, num_frames=20)
    assert (
        cut_prefix(normal, one, num_frames=20).sha256
        == hashlib.sha256(two.read_bytes()).hexdigest()
    )
    cut_prefix(normal, two, num_frames=70)
    assert two.read_bytes() == normal.read_bytes()


# Nothing tells


def test_a_clip_and_an_original_of_its_length_have_the_same_container_facts(
    tmp_path: Path, normal: Path
) -> None:
    import av

    clip, original = tmp_path / "clip.mp4", tmp_path / "original.mp4"
    cut_prefix(normal, clip, num_frames=40)
    normalise_video(attempt(40, seed=2), original, fps=10)
    of_clip, of_original = (boxes_of(path.read_bytes()) for path in (clip, original))
    assert [path for path, _ in of_clip] == [path for path, _ in of_original]
    of_content = {"/moov/trak/mdia/minf/stbl/stsz", "/mdat"}
    for (path, one), (_, other) in zip(of_clip, of_original, strict=True):
        assert one == other or path in of_content
    facts = []
    for path in (clip, original):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            head = (container.metadata, stream.metadata, stream.time_base, stream.frames)
            rates = (stream.average_rate, stream.base_rate, stream.duration, container.duration)
            codec = (context.extradata, context.profile, context.pix_fmt, context.codec_tag)
            facts.append((head, rates, codec))
    assert facts[0] == facts[1]


def test_another_muxer_makes_the_same_kinds_of_boxes(tmp_path: Path, normal: Path) -> None:
    write_video(tmp_path / "v.mp4", np.stack(list(attempt(5, seed=1))), fps=10)
    theirs = {path for path, _ in boxes_of((tmp_path / "v.mp4").read_bytes())}
    ours = {path for path, _ in boxes_of(normal.read_bytes())}
    assert ours <= theirs


def features_of(path: Path) -> np.ndarray:
    """Return what a cheat could look at: the last frame, its packet, the other packets, the header."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        packets = list(container.demux(stream))
        last = [frame for packet in packets for frame in packet.decode()][-1]
        packets = [packet for packet in packets if packet.size]
        sizes = np.log([packet.size for packet in packets])
        rate, extra = float(stream.average_rate), len(stream.codec_context.extradata)
        facts = [rate, extra, len(stream.metadata), float(stream.duration), len(packets) % 30]
    luma = last.to_ndarray()[: last.height].astype(float)
    blocks = luma.reshape(last.height // 8, 8, last.width // 8, 8).swapaxes(1, 2)
    energies = np.log1p(((COSINES @ blocks @ COSINES.T) ** 2).mean(axis=(0, 1))).ravel()
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    at_edges = np.log1p([steps[7::8].mean(), np.delete(steps, np.s_[7::8]).mean()])
    # Bits beside energies: a cruder quantiser shows as fewer bits for the same picture.
    of_sizes = [sizes[-1], sizes[0], sizes[1:].mean(), sizes[-1] - sizes[1:].mean()]
    return np.concatenate([energies, at_edges, of_sizes, sizes[-3:] - sizes[1:].mean(), facts])


COSINES = np.cos(np.pi * (2 * np.arange(8)[None] + 1) * np.arange(8)[:, None] / 16)


def accuracy(clips: np.ndarray, originals: np.ndarray, *, num_folds: int = 5) -> float:
    """Return how often a ridge-regularised logistic regression is right on folds that it did not learn from."""
    x = np.concatenate([clips, originals])
    y = np.concatenate([np.ones(len(clips)), np.zeros(len(originals))])
    order = np.random.default_rng(0).permutation(len(y))
    right = 0
    for fold in range(num_folds):
        held = order[fold::num_folds]
        learn = np.setdiff1d(order, held)
        mean, spread = x[learn].mean(axis=0), x[learn].std(axis=0) + 1e-9
        z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
        w = np.zeros(z.shape[1])
        for _ in range(25):
            p = 1 / (1 + np.exp(-np.clip(z[learn] @ w, -30, 30)))
            curve = (z[learn] * (p * (1 - p))[:, None]).T @ z[learn] + np.eye(len(w))
            w += np.linalg.solve(curve, z[learn].T @ (y[learn] - p) - w)
        right += int(((z[held] @ w > 0) == (y[held] > 0.5)).sum())
    return right / len(y)


def reencoded(source: Path, target: Path, *, num: int, crf: int) -> None:
    """Cut as everybody does: decode, and encode the prefix again."""
    frames = (frame for _, frame in zip(range(num), stream_frames(source), strict=False))
    normalise_video(frames, target, fps=10, profile=NormalProfile(name="again-v1", crf=crf))


def looked_ahead(frames: list[np.ndarray], target: Path) -> None:
    """Encode as everybody does, with look-ahead, but without B-frames, so that packets can be counted off."""
    import av

    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "15"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.max_b_frames, stream.codec_context.thread_count = 0, 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def population(
    folder: Path, num: int, make: Callable[[int, int, Path], None], *, offset: int
) -> np.ndarray:
    """Return the features of `num` videos, each of 5 to 9 frames, from attempts of their own."""
    rows = []
    for seed in range(offset, offset + num):
        length = 5 + seed % 5
        make(seed, length, folder / "v.mp4")
        rows.append(features_of(folder / "v.mp4"))
    return np.stack(rows)


def _original(seed: int, length: int, path: Path) -> None:
    normalise_video(attempt(length, seed=seed), path, fps=10)


def _clip(seed: int, length: int, path: Path) -> None:
    whole = path.with_name("whole.mp4")
    normalise_video(attempt(length + 3, seed=seed), whole, fps=10)
    cut_prefix(whole, path, num_frames=length)


def _clip_reencoded(seed: int, length: int, path: Path) -> None:
    whole = path.with_name("whole.mp4")
    normalise_video(attempt(length + 3, seed=seed), whole, fps=10)
    reencoded(whole, path, num=length, crf=20)


@pytest.mark.slow
def test_a_probe_cannot_tell_clips_from_originals_but_finds_clips_that_were_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 videos: chance has a standard error of 0.7 points. None shares its attempt with another."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # half the time of files this small
    num = 2500
    originals = population(tmp_path, num, _original, offset=0)
    clips = population(tmp_path, num, _clip, offset=100_000)
    again = population(tmp_path, num // 5, _clip_reencoded, offset=200_000)
    assert accuracy(clips, originals) <= CHANCE + 0.02
    assert accuracy(again, originals[: num // 5]) >= 0.9


def test_an_encoder_that_looks_ahead_leaves_a_trace_at_the_end_and_ours_does_not(
    tmp_path: Path,
) -> None:
    """Why normalised videos have no look-ahead: a last frame that nothing refers to is given other bits."""
    import av

    def last_sizes(path: Path, num: int) -> int:
        with av.open(str(path)) as container:
            return [packet.size for packet in container.demux(video=0) if packet.size][num - 1]

    num_traces = {"ours": 0, "theirs": 0}
    for seed in range(10):
        frames = list(attempt(40, seed=seed))
        for who, write in (
            ("ours", lambda part, path: normalise_video(part, path, fps=10)),
            ("theirs", looked_ahead),
        ):
            write(frames[:20], tmp_path / "short.mp4")
            write(frames, tmp_path / "long.mp4")
            sizes = {last_sizes(tmp_path / name, 20) for name in ("short.mp4", "long.mp4")}
            num_traces[who] += len(sizes) > 1
    assert num_traces["ours"] == 0
    assert num_traces["theirs"] >= 8


# How much is kept


@pytest.mark.parametrize(
    ("num_frames", "keep_frac", "expected"),
    [
        (100, 0.1, 10),
        (100, 0.7, 70),
        (100, 1.0, 100),
        (10, 0.25, 3),  # halves up
        (100, 0.145, 15),  # 14.499999999999998 in binary
        (1000, 0.0125, 13),
        (12, 0.1, 1),
        (4, 0.1, 1),
        (1, 0.1, 1),
        (10, 1e-9, 1),
        (7, 0.5, 4),
        (16, 0.3, 5),
    ],
)
def test_the_rule_for_fractions(num_frames: int, keep_frac: float, expected: int) -> None:
    assert num_kept(num_frames, keep_frac=keep_frac) == expected
    assert num_kept(num_frames, keep_frac=np.float64(keep_frac)) == expected


def test_more_is_never_fewer_frames_and_the_whole_is_all_of_them() -> None:
    for num_frames in (1, 2, 3, 10, 97, 2096):
        kept = [num_kept(num_frames, keep_frac=percent / 100) for percent in range(1, 101)]
        assert kept == sorted(kept)
        assert kept[-1] == num_frames


@pytest.mark.parametrize(
    ("num_frames", "keep_frac"), [(0, 0.5), (10, 0.0), (10, -0.1), (10, 1.01), (10, float("nan"))]
)
def test_a_wrong_fraction_is_a_usage_error(num_frames: int, keep_frac: float) -> None:
    with pytest.raises(UsageError, match="keep_frac"):
        num_kept(num_frames, keep_frac=keep_frac)


# Refusals


def _refused(source: Path, target: Path, num_frames: int = 1) -> MediaRefused:
    with pytest.raises(MediaRefused) as caught:
        cut_prefix(source, target, num_frames=num_frames)
    assert source.name in str(caught.value)
    assert not target.exists()
    return caught.value


@pytest.mark.parametrize("num_frames", [71, 10**9])
def test_more_frames_than_there_are_is_a_usage_error_that_says_how_many(
    tmp_path: Path, normal: Path, num_frames: int
) -> None:
    with pytest.raises(UsageError, match="there are 70"):
        cut_prefix(normal, tmp_path / "c.mp4", num_frames=num_frames)
    for num in (0, -1):
        with pytest.raises(UsageError, match="at least one"):
            cut_prefix(normal, tmp_path / "c.mp4", num_frames=num)
    assert list(tmp_path.iterdir()) == [normal]


def test_a_video_with_b_frames_is_refused_and_told_why(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source = encode("b.mp4", 20, options={"preset": "medium", "bf": "3"})
    error = _refused(source, tmp_path / "c.mp4")
    assert error.reason == "not_normalised"
    assert "B-frames" in str(error)
    assert "normalise_video" in str(error)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("edits.mp4", {"bf": "0"}),
        ("open_gop.mp4", {"preset": "medium", "x264-params": "open-gop=1:bframes=3:keyint=8"}),
        ("matroska.mkv", {"bf": "0"}),
    ],
)
def test_other_videos_are_refused(
    tmp_path: Path, encode: Callable[..., Path], name: str, options: dict[str, str]
) -> None:
    source = encode(name, 20, options=options)
    error = _refused(source, tmp_path / "c.mp4")
    assert error.reason == "not_normalised"
    if name == "edits.mp4":
        assert "edit list" in str(error)


def test_a_plain_written_video_is_refused(tmp_path: Path) -> None:
    frames = np.stack(list(attempt(5, seed=0)))
    write_video(tmp_path / "v.mp4", frames, fps=5, profile=VideoProfile(crf=15))
    assert _refused(tmp_path / "v.mp4", tmp_path / "c.mp4").reason == "not_normalised"


def test_a_normalised_video_that_went_through_another_muxer_is_refused(
    tmp_path: Path, normal: Path
) -> None:
    import av

    with av.open(str(normal)) as source, av.open(str(tmp_path / "m.mp4"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert _refused(tmp_path / "m.mp4", tmp_path / "c.mp4").reason == "not_normalised"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"not a video", "not_a_video"), (None, "missing")]
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "s.mp4").write_bytes(content)
    assert _refused(tmp_path / "s.mp4", tmp_path / "c.mp4").reason == reason


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, normal: Path) -> None:
    data = normal.read_bytes()
    source = tmp_path / "cut.mp4"
    for length in (*range(1, 60), *range(60, len(data), 97), len(data) - 1):
        source.write_bytes(data[:length])
        assert _refused(source, tmp_path / "c.mp4").reason in (
            "truncated",
            "not_normalised",
            "not_a_video",
        )


def test_a_changed_header_is_never_copied(
    tmp_path: Path, normal: Path, rng: np.random.Generator
) -> None:
    data = normal.read_bytes()
    end = data.index(b"mdat") + 4
    source = tmp_path / "changed.mp4"
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(0, end, size=rng.integers(1, 4)):
            changed[at] ^= int(rng.integers(1, 256))
        if changed == data:
            continue
        source.write_bytes(bytes(changed))
        try:
            cut_prefix(source, tmp_path / "c.mp4", num_frames=70)
        except MediaRefused:
            continue
        # What describes itself consistently is copied as it is: sizes of the picture, the name, the durations.
        assert (tmp_path / "c.mp4").read_bytes()[:end] == bytes(changed[:end])


def test_a_header_that_claims_billions_of_frames_costs_nothing(
    tmp_path: Path, normal: Path
) -> None:
    data = bytearray(normal.read_bytes())
    at = data.index(b"stts") + 12
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "bomb.mp4").write_bytes(bytes(data))
    assert _refused(tmp_path / "bomb.mp4", tmp_path / "c.mp4").reason == "not_normalised"
    at = data.index(b"moov") - 4
    data[at : at + 4] = b"\x7f\xff\xff\xff"
    (tmp_path / "bomb.mp4").write_bytes(bytes(data))
    assert _refused(tmp_path / "bomb.mp4", tmp_path / "c.mp4").reason == "not_normalised"


def test_a_packet_of_another_kind_is_damage(tmp_path: Path, normal: Path) -> None:
    data = bytearray(normal.read_bytes())
    data[data.index(b"mdat") + 8] ^= 0x04  # the kind of the first unit
    (tmp_path / "d.mp4").write_bytes(bytes(data))
    assert _refused(tmp_path / "d.mp4", tmp_path / "c.mp4").reason == "damaged"


def test_limits_hold(tmp_path: Path, normal: Path) -> None:
    for limits, reason in (
        (MediaLimits(max_bytes=1000), "too_large"),
        (MediaLimits(max_frames_walked=50), "too_many_frames"),
    ):
        with pytest.raises(MediaRefused) as caught:
            cut_prefix(normal, tmp_path / "c.mp4", num_frames=5, limits=limits)
        assert caught.value.reason == reason


# The disk


def test_an_existing_target_is_replaced_and_may_be_the_source(tmp_path: Path, normal: Path) -> None:
    expected = cut_prefix(normal, tmp_path / "c.mp4", num_frames=33)
    assert cut_prefix(normal, normal, num_frames=33).sha256 == expected.sha256
    assert probe(normal).announced_frames == 33


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path, normal: Path) -> None:
    with pytest.raises(StoreError, match=r"c\.mp4"):
        cut_prefix(normal, tmp_path / "absent" / "c.mp4", num_frames=3)
    assert list(tmp_path.iterdir()) == [normal]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_litter(
    tmp_path: Path, normal: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "c.mp4"
    target.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(StoreError, match="No space left"):
        cut_prefix(normal, target, num_frames=3)
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [target, normal]


def test_a_kill_before_the_last_step_leaves_the_old_file(
    tmp_path: Path, normal: Path, checkout: Path
) -> None:
    import subprocess
    import sys

    target = tmp_path / "c.mp4"
    target.write_bytes(b"old")
    code = f"""
import os, pathlib, signal
from roboreward.media import cut_prefix
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
cut_prefix({str(normal)!r}, {str(target)!r}, num_frames=30)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    assert target.read_bytes() == b"old"
