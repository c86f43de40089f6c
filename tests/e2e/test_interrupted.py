"""A run that is killed goes on with the same command, asks nothing twice, and ends as if nothing had happened."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Kills its own process the way the system does, in the middle of the given call of the model.
KILLED_AT = """
import os, signal, sys
# A shell that runs the tests in the background hands on an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
import roboreward.bench as bench
import roboreward.models as models
run_all = bench.run_bench
bench.run_bench = lambda *args, **settings: run_all(*args, **{{**settings, "chunk_size": 2}})
real, calls = models.load_model, 0
def load_model(uri):
    model = real(uri)
    score = type(model).score
    def deadly(self, queries):
        global calls
        calls += 1
        if calls == {call}:
            os.kill(os.getpid(), signal.{signal})
        return score(self, queries)
    type(model).score = deadly
    return model
models.load_model = load_model
import roboreward.bench.run as run
run.load_model = load_model
from roboreward.cli import main
main(sys.argv[1:])
"""
NUM_EXAMPLES = 10


def start(code: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code, *(str(argument) for argument in arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def command(folder: Path, out: Path) -> list[Any]:
    words = ["bench", "run", "--set", folder, "--model", "mock:3", "--no-floors", "--out", out]
    return [*words, "--json"]


PLAIN = "import sys; from roboreward.cli import main; main(sys.argv[1:])"


def ids_in(out: Path) -> list[str]:
    (records,) = out.glob("*/records.jsonl")
    return [json.loads(line)["example_id"] for line in records.read_text().splitlines()]


def test_a_killed_run_goes_on_with_the_same_command(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = make_set(NUM_EXAMPLES), tmp_path / "runs"
    killed = start(KILLED_AT.format(call=3, signal="SIGKILL"), *command(folder, out))
    assert killed.returncode == -signal.SIGKILL
    before = ids_in(out)
    assert 0 < len(before) < NUM_EXAMPLES
    assert not list(out.glob("*/DONE"))

    resumed = start(PLAIN, *command(folder, out))
    assert resumed.returncode == 0, resumed.stderr
    after = ids_in(out)
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == NUM_EXAMPLES

    undisturbed = start(PLAIN, *command(folder, tmp_path / "other"))
    assert without_times(resumed.stdout) == without_times(undisturbed.stdout)


def without_times(text: str) -> Any:
    value = json.loads(text)
    for run in value["sets"][0]["runs"]:
        run.pop("latency_ms")
    return value


def test_a_record_torn_by_the_kill_is_asked_again(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = make_set(NUM_EXAMPLES), tmp_path / "runs"
    start(KILLED_AT.format(call=2, signal="SIGKILL"), *command(folder, out))
    (records,) = out.glob("*/records.jsonl")
    whole = records.read_bytes()
    records.write_bytes(whole[:-20])

    resumed = start(PLAIN, *command(folder, out))
    assert resumed.returncode == 0, resumed.stderr
    assert len(set(ids_in(out))) == len(ids_in(out)) == NUM_EXAMPLES


def test_an_interrupt_says_how_to_go_on(make_set: Callable[..., Path], tmp_path: Path) -> None:
    folder, out = make_set(NUM_EXAMPLES), tmp_path / "runs"
    stopped = start(KILLED_AT.format(call=2, signal="SIGINT"), *command(folder, out))
    assert stopped.returncode == 130
    assert "Stopped. Run the same command again to go on." in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stdout == ""
    assert start(PLAIN, *command(folder, out)).returncode == 0
