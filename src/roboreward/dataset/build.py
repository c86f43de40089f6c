"""Building a dataset: episodes of real corpora become normalised videos, clips of them, and rows in splits.

Two steps. First every episode is turned into videos and a line of `work/rows.jsonl`, on all cores; a line is written
when its videos are in place, so a build that was killed goes on there. Then the lines are assembled into splits, by
group. Same recipe and sources, same bytes.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from roboreward import __version__
from roboreward.core import (
    SCORES,
    DataError,
    Example,
    Label,
    Origin,
    Provenance,
    StoreError,
    UsageError,
    content_id,
)
from roboreward.dataset.layout import write_set
from roboreward.dataset.recipe import DatasetRecipe, SourceRecipe
from roboreward.media import NORMAL_V1, cut_prefix, exact_fingerprint, normalise_video, num_kept
from roboreward.negatives import CLIP_FRACTIONS
from roboreward.sources import Skip, Source, SourceEpisode, open_source
from roboreward.store import JsonlWriter, lock_folder, read_jsonl, run_in_order, write_json

DEMONSTRATION_RULE: Final = "demonstration-rule-v1"
CLIP_RULE: Final = "clip-fraction-v1"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        num_rows: Rows by split.
        skipped: Episodes that were left out, by reason; `skipped.jsonl` lists each.
        num_duplicates: Episodes whose frames another episode has too; they share its split.
    """

    folder: Path
    num_rows: dict[str, int]
    skipped: dict[str, int]
    num_duplicates: int


@dataclass(frozen=True, eq=False)
class _Job:
    key: str
    episode: SourceEpisode
    label: Label
    has_clips: bool


