"""The ledger: every paid call that gave an answer, kept so that it is never paid again.

One SQLite file in write-ahead mode, forced to disk before `put` returns: its entry survives a kill and a power cut.
Entries that several threads put at once reach the disk together. Several processes may use one file at once. It holds
what was answered, never what was shown: no picture, no task, no key.
"""

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from roboreward.core import StoreError, canonical_json
from roboreward.store.failure import cannot_write

LEDGER_FORMAT: Final = 1
_WAIT_S: Final = 30.0
_MAX_PAUSE_S: Final = 0.05
_MAX_ASKED: Final = 500  # SQLite takes at most 999 parameters in old builds
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS calls (
  key TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL, made_at TEXT NOT NULL,
  cost_usd REAL, entry TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class LedgerEntry:
    """One paid call and its answer.

    Attributes:
        provider: Such as "openai".
        model: As it was asked for.
        served_by: What the provider says answered, such as a dated snapshot.
        status: "ok", "refused", "truncated" or "empty"; a call that failed has no entry.
        reason: In words, where the status is not "ok".
        text: The answer.
        tokens: Its tokens, each as [text, {alternative: natural log-probability}].
        input_tokens, output_tokens, cached_tokens: As the provider counts; cached ones are part of the input.
        cost_usd: By the price table in force, or None where the price is unknown.
        prices: Version of that table.
        latency_s: From the first byte sent to the last one read, of the try that succeeded.
    """

    provider: str
    model: str
    status: str
    served_by: str = ""
    reason: str = ""
    text: str = ""
    tokens: tuple[tuple[str, dict[str, float]], ...] = field(default=())
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    prices: str = ""
    latency_s: float | None = None


class _Batch:
    """Rows that reach the disk together.

    Attributes:
        rows: As they stand in the table.
        is_done: Whether they were tried.
        error: Why they are not on disk, or None.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.is_done = False
        self.error: sqlite3.Error | None = None


class Ledger:
    """Answers of paid calls by the key of what was asked.

    Args:
        path: The file; made, with its folders, when missing. Readable by its owner alone.

    Raises:
        StoreError: The file cannot be made or opened, or is no ledger of this version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock, self._gathering = threading.Lock(), threading.Lock()
        self._batch = _Batch()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise cannot_write(self.path, error) from error
        try:
            self._db = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        self._is_open = True
        try:
            self._prepare_patiently()
        except sqlite3.Error as error:
            self.close()
            raise self._trouble(error) from error
        except StoreError:
            self.close()
            raise

    def get(self, keys: Sequence[str]) -> dict[str, LedgerEntry]:
        """Return the entries that there are, by key.

        Raises:
            StoreError: The file cannot be read, or an entry in it is damaged.
        """
        found: dict[str, LedgerEntry] = {}
        for start in range(0, len(keys), _MAX_ASKED):
            part = keys[start : start + _MAX_ASKED]
            marks = ",".join("?" * len(part))
            # Only question marks are put into the text; the keys are bound.
            query = f"SELECT key, entry FROM calls WHERE key IN ({marks})"  # noqa: S608
            for key, text in self._run(query, tuple(part)):
                found[key] = self._entry(key, text)
        return found

    def put(self, key: str, entry: LedgerEntry) -> None:
        """Keep an answer; it is on disk when this returns. The first entry of a key stays.

        Raises:
            StoreError: The disk is full or refuses.
        """
        row = (
            key,
            entry.provider,
            entry.model,
            entry.status,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            entry.cost_usd,
            canonical_json(asdict(entry)),
        )
        with self._gathering:
            batch = self._batch
            batch.rows.append(row)
        # Who comes first writes for all that wait behind a write under way: the disk is waited for once.
        with self._lock:
            self._check_open()
            if not batch.is_done:
                with self._gathering:
                    self._batch = _Batch()
                self._write(batch)
        if batch.error is not None:
            raise self._trouble(batch.error) from batch.error

    @property
    def num_entries(self) -> int:
        """Number of entries."""
        return int(self._run("SELECT COUNT(*) FROM calls")[0][0])

    @property
    def cost_usd(self) -> float:
        """What all entries of known cost have cost together."""
        return float(self._run("SELECT COALESCE(SUM(cost_usd), 0) FROM calls")[0][0])

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # At the end of the interpreter modules may be gone, so the names are bound here. An object whose opening failed has
    # no lock or no connection yet.
    def __del__(self, _passed_over: Any = (AttributeError, sqlite3.Error)) -> None:
        try:  # noqa: SIM105 - the function that would suppress may be gone, too
            self.close()
        except _passed_over:
            pass

    def _prepare_patiently(self) -> None:
        """Prepare the file. SQLite does not wait for others when it switches to write-ahead mode, so we do."""
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                return self._prepare()
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0, _MAX_PAUSE_S))

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        # WAL with NORMAL can lose the last entries at a power cut; a call costs more than the wait for the disk.
        self._db.execute("PRAGMA synchronous = FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, LEDGER_FORMAT):
            raise StoreError(
                f"{self.path} is a ledger of format {version}; this version reads {LEDGER_FORMAT}. "
                "Name another file."
            )
        if version == 0:
            self._db.execute(_TABLE)
            self._db.execute(f"PRAGMA user_version = {LEDGER_FORMAT}")

    def _write(self, batch: _Batch) -> None:
        """Force rows to disk, all or none; the lock is held."""
        batch.is_done, batch.error = True, sqlite3.OperationalError("it was interrupted")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?)", batch.rows)
            self._db.execute("COMMIT")
            batch.error = None
        except sqlite3.Error as error:
            batch.error = error
        finally:
            if batch.error is not None and self._is_open and self._db.in_transaction:
                self._db.rollback()

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:
            self._check_open()
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._trouble(error) from error

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError(f"{self.path} is closed; open it again.")

    def _entry(self, key: str, text: str) -> LedgerEntry:
        try:
            values = json.loads(text)
            known = {item.name for item in fields(LedgerEntry)}
            tokens = tuple((part, dict(likely)) for part, likely in values.pop("tokens"))
            return LedgerEntry(**{k: v for k, v in values.items() if k in known}, tokens=tokens)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{self.path}: the entry {key[:12]} is damaged ({error}). Name another file."
            ) from error

    def _trouble(self, error: sqlite3.Error) -> StoreError:
        advice = "Free some space, or name another file"
        if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
            advice = "It is no ledger: name another file"
        elif _is_locked(error):
            advice = (
                f"Another program held it for {_WAIT_S:g} s: end that one, or name another file"
            )
        return StoreError(f"The ledger {self.path} cannot be used: {error}. {advice}.")


def _is_locked(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
