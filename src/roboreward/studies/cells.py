"""A study by cells, one for each variant and base policy, and its numbers as short plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roboreward.studies.results import (
    FLOOR,
    NONE,
    ORACLE,
    ORACLE_LEVELS,
    Row,
    StudyRun,
    Variant,
    rows,
)
from roboreward.studies.stats import Interval, mean_interval

NANO: Final = "nano"
NOT_SEPARABLE: Final = "not separable"
TOO_FEW: Final = "too few seeds"
_ORDER: Final = (ORACLE, ORACLE_LEVELS, NANO, "nano-no-relabels", "nano-no-negatives")
_LAST: Final = (FLOOR, NONE)
_VARIANTS: Final[tuple[Variant, ...]] = ("one-decision", "chunked")


@dataclass(frozen=True)
class Cell:
    """All runs of one variant on one base policy.

    Attributes:
        rows: One for each reward: references first, then nano and what it is compared with, floors last.
    """

    variant: Variant
    base: str
    runs: tuple[StudyRun, ...]
    rows: tuple[Row, ...]

    def row(self, reward: str) -> Row | None:
        """Return the row of a reward, or None when it has no run here."""
        return next((row for row in self.rows if row.reward == reward), None)

    def runs_of(self, reward: str) -> list[StudyRun]:
        """Return the runs with a reward, by seed."""
        return sorted((r for r in self.runs if r.reward == reward), key=lambda r: r.seed)


def cells_of(runs: Sequence[StudyRun]) -> list[Cell]:
    """Group runs by variant (one decision first) and base policy (in order of first appearance)."""
    found: dict[tuple[Variant, str], list[StudyRun]] = {}
    for run in runs:
        found.setdefault((run.variant, run.base), []).append(run)
    return [
        Cell(
            variant,
            base,
            tuple(there),
            tuple(sorted(rows(there), key=lambda row: _place(row.reward))),
        )
        for variant in _VARIANTS
        for (of, base), there in found.items()
        if of == variant
    ]


def rewards_of(cells: Sequence[Cell]) -> list[str]:
    """Return the names of all rewards of a study, in the order of a cell's rows."""
    return sorted({row.reward for cell in cells for row in cell.rows}, key=_place)


def main_reward(cells: Sequence[Cell]) -> str:
    """Return the reward that the study is about: nano, or else the first that is neither reference nor floor."""
    names = [row.reward for cell in cells for row in cell.rows]
    judged = [n for n in names if n not in (NONE, FLOOR) and not n.startswith("oracle")]
    trained = [n for n in names if n != NONE]
    return next(iter([n for n in names if n == NANO] + judged + trained + names))


def paired(mine: Row, other: Row) -> tuple[list[float], list[float]]:
    """Return the success of both by seed, over the seeds that both have."""
    mine_by = dict(zip(mine.seeds, mine.by_seed, strict=True))
    other_by = dict(zip(other.seeds, other.by_seed, strict=True))
    both = sorted(set(mine_by) & set(other_by))
    return [mine_by[seed] for seed in both], [other_by[seed] for seed in both]


def difference(mine: Row, other: Row) -> Interval | None:
    """Return by how much `mine` succeeds more often than `other`, paired by seed; None without a common seed."""
    pairs = list(zip(*paired(mine, other), strict=True))
    return mean_interval([a - b for a, b in pairs]) if pairs else None


def percent(value: float) -> str:
    """Return a share as whole percent; what is not quite none or not quite all is not rounded to it."""
    if 0 < value < 0.005:
        return "<1 %"
    if 0.995 < value < 1:
        return ">99 %"
    return f"{100 * value:.0f} %"


def share(interval: Interval) -> str:
    """Return a share with its interval, such as "93 % [91, 95]"; the interval is cut at 0 and 100."""
    if interval.lo is None or interval.hi is None:
        return percent(interval.value)
    return f"{percent(interval.value)} [{100 * max(interval.lo, 0):.0f}, {100 * min(interval.hi, 1):.0f}]"


def points(interval: Interval) -> str:
    """Return a difference of shares in percentage points with its interval, such as "+48 [44, 52]"."""
    value = _signed(interval.value)
    if interval.lo is None or interval.hi is None:
        return value
    return f"{value} [{_signed(interval.lo)}, {_signed(interval.hi)}]"


def doubt_of(interval: Interval) -> str:
    """Say what a difference must not be read without: that it is not separable, or of too few seeds; else ""."""
    if interval.lo is None:
        return TOO_FEW
    return "" if interval.is_separable_from_zero else NOT_SEPARABLE


def joined(items: Sequence[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def _signed(value: float) -> str:
    """Return whole points; what would round to zero keeps a decimal, so that an end does not seem to touch it."""
    digits = 0 if abs(value) >= 0.005 else 1
    shown = f"{100 * value:+.{digits}f}"
    return "0" if float(shown) == 0 else shown


def _place(reward: str) -> tuple[int, str]:
    if reward in _LAST:
        return 100 + _LAST.index(reward), ""
    return (_ORDER.index(reward), "") if reward in _ORDER else (50, reward)
