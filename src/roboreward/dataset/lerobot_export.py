"""A LeRobot dataset with rewards: a copy of a corpus whose data have the scores of its episodes as a column.

The keys are LeRobot's own (`next.reward` float32, `next.done` bool, each of shape (1,)). A reward stands at the last
frame of an episode. Episodes without a label have null, which training on them trips over; it is never taken for 0.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward.core import DataError, MissingExtra, StoreError, UsageError, progress_of, shorten
from roboreward.dataset.lerobot_labels import EpisodeLabels
from roboreward.store import write_json

REWARD_COLUMN: Final = "next.reward"
DONE_COLUMN: Final = "next.done"
_INFO: Final = "meta/info.json"
_NUMBER: Final = "episode_index"
_LINKED: Final = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".png", ".jpg", ".jpeg"})
"""Large files that nobody edits in place; all others are copied, so that a change of the copy is none of the corpus."""


@dataclass(frozen=True)
class LeRobotExport:
    """What was written.

    Attributes:
        folder: The new LeRobot dataset.
        column: Name of the column of rewards.
        has_written_done: Whether `next.done` was written; a corpus that has it keeps its own.
        num_frames: Rows of the data.
        num_labelled: Episodes with a reward.
        num_without: Episodes without a label, whose rewards are null.
        labels_file: What each episode's label is.
    """

    folder: Path
    column: str
    has_written_done: bool
    num_frames: int
    num_labelled: int
    num_without: int
    labels_file: Path


def export_lerobot(
    out: Path, labels: EpisodeLabels, *, column: str = REWARD_COLUMN
) -> LeRobotExport:
    """Write a LeRobot dataset: the corpus with a column of rewards, whole or not at all.

    The corpus is not changed. Videos and pictures are hard links where the disk has them, else copies; hidden files are
    left out. `meta/labels/<column>.json` lists the labels.

    Args:
        out: The new folder; there must be nothing at it.
        labels: What `match_episodes` found.
        column: Name of the column.

    Raises:
        UsageError: Something is at `out`, it lies in the corpus, or the corpus has such a column already.
        DataError: A data file cannot be read, has no numbers of episodes, or the rows of an episode are not there or
            stand in two files.
        StoreError: The folder cannot be written.
        MissingExtra: pyarrow is not installed.
    """
    corpus, out = labels.corpus, Path(out)
    _need_pyarrow()
    info = json.loads((corpus / _INFO).read_text("utf-8-sig"))
    files = _data_files(corpus, info)
    schemas = [_schema_of(file) for file in files]
    _check_place(out, corpus)
    _check_column(column, corpus, info, dict(zip(files, schemas, strict=True)))
    has_done = DONE_COLUMN in info["features"] or any(DONE_COLUMN in s.names for s in schemas)
    columns = {column: "float32"} | ({} if has_done else {DONE_COLUMN: "bool"})
    rewards = {index: progress_of(row.example.label.score) for index, row in labels.rows.items()}
    inside = Path("meta") / "labels" / f"{column}.json"
    with _new_folder(out) as folder:
        _copy_rest(corpus, folder, {*files, corpus / _INFO})
        num_frames = _write_data(files, corpus, folder, columns, rewards)
        features = {
            key: {"dtype": kind, "shape": [1], "names": None} for key, kind in columns.items()
        }
        write_json(folder / _INFO, info | {"features": info["features"] | features})
        write_json(folder / inside, {"column": column, **labels.as_json()})
    return LeRobotExport(
        folder=out,
        column=column,
        has_written_done=not has_done,
        num_frames=num_frames,
        num_labelled=len(rewards),
        num_without=labels.num_without,
        labels_file=out / inside,
    )


def _need_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra("pyarrow", "data", "Writing a LeRobot dataset") from error


def _data_files(corpus: Path, info: Mapping[str, Any]) -> list[Path]:
    pattern = re.sub(r"\{[^}]*\}", "*", str(info["data_path"]))
    files = sorted(corpus.glob(pattern))
    if not files:
        raise DataError(f"{corpus / _INFO}: 'data_path' fits no file. Copy the dataset again.")
    return files


def _schema_of(path: Path) -> Any:
    from pyarrow import types

    with _table(path) as table:
        schema = table.schema_arrow
    if _NUMBER not in schema.names or not types.is_integer(schema.field(_NUMBER).type):
        raise DataError(f"{path}: there is no column {_NUMBER!r} of whole numbers. Write it again.")
    return schema


@contextmanager
def _table(path: Path) -> Iterator[Any]:
    """Open a parquet file. What goes wrong inside the `with` is the file's fault: write elsewhere."""
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as table:
            yield table
    except (ArrowException, OSError) as error:
        text = f"{path}: cannot be read as parquet ({shorten(error)}). Copy the dataset again."
        raise DataError(text) from error


def _check_place(out: Path, corpus: Path) -> None:
    if os.path.lexists(out):
        raise UsageError(f"{out} is there already. Name a new folder.")
    if out.resolve().is_relative_to(corpus.resolve()):
        raise UsageError(f"{out} lies in {corpus}, which is not changed. Name a folder elsewhere.")