def build_dataset(
    recipe: DatasetRecipe,
    out: Path,
    *,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a dataset into a folder; the same call goes on after an interruption.

    Args:
        recipe: What to do.
        out: Receives `<split>/metadata.jsonl` and the videos, `skipped.jsonl`, `sources.json`, and `work`, which may be
            deleted when the build is done.
        num_workers: Processes; None for one a core.
        progress: Called with what is being done, how many are done, and how many there are (0 where nobody knows).

    Raises:
        UsageError: No episode could be used, or a reader does not take an option.
        DataError: A source cannot be read.
        StoreError: The folder holds another recipe's build, or cannot be written to.
    """
    say: Progress = progress or (lambda name, num_done, num: None)
    # First, so that a recipe that names nothing leaves no folder which then belongs to it.
    sources = [open_source(s.reader, s.path, s.options) for s in recipe.sources]
    with lock_folder(out):
        _claim(out, recipe)
        skips: list[Skip] = []
        _make_videos(recipe, sources, out, skips.append, num_workers=num_workers, say=say)
        rows = [row for _, row in read_jsonl(out / "work" / "rows.jsonl")]
        skips += [Skip(**row["skip"]) for row in rows if "skip" in row]
        built = _assemble(recipe, [row for row in rows if "skip" not in row], out, skips, say)
        _write_skips(out, skips)
        licences = {source.name: source.licence for source in sources}
        write_json(out / "sources.json", {"licences": licences, "recipe_hash": recipe.recipe_hash})
        return built


def _claim(out: Path, recipe: DatasetRecipe) -> None:
    path = out / "recipe.json"
    mine = {"recipe_hash": recipe.recipe_hash, "package": __version__, "profile": NORMAL_V1.name}
    if not path.exists():
        write_json(path, mine)
        return
    if json.loads(path.read_text()) != mine:
        raise StoreError(f"{out} holds a build of another recipe or version. Choose another --out.")


def _make_videos(
    recipe: DatasetRecipe,
    sources: list[Source],
    out: Path,
    on_skip: Callable[[Skip], None],
    *,
    num_workers: int | None,
    say: Progress,
) -> None:
    path = out / "work" / "rows.jsonl"
    with JsonlWriter(path) as writer:
        done = {str(row["key"]) for _, row in read_jsonl(path)}
        jobs = (job for job in _jobs(recipe, sources, on_skip) if job.key not in done)
        results = run_in_order(
            partial(_make_one, out / "work" / "videos"),
            jobs,
            num_workers=num_workers,
            what="the build",
        )
        for number, row in enumerate(results, start=len(done) + 1):
            writer.append(row)
            say("episodes", number, 0)


def _jobs(
    recipe: DatasetRecipe, sources: list[Source], on_skip: Callable[[Skip], None]
) -> Iterator[_Job]:
    for number, (wanted, source) in enumerate(zip(recipe.sources, sources, strict=True)):
        for episode in islice(source.episodes(on_skip=on_skip), wanted.limit):
            label = _label_of(episode, wanted)
            if label is None:
                text = (
                    'no outcome is stated. `unlabelled = "success"` takes it for a demonstration.'
                )
                on_skip(Skip(episode.where, "no_outcome", f"{episode.where}: {text}"))
                continue
            yield _Job(f"{number}:{episode.episode_id}", episode, label, recipe.has_clips)


def _label_of(episode: SourceEpisode, wanted: SourceRecipe) -> Label | None:
    if episode.label is not None or wanted.unlabelled == "skip":
        return episode.label
    return Label(score=5, author=DEMONSTRATION_RULE, reason="a demonstration, taken for a success")


def _make_one(videos: Path, job: _Job) -> dict[str, Any]:
    """Write the videos of one episode; returns its line, or why there is none."""
    episode = job.episode
    whole_id = content_id([episode.source, episode.episode_id, episode.judged_view])
    folder = videos / whole_id[:2]
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{whole_id}.mp4"
    footage = episode.views[episode.judged_view]
    try:
        written = normalise_video(footage.frames(), whole, fps=footage.fps)
    except DataError as error:
        reason = getattr(error, "reason", "bad_footage")
        skip = {"where": episode.where, "reason": reason, "message": f"{episode.where}: {error}"}
        return {"key": job.key, "skip": skip}
    examples = [_whole_row(job, whole_id, written.num_frames)]
    if job.has_clips and job.label.score == 5:
        for score, frac in CLIP_FRACTIONS.items():
            num = num_kept(written.num_frames, keep_frac=frac)
            # Of a very short video several fractions keep the same frames: the first of them stands.
            clip_id = content_id([whole_id, num])
            if num < written.num_frames and all(e["example_id"] != clip_id for e in examples):
                cut_prefix(whole, folder / f"{clip_id}.mp4", num_frames=num)
                examples.append(_clip_row(examples[0], clip_id, score, frac, num))
    return {
        "key": job.key,
        "group": f"{episode.source}/{episode.group}",
        "frames": exact_fingerprint(whole),
        "examples": examples,
    }


def _whole_row(job: _Job, example_id: str, num_frames: int) -> dict[str, Any]:
    episode = job.episode
    is_demo = job.label.author == DEMONSTRATION_RULE
    return {
        "example_id": example_id,
        "task": episode.task,
        "label": job.label.model_dump(mode="json"),
        "source": episode.source,
        "origin": episode.extra.get("origin") or ("original" if is_demo else "rollout"),
        "episode_id": episode.episode_id,
        "view": episode.judged_view,
        "operation": "import",
        "parents": [],
        "details": {
            "profile": NORMAL_V1.name,
            "num_frames": num_frames,
            "from": Path(episode.where).name,
        },
    }


def _clip_row(
    parent: dict[str, Any], clip_id: str, score: int, frac: float, num: int
) -> dict[str, Any]:
    reason = f"the first {frac:.0%} of a success; nobody looked"
    return {
        **parent,
        "example_id": clip_id,
        "label": {"score": score, "author": CLIP_RULE, "reason": reason},
        "origin": "clip",
        "cut_frac": frac,
        "operation": "clip",
        "parents": [parent["example_id"]],
        "details": {"profile": NORMAL_V1.name, "num_frames": num},
    }


def _assemble(
    recipe: DatasetRecipe, rows: list[dict[str, Any]], out: Path, skips: list[Skip], say: Progress
) -> Built:
    if not rows:
        why = ", ".join(f"{num} {name}" for name, num in _counted(skips).items())
        raise UsageError(f"No episode could be used ({why or 'the sources are empty'}).")
    group_of = _groups_of(rows)
    examples: dict[str, list[Example]] = {}
    for number, row in enumerate(rows, start=1):
        group = group_of[row["group"]]
        split = _split_of(group, recipe)
        for found in row["examples"]:
            example = _example_of(found, group)
            _place(out, split, example)
            examples.setdefault(split, []).append(example)
        say("rows", number, len(rows))
    for split, mine in examples.items():
        write_set(out / split, mine)
    return Built(
        folder=out,
        num_rows={split: len(mine) for split, mine in examples.items()},
        skipped=_counted(skips),
        num_duplicates=len(rows) - len({row["frames"] for row in rows}),
    )


def _groups_of(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Join groups that hold the same frames: a copy must not lie in another split than its original."""
    joined = {row["group"]: row["group"] for row in rows}

    def root(group: str) -> str:
        while joined[group] != group:
            group = joined[group]
        return group

    first_with: dict[str, str] = {}
    for row in rows:
        other = first_with.setdefault(row["frames"], row["group"])
        low, high = sorted((root(row["group"]), root(other)))
        joined[high] = low
    return {group: root(group) for group in joined}


def _split_of(group: str, recipe: DatasetRecipe) -> str:
    """Draw the split from seed and group alone, so that further sources do not move what is there."""
    digest = sha256(f"{recipe.seed}/{group}".encode()).digest()
    place, reached = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for split, share in recipe.splits.items():
        reached += share
        if place < reached:
            return split
    return next(split for split, share in reversed(recipe.splits.items()) if share > 0)


def _example_of(row: dict[str, Any], group: str) -> Example:
    origin: Origin = row["origin"]
    label = Label.model_validate(row["label"])
    file_name = f"{row['source']}/{row['example_id']}.mp4"
    return Example(
        example_id=row["example_id"],
        video=Path(file_name),
        file_name=file_name,
        task=row["task"],
        label=label.model_copy(update={"score": SCORES[label.score - 1]}),
        source=row["source"],
        group=group,
        origin=origin,
        episode_id=row["episode_id"],
        view=row["view"],
        parent_id=next(iter(row["parents"]), None),
        cut_frac=row.get("cut_frac"),
        provenance=Provenance(
            operation=row["operation"],
            parent_ids=tuple(row["parents"]),
            code_version=__version__,
            details=row["details"],
        ),
    )


def _place(out: Path, split: str, example: Example) -> None:
    """Put a video under its final name: a link where the disk has them, else a copy."""
    name = example.example_id
    made = out / "work" / "videos" / _folder_of(example) / f"{name}.mp4"
    target = out / split / example.file_name
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(made, temporary)
    except OSError:
        shutil.copyfile(made, temporary)
    os.replace(temporary, target)


def _folder_of(example: Example) -> str:
    return (example.parent_id or example.example_id)[:2]


def _counted(skips: list[Skip]) -> dict[str, int]:
    return dict(sorted(Counter(skip.reason for skip in skips).items()))


def _write_skips(out: Path, skips: list[Skip]) -> None:
    path = out / "skipped.jsonl"
    path.unlink(missing_ok=True)
    with JsonlWriter(path, durable=False) as writer:
        for skip in skips:
            writer.append({"where": skip.where, "reason": skip.reason, "message": skip.message})
