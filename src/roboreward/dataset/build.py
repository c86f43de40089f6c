"""Building a dataset: episodes of real corpora become normalised videos, clips of them, and rows in splits.

Two steps. First every episode is turned into videos and a line of `.build/rows.jsonl`, on all cores or on a Ray
cluster; a line is written when its videos are in place, so a build that was killed goes on there (`dataset.episodes`).
Then the lines are assembled into splits (`dataset.index`, `dataset.assembly`). Same recipe and sources, same bytes.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward import __version__
from roboreward.core import StoreError, UsageError
from roboreward.dataset.assembly import Counts, choose, counts_of, write_splits
from roboreward.dataset.episodes import Job, expected_line, jobs_of, make, said_again
from roboreward.dataset.index import index_of
from roboreward.dataset.lines import Line, LineIndex, Words
from roboreward.dataset.recipe import DatasetRecipe
from roboreward.media import NORMAL_V1
from roboreward.sources import Skip, Source, open_source
from roboreward.store import Engine, JsonlWriter, lock_folder, run_on, write_json

WORK: Final = ".build"
"""Folder of a dataset that holds a build's work. Hidden, so that no loader takes its videos for rows."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What a build makes, or would make.

    Attributes:
        num_episodes: Episodes that can be used.
        available: Rows by split and kind (source, origin, level), before the balance.
        kept: Those that stay.
        skipped: Episodes that were left out, by reason.
    """

    num_episodes: int
    available: Counts
    kept: Counts
    skipped: dict[str, int]

    @property
    def num_rows(self) -> dict[str, int]:
        """Rows that stay, by split."""
        return {split: sum(cells.values()) for split, cells in self.kept.items()}


@dataclass(frozen=True)
class Built(Plan):
    """What a build made.

    Attributes:
        folder: The dataset. `skipped.jsonl` in it lists each episode that was left out.
        num_duplicates: Episodes whose frames another episode has too; they share its split.
    """

    folder: Path
    num_duplicates: int


def plan_dataset(recipe: DatasetRecipe, *, progress: Progress | None = None) -> Plan:
    """Say what a build would make, from what the sources state: nothing is encoded and nothing is written.

    A source may look at a frame of an episode to see whether it can be used. Copies are not found, and all four clips
    are expected of a success whose length the source does not state.

    Args:
        recipe: What would be built.
        progress: As for `build_dataset`.

    Raises:
        UsageError: No episode can be used, the balance cannot be met, or a reader does not take an option.
        DataError: A source cannot be read.
    """
    say: Progress = progress or (lambda name, num_done, num: None)
    return _plan(recipe, _opened(recipe), say)


def _plan(recipe: DatasetRecipe, sources: list[Source], say: Progress) -> Plan:
    skipped: Counter[str] = Counter()

    def count(skip: Skip) -> None:
        skipped[skip.reason] += 1

    def lines() -> Iterator[Line]:
        for number, job in enumerate(jobs_of(recipe, sources, count), start=1):
            say("planned", number, 0)
            footage = job.episode.views[job.episode.judged_view]
            yield expected_line(job, footage.num_frames) | {"frames": job.key}

    index = index_of(lines(), recipe)
    _check_any(len(index.key), skipped)
    choice = choose(index, recipe)
    everything = np.ones(len(choice.kept), bool)
    return Plan(
        num_episodes=len(index.key),
        available=counts_of(index, everything),
        kept=counts_of(index, choice.kept),
        skipped=dict(sorted(skipped.items())),
    )


def build_dataset(
    recipe: DatasetRecipe,
    out: Path,
    *,
    engine: Engine = "local",
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a dataset into a folder; the same call goes on after an interruption.

    Args:
        recipe: What to do.
        out: Receives `<split>/metadata.jsonl` and the videos, `skipped.jsonl`, `sources.json`, `build.json` (what was
            made, in numbers), and `.build`, which may be deleted when the build is done.
        engine: "local" for the cores of this machine; "ray" for Ray Data, whose workers must see `out` and the sources
            under the same paths.
        num_workers: Processes; None for one a core, or for what the cluster has.
        progress: Called with what is being done, how many are done, and how many there are (0 where nobody knows).

    Raises:
        UsageError: No episode could be used, the balance cannot be met, or a reader does not take an option.
        DataError: A source cannot be read.
        StoreError: The folder holds another recipe's build, or cannot be written to.
        MissingExtra: The engine is not installed.
    """
    say: Progress = progress or (lambda name, num_done, num: None)
    # First, so that a recipe that names nothing, or cannot be met, leaves no folder which then belongs to it.
    sources = _opened(recipe)
    if recipe.balance is not None:
        _plan(recipe, sources, say)
    _check_place(out)
    with lock_folder(out):
        _claim(out, recipe)
        with _SkipList(out) as skips:
            run = partial(run_on, engine, num_workers=num_workers, what="the build")
            keys = _make_videos(recipe, sources, out / WORK, skips, run=run, say=say)
            built = _assemble(recipe, out, keys, skips, say)
        licences = {source.name: source.licence for source in sources}
        write_json(out / "sources.json", {"licences": licences, "recipe_hash": recipe.recipe_hash})
        write_json(out / "build.json", _in_numbers(built))
        return built


