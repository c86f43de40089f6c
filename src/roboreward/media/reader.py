"""Opens one video file with one forced demuxer, checks its header against the limits, and hands out its packets."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from roboreward.core import shorten
from roboreward.media.containers import Layout, layout_of
from roboreward.media.limits import DEFAULT_LIMITS, Deadline, MediaLimits, refusal

_CODECS: Final = {"h264": "h264", "hevc": "h265", "vp9": "vp9", "av1": "av1", "mpeg4": "mpeg4"}
_MAX_PACKETS_TO_CLOCK: Final = 1000
_ACCEPTED: Final = "H.264, H.265, VP9, AV1 and MPEG-4 part 2"


class _Source:
    """The open file as the codec library may use it: inside its bounds, and without raising.

    Broken files make the library seek to absurd places. An error that a Python file raises there is kept by the
    library's wrapper and may come up in a later, unrelated call.
    """

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._file, self._path, self._size_bytes = file, path, size_bytes

    def read(self, num_bytes: int) -> bytes:
        try:
            return self._file.read(num_bytes)
        except OSError as error:
            text = f"cannot be read ({error.strerror}). Check the disk."
            raise refusal("unreadable", self._path, text) from error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._size_bytes}.get(whence, 0)
        if not 0 <= begin + offset <= self._size_bytes:
            return -errno.EINVAL
        return self._file.seek(begin + offset)

    def tell(self) -> int:
        return self._file.tell()

    def peek(self, begin: int, num_bytes: int) -> bytes:
        """Return bytes from anywhere; the library goes on where it was."""
        at = self.tell()
        self.seek(begin)
        found = self.read(num_bytes)
        self.seek(at)
        return found


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video says, before a frame is decoded. Headers may be wrong; frame samples are not.

    Attributes:
        path: As given.
        container: "mp4" (MOV included), "matroska" or "webm".
        codec: "h264", "h265", "vp9", "av1" or "mpeg4".
        width_px: As stored, before rotation; pixels are taken to be square.
        height_px: As stored.
        fps: Average rate, or None when the header has none. Variable rates make it meaningless.
        duration_s: Announced duration, or None.
        announced_frames: Announced number of frames, or None (Matroska and fragmented MP4 have none).
        size_bytes: Size of the file.
    """

    path: Path
    container: str
    codec: str
    width_px: int
    height_px: int
    fps: float | None
    duration_s: float | None
    announced_frames: int | None
    size_bytes: int


