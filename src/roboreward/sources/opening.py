"""From a reader's name to a source, and the list of readers."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final, NamedTuple, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from roboreward.core import MissingExtra, UnknownName, UsageError, shorten
from roboreward.sources.hub import is_hub_address
from roboreward.sources.plug_ins import PlugIn, conflict, plug_ins
from roboreward.sources.source import Source

READERS: Final[Mapping[str, str]] = {
    "rlds": "rlds:RldsSource",
    "lerobot": "lerobot:LeRobotSource",
    "roboarena": "roboarena:RoboArenaSource",
    "roboreward": "roboreward_layout:RoboRewardSource",
    "folder": "folder:FolderSource",
    "hdf5": "hdf5:Hdf5Source",
    "mcap": "mcap:McapSource",
}
"""Name of each reader that is built in -> file and class of this room."""

BUILT_IN: Final = "built in"
_SUMMARIES: Final = {
    "rlds": "RLDS and Open X-Embodiment: TFRecords, without TensorFlow",
    "lerobot": "LeRobot v2.0, v2.1 and v3.0, in a folder or on the hub",
    "roboarena": "RoboArena dumps: sessions of policies, scored by people",
    "roboreward": "the published RoboReward layout, with its splits",
    "folder": "videos, pictures or arrays, listed by CSV or JSON lines",
    "hdf5": "robomimic and LIBERO files",
    "mcap": "MCAP recordings with compressed pictures, listed by CSV or JSON lines",
}


class _Need(NamedTuple):
    module: str
    package: str
    extra: str
    purpose: str


_NEEDS: Final = {
    "lerobot": _Need("pyarrow", "pyarrow", "data", "Reading a LeRobot dataset"),
    "hdf5": _Need("h5py", "h5py", "data", "Reading HDF5"),
    "mcap": _Need("mcap", "mcap", "mcap", "Reading MCAP"),
}
"""What a reader cannot do without, in the words of the error that it raises."""
_WANTS: Final = {
    "lerobot": _Need("huggingface_hub", "huggingface_hub", "hub", "Reading from the hub"),
    "roboarena": _Need("yaml", "pyyaml", "data", "Reading metadata.yaml"),
}
"""What it needs for some corpora."""


class ReaderOption(NamedTuple):
    """A keyword argument of a reader.

    Attributes:
        name: As in a recipe's `options`.
        is_required: Whether it must be given.
    """

    name: str
    is_required: bool


class ReaderInfo(NamedTuple):
    """A line of the list of readers.

    Attributes:
        name: What to pass to `open_source`, and `reader` in a recipe.
        summary: What it reads, in one line.
        is_usable: Whether `open_source` would open a corpus with it.
        hint: What is missing and how to get it; for a usable reader, what is missing for some corpora. Empty otherwise.
        options: Its options; none where it cannot be loaded.
        origin: "built in", or name and version of the distribution that brings it.
    """

    name: str
    summary: str
    is_usable: bool
    hint: str
    options: tuple[ReaderOption, ...]
    origin: str


def open_source(reader: str, path: Path, options: Mapping[str, Any]) -> Source:
    """Open a corpus.

    Args:
        reader: One of `reader_names`.
        path: Its folder or file; for "lerobot" an address on the hub too.
        options: Keyword arguments of the reader's class.

    Raises:
        UnknownName: There is no such reader.
        UsageError: The reader has no such option; what it raises itself; a plug-in that cannot be loaded or does not
            work; a name that several claim.
        DataError: The corpus makes no sense.
    """
    claims, is_built_in = plug_ins().get(reader, ()), reader in READERS
    if not claims and not is_built_in:
        raise UnknownName("reader", reader, reader_names())
    trouble = conflict(reader, claims, is_built_in=is_built_in)
    if trouble:
        raise UsageError(trouble)
    if claims:
        return claims[0].open(path, _checked(reader, claims[0].load(), options))
    if reader != "lerobot" and is_hub_address(path):
        text = f"The reader {reader!r} does not read from the hub, `lerobot` does"
        raise UsageError(f"{text}. Download the corpus, and give its folder.")
    kind = _built_in(reader)
    source: Source = kind(path, **_checked(reader, kind, options))
    return source


def reader_names() -> tuple[str, ...]:
    """Return the names of all readers, built in and from plug-ins. Loads none of them."""
    return (*READERS, *sorted(set(plug_ins()) - set(READERS)))


def available_readers() -> list[ReaderInfo]:
    """Return every reader that is built in or installed, the unusable ones with the reason. Loads all of them."""
    installed = plug_ins()
    built_in = [_info_of_built_in(name) for name in READERS]
    others = [
        _info_of_plug_in(name, plug_in, conflict(name, claims, is_built_in=name in READERS))
        for name, claims in sorted(installed.items())
        for plug_in in claims
    ]
    return [_contested(info, installed.get(info.name, ())) for info in built_in] + others


def _built_in(name: str) -> Callable[..., Any]:
    file, _, kind = READERS[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(f"roboreward.sources.{file}"), kind)
    return found


def _checked(reader: str, kind: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as the reader's annotations want them: a recipe's table becomes `MediaLimits`, for example."""
    known = [option.name for option in _options_of(kind)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        there = ", ".join(known) or "none"
        raise UsageError(f"The reader {reader!r} has no option {unknown[0]!r}. It has: {there}.")
    init: Any = getattr(kind, "__init__") if isinstance(kind, type) else kind  # noqa: B009
    try:
        hints = get_type_hints(init)
    except (
        NameError,
        TypeError,
    ):  # a plug-in whose annotations cannot be resolved checks its options itself
        return dict(options)
    fields: dict[str, Any] = {name: (hints.get(name, Any), ...) for name in options}
    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        found = create_model("Options", __config__=config, **fields).model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"The reader {reader!r}, option {where!r}: {first['msg']}, got {shorten(repr(first['input']))}."
        ) from None
    return {name: getattr(found, name) for name in options}


