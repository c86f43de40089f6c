"""The only room that opens a video: limits, probing, frame sampling, writing, and pictures of what was seen.

Importing this room loads neither the codec library nor the picture library; the functions do, on first use.
"""

from roboreward.media.limits import REQUEST_LIMITS, MediaLimits, RefusalReason
from roboreward.media.pictures import contact_sheet, jpeg_bytes, png_bytes
from roboreward.media.reader import VideoInfo, probe
from roboreward.media.sampling import sample_frames
from roboreward.media.writing import VideoProfile, write_video

__all__ = [
    "MediaLimits",
    "REQUEST_LIMITS",
    "RefusalReason",
    "VideoInfo",
    "VideoProfile",
    "contact_sheet",
    "jpeg_bytes",
    "png_bytes",
    "probe",
    "sample_frames",
    "write_video",
]