def probe(path: str | os.PathLike[str], *, limits: MediaLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Return what the header of a video says. No frame is decoded.

    Raises:
        MediaRefused: The file is missing, not an accepted video, or over a limit; `reason` is a `RefusalReason`.
    """
    with open_video(Path(path), limits) as video:
        return video.info


@dataclass(frozen=True)
class Clock:
    """How the video track counts time.

    Attributes:
        seconds_per_tick: Its time base; 0 when it has none.
        first_pts: Presentation time of the first frame, in ticks.
    """

    seconds_per_tick: float
    first_pts: int

    def pts_at(self, time_s: float) -> int:
        """Return the presentation time, in ticks, of `time_s` seconds from the first frame."""
        return self.first_pts + round(time_s / (self.seconds_per_tick or 1.0))


@dataclass
class OpenVideo:
    """An open file that passed the header checks.

    Attributes:
        info: What the header says.
        layout: What the outer structure says.
        clock: How it counts time.
        limits: In force.
        deadline: Running since the file was opened.
        source: Where its bytes come from.
        unread: The container that gave the header, until a track takes its packets.
        undecoded: The same, until its decoder is taken.
    """

    info: VideoInfo
    layout: Layout
    clock: Clock
    limits: MediaLimits
    deadline: Deadline
    source: _Source
    unread: Any | None = field(default=None, repr=False)
    undecoded: Any | None = field(default=None, repr=False)

    @contextmanager
    def track(self, *, ignore_edits: bool = False, at_pts: int | None = None) -> Iterator["Track"]:
        """Open the video track anew, at its start. The first time, that is the container which gave the header.

        Reopening is cheaper than it sounds (0.5 ms) and, unlike seeking, gives the same packets in the same order
        for every container, so that a packet's position is its identity.

        Args:
            ignore_edits: Give every stored packet, also those that an MP4 edit list hides.
            at_pts: Go to a keyframe near this time first, in ticks; positions then count from there. The container's
                index decides which keyframe it is, so the caller checks what it got.

        Raises:
            av.error.FFmpegError: The container cannot go to `at_pts`.
        """
        if self.unread is not None and not ignore_edits:
            opened, self.unread = self.unread, None
            yield self.track_of(opened, at_pts)
            return
        options = {"ignore_editlist": "1"} if ignore_edits else {}
        with _container(self.source, self.info.path, self.layout, self.limits, options) as opened:
            yield self.track_of(opened, at_pts)

    @property
    def stream_unread(self) -> Any | None:
        """The video track of the container that gave the header, as long as no packet of it was taken."""
        return None if self.unread is None else _video_stream(self.unread, self.info.path)

    def track_of(self, container: Any, at_pts: int | None = None) -> "Track":
        """Return the video track of an open container."""
        stream = _video_stream(container, self.info.path)
        if at_pts is not None:
            container.seek(at_pts, stream=stream)
        return Track(container, stream, self)


@dataclass
class Track:
    """The first video track, positioned at its start. Good for one pass."""

    container: Any
    stream: Any
    video: OpenVideo

    def packets(self) -> Iterator[Any]:
        """Yield the track's packets in stored order, without empty ones.

        All tracks are read and the others dropped here, so that the deadline also holds inside a long run of audio.

        Raises:
            av.error.FFmpegError: The container is broken from here on.
            MediaRefused: "too_slow".
        """
        wanted = self.stream.index
        for packet in self.container.demux():
            self.video.deadline.check()
            if packet.stream_index == wanted and packet.size:
                yield packet

    def decoder(self) -> Any:
        """Return the codec context, set up for one thread and bounded frames.

        H.264 without reorder information in its header is decoded with the largest delay ("strict"): the library
        would guess the delay otherwise and drop frames while it learns.
        """
        self.video.undecoded = None
        context = self.stream.codec_context
        context.thread_type = "NONE"
        context.thread_count = 1
        options = {"max_pixels": str(self.video.limits.max_pixels)}
        if self.video.info.codec == "h264":
            options["strict"] = "1"
        context.options = options
        return context


@contextmanager
def open_video(path: Path, limits: MediaLimits) -> Iterator[OpenVideo]:
    """Open `path`, check everything that can be checked without decoding, and close it at the end.

    Raises:
        MediaRefused: See `RefusalReason`.
    """
    deadline = Deadline(path, limits)
    size_bytes = size_of_file(path, limits)
    try:
        file = path.open("rb")
    except OSError as error:
        raise refusal("unreadable", path, f"cannot be opened ({error.strerror}).") from error
    with file:
        layout = layout_of(file, path=path)
        source = _Source(file, path, size_bytes)
        if not layout.has_index:
            text = "there is no index (moov box) in it: the recording or the copy was cut off. Copy or record it again."
            raise refusal("truncated", path, text)
        with _container(source, path, layout, limits, {}) as container:
            info = _read_header(container, path, layout, size_bytes)
            _check_header(info, limits)
            clock, is_unread = _read_clock(container, path)
            video = OpenVideo(info, layout, clock, limits, deadline, source)
            video.unread, video.undecoded = container if is_unread else None, container
            yield video


def size_of_file(path: Path, limits: MediaLimits) -> int:
    """Return the size in bytes of a plain file that is not empty and not over `max_bytes`.

    Raises:
        MediaRefused: "missing", "unreadable", "not_a_file", "empty" or "too_large".
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise refusal("missing", path, "no such file. Check the path.") from error
    except (OSError, ValueError) as error:
        name = Path(shorten(path))
        raise refusal("unreadable", name, f"cannot be opened ({error}).") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise refusal("not_a_file", path, f"this is {kind}, not a file. Name a video file.")
    if status.st_size == 0:
        raise refusal("empty", path, "the file has zero bytes. Copy or record it again.")
    if status.st_size > limits.max_bytes:
        text = f"{status.st_size:,} bytes; the limit is max_bytes={limits.max_bytes:,}. Cut or re-encode it."
        raise refusal("too_large", path, text)
    return status.st_size


@contextmanager
def _container(
    source: _Source, path: Path, layout: Layout, limits: MediaLimits, options: dict[str, str]
) -> Iterator[Any]:
    """Open the demuxer on the open file, so that the library itself never opens a name.

    The library decodes frames while it looks at a file; `skip_frame` forbids that, because one frame of a bomb
    costs hundreds of megabytes. `max_pixels` holds should a codec not know how to skip.
    """
    import av
    import av.error

    source.seek(0)
    guard = {"skip_frame": "all", "max_pixels": str(limits.max_pixels), "threads": "1"}
    try:
        container: Any = av.open(
            source, format=layout.demuxer, options={**guard, **options}, metadata_errors="replace"
        )
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        reason: Any = "truncated" if layout.is_cut else "undecodable"
        found = "it is cut off" if layout.is_cut else "its header makes no sense"
        text = f"looks like {layout.name}, but {found} ({shorten(error)}). Copy or encode it again."
        raise refusal(reason, path, text) from error
    with container:
        yield container


def _video_stream(container: Any, path: Path) -> Any:
    """Return the first video track that is not a cover picture."""
    for stream in container.streams.video:
        if "attached_pic" not in str(getattr(stream, "disposition", "")):
            return stream
    kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
    raise refusal("not_a_video", path, f"holds no video track, only {', '.join(kinds)}.")


def _read_header(container: Any, path: Path, layout: Layout, size_bytes: int) -> VideoInfo:
    stream = _video_stream(container, path)
    context = stream.codec_context
    name = "unknown" if context is None else str(context.codec.canonical_name)
    if name not in _CODECS:
        text = (
            f"video codec {name!r}; accepted are {_ACCEPTED}. Re-encode it, for example as H.264."
        )
        raise refusal("unsupported_codec", path, text)
    rate = stream.average_rate or stream.guessed_rate
    return VideoInfo(
        path=path,
        container=layout.name,
        codec=_CODECS[name],
        width_px=int(context.width),
        height_px=int(context.height),
        fps=float(rate) if rate else None,
        duration_s=_announced_duration_s(container, stream),
        announced_frames=int(stream.frames) or None,
        size_bytes=size_bytes,
    )


def _read_clock(container: Any, path: Path) -> tuple[Clock, bool]:
    """Read when the first frame is shown; return also whether no packet was taken for it.

    Matroska says so only where frames were decoded on opening, which is forbidden here: then its first packet says.
    """
    import av.error

    stream = _video_stream(container, path)
    first = stream.start_time
    is_unread = first is not None
    try:
        for packet in islice(container.demux(), 0 if is_unread else _MAX_PACKETS_TO_CLOCK):
            if packet.stream_index == stream.index and packet.pts is not None:
                first = packet.pts
                break
    except av.error.FFmpegError:
        first = None
    return Clock(float(stream.time_base or 0), int(first or 0)), is_unread


def _announced_duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration) / 1e6


