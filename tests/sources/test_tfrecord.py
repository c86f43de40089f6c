"""Every bit of a TFRecord file counts: what is read is what was written, or an error says which record is wrong."""

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roboreward.core import DataError
from roboreward.sources.crc32c import NARROW, WIDE, crc32c, masked_crc32c
from roboreward.sources.tf_example import parse_example
from roboreward.sources.tfrecord import BadRecord, BrokenRecords, read_records

RECORDS = [b"first", b"", b"\x00" * 40, bytes(range(256)) * 3]


def read(path: Path, **options: Any) -> list[bytes]:
    return [record for _, record in read_records(path, **options)]


def test_crc32c_of_the_published_vectors() -> None:
    # RFC 3720, section B.4, and the customary check value of the catalogues.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@pytest.mark.parametrize(
    "size",
    [1, 4, 15, 16, 17, 18, 100, NARROW[0], NARROW[0] + 1, WIDE[0] - 1, WIDE[0] + 1, 40_000],
)
def test_crc32c_is_the_same_as_bit_by_bit(size: int, writing: Any, rng: Any) -> None:
    data = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    assert crc32c(data) == writing.crc(data)
    assert crc32c(memoryview(bytearray(data))) == writing.crc(data)


def test_crc32c_is_the_same_across_chunks(rng: Any) -> None:
    # A checksum is linear: that of a long message with one more bit is what the bit alone changes.
    data = bytearray(rng.integers(0, 256, 300_001, dtype=np.uint8).tobytes())
    zero = crc32c(bytes(len(data)))
    for place in (0, 1, 131_071, 131_072, 262_144, 300_000):
        flip = bytearray(len(data))
        flip[place] = 0x10
        before = crc32c(data)
        data[place] ^= 0x10
        assert crc32c(data) == before ^ crc32c(flip) ^ zero != before


@pytest.mark.parametrize("exponents", [WIDE, NARROW])
def test_the_sparse_multiples_are_divisible_by_the_polynomial(exponents: tuple[int, ...]) -> None:
    value, powers = 0x80000000, {}  # x^0, reflected
    for byte in range(max(exponents) + 1):
        powers[byte] = value
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    assert powers[exponents[0]] ^ powers[exponents[1]] ^ powers[exponents[2]] ^ powers[0] == 0


def test_records_come_back_with_their_numbers(tmp_path: Path, writing: Any) -> None:
    path = writing.records(tmp_path / "a.tfrecord", RECORDS)
    assert list(read_records(path)) == list(enumerate(RECORDS))
    assert read(path, is_checked=False) == RECORDS


def test_an_empty_file_holds_no_record(tmp_path: Path, writing: Any) -> None:
    assert read(writing.records(tmp_path / "a.tfrecord", [])) == []


def test_every_flipped_bit_is_found(tmp_path: Path, writing: Any) -> None:
    data = bytearray(writing.records(tmp_path / "a", [b"first", b"second"]).read_bytes())
    path = tmp_path / "flipped.tfrecord"
    for place, bit in itertools.product(range(len(data)), range(8)):
        data[place] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"flipped\.tfrecord: record [01] \(from 0\)"):
            read(path)
        data[place] ^= 1 << bit


def test_every_truncation_is_found_and_says_how_far_it_got(tmp_path: Path, writing: Any) -> None:
    data = writing.records(tmp_path / "a", [b"first", b"second"]).read_bytes()
    first = len(writing.framed(b"first", writing.crc))
    path = tmp_path / "cut.tfrecord"
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        if size == first:
            assert read(path) == [b"first"]
            continue
        with pytest.raises(BrokenRecords) as caught:
            read(path)
        assert caught.value.record == int(size > first)


def test_trailing_bytes_are_found(tmp_path: Path, writing: Any) -> None:
    path = writing.records(tmp_path / "a", [b"first"])
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(BrokenRecords, match=r"record 1 \(from 0\): 4 trailing bytes"):
        read(path)


def test_records_with_wrong_data_are_left_out_and_reported(tmp_path: Path, writing: Any) -> None:
    path = writing.records(tmp_path / "a", [b"first", b"second", b"third"])
    data = bytearray(path.read_bytes())
    data[data.index(b"second")] ^= 1
    path.write_bytes(data)
    bad: list[BadRecord] = []
    assert list(read_records(path, on_bad=bad.append)) == [(0, b"first"), (2, b"third")]
    assert [(error.record, error.reason) for error in bad] == [(1, "checksum")]
    assert read(path, is_checked=False) == [b"first", b"recond", b"third"]


