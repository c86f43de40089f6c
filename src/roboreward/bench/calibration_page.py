"""The page of a calibration: what it changes, how much of that can be trusted, and what abstaining would buy."""

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from roboreward.bench.calibration_measure import NAMES, NUM_BINS, Bin, Change
from roboreward.bench.calibration_report import CalibrationReport, Reliability, RiskPoint
from roboreward.bench.intervals import MIN_GROUPS, Estimate
from roboreward.models import Calibration
from roboreward.pages import (
    DotRow,
    Series,
    dot_plot,
    line_chart,
    page_header,
    section,
    text,
    write_page,
)

_NEARLY_ONE = 1.05


def write_calibration_html(
    path: Path, calibration: Calibration, reports: Sequence[CalibrationReport]
) -> Path:
    """Write a self-contained page.

    Args:
        path: The file to write, atomically.
        calibration: What was fitted.
        reports: Its numbers, one report a set; the first one is in the header.

    Returns:
        `path`.

    Raises:
        StoreError: The file cannot be written.
    """
    body = [_header(calibration, reports[0])]
    body += [_report(calibration, report, number=n) for n, report in enumerate(reports, start=1)]
    body += [_limits(calibration), _footer(calibration, reports)]
    title = f"Calibration of {calibration.model}"
    return write_page(path, title=title, body_html="".join(body))


def calibration_headline(calibration: Calibration, report: CalibrationReport) -> str:
    """Say in plain text what calibration found and what it changes on one set."""
    t = calibration.temperature
    sure = (
        "is too sure of itself"
        if t > _NEARLY_ONE
        else "is not sure enough"
        if t < 1 / _NEARLY_ONE
        else "is about as sure as it should be"
    )
    ece, sets = _change(report, "ece"), report.sets
    return (
        f"{calibration.model} {sure}: the temperature that fits best is {t:.2f}. The probability of its most probable "
        f"level is off by {_number(ece.after)} on average with it, by {_number(ece.before)} without; noise alone would "
        f"show {_plain(ece.noise)}. Sets of {_number(sets.size, 1)} levels on average hold the truth in "
        f"{_percent(sets.coverage.value)} of the cases, asked for: {_percent(sets.asked)}."
    )


def calibration_notes(calibration: Calibration, report: CalibrationReport) -> list[str]:
    """Say in plain text what the numbers rest on, and what they leave out."""
    how = (
        "Calibrated numbers are out of fold, in five folds of groups."
        if report.is_cross_fitted
        else "The calibration is used as it was fitted on its own set."
    )
    said = [
        f"{report.num_rows} answers of {report.num_groups} groups, every answer with the same weight. {how} "
        "95 % intervals: bootstrap, groups drawn within their source.",
        "ECE is never zero: noise is what a perfectly calibrated model would show with as many answers.",
    ]
    if report.num_groups < MIN_GROUPS:
        said.append(f"{report.num_groups} groups are too few for intervals ({MIN_GROUPS} needed).")
    if report.num_left_out:
        parts = ", ".join(
            f"{num} {'scored without probabilities' if status == 'scored' else status}"
            for status, num in sorted(report.num_left_out.items())
        )
        said.append(f"Left out, in no number: {parts}.")
    if report.num_shared_groups:
        said.append(
            f"{report.num_shared_groups} of the groups are in the fitting set, too: the numbers flatter."
        )
    helped = [c.name for c in report.changes if c.change.hi is not None and c.change.hi < 0]
    hurt = [c.name for c in report.changes if c.change.lo is not None and c.change.lo > 0]
    unclear = [c.name for c in report.changes if c.name not in (*helped, *hurt)]
    for names, fate in (
        (helped, "Better with calibration"),
        (hurt, "Worse with calibration"),
        (unclear, "No change that can be told from chance"),
    ):
        if names:
            said.append(f"{fate}: {'; '.join(NAMES[name] for name in names)}.")
    if calibration.abstain is not None and report.band is not None:
        said.append(
            f"The abstain band (expected error at most {calibration.abstain.max_expected_error:.2f}) keeps "
            f"{_percent(report.band.kept_frac)} of the answers, with MAE {_number(report.band.mae)}."
        )
    return said


