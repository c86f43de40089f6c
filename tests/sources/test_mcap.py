"""MCAP recordings, written by the library's own writer: every schema that is read, and every way to be broken."""

import base64
import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roboreward.core import DataError, MissingExtra, UsageError
from roboreward.media import MediaLimits, jpeg_bytes, png_bytes
from roboreward.sources import Skip, Source, SourceEpisode, open_source

pytest.importorskip("mcap")

from mcap.records import Chunk  # after the library is known to be there
from mcap.writer import CompressionType, Writer

from roboreward.sources.mcap import McapFootage, McapSource
from roboreward.sources.mcap_file import MAX_RECORD_BYTES, _unpacked, read_pictures

FPS = 10
FRONT, WRIST = "/camera/front/compressed", "/camera/wrist/compressed"
START_NS = 1_700_000_000_000_000_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def piece(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def as_protobuf(picture: bytes) -> bytes:
    stamp = varint(1 << 3) + varint(1_700_000_000) + varint(2 << 3) + varint(7)
    return piece(1, stamp) + piece(2, picture) + piece(3, b"jpeg") + piece(4, b"camera")


def as_json(picture: bytes) -> bytes:
    content = {"timestamp": {"sec": 1, "nsec": 2}, "frame_id": "camera", "format": "jpeg"}
    return json.dumps({**content, "data": base64.b64encode(picture).decode()}).encode()


def as_cdr(*fields: bytes, order: str = "<") -> bytes:
    out = struct.pack(f"{order}iI", 1_700_000_000, 7)
    for content in fields:
        out += bytes(-len(out) % 4) + struct.pack(f"{order}I", len(content)) + content
    return (b"\0\1\0\0" if order == "<" else b"\0\0\0\0") + out


def as_ros2(picture: bytes) -> bytes:
    return as_cdr(b"camera\0", b"jpeg\0", picture)


KINDS: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "protobuf": ("foxglove.CompressedImage", "protobuf", as_protobuf),
    "json": ("foxglove.CompressedImage", "json", as_json),
    "ros2": ("sensor_msgs/msg/CompressedImage", "cdr", as_ros2),
    "ros2-big-endian": (
        "sensor_msgs/msg/CompressedImage",
        "cdr",
        lambda picture: as_cdr(b"camera\0", b"jpeg\0", picture, order=">"),
    ),
    "foxglove-ros2": (
        "foxglove_msgs/msg/CompressedImage",
        "cdr",
        lambda picture: as_cdr(b"cam\0", picture, b"jpeg\0"),
    ),
    "video": ("foxglove.CompressedVideo", "protobuf", as_protobuf),
    "raw": ("sensor_msgs/msg/Image", "cdr", as_ros2),
}


def pictures(num: int, *, level: int = 0, encode: Callable[..., bytes] = jpeg_bytes) -> list[bytes]:
    """Pictures that grow brighter by three levels each."""
    return [encode(np.full((24, 32, 3), level + 3 * i, np.uint8)) for i in range(num)]


def write(
    path: Path,
    topics: Mapping[str, Sequence[bytes]],
    *,
    kind: str = "protobuf",
    times_ns: Sequence[int] | None = None,
    chunk_size: int = 2000,
    **options: Any,
) -> Path:
    """Write a recording; the pictures of all topics take turns."""
    schema, encoding, message = KINDS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=chunk_size, enable_data_crcs=True, **options)
        writer.start(profile="", library="tests")
        schema_id = writer.register_schema(schema, encoding, b"")
        ids = {name: writer.register_channel(name, encoding, schema_id) for name in topics}
        for step in range(max((len(sent) for sent in topics.values()), default=0)):
            time_ns = times_ns[step] if times_ns else START_NS + step * 10**9 // FPS
            for name, sent in topics.items():
                if step < len(sent):
                    writer.add_message(ids[name], time_ns, message(sent[step]), time_ns)
        writer.finish()
    return path


def listed(folder: Path, *rows: Mapping[str, Any] | str) -> Path:
    """List recordings; a text stands for a row of that name."""
    whole = ({"file_name": row, "task": "lift"} if isinstance(row, str) else row for row in rows)
    (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in whole))
    return folder


def read(folder: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    return list(McapSource(folder, **options).episodes(on_skip=skips.append)), skips


def reason(folder: Path, words: str, **options: Any) -> str:
    """Return why the only recording is left out, having checked that it is raised in the same words."""
    episodes, (skip,) = read(folder, **options)
    assert not episodes
    assert words in skip.message
    assert "metadata.jsonl:1" in skip.where
    with pytest.raises(DataError, match=r"metadata\.jsonl:1"):
        list(McapSource(folder, **options).episodes())
    return skip.reason


def levels(footage: Any, *, base: int = 0) -> list[int]:
    return [round((float(frame.mean()) - base) / 3) for frame in footage.frames()]


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("video", "raw")])
def test_every_schema_is_read_from_every_kind_of_chunk(
    tmp_path: Path, kind: str, compression: CompressionType
) -> None:
    sent = {FRONT: pictures(6), WRIST: pictures(6, level=100)}
    write(tmp_path / "a.mcap", sent, kind=kind, compression=compression)
    listed(tmp_path, "a.mcap")
    source = McapSource(tmp_path, view=FRONT)
    assert isinstance(source, Source)
    (episode,) = source.episodes()
    assert (episode.episode_id, episode.task, episode.source) == ("a", "lift", tmp_path.name)
    assert episode.judged_view == FRONT
    assert list(episode.views) == [FRONT, WRIST]
    assert list(read_pictures(tmp_path / "a.mcap", WRIST)) == sent[WRIST]
    for name, base in ((FRONT, 0), (WRIST, 100)):
        footage = episode.views[name]
        assert footage.num_frames == 6
        assert footage.fps == pytest.approx(FPS)
        assert levels(footage, base=base) == list(range(6))


