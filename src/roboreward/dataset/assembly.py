"""The second half of a build: lines of episodes become splits, in bounded memory.

The lines are read twice. First they are indexed, and it is decided which rows stay and where; then each row is written
to its split as it comes. The splits appear under their names when all of them are whole.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from roboreward.core import Example, StoreError
from roboreward.dataset.balance import balanced_counts
from roboreward.dataset.episodes import examples_of
from roboreward.dataset.index import Cell, Flags, Index, Ints
from roboreward.dataset.layout import METADATA
from roboreward.dataset.lines import Line
from roboreward.dataset.recipe import DatasetRecipe
from roboreward.dataset.rows import row_of
from roboreward.media import nearest_lookalikes
from roboreward.sources import OnSkip, Skip
from roboreward.store import JsonlWriter, cannot_write

STRICTEST_LAST: Final = ("train", "val", "test")
_OUR_VIDEO: Final = re.compile(r"[0-9a-f]{16}\.mp4")
Counts = dict[str, dict[Cell, int]]
"""Rows by split and kind."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Which rows of an index stay.

    Attributes:
        kept: bool (R,).
        lookalike: int64 (N,), the episode of a later split that an episode looks like, for which it is left out; -1.
    """

    kept: Flags
    lookalike: Ints


def choose(index: Index, recipe: DatasetRecipe) -> Choice:
    """Decide which rows stay: no episode that looks like one of a later split, and the shares of the balance.

    Raises:
        UsageError: The balance cannot be met.
    """
    lookalike = np.full(len(index.key), -1)
    if recipe.duplicates == "looks" and len(index.looks):
        for place, split in enumerate(STRICTEST_LAST[:-1]):
            mine, later = _in(index, (split,)), _in(index, STRICTEST_LAST[place + 1 :])
            found = nearest_lookalikes(index.looks[mine], among=index.looks[later])
            lookalike[mine[found >= 0]] = later[found[found >= 0]]
    kept = (lookalike < 0)[index.episode]
    if recipe.balance is not None:
        split_of_row = index.split[index.episode]
        for split in recipe.balance.splits or index.splits:
            mine = np.flatnonzero(kept & (split_of_row == index.splits.index(split)))
            if len(mine):
                kept[mine] = _balanced(index, mine, recipe, split)
    return Choice(kept, lookalike)


def _in(index: Index, splits: Iterable[str]) -> Ints:
    numbers = [index.splits.index(split) for split in splits if split in index.splits]
    return np.flatnonzero(np.isin(index.split, numbers))


def _balanced(index: Index, rows: Ints, recipe: DatasetRecipe, split: str) -> Flags:
    assert recipe.balance is not None
    cell = index.cell[rows]
    counts = np.bincount(cell, minlength=len(index.cells))
    kinds = [one._asdict() for one in index.cells]
    wanted = balanced_counts(recipe.balance, kinds, counts.tolist(), where=f"split {split!r}")
    # Of each kind, those with the lowest draws: the first `wanted` places of a sort by kind, then draw.
    order = np.lexsort((index.draws(rows), cell))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.zeros(len(rows), bool)
    kept[order] = place < np.array(wanted)[cell[order]]
    return kept


def counts_of(index: Index, kept: Flags) -> Counts:
    """Return the rows of each split by kind; splits and kinds without rows are left out."""
    found: Counts = {}
    for place, split in enumerate(index.splits):
        mine = index.cell[kept & (index.split == place)[index.episode]]
        for kind, num in zip(*np.unique(mine, return_counts=True), strict=True):
            found.setdefault(split, {})[index.cells[int(kind)]] = int(num)
    return found


def write_splits(
    lines: Iterable[Line],
    index: Index,
    choice: Choice,
    *,
    videos: Path,
    out: Path,
    work: Path,
    on_skip: OnSkip,
    say: Callable[[int], None],
) -> None:
    """Write the chosen rows into `<out>/<split>`.

    Args:
        lines: The lines that were indexed, again.
        index: Of the lines.
        choice: Of the index.
        videos: Where the videos lie, by the first two digits of the whole video's id.
        out: The dataset's folder; its splits are replaced.
        work: A folder on the same disk for splits under way; emptied.
        on_skip: Receives what was left out for its looks.
        say: Called with the number of episodes done.

    Raises:
        StoreError: A file cannot be written.
    """
    shutil.rmtree(work, ignore_errors=True)
    names: dict[int, str] = {}
    row = 0
    with ExitStack() as stack:
        writers: dict[str, JsonlWriter] = {}
        for number, line in enumerate(lines):
            first = int(index.first[number])
            group: str = line["group"]
            if index.is_joined[number]:
                # The first episode of joined groups comes first, and gives them their name.
                group = names.setdefault(first, group)
            split = index.splits[index.split[number]]
            if choice.lookalike[number] >= 0:
                on_skip(_left_out(line, split, index, int(choice.lookalike[number])))
            for example in examples_of(line, group):
                if choice.kept[row]:
                    if split not in writers:
                        writer = JsonlWriter(work / split / METADATA, durable=False)
                        writers[split] = stack.enter_context(writer)
                    _place(videos / line["key"][:2], work / split, example)
                    writers[split].append(row_of(example))
                row += 1
            say(number + 1)
    for split in index.splits:
        _replace(out / split, work / split)


def _left_out(line: Line, split: str, index: Index, other: int) -> Skip:
    later = index.splits[index.split[other]]
    text = (
        f"looks like example {int(index.key[other]):016x} of {later}, so it is left out of {split}. "
        '`duplicates = "frames"` keeps it.'
    )
    return Skip(line["where"], f"looks_like_{later}", f"{line['where']}: {text}")


def _place(made: Path, folder: Path, example: Example) -> None:
    """Put a video under its final name: a link where the disk has them, else a copy."""
    source, target = made / f"{example.example_id}.mp4", folder / example.file_name
    if not source.exists():
        raise StoreError(
            f"{source} is gone, and the build needs it. Delete its folder and build anew."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise cannot_write(target, error) from error


def _replace(target: Path, made: Path) -> None:
    """Put a whole split in the place of an older one, never mixed with it; what no build wrote moves along."""
    try:
        for path in sorted(target.rglob("*")):
            if path.is_file() and not _is_ours(path.relative_to(target)):
                kept = made / path.relative_to(target)
                kept.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, kept)
        shutil.rmtree(target, ignore_errors=True)
        if made.exists():
            os.replace(made, target)
    except OSError as error:
        raise cannot_write(target, error) from error


def _is_ours(path: Path) -> bool:
    return path.name == METADATA or (len(path.parts) == 2 and bool(_OUR_VIDEO.fullmatch(path.name)))
