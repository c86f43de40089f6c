"""Whole files: a reader sees the old content or the new one, never a part, also after a kill or a power cut."""

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from roboreward.core import DataError, StoreError
from roboreward.store.failure import cannot_write

_CHUNK_BYTES = 1 << 20


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Replace a file as a whole.

    The bytes go to a new file in the same folder, are forced to disk, and take the old file's place in one step; then
    the folder is forced to disk too. Missing folders are made. A symbolic link is followed, not replaced. Text is
    written as UTF-8, and the permissions of the old file are kept. When it fails, the old file is untouched and
    nothing is left behind (a kill may leave a file named `.<name>.<random>.tmp`).

    Raises:
        StoreError: The place cannot be written to, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        content = data.encode() if isinstance(data, str) else data
        _refuse_special(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_new(temporary, content, mode=_mode_of(target))
        os.replace(temporary, target)
        sync_folder(target.parent)
    except UnicodeEncodeError as error:
        raise StoreError(
            f"Cannot write {path}: the text is not Unicode ({error.reason})."
        ) from error
    except OSError as error:
        raise cannot_write(Path(path), error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path | str, value: Any) -> None:
    """Replace a file with `value` as indented JSON, as a whole.

    Raises:
        StoreError: The place cannot be written to, or `value` holds NaN, an infinity, or text that is not Unicode.
        TypeError: `value` is not made of JSON types.
    """
    try:
        data = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise StoreError(
            f"Cannot write {path}: the value cannot be stored as JSON: {error}."
        ) from error
    write_atomic(path, data + b"\n")


def sha256_file(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        DataError: The file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, where the system can do that."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refuse_special(target: Path) -> None:
    """A device or a pipe must not be replaced by a plain file."""
    if target.is_dir():
        raise StoreError(f"Cannot write {target}: it is a folder. Name a file.")
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise StoreError(f"Cannot write {target}: it is not a plain file. Name another file.")


def _mode_of(target: Path) -> int | None:
    """Permissions to keep, when there is an old file."""
    return stat.S_IMODE(target.stat().st_mode) if target.exists() else None


def _write_new(path: Path, content: bytes, *, mode: int | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(fd, "wb") as file:
        if mode is not None:
            path.chmod(mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
