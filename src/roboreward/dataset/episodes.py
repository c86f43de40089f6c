"""The first half of a build: every usable episode becomes videos and one line that says all about them.

A line holds the episode once and its clips as a list, because a large build has millions of rows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
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
    canonical_json,
    content_id,
    shorten,
)
from roboreward.dataset.layout import tells_label
from roboreward.dataset.lines import Line
from roboreward.dataset.recipe import DatasetRecipe, SourceRecipe
from roboreward.media import (
    NORMAL_V1,
    cut_prefix,
    num_kept,
    perceptual_fingerprint,
)
from roboreward.negatives import CLIP_FRACTIONS
from roboreward.sources import (
    Footage,
    OnSkip,
    Skip,
    Source,
    SourceEpisode,
    VideoFootage,
    store,
)
from roboreward.store import sha256_file

DEMONSTRATION_RULE: Final = "demonstration-rule-v1"
CLIP_RULE: Final = "clip-fraction-v1"
CLIP_TOLERANCE: Final = 0.05
"""How far the share of frames that a clip keeps may be from its fraction."""

_FOLDER: Final = re.compile(r"[\w-][\w .+-]{0,99}")
_ORIGINS: Final = get_args(Origin)


@dataclass(frozen=True, eq=False)
class Job:
    """One episode to make.

    Attributes:
        key: Id of the whole video, 16 hex digits, of source, episode and view.
        facts: Digest of what its videos are made of, 16 hex digits; of files their size and time.
        words: Digest of what else its line says, 16 hex digits.
        label: What it deserves.
        licence: What the episode states, else its source; "" where nobody does.
        has_clips: Whether its prefixes are wanted.
    """

    key: str
    facts: str
    words: str
    episode: SourceEpisode
    label: Label
    licence: str
    has_clips: bool


def jobs_of(recipe: DatasetRecipe, sources: Iterable[Source], on_skip: OnSkip) -> Iterator[Job]:
    """Yield the usable episodes of all sources, in order; the others go to `on_skip`. No video is decoded whole."""
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
            elif not _FOLDER.fullmatch(episode.source) or tells_label(episode.source):
                text = (
                    f"the source's name {shorten(repr(episode.source))} cannot name a folder, or tells the label to "
                    "who sees the path. Give it another one."
                )
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
                licence = episode.extra.get("licence") or source.licence or ""
                yield _job(key, episode, label, str(licence), recipe.has_clips)


def _job(key: str, episode: SourceEpisode, label: Label, licence: str, has_clips: bool) -> Job:
    footage = episode.views[episode.judged_view]
    of_file = getattr(footage, "path", None) or getattr(footage, "folder", None)
    place = Path(episode.where.rpartition(":")[0]) if of_file is None else Path(of_file)
    try:
        status = place.stat()
        stamp = [place.name, status.st_size, status.st_mtime_ns]
    except (OSError, ValueError):
        stamp = [place.name]
    ends = [getattr(footage, name, None) for name in ("start_s", "end_s", "num_frames")]
    facts = content_id([stamp, ends, has_clips and label.score == 5])
    said = [episode.task, episode.group, episode.where, label.model_dump(mode="json"), licence]
    words = content_id([said, dict(episode.extra)])
    return Job(key, facts, words, episode, label, licence, has_clips)


def _skip(episode: SourceEpisode, reason: str, text: str) -> Skip:
    return Skip(episode.where, reason, f"{episode.where}: {text}")


def _label_of(episode: SourceEpisode, wanted: SourceRecipe) -> Label | None:
    if episode.label is not None or wanted.unlabelled == "skip":
        return episode.label
    return Label(score=5, author=DEMONSTRATION_RULE, reason="a demonstration, taken for a success")


def make(videos: Path, job: Job) -> Line | Skip:
    """Write the videos of one episode; returns its line, or why there is none.

    Raises:
        StoreError: A video cannot be written.
    """
    folder = videos / job.key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{job.key}.mp4"
    footage = job.episode.views[job.episode.judged_view]
    try:
        written = store(footage, whole)
        source_sha256 = _sha256_of_source(footage)
    except DataError as error:
        return _skip(job.episode, getattr(error, "reason", "bad_footage"), str(error))
    looks = perceptual_fingerprint(whole)
    if not looks.any():
        text = "all frames are of one colour, as of a camera that is off. Judge another view."
        return _skip(job.episode, "blank", text)
    line = expected_line(job, written.num_frames)
    for clip_id, _, _, num in line["clips"]:
        cut_prefix(whole, folder / f"{clip_id}.mp4", num_frames=num)
    return line | {
        "facts": job.facts,
        "frames": written.frames_sha256,
        "looks": looks.astype(">u8").tobytes().hex(),
        "source_sha256": source_sha256,
    }


def _sha256_of_source(footage: Footage) -> str:
    """Return the digest of the video that an episode is, "" where it is a part of a file or no video."""
    is_whole = isinstance(footage, VideoFootage) and footage.start_s is footage.end_s is None
    return sha256_file(footage.path) if is_whole and isinstance(footage, VideoFootage) else ""


def said_again(job: Job, line: Line) -> Line:
    """Return the line of an episode whose videos stay and whose task, label or group may have changed."""
    return line | expected_line(job, line["num_frames"])


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
        "words": job.words,
        "where": episode.where,
        "group": f"{episode.source}/{episode.group}",
        "task": episode.task,
        "label": job.label.model_dump(mode="json"),
        "source": episode.source,
        "origin": episode.extra.get("origin") or ("original" if is_demo else "rollout"),
        "episode_id": episode.episode_id,
        "view": episode.judged_view,
        "num_frames": num_frames,
        "extra": _text_columns(job),
        "clips": list(_clips(job.key, 1000 if num_frames is None else num_frames))
        if has_clips
        else [],
    }


def _text_columns(job: Job) -> dict[str, str]:
    """Return what the corpus says beside task and label, in columns that every row has, all of them text."""
    known = ("origin", "licence", "session")
    facts = {k: v for k, v in job.episode.extra.items() if v is not None and k not in known}
    return {
        "session": str(job.episode.extra.get("session") or ""),
        "licence": job.licence,
        "source_facts": canonical_json(facts) if facts else "",
    }


def _clips(whole_id: str, num_frames: int) -> Iterator[tuple[str, int, float, int]]:
    """Of a very short video a number of frames may be far from the fraction: such a clip is not made."""
    for score, frac in CLIP_FRACTIONS.items():
        num = num_kept(num_frames, keep_frac=frac) if num_frames else 0
        if num and abs(num / num_frames - frac) <= CLIP_TOLERANCE:
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
        extra=line["extra"] | {"source_sha256": line["source_sha256"]},
        **fields,
    )
