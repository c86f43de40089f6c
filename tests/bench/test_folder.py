"""The run folder: identity, seal, damage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roboreward.bench import RunResult, load_run, load_runs, run_bench
from roboreward.bench.folder import open_folder
from roboreward.core import DataError, StoreError, UsageError
from roboreward.dataset import ExampleSet


@pytest.fixture
def done(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> RunResult:
    return run_bench(example_set, [fake_model()], tmp_path / "runs")[0]


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_folder_of_another_identity_is_refused(done: RunResult) -> None:
    edit(done.folder / "run.json", lambda run: run["identity"].update(seed=7))
    with (
        pytest.raises(UsageError, match=r"another identity \(differs in seed\)"),
        open_folder(done.folder.parent, done.config, num_examples=24),
    ):
        pytest.fail("the folder was opened")


def test_records_without_a_header_are_not_adopted(done: RunResult) -> None:
    (done.folder / "run.json").unlink()
    with (
        pytest.raises(UsageError, match=r"no run\.json"),
        open_folder(done.folder.parent, done.config, num_examples=24),
    ):
        pytest.fail("the folder was opened")


def test_two_processes_cannot_work_in_one_folder(done: RunResult) -> None:
    with (
        open_folder(done.folder.parent, done.config, num_examples=24),
        pytest.raises(StoreError, match="in use"),
        open_folder(done.folder.parent, done.config, num_examples=24),
    ):
        pytest.fail("the folder was opened twice")


@pytest.mark.parametrize("name", ["records.jsonl", "summary.json"])
def test_a_change_of_one_byte_after_the_end_is_found(done: RunResult, name: str) -> None:
    data = bytearray((done.folder / name).read_bytes())
    place = data.rindex(b"3")
    data[place : place + 1] = b"5"
    (done.folder / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name} changed"):
        load_run(done.folder)


def test_an_example_with_two_records_is_an_error(done: RunResult) -> None:
    (done.folder / "DONE").unlink()
    path = done.folder / "records.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match=r"records\.jsonl:25: example 'e00' has two records"):
        load_run(done.folder)


def test_a_line_that_is_no_record_names_file_and_row(done: RunResult) -> None:
    (done.folder / "DONE").unlink()
    with (done.folder / "records.jsonl").open("a") as stream:
        stream.write('{"example_id": "x"}\n')
    with pytest.raises(DataError, match=r"records\.jsonl:25: not a record"):
        load_run(done.folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"identity": {"model": 3}}'])
def test_a_damaged_header_is_a_plain_error(done: RunResult, text: str) -> None:
    (done.folder / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json"):
        load_run(done.folder)


def test_runs_are_found_from_above_and_from_within(done: RunResult) -> None:
    assert load_runs(done.folder.parent) == load_runs(done.folder) == [done]
    with pytest.raises(UsageError, match="no run"):
        load_runs(done.folder.parent.parent)
