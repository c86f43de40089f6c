"""Examples in the forms that trainers read: the authors' conversations, `messages` with `videos`, and Parquet.

A model is shown the prompt and the video. What else stands in an exported row (reward, ids) is for people and samplers.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from roboreward.core import DataError, Example, MissingExtra, UsageError, canonical_json, shorten
from roboreward.dataset.splits import DatasetRow
from roboreward.store import write_atomic

VIDEO_MARK: Final = "<video>"
"""What trainers replace by the video's frames."""
PromptFor = Callable[[str], str]
"""Returns the prompt for a task, without a mark for the video."""
Order = Literal["text-then-video", "video-then-text"]


def export_conversations(
    path: Path,
    rows: Iterable[DatasetRow],
    *,
    prompt_for: PromptFor,
    video_root: str = "",
    order: Order = "text-then-video",
) -> int:
    """Write the training JSON of the RoboReward authors' fork: one list, one item a row, target `ANSWER: N`.

    Args:
        path: The file to write, atomically.
        rows: What to write, in order.
        prompt_for: The prompt for a task.
        video_root: Put before each video's path, which is `<split>/<file_name>`; "" for paths relative to the dataset.
        order: Whether the mark for the video comes behind the prompt or before it.

    Returns:
        Number of items.

    Raises:
        UsageError: No rows.
        DataError: A prompt that holds the mark for the video itself.
        StoreError: The file cannot be written.
    """
    items = [
        {
            "video": [_video_path(row, video_root)],
            "conversations": [
                {"from": "human", "value": _asked(row, prompt_for, order)},
                {"from": "gpt", "value": _answer(row.example)},
            ],
            "metadata": {
                "reward": row.example.label.score,
                "original_id": row.example.example_id,
            },
            "subset": row.example.source,
        }
        for row in _some(rows)
    ]
    write_atomic(path, json.dumps(items, ensure_ascii=True, indent=1) + "\n")
    return len(items)


def export_messages(
    path: Path,
    rows: Iterable[DatasetRow],
    *,
    prompt_for: PromptFor,
    video_root: str = "",
    order: Order = "text-then-video",
) -> int:
    """Write JSON lines with `messages` and `videos`, which ms-swift and LLaMA-Factory read.

    LLaMA-Factory wants it named in `dataset_info.json`: formatting "sharegpt", columns messages and videos, tags role,
    content, user and assistant.

    Args and errors: see `export_conversations`. Returns the number of lines.
    """
    lines = [
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": _asked(row, prompt_for, order)},
                    {"role": "assistant", "content": _answer(row.example)},
                ],
                "videos": [_video_path(row, video_root)],
            },
            ensure_ascii=True,
        )
        for row in _some(rows)
    ]
    write_atomic(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def export_parquet(path: Path, rows: Iterable[DatasetRow], *, video_root: str = "") -> int:
    """Write one flat Parquet table of all that rows say; what nests (provenance, unknown keys) becomes JSON text.

    Args and errors: see `export_conversations`. Returns the number of rows.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data", "Writing Parquet") from error
    records = [_record(row, video_root) for row in _some(rows)]
    fields = [(name, getattr(pa, kind)()) for name, kind in _COLUMNS]
    table = pa.Table.from_pylist(records, schema=pa.schema(fields))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_atomic(path, buffer.getvalue())
    return len(records)


_COLUMNS: Final = (
    ("example_id", "string"),
    ("split", "string"),
    ("video", "string"),
    ("task", "string"),
    ("reward", "int64"),
    ("source", "string"),
    ("group", "string"),
    ("origin", "string"),
    ("episode_id", "string"),
    ("view", "string"),
    ("label_author", "string"),
    ("label_reason", "string"),
    ("parent_id", "string"),
    ("cut_frac", "float64"),
    ("validator", "string"),
    ("is_accepted", "bool_"),
    ("validator_text", "string"),
    ("provenance", "string"),
    ("extra", "string"),
)


def _record(row: DatasetRow, video_root: str) -> dict[str, Any]:
    example = row.example
    validation, provenance = example.validation, example.provenance
    return {
        "example_id": example.example_id,
        "split": row.split,
        "video": _video_path(row, video_root),
        "task": example.task,
        "reward": example.label.score,
        "source": example.source,
        "group": example.group,
        "origin": example.origin,
        "episode_id": example.episode_id,
        "view": example.view,
        "label_author": example.label.author,
        "label_reason": example.label.reason,
        "parent_id": example.parent_id,
        "cut_frac": example.cut_frac,
        "validator": validation and validation.validator,
        "is_accepted": validation and validation.is_accepted,
        "validator_text": validation and validation.text,
        "provenance": provenance
        and canonical_json(provenance.model_dump(mode="json", exclude_defaults=True)),
        "extra": canonical_json(example.extra) if example.extra else None,
    }


def _some(rows: Iterable[DatasetRow]) -> Sequence[DatasetRow]:
    found = list(rows)
    if not found:
        raise UsageError("There are no rows to export.")
    return found


def _asked(row: DatasetRow, prompt_for: PromptFor, order: Order) -> str:
    prompt = prompt_for(row.example.task)
    if VIDEO_MARK in prompt:
        raise DataError(
            f"{row.where}: the prompt for {shorten(repr(row.example.task))} holds {VIDEO_MARK!r}, which "
            "trainers replace by frames. Mend the task."
        )
    return f"{prompt}\n{VIDEO_MARK}" if order == "text-then-video" else f"{VIDEO_MARK}\n{prompt}"


def _answer(example: Example) -> str:
    return f"ANSWER: {example.label.score}"


def _video_path(row: DatasetRow, video_root: str) -> str:
    folder = PurePosixPath(row.where.rpartition(":")[0]).parent
    inside = folder / row.example.file_name
    return str(PurePosixPath(video_root) / inside) if video_root else str(inside)
