"""From a model's name to the model."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, NamedTuple

from roboreward.core import RewardModel, UnknownName, UsageError

ENTRY_POINTS: Final = "roboreward.models"
"""Entry-point group of plug-ins. The entry's name is what stands before the colon of a model's name; its value is a
callable that takes what stands behind the colon ("" when there is none) and returns a `RewardModel`."""

Loader = Callable[[str], RewardModel]


class ModelInfo(NamedTuple):
    """A line of the list of models.

    Attributes:
        name: What to pass to `load_model`; a part in <> is to be filled in.
        summary: What it is, in one line.
        is_usable: Whether `load_model` would load it, as far as can be told without loading it.
        hint: What to do when it is not usable; empty when it is.
    """

    name: str
    summary: str
    is_usable: bool
    hint: str = ""


NO_CLIP: Final = (
    "no package carries weights that put pictures and texts into one space; a plug-in can"
)
"""Why there is no floor by the likeness of picture and task."""

# Name before the colon -> file and function of this room.
_BUILT_IN: Final = {
    "nano": "nano_loader:load",
    "nano-no-relabels": "nano_loader:load_no_relabels",
    "nano-no-negatives": "nano_loader:load_no_negatives",
    "floor": "floor_loader:load",
    "mock": "mock:Mock",
    "topreward": "topreward:load",
    "gvl": "gvl:load",
    "verifier": "verifier:load",
    "robometer": "robometer_loader:load",
    "calibrated": "calibrated:load",
    "qwen": "qwen_loader:load_local_judge",
    "openai": "api_loader:load_openai",
    "vllm": "api_loader:load_vllm",
    "gemini": "api_loader:load_gemini",
    "anthropic": "api_loader:load_anthropic",
}
_NANO, _FIRST_FRAME = "nano", "floor:first-frame"
_NANO_IS: Final = "the embedded model: small, CPU only, knows the simulated tabletop"
_NAMES: Final = (
    *(
        ModelInfo(f"floor:constant-{n}", f"floor: always answers {n}", True)
        for n in (1, 2, 3, 4, 5)
    ),
    ModelInfo("floor:label-sampler", "floor: draws from the set's labels (bench only)", True),
    ModelInfo("floor:text-only", "floor: learns scores from task texts, blind (bench only)", True),
    ModelInfo("floor:first-frame:<model>", "floor: any model, shown the first frame only", True),
    ModelInfo("floor:last-frame:<model>", "floor: any model, shown the last frame only", True),
    ModelInfo("floor:frozen:<model>", "floor: any model, shown the middle frame only", True),
    ModelInfo("floor:shuffled:<model>", "floor: any model, its frames in random order", True),
    ModelInfo("floor:reversed:<model>", "floor: any model, its frames backwards", True),
    ModelInfo("nano:<folder>", "a nano that `roboreward train` wrote", True),
    ModelInfo("nano-no-relabels", "ablation of nano: trained without relabels", True),
    ModelInfo("nano-no-negatives", "ablation of nano: without clips and relabels", True),
    ModelInfo(
        "calibrated:<folder>:<model>", "a model with what `roboreward calibrate` wrote", True
    ),
    ModelInfo("qwen:<folder>", "published prompt on local Qwen-VL weights (extra vlm)", True),
    ModelInfo("topreward:<vlm>", "zero-shot: how likely the claim of success is found true", True),
    ModelInfo("gvl:<vlm>", "zero-shot: progress of shuffled frames", True),
    ModelInfo("verifier:<vlm>", "zero-shot: expected scores over several criteria", True),
    ModelInfo("robometer:<weights>", "Robometer's progress and success heads (extra vlm)", True),
    ModelInfo("mock:<score or text>", "answers a fixed text through the parser, for trials", True),
)
_PLANNED: Final = (
    ModelInfo("floor:clip-similarity", "floor: likeness of picture and task", False, NO_CLIP),
)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")


def load_model(uri: str) -> RewardModel:
    """Return the reward model with this name.

    Args:
        uri: Such as "nano", "floor:constant-3" or "mock:4"; `available_models` lists them.

    Raises:
        UnknownName: There is no such model; the nearest names are offered.
        UsageError: The model cannot be had, its name is incomplete, there is no copy of its weights here, or the
            plug-in that offers it does not work.
    """
    name = uri.strip()
    scheme, _, rest = name.partition(":")
    if scheme in _BUILT_IN:
        file, _, function = _BUILT_IN[scheme].partition(":")
        loader: Loader = getattr(import_module(f"roboreward.models.{file}"), function)
        return loader(rest)
    plug_in = _plug_ins().get(scheme)
    if plug_in is not None:
        return _load_plug_in(plug_in, rest)
    if _HUB_NAME.fullmatch(name) or ("/" in name and Path(name).is_dir()):  # weights, as files
        from roboreward.models.qwen_loader import load_judge

        return load_judge(name)
    raise UnknownName("model", name, _known_names())


def available_models() -> list[ModelInfo]:
    """Return every model that can be named: built in, from plug-ins, and planned. Loads none of them."""
    plug_ins = [
        ModelInfo(name, f"plug-in {entry.value}", True)
        for name, entry in sorted(_plug_ins().items())
        if name not in _BUILT_IN
    ]
    return [*_nano_names(), *_NAMES, *_weights_names(), *_api_names(), *plug_ins, *_PLANNED]


def _nano_names() -> list[ModelInfo]:
    """nano and the floor made from it, which need the weights that come with the package."""
    names = ((_NANO, _NANO_IS), (_FIRST_FRAME, "floor: nano, shown the first frame only"))
    is_there = (Path(__file__).parent / "weights" / "nano.safetensors").is_file()
    hint = "" if is_there else "nano's weights are missing; install the package again"
    return [ModelInfo(name, summary, is_there, hint) for name, summary in names]


def _weights_names() -> list[ModelInfo]:
    """The published weights; usable where the extra is installed and the hub's cache has a copy."""
    from roboreward.models.qwen_loader import why_not_usable

    names = ("teetone/RoboReward-8B", "teetone/RoboReward-4B")
    hints = {name: why_not_usable(name) for name in names}
    return [
        ModelInfo(name, "published weights (extra vlm)", not hints[name], hints[name])
        for name in names
    ]


