"""A tiny writer of TFRecord files and RLDS folders, independent of the readers that it tests."""

import json
import struct
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.media import jpeg_bytes, png_bytes

Writer = Callable[..., Path]


def slow_crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, from its definition (RFC 3720)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> bytes:
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(data: bytes, crc: Callable[[bytes], int]) -> bytes:
    """One record as it stands in a file."""
    head = struct.pack("<Q", len(data))
    return head + masked(crc(head)) + data + masked(crc(data))


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: Any) -> bytes:
    """A packed `tf.train.Feature` of byte strings, floats or integers."""
    if isinstance(values, list) and values and isinstance(values[0], bytes):
        return field(1, b"".join(field(1, value) for value in values))
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return field(2, field(1, array.astype("<f4").tobytes()))
    return field(3, field(1, b"".join(varint(int(value)) for value in array.ravel())))


def example(features: Mapping[str, Any]) -> bytes:
    """A serialized `tf.train.Example`."""
    entries = (
        field(1, field(1, name.encode()) + field(2, feature(values)))
        for name, values in features.items()
    )
    return field(1, b"".join(entries))


def picture(level: int, *, size: tuple[int, int] = (16, 24), kind: str = "jpeg") -> bytes:
    frame = np.full((*size, 3), level, np.uint8)
    return jpeg_bytes(frame) if kind == "jpeg" else png_bytes(frame)


def tensor(dtype: str, *shape: int) -> dict[str, Any]:
    dimensions = {"dimensions": [str(number) for number in shape]} if shape else {}
    return {"tensor": {"shape": dimensions, "dtype": dtype, "encoding": "none"}}


def image(*shape: int, dtype: str = "uint8") -> dict[str, Any]:
    dimensions = {"dimensions": [str(number) for number in shape]}
    return {"image": {"shape": dimensions, "dtype": dtype, "encodingFormat": "jpeg"}}


def nested(features: Mapping[str, Any]) -> dict[str, Any]:
    return {"featuresDict": {"features": dict(features)}}


def features_json(
    observation: Mapping[str, Any], steps: Mapping[str, Any], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """A `features.json` as tfds writes it for RLDS."""
    inner = nested({"observation": nested(observation), **steps})
    return nested(
        {
            "steps": {"sequence": {"feature": inner, "length": "-1"}},
            "episode_metadata": nested(metadata),
        }
    )


def episode(number: int = 0, *, num_steps: int = 3, **changes: Any) -> dict[str, Any]:
    """A record of the default folder; `None` in `changes` takes a feature out."""
    features: dict[str, Any] = {
        "steps/observation/image": [picture(60 + 10 * step) for step in range(num_steps)],
        "steps/observation/hand_image": [picture(200) for _ in range(num_steps)],
        "steps/language_instruction": [f"lift block {number}".encode()] * num_steps,
        "steps/reward": np.eye(num_steps)[-1],
        "steps/is_last": [0] * (num_steps - 1) + [1],
        "steps/is_terminal": [0] * num_steps,
        "episode_metadata/file_path": [f"/data/{number}.npy".encode()],
    }
    features |= {key.replace("__", "/"): value for key, value in changes.items()}
    return {key: value for key, value in features.items() if value is not None}


def default_features() -> dict[str, Any]:
    return features_json(
        {
            "image": image(16, 24, 3),
            "hand_image": image(16, 24, 3),
            "depth": image(16, 24, 1, dtype="uint16"),
        },
        {
            "language_instruction": {"text": {}},
            "reward": tensor("float32"),
            "is_last": tensor("bool"),
            "is_terminal": tensor("bool"),
            "action": tensor("float32", 7),
        },
        {"file_path": {"text": {}}},
    )


def write_folder(
    folder: Path,
    shards: Sequence[Sequence[Mapping[str, Any] | bytes]],
    *,
    name: str = "my_robot",
    split: str = "train",
    features: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    crc: Callable[[bytes], int] = slow_crc32c,
) -> Path:
    """Write an RLDS folder; a record is a mapping of features or ready bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, records in enumerate(shards):
        data = (record if isinstance(record, bytes) else example(record) for record in records)
        file = folder / f"{name}-{split}.tfrecord-{index:05d}-of-{len(shards):05d}"
        file.write_bytes(b"".join(framed(record, crc) for record in data))
    lengths = [str(len(records)) for records in shards]
    listed = [{"name": split, "numBytes": "1", "shardLengths": lengths}]
    content = {"name": name, "version": "1.0.0", "fileFormat": "tfrecord", "splits": listed}
    (folder / "dataset_info.json").write_text(json.dumps({**content, **(info or {})}))
    (folder / "features.json").write_text(json.dumps(features or default_features()))
    return folder


class Writing:
    """What the tests of this folder write with."""

    crc = staticmethod(slow_crc32c)
    framed = staticmethod(framed)
    varint = staticmethod(varint)
    field = staticmethod(field)
    feature = staticmethod(feature)
    example = staticmethod(example)
    picture = staticmethod(picture)
    episode = staticmethod(episode)
    features_json = staticmethod(features_json)
    image = staticmethod(image)
    tensor = staticmethod(tensor)
    folder = staticmethod(write_folder)

    @staticmethod
    def records(path: Path, records: Iterable[bytes]) -> Path:
        """Write a TFRecord file of ready bytes."""
        path.write_bytes(b"".join(framed(record, slow_crc32c) for record in records))
        return path


@pytest.fixture(scope="session")
def writing() -> type[Writing]:
    """A writer of TFRecord files and RLDS folders."""
    return Writing


@pytest.fixture(scope="session")
def traced() -> Callable[[Callable[[], Any]], tuple[Any, int]]:
    """Return a function that calls another one and returns its result and the most bytes that it held."""

    def call(work: Callable[[], Any]) -> tuple[Any, int]:
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            return work(), tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    return call
