"""One cell of a study on the page: what came out, how it got there, every number, and what cannot be told apart."""

import re
from pathlib import Path
from typing import Final

from roboreward.pages import Tone, section, text
from roboreward.studies.before_after import before_and_after
from roboreward.studies.cells import TOO_FEW, Cell, difference, doubt_of, joined, points, share
from roboreward.studies.charts import (
    false_positive_curves,
    success_curves,
    success_plot,
    window_of,
)
from roboreward.studies.headline import from_to, kind_of
from roboreward.studies.results import FLOOR, NONE, ORACLE, Row, Variant
from roboreward.studies.stats import Interval
from roboreward.studies.table import dropped, false_positives

_DECISIONS: Final[dict[Variant, str]] = {
    "one-decision": "one decision an episode",
    "chunked": "several decisions an episode",
}
_HEAD: Final = (
    "reward",
    "true success",
    "each seed",
    "gain over none",
    f"against {ORACLE}",
    "false positives",
    "dropped",
    "CPU s",
)


def cell_section(cell: Cell, *, main: str, tones: dict[str, Tone], folder: Path) -> str:
    """Return everything that the page shows of one variant on one base policy."""
    pairs = before_and_after(cell, main=main, folder=folder)
    return section(
        anchor_of(cell),
        f"<h2>The {text(cell.base)} policy, {_DECISIONS[cell.variant]}</h2>"
        f'<p class="lead">{spaced(cell_sentence(cell, main=main))}</p>'
        f"{_figures(cell, main=main, tones=tones)}{_table(cell)}"
        + (f"<h3>Before and after</h3>{pairs}" if pairs else ""),
    )


def anchor_of(cell: Cell) -> str:
    """Return the name under which the page links to a cell."""
    return re.sub(r"[^a-z0-9]+", "-", f"{cell.variant}-{cell.base}".lower())


def cell_sentence(cell: Cell, *, main: str) -> str:
    """Say what the study's main reward did in this cell, in one or two sentences; plain text."""
    row = cell.row(main)
    if row is None:
        return f"{main} was not run here."
    said = f"With {main}, true success is {share(row.success)}."
    if row.gain is not None:
        verb = (
            "rises" if kind_of(row) == "rises" else "falls" if kind_of(row) == "falls" else "goes"
        )
        change = from_to(row, cell.row(NONE))
        said = f"With {main}, true success {verb} {change}: {_difference(row.gain)}."
    if row.to_oracle is not None:
        said += f" Against {ORACLE}: {_difference(row.to_oracle)}."
    return said


def unbroken(value: str) -> str:
    """Return plain text in which numbers have real minus signs, and neither they nor intervals break over a line."""
    value = re.sub(r"(?<!\w)-(?=\d)", "\u2212", value).replace(" %", "\u00a0%")
    return re.sub(r"\[[^][]*\]", lambda found: found[0].replace(" ", "\u00a0"), value)


def spaced(value: str) -> str:
    """Return untrusted text as markup, its numbers unbroken."""
    return text(unbroken(value))


def notes_of(cell: Cell, *, main: str) -> list[str]:
    """Say which differences of a cell cannot be told from zero, and how `main` compares with what it is made of."""
    notes = []
    trained = [row for row in cell.rows if row.reward != NONE]
    for what, rows in (
        ("no gain over the base policy", [r for r in trained if _is_unclear(r.gain)]),
        (ORACLE, [r for r in trained if r.reward != FLOOR and _is_unclear(r.to_oracle)]),
    ):
        if rows:
            notes.append(f"Not separable from {what}: {joined([row.reward for row in rows])}.")
    if not notes and any(row.gain is not None and row.gain.lo is not None for row in trained):
        notes.append("All differences to the base policy are separable from zero.")
    notes += _ablations(cell, main)
    few = [row.reward for row in cell.rows if row.success.lo is None]
    if few:
        notes.append(f"Too few seeds for an interval: {joined(few)}.")
    most = max(len(row.seeds) for row in cell.rows)
    fewer = [f"{row.reward} ({len(row.seeds)})" for row in cell.rows if len(row.seeds) < most]
    if fewer:
        notes.append(f"Fewer than {most} seeds: {joined(fewer)}. Differences use common seeds.")
    return notes


def _ablations(cell: Cell, main: str) -> list[str]:
    """Compare rewards that are `main` with something left out, such as "nano-no-relabels", with it, paired by seed."""
    whole = cell.row(main)
    if whole is None:
        return []
    notes = []
    for row in cell.rows:
        gap = difference(row, whole) if row.reward.startswith(f"{main}-") else None
        if gap is not None:
            notes.append(f"{row.reward} against {main}: {_difference(gap)}.")
    return notes


def _is_unclear(found: Interval | None) -> bool:
    return found is not None and found.lo is not None and not found.is_separable_from_zero


def _difference(found: Interval) -> str:
    return ", ".join(filter(None, [f"{points(found)} points", doubt_of(found)]))


def _figures(cell: Cell, *, main: str, tones: dict[str, Tone]) -> str:
    window = window_of(cell) or 0
    parts = [
        _figure(
            "Final true success",
            "Share of evaluation episodes that the simulator calls a full success; mean over seeds, 95&nbsp;% "
            "interval. Dashed: the base policy.",
            success_plot(cell, tones=tones, main=main),
        ),
        _figure(
            "True success while it learns",
            f"Share of each {window} training episodes, which include the learner's exploration; mean over seeds, "
            "95&nbsp;% band.",
            success_curves(cell, tones=tones, main=main),
        ),
        _figure(
            "Failures that the reward calls a full success",
            f"Share of the failures among each {2 * window} training episodes; mean over seeds, 95&nbsp;% band. "
            "Late blocks hold few failures.",
            false_positive_curves(cell, tones=tones, main=main),
        ),
        _notes(cell, main=main),
    ]
    return f'<div class="figures">{"".join(parts)}</div>'


def _figure(name: str, about: str, chart: str) -> str:
    if not chart:
        return ""
    return f"<figure><figcaption>{name}<small>{about}</small></figcaption>{chart}</figure>"


def _table(cell: Cell) -> str:
    names = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    rows = "".join(_row(row) for row in cell.rows)
    return (
        '<div class="wide" tabindex="0"><table><thead>'
        f"<tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(row: Row) -> str:
    value, _, interval = share(row.success).partition(" [")
    css = "floor" if row.reward in (NONE, FLOOR) else "model"
    each = " ".join(f"{100 * value:.0f}" for value in row.by_seed)
    return (
        f'<tr class="{css}"><th scope="row">{text(row.reward)}</th>'
        f"<td><b>{spaced(value)}</b><small>{f'[{interval}' if interval else TOO_FEW}</small></td>"
        f'<td class="small">{each}</td><td>{_gap(row.gain)}</td><td>{_gap(row.to_oracle)}</td>'
        f"<td>{_or_dash(false_positives(row))}</td><td>{_or_dash(dropped(row))}</td><td>{row.cpu_s:,.0f}</td></tr>"
    )


def _or_dash(value: str) -> str:
    return "&ndash;" if value == "-" else spaced(value)


def _gap(found: Interval | None) -> str:
    if found is None:
        return "&ndash;"
    doubt = doubt_of(found)
    return spaced(points(found)) + (f"<small>{doubt}</small>" if doubt else "")


def _notes(cell: Cell, *, main: str) -> str:
    notes = "".join(f"<li>{spaced(note)}</li>" for note in notes_of(cell, main=main))
    if not notes:
        return ""
    return f'<div><h3>What can be told apart, and what not</h3><ul class="notes">{notes}</ul></div>'
