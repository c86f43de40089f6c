"""Real robot videos: every one gives frames, and the frames are those that decoding everything gives."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import FramePolicy
from roboreward.media import probe, sample_frames
from roboreward.media.sampling import choose_indices

EIGHT = FramePolicy(min_frames=8, max_frames=8)


def _videos(shared_data: Path) -> list[Path]:
    return sorted(shared_data.rglob("*.mp4"))


def _check(path: Path) -> None:
    sample = sample_frames(path, policy=EIGHT)
    record = sample.record
    assert record.indices == choose_indices(record.num_frames, 8)
    assert len(sample.frames_THWC) == min(8, record.num_frames)
    assert record.num_frames == probe(path).announced_frames


def test_one_video_of_every_kind_gives_eight_frames(shared_data: Path) -> None:
    of_kind = {(path.parent, path.name[:5]): path for path in _videos(shared_data)}
    assert len(of_kind) >= 8
    for path in of_kind.values():
        _check(path)


@pytest.mark.slow
def test_every_video_gives_eight_frames(shared_data: Path) -> None:
    paths = _videos(shared_data)
    assert len(paths) >= 148
    for path in paths:
        _check(path)


def test_the_frames_are_those_of_a_full_decode(shared_data: Path) -> None:
    import av

    of_kind = {
        path.name[:5]: path for path in _videos(shared_data) if path.stat().st_size < 200_000
    }
    for path in list(of_kind.values())[:4]:
        with av.open(str(path)) as container:
            every = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        sample = sample_frames(path, policy=EIGHT)
        assert sample.record.num_frames == len(every)
        expected = np.stack([every[index] for index in sample.record.indices])
        np.testing.assert_array_equal(sample.frames_THWC, expected)


def test_the_room_loads_no_codec_until_it_is_used() -> None:
    code = "import sys, roboreward.media; print('av' in sys.modules or 'PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