def test_files_without_chunks_and_pictures_of_other_kinds_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.mcap", {FRONT: pictures(3, encode=png_bytes)}, use_chunking=False)
    (episode,), skips = read(listed(tmp_path, "a.mcap"))
    assert not skips
    assert levels(episode.views[FRONT]) == [0, 1, 2]


def test_only_the_frames_that_are_taken_are_decoded(tmp_path: Path) -> None:
    sent = pictures(4)
    sent[1] = b"damaged"
    write(tmp_path / "a.mcap", {FRONT: sent})
    footage: Any = read(listed(tmp_path, "a.mcap"))[0][0].views[FRONT]
    assert [round(float(f.mean())) for f in footage.take([0, 2, 3])] == [0, 6, 9]
    with pytest.raises(DataError, match="picture 1"):
        list(footage.frames())
    with pytest.raises(UsageError, match="picture 4 is wanted"):
        list(footage.take([0, 4]))


def test_a_row_says_what_the_recording_does_not(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.mcap", {FRONT: pictures(2), WRIST: pictures(2)})
    rows = [
        {"file_name": "a.mcap", "task": "lift", "outcome": "success", "group": "s", "view": WRIST},
        {"file_name": "b.mcap", "task": "push", "score": 2, "fps": 4, "group": "s", "arm": "left"},
    ]
    options = {"view": FRONT, "outcome_scores": {"success": 5}}
    first, second = open_source("mcap", listed(tmp_path, *rows), options).episodes()
    assert (first.judged_view, second.judged_view) == (WRIST, FRONT)
    assert first.label is not None
    assert second.label is not None
    assert (first.label.score, second.label.score) == (5, 2)
    assert {first.group, second.group} == {"s"}
    assert second.views[WRIST].fps == 4
    assert second.extra["arm"] == "left"


def test_the_judged_topic_is_never_guessed(tmp_path: Path) -> None:
    write(tmp_path / "a.mcap", {FRONT: pictures(2), WRIST: pictures(2)})
    listed(tmp_path, "a.mcap")
    assert reason(tmp_path, f"one of: {FRONT}, {WRIST}") == "which_view"
    assert reason(tmp_path, "no topic '/top'", view="/top") == "no_view"
    (episode,), _ = read(tmp_path, exclude_views=[WRIST])
    assert list(episode.views) == [FRONT]
    assert reason(tmp_path, "but /camera", exclude_views=[WRIST, FRONT]) == "no_view"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("video", "foxglove.CompressedVideo, protobuf"), ("raw", "sensor_msgs/msg/Image, cdr")],
)
def test_video_and_raw_pictures_are_named_and_left_out(
    tmp_path: Path, kind: str, name: str
) -> None:
    write(tmp_path / "a.mcap", {FRONT: pictures(2)}, kind=kind)
    listed(tmp_path, "a.mcap")
    assert reason(tmp_path, name) == "no_view"
    assert reason(tmp_path, "Video and raw pictures are not read.") == "no_view"


def test_times_that_give_no_rate_are_said(tmp_path: Path) -> None:
    listed(tmp_path, "a.mcap")
    write(tmp_path / "a.mcap", {FRONT: pictures(3)}, times_ns=[5, 9, 8])
    assert reason(tmp_path, "log times of /camera/front/compressed go back") == "unordered"
    write(tmp_path / "a.mcap", {FRONT: pictures(3)}, times_ns=[5, 5, 5])
    assert reason(tmp_path, "give no frame rate") == "no_fps"
    (episode,), _ = read(tmp_path, fps=3.0)
    assert episode.views[FRONT].fps == 3.0
    write(tmp_path / "a.mcap", {FRONT: pictures(1)})
    assert reason(tmp_path, "give no frame rate") == "no_fps"


def test_what_is_no_recording_or_no_picture_is_said(tmp_path: Path) -> None:
    listed(tmp_path, "a.mcap")
    assert reason(tmp_path, "there is no") == "no_file"
    (tmp_path / "a.mcap").write_bytes(b"")
    assert reason(tmp_path, "the file ends early") == "bad_footage"
    (tmp_path / "a.mcap").write_bytes(b"RIFF" * 9)
    assert reason(tmp_path, "not a valid MCAP file") == "bad_footage"
    write(tmp_path / "a.mcap", {})
    assert reason(tmp_path, "but nothing") == "no_view"
    write(tmp_path / "a.mcap", {FRONT: [b"not a picture"] * 2})
    assert reason(tmp_path, "picture 0 (from 0): no PNG, JPEG or WebP picture") == "bad_footage"
    sizes = [jpeg_bytes(np.zeros((size, 32, 3), np.uint8)) for size in (16, 24)]
    write(tmp_path / "a.mcap", {FRONT: sizes})
    (episode,), _ = read(tmp_path)
    with pytest.raises(DataError, match="the size changes"):
        list(episode.views[FRONT].frames())


