"""Named, versioned ways to store a video, so that every file of a dataset has been through the same encoder."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}
_MIN_PX: Final = 2


class NormalProfile(BaseModel):
    """How `normalise_video` stores a video. All that it stores is H.264, yuv420p, BT.601 limited range, in an MP4.

    There are no B-frames, no look-ahead and no scene cuts, keyframes come at fixed places, and rate control looks
    only backwards. So what is stored for a frame depends on the frames before it and on nothing after it: storing the
    first n frames of a video gives, byte for byte, the first n packets of storing all of it. That costs about a
    fifth more bytes than an encoder that may look ahead.

    Attributes:
        name: Lower case, with a version at its end, such as "normal-v1"; it is written into the file. A name that this
            package has given out stands for those settings and no others.
        longest_side_px: Frames with a longer side are scaled down to it; both sides become even. Smaller frames keep
            their size, but for the last row or column of an odd one, which is cut off.
        is_upscaled: Whether smaller frames are scaled up to `longest_side_px`.
        fps: None keeps every frame and its time, also where the rate varies. A number gives a frame at every multiple
            of 1/fps from the first frame on: the one nearest in time, the later of two that are equally near. Steps are
            even to the end, so the video's last frame may be left out, and the last one stored is less than a step
            before it.
        crf: x264 quality, 0 (lossless) to 51.
        preset: x264 effort.
        keyframe_every: Frames from one keyframe to the next.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*-v[0-9]+$", max_length=31, json_schema_extra=_IDENTITY
    )
    longest_side_px: int = Field(default=640, ge=16, le=8192, json_schema_extra=_IDENTITY)
    is_upscaled: bool = Field(default=False, json_schema_extra=_IDENTITY)
    fps: float | None = Field(default=None, gt=0, le=1000, json_schema_extra=_IDENTITY)
    crf: int = Field(default=15, ge=0, le=51, json_schema_extra=_IDENTITY)
    preset: Literal["ultrafast", "veryfast", "fast", "medium", "slow"] = Field(
        default="medium", json_schema_extra=_IDENTITY
    )
    keyframe_every: int = Field(default=30, ge=1, le=600, json_schema_extra=_IDENTITY)

    @model_validator(mode="after")
    def _check_name(self) -> "NormalProfile":
        known = _SETTINGS.get(self.name)
        if known is not None and known != self.model_dump():
            raise ValueError(f"the name {self.name!r} stands for other settings; choose another.")
        return self

    def size_of(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the (width, height) that frames of this size are stored with: even, and at least 2.

        When it is smaller by no more than one pixel a side, pixels are cut off, else the frame is scaled.
        """
        longest = max(width_px, height_px)
        if longest > self.longest_side_px or (self.is_upscaled and longest < self.longest_side_px):
            sides = (_even(side * self.longest_side_px, longest) for side in (width_px, height_px))
        else:
            sides = (max(_MIN_PX, side - side % 2) for side in (width_px, height_px))
        width, height = sides
        return width, height


def _even(numerator: int, denominator: int) -> int:
    """Return the even number nearest to a quotient, halves up, in integers so that no platform's rounding matters."""
    return max(_MIN_PX, 2 * ((numerator + denominator) // (2 * denominator)))


_SETTINGS: Final[dict[str, dict[str, Any]]] = {}

NORMAL_V1: Final = NormalProfile(name="normal-v1")
"""The default: at most 640 px, every frame kept."""

_SETTINGS[NORMAL_V1.name] = NORMAL_V1.model_dump()
