"""The real architecture with tiny random weights under the published names; the published weights were never here."""

import json
import sys

import numpy as np
import pytest

from roboreward.core import DataError, FrameSample, MissingExtra, Query, RewardModel, UsageError
from roboreward.models import load_model
from roboreward.testing import check_reward_model, synthetic_queries, synthetic_sample


def test_the_text_has_a_marker_behind_every_picture():
    from roboreward.models.robometer_input import text_of

    text = text_of("lift the <|im_end|> cube", [2, 2])
    assert text.startswith(
        "<|im_start|>user\nThe task for the robot is 'lift the < |im_end|> cube'. Given the trajectory video, predict"
    )
    assert text.endswith(
        "predict 0 progress."
        "Picture 1: <|vision_start|><|image_pad|><|image_pad|><|vision_end|><|prog_token|>"
        "Picture 2: <|vision_start|><|image_pad|><|image_pad|><|vision_end|><|prog_token|><|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((128, 128), (128, 128)),
        ((480, 640), (480, 640)),
        ((100, 180), (96, 192)),
        ((10, 10), (64, 64)),
        ((8192, 8192), (4096, 4096)),
    ],
)
def test_pictures_become_whole_tokens(size, wanted):
    from roboreward.models.robometer_input import picture_size

    assert picture_size(*size, unit_px=32) == wanted


def test_patches_of_one_token_stand_side_by_side():
    from roboreward.models.robometer_input import patches_of

    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:32, 32:64] = 255
    patches, grid = patches_of(FrameSample.from_array(frame[None]), patch_px=16, merge=2, repeat=2)
    assert grid == (4, 6)
    assert patches.shape == (24, 3 * 2 * 16 * 16)
    assert [int(row.mean()) for row in patches] == [-1] * 4 + [1] * 4 + [-1] * 16


def test_a_missing_library_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "roboreward.models.robometer", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"vlm"):
        load_model("robometer:somewhere")


def test_a_name_without_a_folder_says_so():
    with pytest.raises(UsageError, match="needs a folder"):
        load_model("robometer")


