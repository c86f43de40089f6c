"""Doors that open on demand: a room lists its names, and the file behind a name is imported when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from roboreward.core.errors import MissingExtra


def lazy_door(
    room: str,
    namespace: dict[str, Any],
    homes: Mapping[str, Sequence[str]],
    *,
    torch_extra: str = "",
    purpose: str = "",
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a room's `__init__`.

    Args:
        room: The room's module name.
        namespace: Its globals; a name that was looked up is kept there, so that it is looked up once.
        homes: The names that each file of the room gives.
        torch_extra: Extra that brings torch, for the error when a file needs it and it is not installed.
        purpose: What needs it, for that error.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        try:
            module = import_module(f"{room}.{home_of[name]}")
        except ModuleNotFoundError as error:
            if error.name != "torch" or not torch_extra:
                raise
            raise MissingExtra("torch", torch_extra, purpose) from error
        namespace[name] = getattr(module, name)
        return namespace[name]

    def list_names() -> list[str]:
        return sorted({*namespace, *home_of})

    return get, list_names
