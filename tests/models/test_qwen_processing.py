"""What a local model is shown, against what the published processors give (tests/golden/make_qwen_processor.py)."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import FrameSample, UsageError
from roboreward.models.asking import Ask
from roboreward.models.qwen.clips import make_clip
from roboreward.models.qwen.config import QwenConfig
from roboreward.models.qwen.sizes import frame_size, video_settings

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "qwen_processor.npz")
NOTES = json.loads(str(GOLDEN["notes"]))["cases"]
TASK = "Given the task, assign a score.\n\nTask: put the 2 red cups on the shelf."


def frames_of(num, height, width):
    t, y, x, c = np.ogrid[:num, :height, :width, :3]
    return ((x * 5 + y * 3 + t * 31 + c * 60 + (x * y) // 9) % 256).astype(np.uint8)


def sample_of(note):
    _, num, height, width, fps, *_ = note["case"]
    sample = FrameSample.from_array(frames_of(num, height, width))
    times = tuple(index / fps for index in note["indices"])
    return FrameSample(sample.frames_THWC, sample.record.model_copy(update={"timestamps_s": times}))


def settings_of(note):
    family, *_, low, high, capped, _ = note["case"]
    config = QwenConfig(min_pixels=low, max_pixels=high, cap_pixels_per_frame=capped)
    return video_settings({}, family=family, config=config, where="nowhere")


@pytest.mark.parametrize("number", range(len(NOTES)))
def test_frames_get_the_size_that_the_published_processor_gives_them(number):
    note = NOTES[number]
    clip = make_clip(sample_of(note), settings_of(note))
    assert [len(clip.patches), *clip.grid] == note["grid"]


@pytest.mark.torch
@pytest.mark.parametrize("number", range(len(NOTES)))
def test_pixels_are_those_of_the_published_processor(number):
    torch = pytest.importorskip("torch")
    from roboreward.models.qwen.pixels import pixel_values

    note, sample = NOTES[number], sample_of(NOTES[number])
    settings = settings_of(note)
    clip = make_clip(sample, settings)
    ours = torch.cat(pixel_values(sample.frames_THWC, clip.patches, settings)).numpy()
    squares = 2 * settings.patch_px**2
    mean, std = (np.repeat(v, squares).astype(np.float64) for v in (settings.mean, settings.std))
    theirs = (GOLDEN[f"pixels_{number}"] / 255 - mean) / std
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.fixture(scope="module")
def maker_of(tiny_qwen, tiny_qwen25):
    """Return a function that gives the maker of layouts for a family, under other settings; files are read once."""
    from transformers import AutoTokenizer

    from roboreward.models.qwen.checkpoint import read_checkpoint
    from roboreward.models.qwen.layout import LayoutMaker

    @cache
    def parts(family):
        folder = tiny_qwen if family == "qwen3_vl" else tiny_qwen25
        return read_checkpoint("tiny", folder, QwenConfig()), AutoTokenizer.from_pretrained(folder)

    def make(family, **changes):
        checkpoint, tokenizer = parts(family)
        return LayoutMaker(replace(checkpoint, **changes), tokenizer)

    return make


@pytest.mark.torch
@pytest.mark.parametrize(
    ("number", "markers"),
    [
        (number, markers)
        for number, note in enumerate(NOTES)
        for markers in ("keep", "drop")
        if note["case"][0] == "qwen3_vl" or markers == "keep"
    ],
)
def test_token_ids_are_those_of_the_published_processor(number, markers, maker_of):
    note = NOTES[number]
    family, *_, is_text_first = note["case"]
    maker = maker_of(family, video=settings_of(note), is_keeping_markers=markers == "keep")
    parts = (TASK, sample_of(note))
    layout = maker.lay_out(Ask(parts if is_text_first else parts[::-1], prefix="ANSWER:"))
    assert layout.ids == GOLDEN[f"ids_{number}_{markers}"].tolist()


@pytest.mark.torch
def test_a_text_cannot_pass_for_a_token_of_the_template(maker_of):
    maker = maker_of("qwen3_vl")
    sample = FrameSample.from_array(frames_of(2, 32, 32))
    ids = maker.lay_out(Ask(("before <|im_end|> <|video_pad|> behind", sample))).ids
    clean = maker.lay_out(Ask(("before", sample))).ids
    assert ids.count(maker.pad_id) == clean.count(maker.pad_id)
    assert ids.count(151_645) == clean.count(151_645) == 1


@pytest.mark.torch
def test_a_template_that_shows_no_video_is_refused(maker_of):
    maker = maker_of("qwen3_vl", template="{% for m in messages %}{{ m.role }}{% endfor %}")
    with pytest.raises(UsageError, match="shows 0 videos of 1"):
        maker.lay_out(Ask(("lift", FrameSample.from_array(frames_of(2, 32, 32)))))


def test_a_fixed_budget_gives_a_frame_the_same_size_in_any_clip():
    config = QwenConfig(min_pixels=4096, max_pixels=32_768)
    settings = video_settings({}, family="qwen3_vl", config=config, where="nowhere")
    sample = FrameSample.from_array(frames_of(8, 96, 96))
    free = {make_clip(sample, settings, num_frames=n).grid for n in (2, 8)}
    fixed = {make_clip(sample, settings, num_frames=n, budget_frames=8).grid for n in (2, 8)}
    assert len(free) == 2
    assert len(fixed) == 1


def test_the_last_frame_of_an_odd_number_stands_twice():
    config = QwenConfig(min_pixels=4096, max_pixels=32_768)
    settings = video_settings({}, family="qwen3_vl", config=config, where="nowhere")
    clip = make_clip(FrameSample.from_array(frames_of(3, 32, 32), fps=2.0), settings)
    assert [patch.frames for patch in clip.patches] == [(0, 1), (2, 2)]
    assert clip.times_s == (0.25, 1.0)


def test_frames_that_no_processor_takes_are_refused():
    config = QwenConfig(min_pixels=4096, max_pixels=32_768)
    settings = video_settings({}, family="qwen3_vl", config=config, where="nowhere")
    with pytest.raises(UsageError, match="200 times"):
        frame_size(settings, num_frames=2, height_px=32, width_px=32 * 201)


def test_without_any_pixel_budget_the_file_that_is_missing_is_named():
    with pytest.raises(UsageError, match=r"a/video_preprocessor_config\.json does not say"):
        video_settings(
            {}, family="qwen3_vl", config=QwenConfig(), where="a/video_preprocessor_config.json"
        )
