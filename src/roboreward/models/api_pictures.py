"""How a question goes to an API: texts, and each frame as a picture, behind its time in seconds if that may be told."""

import itertools
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from roboreward.core import FrameSample
from roboreward.media import jpeg_bytes, png_bytes, write_video
from roboreward.models.api_settings import ApiSettings
from roboreward.models.asking import Ask

_MIN_FPS: Final = 0.1
_MAX_FPS: Final = 60.0


class Media(NamedTuple):
    """Bytes of a picture or a video.

    Attributes:
        data: The file.
        mime: Its type.
        fps: Frames a second, of a video.
    """

    data: bytes
    mime: str
    fps: float | None = None


def pieces_of(ask: Ask, settings: ApiSettings) -> Iterator[str | Media]:
    """Return the parts of a question as they are sent, in order. A frame comes behind its time, if that may be told."""
    for part in ask.parts:
        if isinstance(part, str):
            yield part
        elif settings.media == "video" and ask.has_times:
            yield video_of(part)
        else:
            yield from _frames_of(part, settings, has_times=ask.has_times)


def picture_facts(settings: ApiSettings, *, is_video_taken: bool = False) -> dict[str, Any]:
    """Return what of the above can change an answer."""
    if is_video_taken and settings.media == "video":
        return {"media": "video"}
    quality = settings.jpeg_quality if settings.picture == "jpeg" else None
    return {"media": "frames", "picture": settings.picture, "quality": quality}


def _frames_of(
    sample: FrameSample, settings: ApiSettings, *, has_times: bool
) -> Iterator[str | Media]:
    encode: Callable[[Any], bytes] = png_bytes
    if settings.picture == "jpeg":
        encode = lambda frame: jpeg_bytes(frame, quality=settings.jpeg_quality)  # noqa: E731
    for frame, time_s in zip(sample.frames_THWC, sample.record.timestamps_s, strict=True):
        if has_times:
            yield f"Frame at {time_s:.2f} s:"
        yield Media(encode(frame), f"image/{settings.picture}")


def video_of(sample: FrameSample) -> Media:
    """Return the frames as an MP4 that shows them as far apart as they are in the video they come from."""
    times = sample.record.timestamps_s
    steps = [after - before for before, after in itertools.pairwise(times)]
    step_s = statistics.median(steps) if steps else 1.0
    fps = min(_MAX_FPS, max(_MIN_FPS, 1 / step_s)) if step_s > 0 and math.isfinite(step_s) else 1.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.mp4"
        write_video(path, sample.frames_THWC, fps=fps)
        return Media(path.read_bytes(), "video/mp4", fps)
