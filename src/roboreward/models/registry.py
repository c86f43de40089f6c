"""From a model's name to the model."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, NamedTuple

from roboreward.core import RewardModel, UnknownName, UsageError, shorten

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


_NOT_YET: Final = "planned; this version does not run it yet"

# Name before the colon -> file and function of this room.
_BUILT_IN: Final = {
    "nano": "nano_loader:load",
    "nano-no-relabels": "nano_loader:load_no_relabels",
    "nano-no-negatives": "nano_loader:load_no_negatives",
    "floor": "floor_loader:load",
    "mock": "mock:Mock",
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
    ModelInfo("nano:<folder>", "a nano that `roboreward train` wrote", True),
    ModelInfo("nano-no-relabels", "ablation of nano: trained without relabels", True),
    ModelInfo("nano-no-negatives", "ablation of nano: without clips and relabels", True),
    ModelInfo("mock:<score or text>", "answers a fixed text through the parser, for trials", True),
)
_PLANNED: Final = (
    ModelInfo("teetone/RoboReward-8B", "published weights, local or from a hub", False, _NOT_YET),
    ModelInfo("teetone/RoboReward-4B", "published weights, local or from a hub", False, _NOT_YET),
    ModelInfo("openai:<model>", "a model behind the OpenAI API", False, _NOT_YET),
    ModelInfo("gemini:<model>", "a model behind the Gemini API", False, _NOT_YET),
    ModelInfo("anthropic:<model>", "a model behind the Anthropic API", False, _NOT_YET),
    ModelInfo("vllm:<http://host:port/model>", "a model behind a vLLM server", False, _NOT_YET),
    ModelInfo("topreward:<model>", "zero-shot: probability of success", False, _NOT_YET),
    ModelInfo("gvl:<model>", "zero-shot: progress of shuffled frames", False, _NOT_YET),
)
_PLANNED_SCHEMES: Final = {info.name.partition(":")[0] for info in _PLANNED if ":" in info.name}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w.-]+)?")


def load_model(uri: str) -> RewardModel:
    """Return the reward model with this name.

    Args:
        uri: Such as "nano", "floor:constant-3" or "mock:4"; `available_models` lists them.

    Raises:
        UnknownName: There is no such model; the nearest names are offered.
        UsageError: The model is planned but this version does not run it, its name is incomplete, or the plug-in that
            offers it does not work.
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
    if scheme in _PLANNED_SCHEMES or _HUB_NAME.fullmatch(name):
        usable = ", ".join(info.name for info in available_models() if info.is_usable)
        raise UsageError(
            f"This version does not run {shorten(name)!r} yet. It runs: {usable}. "
            "Other models can be added as plug-ins through the entry-point group "
            f'"{ENTRY_POINTS}".'
        )
    raise UnknownName("model", name, _known_names())


def available_models() -> list[ModelInfo]:
    """Return every model that can be named: built in, from plug-ins, and planned. Loads none of them."""
    plug_ins = [
        ModelInfo(name, f"plug-in {entry.value}", True)
        for name, entry in sorted(_plug_ins().items())
        if name not in _BUILT_IN
    ]
    return [*_nano_names(), *_NAMES, *plug_ins, *_PLANNED]


def _nano_names() -> list[ModelInfo]:
    """nano and the floor made from it, which need the weights that come with the package."""
    names = ((_NANO, _NANO_IS), (_FIRST_FRAME, "floor: nano, shown the first frame only"))
    is_there = (Path(__file__).parent / "weights" / "nano.safetensors").is_file()
    hint = "" if is_there else "nano's weights are missing; install the package again"
    return [ModelInfo(name, summary, is_there, hint) for name, summary in names]


def unknown_model(name: str) -> UnknownName:
    """Return the error for a name that starts like a built-in model but is none."""
    return UnknownName("model", name, _known_names())


def _known_names() -> list[str]:
    names = {_NANO, _FIRST_FRAME, *(i.name for i in available_models() if i.is_usable)}
    return [name.replace("<score or text>", "4") for name in names if not name.endswith("<model>")]


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