def _change(report: CalibrationReport, name: str) -> Change:
    return next(change for change in report.changes if change.name == name)


def _header(calibration: Calibration, report: CalibrationReport) -> str:
    ece, sets, whole = _change(report, "ece"), report.sets, report.curve[-1]
    tiles = [
        (
            "temperature",
            f"{calibration.temperature:.2f}",
            "above 1: was too sure; below 1: not enough",
        ),
        ("ECE of the top level", _number(ece.after), f"before: {_number(ece.before)}"),
        (
            f"truth in the set ({_percent(sets.asked)} asked)",
            _percent(sets.coverage.value),
            _between(sets.coverage),
        ),
        ("MAE of all answers", _number(whole.mae, 2), _half(report.curve)),
    ]
    facts = (
        f"Fitted on {calibration.num_rows} answers of {calibration.num_groups} groups of "
        f"{text(calibration.set_name)}. The numbers above are from {text(report.set_name)}, "
        f"{'out of fold' if report.is_cross_fitted else 'which it was not fitted on'}."
    )
    return page_header(
        f"Calibration of {calibration.model}",
        over="roboreward calibration",
        headline=calibration_headline(calibration, report),
        facts_html=facts,
        tiles=tiles,
        tiles_label=f"Key numbers of {calibration.model}",
    )


def _half(curve: Sequence[RiskPoint]) -> str:
    """The risk of the surer half, in words."""
    point = min(curve, key=lambda p: abs(p.kept_frac - 0.5))
    return f"of the surest {_percent(point.kept_frac)}: {_number(point.mae, 2)}"


def _report(calibration: Calibration, report: CalibrationReport, *, number: int) -> str:
    what = "out of fold" if report.is_cross_fitted else "not fitted on"
    notes = "".join(f"<li>{text(note)}</li>" for note in calibration_notes(calibration, report))
    charts = "".join(
        (
            _figure(
                "Is the most probable level right as often as it says?",
                f"{NUM_BINS} bins of equally many answers; band: 95 % interval.",
                _reliability(report.top, "Share right by probability of the most probable level"),
            ),
            _figure(
                "Is it a success as often as it says?",
                "P(success) is that of a 4 or 5; calibrated by the isotonic curve.",
                _reliability(report.success, "Share of successes by probability of success"),
            ),
            _figure(
                "What abstaining buys: mean absolute error",
                "The answers with the smallest expected error are kept.",
                _risk_chart(report, "MAE by share kept", lambda p: p.mae, is_percent=False),
            ),
            _figure(
                "What abstaining buys: failures called success",
                "Of true 1 and 2 among the kept, the share that was given 4 or 5.",
                _risk_chart(report, "False successes by share kept", lambda p: p.false_success),
            ),
        )
    )
    return section(
        f"set-{number}",
        f'<h2>On {text(report.set_name)}, {what}</h2>{_table(report)}<ul class="notes">{notes}</ul>',
    ) + section(
        f"figures-{number}",
        f'<div class="figures">{charts}{_sets_figure(report)}</div>',
    )


def _table(report: CalibrationReport) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(NAMES[c.name])}</th><td>{_cell(c.before)}</td><td>{_cell(c.after)}</td>'
        f"<td>{_cell(c.change, sign=True)}</td><td>{_plain(c.noise)}</td></tr>"
        for c in report.changes
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("lower is better", "before", "after", "change", "noise")
    )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _figure(caption: str, under: str, chart: str) -> str:
    return f"<figure><figcaption>{caption}<small>{under}</small></figcaption>{chart}</figure>"


def _reliability(found: Reliability, label: str) -> str:
    ideal = Series("ideal", (0.0, 1.0), (0.0, 1.0), tone="none")
    return line_chart(
        [
            ideal,
            _bins("as it says", found.before, is_main=False),
            _bins("calibrated", found.after, is_main=True),
        ],
        label=label,
        x_label="said",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
    )


def _bins(label: str, bins: Sequence[Bin], *, is_main: bool) -> Series:
    return Series(
        label,
        [b.said for b in bins],
        [_or_nan(b.seen.value) for b in bins],
        [_or_nan(b.seen.lo) for b in bins] if is_main else (),
        [_or_nan(b.seen.hi) for b in bins] if is_main else (),
        tone="1" if is_main else "2",
        is_main=is_main,
    )


