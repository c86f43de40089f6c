"""From a name to a local vision-language model, or to the judge that stands on it. Imports torch when it is called."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roboreward.core import MissingExtra, RewardModel, UsageError, shorten

if TYPE_CHECKING:
    from roboreward.models.qwen.config import QwenConfig
    from roboreward.models.qwen.vlm import QwenVl

_EXTRA: Final = ("torch", "transformers", "tokenizers")
_HUB_CACHE: Final = Path("~/.cache/huggingface/hub")
"""Where the hub's library keeps its files unless it is told otherwise."""


def load_qwen(
    name: str, *, config: "QwenConfig | None" = None, shown_as: str | None = None
) -> "QwenVl":
    """Return the model in a folder, or the one with this name in the hub's cache; see `qwen.vlm.QwenVl`.

    Args:
        name: A folder, or "owner/name@revision".
        config: Settings.
        shown_as: The model's name in verdicts; `name` when None.

    Raises:
        UsageError: There is no such model here, or it is not whole.
        MissingExtra: The extra vlm is not installed.
    """
    missing = [package for package in _EXTRA if find_spec(package) is None]
    if missing:
        raise MissingExtra(missing[0], "vlm", "A local vision-language model")
    from roboreward.models.qwen.vlm import QwenVl

    return QwenVl(name, config=config, shown_as=shown_as)


def load_weights(uri: str, *, shown_as: str | None = None) -> "QwenVl":
    """Return the model of `<folder or owner/name@revision>`, with settings behind a question mark; see `local_uri`.

    Raises:
        UsageError: As for `load_qwen`, or a setting is unknown, wrong, or of the published prompt alone.
        MissingExtra: The extra vlm is not installed.
    """
    from roboreward.models.local_uri import parse_local_uri

    local = parse_local_uri(uri)
    if local.prompt is not None or local.frame_policy is not None:
        raise UsageError(
            f"{shorten(uri)}: order and frames are settings of the published prompt, and here the model is asked by "
            "something else. Leave them out."
        )
    return load_qwen(local.name, config=local.config, shown_as=shown_as or uri)


def load_local_vlm(rest: str) -> "QwenVl":
    """Return the model of "qwen:<folder or owner/name@revision>", given what stands behind the colon.

    Raises:
        UsageError: Nothing is named, there is no such model here, or it is not whole.
        MissingExtra: The extra vlm is not installed.
    """
    return load_weights(_named(rest), shown_as=f"qwen:{rest}")


def load_judge(name: str, *, config: "QwenConfig | None" = None) -> RewardModel:
    """Return the published prompt on the model with this name, settings and all.

    Args:
        name: As for `load_weights`.
        config: Settings, instead of those in the name.

    Raises:
        UsageError: As for `load_weights`, or settings are given in both ways.
        MissingExtra: The extra vlm is not installed.
    """
    return _judge(name, shown_as=name, config=config)


def load_local_judge(rest: str) -> RewardModel:
    """Return the published prompt on the model of "qwen:..."; see `load_local_vlm`."""
    return _judge(_named(rest), shown_as=f"qwen:{rest}")


def why_no_extra() -> str:
    """Return how to install what local models need; empty where it is there."""
    if any(find_spec(package) is None for package in _EXTRA):
        return 'needs the extra vlm: pip install "roboreward[vlm]"'
    return ""


def why_not_usable(name: str) -> str:
    """Return what to do before the model with this name on the hub can be loaded; empty when nothing is known of."""
    missing = why_no_extra()
    if missing:
        return missing
    snapshots = _HUB_CACHE.expanduser() / f"models--{name.replace('/', '--')}" / "snapshots"
    if not snapshots.is_dir():
        return f"no copy where the hub keeps them by default; get it with: hf download {name}"
    return ""


def _named(rest: str) -> str:
    if not rest.partition("?")[0]:
        raise UsageError("qwen: needs a folder or a name on the hub, such as qwen:./my-checkpoint.")
    return rest


def _judge(uri: str, *, shown_as: str, config: "QwenConfig | None" = None) -> RewardModel:
    from roboreward.models.local_uri import parse_local_uri, split_query
    from roboreward.models.qwen.judge import QwenJudge

    if config is not None and split_query(uri)[1]:
        raise UsageError(f"{shorten(uri)} has settings, and so has config. Give one of them.")
    local = parse_local_uri(uri)
    vlm = load_qwen(local.name, config=config or local.config, shown_as=shown_as)
    return QwenJudge(vlm, prompt=local.prompt, frame_policy=local.frame_policy)
