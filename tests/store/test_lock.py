import os
import subprocess
import sys

import pytest

from roboreward.core import StoreError
from roboreward.store import lock_folder

HOLDER = """
import sys
from roboreward.store import lock_folder
with lock_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_held_by_another_process_is_refused_with_its_pid_until_it_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=rf"in use by .*\(pid {holder.pid}\)"),
            lock_folder(tmp_path),
        ):
            pytest.fail("two processes held one folder")
        holder.kill()
    with lock_folder(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".roboreward.lock").read_text()


def test_the_lock_is_free_again_after_the_block_and_after_an_error(tmp_path):
    with pytest.raises(KeyError), lock_folder(tmp_path / "new"):
        raise KeyError
    with lock_folder(tmp_path / "new"):
        pass


def test_one_process_cannot_hold_a_folder_twice(tmp_path):
    with (
        lock_folder(tmp_path),
        pytest.raises(StoreError, match=str(os.getpid())),
        lock_folder(tmp_path),
    ):
        pytest.fail("held twice")


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file"), lock_folder(tmp_path / "file"):
        pytest.fail("locked a file")
