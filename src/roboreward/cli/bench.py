"""`roboreward bench`: run reward models on an example set, and report."""

import functools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roboreward.cli.api_options import ApiChoices, api_options, asking
from roboreward.cli.edge import EXIT_FINDINGS, json_option, plain, print_json
from roboreward.cli.places import cache_folder

if TYPE_CHECKING:
    from roboreward.bench import RunResult
    from roboreward.core import Example
    from roboreward.dataset import ExampleSet

_FLOORS = (
    *(f"floor:constant-{score}" for score in range(1, 6)),
    "floor:label-sampler",
    "floor:text-only",
)
_WIDTH_WITHOUT_TERMINAL = 160
_CHUNK_SIZE = 32
_PATH = click.Path(path_type=Path)


@click.group()
def bench() -> None:
    """Run reward models on a set of labelled examples, and report how good they are."""


@bench.command()
@click.option(
    "--set",
    "set_name",
    required=True,
    metavar="SET",
    help="A folder with metadata.jsonl, or a named set.",
)
@click.option(
    "--model",
    "uris",
    multiple=True,
    required=True,
    metavar="M",
    help="Reward model; may be given again.",
)
@click.option(
    "--out",
    default=Path("runs"),
    show_default=True,
    type=_PATH,
    help="Folder that gets one folder a run.",
)
@click.option("--skip-bad", is_flag=True, help="Leave bad metadata rows out, and count them.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Score only N examples, spread over the set.",
    metavar="N",
)
@click.option(
    "--no-floors",
    is_flag=True,
    help="Leave out the floors: constants, label sampler, text only, first frame.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Ask again what failed before: network, budget, a video that could not be read.",
)
@api_options
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    set_name: str,
    uris: tuple[str, ...],
    out: Path,
    skip_bad: bool,
    limit: int | None,
    no_floors: bool,
    retry_failed: bool,
    as_json: bool,
    api: ApiChoices,
) -> None:
    """Score a set with each model and with the floors.

    The same command again goes on where it stopped; examples that have an answer are not asked again.

    \b
    Exit codes:
      0  every example was asked
      1  some examples have no answer of a model (their video could not be read, or the call failed)
      2  a usage error, a bad row (without --skip-bad), an output that cannot be written
    """
    from roboreward.bench import run_bench

    examples = open_examples(set_name, skip_bad=skip_bad)
    models = list(uris) if no_floors else with_floors(uris)
    watch = None if as_json else progress
    with asking(api):
        results = run_bench(
            examples,
            models,
            out,
            limit=limit,
            # Fewer questions at once than calls at once would leave some of these idle.
            chunk_size=max(_CHUNK_SIZE, api.concurrency),
            retry_failed=retry_failed,
            progress=watch,
        )
    say_where_snapshots_mix(results)
    report_on(results, as_json=as_json, num_bad_rows=len(examples.bad_rows))
    if not as_json:
        click.echo(
            f"Runs: {plain(str(out))}. Page: roboreward bench report {plain(str(out))} --html report.html"
        )
        num_failed = sum(r.verdict.status == "failed" for x in results for r in x.records)
        if num_failed:
            again = "The same command with --retry-failed asks again, and nothing else."
            click.echo(f"{num_failed:,} questions failed. {again}")
    ctx.exit(0 if all(_is_whole(result) for result in results) else EXIT_FINDINGS)


@bench.command()
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option(
    "--html",
    type=_PATH,
    metavar="OUT.html",
    help="Also write a page that needs no other file (numbered when DIR holds runs on several sets).",
)
@json_option
@click.pass_context
def report(ctx: click.Context, folder: Path, html: Path | None, as_json: bool) -> None:
    """Print the table of the runs in DIR, which may also be a single run.

    Exits with 1 when a run is unfinished or holds failed calls.
    """
    from roboreward.bench import load_runs

    results = load_runs(folder)
    report_on(results, as_json=as_json)
    for page in write_pages(results, html) if html is not None else ():
        click.echo(f"Page: {plain(str(page))}", err=as_json)
    ctx.exit(0 if all(_is_whole(result) for result in results) else EXIT_FINDINGS)


