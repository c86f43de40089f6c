"""What the video files of a dataset hold: their digest, what they announce, what can be decoded."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roboreward.core import DataError, MediaRefused
from roboreward.media import probe, sample_frames
from roboreward.store import run_in_order, sha256_file

_LEAST_CONTRAST: Final = 2.0
"""Standard deviation in levels over a frame, per channel; noise of a compressed black picture is below it."""

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True)
class VideoFacts:
    """One video file.

    Attributes:
        path: The file.
        sha256: Digest of its bytes; "" when it cannot be read at all.
        size_bytes: Size on disk.
        announced_frames: Frames that the header promises, where it does.
        num_frames: Frames that are there, as a reader for models sees them; None when refused.
        duration_s: As announced, else the time of the last frame.
        width_px, height_px: As decoded.
        is_blank: Whether every frame that a model would see is of one colour, as of a camera that is off.
        refusal: Why the reader refuses it, a `media.RefusalReason`, or None.
        message: The refusal in words.
    """

    path: Path
    sha256: str = ""
    size_bytes: int = 0
    announced_frames: int | None = None
    num_frames: int | None = None
    duration_s: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    is_blank: bool = False
    refusal: str | None = None
    message: str = ""


def examine_videos(
    paths: Iterable[Path], *, num_workers: int = 1, progress: Progress | None = None
) -> dict[Path, VideoFacts]:
    """Hash each file and decode the frames that a model would see.

    A frame that no model would see is not decoded, so damage there can go unnoticed.

    Args:
        paths: Video files; repeats are looked at once.
        num_workers: Processes.
        progress: How far it is.

    Returns:
        Facts by path, in the order of first occurrence. A file that cannot be read has a `refusal`.
    """
    return _each(examine_video, paths, num_workers=num_workers, progress=progress)


def hash_videos(
    paths: Iterable[Path], *, num_workers: int = 1, progress: Progress | None = None
) -> dict[Path, str]:
    """Return the SHA-256 of each file's bytes by path, "" for one that cannot be read; nothing is decoded."""
    found = _each(_hash_video, paths, num_workers=num_workers, progress=progress)
    return {path: facts.sha256 for path, facts in found.items()}


def examine_video(path: Path) -> VideoFacts:
    """Return what one video file holds; see `examine_videos`."""
    hashed = _hash_video(path)
    if not hashed.sha256:
        return hashed
    try:
        info = probe(path)
        sample = sample_frames(path)
    except MediaRefused as error:
        return VideoFacts(
            path,
            hashed.sha256,
            hashed.size_bytes,
            refusal=error.reason,
            message=str(error).removeprefix(f"{path}: "),
        )
    record = sample.record
    duration_s = info.duration_s if info.duration_s else record.timestamps_s[-1]
    return VideoFacts(
        path,
        hashed.sha256,
        hashed.size_bytes,
        announced_frames=info.announced_frames,
        num_frames=record.num_frames,
        duration_s=duration_s,
        width_px=record.width_px,
        height_px=record.height_px,
        is_blank=bool(sample.frames_THWC.std(axis=(1, 2)).max() < _LEAST_CONTRAST),
    )


def _hash_video(path: Path) -> VideoFacts:
    try:
        return VideoFacts(path, sha256_file(path), path.stat().st_size)
    except (DataError, OSError) as error:
        return VideoFacts(path, refusal="unreadable", message=str(error))


def _each(
    function: Callable[[Path], VideoFacts],
    paths: Iterable[Path],
    *,
    num_workers: int,
    progress: Progress | None,
) -> dict[Path, VideoFacts]:
    wanted = list(dict.fromkeys(paths))
    found: dict[Path, VideoFacts] = {}
    results = run_in_order(
        function, wanted, num_workers=num_workers, batch=16, what="looking at the videos"
    )
    for facts in results:
        found[facts.path] = facts
        if progress:
            progress(len(found), len(wanted))
    return found


def digests(facts: Mapping[Path, VideoFacts]) -> dict[Path, str]:
    """Return the digests of files that could be read."""
    return {path: fact.sha256 for path, fact in facts.items() if fact.sha256}
