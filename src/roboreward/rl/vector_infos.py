"""Gymnasium's vector infos: one dict for all sub-environments, an array a key, and a mask `_key` of who has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def info_of(infos: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the info of one sub-environment, as it would be without the others.

    What is not an array over sub-environments (a text, a number) is taken to hold for all of them.
    """
    return {
        key: _value_of(value, index)
        for key, value in infos.items()
        if not _is_mask(infos, key) and has_key(infos, key, index)
    }


def has_key(infos: Mapping[str, Any], key: str, index: int) -> bool:
    """Whether a sub-environment has a value at `key`."""
    mask = infos.get(f"_{key}")
    return key in infos and (mask is None or bool(mask[index]))


def forget(infos: Mapping[str, Any], index: int) -> None:
    """Take a sub-environment's values out of `infos`, in place: its masks become False."""
    for key, value in infos.items():
        if _is_mask(infos, key):
            value[index] = False
        elif isinstance(value, Mapping):
            forget(value, index)


def _is_mask(infos: Mapping[str, Any], key: str) -> bool:
    return key.startswith("_") and key[1:] in infos


def _value_of(value: Any, index: int) -> Any:
    if isinstance(value, Mapping):
        return info_of(value, index)
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return value[index] if is_array or is_list else value
