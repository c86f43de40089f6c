"""What columns a metadata file has, as a JSON reader would infer them.

`datasets.load_dataset("videofolder", ...)` infers the columns of each split from its rows and refuses a set whose
splits differ; a key that only some rows of a split have is a column all the same, with nulls.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

KindName = Literal["null", "bool", "int64", "float64", "string", "list", "struct", "mixed"]


@dataclass(frozen=True)
class Kind:
    """The type of a JSON value.

    Attributes:
        name: "mixed" where values of a column have no common type.
        item: Type of a list's items.
        fields: Keys of an object with their types, sorted by key.
    """

    name: KindName
    item: "Kind | None" = None
    fields: "tuple[tuple[str, Kind], ...]" = ()

    def __str__(self) -> str:
        """The type in words, such as "struct(operation: string)"."""
        if self.item is not None:
            return f"list of {self.item}"
        if self.name == "struct":
            return f"struct({', '.join(f'{key}: {kind}' for key, kind in self.fields)})"
        return self.name


NULL = Kind("null")
_MIXED = Kind("mixed")
_NUMBERS = frozenset({"int64", "float64"})


def kind_of(value: Any) -> Kind:
    """Return the type of a JSON value; an empty list is a list of null."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return Kind("bool")
    if isinstance(value, int):
        return Kind("int64")
    if isinstance(value, float):
        return Kind("float64")
    if isinstance(value, str):
        return Kind("string")
    if isinstance(value, list):
        return Kind("list", item=merged(kind_of(item) for item in value))
    return Kind("struct", fields=tuple(sorted((key, kind_of(v)) for key, v in value.items())))


def merged(kinds: Iterable[Kind]) -> Kind:
    """Return the one type that holds values of all of them; "null" of none."""
    found = NULL
    for kind in set(kinds):
        found = _merge(found, kind)
    return found


def _merge(a: Kind, b: Kind) -> Kind:
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    if a.name in _NUMBERS and b.name in _NUMBERS:
        return Kind("float64")
    if a.name != b.name:
        return _MIXED
    if a.item is not None and b.item is not None:
        return Kind("list", item=_merge(a.item, b.item))
    left, right = dict(a.fields), dict(b.fields)
    return Kind(
        "struct",
        fields=tuple(
            (key, _merge(left.get(key, NULL), right.get(key, NULL))) for key in sorted(left | right)
        ),
    )


def differences(a: Kind, b: Kind, *, path: str = "") -> list[str]:
    """Return in words where two types differ, such as "parent_id: string against nothing"."""
    if a == b:
        return []
    if a.name != "struct" or b.name != "struct":
        return [f"{path or 'the rows'}: {a} against {b}"]
    left, right = dict(a.fields), dict(b.fields)
    found: list[str] = []
    for key in sorted(left | right):
        name = f"{path}.{key}" if path else key
        if key in left and key in right:
            found += differences(left[key], right[key], path=name)
        else:
            found.append(f"{name}: {left.get(key, 'absent')} against {right.get(key, 'absent')}")
    return found


def mixed_columns(kind: Kind, *, path: str = "") -> list[str]:
    """Return the keys whose values have no common type, such as "provenance.details.index"."""
    if kind.name == "mixed":
        return [path or "the rows"]
    if kind.item is not None:
        return mixed_columns(kind.item, path=f"{path}[]")
    return [
        name
        for key, inner in kind.fields
        for name in mixed_columns(inner, path=f"{path}.{key}" if path else key)
    ]
