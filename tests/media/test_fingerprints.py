"""Fingerprints: a copy is found again, a different video is not, and what cannot be read is refused."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import FramePolicy, FrameSample, MediaRefused, UsageError
from roboreward.media import (
    SAME_VIDEO_BITS,
    NormalProfile,
    VideoProfile,
    cut_prefix,
    exact_fingerprint,
    fingerprint_distance,
    near_pairs,
    nearest_lookalikes,
    normalise_video,
    perceptual_fingerprint,
    sample_frames,
    stream_frames,
    write_video,
)

STRANGER_BITS = 20.0


def scene(num: int, *, seed: int, width: int = 160, height: int = 120) -> np.ndarray:
    """Draw a soft scene with a dark block that crosses it, (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 210, (6, 8, 1)).repeat(3, axis=2)
    base = coarse.repeat(height // 6, axis=0).repeat(width // 8, axis=1).astype(np.uint8)
    frames = np.repeat(base[None], num, axis=0)
    for t in range(num):
        left = t * (width - 40) // max(1, num - 1)
        frames[t, height // 3 : height // 3 + 40, left : left + 40] = (30, 20, 90)
    return frames


def remuxed(source: Path, target: Path) -> Path:
    """Copy the packets into another container."""
    import av

    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return target


def copies_of(source: Path, folder: Path) -> dict[str, Path]:
    """Make the copies that a fingerprint has to see through."""
    frames = list(stream_frames(source))
    longest = max(frames[0].shape[:2])
    crude = NormalProfile(name="crude-v1", crf=35)
    half = NormalProfile(name="half-v1", longest_side_px=max(16, longest // 2))
    both = NormalProfile(name="both-v1", longest_side_px=max(16, longest // 2), crf=35)

    def shifted(levels: int) -> list[np.ndarray]:
        return [np.clip(frame.astype(int) + levels, 0, 255).astype(np.uint8) for frame in frames]

    made = {
        "crude": (frames, crude),
        "half": (frames, half),
        "brighter": (shifted(12), NormalProfile(name="plain-v1")),
        "darker, crude and half": (shifted(-12), both),
    }
    for name, (given, profile) in made.items():
        normalise_video(given, folder / f"{name}.mp4", fps=10, profile=profile)
    return {name: folder / f"{name}.mp4" for name in made}


# Exact


def test_a_copy_in_another_container_has_the_same_exact_fingerprint(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source = encode("s.mp4", 20, options={"bf": "2"})
    expected = exact_fingerprint(source)
    assert exact_fingerprint(remuxed(source, tmp_path / "r.mkv")) == expected
    assert exact_fingerprint(remuxed(source, tmp_path / "r.mov")) == expected
    assert len(expected) == 64


def test_a_lossless_copy_has_it_too_and_a_lossy_one_has_not(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    source = encode("s.mp4", 12)
    lossless = NormalProfile(name="lossless-v1", crf=0)
    normalise_video(source, tmp_path / "l.mp4", profile=lossless)
    normalise_video(source, tmp_path / "n.mp4")
    assert exact_fingerprint(tmp_path / "l.mp4") == exact_fingerprint(source)
    assert exact_fingerprint(tmp_path / "n.mp4") != exact_fingerprint(source)


def test_every_frame_and_its_place_count(tmp_path: Path) -> None:
    frames = scene(10, seed=0)
    lossless = VideoProfile(crf=0, pixel_format="yuv444p")
    changed = frames.copy()
    changed[5, 60, 80] = 255 - changed[5, 60, 80]
    swapped = frames[[0, 1, 2, 4, 3, *range(5, 10)]]
    seen = set()
    for variant in (frames, changed, swapped, frames[:-1], frames[:, :-2], frames[:, :, :-2]):
        write_video(tmp_path / "v.mp4", variant, fps=5, profile=lossless)
        seen.add(exact_fingerprint(tmp_path / "v.mp4"))
    assert len(seen) == 6
    write_video(tmp_path / "v.mp4", frames, fps=9, profile=lossless)
    assert exact_fingerprint(tmp_path / "v.mp4") in seen  # times do not count


def test_a_clip_shares_no_exact_fingerprint_with_its_parent(tmp_path: Path) -> None:
    normalise_video(scene(10, seed=0), tmp_path / "n.mp4", fps=5)
    cut_prefix(tmp_path / "n.mp4", tmp_path / "c.mp4", num_frames=9)
    assert exact_fingerprint(tmp_path / "c.mp4") != exact_fingerprint(tmp_path / "n.mp4")


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le", "gray"])
def test_any_pixel_format_can_be_hashed(encode: Callable[..., Path], pix_fmt: str) -> None:
    source = encode("s.mp4", 5, pix_fmt=pix_fmt)
    assert exact_fingerprint(source) == exact_fingerprint(source)


def test_a_width_that_decoders_pad_hashes_the_picture_only(tmp_path: Path) -> None:
    frames = np.repeat(scene(1, seed=0)[:, :32, :34], 6, axis=0)
    write_video(tmp_path / "v.mp4", frames, fps=5)
    assert len({exact_fingerprint(tmp_path / "v.mp4") for _ in range(4)}) == 1


# Perceptual


def test_copies_are_near_and_other_videos_are_far(tmp_path: Path) -> None:
    write_video(tmp_path / "s.mp4", scene(24, seed=0), fps=10)
    source = perceptual_fingerprint(tmp_path / "s.mp4")
    for path in copies_of(tmp_path / "s.mp4", tmp_path).values():
        assert fingerprint_distance(perceptual_fingerprint(path), source) <= SAME_VIDEO_BITS
    for seed in range(1, 20):
        other = perceptual_fingerprint(FrameSample.from_array(scene(24, seed=seed)))
        assert fingerprint_distance(other, source) > STRANGER_BITS


def test_it_has_eight_hashes_also_for_short_videos_and_samples_of_any_length() -> None:
    for num in (1, 2, 3, 7, 8, 9, 30):
        found = perceptual_fingerprint(FrameSample.from_array(scene(num, seed=0)))
        assert (found.shape, found.dtype) == ((8,), np.uint64)


def test_a_file_and_its_sample_have_the_same_fingerprint(tmp_path: Path) -> None:
    write_video(tmp_path / "s.mp4", scene(24, seed=0), fps=10)
    sample = sample_frames(tmp_path / "s.mp4", policy=FramePolicy(min_frames=8, max_frames=8))
    found = perceptual_fingerprint(tmp_path / "s.mp4")
    np.testing.assert_array_equal(perceptual_fingerprint(sample), found)


def test_another_order_of_events_is_another_video() -> None:
    frames = scene(24, seed=0)
    one = perceptual_fingerprint(FrameSample.from_array(frames))
    other = perceptual_fingerprint(FrameSample.from_array(frames[::-1]))
    assert fingerprint_distance(one, other) > SAME_VIDEO_BITS


@pytest.mark.parametrize("level", [0, 130, 255])
def test_frames_without_features_hash_to_zero_whatever_their_noise(
    level: int, rng: np.random.Generator
) -> None:
    frames = np.clip(level + rng.integers(-3, 4, (8, 64, 64, 3)), 0, 255).astype(np.uint8)
    assert not perceptual_fingerprint(FrameSample.from_array(frames)).any()


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (31, 33), (64, 2), (480, 640)])
def test_any_size_can_be_hashed(size: tuple[int, int], rng: np.random.Generator) -> None:
    frames = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    assert perceptual_fingerprint(FrameSample.from_array(frames)).shape == (8,)


def test_the_distance_counts_bits() -> None:
    zero = np.zeros(8, np.uint64)
    one = zero.copy()
    one[3] = 0b1011
    assert fingerprint_distance(zero, zero) == 0
    assert fingerprint_distance(zero, one) == 3 / 8
    assert fingerprint_distance(zero, ~zero) == 64


def test_near_pairs_are_those_that_comparing_one_by_one_finds(rng: np.random.Generator) -> None:
    prints = rng.integers(0, 2**64, (1100, 8), dtype=np.uint64)
    for i in range(100):  # some neighbours, within a block and across blocks
        flips = rng.integers(0, 2**64, 8, dtype=np.uint64) & rng.integers(
            0, 2**64, 8, dtype=np.uint64
        )
        prints[1000 + i] = prints[i * 7] ^ (flips & np.uint64(0x0F0F0000FFFF0000 >> (i % 17)))
    distances = {
        (i, j): fingerprint_distance(prints[i], prints[j])
        for i, j in [*((7 * i, 1000 + i) for i in range(100)), *combinations(range(80), 2)]
    }
    found = {(i, j): bits for i, j, bits in near_pairs(prints)}
    assert 20 < len(found) < 100
    for pair, bits in distances.items():
        assert (pair in found) == (bits <= SAME_VIDEO_BITS)
        assert found.get(pair, bits) == bits


def test_the_nearest_lookalike_is_the_one_that_comparing_one_by_one_finds(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roboreward.media.fingerprints._BLOCK", 7)
    monkeypatch.setattr("roboreward.media.fingerprints._MANY", 11)
    others = rng.integers(0, 2**64, (40, 8), dtype=np.uint64)
    others[30] = others[3] ^ np.uint64(1)
    prints = rng.integers(0, 2**64, (30, 8), dtype=np.uint64)
    for i in range(15):
        bits = rng.integers(0, 64, i).astype(np.uint64)
        prints[2 * i] = others[2 * i] ^ np.bitwise_or.reduce(
            np.uint64(1) << bits, initial=np.uint64(0)
        )
    found = nearest_lookalikes(prints, among=others)
    near = [[fingerprint_distance(one, other) for other in others] for one in prints]
    wanted = [int(np.argmin(row)) if min(row) <= SAME_VIDEO_BITS else -1 for row in near]
    assert found.tolist() == wanted
    assert 5 < sum(place >= 0 for place in wanted) < 15


def test_among_none_there_is_no_lookalike() -> None:
    none, two = np.zeros((0, 8), np.uint64), np.zeros((2, 8), np.uint64)
    assert nearest_lookalikes(two, among=none).tolist() == [-1, -1]
    assert nearest_lookalikes(none, among=two).tolist() == []


def test_few_fingerprints_have_few_pairs() -> None:
    assert near_pairs(np.zeros((0, 8), np.uint64)) == []
    assert near_pairs(np.zeros((1, 8), np.uint64)) == []
    assert near_pairs(np.zeros((3, 8), np.uint64)) == [(0, 1, 0.0), (0, 2, 0.0), (1, 2, 0.0)]


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 8), np.int64), np.zeros((2, 7), np.uint64), np.zeros(8, np.uint64)]
)
def test_a_wrong_array_is_a_usage_error(wrong: np.ndarray) -> None:
    with pytest.raises(UsageError, match="uint64"):
        near_pairs(wrong)
    if wrong.ndim == 1:
        with pytest.raises(UsageError, match="uint64"):
            fingerprint_distance(wrong[:7], wrong[:7])


# Real videos


def _small(shared_data: Path, limit_bytes: int) -> list[Path]:
    paths = sorted(shared_data.rglob("*.mp4"))
    return [path for path in paths if path.stat().st_size < limit_bytes]


def test_real_copies_are_near(shared_data: Path, tmp_path: Path) -> None:
    of_kind = {(path.parent, path.name[:5]): path for path in _small(shared_data, 110_000)}
    assert len(of_kind) >= 5
    for source in of_kind.values():
        expected = perceptual_fingerprint(source)
        for path in copies_of(source, tmp_path).values():
            assert fingerprint_distance(perceptual_fingerprint(path), expected) <= SAME_VIDEO_BITS


@pytest.mark.slow
def test_real_strangers_are_far(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.mp4"))
    prints = np.stack([perceptual_fingerprint(path) for path in paths])
    num_pairs = len(paths) * (len(paths) - 1) // 2
    assert num_pairs > 10_000
    near = near_pairs(prints)
    # One session of RoboArena, two attempts, the robot mostly out of the picture.
    assert [(paths[i].stem, paths[j].stem) for i, j, _ in near] == [
        ("roboarena-00-001", "roboarena-00-002")
    ]


# Bad input


@pytest.mark.parametrize("take", [exact_fingerprint, perceptual_fingerprint])
def test_what_cannot_be_read_has_no_fingerprint(
    tmp_path: Path, plain_bytes: bytes, take: Callable[[Path], object]
) -> None:
    path = tmp_path / "v.mp4"
    for content, reasons in (
        (plain_bytes[: len(plain_bytes) // 2], {"truncated", "damaged"}),
        (b"", {"empty"}),
        (b"words", {"not_a_video"}),
    ):
        path.write_bytes(content)
        with pytest.raises(MediaRefused) as caught:
            take(path)
        assert caught.value.reason in reasons
