"""The rows of a metadata file, JSON lines or CSV, as dictionaries with the number of their line."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from roboreward.core import DataError, UsageError, shorten
from roboreward.store import MAX_LINE_BYTES, read_jsonl

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
SHEET_SUFFIXES: Final = (".jsonl", *_DELIMITERS)
_MAX_COLUMNS: Final = 1_000
_ESCAPED: Final = re.compile("[\\udc80-\\udcff]")
"""What a byte that is not UTF-8 is read as, so that the line can be named."""

OnBadRow = Callable[[int, DataError], None]


def read_sheet(path: Path, *, on_bad: OnBadRow) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, cells) of each row; the line is that on which the row begins, from 1.

    CSV is UTF-8 with a header line, as RFC 4180 has it; its cells are texts, and empty ones are left out. A field is
    at most `csv.field_size_limit()` long (128 KiB unless somebody changed it), a line at most `MAX_LINE_BYTES`.

    Args:
        path: `.jsonl`, `.csv` or `.tsv`.
        on_bad: Called for each row that cannot be read, which is then left out. It may raise.

    Raises:
        UsageError: Another kind of file.
        DataError: The file cannot be read, or has no header; the message names the line.
    """
    kind = path.suffix.lower()
    if kind == ".jsonl":
        yield from read_jsonl(path, on_bad=on_bad)
    elif kind in _DELIMITERS:
        yield from _read_csv(path, _DELIMITERS[kind], on_bad)
    else:
        raise UsageError(f"{path}: metadata must be one of {', '.join(SHEET_SUFFIXES)}.")


def _read_csv(
    path: Path, delimiter: str, on_bad: OnBadRow
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
            header = _header(next(reader, []), path)
            begin = reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    yield (
                        begin,
                        {key: cell for key, cell in zip(header, cells, strict=True) if cell},
                    )
                elif cells:
                    text = f"{len(cells)} cells, the header has {len(header)}. Mend the row."
                    on_bad(begin, DataError(f"{path}:{begin}: {text}"))
                begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV ({error}). Mend the line.") from error
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yield lines; one without an end would be read into memory whole."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{path}:{number}: the line is longer than {MAX_LINE_BYTES:,} characters."
            )
        if not line.isascii() and _ESCAPED.search(line):
            raise DataError(f"{path}:{number}: not UTF-8. Save the file as UTF-8.")
        yield line


def _header(names: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in names]
    if not any(names):
        raise DataError(f"{path}:1: there is no header. Name the columns in the first line.")
    if len(set(names)) != len(names) or len(names) > _MAX_COLUMNS:
        text = f"a column's name occurs twice, or there are over {_MAX_COLUMNS:,}"
        raise DataError(f"{path}:1: {text}: {shorten(names)}. Mend the header.")
    return names
