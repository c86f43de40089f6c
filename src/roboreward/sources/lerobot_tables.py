"""Parquet tables, read in pieces: rows as dictionaries, and single columns as arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from roboreward.core import DataError, MissingExtra, shorten

_ROWS_AT_A_TIME: Final = 256


def need_pyarrow() -> None:
    """Raise MissingExtra where the library is not installed."""
    _parquet()


@contextmanager
def open_table(path: Path) -> Iterator[Any]:
    """Open a parquet file, unbuffered: a column is read piece by piece and not whole.

    Raises:
        DataError: It cannot be read, now or inside the `with`; names the file.
        MissingExtra: pyarrow is not installed.
    """
    parquet = _parquet()
    from pyarrow.lib import ArrowException

    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as table:
            yield table
    except (ArrowException, OSError, ValueError) as error:
        text = f"{path}: cannot be read as parquet ({shorten(error)}). Copy or write it again."
        raise DataError(text) from error


def read_rows(
    path: Path, columns: Sequence[str] | Callable[[str], bool]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (file:row, cells) of a table, rows counted from 1.

    Args:
        path: The parquet file.
        columns: Names of those that are wanted, or what tells whether one is; those that are absent are left out.

    Raises:
        DataError: The file cannot be read, or has no such column.
    """
    is_wanted = columns if callable(columns) else set(columns).__contains__
    row = 0
    with open_table(path) as table:
        names = [name for name in table.schema_arrow.names if is_wanted(name)]
        if not names:
            raise DataError(f"{path}: no column that is needed. Copy the dataset again.")
        for batch in table.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=names):
            picked = batch.select(names).to_pylist()
            for cells in picked:
                row += 1
                yield f"{path}:{row}", cells


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "pyarrow":
            raise
        raise MissingExtra("pyarrow", "data", "Reading a LeRobot dataset") from error
    return parquet
