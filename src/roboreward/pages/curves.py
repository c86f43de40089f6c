"""Line charts as inline SVG: numbers in, markup out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from roboreward.pages.svg import CHAR_WIDTH, Tone, number, round_up, spread, svg, ticks

_WIDTH: Final = 520.0
_HEIGHT: Final = 340.0
_TOP, _LEFT, _BOTTOM = 14.0, 58.0, 52.0
_LABEL_GAP: Final = 17.5
_SHORTEST_AXIS: Final = 200.0


@dataclass(frozen=True)
class Series:
    """A line over numbers, with a band when `lo` and `hi` are given.

    Attributes:
        label: Its name; plain text.
        x, y: Points in order of x, (N,) each. A y of NaN is a gap.
        lo, hi: The band, (N,) each; NaN where there is none.
        tone: Its colour and stroke.
        is_main: Whether it is drawn heavier and above the others.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    lo: Sequence[float] = ()
    hi: Sequence[float] = ()
    tone: Tone = "1"
    is_main: bool = False

    @property
    def known(self) -> list[int]:
        """Places of the points that are no gaps."""
        return [i for i, y in enumerate(self.y) if math.isfinite(y)]

    def has_band(self, place: int) -> bool:
        """Whether the band is known at a point."""
        return place < min(len(self.lo), len(self.hi)) and all(
            math.isfinite(v) for v in (self.y[place], self.lo[place], self.hi[place])
        )


@dataclass(frozen=True)
class _Plot:
    """The axes: ranges of values, and the place of their right end in chart units."""

    x_lo: float
    x_hi: float
    y_lo: float
    y_hi: float
    right: float

    def x(self, value: float) -> float:
        share = (value - self.x_lo) / ((self.x_hi - self.x_lo) or 1.0)
        return _LEFT + min(max(share, 0.0), 1.0) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        share = (value - self.y_lo) / ((self.y_hi - self.y_lo) or 1.0)
        return _HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * (_HEIGHT - _BOTTOM - _TOP)


def line_chart(
    series: Sequence[Series],
    *,
    label: str,
    x_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    is_percent: bool = True,
) -> str:
    """Return lines with bands over common axes, each named at its right end.

    Args:
        series: What to draw; those without any known point are left out of the picture and named in its description.
        label: What the chart shows, for those who do not see it; each line's first and last value are added.
        x_label: Name of the x axis; plain text.
        x_range, y_range: Ends of the axes, to be the same in charts that are compared; what lies beyond is moved to
            the edge. Fitted, from zero, to lines and bands when None.
        is_percent: Whether y values are shares, to be shown as percent.
    """
    about = f"{label}. " + "; ".join(_in_words(line, is_percent=is_percent) for line in series)
    drawn = [line for line in series if line.known]
    plot = _plot_of(drawn, x_range, y_range)
    parts = _axes(plot, x_label=x_label, is_percent=is_percent)
    if not drawn:
        middle = f'x="{(_LEFT + plot.right) / 2:.1f}" y="{_HEIGHT / 2:.1f}"'
        parts.append(f'<text class="axis" {middle}>no values</text>')
    ends = spread(
        [plot.y(line.y[line.known[-1]]) for line in drawn],
        gap=_LABEL_GAP,
        lo=_TOP,
        hi=_HEIGHT - _BOTTOM,
    )
    order = sorted(range(len(drawn)), key=lambda i: drawn[i].is_main)
    parts += [_band(drawn[i], plot) for i in order]
    parts += [_line(drawn[i], plot, label_y=ends[i]) for i in order]
    return svg(_WIDTH, _HEIGHT, parts, css="lines", label=about)


def _in_words(line: Series, *, is_percent: bool) -> str:
    if not line.known:
        return f"{line.label}: no values"
    first, last = (number(line.y[line.known[n]], is_percent=is_percent) for n in (0, -1))
    return f"{line.label}: {first} to {last}"


def _plot_of(
    drawn: Sequence[Series],
    x_range: tuple[float, float] | None,
    y_range: tuple[float, float] | None,
) -> _Plot:
    xs = [float(x) for line in drawn for x in line.x] or [1.0]
    longest = max((len(line.label) for line in drawn), default=0)
    right = max(_LEFT + _SHORTEST_AXIS, _WIDTH - 16 - CHAR_WIDTH * longest)
    return _Plot(*(x_range or (min(0.0, *xs), max(0.0, *xs))), *(y_range or _fitted(drawn)), right)


def _fitted(drawn: Sequence[Series]) -> tuple[float, float]:
    """Return ends that hold zero, all lines and all bands, with the upper one on a round number."""
    values = [line.y[i] for line in drawn for i in line.known]
    values += [v for line in drawn for i in line.known if line.has_band(i) for v in _ends(line, i)]
    lo, hi = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    step = round_up((hi - lo) / 5) if hi > lo else 0.2
    return math.floor(lo / step) * step, max(math.ceil(hi / step - 1e-9), 1) * step


def _ends(line: Series, place: int) -> tuple[float, float]:
    return line.lo[place], line.hi[place]


def _axes(plot: _Plot, *, x_label: str, is_percent: bool) -> list[str]:
    parts = []
    for value in ticks(plot.y_lo, plot.y_hi):
        y = plot.y(value)
        css = "zero-line" if value == 0 else "grid"
        parts.append(
            f'<line class="{css}" x1="{_LEFT:g}" x2="{plot.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">{number(value, is_percent=is_percent)}</text>'
        )
    for value in ticks(plot.x_lo, plot.x_hi, most=4):
        x = plot.x(value)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 19:g}">{number(value, is_percent=False)}</text>'
        )
    middle = (_LEFT + plot.right) / 2
    parts.append(
        f'<text class="axis" x="{middle:.1f}" y="{_HEIGHT - 10:g}">{escape(x_label)}</text>'
    )
    return parts


def _band(line: Series, plot: _Plot) -> str:
    """Return the band as one shape for each stretch of points that has one."""
    shapes = []
    for stretch in _stretches([i for i in range(len(line.y)) if line.has_band(i)]):
        there = [f"{plot.x(line.x[i]):.1f},{plot.y(line.hi[i]):.1f}" for i in stretch]
        back = [f"{plot.x(line.x[i]):.1f},{plot.y(line.lo[i]):.1f}" for i in reversed(stretch)]
        shapes.append(f'<polygon points="{" ".join(there + back)}"/>')
    return f'<g class="band {_css(line)}">{"".join(shapes)}</g>'


def _line(line: Series, plot: _Plot, *, label_y: float) -> str:
    shapes = []
    for stretch in _stretches(line.known):
        points = [(plot.x(line.x[i]), plot.y(line.y[i])) for i in stretch]
        shapes.append(
            f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
            if len(points) > 1
            else f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
        )
    last = line.known[-1]
    x, y = plot.x(line.x[last]), plot.y(line.y[last])
    at = plot.right + 12
    shapes.append(
        f'<path class="leader" d="M{x + 2:.1f},{y:.1f}L{at - 3:.1f},{label_y:.1f}"/>'
        f'<text class="start" x="{at:.1f}" y="{label_y + 4:.1f}">{escape(line.label)}</text>'
    )
    return f'<g class="line {_css(line)}">{"".join(shapes)}</g>'


def _css(line: Series) -> str:
    return f"tone-{line.tone}{' main' if line.is_main else ''}"


def _stretches(places: Sequence[int]) -> list[list[int]]:
    """Cut places into runs of neighbours."""
    found: list[list[int]] = []
    for place in places:
        if found and found[-1][-1] == place - 1:
            found[-1].append(place)
        else:
            found.append([place])
    return found
