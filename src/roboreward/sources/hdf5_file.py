"""Opens HDF5 files so that everything that is read lies in the file itself, and fits in memory.

An HDF5 file may refer to others (external and soft links, external storage, virtual datasets) and name filters that
the library would load from the system. Neither is needed for robot data, so both are refused. Not promised: that the
HDF5 library itself withstands a file that was made to break it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward.core import DataError, MissingExtra, shorten
from roboreward.media import MediaLimits
from roboreward.sources.source import Frame
from roboreward.sources.unusable import Unusable

MAX_CHUNK_BYTES: Final = 256 * 2**20
"""Largest compressed block of a dataset, unpacked; to read one frame, the library unpacks the block around it."""

_BLOCK_BYTES: Final = 8 * 2**20
_MAX_PIXELS: Final = MediaLimits().max_pixels
_FILTERS: Final = {
    1: "deflate",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    6: "scaleoffset",
    32000: "lzf",
}
"""Filters that come with the library (and lzf, with h5py), by the numbers of The HDF Group's registry."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file for reading; errors of the library become ours.

    Raises:
        MissingExtra: h5py is not installed.
        DataError: The file cannot be read, here or later inside the block.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtra("h5py", "data", "Reading HDF5") from error
    with reading(str(path)), h5py.File(path, "r") as file:
        yield file


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what the library raises on a damaged or strange file into a DataError."""
    try:
        yield
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{where} cannot be read ({shorten(error)}). Copy or write it again."
        ) from error


def member(group: Any, name: str, where: str) -> Any | None:
    """Return what a group holds under a name, or None.

    Raises:
        Unusable: "external_data": it is a link.
    """
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise Unusable(
            "external_data",
            where,
            f"{name!r} is a link, perhaps to another file. Copy the data in.",
        )
    return group[name]


def subgroup(group: Any, name: str, where: str) -> Any | None:
    """Return the group of that name, or None where there is none."""
    import h5py

    found = member(group, name, where)
    return found if isinstance(found, h5py.Group) else None


def column(group: Any, name: str, where: str) -> Any | None:
    """Return the dataset of that name, or None where there is none.

    Raises:
        Unusable: "external_data": its data is elsewhere, or needs a filter that is not built in; "too_large".
    """
    import h5py

    found = member(group, name, where)
    if not isinstance(found, h5py.Dataset):
        return None
    settings = found.id.get_create_plist()
    filters = [settings.get_filter(place)[0] for place in range(settings.get_nfilters())]
    if found.is_virtual or found.external or not set(filters) <= set(_FILTERS):
        text = f"{name!r} has its data in another file or behind a filter that is not built in. Copy the data in."
        raise Unusable("external_data", where, text)
    chunk_bytes = int(np.prod(found.chunks or (0,), dtype=object)) * found.dtype.itemsize
    if chunk_bytes > MAX_CHUNK_BYTES:
        text = f"{name!r} has blocks of {chunk_bytes:,} bytes, the limit is {MAX_CHUNK_BYTES:,}"
        raise Unusable("too_large", where, f"{text}. Write it in smaller ones.")
    return found


def is_pictures(dataset: Any) -> bool:
    """Return whether a dataset holds colour pictures: uint8 (T, H, W, 3)."""
    return bool(dataset.dtype == np.uint8 and dataset.ndim == 4 and dataset.shape[3] == 3)


def check_pictures(dataset: Any, name: str, where: str) -> None:
    """Raise Unusable ("bad_images", "no_frames", "too_large") for what are no pictures, or too large ones."""
    if not is_pictures(dataset):
        text = f"{name!r} is {dataset.dtype} {dataset.shape}, pictures are uint8 (T, H, W, 3). Name other ones."
        raise Unusable("bad_images", where, text)
    num, height, width, _ = dataset.shape
    if not num or not height or not width:
        raise Unusable(
            "no_frames", where, f"{name!r} has the shape {dataset.shape}. Write it again."
        )
    if height * width > _MAX_PIXELS:
        text = f"{name!r} has frames of {width}x{height} pixels, the limit is {_MAX_PIXELS:,}. Scale them down."
        raise Unusable("too_large", where, text)


def frames_of(dataset: Any, indices: Sequence[int] | None) -> Iterator[Frame]:
    """Yield the frames at these places, or all, one by one. What is unpacked at a time is a block, or one frame."""
    if indices is not None:
        yield from (dataset[index] for index in indices)
        return
    frame_bytes = int(np.prod(dataset.shape[1:]))
    step = max(1, min((dataset.chunks or (1,))[0], _BLOCK_BYTES // frame_bytes))
    for start in range(0, dataset.shape[0], step):
        yield from dataset[start : start + step]


def text_of(value: Any) -> str | None:
    """Return an attribute as text, or None where it is none."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else None


def json_of(value: Any, name: str, where: str) -> dict[str, Any]:
    """Return an attribute that holds a JSON object; empty where it is absent.

    Raises:
        DataError: It holds something else.
    """
    if value is None:
        return {}
    try:
        found = json.loads(text_of(value) or "")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: the attribute {name!r} is not JSON. Write it again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where}: the attribute {name!r} is no JSON object. Write it again.")
    return found


def in_order(names: Iterator[str]) -> list[str]:
    """Return names with their numbers in numeric order: demo_2 before demo_10."""
    return sorted(names, key=lambda name: (*_number(name), name))


def _number(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)(\d{1,18})", name, re.DOTALL)
    return (match[1], int(match[2])) if match else (name, -1)
