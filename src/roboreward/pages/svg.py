"""What figures are made of: the SVG element, axes with round numbers, labels that keep apart.

Colours come from the page's style sheet by class, since style attributes do not take effect on our pages.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, Literal

Tone = Literal["1", "2", "3", "4", "5", "6", "7", "8", "none", "floor"]
"""How a series looks. 1 to 8 are colours that people with the common kinds of colour blindness tell apart; "none" and
"floor" are grey, dashed and dotted."""

TONES: Final[tuple[Tone, ...]] = ("1", "2", "3", "4", "5", "6", "7", "8")
"""The tones that are colours, the most different ones first."""

CHAR_WIDTH: Final = 8.2
"""A letter's mean width in the largest font that the style sheet gives a chart (that of phones), in chart units."""


def svg(width: float, height: float, parts: Sequence[str], *, css: str, label: str) -> str:
    """Return `parts` (trusted markup) as a picture. Without a `label` (plain text) it is decoration."""
    about = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" {about}>'
        f"{''.join(parts)}</svg>"
    )


def ticks(lo: float, hi: float, *, most: int = 6) -> list[float]:
    """Return round numbers (steps of 1, 2 or 5 times a power of ten) within `lo` <= n <= `hi`, about `most` of them.

    An empty range has one tick.
    """
    if not hi > lo:
        return [lo]
    step = round_up((hi - lo) / most)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(lo / step - 1e-9), math.floor(hi / step + 1e-9)
    return [round(n * step, digits) for n in range(first, last + 1)]


def round_up(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is not below `value` > 0."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((n * power for n in (1, 2, 5) if n * power >= value * (1 - 1e-9)), 10 * power)


def spread(places: Sequence[float], *, gap: float, lo: float, hi: float) -> list[float]:
    """Move places apart as little as possible (in squares), so that neighbours are `gap` apart, within `lo` to `hi`.

    Their order is kept. When there is no room for all, the gap shrinks.
    """
    if not places:
        return []
    gap = min(gap, (hi - lo) / max(1, len(places) - 1))
    order = sorted(range(len(places)), key=lambda i: places[i])
    # With n gaps taken off the n-th place, "at least a gap apart" becomes "does not fall": isotonic regression.
    level = _isotonic([places[i] - n * gap for n, i in enumerate(order)])
    moved = [0.0] * len(places)
    for n, i in enumerate(order):
        moved[i] = min(max(level[n], lo), hi - (len(places) - 1) * gap) + n * gap
    return moved


def number(value: float, *, is_percent: bool) -> str:
    """Return a number as short as an axis or a label needs it; shares as percent."""
    if is_percent:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _isotonic(values: Sequence[float]) -> list[float]:
    """Return the non-decreasing sequence nearest to `values`: neighbours that fall are pooled at their mean."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
