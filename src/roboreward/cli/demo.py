"""`roboreward demo`: the embedded default from end to end, into a local report."""

import functools
from pathlib import Path

import click

from roboreward.cli.edge import json_option, plain, print_json


@click.command()
@click.option(
    "--out",
    default=Path("demo-report"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the rollouts, the run and the page.",
)
@click.option(
    "--episodes",
    default=30,
    show_default=True,
    type=click.IntRange(5, 1000),
    help="Rollouts to simulate, rounded up to a multiple of 5: each score equally often.",
)
@json_option
def demo(out: Path, episodes: int, as_json: bool) -> None:
    """Simulate rollouts, score them with nano and the floors, and write a report page."""
    from roboreward.bench import run_bench, table_data
    from roboreward.cli.bench import progress, report_on, with_floors, write_pages
    from roboreward.dataset import build_sim_set

    per_level = -(-episodes // 5)
    folder = out / f"set-{5 * per_level}"
    click.echo(f"Simulating {5 * per_level} rollouts that nano has never seen ...", err=True)
    making = functools.partial(progress, "simulated")
    examples = build_sim_set("sim-demo", folder, per_level=per_level, progress=making)
    click.echo("Scoring them with nano and the floors ...", err=True)
    results = run_bench(examples, with_floors(["nano"]), out / "runs", progress=progress)
    (page,) = write_pages(results, out / "index.html")
    if as_json:
        print_json({"page": str(page), **table_data(results)})
        return
    report_on(results, as_json=False)
    click.echo(f"Report: {plain(str(page))}")
