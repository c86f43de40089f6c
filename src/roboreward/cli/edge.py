"""The outer edge of the program: every exception ends here as a message and an exit code.

| what happened | exit code |
|---|---|
| a user or input error (`RoboRewardError`, a click usage error, a file the system refuses) | 2 |
| interrupted by the user | 130 |
| a fault of this program | 70 |
"""

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click

EXIT_FINDINGS = 1
EXIT_INPUT = 2
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130

_F = TypeVar("_F", bound=Callable[..., Any])


class EdgeGroup(click.Group):
    """A click group that never shows a traceback unless `--debug` asks for one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command and turn what it raises into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("Stopped. Run the same command again to go on.", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc(file=sys.stderr)
            message, code = describe(error)
            click.echo(message, err=True)
            ctx.exit(code)


def describe(error: Exception) -> tuple[str, int]:
    """Return the message for a person and the exit code for an exception.

    Args:
        error: Anything that a command raised.
    """
    from roboreward.core import RoboRewardError

    if isinstance(error, RoboRewardError):
        return f"Error: {plain(str(error))}", EXIT_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return f"Error: {plain(_os_error(error))}", EXIT_INPUT
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "Error: the disk is full. Free some space and run the same command again.", 2
    return (
        f"Unexpected error: {type(error).__name__}: {plain(str(error))}\n"
        "This is a fault of roboreward. Run `roboreward --debug ...` with the same arguments and "
        "report the output, together with that of `roboreward doctor`.",
        EXIT_FAULT,
    )


def _os_error(error: OSError) -> str:
    return f"{error.filename}: {error.strerror or os.strerror(error.errno or 0)}."


def plain(text: str) -> str:
    """Return `text` without control characters, so that no file name or answer can drive a terminal.

    Args:
        text: Text from outside. Line breaks and tabs are kept.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def print_json(value: Any) -> None:
    """Print one JSON value, and nothing else, on stdout.

    Args:
        value: Plain JSON types only. Not-a-number is refused, as JSON has none.
    """
    click.echo(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False))


def json_option(command: _F) -> _F:
    """Add the `--json` flag to a command, as the argument `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON value on stdout and nothing else."
    )(command)
