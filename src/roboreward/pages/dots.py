"""Dots with intervals on a common axis ("forest plots") as inline SVG: numbers in, markup out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from roboreward.pages.svg import Tone, number, svg, ticks

_WIDTH: Final = 520.0
_ROW: Final = 44.0
_SIDE, _BOTTOM = 14.0, 28.0
_WORDS_AT, _DOT_AT = 18.0, 31.0
"""Where words and dot stand in a row: one above the other, so that on a phone, too, the axis has the whole width."""


@dataclass(frozen=True)
class DotRow:
    """A line of a dot plot.

    Attributes:
        label: Its name, to the left above the dot; plain text.
        value: Where the dot is; NaN for none.
        lo, hi: Ends of the interval; None without one.
        shown: The numbers as they stand to the right above the dot; plain text.
        tone: Its colour.
        is_main: Whether it is drawn heavier than the others.
    """

    label: str
    value: float
    lo: float | None = None
    hi: float | None = None
    shown: str = ""
    tone: Tone = "1"
    is_main: bool = False


@dataclass(frozen=True)
class _Axis:
    lo: float
    hi: float

    def at(self, value: float) -> float:
        share = (value - self.lo) / ((self.hi - self.lo) or 1.0)
        return _SIDE + min(max(share, 0.0), 1.0) * (_WIDTH - 2 * _SIDE)


def dot_plot(
    rows: Sequence[DotRow],
    *,
    label: str,
    x_range: tuple[float, float],
    reference: float | None = None,
    is_percent: bool = True,
) -> str:
    """Return one line a row: its name, a dot with its interval, and the numbers.

    Args:
        rows: From top to bottom.
        label: What the plot shows, for those who do not see it; the rows' numbers are added.
        x_range: Ends of the axis; intervals that reach beyond are cut at its ends.
        reference: Where a dashed line stands across all rows, such as zero or the value of the base.
        is_percent: Whether values are shares, to be shown as percent.
    """
    axis = _Axis(*x_range)
    end = _ROW * len(rows)
    parts = _grid(axis, end=end, is_percent=is_percent)
    if reference is not None and math.isfinite(reference):
        x = f"{axis.at(reference):.1f}"
        parts.append(f'<line class="reference" x1="{x}" x2="{x}" y1="0" y2="{end:g}"/>')
    parts += [_row(row, axis, top=_ROW * n) for n, row in enumerate(rows)]
    about = f"{label}. " + "; ".join(f"{row.label}: {row.shown or 'no value'}" for row in rows)
    return svg(_WIDTH, end + _BOTTOM, parts, css="dots", label=about)


def _grid(axis: _Axis, *, end: float, is_percent: bool) -> list[str]:
    parts = []
    for value in ticks(axis.lo, axis.hi):
        x = f"{axis.at(value):.1f}"
        parts.append(
            f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{end:g}"/>'
            f'<text class="tick" x="{x}" y="{end + 18:g}">{number(value, is_percent=is_percent)}</text>'
        )
    return parts


def _row(row: DotRow, axis: _Axis, *, top: float) -> str:
    y, words_y = top + _DOT_AT, top + _WORDS_AT
    x1, x2 = axis.at(axis.lo), axis.at(axis.hi)
    parts = [
        f'<text class="start" x="0" y="{words_y:g}">{escape(row.label)}</text>',
        f'<line class="track" x1="{x1:g}" x2="{x2:g}" y1="{y:g}" y2="{y:g}"/>',
    ]
    if row.lo is not None and row.hi is not None:
        x1, x2 = axis.at(row.lo), axis.at(row.hi)
        parts.append(f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:g}" y2="{y:g}"/>')
    if math.isfinite(row.value):
        parts.append(f'<circle class="dot" cx="{axis.at(row.value):.1f}" cy="{y:g}" r="5"/>')
    parts.append(f'<text class="end" x="{_WIDTH:g}" y="{words_y:g}">{escape(row.shown)}</text>')
    return f'<g class="row tone-{row.tone}{" main" if row.is_main else ""}">{"".join(parts)}</g>'
