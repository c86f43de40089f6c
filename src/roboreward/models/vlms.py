"""From a name to the vision-language model behind it, for the methods that stand on one, such as `topreward:<name>`."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from roboreward.core import UnknownName, UsageError
from roboreward.models.asking import Vlm

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
_WEIGHTS: Final = "qwen_loader:load_qwen"

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")


def load_vlm(uri: str) -> Vlm:
    """Return the vision-language model with this name.

    Args:
        uri: A folder with weights, a name on a hub, or a scheme and what it takes.

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
        return _load_plug_in(plug_in, rest)
    if not (_HUB_NAME.fullmatch(name) or Path(name).is_dir()):
        raise UnknownName("vision-language model", name, vlm_names())
    return _function(_WEIGHTS)(name)


def vlm_names() -> list[str]:
    """Return the forms that a name can have, with a part in <> to be filled in."""
    plug_ins = sorted({entry.name for entry in entry_points(group=VLM_ENTRY_POINTS)})
    schemes = [f"{scheme}:<model>" for scheme in dict.fromkeys((*_SCHEMES, *plug_ins))]
    return ["<folder>", "<owner/name>", *schemes]


def _function(place: str) -> Loader:
    file, _, function = place.partition(":")
    loader: Loader = getattr(import_module(f"roboreward.models.{file}"), function)
    return loader


def _load_plug_in(entry: EntryPoint, rest: str) -> Vlm:
    where = f"The plug-in {entry.name!r} ({entry.value})"
    try:
        loader = entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"{where} cannot be loaded: {error}. Install its package again."
        ) from error
    vlm = loader(rest)
    if not isinstance(vlm, Vlm):
        raise UsageError(
            f"{where} returned a {type(vlm).__name__}, which is not a vision-language model: it lacks one of name, "
            "revision, has_logprobs, ask. Tell its author."
        )
    return vlm
