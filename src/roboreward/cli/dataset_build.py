"""`roboreward dataset build` and `plan`: sources -> videos, clips, splits; and what that would give."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roboreward.cli.edge import json_option, plain, print_json
from roboreward.cli.progress import progress_bars

if TYPE_CHECKING:
    from roboreward.dataset import Plan

_DIMENSIONS = ("level", "origin", "source")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@json_option
def plan(recipe: Path, as_json: bool) -> None:
    """Say what RECIPE (a TOML file) would build, without encoding or writing anything.

    Copies are not found, and all clips are expected of a success whose length is not stated.
    """
    from roboreward.dataset import plan_dataset, read_dataset_recipe

    with progress_bars(is_quiet=as_json) as progress:
        found = plan_dataset(read_dataset_recipe(recipe), progress=progress)
    if as_json:
        print_json(_in_json(found))
        return
    click.echo(f"{found.num_episodes:,} episodes.")
    _print_plan(found)


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The dataset's folder.")
@click.option(
    "--engine",
    default="local",
    show_default=True,
    type=click.Choice(["local", "ray"]),
    help="Where videos are made: this machine's cores, or Ray Data.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one a core]", metavar="N"
)
@json_option
def build(recipe: Path, out: Path, engine: Any, workers: int | None, as_json: bool) -> None:
    """Build a dataset as RECIPE (a TOML file) says.

    The same command goes on after an interruption. Episodes that cannot be used are counted, and listed in
    OUT/skipped.jsonl.
    """
    from roboreward.dataset import build_dataset, read_dataset_recipe

    found = read_dataset_recipe(recipe)
    with progress_bars(is_quiet=as_json) as progress:
        built = build_dataset(found, out, engine=engine, num_workers=workers, progress=progress)
    if as_json:
        print_json({"out": str(out)} | _in_json(built) | {"num_duplicates": built.num_duplicates})
        return
    click.echo(f"{built.num_episodes:,} episodes, {built.num_duplicates:,} of them copies.")
    _print_plan(built)
    if built.skipped:
        click.echo(f"Each is listed in {plain(str(out / 'skipped.jsonl'))}.")
    click.echo(f"Next: roboreward dataset lint {plain(str(out))}")


def _in_json(plan: "Plan") -> dict[str, Any]:
    return {
        "num_episodes": plan.num_episodes,
        "rows": plan.num_rows,
        "skipped": plan.skipped,
        "kinds": [
            {"split": split, **cell._asdict(), "available": num}
            | {"kept": plan.kept.get(split, {}).get(cell, 0)}
            for split, cells in plan.available.items()
            for cell, num in sorted(cells.items())
        ],
    }


def _print_plan(plan: "Plan") -> None:
    """Print rows by split, what was left out, and the shares of what stays."""
    left_out = sum(sum(cells.values()) for cells in plan.available.values()) - sum(
        plan.num_rows.values()
    )
    rows = ", ".join(f"{num:,} {split}" for split, num in plan.num_rows.items())
    balanced = f" ({left_out:,} further ones left out for balance or looks)" if left_out else ""
    click.echo(f"Rows: {rows}{balanced}.")
    for split in plan.num_rows:
        for name in _DIMENSIONS:
            click.echo(f"  {split:5} {name:7} {_shares(plan, split, name)}")
    if plan.skipped:
        why = ", ".join(f"{num:,} {reason}" for reason, num in plan.skipped.items())
        click.echo(f"Left out: {why}.")


def _shares(plan: "Plan", split: str, name: str) -> str:
    """Return what part of the rows that stay each value has, the most frequent first, where order has no meaning."""
    counts: dict[str, int] = {}
    for cell, num in plan.kept[split].items():
        value = getattr(cell, name)
        counts[value] = counts.get(value, 0) + num
    total = sum(counts.values())
    order = sorted(counts, key=lambda v: v if name == "level" else (-counts[v], v))
    told = [f"{plain(value)} {counts[value] / total:.1%} ({counts[value]:,})" for value in order]
    more = f", and {len(told) - 8} more" if len(told) > 8 else ""
    return ", ".join(told[:8]) + more
