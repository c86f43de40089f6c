"""Which container a file really is, by its first bytes, and whether it is cut off. No codec library is involved.

A playlist or a concat list that is named `.mp4` must never reach a library that would follow it to other files.
Formats: ISO/IEC 14496-12 (boxes) and RFC 8794 / RFC 9559 (EBML, Matroska).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from roboreward.media.limits import refusal

Demuxer = Literal["mov", "matroska"]

_EBML_MAGIC: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID: Final = b"\x18\x53\x80\x67"
_FIRST_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}
_STILL_BRANDS: Final = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}
_MAX_BOXES: Final = 100_000
_HEAD_BYTES: Final = 4096
_KNOWN_OTHERS: Final = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat", "a concat list"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file (AVI, WAV or WebP)"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"FLV", "an FLV video"),
    (b"\x00\x00\x01\xba", "an MPEG programme stream"),
    (b"\x30\x26\xb2\x75", "a WMV/ASF file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (run `git lfs pull`)"),
    (b"<", "HTML or XML text"),
)


@dataclass(frozen=True)
class Layout:
    """What the outer structure of a file says.

    Attributes:
        name: "mp4" (MOV included), "matroska" or "webm".
        demuxer: The one demuxer that may open it.
        has_index: Whether the part without which nothing can be read is there.
        is_cut: Whether the outermost element claims more bytes than the file has.
        index: First byte and length of an MP4's index, where it is the only one.
    """

    name: str
    demuxer: Demuxer
    has_index: bool
    is_cut: bool
    index: tuple[int, int] | None = None


def layout_of(file: BinaryIO, *, path: Path) -> Layout:
    """Return the layout of an open file.

    Raises:
        MediaRefused: "not_a_video" when the first bytes are of no accepted container.
    """
    head = file.read(_HEAD_BYTES)
    size_bytes = file.seek(0, os.SEEK_END)
    if head.startswith(_EBML_MAGIC):
        return _matroska_layout(head, size_bytes)
    if head[4:8] in _FIRST_BOXES:
        if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
            raise _not_a_video(path, "a HEIF or AVIF picture")
        return _mp4_layout(file, size_bytes)
    raise _not_a_video(path, _describe(head))


def _not_a_video(path: Path, found: str) -> Exception:
    return refusal(
        "not_a_video",
        path,
        f"this is {found}. Accepted are MP4, MOV, MKV and WebM, by content and not by name.",
    )


def _describe(head: bytes) -> str:
    for magic, name in _KNOWN_OTHERS:
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(magic):
            return name
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return "an MPEG transport stream"
    printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in head)
    if printable >= 0.95 * len(head):
        return "text"
    return f"unknown data that starts with {head[:8].hex(' ')}"


def _mp4_layout(file: BinaryIO, size_bytes: int) -> Layout:
    """Walk the outermost boxes: 4 bytes of size (1: a 64-bit size follows; 0: to the end), 4 of type."""
    at, has_moov, has_fragments = 0, False, False
    index: tuple[int, int] | None = None
    for _ in range(_MAX_BOXES):
        if at >= size_bytes:
            break
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            break
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            length = size_bytes - at
        if length < 8:
            break
        has_fragments = has_fragments or header[4:8] == b"moof"
        if header[4:8] == b"moov" and at + length <= size_bytes:
            index, has_moov = None if has_moov else (at, length), True
        at += length
    only = None if has_fragments else index
    return Layout("mp4", "mov", has_index=has_moov, is_cut=at > size_bytes, index=only)


def _matroska_layout(head: bytes, size_bytes: int) -> Layout:
    """Compare the size that the Segment announces, when it does, with the size of the file."""
    length, begin = _ebml_size(head, 4)
    name = "webm" if b"webm" in head[begin : begin + (length or 0)] else "matroska"
    segment = begin + (length or 0)
    if head[segment : segment + 4] != _SEGMENT_ID:
        return Layout(name, "matroska", has_index=True, is_cut=len(head) <= segment)
    body, begin = _ebml_size(head, segment + 4)
    is_cut = body is not None and begin + body > size_bytes
    return Layout(name, "matroska", has_index=True, is_cut=is_cut)


def _ebml_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Return an EBML size (None: unknown) and the position behind it."""
    if at >= len(data) or data[at] == 0:
        return None, at
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    is_unknown = value == (1 << 7 * width) - 1
    return (None if is_unknown else value), at + width
