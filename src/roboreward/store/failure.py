"""One wording for what a disk can refuse."""

import errno
from pathlib import Path
from typing import Final

from roboreward.core import StoreError

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full. Free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up. Free some space and run the same command again",
    errno.EACCES: "permission denied. Choose a place that you may write to",
    errno.EPERM: "permission denied. Choose a place that you may write to",
    errno.EROFS: "the file system is read-only. Choose another place",
    errno.EISDIR: "it is a folder. Name a file",
    errno.ENOTDIR: "a part of the path is a file, not a folder. Choose another place",
    errno.EEXIST: "a part of the path is a file, not a folder. Choose another place",
    errno.ENAMETOOLONG: "the name is too long",
}


def cannot_write(path: Path, error: OSError) -> StoreError:
    """Return the error to raise, with what to do about it."""
    why = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return StoreError(f"Cannot write {path}: {why}.")
