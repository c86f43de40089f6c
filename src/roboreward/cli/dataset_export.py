"""`roboreward dataset export`: the examples in forms that others read."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roboreward.cli.edge import json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.dataset import DatasetRow, EpisodeLabels

_PATH = click.Path(path_type=Path)
_OF_A_CORPUS = ("lerobot", "episode-labels")


@click.command()
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option(
    "--format",
    "kind",
    required=True,
    type=click.Choice(["conversations", "messages", "parquet", *_OF_A_CORPUS]),
    help="The authors' training JSON; JSON lines for ms-swift and LLaMA-Factory; a table; the LeRobot "
    "dataset that DIR was built from, with rewards; the labels of its episodes as one JSON file.",
)
@click.option(
    "--out", required=True, type=_PATH, metavar="PATH", help="The file to write; lerobot: a folder."
)
@click.option("--split", "splits", multiple=True, help="Only this split; may be given again.")
@click.option(
    "--video-root",
    metavar="PATH",
    help='Put before the videos\' paths; "" leaves them relative to DIR.  [default: DIR]',
)
@click.option("--prompt", "template", help="Prompt template.  [default: roboreward-v1]")
@click.option(
    "--lerobot",
    "corpus",
    type=_PATH,
    metavar="FOLDER",
    help="The LeRobot dataset that DIR was built from; it is not changed.",
)
@click.option("--source", help="Name of FOLDER in DIR's rows.  [default: the folder's name]")
@click.option("--column", help="Name of the column of rewards.  [default: next.reward]")
@click.option(
    "--allow-other-tasks", is_flag=True, help="Take labels whose task is not the episode's own."
)
@json_option
def export(
    folder: Path,
    kind: str,
    out: Path,
    splits: tuple[str, ...],
    video_root: str | None,
    template: str | None,
    corpus: Path | None,
    source: str | None,
    column: str | None,
    allow_other_tasks: bool,
    as_json: bool,
) -> None:
    """Write the examples in a form that trainers read.

    With --format lerobot, PATH becomes a copy of FOLDER whose data have the column next.reward: (score - 1) / 4 at the
    last frame of an episode, 0 at the others, null in episodes without a label. How many these are is told.
    """
    _check_options(
        kind,
        {"--video-root": video_root, "--prompt": template},
        {"--source": source, "--column": column, "--allow-other-tasks": allow_other_tasks or None},
        corpus,
    )
    rows, home = _rows(folder, splits, out=out, has_videos=corpus is None)
    if corpus is None:
        root = str(home.resolve()) if video_root is None else video_root
        num = _export_rows(kind, out, rows, root=root, template=template)
        value: dict[str, Any] = {"out": str(out), "format": kind, "num_rows": num}
        told = f"{num:,} rows: {plain(str(out))}"
    else:
        from roboreward.dataset import match_episodes

        labels = match_episodes(rows, corpus, source=source, allow_other_tasks=allow_other_tasks)
        value, told = _export_labels(kind, out, labels, column=column)
    if as_json:
        print_json(value)
    else:
        click.echo(told)


def _check_options(
    kind: str, of_rows: dict[str, Any], of_corpus: dict[str, Any], corpus: Path | None
) -> None:
    is_of_corpus = kind in _OF_A_CORPUS
    if is_of_corpus and corpus is None:
        raise click.UsageError(f"--format {kind} needs --lerobot FOLDER.")
    foreign = of_rows if is_of_corpus else {"--lerobot": corpus, **of_corpus}
    if kind == "episode-labels":
        foreign = {**foreign, "--column": of_corpus["--column"]}
    for name, value in foreign.items():
        if value is not None:
            raise click.UsageError(f"--format {kind} takes no {name}.")


def _rows(
    folder: Path, splits: tuple[str, ...], *, out: Path, has_videos: bool
) -> tuple[list["DatasetRow"], Path]:
    from roboreward.core import UsageError
    from roboreward.dataset import read_dataset, refuse_own_file

    found = read_dataset(folder, has_videos=has_videos)
    refuse_own_file(out, found)
    there = [split.name for split in found.splits]
    if unknown := set(splits) - set(there):
        raise UsageError(f"{folder} has no split {min(unknown)!r}; there is: {', '.join(there)}.")
    return [row for row in found.rows if not splits or row.split in splits], found.folder


def _export_rows(
    kind: str, out: Path, rows: list["DatasetRow"], *, root: str, template: str | None
) -> int:
    from roboreward.dataset import export_conversations, export_messages, export_parquet
    from roboreward.judge import DEFAULT_PROMPT, prompt_order, prompt_text

    if kind == "parquet":
        return export_parquet(out, rows, video_root=root)
    name = template or DEFAULT_PROMPT
    write = export_conversations if kind == "conversations" else export_messages
    return write(
        out,
        rows,
        prompt_for=lambda task: prompt_text(task, template=name),
        video_root=root,
        order=prompt_order(name),
    )


def _export_labels(
    kind: str, out: Path, labels: "EpisodeLabels", *, column: str | None
) -> tuple[dict[str, Any], str]:
    """Write labels of a corpus; returns what is told, for programs and for people."""
    from roboreward.dataset import export_lerobot, write_episode_labels

    num, of_all = len(labels.rows), f"of {labels.num_episodes:,} episodes"
    value: dict[str, Any] = {
        "out": str(out),
        "format": kind,
        "num_labelled": num,
        "num_without_label": labels.num_without,
    }
    if kind == "episode-labels":
        write_episode_labels(out, labels)
        told = f"{num:,} {of_all} have a label, {labels.num_without:,} have none: {plain(str(out))}"
        return value, told
    made = export_lerobot(out, labels, **({} if column is None else {"column": column}))
    value |= {
        "column": made.column,
        "has_written_done": made.has_written_done,
        "num_frames": made.num_frames,
        "labels_file": str(made.labels_file),
    }
    told = f"{num:,} {of_all} have a reward in {made.column}: {plain(str(out))}"
    if made.num_without:
        told += (
            f"\n{made.num_without:,} have no label and null in its place: train on the others, which "
            f"{plain(str(made.labels_file))} lists."
        )
    return value, told
