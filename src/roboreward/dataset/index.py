"""What has to be known of all episodes at once, in flat arrays: about 120 bytes an episode with four clips."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from roboreward.core import DataError
from roboreward.dataset.episodes import levels_of
from roboreward.dataset.lines import Line
from roboreward.dataset.recipe import DatasetRecipe

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_LOOKS: Final = 8


class Cell(NamedTuple):
    """What rows are balanced by."""

    source: str
    origin: str
    level: str


@dataclass(frozen=True, eq=False)
class Index:
    """The episodes of a build, N of them with R rows, in the order of their lines.

    Attributes:
        splits: Names of the splits.
        cells: Kinds of rows, by number.
        split: int8 (N,), number of each episode's split, the same for all of a group.
        first: int64 (N,), the first episode of each one's group; groups that share frames are one.
        is_joined: bool (N,), whether the episode's group is one of several that were joined.
        frames: uint64 (N,), what the frames of each are.
        looks: uint64 (N, 8), see `media.perceptual_fingerprint`; (0, 8) where it is not known.
        key: uint64 (N,), id of each.
        episode: int32 (R,), each row's episode.
        cell: uint32 (R,), each row's kind.
    """

    splits: tuple[str, ...]
    cells: tuple[Cell, ...]
    split: npt.NDArray[np.int8]
    first: Ints
    is_joined: Flags
    frames: Words
    looks: Words
    key: Words
    episode: npt.NDArray[np.int32]
    cell: npt.NDArray[np.uint32]

    @property
    def num_duplicates(self) -> int:
        """Episodes whose frames an earlier one has."""
        return len(self.frames) - len(np.unique(self.frames))

    def draws(self, rows: Ints) -> Words:
        """Return a number for each of these rows, uint64, drawn from its episode's id and its level alone."""
        level = np.array([int(cell.level) for cell in self.cells], np.uint64)[self.cell[rows]]
        return _drawn(self.key[self.episode[rows]], level)


def index_of(lines: Iterable[Line], recipe: DatasetRecipe) -> Index:
    """Read lines once and keep what is needed of them; a line that is a skip must not be among them."""
    splits = tuple(recipe.splits)
    keys, groups, frames, looks = array("Q"), array("Q"), array("Q"), bytearray()
    num_rows, cell_of_row, split = array("B"), array("I"), array("b")
    cells: dict[Cell, int] = {}
    for line in lines:
        try:
            keys.append(int(line["key"], 16))
            groups.append(_word(line["group"]))
            frames.append(int(line["frames"][:16], 16))
            looks += bytes.fromhex(line.get("looks", ""))
            rows = [Cell(line["source"], origin, str(score)) for origin, score in levels_of(line)]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"A line of this build is damaged ({error!r}). Build it anew."
            ) from error
        cell_of_row.extend(cells.setdefault(cell, len(cells)) for cell in rows)
        num_rows.append(len(rows))
        split.append(splits.index(split_of(line["group"], recipe)))
    first, is_joined = _joined(_words(groups), _words(frames))
    counts = np.frombuffer(num_rows, np.uint8) if len(keys) else np.zeros(0, np.uint8)
    return Index(
        splits=splits,
        cells=tuple(cells),
        split=np.frombuffer(split, np.int8)[first] if len(keys) else np.zeros(0, np.int8),
        first=first,
        is_joined=is_joined,
        frames=_words(frames),
        looks=np.frombuffer(bytes(looks), ">u8").astype(np.uint64).reshape(-1, _LOOKS),
        key=_words(keys),
        episode=np.repeat(np.arange(len(keys), dtype=np.int32), counts),
        cell=np.frombuffer(cell_of_row, np.uint32) if cells else np.zeros(0, np.uint32),
    )


def split_of(group: str, recipe: DatasetRecipe) -> str:
    """Draw a split from the seed and the group alone, so that further sources do not move what is there."""
    digest = sha256(f"{recipe.seed}/{group}".encode()).digest()
    place, reached = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for split, share in recipe.splits.items():
        reached += share
        if place < reached:
            return split
    return next(split for split, share in reversed(recipe.splits.items()) if share > 0)


def _word(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def _words(values: "array[int]") -> Words:
    return np.frombuffer(values, np.uint64) if len(values) else np.zeros(0, np.uint64)


def _joined(groups: Words, frames: Words) -> tuple[Ints, Flags]:
    """Join groups that hold the same frames: a copy must not lie in another split than its original."""
    _, first_of_group, group = np.unique(groups, return_index=True, return_inverse=True)
    joined = np.arange(len(first_of_group))

    def root(one: int) -> int:
        while joined[one] != one:
            joined[one] = joined[joined[one]]
            one = int(joined[one])
        return one

    order = np.argsort(frames, kind="stable")
    same = frames[order][1:] == frames[order][:-1]
    for one, other in zip(group[order][:-1][same], group[order][1:][same], strict=True):
        pair = sorted((root(int(one)), root(int(other))), key=lambda g: first_of_group[g])
        joined[pair[1]] = pair[0]
    several = np.flatnonzero(joined != np.arange(len(joined)))
    for one in several:
        joined[one] = root(int(one))
    is_joined = np.zeros(len(joined), bool)
    is_joined[several] = is_joined[joined[several]] = True
    return first_of_group[joined[group]], is_joined[group]


def _drawn(keys: Words, others: Words) -> Words:
    """Mix two numbers into one that looks random (the finaliser of SplitMix64)."""
    mixed = keys + (others + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn: Words = mixed ^ (mixed >> np.uint64(31))
    return drawn
