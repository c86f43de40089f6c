"""`roboreward dataset`: what a dataset holds, what is wrong with it, and what it is for others."""

from functools import partial
from pathlib import Path

import click

from roboreward.cli.bench import progress
from roboreward.cli.dataset_card import card
from roboreward.cli.dataset_export import export
from roboreward.cli.dataset_options import PATH, folder_argument, no_videos_option, workers_option
from roboreward.cli.edge import EXIT_FINDINGS, json_option, plain, print_json


@click.group()
def dataset() -> None:
    """Build datasets, and check, count, describe, show and export them.

    DIR is a folder with a split in each subfolder (train, val, test, ...), or a single split.
    """


dataset.add_command(card)
dataset.add_command(export)


@dataset.command()
@folder_argument
@no_videos_option
@click.option(
    "--looks", is_flag=True, help="Also compare the videos of different splits by their looks."
)
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option(
    "--min-level", type=click.IntRange(0), metavar="N", help="Rows that each level needs.  [5]"
)
@click.option(
    "--min-source", type=click.IntRange(0), metavar="N", help="Rows that each source needs.  [10]"
)
@click.option(
    "--max-words", type=click.IntRange(1), metavar="N", help="Longest task, in words.  [50]"
)
@workers_option
@json_option
@click.pass_context
def lint(
    ctx: click.Context,
    folder: Path,
    no_videos: bool,
    looks: bool,
    strict: bool,
    min_level: int | None,
    min_source: int | None,
    max_words: int | None,
    workers: int,
    as_json: bool,
) -> None:
    """Look for leaks and damage: labels in names, groups in two splits, copies, shortcuts in the texts, broken videos.

    \b
    Exit codes:
      0  nothing, or warnings only
      1  errors were found (with --strict: anything)
      2  a usage error, or no usable row
    """
    from roboreward.dataset import LintLimits, lint_dataset
    from roboreward.media import perceptual_fingerprint

    given = {
        "min_level_rows": min_level,
        "min_source_rows": min_source,
        "max_task_words": max_words,
    }
    limits = LintLimits(**{key: value for key, value in given.items() if value is not None})
    report = lint_dataset(
        folder,
        has_videos=not no_videos,
        limits=limits,
        fingerprint=perceptual_fingerprint if looks else None,
        num_workers=workers,
        progress=None if as_json else partial(progress, "videos"),
    )
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(plain(report.text()))
    ctx.exit(EXIT_FINDINGS if report.errors or (strict and report.findings) else 0)


@dataset.command()
@folder_argument
@no_videos_option
@click.option("--html", type=PATH, metavar="OUT.html", help="Also write a page with the plots.")
@workers_option
@json_option
def stats(folder: Path, no_videos: bool, html: Path | None, workers: int, as_json: bool) -> None:
    """Count examples by split, level, source, origin, view and author; tasks, durations and groups."""
    from roboreward.dataset import (
        dataset_stats,
        examine_videos,
        lint_dataset,
        read_dataset,
        refuse_own_file,
    )

    has_videos = not no_videos
    found = read_dataset(folder, allow_bad=True, has_videos=has_videos)
    if html is not None:
        refuse_own_file(html, found)
    facts = examine_videos(
        [row.example.video for row in found.rows] if has_videos else [],
        num_workers=workers,
        progress=None if as_json else partial(progress, "videos"),
    )
    counted = dataset_stats(found, has_videos=has_videos, facts=facts)
    if as_json:
        print_json(counted.as_json())
    else:
        click.echo(plain(counted.text()))
    if html is not None:
        from roboreward.cli.dataset_page import write_stats_page

        report = lint_dataset(found, has_videos=has_videos, facts=facts)
        options = " --no-videos" if no_videos else ""
        command = f"roboreward dataset stats {found.name} --html {html.name}{options}"
        write_stats_page(html, stats=counted, report=report, command=command)
        click.echo(f"Page: {plain(str(html))}", err=as_json)


@dataset.command()
@folder_argument
@click.argument("example", metavar="EXAMPLE")
@click.option(
    "--out", type=PATH, metavar="OUT.png", help="Also draw it, as PNG or (by the name) JPEG."
)
@click.option(
    "--frames",
    default=8,
    show_default=True,
    type=click.IntRange(1, 32),
    metavar="N",
    help="Frames of each video in the picture.",
)
@json_option
def show(folder: Path, example: str, out: Path | None, frames: int, as_json: bool) -> None:
    """Show one example: task, label and why, validator, and what it was made from, back to the start.

    EXAMPLE is an example_id, a file name, or a place such as train/metadata.jsonl:12.
    """
    from roboreward.dataset import portray, read_dataset, refuse_own_file, save_portrait

    found = read_dataset(folder, allow_bad=True, has_videos=out is not None)
    if out is not None:
        refuse_own_file(out, found)
    portrait = portray(found, example)
    if out is not None:
        save_portrait(out, portrait, num_frames=frames)
    if as_json:
        print_json(portrait.as_json() | {"picture": None if out is None else str(out)})
        return
    click.echo(plain(portrait.text()))
    if out is not None:
        click.echo(f"Picture: {plain(str(out))}")


@dataset.command()
@folder_argument
@click.option("--index", type=PATH, metavar="FILE", help="What a model has seen, as JSON lines.")
@click.option(
    "--write-index",
    type=PATH,
    metavar="FILE",
    help="Write such an index of DIR in place of checking.",
)
@click.option("--split", "splits", multiple=True, help="Index only this split; may be given again.")
@no_videos_option
@workers_option
@json_option
@click.pass_context
def contamination(
    ctx: click.Context,
    folder: Path,
    index: Path | None,
    write_index: Path | None,
    splits: tuple[str, ...],
    no_videos: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Say which examples of DIR a model has seen, by what an index says it was trained on.

    Exits with 1 when it has seen any. `--write-index` makes the index from the dataset that a model was trained on.
    """
    from roboreward.dataset import find_contamination, read_dataset, read_index
    from roboreward.dataset import write_index as write

    if (index is None) == (write_index is None):
        raise click.UsageError("Give either --index or --write-index.")
    if splits and index is not None:
        raise click.UsageError(
            "--split says what --write-index covers. To check one split, give its folder as DIR."
        )
    found = read_dataset(folder, allow_bad=True, has_videos=not no_videos)
    if index is None:
        target = write_index or Path()
        num = write(target, found, splits=splits, has_videos=not no_videos, num_workers=workers)
        if as_json:
            print_json({"index": str(target), "num_lines": num})
        else:
            click.echo(f"{num:,} lines: {plain(str(target))}")
        return
    seen = read_index(index)
    result = find_contamination(found, seen, has_videos=not no_videos, num_workers=workers)
    if as_json:
        print_json(result.as_json())
    else:
        click.echo(plain(result.text()))
    ctx.exit(EXIT_FINDINGS if result.seen else 0)
