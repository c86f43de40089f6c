"""Footage in numpy files: `.npy` is mapped and `.npz` is unpacked frame by frame; neither is ever loaded whole.

A header of a hundred bytes may claim any shape. So type and shape are checked against the bytes that are there before
anything of that size is made, and object arrays, which would run code, are refused by their type.
"""

import ast
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from roboreward.core import DataError, UnknownName, shorten
from roboreward.media import MediaLimits
from roboreward.sources.footage import DEFAULT_LIMITS, check_fps
from roboreward.sources.source import Frame

ARRAY_SUFFIXES: Final = (".npy", ".npz")
_MAX_HEADER_CHARS: Final = 10_000
_MAX_MEMBERS: Final = 10_000
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 1
_MAGIC: Final = b"\x93NUMPY"
_UINT8: Final = ("|u1", "u1", "<u1", ">u1", "=u1", "B", "uint8")
_ZIP_MAGIC: Final = b"PK"
_BROKEN: Final = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    OverflowError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What parsing a header and unpacking raise over files that are not what they say."""


@dataclass(frozen=True)
class _Header:
    """Where the pixels are. `offset` counts from the start of the array's own file or member."""

    shape: tuple[int, int, int, int]
    is_fortran: bool
    is_channel_first: bool
    offset: int

    @property
    def num_bytes(self) -> int:
        first, second, third, fourth = self.shape
        return first * second * third * fourth


