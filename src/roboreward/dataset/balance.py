"""The largest choice of rows whose levels, origins and sources have the shares that a recipe asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.core import MissingExtra, UsageError, shorten
from roboreward.dataset.recipe import Balance, Shares

Floats = npt.NDArray[np.float64]

_TOLERANCE: Final = 1e-3
"""How far a share may be off before a number of rows counts as out of reach, as a part of the whole."""
_SWEEPS: Final = 40
"""Rounds of `_ROUND` sweeps at most."""
_ROUND: Final = 10
_STUCK: Final = 0.9
"""Part of the error that is still there after a round, above which no more is expected."""


@dataclass(frozen=True)
class Margin:
    """What a target asks of one dimension.

    Attributes:
        name: "level", "origin" or "source".
        values: Its values.
        share: Part of all rows that each gets; they add up to 1.
        members: Which kinds of rows have each value, as index arrays.
    """

    name: str
    values: tuple[str, ...]
    share: tuple[float, ...]
    members: tuple[npt.NDArray[np.int64], ...]


def balanced_counts(
    balance: Balance, kinds: Sequence[Mapping[str, str]], counts: Sequence[int], *, where: str
) -> list[int]:
    """Return how many rows of each kind to keep: as many as the target allows.

    Every share of every dimension is met to a thousandth of the whole, or to the rounding of small numbers.

    Args:
        balance: The target.
        kinds: "source", "origin" and "level" of each kind of row.
        counts: Rows that there are of each.
        where: The split, for messages.

    Raises:
        UsageError: The target names a value of which there is no row, or no number of rows meets it.
        MissingExtra: scipy is not installed, and the target has several dimensions.
    """
    there = np.array(counts, float)
    margins = [
        _margin(name, shares, kinds, there, where)
        for name in ("level", "origin", "source")
        if (shares := getattr(balance, name)) is not None
    ]
    for margin in margins:
        for share, members in zip(margin.share, margin.members, strict=True):
            if not share:
                there[members] = 0
    most = float(there.sum()) if balance.max_rows is None else float(balance.max_rows)
    kept = _largest(margins, there, min(most, float(there.sum())))
    if margins and kept.sum() < 1:
        raise UsageError(
            f"No row of {where} can be kept: {_narrowest(margins, there)}. Change the target of the balance."
        )
    return [int(num) for num in _rounded(kept, there)]


def _margin(
    name: str, shares: Shares, kinds: Sequence[Mapping[str, str]], there: Floats, where: str
) -> Margin:
    occurring = sorted({kind[name] for kind, num in zip(kinds, there, strict=True) if num})
    wanted = dict.fromkeys(occurring, 1 / len(occurring)) if shares == "even" else dict(shares)
    for value, share in wanted.items():
        if share and value not in occurring:
            raise UsageError(
                f"The balance asks for {share:.0%} of {name} {shorten(repr(value))} in {where}, and there is no such "
                f"row. There are: {', '.join(occurring)}."
            )
    for value in occurring:
        wanted.setdefault(value, 0.0)
    members = [[i for i, kind in enumerate(kinds) if kind[name] == value] for value in wanted]
    return Margin(
        name,
        tuple(wanted),
        tuple(wanted.values()),
        tuple(np.array(some, np.int64) for some in members),
    )


def _largest(margins: Sequence[Margin], there: Floats, most: float) -> Floats:
    """Return the largest choice that meets all margins: found by linear programming, spread out where that is possible.

    An optimum of a linear program takes some kinds whole and others not at all. Scaling, up to nearly as many rows,
    takes a part of each; where it does not get there (some kinds must be left out), the optimum stands.
    """
    if len(margins) < 2:
        for margin in margins:
            for share, members in zip(margin.share, margin.members, strict=True):
                if share:
                    most = min(most, float(there[members].sum()) / share)
        fitted = _fitted(margins, there, most)
        return np.zeros_like(there) if fitted is None else fitted
    optimum = _optimum(margins, there, most)
    fitted = _fitted(margins, there, float(optimum.sum()) * (1 - _TOLERANCE))
    return optimum if fitted is None else fitted


def _optimum(margins: Sequence[Margin], there: Floats, most: float) -> Floats:
    """Maximise the number of rows; every value's rows less its share of all rows are 0.

    Raises:
        MissingExtra: scipy is not installed.
    """
    try:
        from scipy.optimize import linprog
    except ImportError as error:
        raise MissingExtra("scipy", "data", "A balance over several dimensions") from error
    rows = []
    for margin in margins:
        for share, members in zip(margin.share, margin.members, strict=True):
            row = np.full(len(there), -share)
            row[members] += 1
            rows.append(row)
    found = linprog(
        c=-np.ones(len(there)),
        A_eq=np.array(rows),
        b_eq=np.zeros(len(rows)),
        A_ub=np.ones((1, len(there))),
        b_ub=[most],
        bounds=list(zip(np.zeros(len(there)), there, strict=True)),
        method="highs",
    )
    # Nothing at all meets every condition, so there is always an optimum.
    optimum: Floats = np.clip(np.array(found.x, float), 0, there)
    return optimum


def _fitted(margins: Sequence[Margin], there: Floats, total: float) -> Floats | None:
    """Scale the kinds of each value in turn, never above what is there, until all shares hold.

    Each step is a projection onto one condition by relative entropy; taken in turn, they end where all conditions hold,
    if such a place exists.
    """
    kept: Floats = there * min(1.0, total / max(there.sum(), 1.0))
    before = np.inf
    for _ in range(_SWEEPS):
        for margin in list(margins) * _ROUND:
            for share, members in zip(margin.share, margin.members, strict=True):
                kept[members] = _scaled(kept[members], there[members], share * total)
        off = max((_error(margin, kept, total) for margin in margins), default=0.0)
        if off <= _TOLERANCE * total:
            return kept
        if off > _STUCK * before:
            return None
        before = off
    return None


def _error(margin: Margin, kept: Floats, total: float) -> float:
    """Return by how many rows the worst share is off."""
    return max(
        abs(float(kept[members].sum()) - share * total)
        for share, members in zip(margin.share, margin.members, strict=True)
    )


def _scaled(kept: Floats, most: Floats, total: float) -> Floats:
    """Multiply by one factor so that the sum is `total`, where nothing gets more than its `most`."""
    if total >= most.sum():
        return np.array(most)
    room = np.divide(most, kept, out=np.full_like(most, np.inf), where=kept > 0)
    order = np.argsort(room)
    # With the first i kinds full, the factor of the others is what is left over what they are.
    full = np.concatenate([[0.0], np.cumsum(most[order])[:-1]])
    rest = np.cumsum(kept[order][::-1])[::-1]
    factors = np.divide(total - full, rest, out=np.zeros_like(rest), where=rest > 0)
    fits = np.flatnonzero(factors <= room[order])
    factor = factors[fits[0]] if len(fits) else 0.0
    scaled: Floats = np.minimum(most, kept * factor)
    return scaled


def _narrowest(margins: Sequence[Margin], there: Floats) -> str:
    told = [
        (float(there[members].sum()) / share, f"{margin.name} {value!r}")
        for margin in margins
        for value, share, members in zip(margin.values, margin.share, margin.members, strict=True)
        if share
    ]
    limit, name = min(told)
    return f"{name} allows {limit:,.0f} rows at most, and the shares together fewer"


def _rounded(kept: Floats, there: Floats) -> npt.NDArray[np.int64]:
    """Round down, and give the rows that are lost by it to the largest remainders."""
    whole = np.floor(kept + 1e-9)
    lost = round(float((kept - whole).sum()))
    for place in np.argsort(whole - kept, kind="stable")[: max(lost, 0)]:
        whole[place] = min(whole[place] + 1, there[place])
    return whole.astype(np.int64)
