"""`roboreward demo`: the embedded default from end to end, into a local report."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roboreward.cli.edge import json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.core import Example

_FRAMES_SHOWN = 6
_LEAD = """\
<h2>What this is</h2>
<p>This machine has just simulated a robot arm that tries tasks on a table, well and badly. <b>nano</b>, the reward
model that comes with the package, saw the first and the last frame of each attempt and the task in words, and
answered how far the robot got, from 1 to 5. The simulator knows the truth; no attempt like these, and none of
these scenes, was in nano's training, which only had successes and negatives made from them.</p>
<p>What it does not show: nano knows this simulated table and nothing else. On a video of a real robot it abstains.
Part of what it knows, where things are, it learned from simulator positions, in place of the pre-training that a
large model has.</p>
"""


@click.command()
@click.option(
    "--out",
    default=Path("demo-report"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the rollouts, the run and the page.",
)
@click.option(
    "--episodes",
    default=30,
    show_default=True,
    type=click.IntRange(5, 1000),
    help="Rollouts to simulate, rounded up to a multiple of 5: each score equally often.",
)
@json_option
def demo(out: Path, episodes: int, as_json: bool) -> None:
    """Simulate rollouts, score them with nano and the floors, and write a report page."""
    from roboreward.bench import run_bench, table_data
    from roboreward.cli.bench import progress, report_on, with_floors, write_pages
    from roboreward.dataset import GENERATION, build_sim_set

    per_level = -(-episodes // 5)
    folder = out / f"set-{GENERATION}-{5 * per_level}"
    click.echo(f"Simulating {5 * per_level} rollouts that nano has never seen ...", err=True)
    making = functools.partial(progress, "simulated")
    examples = build_sim_set("sim-demo", folder, per_level=per_level, progress=making)
    click.echo("Scoring them with nano and the floors ...", err=True)
    results = run_bench(examples, with_floors(["nano"]), out / "runs", progress=progress)
    (page,) = write_pages(
        results,
        out / "index.html",
        title="A reward model at work",
        lead_html=_LEAD,
        strips={example.example_id: _strip(example) for example in examples.examples},
    )
    if as_json:
        print_json({"page": str(page), **table_data(results)})
        return
    report_on(results, as_json=False)
    click.echo(f"Report: {plain(str(page))}")


def _strip(example: "Example") -> list[bytes]:
    """Pictures that tell the whole attempt: more frames than the model is shown."""
    from roboreward.core import FramePolicy
    from roboreward.media import jpeg_bytes, sample_frames

    policy = FramePolicy(min_frames=_FRAMES_SHOWN, max_frames=_FRAMES_SHOWN)
    frames = sample_frames(example.video, policy=policy).frames_THWC
    return [jpeg_bytes(frame[::2, ::2]) for frame in frames]
