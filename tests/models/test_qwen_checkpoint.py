"""What is wrong with a checkpoint is said in one sentence, before weights are loaded and without torch."""

import json
import subprocess
import sys

import pytest

from roboreward.core import MissingExtra, UsageError, identity_of, role_of
from roboreward.models import QwenConfig, load_model, qwen_loader
from roboreward.models.qwen.checkpoint import no_local_copy, read_checkpoint, revision_of
from roboreward.models.qwen.choices import plan_choices

CONFIG = {
    "model_type": "qwen3_vl",
    "transformers_version": "4.57.1",
    "video_token_id": 3,
    "image_token_id": 2,
    "vision_start_token_id": 1,
    "text_config": {"vocab_size": 8, "hidden_size": 4},
    "vision_config": {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2},
}
TOKENIZER = {
    "model": {"vocab": {"a": 0}},
    "added_tokens": [
        {"id": 1, "content": "<|vision_start|>"},
        {"id": 2, "content": "<|image_pad|>"},
        {"id": 3, "content": "<|video_pad|>"},
    ],
}
VIDEO = {"size": {"shortest_edge": 4096, "longest_edge": 32768}, "patch_size": 16}


def write_weights(file, shape=(8, 4)):
    num = 4 * shape[0] * shape[1]
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, num]}
    header = json.dumps({"model.language_model.embed_tokens.weight": entry}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(num))


@pytest.fixture
def folder(tmp_path):
    parts = {
        "config.json": CONFIG,
        "tokenizer.json": TOKENIZER,
        "tokenizer_config.json": {"chat_template": "{{ messages }}"},
        "video_preprocessor_config.json": VIDEO,
    }
    for name, content in parts.items():
        (tmp_path / name).write_text(json.dumps(content))
    write_weights(tmp_path / "model.safetensors")
    return tmp_path


def change(folder, name, **changes):
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))


def test_a_whole_checkpoint_is_read(folder):
    checkpoint = read_checkpoint("mine", folder, QwenConfig())
    assert checkpoint.family == "qwen3_vl"
    assert (checkpoint.video.min_pixels, checkpoint.video.max_pixels) == (4096, 32768)
    assert not checkpoint.is_keeping_markers


@pytest.mark.parametrize(
    ("version", "keeps"), [("4.57.1", False), ("5.9.0", False), ("5.10.1", True), ("5.23.0", True)]
)
def test_markers_are_those_of_the_version_that_wrote_the_checkpoint(folder, version, keeps):
    change(folder, "config.json", transformers_version=version)
    assert read_checkpoint("mine", folder, QwenConfig()).is_keeping_markers == keeps
    assert read_checkpoint("mine", folder, QwenConfig(markers="keep")).is_keeping_markers


def other_kind(folder):
    change(folder, "config.json", model_type="llama")


def other_vocabulary(folder):
    write_weights(folder / "model.safetensors", (9, 4))


def other_tokens(folder):
    change(folder, "config.json", video_token_id=7)


def too_many_tokens(folder):
    change(folder, "tokenizer.json", model={"vocab": {"a": 8}})


def other_patches(folder):
    change(folder, "video_preprocessor_config.json", patch_size=14)


def only_pickles(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def half_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-9])


def a_missing_shard(folder):
    no_weights(folder)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    write_weights(folder / "model-1.safetensors")


def no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def no_template(folder):
    (folder / "tokenizer_config.json").write_text("{}")


def no_budget(folder):
    (folder / "video_preprocessor_config.json").unlink()


def broken_json(folder):
    (folder / "config.json").write_text("{")


