"""The figures of the report as inline SVG: numbers in, markup out. Colours come from the page's style sheet."""

from collections.abc import Sequence

from roboreward.bench.intervals import Estimate
from roboreward.pages import svg

_CELL, _LEFT, _TOP = 36, 34, 34
_BAR_WIDTH = 150.0


def interval_bar(estimate: Estimate, *, scale: float) -> str:
    """Return a dot at the value with a line over its interval, on an axis from 0 to `scale` with a grid."""
    parts = [
        f'<line class="grid" x1="{_at(n, scale)}" x2="{_at(n, scale)}" y1="0" y2="22"/>'
        for n in range(int(scale) + 1)
    ]
    if estimate.lo is not None and estimate.hi is not None:
        x1, x2 = _at(estimate.lo, scale), _at(estimate.hi, scale)
        parts.append(f'<line class="range" x1="{x1}" x2="{x2}" y1="11" y2="11"/>')
    if estimate.value is not None:
        parts.append(f'<circle class="dot" cx="{_at(estimate.value, scale)}" cy="11" r="4"/>')
    return svg(_BAR_WIDTH, 22, parts, css="bar", label="")


def interval_axis(*, scale: float) -> str:
    """Return the numbers of the axis that `interval_bar` draws on."""
    parts = [
        f'<text class="tick" x="{_at(n, scale)}" y="11">{n}</text>' for n in range(int(scale) + 1)
    ]
    return svg(_BAR_WIDTH, 14, parts, css="bar", label="")


def confusion_grid(confusion: Sequence[Sequence[int]]) -> str:
    """Return a heat grid of label (rows) by answer (columns), shaded by share of the row, counts in the cells.

    Args:
        confusion: 5 rows of 6 counts; the last column (no score) is drawn only when it holds any.
    """
    has_none = any(row[5] for row in confusion)
    names = ["1", "2", "3", "4", "5", *(["none"] if has_none else [])]
    width, height = _LEFT + _CELL * len(names) + 2, _TOP + _CELL * 5 + 2
    centre = _LEFT + _CELL * len(names) / 2
    parts = [
        f'<text class="axis" x="{centre}" y="10">given</text>',
        f'<text class="axis" x="8" y="{_TOP + _CELL * 2.5}" transform="rotate(-90 8 {_TOP + _CELL * 2.5})">true</text>',
    ]
    parts += [
        f'<text class="tick" x="{_LEFT + _CELL * (k + 0.5)}" y="{_TOP - 7}">{name}</text>'
        for k, name in enumerate(names)
    ]
    for row, counts in enumerate(confusion):
        parts.append(
            f'<text class="tick" x="24" y="{_TOP + _CELL * (row + 0.5) + 4}">{row + 1}</text>'
        )
        total = sum(counts)
        for column in range(len(names)):
            parts.append(_cell(row, column, counts[column], total))
    return svg(width, height, parts, css="heat", label="True score by given score, counts")


def level_bars(levels: Sequence[Estimate]) -> str:
    """Return one bar for each label 1..5: mean absolute error from 0 to 4, with its interval."""
    width, row, left, right = 220.0, _CELL, 18.0, 38.0
    span = (width - left - right) / 4
    height = _TOP + row * 5 + 2
    parts = [f'<text class="axis" x="{left + 2 * span}" y="10">mean error by true score</text>']
    for n in range(5):
        x = left + n * span
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{height - 2}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{_TOP - 7}">{n}</text>')
    for place, level in enumerate(levels):
        y = _TOP + row * place
        parts.append(f'<text class="tick" x="8" y="{y + row / 2 + 4}">{place + 1}</text>')
        parts += _level_bar(level, left=left, top=y, span=span)
    return svg(width, height, parts, css="levels", label="Mean absolute error by true score")


def probs_bars(probs: Sequence[float], *, score: int) -> str:
    """Return five tiny columns for the probabilities of the scores 1..5, the given score marked."""
    parts = []
    for place, share in enumerate(probs):
        tall = max(1.0, 18 * share)
        css = "on" if place + 1 == score else "off"
        parts.append(
            f'<rect class="{css}" x="{place * 9}" y="{20 - tall:.1f}" width="7" height="{tall:.1f}"/>'
        )
    label = "Probabilities of 1 to 5: " + ", ".join(f"{100 * share:.0f}%" for share in probs)
    return svg(44, 20, parts, css="probs", label=label)


def _at(value: float, scale: float) -> str:
    """Place of a value on the axis of the interval bars."""
    pad = 6
    return f"{pad + value * (_BAR_WIDTH - 2 * pad) / scale:.1f}"


def _cell(row: int, column: int, count: int, total: int) -> str:
    x, y, share = _LEFT + _CELL * column, _TOP + _CELL * row, count / total if total else 0.0
    css = "cell diagonal" if row == column else "cell none" if column == 5 else "cell"
    ink = "strong" if share > 0.5 else "zero" if count == 0 else "weak"
    side = _CELL - 2
    return (
        f'<rect class="{css}" x="{x}" y="{y}" width="{side}" height="{side}" rx="3"/>'
        f'<rect class="shade" x="{x}" y="{y}" width="{side}" height="{side}" rx="3" fill-opacity="{share:.3f}"/>'
        f'<text class="{ink}" x="{x + side / 2}" y="{y + side / 2 + 4}">{count}</text>'
    )


def _level_bar(level: Estimate, *, left: float, top: float, span: float) -> list[str]:
    mid = top + _CELL / 2
    if level.value is None:
        return [f'<text class="tick start" x="{left + 4}" y="{mid + 4}">no examples</text>']
    end = left + level.value * span
    parts = [
        f'<rect class="level" x="{left}" y="{mid - 8}" width="{level.value * span:.1f}" height="16" rx="2"/>'
    ]
    text_at = end
    if level.lo is not None and level.hi is not None:
        x1, x2 = left + level.lo * span, left + level.hi * span
        text_at = max(text_at, x2)
        parts.append(f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{mid}" y2="{mid}"/>')
    parts.append(
        f'<text class="value start" x="{text_at + 5:.1f}" y="{mid + 4}">{level.value:.2f}</text>'
    )
    return parts
