import errno
import hashlib
import json
import os
import stat

import pytest

from roboreward.core import DataError, StoreError
from roboreward.store import sha256_file, write_atomic, write_json


def test_a_file_is_written_with_its_missing_folders(tmp_path):
    path = tmp_path / "a" / "b" / "out.txt"
    write_atomic(path, "gr\u00fc\u00df")
    assert path.read_bytes() == "gr\u00fc\u00df".encode()
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["out.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "out.txt"
    write_atomic(path, "old")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StoreError, match=r"out\.txt: the disk is full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"file/out\.txt: a part of the path is a file"):
        write_atomic(tmp_path / "file" / "out.txt", "new")
    with pytest.raises(StoreError, match="it is a folder"):
        write_atomic(tmp_path, "new")


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="not a plain file"):
        write_atomic(tmp_path / "pipe", "new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_symbolic_link_is_followed_and_permissions_are_kept(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640


def test_text_that_is_not_unicode_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not Unicode"):
        write_atomic(tmp_path / "out.txt", "\ud800")
    assert os.listdir(tmp_path) == []


def test_json_is_written_for_people_and_read_back(tmp_path):
    value = {"b": [1, 2.5, None], "a": "gr\u00fc\u00df"}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text("utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert "gr\u00fc\u00df" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_json_refuses_what_no_reader_could_read(tmp_path, value):
    with pytest.raises(StoreError, match="cannot be stored as JSON"):
        write_json(tmp_path / "x.json", {"a": value})
    assert os.listdir(tmp_path) == []


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()
    with pytest.raises(DataError, match=r"nothing: No such file"):
        sha256_file(tmp_path / "nothing")