def own_code(folder):
    change(folder, "config.json", auto_map={"AutoModel": "evil.Model"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_kind, r"is of a 'llama' model. Models that are run: qwen3_vl"),
        (other_vocabulary, r"vocabulary table is 9 x 4, config.json says 8 x 4"),
        (other_tokens, r"<\|video_pad\|> is 3 there and 7 in config.json"),
        (too_many_tokens, r"it has 9 tokens, they have rows for 8"),
        (other_patches, r"patch_size is 14 there and 16 in config.json"),
        (only_pickles, r"pytorch_model.bin, a format that can run code"),
        (no_weights, r"holds no weights: there is no model.safetensors"),
        (half_weights, r"no whole safetensors file"),
        (a_missing_shard, r"lacks 1 of the 2 files .* model-2.safetensors"),
        (no_tokenizer, r"has no tokenizer.json. Download it again"),
        (no_template, r"has no chat template"),
        (no_budget, r"does not say how many pixels"),
        (broken_json, r"config.json is no JSON"),
        (own_code, r"auto_map.*never run"),
    ],
)
def test_what_does_not_belong_together_is_named(folder, spoil, message):
    spoil(folder)
    with pytest.raises(UsageError, match=message):
        read_checkpoint("mine", folder, QwenConfig())


def changed(name, **changes):
    def spoil(folder):
        if not (folder / name).is_file():
            (folder / name).write_text("{}")
        change(folder, name, **changes)

    return spoil


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def header(entry):
    text = json.dumps({"a": entry}).encode()
    return written("model.safetensors", len(text).to_bytes(8, "little") + text)


def index_of(weight_map):
    def spoil(folder):
        no_weights(folder)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (written("generation_config.json", b"{"), r"generation_config.json is no JSON"),
        (changed("generation_config.json", eos_token_id="end"), r"config.json .* eos_token_id"),
        (index_of(["a"]), r"index.json is damaged: weight_map: "),
        (index_of({"a": 1}), r"index.json is damaged: weight_map.a: "),
        (header({"shape": [1], "data_offsets": []}), r"model.safetensors .*a.data_offsets: "),
        (header({"shape": "x", "data_offsets": [0, 0]}), r"model.safetensors .*a.shape: "),
        (header(7), r"model.safetensors is no whole .*a: "),
        (changed("config.json", text_config="text"), r"/config.json is damaged: text_config: "),
        (changed("config.json", vision_config=[]), r"/config.json is damaged: vision_config: "),
        (changed("config.json", model_type=3), r"/config.json is damaged: model_type: "),
        (changed("config.json", dtype="float7"), r"dtype: .*'float32', .*got 'float7'"),
        (changed("config.json", torch_dtype="float7"), r"torch_dtype: "),
        (changed("config.json", text_config={"dtype": "float7"}), r"text_config.dtype: "),
        (
            changed("config.json", text_config={"num_attention_heads": 0}),
            r"text_config.num_attention_heads: .*greater than or equal to 1, got 0",
        ),
        (changed("config.json", vision_config={"num_heads": 0}), r"vision_config.num_heads: "),
        (
            changed("config.json", vision_config={"patch_size": "16"}),
            r"vision_config.patch_size: .*integer, got '16'",
        ),
        (changed("tokenizer.json", added_tokens={}), r"tokenizer.json .* added_tokens: "),
        (changed("tokenizer.json", added_tokens=["a"]), r"tokenizer.json .* added_tokens.0: "),
        (changed("tokenizer.json", model={"vocab": ["a"]}), r"tokenizer.json .* model.vocab: "),
        (changed("tokenizer.json", model={"vocab": {"a": "b"}}), r"model.vocab.a: "),
        (written("tokenizer.json", b"{}"), r"tokenizer.json is damaged: model: field required"),
        (changed("video_preprocessor_config.json", image_mean=[0.5]), r"image_mean: .*at least 3"),
        (
            changed("video_preprocessor_config.json", image_std=[0.5, 0, 0.5]),
            r"video_preprocessor_config.json is damaged: image_std.1: .*greater than 0, got 0",
        ),
        (changed("video_preprocessor_config.json", patch_size="16px"), r"patch_size: .*'16px'"),
        (changed("video_preprocessor_config.json", size=4096), r"config.json .* size: "),
        (changed("processor_config.json", video_processor="x"), r"config.json .* video_processor"),
        (
            changed("processor_config.json", video_processor={"merge_size": 0}),
            r"processor_config.json \(video_processor\) is damaged: merge_size: ",
        ),
        (written("chat_template.jinja", b"\xff"), r"chat_template.jinja cannot be read"),
        (written("config.json", b"[" * 100_000), r"config.json is no JSON"),
    ],
)
def test_a_damaged_file_is_named_with_its_field(folder, spoil, message):
    spoil(folder)
    with pytest.raises(UsageError, match=message) as caught:
        read_checkpoint("mine", folder, QwenConfig())
    assert len(str(caught.value)) < 500


