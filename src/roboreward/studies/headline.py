"""The result of a study in plain sentences, computed from its rows and true whatever they hold."""

from collections.abc import Sequence
from typing import Final, Literal

from roboreward.studies.cells import (
    Cell,
    cells_of,
    doubt_of,
    joined,
    main_reward,
    paired,
    percent,
    points,
    share,
)
from roboreward.studies.results import FLOOR, NONE, ORACLE, Row, StudyRun
from roboreward.studies.stats import mean_interval

Kind = Literal["rises", "falls", "unclear", "too few seeds", "no base"]
"""What a reward did to true success: a separable rise or fall, none that can be told, or no way to tell."""

_SAYS: Final[tuple[tuple[Kind, str, str], ...]] = (
    ("rises", "rises", ""),
    ("falls", "falls", ""),
    ("unclear", "goes", ", which is not separable from no change"),
    ("too few seeds", "goes", " (too few seeds for an interval)"),
    ("no base", "reaches", " (the base policy was not run with these seeds)"),
)


def study_headline(cells: Sequence[Cell]) -> str:
    """Say what training with the study's main reward did to true success, and what random scores did; plain text."""
    main = main_reward(cells)
    if main == NONE:
        only = joined([f"{share(row.success)} on {_on(c, cells)}" for c, row in _with(NONE, cells)])
        return f"No policy was trained. True success is {only}."
    said = _sentences(main, cells, subject=f"With {main} as the only reward, true success")
    return said if main == FLOOR else f"{said} {_floor_sentence(cells)}"


def headline_of(runs: Sequence[StudyRun]) -> tuple[str, str]:
    """Return the result of a study in plain sentences, and its comparison with the reference ("" without one)."""
    cells = cells_of(runs)
    return study_headline(cells), oracle_sentence(cells)


def oracle_sentence(cells: Sequence[Cell]) -> str:
    """Compare the study's main reward with what a person watching would give; "" where there is no such reference."""
    main = main_reward(cells)
    found = [(cell, row.to_oracle) for cell, row in _with(main, cells) if row.to_oracle is not None]
    if not found:
        return ""
    each: list[str] = []
    for cell, gap in found:
        doubt = doubt_of(gap)
        unit = "" if each else " points"
        each.append(f"{points(gap)}{unit} on {_on(cell, cells)}{f' ({doubt})' if doubt else ''}")
    return f"Measured against {ORACLE} (what a person watching would report), {main} differs by {joined(each)}."


def kind_of(row: Row) -> Kind:
    """Return what a reward did to true success, by the paired difference to the base policy."""
    if row.gain is None:
        return "no base"
    if row.gain.lo is None:
        return "too few seeds"
    if not row.gain.is_separable_from_zero:
        return "unclear"
    return "rises" if row.gain.value > 0 else "falls"


def from_to(row: Row, base: Row | None) -> str:
    """Return "from 45 % to 93 % [91, 95]" over the seeds that both have, or the value alone without such seeds."""
    start = start_of(row, base)
    if base is None or not start:
        return share(row.success)
    end = paired(row, base)[0]
    # Where both have all seeds, the table's own interval: it has a width also when all seeds agree.
    return f"{start} to {share(row.success if len(end) == len(row.seeds) else mean_interval(end))}"


def start_of(row: Row, base: Row | None) -> str:
    """Return "from 45 %", where the base policy is with the seeds of a row; "" where they have none in common."""
    before = paired(row, base)[1] if base is not None else []
    return f"from {percent(mean_interval(before).value)}" if before else ""


def _sentences(reward: str, cells: Sequence[Cell], *, subject: str) -> str:
    """Return one sentence for each kind of change, with its cells; the first names the subject."""
    said = []
    for kind, verb, tail in _SAYS:
        changes = [
            f"{from_to(row, cell.row(NONE))} on {_on(cell, cells)}"
            for cell, row in _with(reward, cells)
            if kind_of(row) == kind
        ]
        if changes:
            said.append(f"{subject} {verb} {joined(changes)}{tail}.")
            subject = "It"
    return " ".join(said)


def _floor_sentence(cells: Sequence[Cell]) -> str:
    found = _with(FLOOR, cells)
    if not found:
        return "No policy was trained with random scores, which would tell how much of this is the reward's doing."
    if not all(kind_of(row) in ("unclear", "falls") for _, row in found):
        return _sentences(FLOOR, cells, subject="With random scores it")
    values = [percent(row.success.value) for _, row in found]
    if [c for c, _ in found] != [c for c, _ in _with(main_reward(cells), cells)]:
        values = [f"{v} on {_on(c, cells)}" for v, (c, _) in zip(values, found, strict=True)]
    if all(kind_of(row) == "falls" for _, row in found):
        return f"With random scores it falls ({joined(values)})."
    return f"With random scores there is no separable rise ({joined(values)})."


def _with(reward: str, cells: Sequence[Cell]) -> list[tuple[Cell, Row]]:
    return [(cell, row) for cell in cells if (row := cell.row(reward)) is not None]


def _on(cell: Cell, cells: Sequence[Cell]) -> str:
    """Return the name of a cell, as short as it is clear among all cells."""
    base = f"the {cell.base} policy" if cell is cells[0] else cell.base
    return base if cell.variant == cells[0].variant else f"{base} ({cell.variant})"