def _api_names() -> list[ModelInfo]:
    """Models behind an API; usable where the SDK is installed and, inside a `use_api`, a key is given."""
    from roboreward.models.api_settings import API_NAMES, why_not_usable

    hints = {name: why_not_usable(scheme) for scheme, name, _ in API_NAMES}
    return [
        ModelInfo(name, summary, not hints[name], hints[name]) for _, name, summary in API_NAMES
    ]


def unknown_model(name: str) -> UnknownName:
    """Return the error for a name that starts like a built-in model but is none."""
    return UnknownName("model", name, _known_names())


def _known_names() -> list[str]:
    names = {_NANO, _FIRST_FRAME, *(i.name for i in available_models() if i.is_usable)}
    names |= {name.removesuffix(":<model>") for name in names if name.startswith("floor:")}
    forms = ("<model>", "<vlm>")
    return [name.replace("<score or text>", "4") for name in names if not name.endswith(forms)]


def _plug_ins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _load_plug_in(entry: EntryPoint, rest: str) -> RewardModel:
    where = f"The plug-in {entry.name!r} ({entry.value})"
    try:
        loader = entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"{where} cannot be loaded: {error}. Install its package again."
        ) from error
    model = loader(rest)
    if not isinstance(model, RewardModel):
        raise UsageError(
            f"{where} returned a {type(model).__name__}, which is not a reward model. "
            "Its author can find out why with roboreward.testing.check_reward_model."
        )
    return model
