"""The example cards of the report page: what was seen, what was asked, what is true, what each model said."""

import hashlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from roboreward.bench.figures import probs_bars
from roboreward.bench.folder import RunResult
from roboreward.bench.metrics import answer_of
from roboreward.bench.record import Record
from roboreward.core import (
    RUBRIC_V1,
    Example,
    FramePolicy,
    Frames,
    FrameSample,
    MediaRefused,
    Verdict,
    shorten,
)
from roboreward.media import jpeg_bytes, sample_frames
from roboreward.pages import strip_markup, text

MAX_FRAME_PX = 176
_ORIGIN_SAYS = {
    "original": "original",
    "counterfactual": "counterfactual task",
    "clip": "cut short",
    "paraphrase": "paraphrase",
    "rollout": "rollout",
}


def choose_shown(result: RunResult, examples: Sequence[Example], *, most: int) -> list[Example]:
    """Return at most `most` examples that have a record, in set order: half by largest error, half by digest of id."""
    records = {record.example_id: record for record in result.records}
    there = [example for example in examples if example.example_id in records]
    if len(there) <= most:
        return there
    by_chance = sorted(there, key=lambda e: hashlib.sha256(e.example_id.encode()).digest())
    by_error = sorted(by_chance, key=lambda e: -_error(records[e.example_id]))
    worst = [e.example_id for e in by_error[: most // 2]]
    rest = [e.example_id for e in by_chance if e.example_id not in set(worst)]
    chosen = {*worst, *rest[: most - len(worst)]}
    return [example for example in there if example.example_id in chosen]


def card(
    number: int,
    example: Example,
    *,
    main: RunResult,
    others: Sequence[RunResult],
    strip: str,
) -> str:
    """Return one example as an article. `main` is the run whose error the filters use; `strip` is trusted markup."""
    records = [(run, _record_of(run, example)) for run in (main, *others)]
    lines = "".join(_verdict_line(run.config.model, record) for run, record in records if record)
    level = RUBRIC_V1.level(example.label.score)
    why = f"{level.name}" + (f": {example.label.reason}" if example.label.reason else "")
    first = records[0][1]
    return (
        f'<article class="card" id="example-{number}" tabindex="-1" data-level="{example.label.score}" '
        f'data-error="{error_class(first)}">{strip}'
        f'<div class="said"><h3>{text(example.task)}</h3>'
        f'<p class="truth"><span class="score truth-score">{example.label.score}</span>'
        f"<span><b>true score</b> {text(shorten(why, 300))}</span></p>"
        f'<p class="from">{escape(_ORIGIN_SAYS[example.origin])}, {text(shorten(example.source, 60))}</p></div>'
        f'<ul class="verdicts">{lines}</ul></article>'
    )


def strip_of(example: Example, *, policy: FramePolicy) -> str:
    """Return the frames that a model with `policy` is shown, as inline pictures, or why they cannot be read."""
    try:
        sample = sample_frames(example.video, policy=policy)
    except (MediaRefused, OSError) as error:
        return f'<p class="unreadable">The video could not be read. {text(shorten(error, 200))}</p>'
    return strip_markup(pictures_of(sample), times_s=sample.record.timestamps_s)


def pictures_of(sample: FrameSample) -> list[bytes]:
    """Return the sample's frames as JPEG files, shrunk by a whole factor to about `MAX_FRAME_PX`."""
    return [jpeg_bytes(_shrink(frame)) for frame in sample.frames_THWC]


def error_class(record: Record | None) -> str:
    """Return "0", "1", "2" (two or more off) or "none" (no score)."""
    if record is None or record.verdict.score is None:
        return "none"
    return str(min(2, abs(record.verdict.score - record.label)))


def strips_for(
    examples: Sequence[Example], given: Mapping[str, Sequence[bytes]], *, policy: FramePolicy
) -> dict[str, str]:
    """Return strip markup by example id: from `given` pictures where there are some, else from the video."""
    return {
        e.example_id: strip_markup(given[e.example_id])
        if e.example_id in given
        else strip_of(e, policy=policy)
        for e in examples
    }


def _record_of(run: RunResult, example: Example) -> Record | None:
    return next((r for r in run.records if r.example_id == example.example_id), None)


def _verdict_line(model: str, record: Record) -> str:
    verdict, kind = record.verdict, error_class(record)
    shown = str(verdict.score) if verdict.score is not None else "&ndash;"
    bars = "<span></span>"
    if verdict.probs is not None and verdict.score is not None:
        bars = probs_bars(verdict.probs, score=verdict.score)
    return (
        f'<li><span class="score e-{kind}">{shown}</span><span class="who">{text(shorten(model, 60))}</span>'
        f'{bars}<span class="off">{_off_by(record)}</span>{_explained(verdict)}</li>'
    )


def _off_by(record: Record) -> str:
    if record.verdict.score is None:
        return escape(record.verdict.status)
    gap = record.verdict.score - record.label
    return "exact" if gap == 0 else f"{abs(gap)} too {'high' if gap > 0 else 'low'}"


def _explained(verdict: Verdict) -> str:
    words = verdict.rationale or verdict.reason
    return f'<span class="why">{text(shorten(words, 300))}</span>' if words else ""


def _error(record: Record) -> float:
    return 4.5 if answer_of(record) == 5 else float(abs(answer_of(record) + 1 - record.label))


def _shrink(frame_HWC: Frames) -> Frames:
    """Average whole blocks of pixels, so that the longer side is about `MAX_FRAME_PX`."""
    factor = max(1, round(max(frame_HWC.shape[:2]) / MAX_FRAME_PX))
    if factor == 1:
        return frame_HWC
    height, width = (side // factor * factor for side in frame_HWC.shape[:2])
    blocks = frame_HWC[:height, :width].reshape(
        height // factor, factor, width // factor, factor, 3
    )
    return np.asarray(blocks.mean(axis=(1, 3)).round(), dtype=np.uint8)
