"""The run folder: `run.json` first, `records.jsonl` append-only, `summary.json` derived, `DONE` last.

A folder without `DONE` is unfinished, whatever else it holds. `DONE` names the digests of the records and of the
summary, so a later change of either is found.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roboreward.bench.config import RunConfig
from roboreward.bench.record import Record
from roboreward.core import DataError, StoreError, UsageError, identity_of
from roboreward.store import (
    environment,
    lock_folder,
    read_jsonl,
    sha256_file,
    write_atomic,
    write_json,
)

RUN, RECORDS, SUMMARY, DONE = "run.json", "records.jsonl", "summary.json", "DONE"


@dataclass(frozen=True)
class RunResult:
    """One run as found on disk.

    Attributes:
        folder: The run folder.
        config: Its settings.
        records: In the order of answering; one for each example answered so far.
        num_examples: How many examples the run is about.
        environment: Versions and platform it ran on.
    """

    folder: Path
    config: RunConfig
    records: tuple[Record, ...]
    num_examples: int
    environment: dict[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether every example has a record."""
        return len(self.records) == self.num_examples


@contextmanager
def open_folder(out: Path, config: RunConfig, *, num_examples: int) -> Iterator[Path]:
    """Make or reopen the folder of a run and hold its lock.

    Raises:
        UsageError: The folder belongs to a run with another identity.
        StoreError: It cannot be written, or another process works in it.
    """
    folder = Path(out) / config.run_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Cannot make the run folder {folder}: {error.strerror}. Choose another output folder."
        ) from error
    with lock_folder(folder):
        if (folder / RUN).exists():
            _check_identity(folder, config)
        elif (folder / RECORDS).exists():
            raise UsageError(f"{folder} holds records but no {RUN}. Choose another output folder.")
        else:
            write_json(folder / RUN, _header(config, num_examples))
        yield folder


def finish(folder: Path, *, summary: dict[str, Any], num_records: int) -> None:
    """Write the summary, then `DONE` with the digests of records and summary."""
    records_sha256 = sha256_file(folder / RECORDS)
    write_json(folder / SUMMARY, {"records_sha256": records_sha256, **summary})
    done = {
        "num_records": num_records,
        "records_sha256": records_sha256,
        "summary_sha256": sha256_file(folder / SUMMARY),
    }
    write_json(folder / DONE, done)


def reopen(folder: Path) -> int:
    """Take the records with status "failed" out of a run, so that it is unfinished and they can be asked again.

    Returns:
        How many there were. With none, nothing is changed.
    """
    records = read_records(folder / RECORDS)
    kept = [record for record in records if record.verdict.status != "failed"]
    if len(kept) < len(records):
        # In this order: a kill in between leaves a run that is unfinished, never one whose seal is broken.
        (folder / DONE).unlink(missing_ok=True)
        lines = [json.dumps(r.model_dump(mode="json", exclude_defaults=True)) for r in kept]
        write_atomic(folder / RECORDS, "".join(f"{line}\n" for line in lines))
    return len(records) - len(kept)


def load_run(folder: Path) -> RunResult:
    """Read a run folder, finished or not, and check it.

    Raises:
        DataError: A file is missing or bad, an example has two records, or the records changed after `DONE`.
    """
    folder = Path(folder)
    header = _read_object(folder / RUN)
    try:
        config = RunConfig.model_validate({**header["identity"], **header["transport"]})
        num_examples, found_on = int(header["num_examples"]), dict(header["environment"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder / RUN}: not a run of this version ({error}). Run again."
        ) from error
    _check_seal(folder)
    records = read_records(folder / RECORDS)
    return RunResult(folder, config, records, num_examples, found_on)


def load_runs(out: Path) -> list[RunResult]:
    """Read all runs in a folder, or the one run that the folder is, in the order of their names.

    Raises:
        UsageError: There is no run.
        DataError: See `load_run`.
    """
    out = Path(out)
    if (out / RUN).is_file():
        return [load_run(out)]
    folders = sorted(path.parent for path in out.glob(f"*/{RUN}"))
    if not folders:
        raise UsageError(
            f"There is no run in {out}. Make one with: roboreward bench run --out {out}"
        )
    return [load_run(folder) for folder in folders]


def read_records(path: Path) -> tuple[Record, ...]:
    """Read the records of a run; an absent file has none.

    Raises:
        DataError: A line is not a record, or an example occurs twice; names file and row.
    """
    if not path.exists():
        return ()
    records: dict[str, Record] = {}
    for number, row in read_jsonl(path):
        try:
            record = Record.model_validate(row)
        except ValidationError as error:
            raise DataError(
                f"{path}:{number}: not a record ({error.error_count()} fields wrong)."
            ) from error
        if record.example_id in records:
            raise DataError(f"{path}:{number}: example {record.example_id!r} has two records.")
        records[record.example_id] = record
    return tuple(records.values())


def _header(config: RunConfig, num_examples: int) -> dict[str, Any]:
    identity = identity_of(config)
    transport = {k: v for k, v in config.model_dump(mode="json").items() if k not in identity}
    return {
        "run_id": config.run_id,
        "num_examples": num_examples,
        "identity": identity,
        "transport": transport,
        "environment": environment(),
    }


def _check_identity(folder: Path, config: RunConfig) -> None:
    before, now = _read_object(folder / RUN).get("identity"), identity_of(config)
    if before == now:
        return
    before = before if isinstance(before, dict) else {}
    names = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
    raise UsageError(
        f"{folder} belongs to a run with another identity (differs in {', '.join(names)}). "
        "Choose another output folder."
    )


def _check_seal(folder: Path) -> None:
    if not (folder / DONE).exists():
        return
    done = _read_object(folder / DONE)
    for name, key in ((RECORDS, "records_sha256"), (SUMMARY, "summary_sha256")):
        if not (folder / name).exists() or sha256_file(folder / name) != done.get(key):
            raise DataError(
                f"{folder / name} changed after the run had finished. Remove the folder and run again."
            )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: its folder is not a run folder.") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}). Remove the folder and run again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: not a JSON object. Remove the folder and run again.")
    return value
