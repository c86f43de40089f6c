"""A run killed in the middle goes on, asks nothing twice, and ends as one that was never disturbed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roboreward.bench import Record, load_runs, run_bench
from roboreward.core import Verdict
from roboreward.dataset import ExampleSet, read_set

# Answers by task, writes down what it was asked, and kills its own process after the 6th record is on disk.
CHILD = """
import os, signal, sys
from pathlib import Path
from roboreward.bench import run_bench
from roboreward.core import FramePolicy, Verdict
from roboreward.dataset import read_set

class Model:
    name, revision, frame_policy, capabilities = "fake:child", "r1", FramePolicy(), frozenset()
    def score(self, queries):
        with open(sys.argv[3], "a") as asked:
            asked.writelines(f"{q.query_id}\\n" for q in queries)
        return [Verdict.scored(len(q.task) % 5 + 1) for q in queries]

def progress(model, done, total):
    if done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

run_bench(read_set(Path(sys.argv[1])), [Model()], Path(sys.argv[2]), chunk_size=4, progress=progress)
"""
KILL_AFTER, CHUNK = 6, 4


def run_child(folder: Path, out: Path, asked: Path, *, kill_after: int) -> int:
    words = [sys.executable, "-c", CHILD, *map(str, (folder, out, asked, kill_after))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def without_time(records: tuple[Record, ...]) -> list[Any]:
    return [r.model_dump(exclude={"verdict": {"latency_s"}}) for r in records]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_a_killed_run_is_finished_without_asking_again(
    make_set: Any, fake_model: Any, tmp_path: Path
) -> None:
    folder, out, asked = make_set(9), tmp_path / "runs", tmp_path / "asked"
    assert run_child(folder, out, asked, kill_after=KILL_AFTER) == -signal.SIGKILL
    (killed,) = load_runs(out)
    assert (len(killed.records), killed.is_complete) == (KILL_AFTER, False)
    assert not (killed.folder / "DONE").exists()
    recorded = {record.example_id for record in killed.records}
    before = asked.read_text().splitlines()

    assert run_child(folder, out, asked, kill_after=-1) == 0
    (resumed,) = load_runs(out)
    again = asked.read_text().splitlines()[len(before) :]
    assert not recorded & set(again)
    assert len(set(before) & set(again)) < CHUNK  # in flight at the kill: answered, not yet on disk
    assert (resumed.folder / "DONE").exists()

    model = fake_model(lambda query: Verdict.scored(len(query.task) % 5 + 1), name="fake:child")
    (undisturbed,) = run_bench(read_set(folder), [model], tmp_path / "other", chunk_size=CHUNK)
    assert without_time(resumed.records) == without_time(undisturbed.records)


def test_a_run_that_stopped_for_good_reports_what_it_has(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def progress(model: str, done: int, total: int) -> None:
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        run_bench(example_set, [fake_model()], tmp_path, progress=progress)
    (result,) = load_runs(tmp_path)
    assert (len(result.records), result.num_examples, result.is_complete) == (5, 24, False)


def test_floors_of_the_registry_run_on_a_set_of_files(make_set: Any, tmp_path: Path) -> None:
    models = ["mock:3", "floor:constant-1", "floor:label-sampler", "floor:text-only"]
    results = run_bench(read_set(make_set(5)), models, tmp_path / "runs")
    assert [result.config.model for result in results] == models
    assert all(result.is_complete for result in results)
    assert {r.verdict.status for result in results for r in result.records} == {"scored"}
