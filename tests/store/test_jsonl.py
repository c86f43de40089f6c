import errno
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboreward.core import DataError, StoreError
from roboreward.store import MAX_LINE_BYTES, JsonlWriter, read_jsonl

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=3,
)


def records(path):
    return [record for _, record in read_jsonl(path)]


def test_what_is_appended_is_read_back_with_its_line_number(tmp_path):
    path = tmp_path / "new" / "x.jsonl"
    with JsonlWriter(path) as writer:
        writer.append({"task": "gr\u00fc\u00df\u2028\n"})
        writer.append({"n": 2})
    with JsonlWriter(path, durable=False) as writer:
        assert writer.torn == b""
        writer.append({"n": 3})
    assert list(read_jsonl(path)) == [
        (1, {"task": "gr\u00fc\u00df\u2028\n"}),
        (2, {"n": 2}),
        (3, {"n": 3}),
    ]


@given(st.lists(st.dictionaries(st.text(max_size=4), JSON_VALUES, max_size=3), max_size=4))
@settings(max_examples=15, deadline=None)
def test_any_json_objects_survive_the_round_trip(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    with JsonlWriter(path, durable=False) as writer:
        for value in values:
            writer.append(value)
    assert records(path) == values


def test_a_line_torn_at_any_byte_is_cut_off_and_reported(tmp_path):
    path = tmp_path / "x.jsonl"
    whole, last = b'{"n":1}\n', '{"task":"gr\u00fc\u00df","n":[1,{"a":2}]}'.encode()
    for cut in range(1, len(last)):
        path.write_bytes(whole + last[:cut])
        with JsonlWriter(path, durable=False) as writer:
            assert writer.torn == last[:cut]
            writer.append({"n": 2})
        assert records(path) == [{"n": 1}, {"n": 2}]


def test_a_whole_last_line_without_its_line_break_is_kept(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}')
    with JsonlWriter(path) as writer:
        assert writer.torn == b""
        writer.append({"n": 3})
    assert records(path) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_file_that_is_one_torn_line_of_zeros_becomes_empty(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\x00" * 200_000)
    with JsonlWriter(path) as writer:
        assert len(writer.torn) == 200_000
    assert path.read_bytes() == b""


CHILD = """
import sys
from roboreward.store import JsonlWriter
writer = JsonlWriter(sys.argv[1], durable=False)
n = sum(1 for _ in open(sys.argv[1], "rb"))
while True:
    writer.append({"n": n, "text": "x" * (n * 37 % 5000)})
    print(n, flush=True)
    n += 1
"""


def test_a_killed_writer_loses_nothing_that_it_reported_and_leaves_a_whole_file(tmp_path):
    path = tmp_path / "x.jsonl"
    for kills, num_lines in enumerate((7, 60)):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        )
        with child:
            acks = [int(child.stdout.readline()) for _ in range(num_lines)]
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        with path.open("ab") as torn:
            torn.write(b'{"n": 1, "te')
        with JsonlWriter(path) as writer:
            # The kill itself may have torn a line, too; then the two are one.
            assert writer.torn.endswith(b'{"n": 1, "te')
            assert b"\n" not in writer.torn
        found = [record["n"] for record in records(path)]
        assert found == list(range(len(found)))
        assert acks[-1] < len(found)
        assert kills or acks[0] == 0


def test_a_disk_that_fills_up_leaves_no_part_of_the_record(tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    with JsonlWriter(path) as writer:
        writer.append({"n": 1})
        write = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
            with pytest.raises(StoreError, match="the disk is full"):
                writer.append({"n": 2})
        writer.append({"n": 3})
    assert records(path) == [{"n": 1}, {"n": 3}]


def test_a_failing_disk_is_reported_and_not_hidden_by_the_next_record(tmp_path, monkeypatch):
    writer = JsonlWriter(tmp_path / "x.jsonl")

    def broken(*_args):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(StoreError, match="Input/output error"):
            writer.append({"n": 1})
    with pytest.raises(StoreError, match="closed"):
        writer.append({"n": 2})


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"a": float("nan")}, "cannot be stored"),
        ({"a": "\ud800"}, "cannot be stored"),
        ({"a": "x" * MAX_LINE_BYTES}, "at most 1,048,576"),
    ],
    ids=["nan", "surrogate", "too long"],
)
def test_a_record_that_could_not_be_read_again_is_not_written(tmp_path, record, message):
    path = tmp_path / "x.jsonl"
    with JsonlWriter(path) as writer, pytest.raises(StoreError, match=message) as caught:
        writer.append(record)
    assert len(str(caught.value)) < 400
    assert path.read_bytes() == b""


def test_a_writer_that_was_closed_says_so(tmp_path):
    writer = JsonlWriter(tmp_path / "x.jsonl")
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.append({})


def test_a_writer_cannot_be_opened_where_a_folder_is(tmp_path):
    with pytest.raises(StoreError, match="it is a folder"):
        JsonlWriter(tmp_path)


BAD_LINES = {
    b'{"a": 1': "not JSON",
    b"[1]": "a JSON object is wanted",
    b'{"a": 1, "b": 2, "a": 3}': "'a' occurs twice",
    b'{"a": {"b": 1, "b": 1}}': "'b' occurs twice",
    b'{"a": NaN}': "NaN is not JSON",
    b'{"a": -Infinity}': "-Infinity is not JSON",
    b'{"a": 1e999}': "too large",
    b'{"a": "\xff"}': "utf-8",
    b'{"a": "\\ud800"}': "surrogates",
    b'{"a":' + b"[" * 200_000: "nested too deeply",
    b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}': "longer than 1,048,576 bytes",
    b'{"a": "' + b"x" * (3 * MAX_LINE_BYTES) + b'"}': "longer than 1,048,576 bytes",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:24]))
def test_a_bad_line_is_named_with_file_and_row(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n": 1}\n\n' + line + b'\n{"n": 4}\n')
    with pytest.raises(DataError, match=r"x\.jsonl:3: .*" + BAD_LINES[line]) as caught:
        list(read_jsonl(path))
    assert len(str(caught.value)) < 400
    bad = []
    good = list(read_jsonl(path, on_bad=lambda row, error: bad.append((row, str(error)))))
    assert good == [(1, {"n": 1}), (4, {"n": 4})]
    assert [row for row, _ in bad] == [3]


def test_a_torn_last_line_is_called_torn_by_the_reader(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"n": 1}\n{"n": ')
    with pytest.raises(DataError, match=r"x\.jsonl:2: .*torn"):
        list(read_jsonl(tmp_path / "x.jsonl"))


def test_a_byte_order_mark_and_windows_line_breaks_are_read(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'\xef\xbb\xbf{"n": 1}\r\n{"n": 2}')
    assert records(tmp_path / "x.jsonl") == [{"n": 1}, {"n": 2}]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jsonl: No such file"):
        list(read_jsonl(tmp_path / "nothing.jsonl"))
