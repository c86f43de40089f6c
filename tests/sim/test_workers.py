"""No process is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

CODE = """
import multiprocessing, sys
from roboreward.sim import EpisodeSpec, generate
if __name__ == "__main__":
    episodes = generate((EpisodeSpec("train", i) for i in range(10_000)), num_workers=2)
    next(episodes)
    print(*(p.pid for p in multiprocessing.active_children()), flush=True)
    for _ in episodes: pass
"""


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="asks /proc which processes live")
def test_workers_end_when_their_parent_is_killed(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CODE)
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