def _options_of(kind: Callable[..., Any]) -> tuple[ReaderOption, ...]:
    try:
        parameters = signature(kind).parameters.values()
    except (TypeError, ValueError):  # not written in Python
        return ()
    return tuple(
        ReaderOption(parameter.name, parameter.default is Parameter.empty)
        for parameter in parameters
        if parameter.kind is Parameter.KEYWORD_ONLY
    )


def _info_of_built_in(name: str) -> ReaderInfo:
    needed, wanted = _missing(_NEEDS.get(name)), _missing(_WANTS.get(name))
    return ReaderInfo(
        name=name,
        summary=_SUMMARIES[name],
        is_usable=not needed,
        hint=needed or wanted,
        options=_options_of(_built_in(name)),
        origin=BUILT_IN,
    )


def _contested(info: ReaderInfo, claims: Sequence[PlugIn]) -> ReaderInfo:
    trouble = conflict(info.name, claims, is_built_in=True)
    return info._replace(is_usable=False, hint=trouble) if trouble else info


def _info_of_plug_in(name: str, plug_in: PlugIn, trouble: str) -> ReaderInfo:
    summary = f"plug-in {plug_in.entry.value}"
    options: tuple[ReaderOption, ...] = ()
    if not trouble:
        try:
            kind = plug_in.load()
        except UsageError as error:
            trouble = str(error)
        else:
            summary = ((kind.__doc__ or "").strip() or summary).splitlines()[0]
            options = _options_of(kind)
    return ReaderInfo(name, summary, not trouble, trouble, options, plug_in.distribution)


def _missing(need: _Need | None) -> str:
    """Return what to install, or nothing where it is there or not needed."""
    if need is None or find_spec(need.module) is not None:
        return ""
    return str(MissingExtra(need.package, need.extra, need.purpose))
