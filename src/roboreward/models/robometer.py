"""Robometer: progress and success of every frame, by heads on Qwen3-VL. Needs torch and transformers.

Method: arXiv 2603.02115. Written from descriptions of the published checkpoint robometer/Robometer-4B (its model card,
and the Apache-2.0 port in LeRobot); never run on those weights. docs/models.md says what could not be checked.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLModel

from roboreward.core import (
    Capability,
    DataError,
    FramePolicy,
    Query,
    RoboRewardError,
    UsageError,
    Verdict,
    shorten,
)
from roboreward.models.answering import answer_each
from roboreward.models.cuts import score_at
from roboreward.models.method_prompt import load_method_prompt
from roboreward.models.qwen.checkpoint import revision_of, weight_files
from roboreward.models.robometer_input import (
    IMAGE_PAD,
    PROGRESS_TOKEN,
    SPECIAL_TOKENS,
    check_reading,
    patches_of,
    text_of,
)

_HEADS: Final = ("progress_head", "success_head")
_UNUSED: Final = ("preference_head.", "similarity_head.", "frame_pool_attn.", "lm_head.")
_LAST_LAYER: Final = "progress_head.4.weight"


class Robometer:
    """Progress of each frame as a distribution over bins in [0, 1], and its probability of success.

    The last frame decides: its bins, each counted for the score whose progress is nearest, are the distribution, and
    the score is the one nearest to their mean. `success_prob` is that of the success head, and need not agree with the
    distribution. `rationale` is a JSON object with "progress" and "success" of every frame that was seen.

    Args:
        folder: The checkpoint: config.json, safetensors, tokenizer.
        device: "auto" for a GPU where there is one.
        frame_policy: Which frames are shown. The published port shows at most 8.

    Raises:
        UsageError: There is no such folder, or it holds no safetensors.
        DataError: What is in it is no Robometer checkpoint, or of a kind that is not run.
    """

    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(
        self, folder: str | Path, *, device: str = "auto", frame_policy: FramePolicy | None = None
    ) -> None:
        home = Path(folder)
        if not home.is_dir():
            raise UsageError(f"There is no folder {shorten(folder)!r}. Nothing is downloaded.")
        check_reading(home)
        has_gpu = torch.cuda.is_available()
        self.device = ("cuda" if has_gpu else "cpu") if device == "auto" else device
        self.frame_policy = frame_policy or FramePolicy()
        self.name, self.revision = f"robometer:{folder}", revision_of(home)
        self.config = _read_config(home)
        self.tokenizer = _read_tokenizer(home, self.config.text_config.vocab_size)
        self.net = _read_weights(home, self.config).to(self.device).eval()

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Look at one query after the other; see `RewardModel`."""
        return answer_each(self, queries, self._answer)

    def bins_and_success(self, query: Query) -> tuple[Any, Any]:
        """Return for each frame the probabilities of the bins, float64 (T, bins), and of success, (T,)."""
        inputs = self._inputs(query)
        with torch.inference_mode():
            hidden = self.net["model"](**inputs).last_hidden_state[0]
            at_frames = hidden[inputs["input_ids"][0] == self._id_of(PROGRESS_TOKEN)]
            progress, success = (self.net[head](at_frames).double() for head in _HEADS)
            return progress.softmax(-1).cpu().numpy(), success[:, 0].sigmoid().cpu().numpy()

    def _answer(self, query: Query) -> Verdict:
        bins, success = self.bins_and_success(query)
        if not (np.isfinite(bins).all() and np.isfinite(success).all()):
            raise RoboRewardError("The model computed a number that is none. Try another dtype.")
        centers = np.linspace(0, 1, bins.shape[1])
        progress = np.clip(bins @ centers, 0, 1)
        mass = [0.0] * 5
        for center, prob in zip(centers, bins[-1], strict=True):
            mass[score_at(float(center), "nearest-level") - 1] += float(prob)
        one, two, three, four, five = (part / math.fsum(mass) for part in mass)
        score = score_at(float(progress[-1]), "nearest-level")
        verdict = Verdict.from_probs((one, two, three, four, five), source="head", score=score)
        told = {"progress": progress.tolist(), "success": success.tolist()}
        facts = {
            "success_prob": float(success[-1]),
            "rationale": json.dumps(told),
            "prompt": load_method_prompt("robometer-v1").version,
        }
        return verdict.model_copy(update=facts)

    def _inputs(self, query: Query) -> dict[str, Any]:
        vision = self.config.vision_config
        patches, (rows, columns) = patches_of(
            query.sample,
            patch_px=vision.patch_size,
            merge=vision.spatial_merge_size,
            repeat=vision.temporal_patch_size,
        )
        num = len(query.sample.frames_THWC)
        text = text_of(query.task, [rows * columns // vision.spatial_merge_size**2] * num)
        ids = torch.tensor([self.tokenizer(text, add_special_tokens=False)["input_ids"]])
        inputs = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": (ids == self._id_of(IMAGE_PAD)).int(),
            "pixel_values": torch.from_numpy(patches).to(self.net["model"].dtype),
            "image_grid_thw": torch.tensor([[1, rows, columns]] * num),
        }
        return {key: value.to(self.device) for key, value in inputs.items()}

    def _id_of(self, token: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(token))


def make_heads(hidden: int, num_bins: int) -> Any:
    """Return the two heads that are read, with the published names of their layers."""
    nn = torch.nn
    return {
        name: nn.Sequential(
            nn.Linear(hidden, hidden // 2),
            nn.LayerNorm(hidden // 2),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(hidden // 2, size),
        )
        for name, size in zip(_HEADS, (num_bins, 1), strict=True)
    }


def _read_config(home: Path) -> Any:
    file = home / "config.json"
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {shorten(error, 200)}") from error
    content = content.get("vlm_config") or content  # LeRobot's copies keep it one level down
    if content.get("model_type") != "qwen3_vl":
        raise DataError(
            f"{file} is of a {content.get('model_type')!r} model; Robometer on qwen3_vl is run, and nothing else."
        )
    return Qwen3VLConfig.from_dict(content)


def _read_tokenizer(home: Path, num_rows: int) -> Any:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            home, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"The tokenizer in {home} cannot be read: {shorten(error, 200)}") from error
    missing = [token for token in SPECIAL_TOKENS if token not in tokenizer.get_vocab()]
    if missing:
        tokenizer.add_tokens(missing, special_tokens=True)
    highest = max(tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)))
    if highest >= num_rows:
        raise DataError(
            f"The tokenizer in {home} does not belong to the weights: with Robometer's tokens it has {highest + 1} "
            f"tokens, and the weights have rows for {num_rows}."
        )
    return tokenizer


