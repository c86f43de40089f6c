"""From a name to the vision-language model behind it, for the methods that stand on one, such as `topreward:<name>`."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from roboreward.core import UnknownName, UsageError
from roboreward.models.asking import Vlm
from roboreward.models.local_uri import is_weights_name
from roboreward.models.plug_ins import make_of, not_one

VLM_ENTRY_POINTS: Final = "roboreward.vlms"
"""Entry-point group of plug-ins. The entry's name is what stands before the colon of a model's name; its value is a
callable that takes what stands behind the colon ("" when there is none) and returns a `Vlm`."""

Loader = Callable[[str], Vlm]

# What stands before the colon -> file and function of this room. The function gets what stands behind the colon.
_SCHEMES: Final[dict[str, str]] = {
    "qwen": "qwen_loader:load_local_vlm",
    "openai": "api_loader:vlm_openai",
    "vllm": "api_loader:vlm_vllm",
    "gemini": "api_loader:vlm_gemini",
    "anthropic": "api_loader:vlm_anthropic",
}
# For a folder with weights, and for a name on a hub, such as "Qwen/Qwen3-VL-4B-Instruct@main": gets the whole name.
_WEIGHTS: Final = "qwen_loader:load_weights"


def load_vlm(uri: str) -> Vlm:
    """Return the vision-language model with this name.

    Args:
        uri: A folder with weights, a name on a hub (settings may stand behind either, see `local_uri`), or a scheme and
            what it takes.

    Raises:
        UnknownName: There is no such scheme; the nearest ones are offered.
        UsageError: Nothing is named, it cannot be loaded, or a plug-in does not work.
    """
    name = uri.strip()
    if not name:
        raise UsageError(f"No vision-language model is named. Name one: {', '.join(vlm_names())}.")
    scheme, _, rest = name.partition(":")
    if scheme in _SCHEMES:
        return _function(_SCHEMES[scheme])(rest)
    plug_in = {entry.name: entry for entry in entry_points(group=VLM_ENTRY_POINTS)}.get(scheme)
    if plug_in is not None:
        made = make_of(plug_in, rest)
        if not isinstance(made, Vlm):
            what = "a vision-language model: it lacks one of name, revision, has_logprobs, ask"
            raise not_one(plug_in, made, what=what, checker="check_vlm")
        return made
    if not is_weights_name(name):
        raise UnknownName("vision-language model", name, vlm_names())
    return _function(_WEIGHTS)(name)


def vlm_names() -> list[str]:
    """Return the forms that a name can have, with a part in <> to be filled in."""
    plug_ins = sorted({entry.name for entry in entry_points(group=VLM_ENTRY_POINTS)})
    schemes = [f"{scheme}:<model>" for scheme in dict.fromkeys((*_SCHEMES, *plug_ins))]
    return ["<folder>", "<owner/name>", *schemes]


def has_plug_ins() -> bool:
    """Whether another distribution offers a vision-language model."""
    return bool(list(entry_points(group=VLM_ENTRY_POINTS)))


def _function(place: str) -> Loader:
    file, _, function = place.partition(":")
    loader: Loader = getattr(import_module(f"roboreward.models.{file}"), function)
    return loader
