"""`roboreward models`: which reward models there are, and what each needs."""

import click

from roboreward.cli.api_options import asking
from roboreward.cli.edge import json_option, print_json


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the reward models: what each is, and how to make it usable where it is not."""
    from roboreward.models import available_models

    with asking():
        found = available_models()
    if as_json:
        keys = ("name", "summary", "is_usable", "hint")
        print_json([{key: getattr(model, key) for key in keys} for model in found])
        return
    width = max((len(model.name) for model in found), default=0)
    for model in found:
        click.echo(
            f"{'yes' if model.is_usable else 'no ':<4}{model.name:<{width + 2}}{model.summary}"
        )
        if model.hint and not model.is_usable:
            click.echo(f"{'':<{width + 6}}{model.hint}")
