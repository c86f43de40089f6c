"""Videos whose frames carry their own number, in every container, codec and kind of damage that is needed."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NUM_BITS = 8


def coded_frame(index: int, *, width: int = 64, height: int = 48) -> np.ndarray:
    """Draw `index` as eight black or white stripes in the upper half, over a coloured lower half."""
    frame = np.zeros((height, width, 3), np.uint8)
    edges = np.linspace(0, width, NUM_BITS + 1).astype(int)
    for bit in range(NUM_BITS):
        frame[: height // 2, edges[bit] : edges[bit + 1]] = 235 * (index >> bit & 1)
    frame[height // 2 :] = (200, 60, 40)
    return frame


def read_index(frame: np.ndarray) -> int:
    """Read back what `coded_frame` drew."""
    height, width, _ = frame.shape
    edges = np.linspace(0, width, NUM_BITS + 1)
    centres = ((edges[:-1] + edges[1:]) / 2).astype(int)
    return sum(int(frame[height // 4, x].mean() > 120) << bit for bit, x in enumerate(centres))


def encode_coded(
    path: Path,
    num: int = 30,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    rate: int = 10,
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    pts: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
) -> Path:
    """Encode `num` coded frames; `pts` are in ticks of 1 / (12 * rate) s, `size` is (width, height)."""
    import av

    quick = {"preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate, options={**quick, **(options or {})})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        context.gop_size, context.thread_count = gop, 1
        context.time_base = Fraction(1, 12 * rate)
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        for index in range(num):
            rgb = coded_frame(index, width=size[0], height=size[1])
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            if tags:
                frame = frame.reformat(
                    format=pix_fmt,
                    dst_colorspace=tags["colorspace"],
                    dst_color_range=tags["color_range"],
                )
            frame.pts = 12 * index if pts is None else pts[index]
            frame.time_base = Fraction(1, 12 * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def has_encoder() -> Callable[[str], bool]:
    """Return a function that tells whether the codec library can encode with a codec."""
    import av.codec

    def has(name: str) -> bool:
        try:
            return bool(av.codec.Codec(name, "w").name)
        except ValueError:
            return False

    return has


@pytest.fixture
def encode(tmp_path: Path, has_encoder: Callable[[str], bool]) -> Callable[..., Path]:
    """Return a function that writes a coded video in the test's folder, by file name."""

    def make(name: str = "video.mp4", num: int = 30, **kwargs: Any) -> Path:
        codec = kwargs.get("codec", "libx264")
        if not has_encoder(codec):
            pytest.skip(f"this codec library has no encoder {codec}")
        return encode_coded(tmp_path / name, num, **kwargs)

    return make


@pytest.fixture(scope="session")
def encode_to() -> Callable[..., Path]:
    """Return the function that writes a coded video to a path."""
    return encode_coded


@pytest.fixture(scope="session")
def plain_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A faststart MP4 of 30 coded frames, several groups of pictures, as bytes to damage."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    encode_coded(path, 30, container_options={"movflags": "+faststart"}, options={"bf": "2"})
    return path.read_bytes()


@pytest.fixture(scope="session")
def index_of() -> Callable[[np.ndarray], int]:
    """Return the function that reads a frame's own number."""
    return read_index


@pytest.fixture(scope="session")
def coded() -> Callable[..., np.ndarray]:
    """Return the function that draws a frame's own number."""
    return coded_frame


@pytest.fixture(scope="session")
def patch_box() -> Callable[..., bytes]:
    """Return a function that overwrites big-endian 32-bit words inside the first MP4 box of a type."""

    def patch(data: bytes, box: bytes, offset: int, words: Sequence[int]) -> bytes:
        at = data.index(box) + 4 + offset
        new = struct.pack(f">{len(words)}i", *words)
        return data[:at] + new + data[at + len(new) :]

    return patch


@pytest.fixture(scope="session")
def packet_sizes() -> Callable[[Path], list[int]]:
    """Return a function that lists the sizes of a video's packets in stored order."""
    import av

    def sizes(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            return [packet.size for packet in container.demux(video=0) if packet.size]

    return sizes
