"""Every exception ends as a message and an exit code."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.cli.edge import plain
from roboreward.core import DataError, UnknownName


@pytest.fixture
def raising() -> Iterator[Any]:
    """A function that makes the verb `raising` raise what it is given."""

    def prepare(error: BaseException) -> None:
        @click.command("raising")
        def command() -> None:
            raise error

        main.add_command(command)

    yield prepare
    main.commands.pop("raising", None)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("rows.jsonl:3: no task. Add one."), 2, "Error: rows.jsonl:3: no task. Add one."),
        (UnknownName("model", "nanoo", ["nano"]), 2, "Did you mean nano?"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "Error: /x/y: Permission denied."),
        (OSError(28, "No space left on device"), 2, "the disk is full"),
        (KeyboardInterrupt(), 130, "Stopped. Run the same command again to go on."),
        (ValueError("inner detail"), 70, "fault of roboreward"),
    ],
    ids=["data", "unknown-name", "system", "disk-full", "interrupt", "fault"],
)
def test_an_error_becomes_a_message_and_an_exit_code(
    raising: Any, error: BaseException, code: int, message: str
) -> None:
    raising(error)
    result = CliRunner().invoke(main, ["raising"])
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_debug_shows_the_traceback(raising: Any) -> None:
    raising(ValueError("inner detail"))
    result = CliRunner().invoke(main, ["--debug", "raising"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


def test_a_mistyped_option_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["score", "--taks", "x"])
    assert result.exit_code == 2
    assert "--task" in result.stderr


def test_control_characters_do_not_reach_the_terminal(raising: Any) -> None:
    raising(DataError("bad file \x1b[2J\x07.mp4"))
    result = CliRunner().invoke(main, ["raising"])
    assert "\x1b" not in result.stderr
    assert "bad file ?[2J?.mp4" in result.stderr
    assert plain("two\nlines") == "two\nlines"


def test_a_closed_pipe_is_silent() -> None:
    code = "from roboreward.cli import main; main(['--help'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors
