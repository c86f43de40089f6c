"""`roboreward dataset card`: what others are told of a dataset."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roboreward.cli.dataset_options import folder_argument, no_videos_option, workers_option
from roboreward.cli.edge import json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.dataset import Dataset

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _licence(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _LICENCE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is none of the hub's identifiers, which are lower-case letters, digits, dots, hyphens and "
            "plus signs, such as cc-by-4.0."
        )
    return value


def _day(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        if not _DATE.fullmatch(value):
            raise ValueError("ISO 8601 has other forms too")
        date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no day in the form YYYY-MM-DD.") from error
    return value


@click.command()
@folder_argument
@click.option("--name", help="Name for people.  [default: the folder's]")
@click.option(
    "--licence", metavar="ID", callback=_licence, help="The hub's identifier, such as cc-by-4.0."
)
@click.option(
    "--source-licence",
    "source_licences",
    multiple=True,
    metavar="SOURCE=ID",
    help="Licence of a source whose rows state none; may be given again.",
)
@click.option("--summary", default="", help="A paragraph for the top, in Markdown.")
@click.option("--url", help="Where it is published, for the Croissant file.")
@click.option("--creator", "creators", multiple=True, help="Who made it; may be given again.")
@click.option(
    "--date",
    "date_published",
    metavar="YYYY-MM-DD",
    callback=_day,
    help="When it is published.",
)
@click.option(
    "--list-videos", is_flag=True, help="List every video's SHA-256 in the Croissant file."
)
@click.option("--force", is_flag=True, help="Replace a README.md that is there.")
@no_videos_option
@workers_option
@json_option
def card(
    folder: Path,
    name: str | None,
    licence: str | None,
    source_licences: tuple[str, ...],
    summary: str,
    url: str | None,
    creators: tuple[str, ...],
    date_published: str | None,
    list_videos: bool,
    force: bool,
    no_videos: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Write DIR/README.md, the card that the hub shows, and DIR/croissant.json."""
    from roboreward.core import UsageError
    from roboreward.dataset import (
        croissant_json,
        hash_videos,
        missing_properties,
        read_dataset,
        refuse_own_file,
    )
    from roboreward.store import write_atomic, write_json

    given = _pairs(source_licences)
    found = read_dataset(folder, has_videos=not no_videos)
    _check_sources(given, {row.example.source for row in found.rows})
    readme, croissant = found.folder / "README.md", found.folder / "croissant.json"
    for target in (readme, croissant):
        refuse_own_file(target, found)
    if readme.exists() and not force:
        raise UsageError(f"{readme} is there already. Give --force to replace it.")
    write_atomic(
        readme,
        _card_text(
            found,
            licence=licence,
            source_licences=given,
            name=name,
            summary=summary,
            has_videos=not no_videos,
            num_workers=workers,
        ),
    )
    paths = [row.example.video for row in found.rows]
    value = croissant_json(
        found,
        name=name,
        description=summary,
        licence=licence,
        url=url,
        creators=creators,
        date_published=date_published,
        digest_of=hash_videos(paths, num_workers=workers) if list_videos else None,
    )
    write_json(croissant, value)
    missing = missing_properties(value)
    if as_json:
        files = {"card": str(readme), "croissant": str(croissant)}
        print_json({**files, "missing_properties": missing})
        return
    click.echo(f"Card: {plain(str(readme))}")
    click.echo(f"Croissant: {plain(str(croissant))}")
    if missing:
        click.echo(f"The Croissant standard also asks for: {', '.join(missing)}.")


def _card_text(
    found: "Dataset",
    *,
    licence: str | None,
    source_licences: dict[str, str],
    name: str | None,
    summary: str,
    has_videos: bool,
    num_workers: int,
) -> str:
    """Return the card of a dataset, with what the linter finds and what a build noted of its sources."""
    from roboreward.dataset import dataset_card, dataset_stats, licences_beside, lint_dataset

    return dataset_card(
        found,
        stats=dataset_stats(found, has_videos=False),
        report=lint_dataset(found, has_videos=has_videos, num_workers=num_workers),
        name=name,
        licence=licence,
        source_licences=licences_beside(found.folder) | source_licences,
        summary=summary,
    )


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return {source: licence} of texts such as "bridge=cc-by-4.0"."""
    found = {}
    for text in texts:
        source, sign, licence = (part.strip() for part in text.partition("="))
        if not (source and sign and licence):
            raise click.UsageError(f"--source-licence {text!r} is not of the form SOURCE=ID.")
        found[source] = licence
    return found


def _check_sources(given: Iterable[str], there: set[str]) -> None:
    if unknown := sorted(set(given) - there):
        raise click.UsageError(
            f"--source-licence: there is no source {unknown[0]!r}; there is: {', '.join(sorted(there))}."
        )
