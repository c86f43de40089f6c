"""Measure what start-up costs: CPU seconds (user and system) of a fresh process, best of several.

Run: python benchmarks/startup.py [--repeats 7]
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROBOREWARD = [sys.executable, "-c", "from roboreward.cli import main; main()"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import roboreward": [sys.executable, "-c", "import roboreward"],
    "roboreward --help": [*ROBOREWARD, "--help"],
    "roboreward models": [*ROBOREWARD, "models"],
    "roboreward doctor": [*ROBOREWARD, "doctor"],
}


def cpu_seconds(command: list[str]) -> float:
    """Return user plus system CPU seconds of one run of `command` and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine() -> str:
    """Return one line that says where the numbers come from."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("roboreward", "click"))
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"python {Path(sys.argv[0]).as_posix()} --repeats {repeats}")
    print(f"{machine()}; best of {repeats}, CPU seconds of the whole process\n")
    baseline = None
    for name, command in COMMANDS.items():
        best = min(cpu_seconds(command) for _ in range(repeats))
        baseline = best if baseline is None else baseline
        print(f"{name:<20}{best:7.3f}   {best - baseline:+7.3f} over a bare interpreter")


if __name__ == "__main__":
    main()
