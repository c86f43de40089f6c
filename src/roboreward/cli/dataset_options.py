"""Options that several verbs of `roboreward dataset` have."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
folder_argument = click.argument("folder", type=PATH, metavar="DIR")
no_videos_option = click.option(
    "--no-videos", is_flag=True, help="Look at the metadata only; the videos need not be there."
)
workers_option = click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Processes.",
    metavar="N",
)
