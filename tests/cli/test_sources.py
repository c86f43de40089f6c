"""`roboreward sources`."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.sources import READERS, oxe_datasets


def listed(*options: str) -> Any:
    result = CliRunner().invoke(main, ["sources", *options, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def printed(*options: str) -> str:
    result = CliRunner().invoke(main, ["sources", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def broken_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution whose reader cannot be imported, for a reason with an escape sequence in it."""
    info = tmp_path / "odd_lab-2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-lab\nVersion: 2\n")
    (info / "entry_points.txt").write_text("[roboreward.sources]\nodd = rr_odd_lab:Odd\n")
    (tmp_path / "rr_odd_lab.py").write_text("raise RuntimeError('no\\x1b[31m driver\\nhere')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def test_every_reader_is_listed_with_what_it_reads_its_options_and_its_origin() -> None:
    found = {reader["name"]: reader for reader in listed()}
    assert set(READERS) <= set(found)
    for name in READERS:
        assert found[name]["summary"]
        assert found[name]["origin"] == "built in"
        assert found[name]["options"]
    assert {"name": "split", "is_required": False} in found["rlds"]["options"]


def test_a_person_sees_the_same() -> None:
    text = printed()
    for reader in listed():
        assert reader["name"] in text
        assert reader["summary"] in text
        assert ", ".join(option["name"] for option in reader["options"]) in text


def test_what_is_missing_comes_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = {reader["name"]: reader for reader in listed()}
    assert not found["lerobot"]["is_usable"]
    assert found["folder"]["is_usable"]
    assert 'pip install "roboreward[data]"' in found["lerobot"]["hint"]
    lines = printed().splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.startswith("no  lerobot"))
    assert 'pip install "roboreward[data]"' in lines[place + 2]


@pytest.mark.usefixtures("broken_plug_in")
def test_a_plug_in_that_cannot_be_loaded_is_a_line_of_the_list() -> None:
    (odd,) = (reader for reader in listed() if reader["name"] == "odd")
    assert (odd["is_usable"], odd["origin"], odd["options"]) == (False, "odd-lab 2", [])
    text = printed()
    assert "no  odd " in text
    assert "(odd-lab 2)" in text
    assert "RuntimeError: no?[31m driver here" in text
    assert "yes rlds" in text


def test_the_registry_is_listed_with_unknown_facts_as_unknown() -> None:
    found = {dataset["name"]: dataset for dataset in listed("--oxe")}
    assert len(found) == len(oxe_datasets())
    assert found["bridge"]["licence"] == "CC BY 4.0"
    assert found["bridge"]["judged"] == ["image_0", "image"]
    assert found["toto"]["licence"] is None
    lines = printed("--oxe").splitlines()
    assert len(lines) == 1 + len(found)
    (bridge,) = (line for line in lines if line.startswith("bridge "))
    assert [cell.strip() for cell in bridge.split("  ") if cell.strip()] == [
        "bridge",
        "CC BY 4.0",
        "5",
        "image_0 or image",
    ]
    assert all("unknown" in line for line in lines if line.startswith("toto "))
