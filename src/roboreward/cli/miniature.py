"""`roboreward miniature`: the whole idea on one machine, from nothing to a policy that got better."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from roboreward.cli.edge import json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.bench import RunResult
    from roboreward.studies import StudyRun
    from roboreward.training import NanoRecipe

T = TypeVar("T")
_PATH = click.Path(path_type=Path)
_QUICK_PER_LEVEL = 16
_FEW_FLOORS = ("floor:constant-3", "floor:label-sampler", "floor:text-only")


@click.command()
@click.option("--out", default=Path("miniature"), show_default=True, type=_PATH, help="Folder.")
@click.option(
    "--recipe",
    type=_PATH,
    help="How the reward model is trained.  [default: recipes/nano.toml of the checkout]",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Minutes in place of most of an hour: shows that everything works, and no more.",
)
@json_option
def miniature(out: Path, recipe: Path | None, quick: bool, as_json: bool) -> None:
    """From nothing to demonstrations, negatives, a reward model, a benchmark, and a policy that learns from it alone.

    Needs the extras `train` and `rl` (torch). The same command goes on after an interruption.
    """
    from roboreward.cli.miniature_page import write_miniature_page

    chosen = recipe or Path("recipes") / ("nano-quick.toml" if quick else "nano.toml")
    found = _checked(chosen)
    stages = Stages(out / "stages.json", of=f"{found.recipe_hash}, {'quick' if quick else 'whole'}")
    stages.run("reward model", functools.partial(_train, chosen, out, is_quiet=as_json))
    results = stages.run(
        "benchmark", functools.partial(_bench, out, is_quick=quick, is_quiet=as_json)
    )
    runs = stages.run(
        "reinforcement learning", functools.partial(_study, out, is_quick=quick, is_quiet=as_json)
    )
    page = write_miniature_page(
        out,
        recipe=chosen,
        results=results,
        runs=runs,
        wall_s=stages.wall_s,
        is_quick=quick,
        command=_command(recipe, is_quick=quick),
    )
    if as_json:
        print_json(_as_json(page, results, runs, stages))
        return
    click.echo(f"Report: {plain(str(page))}")


def _checked(path: Path) -> "NanoRecipe":
    """Read the recipe before anything is done; the study needs the ablations that it compares with."""
    from roboreward.core import UsageError
    from roboreward.training import read_recipe

    if not path.exists():
        raise UsageError(
            f"There is no recipe {path}. Run this in a checkout, or name one: --recipe."
        )
    recipe = read_recipe(path)
    missing = {"no-relabels", "no-negatives"} - set(recipe.ablations)
    if missing:
        raise UsageError(
            f"{path} has no [ablations.{min(missing)}], which the study compares with."
        )
    return recipe


class Stages:
    """What each stage took, kept on disk: a stage that is found done keeps the time that it took when it was done.

    Args:
        path: Where to keep it.
        of: What the stages are of; another one's times are forgotten.
    """

    def __init__(self, path: Path, *, of: str) -> None:
        self._path, self._of = path, of
        self.wall_s: dict[str, float | None] = _times(path, of)

    def run(self, name: str, work: Callable[[], T]) -> T:
        """Do a stage. One that was interrupted and goes on has no time: nobody knows what its first part took."""
        click.echo(f"{name} ...", err=True)
        is_new = name not in self.wall_s
        self._keep(name, self.wall_s.get(name))
        start = time.monotonic()
        found = work()
        if is_new:
            self._keep(name, round(time.monotonic() - start, 1))
        return found

    def _keep(self, name: str, wall_s: float | None) -> None:
        from roboreward.store import write_json

        self.wall_s[name] = wall_s
        write_json(self._path, {"of": self._of, "wall_s": self.wall_s})


def _times(path: Path, of: str) -> dict[str, float | None]:
    """Times that were kept; none when the file is missing, not readable, or of something else."""
    try:
        found = json.loads(path.read_text())
        return dict(found["wall_s"]) if found["of"] == of else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _train(recipe: Path, out: Path, *, is_quiet: bool) -> None:
    from roboreward.training import train_recipe

    def log(line: str) -> None:
        if not is_quiet:
            click.echo(plain(line), err=True)

    train_recipe(recipe, out / "nano", log=log)


def _bench(out: Path, *, is_quick: bool, is_quiet: bool) -> "list[RunResult]":
    from roboreward.bench import run_bench
    from roboreward.cli.bench import progress, write_pages
    from roboreward.cli.rl import nanos_in
    from roboreward.dataset import GENERATION, build_sim_set

    name = f"sim-test-{GENERATION}" + (f"-{5 * _QUICK_PER_LEVEL}" if is_quick else "")
    making = None if is_quiet else functools.partial(progress, "rollouts to test on")
    examples = build_sim_set(
        "sim-test",
        out / "sets" / name,
        per_level=_QUICK_PER_LEVEL if is_quick else None,
        progress=making,
    )
    models = [*nanos_in(out / "nano").values(), *_FEW_FLOORS]
    results = run_bench(
        examples, models, out / "bench" / "runs", progress=None if is_quiet else progress
    )
    write_pages(results, out / "bench" / "index.html", title="How good is the reward model?")
    return results


def _command(recipe: Path | None, *, is_quick: bool) -> str:
    quick = " --quick" if is_quick else ""
    if recipe is not None:
        return f"roboreward miniature --recipe {recipe.name}{quick}"
    return "make miniature" + (" QUICK=1" if is_quick else "")


def _study(out: Path, *, is_quick: bool, is_quiet: bool) -> "list[StudyRun]":
    from roboreward.cli.rl import run_and_report

    runs, _ = run_and_report(
        "reward-source",
        out / "study",
        scale="smoke" if is_quick else "quick",
        nano_folder=out / "nano",
        is_quiet=is_quiet,
    )
    return runs


def _as_json(
    page: Path, results: "list[RunResult]", runs: "list[StudyRun]", stages: Stages
) -> dict[str, Any]:
    from roboreward.bench import table_data
    from roboreward.studies import rows

    return {
        "page": str(page),
        "wall_s": stages.wall_s,
        "bench": table_data(results),
        "study": [row.model_dump(mode="json") for row in rows(runs)],
    }
