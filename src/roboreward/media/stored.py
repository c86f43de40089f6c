"""Normalised videos on disk: written as a whole, and read back only when they are what was written."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from roboreward.media.containers import layout_of
from roboreward.media.encoding import KEY_SLICE, SLICE, unit_type
from roboreward.media.limits import MediaLimits, refusal
from roboreward.media.mp4 import Coding, Index, NotThisLayout, header, moov_end, read_header
from roboreward.media.placing import in_place_of
from roboreward.media.reader import check_num_frames, size_of_file
from roboreward.media.retiming import TICKS_PER_S

_CHUNK_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 64
_BYTES_A_FRAME: Final = 16
_UNIT_HEAD: Final = 5
"""A packet's length and the first byte of its only unit."""

_TELLTALES: Final = (
    (b"edts", "it has an edit list"),
    (b"ctts", "its frames are not stored in the order they are shown (B-frames)"),
    (b"moof", "it is fragmented"),
)


@dataclass(frozen=True)
class WrittenVideo:
    """What was written.

    Attributes:
        path: As given.
        profile: Name of the profile.
        num_frames: At least 1.
        fps: Frames a second on average; the rate may vary.
        duration_s: From the first frame to the end of the last one.
        width_px: Even.
        height_px: Even.
        size_bytes: Size of the file.
        sha256: Of the file, 64 hex digits.
        frames_sha256: Of size and packets, 64 hex digits: the same for the same frames, whatever their times.
    """

    path: Path
    profile: str
    num_frames: int
    fps: float
    duration_s: float
    width_px: int
    height_px: int
    size_bytes: int
    sha256: str
    frames_sha256: str


@dataclass(frozen=True)
class StoredVideo:
    """An open normalised video, positioned at its first packet."""

    file: BinaryIO
    coding: Coding
    index: Index


def put_together(target: Path, coding: Coding, index: Index, packets: BinaryIO) -> WrittenVideo:
    """Write a header and as many packets as `index` has, read from where `packets` stands.

    Raises:
        StoreError: The folder is missing, not writable or full.
    """
    head = header(coding, index)
    digest = hashlib.sha256(head)
    of_frames = hashlib.sha256(f"{coding.width_px}x{coding.height_px};".encode())
    with in_place_of(target) as temporary, temporary.open("wb") as file:
        file.write(head)
        for chunk in _chunks(packets, sum(index.sizes)):
            digest.update(chunk)
            of_frames.update(chunk)
            file.write(chunk)
    duration_s = sum(index.durations) / TICKS_PER_S
    return WrittenVideo(
        path=target,
        profile=coding.profile,
        num_frames=len(index.sizes),
        fps=len(index.sizes) / duration_s,
        duration_s=duration_s,
        width_px=coding.width_px,
        height_px=coding.height_px,
        size_bytes=len(head) + sum(index.sizes),
        sha256=digest.hexdigest(),
        frames_sha256=of_frames.hexdigest(),
    )


def _chunks(file: BinaryIO, num_bytes: int) -> Iterator[bytes]:
    while num_bytes > 0 and (chunk := file.read(min(_CHUNK_BYTES, num_bytes))):
        num_bytes -= len(chunk)
        yield chunk


@contextmanager
def open_stored(path: Path, limits: MediaLimits) -> Iterator[StoredVideo]:
    """Open a file that `normalise_video` or `cut_prefix` wrote.

    Raises:
        MediaRefused: "not_normalised" for every other video; "truncated" when packets are missing; else as for `probe`.
    """
    size_bytes = size_of_file(path, limits)
    try:
        file = path.open("rb")
    except OSError as error:
        raise refusal("unreadable", path, f"cannot be opened ({error.strerror}).") from error
    with file:
        layout_of(file, path=path)
        try:
            coding, index, begin = _read_index(file, limits)
        except NotThisLayout as error:
            raise _not_normalised(file, path, str(error)) from error
        check_num_frames(len(index.sizes), path, limits)
        missing = begin + sum(index.sizes) - size_bytes
        if missing > 0:
            text = f"{missing:,} bytes are missing at its end. Copy or normalise it again."
            raise refusal("truncated", path, text)
        file.seek(begin)
        yield StoredVideo(file, coding, index)


def _read_index(file: BinaryIO, limits: MediaLimits) -> tuple[Coding, Index, int]:
    file.seek(0)
    end = moov_end(file.read(_HEAD_BYTES)) + 8
    if end > _CHUNK_BYTES + _BYTES_A_FRAME * limits.max_frames_walked:
        raise NotThisLayout("its index is larger than the allowed number of frames needs")
    file.seek(0)
    return read_header(file.read(end))


def check_packets(video: StoredVideo, num: int, path: Path) -> None:
    """Look at the first bytes of the first `num` packets: a key slice (closed, by the standard) or a slice, no more.

    Raises:
        MediaRefused: "damaged" or "truncated".
    """
    begin, keys = video.file.tell(), set(video.index.keys)
    at = begin
    for place, size in enumerate(video.index.sizes[:num]):
        video.file.seek(at)
        head = video.file.read(_UNIT_HEAD)
        kind = KEY_SLICE if place in keys else SLICE
        is_ours = len(head) == _UNIT_HEAD and unit_type(head[4]) == kind
        if not is_ours or int.from_bytes(head[:4], "big") != size - 4:
            text = f"packet {place} is not one frame of the kind that its index says. Normalise it again."
            raise refusal("damaged", path, text)
        at += size
    video.file.seek(begin)


def _not_normalised(file: BinaryIO, path: Path, found: str) -> Exception:
    """Say what about a video forbids cutting it without encoding, where its boxes tell."""
    file.seek(0)
    boxes = file.read(_CHUNK_BYTES)
    told = [text for box, text in _TELLTALES if box in boxes]
    reason = "; ".join(told or [found])
    text = f"it cannot be cut without encoding: {reason}. Pass it through normalise_video first."
    return refusal("not_normalised", path, text)
