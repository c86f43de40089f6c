"""Frame sampling: which frames a model sees is our decision, made from the frames that are really there.

Measured choice (benchmarks/media.py, benchmarks/frame_sampling.py): walk the packets first, or the index where it says
all, which costs 1 to 20 ms; then decode only from the keyframes before the wanted frames, and skip what no wanted frame
builds on (AV1), or no frame at all (other codecs). Where packets and frames turn out to disagree, everything is decoded
once to count and once to pick.
"""

import os
from pathlib import Path
from typing import Literal

from roboreward.core import FramePolicy, FrameRecord, FrameSample, MediaRefused, UsageError
from roboreward.media.decoding import Count, Outcome, decode_all, decode_wanted, pick
from roboreward.media.limits import DEFAULT_LIMITS, MediaLimits, refusal
from roboreward.media.reader import OpenVideo, open_video
from roboreward.media.timeline import TOLERATED_MISSING, Timeline, read_timeline

_DEFAULT_POLICY = FramePolicy()


def sample_frames(
    path: str | os.PathLike[str],
    *,
    policy: FramePolicy = _DEFAULT_POLICY,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> FrameSample:
    """Decode the frames of `path` that `policy` asks for.

    `n = clamp(round(duration * fps), min_frames, max_frames)`, at most as many as there are, evenly spaced from the
    first frame to the last one that can be decoded, which is always included (a sample of one frame is the last
    one: that is where the outcome shows). Colours follow the file's tags (BT.601 when it has none), rotation is
    applied, pixels are taken to be square as stored.

    Args:
        path: MP4, MOV, MKV or WebM with H.264, H.265, VP9, AV1 or MPEG-4 part 2. The first video track is read.
        policy: Which frames are wanted.
        limits: What the file may cost.

    Returns:
        Frames uint8 RGB (T, H, W, 3); indices strictly increasing; times in seconds from the first frame;
        `record.num_frames` is what the file holds, not what it announces.

    Raises:
        MediaRefused: The file is missing, broken or over a limit; `reason` is a `RefusalReason`. One missing frame
            at the end is tolerated, more is "truncated".
        UsageError: The policy asks for more frames than `limits.max_frames_returned`.

    Memory: the returned frames and a few more, whatever the length. Not promised: that damage which the decoder
    cannot see is found, or that one call can be interrupted inside one packet.
    """
    with open_video(Path(path), limits) as video:
        timeline = read_timeline(video)
        outcome = _fast(video, timeline, policy) if timeline.shown else None
        if outcome is None:
            outcome = _thorough(video, timeline, policy)
        return _sample(outcome, origin=str(path))


def choose_indices(num_frames: int, num_wanted: int) -> tuple[int, ...]:
    """Return `min(num_wanted, num_frames)` indices, evenly spaced from 0 to the last, both included.

    Halves are rounded up in integers, so that no platform's rounding matters. One wanted frame is the last one.
    """
    num = min(num_wanted, num_frames)
    if num == 1:
        return (num_frames - 1,)
    return tuple((2 * k * (num_frames - 1) + num - 1) // (2 * (num - 1)) for k in range(num))


def count_wanted(duration_s: float, policy: FramePolicy) -> int:
    """Return how many frames `policy` wants of a video of this length, halves rounded up; `max_frames` is final."""
    wanted = int(duration_s * policy.fps + 0.5)
    return max(1, min(max(wanted, policy.min_frames), policy.max_frames))


def _indices(
    video: OpenVideo, num_frames: int, duration_s: float, policy: FramePolicy
) -> tuple[int, ...]:
    """Choose the indices and refuse what would not fit in memory, before anything is decoded."""
    indices = choose_indices(num_frames, count_wanted(duration_s, policy))
    limits, info = video.limits, video.info
    if len(indices) > limits.max_frames_returned:
        raise UsageError(
            f"{len(indices)} frames wanted of {info.path}; the limit is "
            f"max_frames_returned={limits.max_frames_returned}. Lower max_frames of the frame policy."
        )
    held_bytes = len(indices) * info.width_px * info.height_px * 3
    if held_bytes > limits.max_held_bytes:
        text = (
            f"{len(indices)} frames of {info.width_px}x{info.height_px} are {held_bytes:,} bytes of RGB; the limit "
            f"is max_held_bytes={limits.max_held_bytes:,}. Ask for fewer frames or scale the video down."
        )
        raise refusal("too_large", info.path, text)
    return indices


def _fast(video: OpenVideo, timeline: Timeline, policy: FramePolicy) -> Outcome | None:
    """Decode only what is needed, or return None when what comes out is not what the packets promised."""
    indices = _indices(video, timeline.num_shown, timeline.duration_s, policy)
    wanted = [timeline.shown[index] for index in indices]
    frames_THWC = decode_wanted(video, timeline, wanted)
    if frames_THWC is None:
        return None
    first = timeline.shown[0].pts
    times = tuple((frame.pts - first) * timeline.seconds_per_tick for frame in wanted)
    return Outcome(frames_THWC, indices, times, timeline.num_shown)


def _thorough(video: OpenVideo, timeline: Timeline, policy: FramePolicy) -> Outcome:
    """Decode everything: once to learn what is there, once to pick from it."""
    count = decode_all(video, timeline)
    check_whole(video, timeline, count)
    share = count.num_whole / timeline.num_shown
    indices = _indices(video, count.num_whole, timeline.duration_s * share, policy)
    return pick(video, timeline, indices, count)


def check_whole(video: OpenVideo, timeline: Timeline, count: Count) -> None:
    """Raise when decoding everything brought less than the packets promised; one missing last frame is tolerated."""
    num_lost = timeline.num_shown - count.num_whole
    if count.num_whole == 0:
        text = "no frame can be decoded. Copy or encode it again."
        raise refusal("undecodable" if count.num_errors else "no_frames", video.info.path, text)
    if count.is_damaged:
        num_bad = max(num_lost, count.num_damaged, count.num_errors)
        raise lost(video, "damaged", num_bad, timeline.num_shown)
    is_end_lost = bool(timeline.shown) and count.last_pts != timeline.shown[-1].pts
    if is_end_lost and num_lost + timeline.num_missing > TOLERATED_MISSING:
        raise lost(video, "truncated", num_lost, timeline.num_shown)


def lost(
    video: OpenVideo, reason: Literal["damaged", "truncated"], num_lost: int, num_shown: int
) -> MediaRefused:
    """Return the refusal of a video of which frames cannot be had."""
    where = "at the end cannot be decoded" if reason == "truncated" else "are damaged"
    text = (
        f"{num_lost:,} of {num_shown:,} frames {where}; only {TOLERATED_MISSING} missing last frame is tolerated. "
        "Copy or encode it again."
    )
    return refusal(reason, video.info.path, text)


def _sample(outcome: Outcome, *, origin: str) -> FrameSample:
    _, height, width, _ = outcome.frames_THWC.shape
    record = FrameRecord(
        indices=outcome.indices,
        timestamps_s=outcome.timestamps_s,
        num_frames=outcome.num_frames,
        width_px=width,
        height_px=height,
    )
    return FrameSample(outcome.frames_THWC, record, origin)