def write_pages(
    results: Sequence["RunResult"],
    path: Path,
    *,
    title: str | None = None,
    lead_html: str = "",
    strips: Mapping[str, Sequence[bytes]] | None = None,
) -> list[Path]:
    """Write one page for each set of examples, with its videos where they are still in place.

    Args:
        results: Runs, of one set or several.
        path: The page; with several sets, numbers are added to its name.
        title: Heading; None for the name of the set.
        lead_html: Trusted markup for the top of each page.
        strips: Pictures by example id to show in place of what the best model saw.

    Returns:
        The pages.
    """
    from roboreward.bench import by_set, write_report_html

    parts = by_set(results)
    pages = []
    for number, part in enumerate(parts, start=1):
        page = path if len(parts) == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        examples = _examples_of(part[0])
        write_report_html(
            page,
            title=title or part[0].config.set_name,
            results=part,
            examples=examples,
            lead_html=lead_html,
            strips=strips,
        )
        pages.append(page)
    return pages


def _examples_of(result: "RunResult") -> tuple["Example", ...]:
    """Return the examples of a run, or none when the set has gone or is another one by now."""
    from roboreward.core import RoboRewardError
    from roboreward.dataset import read_set

    path = result.config.set_path
    try:
        found = None if path is None else read_set(Path(path), allow_bad=True)
    except RoboRewardError:
        found = None
    if found is not None and found.set_hash == result.config.set_hash:
        return found.examples
    click.echo("The videos of the set are gone or changed: the page shows none.", err=True)
    return ()


def open_examples(name: str, *, skip_bad: bool = False) -> "ExampleSet":
    """Open a set and say on stderr which rows were left out.

    Args:
        name: A path, or the name of a built-in set.
        skip_bad: Go on without bad rows.
    """
    from roboreward.dataset import open_set

    making = functools.partial(progress, f"making {name}")
    examples = open_set(name, cache=cache_folder() / "sets", allow_bad=skip_bad, progress=making)
    for bad in examples.bad_rows:
        click.echo(f"Skipped {plain(f'{bad.file}:{bad.row}: {bad.reason}')}", err=True)
    if examples.bad_rows:
        num, total = len(examples.bad_rows), len(examples.bad_rows) + len(examples.examples)
        click.echo(f"Skipped {num} bad of {total} rows.", err=True)
    return examples


def with_floors(uris: Sequence[str]) -> list[str]:
    """Return the models with all floors behind them, each once."""
    judges = [uri for uri in uris if not uri.startswith(("floor:", "mock:"))]
    first_frame = [f"floor:first-frame:{uri}" for uri in judges]
    return list(dict.fromkeys([*uris, *_FLOORS, *first_frame]))


def report_on(results: Sequence["RunResult"], *, as_json: bool, num_bad_rows: int = 0) -> None:
    """Print one table for each set of examples, or the same as JSON.

    Args:
        results: Runs, of one set or several.
        as_json: Print JSON.
        num_bad_rows: Rows that were left out, for the JSON.
    """
    from rich.console import Console

    from roboreward.bench import print_table, table_data

    if as_json:
        print_json({"num_bad_rows": num_bad_rows, **table_data(results)})
        return
    # Where nobody watches, a table is not squeezed into the 80 columns that rich would assume.
    is_watched = sys.stdout.isatty()
    print_table(results, Console() if is_watched else Console(width=_WIDTH_WITHOUT_TERMINAL))


def say_where_snapshots_mix(results: Sequence["RunResult"]) -> None:
    """Say on stderr which runs hold answers of several snapshots of a model behind an API.

    A provider may change what answers to a name, and the ledger hands out the answers of earlier ones.
    """
    for result in results:
        own = result.config.revision
        told = [record.verdict.revision or "" for record in result.records]
        found = Counter(one.removeprefix(own).strip() for one in told if one != own)
        found.pop("", None)
        if len(found) > 1:
            parts = ", ".join(f"{name} ({num})" for name, num in found.most_common())
            note = (
                f"{result.config.model}: this run holds answers of {len(found)} snapshots: {parts}. "
                "To ask for all of them again, give another --out and another --ledger."
            )
            click.echo(plain(note), err=True)


def progress(name: str, num_done: int, num_examples: int) -> None:
    """Show how far a run or the making of a set is, on stderr, where a person watches."""
    if not sys.stderr.isatty():
        return
    end = "\n" if num_done == num_examples else ""
    click.echo(f"\r{plain(name):<32} {num_done}/{num_examples}{end}", err=True, nl=False)


def _is_whole(result: "RunResult") -> bool:
    return result.is_complete and all(r.verdict.status != "failed" for r in result.records)
