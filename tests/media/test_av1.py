"""What an AV1 frame builds on is read from its header; the frames stay those that a plain decoder gives."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.core import FramePolicy
from roboreward.media import sample_frames, stream_frames
from roboreward.media.av1 import needed_packets

NUM = 70
KINDS: dict[str, dict[str, Any]] = {
    "pyramid": {},
    "flat-pyramid": {"settings": "hierarchical-levels=3", "gop": 32},
    "low-delay": {"settings": "pred-struct=1"},
    "grain": {"settings": "film-grain=10"},
    "screen": {"settings": "scm=1"},
    "forward-keyframes": {"settings": "irefresh-type=1:keyint=17"},
    "ten-bits": {"pix_fmt": "yuv420p10le"},
    "matroska": {"name": "v.mkv"},
    "webm": {"name": "v.webm"},
    "short-groups": {"gop": 2},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    has_encoder: Callable[[str], bool],
    encode_to: Callable[..., Path],
) -> Path:
    """Return an AV1 video, made once."""
    if not has_encoder("libsvtav1"):
        pytest.skip("this codec library has no AV1 encoder")
    given = {"name": "v.mp4", "gop": 64, "settings": "", **KINDS[request.param]}
    settings = ":".join(filter(None, ("lp=1", given.pop("settings"))))
    path = tmp_path_factory.mktemp("av1") / given.pop("name")
    options = {"preset": "10", "svtav1-params": settings}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVT_LOG", "0")
        return encode_to(path, NUM, codec="libsvtav1", options=options, **given)


def packets_of(path: Path) -> tuple[list[Any], bytes | None]:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        return packets, stream.codec_context.extradata


def decode(path: Path, places: set[int]) -> dict[int, np.ndarray]:
    """Decode packets at these places and no others."""
    import av

    found = {}
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux(video=0) if packet.size)
        chosen = [packet for place, packet in enumerate(packets) if place in places]
        for packet in (*chosen, None):
            for frame in container.streams.video[0].codec_context.decode(packet):
                assert frame.pts is not None
                found[frame.pts] = frame.to_ndarray(format="rgb24")
    return found


def test_the_needed_packets_alone_give_the_wanted_frames(kind: Path) -> None:
    packets, extradata = packets_of(kind)
    every = decode(kind, set(range(NUM)))
    rng = random.Random(0)
    for num in (1, 1, 2, 5):
        wanted = set(rng.sample(range(NUM), num))
        needed = needed_packets(packets, wanted, extradata)
        assert needed is not None
        assert wanted <= needed
        found = decode(kind, needed)
        for place in wanted:
            pts = packets[place].pts
            np.testing.assert_array_equal(found[pts], every[pts])


def test_most_packets_of_a_pyramid_are_not_needed(kind: Path) -> None:
    packets, extradata = packets_of(kind)
    needed = needed_packets(packets, {NUM - 2}, extradata)
    assert needed is not None
    if "low-delay" not in str(kind):
        assert len(needed) < 0.6 * NUM


def test_samples_and_slices_are_what_decoding_everything_gives(kind: Path) -> None:
    every = list(stream_frames(kind))
    for num in (1, 3, 8):
        sample = sample_frames(kind, policy=FramePolicy(min_frames=num, max_frames=num))
        for frame, index in zip(sample.frames_THWC, sample.record.indices, strict=True):
            np.testing.assert_array_equal(frame, every[index])
    part = list(stream_frames(kind, start_s=2.1, end_s=5.0))
    assert len(part) == 29
    np.testing.assert_array_equal(np.stack(part), np.stack(every[21:50]))
    picked = list(stream_frames(kind, start_s=2.1, end_s=5.0, indices=[3, 4, 20]))
    np.testing.assert_array_equal(np.stack(picked), np.stack([every[i] for i in (24, 25, 41)]))


def test_what_is_not_followed_needs_every_packet(kind: Path) -> None:
    packets, extradata = packets_of(kind)
    whole = [bytes(packet) for packet in packets]
    assert needed_packets(whole, {5}, extradata) is not None
    # The first unit is a delimiter, or the sequence header: with a layer, of an unknown kind, or with a wrong size.
    for head in (whole[0][0] | 0b100, 0b01001_010, 0b10000_010):
        changed = [bytes([head]) + whole[0][1:], *whole[1:]]
        assert needed_packets(changed, {5}, extradata) is None
    assert needed_packets([whole[0][:3], *whole[1:]], {5}, None) is None
    assert needed_packets([*whole, b"\x32\xff\xff\x03\x10"], {5}, extradata) is None
    behind = 3 if packets[3].is_keyframe is False else 1
    assert needed_packets(whole[behind:], {2}, None) is None


@given(packets=st.lists(st.binary(max_size=40), min_size=1, max_size=5), extra=st.binary())
def test_no_bytes_are_an_error(packets: list[bytes], extra: bytes) -> None:
    needed = needed_packets(packets, {0}, extra)
    assert needed is None or 0 in needed