@pytest.mark.parametrize("kind", ["protobuf", "json", "ros2"])
@pytest.mark.parametrize("broken", [b"", b"\x12\xff\xff", b"{}", b"[1]", b"\0\1\0\0" + bytes(9)])
def test_messages_that_are_not_what_their_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, broken: bytes
) -> None:
    schema, encoding, _ = KINDS[kind]
    monkeypatch.setitem(KINDS, kind, (schema, encoding, lambda picture: broken))
    write(tmp_path / "a.mcap", {FRONT: pictures(2)}, kind=kind)
    listed(tmp_path, "a.mcap")
    assert reason(tmp_path, f"is no {schema}") == "bad_footage"


def test_a_recording_that_was_cut_off_anywhere_is_said(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mcap", {FRONT: pictures(4)}).read_bytes()
    listed(tmp_path, "a.mcap")
    for end in {*range(0, len(data), 97), *range(len(data) - 30, len(data))}:
        (tmp_path / "a.mcap").write_bytes(data[:end])
        assert reason(tmp_path, "cannot be read as MCAP") == "bad_footage"


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_wrong_checksum_is_said(tmp_path: Path, compression: CompressionType) -> None:
    path = write(tmp_path / "a.mcap", {FRONT: pictures(4)}, compression=compression)
    listed(tmp_path, "a.mcap")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    assert reason(tmp_path, "cannot be read as MCAP") == "bad_footage"


@pytest.mark.parametrize("name", ["zstd", "lz4", ""])
def test_a_chunk_is_never_unpacked_further_than_it_says(name: str, traced: Any) -> None:
    import lz4.frame
    import zstandard

    pack = {"zstd": zstandard.compress, "lz4": lz4.frame.compress, "": bytes}[name]
    packed = pack(bytes(2**26 if name else 2**12))

    def unpack(size: int, compression: str = name) -> str:
        chunk = Chunk(compression, packed, 0, 0, 0, size)
        with pytest.raises(ValueError) as caught:
            _unpacked(chunk)
        return str(caught.value)

    text, peak = traced(lambda: unpack(1000))
    assert "does not unpack to the 1,000 bytes" in text
    assert peak < 2**20
    assert "does not unpack" in unpack(2**26 + 1)
    assert "the limit is" in unpack(MAX_RECORD_BYTES + 1)
    assert "chunks packed by 'brotli'" in unpack(1000, "brotli")


def test_a_record_that_claims_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    magic = bytes([137, 77, 67, 65, 80, 48, 13, 10])
    listed(tmp_path, "a.mcap")
    (tmp_path / "a.mcap").write_bytes(magic + struct.pack("<BQ", 6, 2**60))
    assert reason(tmp_path, "exceeds limit") == "bad_footage"
    inner = struct.pack("<QQQIIQ", 0, 0, 10, 0, 0, 2**60)
    (tmp_path / "a.mcap").write_bytes(magic + struct.pack("<BQ", 6, len(inner)) + inner)
    assert reason(tmp_path, "in one piece; the limit is") == "bad_footage"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_anywhere_ends_in_a_named_error(tmp_path_factory: Any, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = write(folder / "a.mcap", {FRONT: pictures(2)}, enable_crcs=False)
    listed(folder, "a.mcap")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    episodes, skips = read(folder)
    assert len(episodes) + len(skips) == 1
    for episode in episodes:
        with suppress(DataError):
            list(episode.views[episode.judged_view].frames())


def test_limits_hold(tmp_path: Path) -> None:
    write(tmp_path / "a.mcap", {FRONT: pictures(4)})
    listed(tmp_path, "a.mcap")
    few, small = MediaLimits(max_frames_walked=3), MediaLimits(max_pixels=10)
    assert reason(tmp_path, "the limit is max_frames_walked=3", limits=few) == "bad_footage"
    assert reason(tmp_path, "the limit is max_pixels=10", limits=small) == "bad_footage"


def test_reading_holds_a_chunk_and_not_the_file(tmp_path: Path, traced: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    one = png_bytes(noise)
    write(tmp_path / "a.mcap", {FRONT: [one] * 300})
    footage = McapFootage(tmp_path / "a.mcap", FRONT, 10.0, 300)
    num, peak = traced(lambda: sum(1 for _ in footage.frames()))
    assert num == 300
    assert (tmp_path / "a.mcap").stat().st_size > 3 * 10**6 > 3 * peak


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcap", None)
    with pytest.raises(MissingExtra, match=r"roboreward\[mcap\]"):
        McapSource(listed(tmp_path, "a.mcap"))
