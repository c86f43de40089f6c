"""The command group. Nothing heavy is imported here: each command loads what it needs when it runs."""

import click

import roboreward
from roboreward.cli.bench import bench
from roboreward.cli.calibrate import calibrate
from roboreward.cli.dataset import dataset
from roboreward.cli.dataset_build import build, plan
from roboreward.cli.demo import demo
from roboreward.cli.doctor import doctor
from roboreward.cli.edge import EdgeGroup
from roboreward.cli.miniature import miniature
from roboreward.cli.models import models
from roboreward.cli.rl import rl
from roboreward.cli.score import score
from roboreward.cli.sources import sources
from roboreward.cli.train import train


@click.group(
    cls=EdgeGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 findings or threshold not met, 2 usage or input error. "
    "Every verb takes --help and, for programs, --json.",
)
@click.version_option(roboreward.__version__, prog_name="roboreward")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def main(debug: bool) -> None:
    """Tell a robot how well it did: score videos of attempts, from 1 to 5.

    Start with `roboreward demo`, then `roboreward score VIDEO --task TEXT`.
    """


for _command in (
    demo,
    score,
    bench,
    calibrate,
    dataset,
    train,
    rl,
    miniature,
    models,
    sources,
    doctor,
):
    main.add_command(_command)
dataset.add_command(build)
dataset.add_command(plan)
