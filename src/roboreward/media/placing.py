"""A file under its final name is complete: bytes go to a new file beside it, which then takes the name in one step."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from roboreward.core import StoreError


@contextmanager
def in_place_of(target: Path) -> Iterator[Path]:
    """Give a new file in the same folder that takes the target's name if all goes well and vanishes if not.

    What is written is forced to disk, and then the folder's entry is. Errors of the disk that come up inside are
    taken to be about `target`; read sources elsewhere. (A kill may leave a file named `.<name>.<random>.tmp`.)

    Raises:
        StoreError: The folder is missing, not writable or full.
    """
    import av.error

    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        try:
            temporary.open("xb").close()
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            _sync_folder(target.parent)
        finally:
            with suppress(FileNotFoundError, NotADirectoryError):
                temporary.unlink()
    except (OSError, av.error.FFmpegError) as error:
        raise cannot_write(target, error) from error


@contextmanager
def nameless_beside(target: Path) -> Iterator[BinaryIO]:
    """Give a file without a name on the target's disk. It is gone when it is closed, also by a kill.

    Raises:
        StoreError: The folder is missing or not writable.
    """
    try:
        file = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield cast(BinaryIO, file)
    finally:
        # What a full disk did not take was refused when it was written; closing tries once more.
        with suppress(OSError):
            file.close()


def cannot_write(target: Path, error: Exception) -> StoreError:
    """Return the error to raise when the disk refused, with what to do about it."""
    reason = getattr(error, "strerror", None) or error
    return StoreError(
        f"{target}: the video cannot be written ({reason}). Check that the folder exists, that you may write "
        "there, and that the disk has room."
    )


def _sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, where the system can do that."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
