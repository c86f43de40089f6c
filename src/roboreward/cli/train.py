"""`roboreward train`: run a recipe."""

from pathlib import Path

import click

from roboreward.cli.edge import json_option, plain, print_json


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for weights and record."
)
@json_option
def train(recipe: Path, out: Path, as_json: bool) -> None:
    """Train a reward model as RECIPE (a TOML file) says. Needs the `train` extra (torch).

    The same command goes on after an interruption.
    """
    from roboreward.training import train_recipe

    card = train_recipe(recipe, out, log=lambda line: click.echo(plain(line), err=True))
    if as_json:
        print_json({"out": str(out), **card.model_dump(mode="json")})
        return
    click.echo(f"Trained {card.version}. Weights and record: {plain(str(out))}")
