"""Making the built-in sets: rollouts in the simulated tabletop world.

The same name gives the same episodes everywhere; their videos are the same bytes for one version of the encoder.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from roboreward import __version__
from roboreward.core import Example, Provenance, UnknownName
from roboreward.dataset.layout import ExampleSet, read_set, write_set
from roboreward.dataset.sets import SIM_SETS
from roboreward.media import VideoProfile, write_video
from roboreward.sim import EpisodeSpec, SimEpisode, balanced_specs, generate
from roboreward.store import lock_folder

PROFILE: Final = VideoProfile(crf=12, upscale=2)


def build_sim_set(
    name: str,
    folder: Path,
    *,
    per_level: int | None = None,
    num_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExampleSet:
    """Generate a built-in set into a folder, from the start again if that was interrupted, or read it when it is there.

    Args:
        name: One of `SIM_SETS`.
        folder: Where to. Its metadata is written last.
        per_level: Another number of examples of each score than the set's own.
        num_workers: Processes; None for all cores.
        progress: Called with (videos done, videos in all).
    """
    if name not in SIM_SETS:
        raise UnknownName("built-in set", name, SIM_SETS)
    recipe = SIM_SETS[name]
    num = per_level or recipe.per_level
    with lock_folder(folder):
        if not (folder / "metadata.jsonl").exists():
            specs = balanced_specs(
                recipe.split,
                per_level=num,
                first_index=recipe.first_index,
                num_frames=recipe.num_frames,
                size_px=recipe.size_px,
                num_workers=num_workers,
            )
            examples = list(_write_videos(name, folder, specs, num_workers, progress))
            write_set(folder, examples)
    found = read_set(folder)
    return ExampleSet(name, found.examples, found.bad_rows, found.set_hash, found.path)


def _write_videos(
    name: str,
    folder: Path,
    specs: list[EpisodeSpec],
    num_workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Example]:
    for done, episode in enumerate(generate(specs, num_workers=num_workers), start=1):
        example = example_of_rollout(episode, folder, set_name=name)
        example.video.parent.mkdir(exist_ok=True)
        fps = (len(episode.frames_THWC) - 1) / episode.duration_s
        write_video(example.video, episode.frames_THWC, fps=fps, profile=PROFILE)
        if progress:
            progress(done, len(specs))
        yield example


def example_of_rollout(episode: SimEpisode, folder: Path, *, set_name: str) -> Example:
    """Describe a rollout as an example. One scene is one group, because every episode has a scene of its own."""
    spec = episode.spec
    example_id = f"{set_name}-{spec.index:07d}"
    source = f"sim-{episode.task.relation}"
    return Example(
        example_id=example_id,
        episode_id=example_id,
        video=folder / source / f"{example_id}.mp4",
        file_name=f"{source}/{example_id}.mp4",
        task=episode.task_text,
        label=episode.label,
        source=source,
        group=example_id,
        origin="rollout",
        view="front",
        provenance=Provenance(
            operation="simulate",
            seed=episode.seed,
            code_version=__version__,
            details={"split": spec.split, "index": spec.index, "script": episode.failure},
        ),
    )
