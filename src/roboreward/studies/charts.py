"""The charts of a study: final success with intervals, success and false positives along training."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from roboreward.pages import TONES, DotRow, Series, Tone, dot_plot, line_chart
from roboreward.studies.cells import Cell, rewards_of, share
from roboreward.studies.results import FLOOR, NONE, ORACLE, Floats, StudyRun
from roboreward.studies.stats import mean_interval

_TONES: Final[dict[str, Tone]] = {
    "nano": "1",
    "nano-no-relabels": "2",
    ORACLE: "3",
    "nano-no-negatives": "4",
    "oracle-1-5": "5",
    FLOOR: "floor",
    NONE: "none",
}
_POINTS: Final = 10


def tones_of(cells: Sequence[Cell]) -> dict[str, Tone]:
    """Return the tone of every reward of a study: the same on all its charts, and on those of other studies."""
    free = [tone for tone in TONES if tone not in _TONES.values()]
    unknown = [name for name in rewards_of(cells) if name not in _TONES]
    return {**_TONES, **{name: free[n % len(free)] for n, name in enumerate(unknown)}}


def success_plot(cell: Cell, *, tones: dict[str, Tone], main: str) -> str:
    """Return final true success of each reward with its interval, against the base policy as a dashed line."""
    none = cell.row(NONE)
    shown = [
        DotRow(
            row.reward,
            row.success.value,
            row.success.lo,
            row.success.hi,
            shown=share(row.success),
            tone=tones[row.reward],
            is_main=row.reward == main,
        )
        for row in cell.rows
    ]
    return dot_plot(
        shown,
        label=f"Final true success on the {cell.base} policy, {cell.variant}",
        x_range=(0.0, 1.0),
        reference=None if none is None else none.success.value,
    )


def success_curves(cell: Cell, *, tones: dict[str, Tone], main: str) -> str:
    """Return true success along training, one line a reward, with the base policy as a level line; "" untrained."""
    window = window_of(cell)
    if window is None:
        return ""
    series = _lines(cell, lambda run: run.success_curve(window), window, tones=tones, main=main)
    none = cell.row(NONE)
    if none is not None and not any(line.label == NONE for line in series):
        level = none.success.value
        series.append(Series(NONE, _ends(cell), (level, level), tone="none"))
    return line_chart(
        series,
        label=f"True success along training on the {cell.base} policy, {cell.variant}",
        x_label="training episodes",
        x_range=_ends(cell),
        y_range=(0.0, 1.0),
    )


def false_positive_curves(cell: Cell, *, tones: dict[str, Tone], main: str) -> str:
    """Return the share of failures that each reward called a 5 along training; "" when there is nothing to show."""
    window = window_of(cell)
    if window is None:
        return ""
    window *= 2  # failures are a part of the episodes, and soon a small one
    series = _lines(
        Cell(cell.variant, cell.base, tuple(r for r in cell.runs if _gives_scores(r)), cell.rows),
        lambda run: run.false_positives(window),
        window,
        tones=tones,
        main=main,
    )
    if not any(line.known for line in series):
        return ""
    return line_chart(
        series,
        label=f"False positives along training on the {cell.base} policy, {cell.variant}",
        x_label="training episodes",
        x_range=_ends(cell),
        y_range=(0.0, _top(series)),
    )


def window_of(cell: Cell) -> int | None:
    """Return a round number of episodes that cuts the cell's shortest run into about ten blocks; None untrained."""
    lengths = [len(run.true_scores) for run in cell.runs if run.true_scores]
    if not lengths:
        return None
    step = 5 if min(lengths) >= 100 else 1
    return max(1, round(min(lengths) / _POINTS / step) * step)


def _lines(
    cell: Cell,
    curve: Callable[[StudyRun], Floats],
    window: int,
    *,
    tones: dict[str, Tone],
    main: str,
) -> list[Series]:
    """Return a line for each reward that has curves: mean and interval over the seeds that have a value there."""
    lines = []
    for row in cell.rows:
        curves = [curve(run) for run in cell.runs_of(row.reward) if len(run.true_scores) >= window]
        if curves:
            # Beyond the shortest run the mean would be over other seeds than before.
            num = min(len(values) for values in curves)
            over_seeds: Floats = np.stack([values[:num] for values in curves], axis=1)
            x = (np.arange(num, dtype=np.float64) + 0.5) * window
            lines.append(
                _line(row.reward, x, over_seeds, tone=tones[row.reward], is_main=row.reward == main)
            )
    return lines


def _line(label: str, x: Floats, over_seeds: Floats, *, tone: Tone, is_main: bool) -> Series:
    y, lo, hi = [], [], []
    for values in over_seeds:
        known = values[np.isfinite(values)].tolist()
        found = mean_interval(known) if known else None
        y.append(np.nan if found is None else found.value)
        lo.append(np.nan if found is None or found.lo is None else max(0.0, found.lo))
        hi.append(np.nan if found is None or found.hi is None else min(1.0, found.hi))
    return Series(label, x.tolist(), y, lo, hi, tone=tone, is_main=is_main)


def _ends(cell: Cell) -> tuple[float, float]:
    return 0.0, float(max(len(run.true_scores) for run in cell.runs))


def _gives_scores(run: StudyRun) -> bool:
    return any(score is not None for score in run.reward_scores)


def _top(lines: Sequence[Series]) -> float:
    """Return a round upper end for shares that holds all lines; wide bands of few failures may be cut by it."""
    most = max(line.y[i] for line in lines for i in line.known)
    return next(
        (top for top in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if 1.15 * most <= top), 1.0
    )