def _opened(recipe: DatasetRecipe) -> list[Source]:
    return [open_source(s.reader, s.path, s.options) for s in recipe.sources]


def _check_place(out: Path) -> None:
    """Refuse a folder with something else in it: a build replaces splits."""
    if (out / "recipe.json").exists() or not out.is_dir():
        return
    there = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if there:
        raise StoreError(
            f"{out} is not empty ({', '.join(there[:3])}, ...) and holds no build. Choose another --out."
        )


def _claim(out: Path, recipe: DatasetRecipe) -> None:
    path = out / "recipe.json"
    mine = {"recipe_hash": recipe.recipe_hash, "package": __version__, "profile": NORMAL_V1.name}
    if not path.exists():
        write_json(path, mine)
        return
    try:
        theirs = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is damaged ({error}). Choose another --out.") from error
    if theirs != mine:
        raise StoreError(f"{out} holds a build of another recipe or version. Choose another --out.")


class _SkipList:
    """Lists what is left out, and counts it; the list gets its name when it is whole."""

    def __init__(self, out: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._path = out / WORK / "skipped.jsonl"
        self._target = out / "skipped.jsonl"
        self._path.unlink(missing_ok=True)
        self._writer = JsonlWriter(self._path, durable=False)

    def __call__(self, skip: Skip) -> None:
        self.counts[skip.reason] += 1
        self._writer.append({"where": skip.where, "reason": skip.reason, "message": skip.message})

    def __enter__(self) -> "_SkipList":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind is None:
            self._path.replace(self._target)


def _make_videos(
    recipe: DatasetRecipe,
    sources: list[Source],
    work: Path,
    on_skip: Callable[[Skip], None],
    *,
    run: Callable[..., Iterator[Line | Skip]],
    say: Progress,
) -> Words:
    """Make what is missing, or was made of something else; returns the keys of all episodes, in order, uint64.

    Where only the words changed, the videos stay and the line is written anew.
    """
    path = work / "rows.jsonl"
    keys = array("Q")
    with JsonlWriter(path) as writer:
        done = LineIndex(path)

        def todo() -> Iterator[Job]:
            for job in jobs_of(recipe, sources, on_skip):
                keys.append(int(job.key, 16))
                if not done.holds(job.key, facts=job.facts):
                    yield job
                elif not done.holds(job.key, facts=job.facts, words=job.words):
                    writer.append(said_again(job, next(done.lines(np.array(keys[-1:])))))

        # What cannot be used is tried again whenever a build goes on: it may have been mended.
        for number, made in enumerate(run(partial(make, work / "videos"), todo()), len(done) + 1):
            if isinstance(made, Skip):
                on_skip(made)
            else:
                writer.append(made)
            say("episodes", number, 0)
    return np.frombuffer(keys, np.uint64) if len(keys) else np.zeros(0, np.uint64)


def _assemble(
    recipe: DatasetRecipe, out: Path, keys: Words, skips: _SkipList, say: Progress
) -> Built:
    made = LineIndex(out / WORK / "rows.jsonl")
    index = index_of(made.lines(keys), recipe)
    num = len(index.key)
    _check_any(num, skips.counts)
    choice = choose(index, recipe)
    write_splits(
        made.lines(keys),
        index,
        choice,
        videos=out / WORK / "videos",
        out=out,
        work=out / WORK / "splits",
        on_skip=skips,
        say=lambda num_done: say("rows", num_done, num),
    )
    return Built(
        num_episodes=num,
        available=counts_of(index, np.ones(len(choice.kept), bool)),
        kept=counts_of(index, choice.kept),
        skipped=dict(sorted(skips.counts.items())),
        folder=out,
        num_duplicates=index.num_duplicates,
    )


def _check_any(num: int, skipped: Counter[str]) -> None:
    if not num:
        why = ", ".join(f"{num} {name}" for name, num in sorted(skipped.items()))
        raise UsageError(f"No episode could be used ({why or 'the sources are empty'}).")


def _in_numbers(built: Built) -> dict[str, Any]:
    """Return what was made: rows that were there and that stay, by split and kind."""
    kinds = [
        {"split": split, **cell._asdict(), "available": num}
        | {"kept": built.kept.get(split, {}).get(cell, 0)}
        for split, cells in built.available.items()
        for cell, num in sorted(cells.items())
    ]
    return {
        "num_episodes": built.num_episodes,
        "num_duplicates": built.num_duplicates,
        "skipped": built.skipped,
        "rows": kinds,
    }
