"""Bars in ordered parts as inline SVG, lying (one a name) or standing (one a number): numbers in, markup out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from roboreward.pages.svg import CHAR_WIDTH, number, round_up, svg, ticks

_WIDTH: Final = 520.0
_ROW: Final = 46.0
_BAR: Final = 18.0
_WORDS_AT, _BAR_AT = 18.0, 24.0
"""Where words and bar stand in a row: one above the other, so that on a phone, too, the bar has the whole width."""
_LEGEND: Final = 26.0
_SQUARE: Final = 12.0
_HEIGHT: Final = 260.0
_LEFT, _BOTTOM = 58.0, 48.0
_HEADROOM: Final = 8.0
_MOST_COLUMNS_NAMED: Final = 10
_NUM_TINTS: Final = 5


@dataclass(frozen=True)
class BarRow:
    """A bar.

    Attributes:
        label: Its name; plain text.
        values: The size of each part, >= 0, as many as the chart has parts.
        shown: What stands at its right end; plain text. The sum when empty.
    """

    label: str
    values: Sequence[float]
    shown: str = ""

    @property
    def total(self) -> float:
        """The sum of its parts."""
        return float(sum(self.values))


def stacked_bars(
    rows: Sequence[BarRow], *, parts: Sequence[str], label: str, is_share: bool = False
) -> str:
    """Return one lying bar a row: its name and total above it, and in it the parts side by side.

    Args:
        rows: From top to bottom.
        parts: Names of the parts, in order, from the lowest to the highest; plain text. At most five have tints of
            their own.
        label: What the chart shows, for those who do not see it; the numbers are added.
        is_share: Whether all bars have the same length, so that shares are compared; else the largest total has it.
    """
    most = max((row.total for row in rows), default=0.0)
    markup, top = _legend(parts)
    for n, row in enumerate(rows):
        length = _WIDTH * _ratio(row.total, row.total if is_share else most)
        markup.append(_lying(row, parts, top=top + _ROW * n, length=length))
    height = top + _ROW * max(1, len(rows)) + _HEADROOM
    if not rows:
        markup.append(_no_values(_WIDTH / 2, top + _ROW / 2))
    return svg(_WIDTH, height, markup, css="bars", label=_in_words(label, rows, parts))


def column_chart(
    columns: Sequence[BarRow], *, parts: Sequence[str], label: str, x_label: str
) -> str:
    """Return standing bars side by side, such as a histogram whose bins are in order.

    Args:
        columns: From left to right; when there are many, only some are named.
        parts: Names of the parts, the first one at the bottom; plain text.
        label: What the chart shows, for those who do not see it; the numbers are added.
        x_label: Name of the x axis; plain text.
    """
    markup, top = _legend(parts)
    foot = top + _HEIGHT - _BOTTOM
    most = max((column.total for column in columns), default=0.0)
    step = round_up(most / 5) if most else 1.0
    high = max(1.0, math.ceil(most / step) * step)
    unit = (foot - top - _HEADROOM) / high
    markup += [_level(value, y=foot - unit * value) for value in ticks(0.0, high, most=5)]
    wide = (_WIDTH - _LEFT) / max(1, len(columns))
    every = max(1, math.ceil(len(columns) / _MOST_COLUMNS_NAMED))
    for n, column in enumerate(columns):
        left = _LEFT + n * wide
        markup.append(_standing(column, left=left, wide=wide, foot=foot, unit=unit))
        if n % every == 0:
            x = f"{left + wide / 2:.1f}"
            markup.append(
                f'<text class="tick" x="{x}" y="{foot + 19:g}">{escape(column.label)}</text>'
            )
    middle = (_LEFT + _WIDTH) / 2
    markup.append(f'<text class="axis" x="{middle:.1f}" y="{foot + 40:g}">{escape(x_label)}</text>')
    if not columns:
        markup.append(_no_values(middle, (top + foot) / 2))
    about = _in_words(label, columns, parts)
    return svg(_WIDTH, top + _HEIGHT, markup, css="bars", label=about)


def _level(value: float, *, y: float) -> str:
    css = "grid" if value else "zero-line"
    return (
        f'<line class="{css}" x1="{_LEFT:g}" x2="{_WIDTH:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">{number(value, is_percent=False)}</text>'
    )


def _legend(parts: Sequence[str]) -> tuple[list[str], float]:
    """Return squares with the names of the parts, in as many lines as they need, and where the chart begins."""
    if len(parts) < 2:
        return [], 6.0
    markup, x, y = [], 0.0, 0.0
    for n, part in enumerate(parts):
        wide = _SQUARE + 6 + CHAR_WIDTH * len(part) + 14
        if x and x + wide > _WIDTH + 14:
            x, y = 0.0, y + _LEGEND - 4
        markup.append(
            f'<g class="{_tint(n, len(parts))}"><rect x="{x:.1f}" y="{y:g}" width="{_SQUARE:g}" height="{_SQUARE:g}" '
            f'rx="2"/><text class="start" x="{x + _SQUARE + 6:.1f}" y="{y + 11:g}">{escape(part)}</text></g>'
        )
        x += wide
    return markup, y + _LEGEND


def _lying(row: BarRow, parts: Sequence[str], *, top: float, length: float) -> str:
    markup = [
        f'<text class="start" x="0" y="{top + _WORDS_AT:g}">{escape(row.label)}</text>',
        f'<text class="end" x="{_WIDTH:g}" y="{top + _WORDS_AT:g}">{escape(_shown(row))}</text>',
    ]
    y, x = top + _BAR_AT, 0.0
    for n, value in enumerate(row.values):
        wide = length * _ratio(value, row.total)
        if wide <= 0:
            continue
        # A gap between the parts, in place of an edge that would shift their colours.
        drawn = max(0.5, wide - 1)
        markup.append(
            f'<g class="{_tint(n, len(parts))}"><rect x="{x:.1f}" y="{y:g}" width="{drawn:.1f}" height="{_BAR:g}"/>'
        )
        inside = number(value, is_percent=False)
        if len(parts) > 1 and wide > CHAR_WIDTH * len(inside) + 6:
            at = f'x="{x + drawn / 2:.1f}" y="{y + _BAR / 2 + 4:g}"'
            markup.append(f'<text class="in" {at}>{inside}</text>')
        markup.append("</g>")
        x += wide
    return f'<g class="row">{"".join(markup)}</g>'


def _standing(column: BarRow, *, left: float, wide: float, foot: float, unit: float) -> str:
    markup, y = [], foot
    drawn = max(0.5, wide - min(2.0, 0.2 * wide))
    for n, value in enumerate(column.values):
        tall = value * unit
        if tall <= 0:
            continue
        y -= tall
        markup.append(
            f'<rect class="{_tint(n, len(column.values))}" x="{left:.1f}" y="{y:.1f}" width="{drawn:.1f}" '
            f'height="{max(0.5, tall - 0.5):.1f}"/>'
        )
    return f'<g class="column">{"".join(markup)}</g>'


def _tint(place: int, num_parts: int) -> str:
    """Spread the tints over the parts; a single part has the strongest one."""
    if num_parts == 1:
        return f"part-{_NUM_TINTS}"
    return f"part-{1 + round(place * (_NUM_TINTS - 1) / (num_parts - 1))}"


def _ratio(value: float, whole: float) -> float:
    return value / whole if whole > 0 else 0.0


def _shown(row: BarRow) -> str:
    return row.shown or number(row.total, is_percent=False)


def _no_values(x: float, y: float) -> str:
    return f'<text class="axis" x="{x:.1f}" y="{y:.1f}">no values</text>'


def _in_words(label: str, rows: Sequence[BarRow], parts: Sequence[str]) -> str:
    told = []
    for row in rows:
        each = ", ".join(
            f"{part} {number(value, is_percent=False)}"
            for part, value in zip(parts, row.values, strict=True)
        )
        told.append(f"{row.label}: {_shown(row)}{f' ({each})' if len(parts) > 1 else ''}")
    return f"{label}. {'; '.join(told) or 'no values'}"
