"""How far something is, for whoever watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from roboreward.cli.edge import plain

_REFRESH_S: Final = 0.1


@contextmanager
def progress_bars(*, is_quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that shows how far something is, with the time that is left, where a person watches.

    Elsewhere it prints a line now and then, so that a log shows that something is happening. The function takes what is
    being done, how many are done, and how many there are (0 where nobody knows).
    """
    if is_quiet:
        yield lambda name, num_done, num: None
        return
    if not sys.stderr.isatty():
        yield _say_now_and_then
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    # A name is no markup: of "openai:m:" it would make an emoji.
    name = TextColumn("{task.description:<14}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}
        next_s: dict[str, float] = {}

        def show(name: str, num_done: int, num: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=num or None)
            # A cheap step may come a million times.
            if num_done == num or time.monotonic() >= next_s.get(name, 0.0):
                bars.update(tasks[name], completed=num_done, total=num or None)
                next_s[name] = time.monotonic() + _REFRESH_S

        yield show


def _say_now_and_then(name: str, num_done: int, num: int) -> None:
    """Print at every tenth part; where the whole is not known, at 1, 2, 4, 8, ..."""
    if not num:
        if num_done & (num_done - 1) == 0:
            click.echo(f"{plain(name)}: {num_done:,}", err=True)
    elif num_done * 10 // num != (num_done - 1) * 10 // num:
        click.echo(f"{plain(name)}: {num_done}/{num}", err=True)
