"""What `roboreward doctor` finds out. Standard library only, so that it works in a half-installed environment."""

import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from json import loads
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlparse

State = Literal["ok", "missing", "too_old", "broken", "absent"]

_NAME_AND_FLOOR = re.compile(
    r"^\s*(?P<name>[A-Za-z0-9._-]+)[^;>]*(?:>=\s*(?P<floor>[0-9][0-9.]*))?"
)
_PYTHON_MARKER = re.compile(r"python_version\s*<\s*['\"](?P<below>[0-9.]+)['\"]")
_EXTRA_MARKER = re.compile(r"extra\s*==\s*['\"](?P<extra>[A-Za-z0-9_-]+)['\"]")
_MIN_PYTHON = (3, 10)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: "absent" is an extra that is not installed, which is no trouble; all but "ok" and it are.
        found: Version or observation.
        remedy: The exact command or action that mends it, or nothing.
        extra: The extra it belongs to, or None when it is required.
    """

    name: str
    state: State
    found: str = ""
    remedy: str = ""
    extra: str | None = None

    @property
    def is_trouble(self) -> bool:
        """Whether roboreward cannot do its work because of this."""
        return self.state not in ("ok", "absent")

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Need:
    name: str
    floor: str
    extra: str | None


def examine() -> list[Finding]:
    """Look at Python, at every dependency, and at whether the parts work together.

    The parts are tried only when every dependency is there: their errors would say nothing new.
    """
    findings = [_python(), *(_dependency(need) for need in needs())]
    if not any(finding.is_trouble for finding in findings):
        findings += [_tried("video", _try_video), _tried("renderer", _try_renderer)]
        findings.append(_tried("nano", _try_nano))
    return findings


def needs(requires: list[str] | None = None) -> Iterator[_Need]:
    """Yield the dependencies that apply to this Python, the required ones first.

    Args:
        requires: Requirement lines as in the package's metadata; those of roboreward when None.
    """
    lines = requires if requires is not None else metadata.requires("roboreward") or []
    for line in sorted(lines, key=lambda text: "extra ==" in text):
        python, extra = _PYTHON_MARKER.search(line), _EXTRA_MARKER.search(line)
        if python and sys.version_info[:2] >= _numbers(python["below"]):
            continue
        match = _NAME_AND_FLOOR.match(line)
        if match:
            yield _Need(match["name"], match["floor"] or "", extra["extra"] if extra else None)


def _python() -> Finding:
    is_new_enough = sys.version_info[:2] >= _MIN_PYTHON
    return Finding(
        name="python",
        state="ok" if is_new_enough else "too_old",
        found=f"{platform.python_version()} ({sys.executable})",
        remedy="" if is_new_enough else "install Python 3.10 or newer",
    )


def _dependency(need: _Need) -> Finding:
    label = f"{need.name} [{need.extra}]" if need.extra else need.name
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        state: State = "absent" if need.extra else "missing"
        return Finding(label, state, "not installed", _install_command(need), need.extra)
    if need.floor and _numbers(version) < _numbers(need.floor):
        # An outdated extra is trouble too: it would fail in the middle of the work that needs it.
        found = f"{version}, needs {need.floor} or newer"
        return Finding(label, "too_old", found, _install_command(need), need.extra)
    return Finding(label, "ok", version, extra=need.extra)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; what follows them does not matter against a floor."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _install_command(need: _Need) -> str:
    pip = f'"{sys.executable}" -m pip install'
    if need.extra is None:
        return f'{pip} "{need.name}>={need.floor}"' if need.floor else f'{pip} "{need.name}"'
    checkout = _checkout()
    return (
        f'{pip} -e "{checkout}[{need.extra}]"' if checkout else f'{pip} "roboreward[{need.extra}]"'
    )


def _checkout() -> Path | None:
    """Return the checkout that is installed in place, or None for a normal install."""
    text = metadata.distribution("roboreward").read_text("direct_url.json")
    origin = loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(origin["url"]).path))


def _tried(name: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", attempt())
    except Exception as error:  # a checkup reports whatever is wrong with a part, of any kind
        found = f"{type(error).__name__}: {error}"
        return Finding(name, "broken", found, _reinstall_command(name))


def _reinstall_command(name: str) -> str:
    checkout = _checkout()
    if checkout is None:
        return f'"{sys.executable}" -m pip install --force-reinstall roboreward'
    if name == "nano":
        weights = checkout / "src" / "roboreward" / "models" / "weights"
        # Training also leaves a gigabyte of demonstrations, which must not end up inside the package.
        made = checkout / "out" / "nano"
        train = f'roboreward train "{checkout / "recipes" / "nano.toml"}" --out "{made}"'
        return f'{train} && cp "{made}"/nano.* "{weights}"'
    return f'"{sys.executable}" -m pip install --force-reinstall -e "{checkout}"'


def _try_video() -> str:
    import numpy as np

    from roboreward.media import sample_frames, write_video

    frames_THWC = np.full((4, 64, 64, 3), 128, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        write_video(path, frames_THWC, fps=4.0)
        sample = sample_frames(path)
    return f"H.264 written and read back, {sample.record.num_frames} frames"


def _try_renderer() -> str:
    from roboreward.sim import EpisodeSpec, simulate

    episode = simulate(EpisodeSpec(split="test", index=0, num_frames=2, size_px=32))
    return f"MuJoCo simulated {episode.duration_s:.1f} s and cast the rays of a picture"


def _try_nano() -> str:
    from roboreward.models import load_model

    return f"weights loaded, revision {load_model('nano').revision}"
