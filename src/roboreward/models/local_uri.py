"""Names of local weights: a folder, or owner/name@revision on the hub, with settings behind a question mark."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError

from roboreward.core import FramePolicy, UnknownName, UsageError, shorten
from roboreward.judge import PromptConfig
from roboreward.models.qwen.config import QwenConfig

HUB_NAME: Final = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")
"""A name on the hub, such as "Qwen/Qwen3-VL-4B-Instruct@main"."""
_ORDER: Final = "order"
_FRAMES: Final = tuple(FramePolicy.model_fields)
SETTINGS: Final = (*QwenConfig.model_fields, _ORDER, *_FRAMES)
"""What may stand behind the question mark: the fields of `QwenConfig` and `FramePolicy`, and `PromptConfig.order`."""

_M = TypeVar("_M", bound=BaseModel)


class LocalUri(NamedTuple):
    """What a name of local weights says.

    Attributes:
        name: The folder, or the name on the hub.
        config: How the weights are loaded.
        prompt: Which comes first, text or video; None where the name says nothing.
        frame_policy: Which frames are shown; None where the name says nothing.
    """

    name: str
    config: QwenConfig
    prompt: PromptConfig | None = None
    frame_policy: FramePolicy | None = None


def split_query(name: str) -> tuple[str, str]:
    """Return what stands before and behind the question mark. A folder may have one in its own name."""
    if is_folder(name):
        return name, ""
    marks = [place for place, char in enumerate(name) if char == "?"]
    folder_ends = (place for place in marks if is_folder(name[:place]))
    cut = next(folder_ends, marks[0] if marks else len(name))
    return name[:cut], name[cut + 1 :]


def is_folder(name: str) -> bool:
    """Whether there is such a folder; a text that cannot be a path is none."""
    try:
        return Path(name).is_dir()
    except OSError:  # longer than a path may be
        return False


def is_weights_name(name: str) -> bool:
    """Whether it names a folder, or looks like a name on the hub, with or without settings."""
    bare = split_query(name)[0]
    return HUB_NAME.fullmatch(bare) is not None or (bool(bare) and is_folder(bare))


def parse_local_uri(uri: str) -> LocalUri:
    """Read `<folder or owner/name@revision>?<setting>=<value>&...`; %26 stands for an ampersand in a value.

    Raises:
        UnknownName: There is no such setting; the nearest ones are offered.
        UsageError: A value is not allowed, a setting stands twice, or something is no setting at all.
    """
    name, query = split_query(uri)
    given: dict[str, str] = {}
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if not (key and value):
            raise UsageError(
                f"{shorten(part)!r} in {shorten(uri)} is no setting. The form is "
                f"{name}?dtype=bfloat16&device=cuda."
            )
        if key not in SETTINGS:
            raise UnknownName("setting of a local model", key, SETTINGS)
        if key in given:
            raise UsageError(f"{key} stands twice in {shorten(uri)}. Give it once.")
        given[key] = unquote(value)
    frames = {key: value for key, value in given.items() if key in _FRAMES}
    order = {key: value for key, value in given.items() if key == _ORDER}
    others = {key: value for key, value in given.items() if key in QwenConfig.model_fields}
    return LocalUri(
        name,
        _made(QwenConfig, others),
        _made(PromptConfig, order) if order else None,
        _made(FramePolicy, frames) if frames else None,
    )


def _made(kind: type[_M], values: dict[str, Any]) -> _M:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else next(iter(values))
        raise UsageError(
            f"{key}={shorten(values.get(key, ''))}: {shorten(first['msg'], 200)}. Give it another value."
        ) from error
