"""`roboreward doctor`: finds what is there and names the command for what is not."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from roboreward.cli import checkup, main


def states() -> dict[str, checkup.Finding]:
    return {finding.name: finding for finding in checkup.examine()}


@pytest.mark.usefixtures("needs_nano")
def test_a_whole_installation_is_ok() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json"])
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    broken = {
        name: f["found"] for name, f in findings.items() if f["state"] not in ("ok", "absent")
    }
    assert not broken
    assert {"python", "numpy", "av", "video", "renderer", "nano"} <= set(findings)
    assert result.exit_code == 0


def test_a_missing_dependency_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "av":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "MISSING  av" in result.stdout
    assert f'"{sys.executable}" -m pip install "av>=' in result.stdout


def test_an_absent_extra_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    torch = states()["torch [train]"]
    assert torch.state == "absent"
    assert not torch.is_trouble
    assert "[train]" in torch.remedy


def test_an_old_dependency_is_named_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9.0" if name == "av" else real(name))
    av = states()["av"]
    assert av.state == "too_old"
    assert av.found.startswith("9.0, needs ")


def test_a_part_that_does_not_work_is_broken_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    import roboreward.media

    def write_video(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no encoder")

    monkeypatch.setattr(roboreward.media, "write_video", write_video)
    video = states()["video"]
    assert video.state == "broken"
    assert "no encoder" in video.found


def test_requirement_lines_are_read_with_their_markers() -> None:
    lines = [
        "numpy>=1.26",
        "tomli>=2.0; python_version < '3.0'",
        "torch>=2.4; extra == 'train'",
        "click",
    ]
    found = [(need.name, need.floor, need.extra) for need in checkup.needs(lines)]
    assert found == [("numpy", "1.26", None), ("click", "", None), ("torch", "2.4", "train")]


def test_the_remedy_for_nano_keeps_demonstrations_out_of_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import roboreward.models

    def load_model(uri: str) -> None:
        raise RuntimeError("no weights")

    monkeypatch.setattr(roboreward.models, "load_model", load_model)
    monkeypatch.setattr(checkup, "_checkout", lambda: tmp_path)
    remedy = states()["nano"].remedy
    assert f'--out "{tmp_path / "out" / "nano"}"' in remedy
    assert f'"{tmp_path / "src" / "roboreward" / "models" / "weights"}"' in remedy