def _check_column(
    column: str, corpus: Path, info: Mapping[str, Any], schemas: Mapping[Path, Any]
) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", column) or column == DONE_COLUMN:
        raise UsageError(f"{shorten(repr(column))} cannot be the name of the column of rewards.")
    places = [corpus / _INFO] if column in info["features"] else []
    places += [path for path, schema in schemas.items() if column in schema.names]
    if places:
        raise UsageError(
            f"{places[0]}: there is a column {column!r} already, which is never overwritten. "
            "Name another one (--column)."
        )


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give a hidden folder beside `out` that takes its name at the end, or is removed."""
    folder = out.absolute().with_name(f".{out.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        folder.mkdir(parents=True)
        yield folder
        os.rename(folder, out)
    except OSError as error:
        raise StoreError(f"Cannot write {out}: {shorten(error, 200)}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_rest(corpus: Path, folder: Path, left_out: set[Path]) -> None:
    for place, folders, names in os.walk(corpus):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for linked in (path for name in folders if (path := Path(place) / name).is_symlink()):
            raise DataError(f"{linked}: a link to a folder. Put the folder itself in its place.")
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or path in left_out:
                continue
            target = folder / path.relative_to(corpus)
            target.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(path.resolve(), target)


def _link_or_copy(path: Path, target: Path) -> None:
    if target.suffix.lower() in _LINKED:
        try:
            os.link(path, target)
        except OSError:  # another disk, or one without links
            pass
        else:
            return
    shutil.copyfile(path, target)


def _write_data(
    files: list[Path],
    corpus: Path,
    folder: Path,
    columns: Mapping[str, str],
    rewards: Mapping[int, float],
) -> int:
    """Write all data files; returns the number of their rows."""
    num_frames, place_of = 0, dict[int, Path]()
    for path in files:
        numbers = _numbers_in(path)
        num_frames += len(numbers)
        for number in np.unique(numbers).tolist():
            other = place_of.setdefault(number, path)
            if other != path:
                raise DataError(
                    f"{path}: episode {number} has rows here and in {other}. Mend the dataset."
                )
        target = folder / path.relative_to(corpus)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_file(path, target, _values(numbers, columns, rewards))
    missing = sorted(set(rewards) - set(place_of))
    if missing:
        raise DataError(
            f"{corpus}: no row of the data is of episode {missing[0]}. Mend the dataset."
        )
    return num_frames


def _numbers_in(path: Path) -> Any:
    with _table(path) as table:
        column = table.read(columns=[_NUMBER]).column(0)
        if column.null_count:
            row = next(i for i, value in enumerate(column, start=1) if not value.is_valid)
            raise DataError(f"{path}:{row}: {_NUMBER!r} is missing. Write it again.")
        return column.to_numpy()


def _values(numbers: Any, columns: Mapping[str, str], rewards: Mapping[int, float]) -> Any:
    """Return the new columns of a file as a table."""
    import pyarrow as pa

    # The last row of each number: the first one when the rows are gone through backwards.
    each, first_backwards = np.unique(numbers[::-1], return_index=True)
    last = len(numbers) - 1 - first_backwards
    is_done = np.zeros(len(numbers), bool)
    is_done[last] = True
    reward = np.zeros(len(numbers), np.float32)
    reward[last] = [rewards.get(number, 0.0) for number in each.tolist()]
    has_none = ~np.isin(numbers, list(rewards))
    made = {
        "float32": pa.array(reward, pa.float32(), mask=has_none),
        "bool": pa.array(is_done, pa.bool_()),
    }
    return pa.table({name: made[kind] for name, kind in columns.items()})


def _write_file(path: Path, target: Path, values: Any) -> None:
    """Write a data file with further columns, group of rows by group of rows."""
    from pyarrow import parquet

    with _table(path) as table:
        schema, about = table.schema_arrow, table.metadata
        codec = about.row_group(0).column(0).compression if about.num_row_groups else "SNAPPY"
    for field in values.schema:
        schema = schema.append(field)
    schema = schema.with_metadata(_metadata(schema.metadata, values.schema.names))
    at = 0
    with parquet.ParquetWriter(target, schema, compression=codec) as writer:
        for piece in _pieces(path):
            for name in values.schema.names:
                piece = piece.append_column(name, values.column(name).slice(at, piece.num_rows))
            at += piece.num_rows
            writer.write_table(piece, row_group_size=max(1, piece.num_rows))


def _pieces(path: Path) -> Iterator[Any]:
    with _table(path) as table:
        for group in range(table.num_row_groups):
            yield table.read_row_group(group)


def _metadata(metadata: Mapping[bytes, bytes] | None, names: list[str]) -> dict[bytes, bytes]:
    """Tell the hub's library, which notes the columns in the file itself, of the new ones."""
    found = dict(metadata or {})
    try:
        noted = json.loads(found[b"huggingface"])
        noted["info"]["features"].update(
            {
                name: {"dtype": "bool" if name == DONE_COLUMN else "float32", "_type": "Value"}
                for name in names
            }
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return (
            found  # nothing noted, or not in that form: readers then take the columns as they are
        )
    return found | {b"huggingface": json.dumps(noted).encode()}