def _read_weights(home: Path, config: Any) -> Any:
    found: dict[str, Any] = {}
    for file in weight_files(home):
        found |= load_file(file)
    if any("lora_" in name for name in found):
        raise DataError(f"{home} holds an adapter. Merge it into the weights first.")
    heads, body = _parted(found)
    if _LAST_LAYER not in heads or heads[_LAST_LAYER].shape[0] < 2:
        raise DataError(
            f"{home} has no progress head over bins ({_LAST_LAYER}). Checkpoints that give progress as one number "
            "are not run."
        )
    dtype = heads[_LAST_LAYER].dtype
    parts: dict[str, Any] = make_heads(config.text_config.hidden_size, heads[_LAST_LAYER].shape[0])
    net = torch.nn.ModuleDict(parts).to(dtype)
    _fill(net, heads, home)
    with torch.device("meta"):
        model = Qwen3VLModel(config)
    _check_names(set(model.state_dict()), set(body), home)
    net["model"] = Qwen3VLModel.from_pretrained(
        None, config=config, state_dict=body, dtype=dtype, local_files_only=True
    )
    return net


def _parted(found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the heads from the body. The body's names begin with "model." once, or twice in LeRobot's copies."""
    heads: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in found.items():
        bare = name
        while bare.startswith("model."):
            bare = bare.removeprefix("model.")
        if bare.startswith(_UNUSED) or bare.endswith("inv_freq"):
            continue
        (heads if bare.startswith(_HEADS) else body)[bare] = value
    return heads, body


def _check_names(expected: set[str], found: set[str], home: Path) -> None:
    for what, names in (("lack", expected - found), ("have beyond it", found - expected)):
        if names:
            raise DataError(
                f"The weights in {home} are not of the model that config.json describes: they {what} {len(names)} "
                f"parts, such as {min(names)}."
            )


def _fill(net: Any, heads: dict[str, Any], home: Path) -> None:
    _check_names(set(net.state_dict()), set(heads), home)
    try:
        net.load_state_dict(heads)
    except RuntimeError as error:
        raise DataError(
            f"The heads in {home} have another shape: {shorten(str(error), 300)}"
        ) from error