def test_the_revision_is_of_what_is_in_the_files(folder):
    before = revision_of(folder)
    (folder / "README.md").write_text("notes change no number")
    assert revision_of(folder) == before
    for name in ("calibration.json", "trainer_state.json", "model.safetensors.bak"):
        (folder / name).write_text("{}")
    assert revision_of(folder) == before
    (folder / "chat_template.jinja").write_text("{{ messages }}!")
    assert revision_of(folder) != before
    (folder / "chat_template.jinja").unlink()
    change(folder, "video_preprocessor_config.json", fps=1)
    assert revision_of(folder) != before


def test_a_snapshot_of_the_hub_has_its_commit(tmp_path):
    commit = "3a185b4fce2b" + "0" * 28
    assert revision_of(tmp_path / "snapshots" / commit) == "commit-3a185b4fce2b"


def test_a_model_that_is_not_here_says_how_to_get_it():
    message = str(no_local_copy("teetone/RoboReward-8B@main"))
    assert "hf download teetone/RoboReward-8B --revision main" in message
    assert "Did you mean" not in message


@pytest.mark.parametrize(
    "typo", ["teetone/RoboReward-8b", "teetone/RoboReward8B", "teetonne/RoboReward-8B"]
)
def test_a_typing_error_gets_the_nearest_name(typo):
    assert "Did you mean teetone/RoboReward-8B" in str(no_local_copy(typo))


def test_without_the_extra_its_name_is_given(monkeypatch, folder):
    monkeypatch.setattr(
        qwen_loader, "find_spec", lambda name: None if name == "transformers" else 1
    )
    with pytest.raises(MissingExtra, match=r"transformers, .*roboreward\[vlm\]"):
        load_model(f"qwen:{folder}")
    assert "roboreward[vlm]" in qwen_loader.why_not_usable("teetone/RoboReward-8B")


def test_a_scheme_without_a_folder_is_refused():
    with pytest.raises(UsageError, match="needs a folder"):
        load_model("qwen:")


@pytest.mark.parametrize(
    "changes", [{"dtype": "bf16"}, {"attention": "fast"}, {"device": "tpu"}, {"dtpye": "auto"}]
)
def test_a_setting_that_does_not_exist_is_refused(changes):
    with pytest.raises(ValueError, match="validation error"):
        QwenConfig(**changes)


def test_every_setting_is_tagged():
    roles = {name: role_of(name, field) for name, field in QwenConfig.model_fields.items()}
    assert roles["attention"] == "identity"
    assert roles["device"] == "transport"
    assert "batch_tokens" not in identity_of(QwenConfig())


def test_a_checkpoint_is_looked_at_without_torch():
    code = (
        "import sys, roboreward.models.qwen.checkpoint, roboreward.models.qwen.judge, roboreward.models as m\n"
        "m.QwenConfig(); m.available_models()\n"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_both_ways_to_write_a_score_need_one_more_token():
    digits = range(16, 21)
    plan = plan_choices([(220, d) for d in digits] + [(d,) for d in digits])
    assert plan.chains == ((220,),)
    assert [len(steps) for steps in plan.steps] == [2] * 5 + [1] * 5


def test_choices_that_part_ways_need_a_chain_each():
    plan = plan_choices([(1, 2, 3), (1, 4, 5), (1, 2)])
    assert plan.chains == ((1, 2), (1, 4))
    with pytest.raises(UsageError, match="empty text"):
        plan_choices([()])
