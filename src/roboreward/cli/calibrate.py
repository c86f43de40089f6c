"""`roboreward calibrate`: make a model's probabilities mean what they say, on validation data only."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roboreward.cli.api_options import ApiChoices, api_options, asking
from roboreward.cli.edge import EXIT_FINDINGS, json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.bench import CalibrationReport, RunResult
    from roboreward.dataset import ExampleSet
    from roboreward.models import Calibration

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", required=False, type=_PATH, metavar="[RUN]")
@click.option("--model", metavar="M", help="Reward model to run on SET, or to choose among runs.")
@click.option(
    "--set",
    "set_name",
    metavar="SET",
    help="Validation set to run the model on: a folder, or sim-val.",
)
@click.option(
    "--runs",
    default=Path("runs"),
    show_default=True,
    type=_PATH,
    help="Folder of the runs that are made.",
)
@click.option(
    "--coverage",
    default=0.9,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Chance with which a set of levels holds the truth.",
)
@click.option(
    "--keep",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="FRAC",
    help="Abstain from the least certain answers, so that this share of them is kept.  [default: no abstaining]",
)
@click.option(
    "--report-on",
    metavar="RUN_OR_SET",
    help="Also measure on another run or set, which may be a test split.",
)
@click.option(
    "--out",
    type=_PATH,
    help="File or folder for calibration.json.  [default: the model's folder, else ./calibration]",
)
@click.option("--html", type=_PATH, metavar="OUT.html", help="Also write a page.")
@api_options
@json_option
@click.pass_context
def calibrate(
    ctx: click.Context,
    run: Path | None,
    model: str | None,
    set_name: str | None,
    runs: Path,
    coverage: float,
    keep: float | None,
    report_on: str | None,
    out: Path | None,
    html: Path | None,
    as_json: bool,
    api: ApiChoices,
) -> None:
    """Fit temperature, isotonic curve and sets of levels, and report how good they are.

    RUN is the folder of a finished run on a validation set; or give --model and --set, and the model is run first. A
    test split is refused, and so is a model that gives no probabilities. Use the result as
    `calibrated:FOLDER:MODEL`.

    \b
    Exit codes:
      0  fitted
      1  fitted, but some calls of the run failed and are in no number
      2  a usage error, such as a test split or too few groups
    """
    from roboreward.bench import answers_of, fit_calibration
    from roboreward.store import write_json

    with asking(api):
        result = _fitting_run(run, model, set_name, runs, is_quiet=as_json)
        calibration = fit_calibration(result, coverage=coverage, keep=keep)
        file = _target(calibration, out)
        answers = answers_of(result)
        reports = [_measured(result, calibration, fitted=None)]
        if report_on is not None:
            other = _other_run(report_on, result, runs, is_quiet=as_json)
            reports.append(_measured(other, calibration, fitted=answers.groups))
    write_json(file, calibration.model_dump(mode="json"))
    _show(file, calibration, reports, html, as_json=as_json)
    ctx.exit(EXIT_FINDINGS if calibration.num_left_out.get("failed") else 0)


def _fitting_run(
    run: Path | None, model: str | None, set_name: str | None, runs: Path, *, is_quiet: bool
) -> "RunResult":
    """Return the run to fit on: the one that was named, or a new one of the model on the set."""
    from roboreward.bench import load_runs, refuse_test_split
    from roboreward.cli.bench import open_examples
    from roboreward.core import UsageError

    if run is not None and set_name is None:
        return _one_of(load_runs(run.parent if run.is_file() else run), model, run)
    if run is not None or set_name is None or model is None:
        raise UsageError(
            "Give the folder of a run, or a model and a validation set: --model M --set SET."
        )
    path = Path(set_name)
    is_there = path.exists()
    # Before a set is simulated, and before a model is asked and paid.
    refuse_test_split(path.name if is_there else set_name, path if is_there else None)
    examples = open_examples(set_name)
    refuse_test_split(examples.name, examples.path, examples.examples)
    return _asked(examples, model, runs, is_quiet=is_quiet)


def _other_run(name: str, fitted: "RunResult", runs: Path, *, is_quiet: bool) -> "RunResult":
    """Return the run to report on as well, of the same model at the same revision, on other examples."""
    from roboreward.bench import load_runs
    from roboreward.cli.bench import open_examples
    from roboreward.core import UsageError

    path, model = Path(name), fitted.config.model
    is_run = any(path.glob("run.json")) or any(path.glob("*/run.json"))
    other = (
        _one_of(load_runs(path), model, path)
        if is_run
        else _asked(open_examples(name), model, runs, is_quiet=is_quiet)
    )
    for what in ("model", "revision", "frame_policy"):
        before, now = getattr(fitted.config, what), getattr(other.config, what)
        if before != now:
            raise UsageError(
                f"{name} is of {what.replace('_', ' ')} {now}, the calibration of {before}. Run the same model on both."
            )
    if other.config.set_hash == fitted.config.set_hash:
        raise UsageError(
            f"{name} is the set that is fitted on, which is reported on anyway. Name another one."
        )
    return other


def _one_of(found: "list[RunResult]", model: str | None, where: Path) -> "RunResult":
    from roboreward.core import UsageError

    chosen = [
        r for r in found if r.config.model == model or (model is None and not r.config.is_floor)
    ]
    if len(chosen) != 1:
        names = ", ".join(sorted(r.folder.name for r in (chosen or found)))
        asked = "" if model is None else f" of {model}"
        raise UsageError(
            f"{where} holds {len(chosen)} runs{asked} to choose from: name one of the folders {names}."
        )
    return chosen[0]


def _asked(examples: "ExampleSet", model: str, runs: Path, *, is_quiet: bool) -> "RunResult":
    from roboreward.bench import run_bench
    from roboreward.cli.bench import progress

    return run_bench(examples, [model], runs, progress=None if is_quiet else progress)[0]


def _measured(
    result: "RunResult", calibration: "Calibration", *, fitted: list[str] | None
) -> "CalibrationReport":
    from roboreward.bench import answers_of, report_calibration

    return report_calibration(
        answers_of(result),
        calibration,
        set_name=result.config.set_name,
        set_hash=result.config.set_hash,
        fitted_groups=fitted or (),
    )


def _target(calibration: "Calibration", out: Path | None) -> Path:
    """Return where to write, and refuse to overwrite the calibration of another model."""
    from roboreward.core import DataError, UsageError
    from roboreward.models import CALIBRATION_FILE, read_calibration

    _, _, rest = calibration.model.partition(":")
    home = Path(rest) if rest and Path(rest).is_dir() else Path("calibration")
    place = out if out is not None else home
    file = place if place.suffix == ".json" else place / CALIBRATION_FILE
    try:
        before = read_calibration(file) if file.exists() else None
    except DataError as error:
        raise UsageError(
            f"{error} It is not overwritten; choose another --out, or remove it."
        ) from error
    if before is not None and before.model != calibration.model:
        raise UsageError(f"{file} is the calibration of {before.model}. Choose another --out.")
    return file


def _show(
    file: Path,
    calibration: "Calibration",
    reports: "list[CalibrationReport]",
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from roboreward.bench import calibration_headline, calibration_notes, write_calibration_html

    page = None if html is None else write_calibration_html(html, calibration, reports)
    if as_json:
        print_json(
            {
                "file": str(file),
                "page": None if page is None else str(page),
                "calibration": calibration.model_dump(mode="json"),
                "reports": [report.model_dump(mode="json") for report in reports],
            }
        )
        return
    for report in reports:
        click.echo(
            plain(f"On {report.set_name}{' (out of fold)' if report.is_cross_fitted else ''}:")
        )
        click.echo(plain(calibration_headline(calibration, report)))
        click.echo(_lines(report))
        for note in calibration_notes(calibration, report):
            click.echo(plain(f"- {note}"))
        click.echo()
    click.echo(f"Calibration: {plain(str(file))}" + (f"  Page: {plain(str(page))}" if page else ""))
    place = file.parent if file.name == "calibration.json" else file
    click.echo(f"Use it: --model {plain(f'calibrated:{place}:{calibration.model}')}")


def _lines(report: "CalibrationReport") -> str:
    """The table of measures, for people."""
    from roboreward.bench import CALIBRATION_NAMES, Estimate

    def shown(estimate: Estimate) -> str:
        if estimate.value is None:
            return "-"
        ends = "" if estimate.lo is None else f" [{estimate.lo:.3f}, {estimate.hi:.3f}]"
        return f"{estimate.value:.3f}{ends}"

    rows = [("", "before", "after", "change")]
    rows += [
        (CALIBRATION_NAMES[c.name], shown(c.before), shown(c.after), shown(c.change))
        for c in report.changes
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