class ArrayFootage:
    """An array of frames in a `.npy` or `.npz` file: uint8, shape (T, H, W, 3) or (T, 3, H, W).

    Args:
        path: The file; what it is is decided by its content.
        fps: True frames a second.
        key: Name of the array in a `.npz`; None where only one in it has the shape of a video.
        limits: `max_frames_walked` and `max_pixels` hold.

    Raises:
        DataError: The file cannot be read, is cut, or holds no such array; says what was found.
        UnknownName: `key` is not in the file.

    Memory: one frame.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: float,
        key: str | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        self.path, self.key = Path(path), key
        self.fps = check_fps(fps, where=str(path))
        with self._explained(), self.path.open("rb") as file:
            self._is_packed = file.read(2) == _ZIP_MAGIC
            size = file.seek(0, 2)
            file.seek(0)
            if self._is_packed:
                self.key, self._header = _find_member(self.path, key, limits)
            else:
                self._header = _read_header(file, size, str(self.path), limits)

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        return self._header.shape[0]

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; see `Footage`."""
        yield from self._unpacked() if self._is_packed else self.take(range(self.num_frames))

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield only the frames at these places, from 0 and increasing; a `.npz` is unpacked up to the last one."""
        if self._is_packed:
            todo, last = set(indices), max(indices, default=-1)
            for place, frame in enumerate(self._unpacked()):
                if place in todo:
                    yield frame
                if place >= last:
                    return
            return
        header = self._header
        with self._explained():
            mapped = np.memmap(
                self.path,
                dtype=np.uint8,
                mode="r",
                offset=header.offset,
                shape=header.shape,
                order="F" if header.is_fortran else "C",
            )
        for index in indices:
            yield _upright(np.array(mapped[index]), header)

    def _unpacked(self) -> Iterator[Frame]:
        header = self._header
        size = header.num_bytes // header.shape[0]
        with (
            self._explained(),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self.key}.npy") as file,
        ):
            file.read(header.offset)
            for index in range(header.shape[0]):
                data = file.read(size)
                if len(data) != size:
                    raise DataError(f"{self.path}: frame {index} is cut off. Write it again.")
                frame = np.frombuffer(data, np.uint8).reshape(header.shape[1:])
                yield _upright(frame, header)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            text = f"{self.path}: no array of frames can be read ({shorten(error)})"
            raise DataError(f"{text}. Write it again with numpy.save or numpy.savez.") from error


def _upright(frame: Frame, header: _Header) -> Frame:
    """Return the frame as (H, W, 3), its own memory."""
    turned = frame.transpose(1, 2, 0) if header.is_channel_first else frame
    return np.ascontiguousarray(turned) if turned.flags.writeable else turned.copy()


def _find_member(path: Path, key: str | None, limits: MediaLimits) -> tuple[str, _Header]:
    """Find the array in a `.npz`. Only names and headers are read."""
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: m for m in archive.infolist() if m.filename.endswith(".npy")}
        if len(members) > _MAX_MEMBERS:
            raise DataError(f"{path}: {len(members):,} arrays. Is it the right file?")
        names = [name.removesuffix(".npy") for name in members]
        if key is not None:
            if key not in names:
                raise UnknownName("array", key, names)
            return key, _member_header(archive, members[f"{key}.npy"], path, limits)
        found: dict[str, _Header] = {}
        complaints: list[str] = []
        for name in names:
            try:
                found[name] = _member_header(archive, members[f"{name}.npy"], path, limits)
            except DataError as error:
                complaints.append(str(error))
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        raise DataError(f"{path}: several arrays are videos: {', '.join(found)}. Name one by key.")
    raise DataError(complaints[0] if complaints else f"{path}: there is no array in it.")


def _member_header(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, limits: MediaLimits
) -> _Header:
    where = f"{path}[{member.filename.removesuffix('.npy')!r}]"
    if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
        raise DataError(f"{where}: packed in a way that numpy does not use. Write it again.")
    with archive.open(member) as file:
        header = _read_header(file, member.file_size, where, limits)
    if header.is_fortran:
        text = f"{where}: stored column by column, so that no single frame can be unpacked"
        raise DataError(f"{text}. Write numpy.ascontiguousarray of it.")
    return header


def _read_header(file: IO[bytes], size: int, where: str, limits: MediaLimits) -> _Header:
    descr, is_fortran, shape = _parse_header(file, where)
    if descr not in _UINT8:
        raise DataError(f"{where}: frames must be uint8, got {shorten(repr(descr))}. Convert them.")
    is_channel_first = len(shape) == 4 and shape[3] != 3 and shape[1] == 3
    if len(shape) != 4 or min(shape) < 1 or not (shape[3] == 3 or is_channel_first):
        text = f"{where}: frames must be (T, H, W, 3) or (T, 3, H, W), got {shorten(shape)}"
        raise DataError(f"{text}. Reshape them.")
    header = _Header(shape, is_fortran, is_channel_first, file.tell())
    _check_size(header, size, where, limits)
    return header


def _parse_header(file: IO[bytes], where: str) -> tuple[Any, bool, tuple[int, ...]]:
    """Return (descr, fortran_order, shape) as numpy's `lib.format` defines them.

    numpy's own reader goes on to repair headers of Python 2, on which rubbish makes it raise almost anything.
    """
    if file.read(6) != _MAGIC:
        raise DataError(f"{where}: this is no numpy array, by its first bytes. Write it again.")
    width = {1: 2, 2: 4}.get(int.from_bytes(file.read(2), "little"))
    if width is None:
        raise DataError(f"{where}: another version of the array format. Write plain uint8.")
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, _MAX_HEADER_CHARS + 1)).decode("latin-1")
    if len(text) != length:
        raise DataError(f"{where}: the header is cut off or too long. Write it again.")
    header = ast.literal_eval(text.strip())
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise DataError(f"{where}: the header makes no sense. Write it again.")
    shape = header["shape"]
    is_shape = isinstance(shape, tuple) and all(type(side) is int for side in shape)
    if not is_shape or type(header["fortran_order"]) is not bool:
        raise DataError(f"{where}: the header makes no sense. Write it again.")
    return header["descr"], header["fortran_order"], shape


def _check_size(header: _Header, size: int, where: str, limits: MediaLimits) -> None:
    num_frames, num_pixels = header.shape[0], header.num_bytes // header.shape[0] // 3
    if num_pixels > limits.max_pixels:
        text = f"{num_pixels:,} pixels a frame; the limit is max_pixels={limits.max_pixels:,}"
        raise DataError(f"{where}: {text}. Scale the frames down, or raise the limit.")
    if num_frames > limits.max_frames_walked:
        text = f"{num_frames:,} frames; the limit is max_frames_walked={limits.max_frames_walked:,}"
        raise DataError(f"{where}: {text}. Cut the array, or raise the limit.")
    if header.offset + header.num_bytes != size:
        text = f"the shape {header.shape} needs {header.num_bytes:,} bytes, {size - header.offset:,} are there"
        raise DataError(f"{where}: {text}. Copy or write it again.")
