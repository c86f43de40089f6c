"""Reads the small metadata files of a dump, JSON or YAML, without trusting them."""

import json
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any, Final

from roboreward.core import DataError, MissingExtra, shorten

MAX_METADATA_BYTES: Final = 1 << 20
"""Largest metadata file that is read; RoboArena's have one or two kilobytes."""


def read_session_file(path: Path) -> dict[str, Any]:
    """Return the mapping that a `.json`, `.yaml` or `.yml` file holds.

    Raises:
        DataError: It cannot be read, is too large, is not of its format, repeats a key, or is no mapping. Names it.
        MissingExtra: It is YAML, and PyYAML is not installed.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_METADATA_BYTES:
            text = f"{size_bytes:,} bytes, the limit is {MAX_METADATA_BYTES:,}"
            raise DataError(f"{path} has {text}. Is it the right file?")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    value = _from_json(data, path) if path.suffix == ".json" else _from_yaml(data, path)
    if not isinstance(value, dict):
        raise DataError(f"{path}: a mapping is wanted, got {shorten(value)!r}. Copy it again.")
    return value


def _from_json(data: bytes, path: Path) -> Any:
    try:
        return json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({shorten(error)}). Copy it again.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _from_yaml(data: bytes, path: Path) -> Any:
    yaml, loader = _yaml()
    try:
        return yaml.load(data, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not YAML ({shorten(error)}). Copy it again.") from error


@cache
def _yaml() -> tuple[Any, Any]:
    """Return PyYAML and a loader of plain values: no objects, and no key twice, of which PyYAML takes the last."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtra("pyyaml", "data", "Reading metadata.yaml") from error

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if len(set(map(repr, keys))) != len(keys):
                raise yaml.constructor.ConstructorError(None, None, "a key occurs twice")
            value: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
            return value

    return yaml, Loader
