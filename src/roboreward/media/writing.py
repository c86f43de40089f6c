"""Writes frames as an H.264 MP4 that browsers play and that is the same bytes every time."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import Frames, UsageError
from roboreward.media.placing import in_place_of

_BT601: Final = 6
_BT709: Final = 1
_LIMITED_RANGE: Final = 1
_MAX_FPS: Final = 1000


class VideoProfile(BaseModel):
    """How frames are encoded.

    Attributes:
        crf: x264 quality, 0 (lossless) to 51; 12 to 18 is hard to tell from the original.
        preset: x264 effort.
        pixel_format: "yuv420p" plays everywhere and keeps one colour sample for 2x2 pixels; "yuv444p" keeps all
            but many browsers and hardware decoders refuse it.
        upscale: Each pixel is written as a square of this many. With 2, every pixel has its own colour sample in
            yuv420p, so that a tiny frame, where a coloured object is a few pixels wide, loses no colour; players
            also show it at a size that can be seen. Readers get the larger frames.
        keyframe_every: Frames from one keyframe to the next, at most; fewer make random access cheaper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crf: int = Field(default=15, ge=0, le=51)
    preset: Literal["ultrafast", "veryfast", "fast", "medium", "slow"] = "medium"
    pixel_format: Literal["yuv420p", "yuv444p"] = "yuv420p"
    upscale: int = Field(default=1, ge=1, le=16)
    keyframe_every: int = Field(default=60, ge=1)


_DEFAULT_PROFILE = VideoProfile()


def write_video(
    path: str | os.PathLike[str],
    frames_THWC: Frames,
    *,
    fps: float,
    profile: VideoProfile = _DEFAULT_PROFILE,
) -> None:
    """Write `frames_THWC` to `path` as an H.264 MP4, atomically: the file is complete under its name or not there.

    The index comes first (browsers start at once) and nothing in the file depends on the clock, the path or the
    number of cores: the same frames and profile give the same bytes with one encoder version on one machine, in a
    process that has decoded nothing. Known fault: after decoding, x264 may choose a little differently;
    `normalise_video` does not have this fault.
    Colours are stored as BT.601 limited range and tagged so: readers that look at tags and readers that ignore
    them (whose default it is) agree.

    Args:
        path: Where to; an existing file is replaced. The folder must exist.
        frames_THWC: uint8 RGB (T, H, W, 3), T >= 1; with yuv420p, height and width times `upscale` must be even.
        fps: Frames a second, above 0 and at most 1000.
        profile: How to encode.

    Raises:
        UsageError: Wrong array, odd size or frame rate.
        StoreError: The folder is missing, not writable or full.
    """
    target = Path(path)
    _check_frames(frames_THWC, fps, profile)
    with in_place_of(target) as temporary:
        _encode(temporary, frames_THWC, fps, profile)


def _check_frames(frames_THWC: Frames, fps: float, profile: VideoProfile) -> None:
    shape = frames_THWC.shape
    if frames_THWC.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise UsageError(
            f"frames to write must be uint8 RGB (T, H, W, 3), got {frames_THWC.dtype} {shape}."
        )
    if not 0 < fps <= _MAX_FPS:
        raise UsageError(f"fps must be above 0 and at most {_MAX_FPS}, got {fps}.")
    height, width = shape[1] * profile.upscale, shape[2] * profile.upscale
    if profile.pixel_format == "yuv420p" and (height % 2 or width % 2):
        raise UsageError(
            f"yuv420p needs an even width and height, got {width}x{height}. Crop or pad the frames, "
            'or use VideoProfile(upscale=2) or VideoProfile(pixel_format="yuv444p").'
        )


def _encode(path: Path, frames_THWC: Frames, fps: float, profile: VideoProfile) -> None:
    import av

    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        rate = Fraction(fps).limit_denominator(10_000)
        stream: Any = container.add_stream("libx264", rate=rate)
        _configure(stream, frames_THWC.shape, rate, profile)
        for index, frame_HWC in enumerate(frames_THWC):
            frame = _yuv_frame(frame_HWC, profile)
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _configure(stream: Any, shape: tuple[int, ...], rate: Fraction, profile: VideoProfile) -> None:
    stream.height, stream.width = shape[1] * profile.upscale, shape[2] * profile.upscale
    stream.pix_fmt = profile.pixel_format
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count, context.thread_type = 1, "NONE"
    context.gop_size = profile.keyframe_every
    context.color_range, context.colorspace = _LIMITED_RANGE, _BT601
    context.color_primaries, context.color_trc = _BT709, _BT709
    context.options = {"crf": str(profile.crf), "preset": profile.preset, "flags": "+bitexact"}


def _yuv_frame(frame_HWC: Frames, profile: VideoProfile) -> Any:
    """Convert by averaging 2x2 boxes: wider filters mix in neighbours, also where upscaling made the box uniform."""
    from av import VideoFrame

    factor = profile.upscale
    large = frame_HWC.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else frame_HWC
    return VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24").reformat(
        format=profile.pixel_format,
        dst_colorspace="ITU601",
        dst_color_range="MPEG",
        interpolation="AREA",
    )
