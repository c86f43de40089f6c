"""From a model's name to the model."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, NamedTuple

from roboreward.core import RewardModel, UnknownName

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
    ModelInfo("mock:<score or text>", "answers a fixed text through the parser, for trials", True),
)
_PLANNED: Final = (
    ModelInfo("floor:clip-similarity", "floor: likeness of picture and task", False, NO_CLIP),
)
_LOCAL: Final = {
    "qwen:<folder>": "published prompt on local Qwen-VL weights (extra vlm)",
    "robometer:<weights>": "Robometer's progress and success heads (extra vlm)",
}
_METHODS: Final = {
    "topreward:<vlm>": "zero-shot: how likely the claim of success is found true",
    "gvl:<vlm>": "zero-shot: progress of shuffled frames",
    "verifier:<vlm>": "zero-shot: expected scores over several criteria",
}


def load_model(uri: str) -> RewardModel:
    """Return the reward model with this name.

    Args:
        uri: Such as "nano", "floor:constant-3" or "mock:4"; `available_models` lists them. Settings may stand behind
            the name of local weights, such as "qwen:./weights?dtype=bfloat16&device=cuda"; see `local_uri`.

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
        from roboreward.models.plug_ins import make_of, not_one

        made = make_of(plug_in, rest)
        if not isinstance(made, RewardModel):
            raise not_one(plug_in, made, what="a reward model", checker="check_reward_model")
        return made
    if _is_weights_name(name):
        from roboreward.models.qwen_loader import load_judge

        return load_judge(name)
    raise unknown_model(name)


def available_models() -> list[ModelInfo]:
    """Return every model that can be named: built in, from plug-ins, and planned.

    Loads none of them, but imports plug-ins to find out whether they can be.
    """
    from roboreward.models.plug_ins import why_not_loaded

    plug_ins = [
        ModelInfo(name, f"plug-in {entry.value}", not hint, hint)
        for name, entry in sorted(_plug_ins().items())
        if name not in _BUILT_IN
        for hint in [why_not_loaded(entry)]
    ]
    return [*_built_in(), *plug_ins, *_PLANNED]


def _built_in() -> list[ModelInfo]:
    return [
        *_nano_names(),
        *_NAMES,
        *_local_names(),
        *_method_names(),
        *_weights_names(),
        *_api_names(),
    ]


def _nano_names() -> list[ModelInfo]:
    """nano and the floor made from it, which need the weights that come with the package."""
    names = ((_NANO, _NANO_IS), (_FIRST_FRAME, "floor: nano, shown the first frame only"))
    is_there = (Path(__file__).parent / "weights" / "nano.safetensors").is_file()
    hint = "" if is_there else "nano's weights are missing; install the package again"
    return [ModelInfo(name, summary, is_there, hint) for name, summary in names]


def _local_names() -> list[ModelInfo]:
    """Models in a folder; usable where the extra is installed."""
    from roboreward.models.qwen_loader import why_no_extra

    hint = why_no_extra()
    return [ModelInfo(name, summary, not hint, hint) for name, summary in _LOCAL.items()]


def _method_names() -> list[ModelInfo]:
    """Methods that stand on a vision-language model; usable where any of these is."""
    from roboreward.models.api_settings import API_NAMES, why_not_usable
    from roboreward.models.qwen_loader import why_no_extra
    from roboreward.models.vlms import has_plug_ins

    reasons = [why_no_extra(), *(why_not_usable(scheme) for scheme, _, _ in API_NAMES)]
    is_usable = has_plug_ins() or not all(reasons)
    each = "; or ".join(dict.fromkeys(filter(None, reasons)))
    hint = "" if is_usable else f"there is no vision-language model to ask: a local one {each}"
    return [ModelInfo(name, summary, is_usable, hint) for name, summary in _METHODS.items()]


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
    """Return the error for a name that no model has; a mistyped scheme ("openia:x") is put right in it."""
    scheme, _, rest = name.partition(":")
    meant = get_close_matches(scheme, _BUILT_IN, n=1, cutoff=0.7) if rest else []
    return UnknownName("model", name, [*_known_names(), *(f"{word}:{rest}" for word in meant)])


def _known_names() -> list[str]:
    names = {_NANO, _FIRST_FRAME, *(i.name for i in _built_in() if i.is_usable), *_plug_ins()}
    names |= {name.removesuffix(":<model>") for name in names if name.startswith("floor:")}
    forms = ("<model>", "<vlm>")
    return [name.replace("<score or text>", "4") for name in names if not name.endswith(forms)]


def _is_weights_name(name: str) -> bool:
    """Whether it is a name on the hub, or a path to a folder: a word is no folder that happens to be here."""
    if "/" not in name.partition("?")[0]:
        return False
    from roboreward.models.local_uri import is_weights_name

    return is_weights_name(name)


def _plug_ins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
