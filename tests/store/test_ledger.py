"""The ledger of paid calls."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from roboreward.core import StoreError
from roboreward.store import Ledger, LedgerEntry
from roboreward.store import ledger as ledger_file

ENTRY = LedgerEntry(
    provider="openai",
    model="gpt-x",
    status="ok",
    served_by="gpt-x-2026-01-01",
    text="ANSWER: 4 \u2713",
    tokens=(("ANSWER:", {}), (" 4", {" 4": -0.1, " 3": -2.5})),
    input_tokens=1000,
    output_tokens=5,
    cached_tokens=0,
    cost_usd=0.01,
    prices="prices-x",
    latency_s=0.5,
)

# Writes entries and says so, until it is killed.
WRITER = """
import sys
from dataclasses import replace
from roboreward.store import Ledger, LedgerEntry
ledger, name = Ledger(sys.argv[1]), sys.argv[2]
for i in range(int(sys.argv[3])):
    ledger.put(f"{name}-{i}", LedgerEntry(provider="p", model="m", status="ok", text=name, cost_usd=1.0))
    print(i, flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path / "deep" / "ledger.sqlite3") as opened:
        yield opened


def test_what_was_put_is_found_again_also_by_another_process(ledger):
    ledger.put("a", ENTRY)
    assert ledger.get(["a", "b"]) == {"a": ENTRY}
    with Ledger(ledger.path) as other:
        assert other.get(["a"]) == {"a": ENTRY}
        assert (other.num_entries, other.cost_usd) == (1, 0.01)


def test_the_first_answer_stays(ledger):
    ledger.put("a", ENTRY)
    ledger.put("a", LedgerEntry(provider="p", model="m", status="empty"))
    assert ledger.get(["a"]) == {"a": ENTRY}


def test_any_number_of_keys_can_be_looked_up(ledger):
    keys = [f"key {i}" for i in range(1201)]
    ledger.put(keys[1200], ENTRY)
    assert set(ledger.get(keys)) == {keys[1200]}
    assert ledger.get([]) == {}


def test_a_key_is_data_and_not_a_part_of_the_statement(ledger):
    key = "'; DROP TABLE calls; --"
    ledger.put(key, ENTRY)
    assert ledger.get([key]) == {key: ENTRY}


def test_threads_may_share_it(ledger):
    def write(name):
        for i in range(20):
            ledger.put(f"{name}-{i}", ENTRY)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.num_entries == 160


def test_processes_may_share_it(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    words = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*words, name, "25"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    for writer in writers:
        _, trouble = writer.communicate(timeout=60)
        assert writer.returncode == 0, trouble
    with Ledger(path) as ledger:
        assert (ledger.num_entries, ledger.cost_usd) == (75, 75.0)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_no_entry_is_lost_when_the_process_is_killed(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    for round_number in range(3):
        words = [sys.executable, "-c", WRITER, str(path), f"round{round_number}", "100000"]
        writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        said = [writer.stdout.readline() for _ in range(5 + 7 * round_number)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=60)
        num_said = len(said) + rest.count("\n")
        with Ledger(path) as ledger:
            keys = [f"round{round_number}-{i}" for i in range(num_said)]
            assert len(ledger.get(keys)) == num_said


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_only_its_owner_can_read_it(ledger):
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, " * 200)
    with pytest.raises(StoreError, match=r"notes\.txt.*name another file"):
        Ledger(path)
    assert path.read_text() == "my notes, " * 200


def test_a_ledger_of_a_later_format_is_not_touched(ledger):
    ledger.close()
    db = sqlite3.connect(ledger.path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="format 99"):
        Ledger(ledger.path)


def test_a_damaged_entry_is_named(ledger):
    ledger.put("a", ENTRY)
    db = sqlite3.connect(ledger.path)
    db.execute("UPDATE calls SET entry = '{}'")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="the entry a is damaged"):
        ledger.get(["a"])


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot write"):
        Ledger(tmp_path / "file" / "ledger.sqlite3")


def test_a_closed_one_says_so(ledger):
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match="is closed"):
        ledger.get(["a"])


def holding(path, *, hold_s):
    """Hold a new file as another process does that is making its table, for a while or until it is closed."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("CREATE TABLE other (a)")
    db.execute("BEGIN IMMEDIATE")
    if hold_s is not None:
        threading.Timer(hold_s, lambda: db.execute("COMMIT")).start()
    return closing(db)


def test_a_new_file_that_another_process_is_preparing_is_waited_for(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with holding(path, hold_s=0.3), Ledger(path) as ledger:
        ledger.put("a", ENTRY)
        assert ledger.num_entries == 1


def test_a_file_that_stays_locked_is_no_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_file, "_WAIT_S", 0.1)
    path = tmp_path / "ledger.sqlite3"
    with holding(path, hold_s=None), pytest.raises(StoreError, match="is locked") as caught:
        Ledger(path)
    assert "Another program held it" in str(caught.value)
    assert "space" not in str(caught.value)


def test_what_several_threads_put_at_once_is_on_disk_when_each_put_returns(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    lost = []

    def write(ledger, reader, name):
        for i in range(20):
            ledger.put(f"{name}-{i}", ENTRY)
            if not reader.get([f"{name}-{i}"]):
                lost.append((name, i))

    with Ledger(path) as ledger, Ledger(path) as reader:
        threads = [threading.Thread(target=write, args=(ledger, reader, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lost == []
        assert reader.num_entries == 160


def test_a_refusal_reaches_everybody_whose_entry_was_in_it(ledger):
    ledger._db.execute("PRAGMA query_only = 1")
    refused = []

    def write(name):
        try:
            ledger.put(name, ENTRY)
        except StoreError:
            refused.append(name)

    threads = [threading.Thread(target=write, args=(str(name),)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    ledger._db.execute("PRAGMA query_only = 0")
    ledger.put("9", ENTRY)
    assert ledger.num_entries == 1


def test_it_is_let_go_without_a_word_when_the_interpreter_has_dropped_its_modules(
    tmp_path, monkeypatch
):
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    for name in ("sqlite3", "suppress", "threading"):
        monkeypatch.setattr(ledger_file, name, None, raising=False)
    ledger.__del__()
    with pytest.raises(StoreError, match="is closed"):
        ledger.get(["a"])