def _risk_chart(
    report: CalibrationReport,
    label: str,
    of: Callable[[RiskPoint], Estimate],
    *,
    is_percent: bool = True,
) -> str:
    whole = _or_nan(of(report.curve[-1]).value)
    first = report.curve[0].kept_frac
    curve = [of(p) for p in report.curve]
    series = [
        Series("by chance", (first, 1.0), (whole, whole), tone="none"),
        Series(
            "as it says",
            [p.kept_frac for p in report.curve_before],
            [_or_nan(of(p).value) for p in report.curve_before],
            tone="2",
        ),
        Series(
            "calibrated",
            [p.kept_frac for p in report.curve],
            [_or_nan(e.value) for e in curve],
            [_or_nan(e.lo) for e in curve],
            [_or_nan(e.hi) for e in curve],
            tone="1",
            is_main=True,
        ),
    ]
    return line_chart(
        series,
        label=label,
        x_label="share of answers kept",
        x_range=(0.0, 1.0),
        is_percent=is_percent,
    )


def _sets_figure(report: CalibrationReport) -> str:
    sets = report.sets
    found = [("all", sets.coverage), *((f"true {n}", e) for n, e in enumerate(sets.levels, 1))]
    rows = [
        DotRow(
            name,
            _or_nan(e.value),
            e.lo,
            e.hi,
            shown=f"{_percent(e.value)} {_between(e)}".strip(),
            is_main=name == "all",
        )
        for name, e in found
    ]
    chart = dot_plot(
        rows, label="Share of sets that hold the truth", x_range=(0.0, 1.0), reference=sets.asked
    )
    under = (
        f"Asked for: {_percent(sets.asked)}, which is promised for all levels together, not for each. Levels in a set: "
        f"{_number(sets.size, 2)} on average; {_percent(sets.single.value)} hold a single one."
    )
    return _figure("How often the set of levels holds the truth", under, chart)


def _limits(calibration: Calibration) -> str:
    items = (
        "Calibration changes how sure the model says it is, never its score; only an abstain band takes scores away.",
        "The promise of the sets holds for further groups like those of the fitting set: same robots, same tasks, same "
        "mix of levels. It says nothing about other videos.",
        f"It belongs to revision {calibration.revision} of the model and these frames; another revision is refused.",
    )
    return section(
        "limits",
        f'<h2>What this does not say</h2><ul class="limits">{"".join(f"<li>{text(i)}</li>" for i in items)}</ul>',
    )


def _footer(calibration: Calibration, reports: Sequence[CalibrationReport]) -> str:
    sets = "".join(
        f"<li>{text(report.set_name)}, digest <code>{escape(report.set_hash)}</code></li>"
        for report in reports
    )
    return (
        f"<footer><h2>How to check this</h2><p>Calibration <code>{escape(calibration.digest)}</code> of "
        f"{text(calibration.model)} revision <code>{escape(calibration.revision)}</code>, roboreward "
        f"{text(calibration.package_version)}, on these sets:</p><ul>{sets}</ul></footer>"
    )


def _cell(estimate: Estimate, *, sign: bool = False) -> str:
    if estimate.value is None:
        return "-"
    value = f"{estimate.value:+.3f}" if sign else f"{estimate.value:.3f}"
    return f"{value}<small>{_ends(estimate, sign=sign)}</small>"


def _ends(estimate: Estimate, *, sign: bool = False) -> str:
    if estimate.lo is None or estimate.hi is None:
        return ""
    form = "+.3f" if sign else ".3f"
    return f"{estimate.lo:{form}} to {estimate.hi:{form}}"


def _number(estimate: Estimate, digits: int = 3) -> str:
    return "-" if estimate.value is None else f"{estimate.value:.{digits}f}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _between(estimate: Estimate) -> str:
    if estimate.lo is None or estimate.hi is None:
        return ""
    return f"({100 * estimate.lo:.0f} to {100 * estimate.hi:.0f} %)"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
