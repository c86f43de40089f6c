"""One example as a person wants to see it: frames, label and why, and what it was made from, back to the start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward.core import (
    RUBRIC_V1,
    DataError,
    Example,
    FramePolicy,
    Frames,
    FrameSample,
    MediaRefused,
    UnknownName,
    UsageError,
    shorten,
)
from roboreward.dataset.lint_origins import Family
from roboreward.dataset.lint_tasks import validator_texts
from roboreward.dataset.splits import Dataset, DatasetRow
from roboreward.media import contact_sheet, jpeg_bytes, png_bytes, sample_frames
from roboreward.store import write_atomic

_MOST_GENERATIONS: Final = 20
_MOST_PICTURED: Final = 4
_LINE_PX: Final = 1
_EDGE: Final = 205
_WHITE: Final = 255
_NAMES_TRIED: Final = 2_000


@dataclass(frozen=True)
class Ancestor:
    """A step back: what an example was made from.

    Attributes:
        name: Its id, as the example gives it.
        row: Its row, when it is in the dataset.
        is_inferred: Whether the relation was read off the file name, since no row states it.
    """

    name: str
    row: DatasetRow | None
    is_inferred: bool = False


@dataclass(frozen=True)
class Portrait:
    """An example with its past.

    Attributes:
        row: The example and where it stands.
        ancestors: What it was made from, the nearest first, up to what nothing in the dataset precedes.
    """

    row: DatasetRow
    ancestors: tuple[Ancestor, ...]

    def text(self) -> str:
        """Return all that is known in words."""
        return "\n".join(f"{key:<10} {value}".rstrip() for key, value in self._lines())

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "where": self.row.where,
            "split": self.row.split,
            "example": self.row.example.model_dump(mode="json"),
            "ancestors": [
                {
                    "name": a.name,
                    "where": a.row.where if a.row else None,
                    "is_inferred": a.is_inferred,
                    "example": a.row.example.model_dump(mode="json") if a.row else None,
                }
                for a in self.ancestors
            ],
        }

    def picture(self, *, num_frames: int = 8, max_width_px: int = 1200) -> Frames:
        """Draw the example, and below it the ancestors whose video or task differ.

        Args:
            num_frames: Frames of each video.
            max_width_px: Width of the picture.

        Returns:
            uint8 RGB (H, W, 3).

        Raises:
            MediaRefused: The example's video cannot be read. An ancestor's that cannot is left out.
        """
        policy = FramePolicy(min_frames=num_frames, max_frames=num_frames)
        sheets = [
            _sheet(
                sample_frames(self.row.example.video, policy=policy),
                _caption(self.row),
                max_width_px,
            )
        ]
        below = self.row.example
        for ancestor in self.ancestors[:_MOST_PICTURED]:
            if ancestor.row is None or _looks_the_same(ancestor.row.example, below):
                continue
            below = ancestor.row.example
            caption = _caption(ancestor.row, over="made from: ")
            try:
                sample = sample_frames(below.video, policy=policy)
            except MediaRefused:
                continue
            sheets.append(_sheet(sample, caption, max_width_px))
        return _stacked(sheets)

    def _lines(self) -> Iterator[tuple[str, str]]:
        example = self.row.example
        yield "example", f"{example.example_id}  ({self.row.where})"
        yield from _facts(example)
        for ancestor in self.ancestors:
            yield "", ""
            how = ", as its file name says" if ancestor.is_inferred else ""
            if ancestor.row is None:
                yield "made from", f"{ancestor.name}, which is not in the dataset"
                continue
            yield "made from", f"{ancestor.name}  ({ancestor.row.where}{how})"
            yield from _facts(ancestor.row.example)


def portray(dataset: Dataset, which: str) -> Portrait:
    """Find an example and everything it was made from.

    Args:
        dataset: All splits are searched.
        which: An example_id, a file name, or a place such as "train/metadata.jsonl:12".

    Raises:
        UsageError: There is none; the nearest names are offered.
        DataError: Several rows have this file name; the message names them.
    """
    row = _find(dataset, which)
    return Portrait(row, tuple(_ancestors(row, Family(dataset))))


def save_portrait(path: Path, portrait: Portrait, *, num_frames: int = 8) -> None:
    """Write the picture as PNG or, for names that end in .jpg or .jpeg, as JPEG.

    Raises:
        MediaRefused: The example's video cannot be read.
        StoreError: The file cannot be written.
    """
    picture = portrait.picture(num_frames=num_frames)
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    write_atomic(path, jpeg_bytes(picture) if is_jpeg else png_bytes(picture))


def _find(dataset: Dataset, which: str) -> DatasetRow:
    rows = dataset.rows
    exact = [row for row in rows if which in (row.example.example_id, row.where)]
    if exact:
        return exact[0]
    named = [
        row
        for row in rows
        if which in (row.example.file_name, f"{row.split}/{row.example.file_name}")
    ]
    if len(named) > 1:
        ids = ", ".join(f"{row.example.example_id} ({row.where})" for row in named[:4])
        raise DataError(
            f"{len(named)} rows are about {shorten(which)}: {ids}. Give one of the ids."
        )
    if not named:
        raise _unknown(which, rows)
    return named[0]


def _unknown(which: str, rows: Sequence[DatasetRow]) -> UsageError:
    """Return the error for an example that is not there; a message never lists thousands of ids."""
    ids = [row.example.example_id for row in rows[:_NAMES_TRIED]]
    if near := get_close_matches(which, ids, n=3, cutoff=0.5):
        return UnknownName("example", which, near)
    return UsageError(
        f"Unknown example {shorten(which)!r}. Give an example_id such as {ids[0]!r}, a file name such as "
        f"{rows[0].example.file_name!r}, or a place such as {rows[0].where}."
    )


def _ancestors(row: DatasetRow, family: Family) -> Iterator[Ancestor]:
    seen = {row.example.example_id}
    for _ in range(_MOST_GENERATIONS):
        found = _parent(row, family)
        if found is None or found.name in seen:
            return
        seen.add(found.name)
        yield found
        if found.row is None:
            return
        row = found.row


def _parent(row: DatasetRow, family: Family) -> Ancestor | None:
    names = family.parents_named(row.example)
    parent = family.parent(row)
    if parent is not None:
        return Ancestor(parent.example.example_id, parent)
    if names:
        return Ancestor(names[0], None)
    if row.example.origin not in ("clip", "counterfactual", "paraphrase"):
        return None
    originals = [r for r in family.relatives(row) if r.example.origin in ("original", "rollout")]
    if not originals:
        return None
    return Ancestor(originals[0].example.example_id, originals[0], is_inferred=True)


def _facts(example: Example) -> Iterator[tuple[str, str]]:
    yield "task", example.task
    yield "label", _label_in_words(example)
    yield (
        "video",
        ", ".join(filter(None, [example.file_name, example.view and f"view {example.view}"])),
    )
    yield "made as", _making_in_words(example)
    yield "group", f"{example.group}, source {example.source}"
    if example.validation is not None:
        said = "accepted it" if example.validation.is_accepted else "disagreed"
        text = f": {example.validation.text}" if example.validation.text else ""
        yield "validator", f"{example.validation.validator} {said}{text}"
    for text in validator_texts(example):
        if example.validation is None or text != example.validation.text:
            yield "validator", text


def _label_in_words(example: Example) -> str:
    level = RUBRIC_V1.level(example.label.score)
    why = f": {example.label.reason}" if example.label.reason else ""
    return f"{level.score} of 5, {level.name}, by {example.label.author}{why}"


def _making_in_words(example: Example) -> str:
    parts = [_origin_in_words(example)]
    if example.provenance is not None:
        made = example.provenance
        parts.append(made.operation)
        parts += [f"seed {made.seed}"] if made.seed is not None else []
        parts += [f"model {made.model}"] if made.model else []
        parts += [f"prompt {made.prompt_hash}"] if made.prompt_hash else []
        parts += [f"roboreward {made.code_version}"] if made.code_version else []
        parts += [f"{key} {shorten(value, 40)}" for key, value in sorted(made.details.items())]
    return ", ".join(parts)


def _origin_in_words(example: Example) -> str:
    kept = example.cut_frac
    return example.origin + ("" if kept is None else f", the first {100 * kept:.0f} %")


def _caption(row: DatasetRow, *, over: str = "") -> list[str]:
    """Return the lines above a strip of frames: what matters to the eye. Everything else is in the text."""
    example = row.example
    facts = dict(_facts(example))
    lines = [
        example.task,
        f"label: {facts['label']}",
        f"{over}{_origin_in_words(example)}, {example.source}, {example.example_id} ({row.where})",
    ]
    if "validator" in facts:
        lines.append(f"validator: {shorten(facts['validator'], 300)}")
    return lines


def _looks_the_same(a: Example, b: Example) -> bool:
    return a.video == b.video and a.task == b.task


def _sheet(sample: FrameSample, caption: Sequence[str], max_width_px: int) -> Frames:
    drawn = contact_sheet(sample, caption=caption, max_width_px=max_width_px)
    picture: Frames = np.asarray(drawn, dtype=np.uint8)
    return picture


def _stacked(sheets: Sequence[Frames]) -> Frames:
    """Put pictures below each other on white, with a thin line between."""
    width = max(sheet.shape[1] for sheet in sheets)
    parts: list[Frames] = []
    for sheet in sheets:
        if parts:
            parts.append(np.full((_LINE_PX, width, 3), _EDGE, np.uint8))
        padded = np.full((sheet.shape[0], width, 3), _WHITE, np.uint8)
        padded[:, : sheet.shape[1]] = sheet
        parts.append(padded)
    return np.concatenate(parts)
