"""The first half of a build: every usable episode becomes videos and one line that says all about them.

A line holds the episode once and its clips as a list, because a large build has millions of rows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args

from roboreward import __version__
from roboreward.core import (
    SCORES,
    DataError,
    Example,
    Label,
    Origin,
    Provenance,
    content_id,
    shorten,
)
from roboreward.dataset.recipe import DatasetRecipe, SourceRecipe
from roboreward.media import (
    NORMAL_V1,
    cut_prefix,
    num_kept,
    perceptual_fingerprint,
)
from roboreward.negatives import CLIP_FRACTIONS
from roboreward.sources import OnSkip, Skip, Source, SourceEpisode, store

DEMONSTRATION_RULE: Final = "demonstration-rule-v1"
CLIP_RULE: Final = "clip-fraction-v1"

_FOLDER: Final = re.compile(r"[\w-][\w .+-]{0,99}")
_ORIGINS: Final = get_args(Origin)

Line = dict[str, Any]
"""What is known of one episode, as JSON; or, with the key "skip", why there is none."""


@dataclass(frozen=True, eq=False)
class Job:
    """One episode to make.

    Attributes:
        key: Id of the whole video, 16 hex digits, of source, episode and view.
        label: What it deserves.
        has_clips: Whether its prefixes are wanted.
    """

    key: str
    episode: SourceEpisode
    label: Label
    has_clips: bool


def jobs_of(recipe: DatasetRecipe, sources: Iterable[Source], on_skip: OnSkip) -> Iterator[Job]:
    """Yield the usable episodes of all sources, in order; the others go to `on_skip`. Nothing is decoded."""
    seen: set[int] = set()
    for wanted, source in zip(recipe.sources, sources, strict=True):
        for episode in islice(source.episodes(on_skip=on_skip), wanted.limit):
            label = _label_of(episode, wanted)
            key = content_id([episode.source, episode.episode_id, episode.judged_view])
            if label is None:
                text = (
                    'no outcome is stated. `unlabelled = "success"` takes it for a demonstration.'
                )
                on_skip(_skip(episode, "no_outcome", text))
            elif not _FOLDER.fullmatch(episode.source):
                text = f"the source's name {shorten(repr(episode.source))} cannot name a folder. Give it another one."
                on_skip(_skip(episode, "bad_source", text))
            elif episode.extra.get("origin") not in (None, *_ORIGINS):
                text = f"the origin {shorten(repr(episode.extra['origin']))} is none of {', '.join(_ORIGINS)}."
                on_skip(_skip(episode, "bad_origin", text))
            elif int(key, 16) in seen:
                text = (
                    f"an episode {episode.episode_id!r} of source {episode.source!r} came before. "
                    "Give two sources two names, and the episodes of one different ids."
                )
                on_skip(_skip(episode, "duplicate_id", text))
            else:
                seen.add(int(key, 16))
                yield Job(key, episode, label, recipe.has_clips)


def _skip(episode: SourceEpisode, reason: str, text: str) -> Skip:
    return Skip(episode.where, reason, f"{episode.where}: {text}")


def _label_of(episode: SourceEpisode, wanted: SourceRecipe) -> Label | None:
    if episode.label is not None or wanted.unlabelled == "skip":
        return episode.label
    return Label(score=5, author=DEMONSTRATION_RULE, reason="a demonstration, taken for a success")


def make(videos: Path, job: Job) -> Line:
    """Write the videos of one episode; returns its line, or the line that says why there are none.

    Raises:
        StoreError: A video cannot be written.
    """
    folder = videos / job.key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{job.key}.mp4"
    try:
        written = store(job.episode.views[job.episode.judged_view], whole)
    except DataError as error:
        skip = _skip(job.episode, getattr(error, "reason", "bad_footage"), str(error))
        return {"key": job.key, "skip": vars(skip)}
    looks = perceptual_fingerprint(whole)
    if not looks.any():
        text = "all frames are of one colour, as of a camera that is off. Judge another view."
        return {"key": job.key, "skip": vars(_skip(job.episode, "blank", text))}
    line = expected_line(job, written.num_frames)
    for clip_id, _, _, num in line["clips"]:
        cut_prefix(whole, folder / f"{clip_id}.mp4", num_frames=num)
    as_text = looks.astype(">u8").tobytes().hex()
    return line | {"frames": written.frames_sha256, "looks": as_text}


def expected_line(job: Job, num_frames: int | None) -> Line:
    """Return an episode's line as far as it is known without its pictures.

    Args:
        job: The episode.
        num_frames: How many it has; None where only decoding tells, which is then taken for many.
    """
    episode, is_demo = job.episode, job.label.author == DEMONSTRATION_RULE
    has_clips = job.has_clips and job.label.score == 5
    return {
        "key": job.key,
        "where": episode.where,
        "group": f"{episode.source}/{episode.group}",
        "task": episode.task,
        "label": job.label.model_dump(mode="json"),
        "source": episode.source,
        "origin": episode.extra.get("origin") or ("original" if is_demo else "rollout"),
        "episode_id": episode.episode_id,
        "view": episode.judged_view,
        "num_frames": num_frames,
        "clips": list(_clips(job.key, 1000 if num_frames is None else num_frames))
        if has_clips
        else [],
    }


def _clips(whole_id: str, num_frames: int) -> Iterator[tuple[str, int, float, int]]:
    """Of a very short video several fractions keep the same frames: the first of them stands."""
    kept = {0, num_frames}
    for score, frac in CLIP_FRACTIONS.items():
        num = num_kept(num_frames, keep_frac=frac) if num_frames else 0
        if num not in kept:
            kept.add(num)
            yield content_id([whole_id, num]), score, frac, num


def levels_of(line: Line) -> Iterator[tuple[str, int]]:
    """Yield origin and score of each row of an episode: the whole video, then its clips."""
    yield line["origin"], line["label"]["score"]
    for _, score, _, _ in line["clips"]:
        yield "clip", score


def examples_of(line: Line, group: str) -> Iterator[Example]:
    """Yield the examples of an episode, in the order of `levels_of`."""
    whole = Label.model_validate(line["label"])
    details = {"profile": NORMAL_V1.name, "num_frames": line["num_frames"]}
    origin: Origin = line["origin"]
    yield _example(
        line,
        group,
        example_id=line["key"],
        label=whole.model_copy(update={"score": SCORES[whole.score - 1]}),
        origin=origin,
        provenance=Provenance(
            operation="import",
            code_version=__version__,
            details=details | {"from": Path(line["where"]).name},
        ),
    )
    for clip_id, score, frac, num in line["clips"]:
        reason = f"the first {frac:.0%} of a success; nobody looked"
        yield _example(
            line,
            group,
            example_id=clip_id,
            label=Label(score=SCORES[score - 1], author=CLIP_RULE, reason=reason),
            origin="clip",
            parent_id=line["key"],
            cut_frac=frac,
            provenance=Provenance(
                operation="clip",
                parent_ids=(line["key"],),
                code_version=__version__,
                details=details | {"num_frames": num},
            ),
        )


def _example(line: Mapping[str, Any], group: str, *, example_id: str, **fields: Any) -> Example:
    file_name = f"{line['source']}/{example_id}.mp4"
    return Example(
        example_id=example_id,
        video=Path(file_name),
        file_name=file_name,
        task=line["task"],
        source=line["source"],
        group=group,
        episode_id=line["episode_id"],
        view=line["view"],
        **fields,
    )


Make = Callable[[Path, Job], Line]
