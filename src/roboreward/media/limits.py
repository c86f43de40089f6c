"""What a video may cost before it is refused, and the words for refusing it."""

import math
import sys
import time
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import MediaRefused

RefusalReason = Literal[
    "missing",
    "not_a_file",
    "unreadable",
    "empty",
    "too_large",
    "not_a_video",
    "not_a_picture",
    "unsupported_codec",
    "too_many_pixels",
    "too_long",
    "too_many_frames",
    "truncated",
    "no_frames",
    "damaged",
    "undecodable",
    "size_changes",
    "odd_rotation",
    "not_normalised",
    "too_slow",
]
"""Every value of `MediaRefused.reason` that this room raises.

missing            there is no such file
not_a_file         a folder, a pipe, a device
unreadable         the operating system does not let us read it
empty              zero bytes
too_large          too many bytes on disk, or the chosen frames would not fit in `max_held_bytes`
not_a_video        neither MP4/MOV nor Matroska/WebM by content, or one without a video track
not_a_picture      neither PNG, JPEG nor WebP by content, or one with more than 8 bits a channel (depth)
unsupported_codec  the container is fine, the codec is not one we accept
too_many_pixels    one frame is over the limit
too_long           the presentation time is over the limit
too_many_frames    over the limit of frames walked
truncated          the file ends before its video does (one missing frame is tolerated)
no_frames          a video track without a single frame that can be decoded
damaged            the decoder reports wrong data inside the part that is needed
undecodable        the container or the codec data make no sense
size_changes       the frames do not all have one size
odd_rotation       the display matrix is not one of the eight right-angled ones
not_normalised     a clip is wanted without encoding, of a video that `normalise_video` did not write
too_slow           the deadline passed
"""


class MediaLimits(BaseModel):
    """Limits for one video.

    A few kilobytes can claim terabytes of pixels, so the size of the file says nothing and each cost has its own
    limit. The defaults are for files that the user owns; `REQUEST_LIMITS` is for bytes from strangers.

    Attributes:
        max_bytes: File size.
        max_pixels: Width times height of one frame; the default is 2048 x 2048.
        max_frames_walked: Frames in the video track, whether wanted or not; 10 minutes at 30 fps are 18,000.
        max_duration_s: Presentation time of the video.
        max_frames_returned: Frames in one sample.
        max_held_bytes: RGB bytes of one sample.
        max_cpu_s: CPU time of the calling thread for one video. The normal episode takes about 0.05 s.
        max_wall_s: Wall time for one video. Both are looked at between packets: one packet cannot be interrupted,
            but `max_pixels` bounds what it costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=512 * 2**20, gt=0)
    max_pixels: int = Field(default=2048 * 2048, gt=0)
    max_frames_walked: int = Field(default=20_000, gt=0)
    max_duration_s: float = Field(default=600.0, gt=0)
    max_frames_returned: int = Field(default=64, gt=0)
    max_held_bytes: int = Field(default=256 * 2**20, gt=0)
    max_cpu_s: float = Field(default=30.0, gt=0)
    max_wall_s: float = Field(default=60.0, gt=0)

    def of_shared_file(self) -> "MediaLimits":
        """Return the same limits without those on the length of the whole file.

        For a file that holds many episodes, of which one is read: LeRobot v3.0 fills files to 200 or 500 MB, which is
        hours of video. `max_bytes` still holds for the file, and all limits hold for the slice.
        """
        endless = {"max_frames_walked": sys.maxsize, "max_duration_s": math.inf}
        return self.model_copy(update=endless)


DEFAULT_LIMITS: Final = MediaLimits()
REQUEST_LIMITS: Final = MediaLimits(max_bytes=32 * 2**20, max_cpu_s=5.0, max_wall_s=10.0)
"""For videos that arrive over a network: a late reward is worth nothing there, and the sender is not trusted."""


def refusal(reason: RefusalReason, path: Path, text: str) -> MediaRefused:
    """Return the refusal of `path`. `text` says what was found, the limit, and what to do."""
    return MediaRefused(reason, f"{path}: {text}")


class Deadline:
    """Stops work on one video when its time is over."""

    def __init__(self, path: Path, limits: MediaLimits) -> None:
        self._path, self._limits = path, limits
        self.restart()

    def restart(self) -> None:
        """Begin anew: after a frame was handed out, the time until now was also the consumer's."""
        self._wall_s, self._cpu_s = time.monotonic(), time.thread_time()

    def check(self) -> None:
        """Raise MediaRefused("too_slow") when the wall or CPU time is over the limit."""
        wall_s = time.monotonic() - self._wall_s
        cpu_s = time.thread_time() - self._cpu_s
        if wall_s > self._limits.max_wall_s or cpu_s > self._limits.max_cpu_s:
            raise refusal(
                "too_slow",
                self._path,
                f"not decoded after {wall_s:.1f} s ({cpu_s:.1f} s of CPU); the limits are "
                f"max_wall_s={self._limits.max_wall_s:g} and max_cpu_s={self._limits.max_cpu_s:g}. "
                "Re-encode it smaller, cut it, or raise the limits.",
            )
