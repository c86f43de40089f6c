"""The only room that opens a video: limits, probing, frame sampling, writing, and pictures of what was seen.

Importing this room loads neither the codec library nor the picture library; the functions do, on first use.
"""

from roboreward.media.clips import cut_prefix, num_kept
from roboreward.media.fingerprints import (
    SAME_VIDEO_BITS,
    Fingerprint,
    exact_fingerprint,
    fingerprint_distance,
    near_pairs,
    nearest_lookalikes,
    perceptual_fingerprint,
)
from roboreward.media.limits import REQUEST_LIMITS, MediaLimits, RefusalReason
from roboreward.media.normalising import normalise_video
from roboreward.media.pictures import contact_sheet, decode_image, jpeg_bytes, png_bytes
from roboreward.media.profiles import NORMAL_V1, NormalProfile
from roboreward.media.reader import VideoInfo, probe
from roboreward.media.sampling import sample_frames
from roboreward.media.stored import WrittenVideo
from roboreward.media.streaming import stream_frames
from roboreward.media.writing import VideoProfile, write_video

__all__ = [
    "Fingerprint",
    "MediaLimits",
    "NORMAL_V1",
    "NormalProfile",
    "REQUEST_LIMITS",
    "RefusalReason",
    "SAME_VIDEO_BITS",
    "VideoInfo",
    "VideoProfile",
    "WrittenVideo",
    "contact_sheet",
    "cut_prefix",
    "decode_image",
    "exact_fingerprint",
    "fingerprint_distance",
    "jpeg_bytes",
    "near_pairs",
    "nearest_lookalikes",
    "normalise_video",
    "num_kept",
    "perceptual_fingerprint",
    "png_bytes",
    "probe",
    "sample_frames",
    "stream_frames",
    "write_video",
]
