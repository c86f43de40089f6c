"""`roboreward rl`: does a policy get better by a reward?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roboreward.cli.api_options import ApiChoices, api_options, asking
from roboreward.cli.edge import json_option, plain, print_json
from roboreward.cli.progress import progress_bars

if TYPE_CHECKING:
    from roboreward.studies import Scale, StudyRun

_PATH = click.Path(path_type=Path)
TITLE = "Does a policy get better because of the reward?"


@click.group()
def rl() -> None:
    """Reinforcement learning from a reward model. Needs the `rl` extra (torch)."""


@rl.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--quick",
    "scale",
    flag_value="quick",
    help="Five seeds, minutes on a laptop, in place of ten seeds and hours.",
)
@click.option(
    "--smoke",
    "scale",
    flag_value="smoke",
    help="Two seeds of one policy, under a minute: shows that everything works, and no more.",
)
@click.option(
    "--out",
    type=_PATH,
    help="Folder for runs and the page.  [default: study-NAME]",
)
@click.option("--seeds", type=click.IntRange(1, 100), help="Another number of seeds.", metavar="N")
@click.option(
    "--nano",
    "nano_folder",
    type=_PATH,
    metavar="DIR",
    help="A nano with its ablations, as `roboreward train` wrote it, in place of the ones in the package.",
)
@click.option(
    "--reward",
    "further",
    multiple=True,
    metavar="M",
    help="A further reward model to learn from; may be given again.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes.  [default: one a core; one with a reward model behind an API]",
    metavar="N",
)
@api_options
@json_option
def study(
    name: str,
    scale: str | None,
    out: Path | None,
    seeds: int | None,
    nano_folder: Path | None,
    further: tuple[str, ...],
    workers: int | None,
    as_json: bool,
    api: ApiChoices,
) -> None:
    """Run the study NAME, which is `reward-source`, and write its table and page.

    reward-source: frozen policies that often fail are steered by one scalar an episode. Rewards compared: none, what a
    person would give (success), the exact score, nano, two ablations of nano, and chance.

    The same command goes on after an interruption; finished runs are not done again.
    """
    folder = out or Path(f"study-{name}")
    runs, page = run_and_report(
        name,
        folder,
        scale="quick" if scale == "quick" else "smoke" if scale == "smoke" else "full",
        num_seeds=seeds,
        nano_folder=nano_folder,
        further=further,
        num_workers=workers,
        is_quiet=as_json,
        api=api,
    )
    if as_json:
        from roboreward.studies import rows

        print_json({"page": str(page), "rows": [row.model_dump(mode="json") for row in rows(runs)]})
        return
    _print_table(runs)
    click.echo(f"Report: {plain(str(page))}")


def run_and_report(
    name: str,
    folder: Path,
    *,
    scale: "Scale",
    num_seeds: int | None = None,
    nano_folder: Path | None = None,
    further: tuple[str, ...] = (),
    num_workers: int | None = None,
    is_quiet: bool = False,
    api: ApiChoices | None = None,
) -> tuple[list["StudyRun"], Path]:
    """Run a study and write `index.html`, `table.md` and `study.json` into its folder; return the runs and the page.

    Raises:
        UsageError: Several processes are asked for, and a reward model is behind an API: each would have a ledger and a
            budget of its own.
    """
    from roboreward.store import write_atomic, write_json
    from roboreward.studies import (
        NANOS,
        reward_sources,
        study_markdown,
        study_plan,
        write_study_page,
    )

    plan = study_plan(name, scale=scale, num_seeds=num_seeds, further=further)
    # After the plan: what is wrong with the command is said first, and then that torch is missing.
    from roboreward.studies import run_study

    names = [reward for reward in plan.rewards if reward not in further]
    uris = nanos_in(nano_folder) if nano_folder else NANOS
    with asking(api) as loaded:
        rewards = reward_sources(names, uris, further=further)
        if loaded:
            num_workers = _one_process(num_workers, loaded[0].name)
        with progress_bars(is_quiet=is_quiet) as progress:
            runs = run_study(plan, rewards, folder, num_workers=num_workers, progress=progress)
    commits = sorted({run.commit or "not from a checkout" for run in runs})
    versions = sorted({", ".join(f"{k} {v}" for k, v in r.environment.items()) for r in runs})
    facts = {
        "command": _command(name, scale, num_seeds, nano_folder, further),
        "commit": ", ".join(commits),
        "versions": "; ".join(versions),
        "reward models": ", ".join(f"{r.name} = {r.revision}" for r in rewards.values() if r.uri),
    }
    facts |= {
        f"{variant}": f"{b.num_episodes} training episodes a run ({b.num_random} of them from unsteered noise), "
        f"base policy cloned from {b.num_demos} demonstrations"
        for variant, b in plan.budgets.items()
    }
    facts["evaluation"] = f"{plan.num_eval} further scenes a seed, the same for every reward"
    page = write_study_page(
        folder / "index.html", title=TITLE, runs=runs, folder=folder, facts=facts
    )
    write_atomic(folder / "table.md", study_markdown(runs))
    record = {"plan": plan.model_dump(mode="json"), "commits": commits, "versions": versions}
    record["rewards"] = {key: value.revision for key, value in rewards.items()}
    write_json(folder / "study.json", record)
    return runs, page


def _one_process(num_workers: int | None, model: str) -> int:
    from roboreward.core import UsageError

    if num_workers not in (None, 1):
        raise UsageError(
            f"{model} is behind an API, and its ledger and budget are of one process. Give --workers 1, or none."
        )
    return 1


def nanos_in(folder: Path) -> dict[str, str]:
    """The study's nanos in a folder that `roboreward train` wrote."""
    return {
        "nano": f"nano:{folder}",
        "nano-no-relabels": f"nano:{folder / 'no-relabels'}",
        "nano-no-negatives": f"nano:{folder / 'no-negatives'}",
    }


def _command(
    name: str, scale: str, num_seeds: int | None, nano_folder: Path | None, further: tuple[str, ...]
) -> str:
    parts = ["roboreward rl study", name]
    parts += [f"--{scale}"] if scale != "full" else []
    parts += [f"--seeds {num_seeds}"] if num_seeds else []
    # Only the last part: a page may be shown to others, and says which revision it was.
    parts += [f"--nano {nano_folder.name}"] if nano_folder else []
    return " ".join([*parts, *(f"--reward {model}" for model in further)])


def _print_table(runs: list["StudyRun"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from roboreward.studies import study_table

    head, *body = study_table(runs)
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(head):
        table.add_column(title, justify="left" if number < 3 else "right", no_wrap=number > 2)
    for row in body:
        table.add_row(*(Text(cell) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=180)
    console.print(table)
    console.print(
        "True success: share of evaluation episodes with a score of 5 by the simulator's rule. Square brackets: 95 % "
        "intervals over seeds (Student's t). Differences in points, paired by seed.",
        soft_wrap=True,
    )
