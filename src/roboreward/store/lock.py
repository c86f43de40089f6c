"""One writer a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from roboreward.core import StoreError
from roboreward.store.failure import cannot_write

LOCK_NAME: Final = ".roboreward.lock"


@contextmanager
def lock_folder(path: Path | str) -> Iterator[None]:
    """Hold a folder for this process; the folder is made when missing.

    The system releases the lock when the process ends, however it ends, so a lock file on disk never blocks anyone.
    Only programs that take the same lock are kept out. Processes forked inside the block share the lock and keep it
    while they live. Not promised on network file systems.

    Raises:
        StoreError: Another process holds the folder (the message names its pid), the folder cannot be written to, or
            the system has no such locks.
    """
    folder = Path(path)
    fd = _open(folder)
    try:
        _take(fd, folder)
        yield
    finally:
        os.close(fd)


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _take(fd: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError as error:
        raise StoreError(f"Cannot lock {folder}: this system has no file locks.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise StoreError(
            f"{folder} is in use by a roboreward process (pid {owner}). "
            "Wait for it to end, or use another folder."
        ) from error
    except OSError as error:
        raise StoreError(f"Cannot lock {folder}: {error.strerror or error}.") from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
