"""Work on several cores: in order, a bounded number ahead, one thread each, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from roboreward.core import RoboRewardError, UsageError
from roboreward.store import run_in_order

# `eval` is a function that any process can find, so an item can be whatever a worker is to do.
PID = "__import__('os').getpid()"
SLEEP_THEN_0 = "__import__('time').sleep(0.3) or 0"
DIE = "__import__('os')._exit(3)"
SIGINT_IS_IGNORED = "(lambda s: s.getsignal(s.SIGINT) == s.SIG_IGN)(__import__('signal'))"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

PARENT = """
import multiprocessing
from itertools import count
from roboreward.store import run_in_order
if __name__ == "__main__":
    results = run_in_order(abs, count(), num_workers=2)
    next(results)
    print(*(p.pid for p in multiprocessing.active_children()), flush=True)
    for _ in results: pass
"""


class Counted:
    """Endless items, 0 and on, that know how many were read."""

    num_read = 0

    def __iter__(self) -> Iterator[int]:
        for number in count():
            self.num_read += 1
            yield number


def test_results_come_in_the_order_of_the_items_though_the_first_takes_longest() -> None:
    items = [SLEEP_THEN_0, *map(str, range(1, 9))]
    assert list(run_in_order(eval, items, num_workers=2)) == list(range(9))


@pytest.mark.parametrize("batch", [3, 100])
def test_items_that_travel_together_come_back_one_by_one(batch: int) -> None:
    found = run_in_order(abs, range(0, -8, -1), num_workers=2, batch=batch)
    assert list(found) == list(range(8))


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(run_in_order(abs, [], num_workers=2)) == []
    assert list(run_in_order(abs, [], num_workers=1)) == []


@pytest.mark.parametrize(("num_workers", "ahead"), [(1, 0), (2, 6)])
def test_items_are_read_a_bounded_number_ahead(num_workers: int, ahead: int) -> None:
    items = Counted()
    results = run_in_order(abs, items, num_workers=num_workers)
    assert items.num_read == 0
    for number in range(5):
        assert next(results) == number
        assert number + 1 + bool(ahead) <= items.num_read <= number + 1 + ahead


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_is_raised_when_its_turn_comes_and_ends_the_rest(num_workers: int) -> None:
    items = [SLEEP_THEN_0, "1 / 0", "2", "3"]
    results = run_in_order(eval, items, num_workers=num_workers)
    assert next(results) == 0
    with pytest.raises(ZeroDivisionError):
        next(results)
    if num_workers > 1:
        assert list(results) == []


def test_a_worker_that_dies_is_an_error_that_says_of_what_and_what_to_do() -> None:
    with pytest.raises(RoboRewardError, match=r"worker process of the trial died.*num_workers=1"):
        list(run_in_order(eval, ["1", DIE, "2"], num_workers=2, what="the trial"))


def test_one_worker_is_this_process_and_two_are_others_that_leave_ctrl_c_to_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert set(run_in_order(eval, [PID, PID], num_workers=1)) == {os.getpid()}
    *pids, is_ignored = run_in_order(eval, [PID, PID, SIGINT_IS_IGNORED], num_workers=2)
    assert os.getpid() not in pids
    assert is_ignored
    assert signal.getsignal(signal.SIGINT) is before


def test_without_a_number_there_is_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert list(run_in_order(eval, [PID])) == [os.getpid()]


@pytest.mark.parametrize("num_workers", [0, -1])
def test_no_workers_are_refused_before_anything_is_done(num_workers: int) -> None:
    with pytest.raises(UsageError, match=f"num_workers is {num_workers}; give at least 1"):
        run_in_order(abs, [1], num_workers=num_workers)


def test_each_worker_has_one_thread_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    before = dict(os.environ)
    found = run_in_order(os.getenv, THREADS, num_workers=2)
    assert list(found) == ["1", "1", "3"]
    assert dict(os.environ) == before


@pytest.mark.parametrize("end", ["left", "failed"])
def test_the_environment_is_put_back_however_the_work_ends(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    results = run_in_order(eval, ["0", "1 / 0", *["2"] * 20], num_workers=2)
    assert next(results) == 0
    if end == "failed":
        with pytest.raises(ZeroDivisionError):
            next(results)
    del results
    assert dict(os.environ) == before


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="asks /proc which processes live")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_running, workers))