def test_a_record_over_the_limit_is_refused_by_name_and_the_next_one_is_read(
    tmp_path: Path, writing: Any
) -> None:
    path = writing.records(tmp_path / "a", [b"x" * 100, b"small"])
    with pytest.raises(BadRecord, match=r"100 bytes, over the limit max_record_bytes=50"):
        read(path, max_record_bytes=50)
    bad: list[BadRecord] = []
    assert read(path, max_record_bytes=50, on_bad=bad.append) == [b"small"]
    assert bad[0].reason == "too_large"


def test_a_length_that_lies_allocates_nothing(tmp_path: Path, traced: Any) -> None:
    head = struct.pack("<Q", 1 << 60)
    path = tmp_path / "lie.tfrecord"
    path.write_bytes(head + struct.pack("<I", masked_crc32c(head)) + b"data")

    def refuse() -> None:
        with pytest.raises(BrokenRecords, match="ends early"):
            read(path, max_record_bytes=1 << 62)

    assert traced(refuse)[1] < 1 << 20


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08\x00" + bytes(40), "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>not found</html>", "HTML"),
    ],
)
def test_what_is_no_tfrecord_file_is_named(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.tfrecord"
    path.write_bytes(data)
    with pytest.raises(DataError, match=words):
        read(path)


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*absent"):
        read(tmp_path / "absent")
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


FEATURES = {
    "bytes": [b"one", b"", b"\xff\x00"],
    "floats": np.array([1.5, -2.0, np.inf], np.float32),
    "integers": np.array([0, 1, 127, 128, 300, -1, 2**63 - 1, -(2**63)]),
    "steps/observation/image": [bytes(200)] * 3,
}


def test_features_come_back_by_name_kind_and_order(writing: Any) -> None:
    parsed = parse_example(writing.example(FEATURES), where="here")
    assert list(parsed) == list(FEATURES)
    for name, values in FEATURES.items():
        if isinstance(values, list):
            assert parsed[name] == values
        else:
            np.testing.assert_array_equal(parsed[name], values)
    floats, integers = parsed["floats"], parsed["integers"]
    assert isinstance(floats, np.ndarray)
    assert floats.dtype == np.float32
    assert isinstance(integers, np.ndarray)
    assert integers.dtype == np.int64


def test_only_wanted_features_are_parsed(writing: Any) -> None:
    parsed = parse_example(writing.example(FEATURES), where="here", names={"floats", "absent"})
    assert list(parsed) == ["floats"]


def test_unpacked_numbers_and_mixtures_are_read(writing: Any) -> None:
    floats = b"".join(b"\x0d" + struct.pack("<f", value) for value in (1.0, 2.0))
    floats += writing.field(1, struct.pack("<2f", 3.0, 4.0))
    integers = b"".join(b"\x08" + writing.varint(value) for value in (5, -6))
    entries = [
        writing.field(1, b"f") + writing.field(2, writing.field(2, floats)),
        writing.field(1, b"i") + writing.field(2, writing.field(3, integers)),
    ]
    record = writing.field(1, b"".join(writing.field(1, entry) for entry in entries))
    parsed = parse_example(record, where="here")
    np.testing.assert_array_equal(parsed["f"], [1, 2, 3, 4])
    np.testing.assert_array_equal(parsed["i"], [5, -6])


def test_what_the_format_allows_is_read(writing: Any) -> None:
    entry = writing.field(2, writing.field(1, writing.field(1, b"v"))) + writing.field(
        1, b"key last"
    )
    kindless = writing.field(1, b"kindless") + writing.field(2, b"")
    valueless = writing.field(1, b"valueless")
    unknown = writing.varint(7 << 3 | 1) + bytes(8) + writing.field(9, b"future")
    features = b"".join(writing.field(1, part) for part in (entry, kindless, valueless))
    record = unknown + writing.field(1, unknown + features) + unknown
    assert parse_example(record, where="here") == {
        "key last": [b"v"],
        "kindless": [],
        "valueless": [],
    }
    assert parse_example(b"", where="here") == {}


def test_features_in_several_parts_are_merged_but_none_twice(writing: Any) -> None:
    one, two = writing.example({"a": [b"1"]}), writing.example({"b": [b"2"]})
    assert parse_example(one + two, where="here") == {"a": [b"1"], "b": [b"2"]}
    with pytest.raises(DataError, match=r"here: .*'a' occurs twice"):
        parse_example(one + one, where="here")


def test_lengths_that_lie_at_any_depth_are_found(writing: Any) -> None:
    record = bytearray(writing.example({"name": [b"value"]}))
    lengths = [1, 3, 5, 11, 13, 15]
    for place in lengths:
        for wrong in (record[place] + 1, 0x7F):
            changed = bytes(record[:place]) + bytes([wrong]) + bytes(record[place + 1 :])
            with pytest.raises(DataError, match=r"^shard: record 7"):
                parse_example(changed, where="shard: record 7")


@pytest.mark.parametrize(
    "value",
    [
        b"\x1a\x03\x0a\x01\x80",  # an integer that is cut off
        b"\x1a\x0d\x0a\x0b" + b"\xff" * 10 + b"\x01",  # an integer of eleven bytes
        b"\x12\x05\x0a\x03\x00\x00\x00",  # three bytes of a float
        b"\x0a\x02\x08\x01",  # an integer among byte strings
        b"\x0a\x00\x1a\x00",  # two kinds
        b"\x0b",  # a group, which is no longer in use
        b"\x00",  # field number 0
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length without an end
    ],
)
def test_malformed_values_are_data_errors(value: bytes, writing: Any) -> None:
    entry = writing.field(1, b"name") + writing.field(2, value)
    with pytest.raises(DataError, match=r"not a tf\.train\.Example"):
        parse_example(writing.field(1, writing.field(1, entry)), where="here")


def assert_sane_or_refused(data: bytes) -> None:
    """What comes out is of the promised types and no larger than the record can hold, or the refusal is ours."""
    try:
        parsed = parse_example(data, where="fuzz")
    except DataError as error:
        refusal = str(error)
    else:
        refusal = "fuzz: none"
        for values in parsed.values():
            if isinstance(values, list):
                assert sum(map(len, values)) <= len(data)
            else:
                assert values.dtype in (np.float32, np.int64)
                assert values.size <= len(data)
    assert refusal.startswith("fuzz: ")


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=200))
@example(data=b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
def test_random_bytes_give_a_result_or_a_data_error(data: bytes) -> None:
    assert_sane_or_refused(data)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(flips=st.lists(st.integers(0, 8 * 400 - 1), min_size=1, max_size=6), cut=st.integers(0, 40))
def test_flipped_and_cut_messages_give_a_result_or_a_data_error(
    flips: list[int], cut: int, writing: Any
) -> None:
    record = bytearray(writing.example({**FEATURES, "steps/observation/image": [b"abc"] * 9}))
    for flip in flips:
        record[flip // 8 % len(record)] ^= 1 << flip % 8
    assert_sane_or_refused(bytes(record[: len(record) - cut]))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    flips=st.lists(st.integers(0, 8 * 2000), max_size=4),
    cut=st.integers(0, 30),
    tail=st.binary(max_size=20),
    is_checked=st.booleans(),
)
def test_damaged_files_give_true_records_or_a_data_error(
    flips: list[int], cut: int, tail: bytes, is_checked: bool, writing: Any, tmp_path: Path
) -> None:
    data = bytearray().join(writing.framed(record, writing.crc) for record in RECORDS)
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    path = tmp_path / "fuzz.tfrecord"
    path.write_bytes(bytes(data[: len(data) - cut]) + tail)
    found, refusal = [], "fuzz.tfrecord: record"
    try:
        for number, record in read_records(path, is_checked=is_checked):
            assert number == len(found)
            found.append(record)
    except DataError as error:
        refusal = str(error)
    assert "fuzz.tfrecord: record" in refusal
    if is_checked:
        assert found == RECORDS[: len(found)]
    assert [len(record) for record in found] == [len(record) for record in RECORDS[: len(found)]]


def test_real_shards_are_read_whole(shared_data: Path) -> None:
    folder = shared_data / "rlds" / "bridge_dataset" / "1.0.0"
    for path in sorted(folder.glob("*.tfrecord-*")):
        records = read(path)
        assert len(records) == 25
        parsed = parse_example(records[0], where=str(path))
        assert len(parsed) == 20
        images = parsed["steps/observation/image_0"]
        assert isinstance(images, list)
        assert all(image.startswith(b"\xff\xd8\xff") for image in images)
        assert len(parsed["steps/action"]) == 7 * len(images)
