"""`roboreward dataset build`: sources -> videos, clips, splits."""

from pathlib import Path

import click

from roboreward.cli.edge import json_option, plain, print_json
from roboreward.cli.rl import progress_bars


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The dataset's folder.")
@click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one a core]", metavar="N"
)
@json_option
def build(recipe: Path, out: Path, workers: int | None, as_json: bool) -> None:
    """Build a dataset as RECIPE (a TOML file) says.

    The same command goes on after an interruption. Episodes that cannot be used are counted, and listed in
    OUT/skipped.jsonl.
    """
    from roboreward.dataset import build_dataset, read_dataset_recipe

    found = read_dataset_recipe(recipe)
    with progress_bars(is_quiet=as_json) as progress:
        built = build_dataset(found, out, num_workers=workers, progress=progress)
    if as_json:
        print_json(
            {
                "out": str(out),
                "rows": built.num_rows,
                "skipped": built.skipped,
                "num_duplicates": built.num_duplicates,
            }
        )
        return
    rows = ", ".join(f"{num:,} {split}" for split, num in built.num_rows.items())
    click.echo(f"Rows: {rows}. Same frames twice: {built.num_duplicates} episodes.")
    if built.skipped:
        why = ", ".join(f"{num:,} {reason}" for reason, num in built.skipped.items())
        click.echo(f"Left out: {why}. Each is listed in {plain(str(out / 'skipped.jsonl'))}.")
    click.echo(f"Next: roboreward dataset lint {plain(str(out))}")