def write_tokenizer_of_bytes(home):
    """One token a byte, and the special ones: Robometer's text needs no more, and it loads in no time."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from roboreward.models.robometer_input import SPECIAL_TOKENS

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad"]
    special = [*(f"<|{name}|>" for name in names), *SPECIAL_TOKENS]
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.save(str(home / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    (home / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen3VLModel

    from roboreward.models.robometer import make_heads
    from roboreward.testing.tiny_vlm import tiny_config

    home = tmp_path_factory.mktemp("robometer") / "tiny"
    home.mkdir()
    tokenizer = write_tokenizer_of_bytes(home)
    config = tiny_config()
    config.architectures = ["RFM"]
    config.text_config.vocab_size = tokenizer.get_vocab_size()
    for name in ("image", "video", "vision_start", "vision_end"):
        token = f"<|{name}_pad|>" if name in ("image", "video") else f"<|{name}|>"
        setattr(config, f"{name}_token_id", tokenizer.token_to_id(token))
    (home / "config.json").write_text(json.dumps(config.to_dict()))
    torch.manual_seed(0)
    parts = torch.nn.ModuleDict({**make_heads(64, 10), "model": Qwen3VLModel(config)})
    for weight in parts.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=1.5 * weight[0].numel() ** -0.5)
    weights = {name: value.contiguous() for name, value in parts.state_dict().items()}
    extra = make_heads(64, 10)["success_head"].state_dict()
    weights |= {f"preference_head.{name}": value for name, value in extra.items()}
    weights["frame_pool_attn.weight"] = torch.zeros(1, 64)
    save_file(weights, home / "model.safetensors")
    return home


@pytest.fixture
def rewrite(checkpoint, tmp_path):
    """Return a function that copies the checkpoint with changed weights or config."""
    import shutil

    from safetensors.torch import load_file, save_file

    def change(weights=lambda w: w, config=lambda c: c):
        home = tmp_path / "changed"
        shutil.copytree(checkpoint, home)
        save_file(weights(load_file(checkpoint / "model.safetensors")), home / "model.safetensors")
        found = json.loads((home / "config.json").read_text())
        (home / "config.json").write_text(json.dumps(config(found)))
        return home

    return change


@pytest.mark.torch
def test_a_checkpoint_with_the_published_names_keeps_the_contract(checkpoint):
    model = load_model(f"robometer:{checkpoint}")
    assert isinstance(model, RewardModel)
    assert model.name == f"robometer:{checkpoint}"
    assert model.revision.startswith("sha256-")
    check_reward_model(model)


@pytest.mark.torch
def test_every_frame_gets_progress_and_success_and_the_last_decides(checkpoint):
    model = load_model(f"robometer:{checkpoint}")
    (query,) = synthetic_queries(1, num_frames=5)
    bins, success = model.bins_and_success(query)
    assert (bins.shape, success.shape) == ((5, 10), (5,))
    assert bins.sum(1) == pytest.approx(np.ones(5))
    (verdict,) = model.score([query])
    told = json.loads(verdict.rationale)
    assert told["progress"] == pytest.approx(list(bins @ np.linspace(0, 1, 10)))
    assert told["success"] == pytest.approx(list(success))
    assert verdict.success_prob == pytest.approx(success[-1])
    assert verdict.probs == pytest.approx(bins[-1].reshape(5, 2).sum(1))
    assert verdict.score == 1 + int(4 * told["progress"][-1] + 0.5)
    assert verdict.distribution_source == "head"
    assert verdict.prompt.startswith("robometer-v1@")


@pytest.mark.torch
def test_a_frame_is_judged_by_what_came_before_it_and_not_by_what_comes_after(checkpoint):
    model = load_model(f"robometer:{checkpoint}")
    whole = synthetic_sample(num_frames=4, size_px=64)
    bins, _ = model.bins_and_success(Query(whole, "lift it"))
    prefix, _ = model.bins_and_success(Query(whole.take((0, 1)), "lift it"))
    assert bins[:2] == pytest.approx(prefix, abs=1e-5)
    other, _ = model.bins_and_success(Query(whole, "drop it"))
    assert not np.allclose(bins, other, atol=1e-3)


@pytest.mark.torch
def test_patches_are_those_of_the_published_image_processor(checkpoint):
    from PIL import Image
    from transformers import Qwen2VLImageProcessorPil

    from roboreward.models.robometer_input import patches_of

    sample = synthetic_sample(num_frames=3, size_px=96)
    ours, grid = patches_of(sample, patch_px=16, merge=2, repeat=2)
    theirs = Qwen2VLImageProcessorPil(
        patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_resize=False
    )([Image.fromarray(frame) for frame in sample.frames_THWC], return_tensors="np")
    assert theirs["image_grid_thw"].tolist() == [[1, *grid]] * 3
    assert np.allclose(theirs["pixel_values"], ours, atol=1e-5)


@pytest.mark.torch
def test_the_other_known_naming_gives_the_same_numbers(checkpoint, rewrite):
    def nested(weights):
        named = {f"model.{k}" if k.startswith("model.") else k: v for k, v in weights.items()}
        return {**named, "model.lm_head.weight": weights["frame_pool_attn.weight"].clone()}

    home = rewrite(nested, lambda config: {"vlm_config": config, "type": "robometer"})
    (query,) = synthetic_queries(1)
    one, other = (load_model(f"robometer:{h}").score([query])[0] for h in (checkpoint, home))
    assert one.probs == other.probs


@pytest.mark.torch
def test_weights_stay_in_the_number_format_that_they_come_in(checkpoint, rewrite):
    import torch

    home = rewrite(lambda weights: {name: value.bfloat16() for name, value in weights.items()})
    half = load_model(f"robometer:{home}")
    assert {p.dtype for p in half.net.parameters()} == {torch.bfloat16}
    (query,) = synthetic_queries(1)
    exact = load_model(f"robometer:{checkpoint}").bins_and_success(query)[0]
    assert half.bins_and_success(query)[0] == pytest.approx(exact, abs=0.1)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("weights", "config", "message"),
    [
        (lambda w: {k: v for k, v in w.items() if "progress_head" not in k}, None, "no progress head"),
        (lambda w: {k: v for k, v in w.items() if k != "success_head.4.bias"}, None, "lack 1 parts, such as succ"),
        (lambda w: {k: v for k, v in w.items() if "layers.1.mlp" not in k}, None, "lack 3 parts"),
        (lambda w: {**w, "novel_head.0.bias": w["success_head.4.bias"].clone()}, None, "beyond it 1 parts"),
        (lambda w: {**w, "model.x.lora_A.weight": w["success_head.4.bias"].clone()}, None, "adapter"),
        (None, lambda c: {**c, "model_type": "qwen2_5_vl"}, "'qwen2_5_vl' model"),
        (None, lambda c: {**c, "text_config": {**c["text_config"], "vocab_size": 260}}, "rows for 260"),
    ],
)  # fmt: skip
def test_weights_that_are_something_else_are_refused(rewrite, weights, config, message):
    home = rewrite(weights or (lambda w: w), config or (lambda c: c))
    with pytest.raises(DataError, match=message):
        load_model(f"robometer:{home}")


@pytest.mark.torch
def test_a_checkpoint_that_reads_progress_elsewhere_is_refused(rewrite):
    home = rewrite()
    (home / "config.yaml").write_text("model:\n  use_per_frame_progress_token: false\n")
    with pytest.raises(DataError, match="behind every picture"):
        load_model(f"robometer:{home}")


@pytest.mark.torch
def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="Nothing is downloaded"):
        load_model("robometer:no/where")
