"""What a reader needs to run something again: versions, platform, commit."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import roboreward

PACKAGES: Final = ("numpy", "av", "pydantic")


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return versions and platform. No host name, no paths, no variables.

    Args:
        packages: Whose versions count, besides Python's and our own.
    """
    found = {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{platform.system()} {platform.machine()}",
        "roboreward": roboreward.__version__,
    }
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # vendored or run from a zip
            found[package] = "unknown"
    return found


def commit_of(file: Path) -> str | None:
    """Return the commit of the checkout that a file is a part of, with "-dirty" for changes.

    None when git does not track the file: an installed copy that lies in somebody's checkout is not of its commit.
    """
    if _git(file, "ls-files", "--error-unmatch", "--", file.name) is None:
        return None
    return _git(file, "describe", "--always", "--dirty")


def _git(file: Path, *command: str) -> str | None:
    """What git says in a file's folder, or None when it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(file.resolve().parent), *command],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or None) if done.returncode == 0 else None