def _check_header(info: VideoInfo, limits: MediaLimits) -> None:
    if info.width_px * info.height_px > limits.max_pixels:
        text = (
            f"frames of {info.width_px}x{info.height_px} pixels; the limit is "
            f"max_pixels={limits.max_pixels:,}. Scale the video down."
        )
        raise refusal("too_many_pixels", info.path, text)
    check_num_frames(info.announced_frames or 0, info.path, limits)
    check_duration(info.duration_s or 0.0, info.path, limits)


def check_num_frames(num_frames: int, path: Path, limits: MediaLimits) -> None:
    """Raise MediaRefused("too_many_frames") above `max_frames_walked`."""
    if num_frames > limits.max_frames_walked:
        text = (
            f"{num_frames:,} or more frames; the limit is max_frames_walked={limits.max_frames_walked:,}. "
            "Cut the video or lower its frame rate."
        )
        raise refusal("too_many_frames", path, text)


def check_duration(duration_s: float, path: Path, limits: MediaLimits) -> None:
    """Raise MediaRefused("too_long") above `max_duration_s`."""
    if duration_s > limits.max_duration_s:
        text = f"{duration_s:,.1f} s long; the limit is max_duration_s={limits.max_duration_s:g}. Cut the video."
        raise refusal("too_long", path, text)
