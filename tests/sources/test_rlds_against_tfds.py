"""A real Bridge shard gives what `tensorflow_datasets` reads from it. Skipped where that library is not installed.

It takes 1.8 GB and is needed by nothing else, so no extra names it. To run this file, in an environment of its own:
pip install -e ".[dev]" tensorflow-cpu tensorflow-datasets importlib_resources
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.sources.rlds import RldsSource
from roboreward.sources.tf_example import parse_example
from roboreward.sources.tfrecord import read_records

pytestmark = [
    pytest.mark.slow,
    # Of the other library's own imports; which there are changes with its version.
    pytest.mark.filterwarnings("ignore"),
]

CAMERAS = ("image_0", "image_1", "image_2", "image_3")
SPLITS = ("train", "val")
NUM_EPISODES, NUM_STEPS = 25, 10
FAST_DCT_LEVELS = 17
"""Most that a pixel differs, of 255, where TensorFlow decodes as it does by default: with libjpeg's fast and inexact
inverse DCT. With the accurate one, which Pillow always uses, no pixel differs."""


@pytest.fixture(scope="module")
def tfds() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def bridge(shared_data: Path) -> Path:
    return shared_data / "rlds" / "bridge_dataset" / "1.0.0"


def read_with_tfds(tfds: Any, folder: Path, split: str, decoder: Any = None) -> Iterator[Any]:
    """Yield (episode, its steps) as numpy has them; `decoder` replaces that of the pictures."""
    options: dict[str, Any] = {"split": split, "shuffle_files": False}
    if decoder is not None:
        options["decoders"] = {"steps": {"observation": dict.fromkeys(CAMERAS, decoder)}}
    builder = tfds.builder_from_directory(folder)
    for episode in tfds.as_numpy(builder.as_dataset(**options)):
        yield episode, list(episode["steps"])


def accurate_decoder(tfds: Any) -> Any:
    tensorflow = pytest.importorskip("tensorflow")

    @tfds.decode.make_decoder()
    def decode(data: Any, feature: Any) -> Any:
        return tensorflow.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")

    return decode()


def raw_records(folder: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield all that is in each record, whether the source makes use of it or not."""
    path = folder / f"bridge_dataset-{split}.tfrecord-00000-of-00001"
    for number, record in read_records(path):
        yield parse_example(record, where=str(number))


def json_of(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value.item()


@pytest.mark.parametrize("split", SPLITS)
def test_episodes_steps_and_what_is_said_of_them_are_the_same(
    tfds: Any, bridge: Path, split: str
) -> None:
    ours, theirs = RldsSource(bridge, split=split), read_with_tfds(tfds, bridge, split)
    num = 0
    for mine, (episode, steps) in zip(ours.episodes(), theirs, strict=True):
        num += 1
        assert mine.extra["num_steps"] == len(steps) == NUM_STEPS
        assert {step["language_instruction"].decode().strip() for step in steps} == {mine.task}
        for flag in ("is_last", "is_terminal"):
            assert mine.extra[flag] == steps[-1][flag]
        assert mine.extra["last_reward"] == steps[-1]["reward"]
        said = {key: json_of(value) for key, value in episode["episode_metadata"].items()}
        assert mine.extra["episode_metadata"] == said
        assert set(mine.views) == set(steps[0]["observation"]) & set(CAMERAS)
    assert num == NUM_EPISODES


@pytest.mark.parametrize("split", SPLITS)
def test_every_number_and_flag_of_every_step_is_the_same(
    tfds: Any, bridge: Path, split: str
) -> None:
    num = 0
    for raw, (_, steps) in zip(
        raw_records(bridge, split), read_with_tfds(tfds, bridge, split), strict=True
    ):
        for key in ("action", "observation/state", "language_embedding", "reward", "discount"):
            theirs = np.stack([at(step, key) for step in steps])
            mine = raw[f"steps/{key}"].reshape(theirs.shape)
            assert mine.dtype == theirs.dtype == np.float32
            assert mine.tobytes() == theirs.tobytes()
            num += mine.size
        for key in ("is_first", "is_last", "is_terminal"):
            assert [bool(flag) for flag in raw[f"steps/{key}"]] == [step[key] for step in steps]
    assert num == NUM_EPISODES * NUM_STEPS * (7 + 7 + 512 + 1 + 1)


def at(step: Mapping[str, Any], key: str) -> Any:
    for part in key.split("/"):
        step = step[part]
    return step


@pytest.mark.parametrize("split", SPLITS)
def test_every_picture_is_the_same_byte_for_byte_before_it_is_decoded(
    tfds: Any, bridge: Path, split: str
) -> None:
    theirs = read_with_tfds(tfds, bridge, split, tfds.decode.SkipDecoding())
    num = 0
    for mine, (_, steps) in zip(RldsSource(bridge, split=split).episodes(), theirs, strict=True):
        for camera in CAMERAS:
            footage: Any = mine.views[camera]
            assert list(footage.pictures) == [step["observation"][camera] for step in steps]
            num += footage.num_frames
    assert num == NUM_EPISODES * NUM_STEPS * len(CAMERAS)


@pytest.mark.parametrize("split", SPLITS)
def test_every_frame_is_the_same_pixel_for_pixel(tfds: Any, bridge: Path, split: str) -> None:
    theirs = read_with_tfds(tfds, bridge, split, accurate_decoder(tfds))
    num = 0
    for mine, (_, steps) in zip(RldsSource(bridge, split=split).episodes(), theirs, strict=True):
        for camera in CAMERAS:
            for frame, step in zip(mine.views[camera].frames(), steps, strict=True):
                assert np.array_equal(frame, step["observation"][camera])
                num += 1
    assert num == NUM_EPISODES * NUM_STEPS * len(CAMERAS)


@pytest.mark.parametrize("split", SPLITS)
def test_frames_as_tensorflow_decodes_them_by_default_differ_within_the_fast_dct(
    tfds: Any, bridge: Path, split: str
) -> None:
    theirs = read_with_tfds(tfds, bridge, split)
    most = 0
    for mine, (_, steps) in zip(RldsSource(bridge, split=split).episodes(), theirs, strict=True):
        for camera in CAMERAS:
            for frame, step in zip(mine.views[camera].frames(), steps, strict=True):
                apart = np.abs(frame.astype(np.int16) - step["observation"][camera])
                most = max(most, int(apart.max()))
    assert 0 < most <= FAST_DCT_LEVELS
