"""`roboreward sources`: which readers of robot data there are, and what each needs."""

from typing import TYPE_CHECKING, Any

import click

from roboreward.cli.edge import json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.sources import OxeDataset, ReaderInfo


@click.command()
@click.option(
    "--oxe", is_flag=True, help="List the data sets that RoboReward used, as far as they are known."
)
@json_option
def sources(oxe: bool, as_json: bool) -> None:
    """List the readers of robot data: what each reads, its options, and how to make it usable where it is not.

    Readers come with roboreward, and from other packages as plug-ins.
    """
    if oxe:
        _list_oxe(as_json)
    else:
        _list_readers(as_json)


def _list_readers(as_json: bool) -> None:
    from roboreward.sources import available_readers, oxe_datasets

    readers = available_readers()
    if as_json:
        print_json([_json_of(reader) for reader in readers])
        return
    width = max((len(plain(reader.name)) for reader in readers), default=0) + 2
    for reader in readers:
        mark = "yes" if reader.is_usable else "no"
        origin = "" if reader.origin == "built in" else f" ({reader.origin})"
        click.echo(f"{mark:<4}{plain(reader.name):<{width}}{_line(reader.summary + origin)}")
        for detail in (_options_of(reader), reader.hint):
            if detail:
                click.echo(f"{'':<{width + 4}}{_line(detail)}")
    num = len(oxe_datasets())
    click.echo(
        f"\nKnown of {num} data sets (Open X-Embodiment and others): roboreward sources --oxe"
    )


def _list_oxe(as_json: bool) -> None:
    from roboreward.sources import oxe_datasets

    datasets = oxe_datasets()
    if as_json:
        print_json([_json_of_oxe(dataset) for dataset in datasets])
        return
    rows = [("name", "licence", "steps/s", "judged camera"), *map(_row_of_oxe, datasets)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]))


def _row_of_oxe(dataset: "OxeDataset") -> tuple[str, str, str, str]:
    rate = "unknown" if dataset.control_hz is None else f"{dataset.control_hz:g}"
    judged = " or ".join(dataset.judged) or "unknown"
    return dataset.name, dataset.licence or "unknown", rate, judged


def _json_of(reader: "ReaderInfo") -> dict[str, Any]:
    keys = ("name", "summary", "is_usable", "hint", "origin")
    options = [option._asdict() for option in reader.options]
    return {key: getattr(reader, key) for key in keys} | {"options": options}


def _json_of_oxe(dataset: "OxeDataset") -> dict[str, Any]:
    keys = ("name", "rlds_names", "licence", "control_hz", "judged", "embodiment")
    return {key: getattr(dataset, key) for key in keys}


def _options_of(reader: "ReaderInfo") -> str:
    names = [f"{name} (required)" if is_required else name for name, is_required in reader.options]
    return f"options: {', '.join(names)}" if names else ""


def _line(text: str) -> str:
    return plain(" ".join(text.split()))
