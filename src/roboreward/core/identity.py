"""Identity: what can change a number, hashed the same way everywhere."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Role = Literal["identity", "transport"]


def role_of(name: str, field: FieldInfo) -> Role:
    """Return whether a config field can change a number ("identity") or cannot ("transport").

    Fields declare it as `Field(json_schema_extra={"role": "identity"})`.

    Raises:
        TypeError: The field is not tagged.
    """
    extra = field.json_schema_extra
    role = extra.get("role") if isinstance(extra, dict) else None
    if role == "identity":
        return "identity"
    if role == "transport":
        return "transport"
    raise TypeError(
        f"config field {name!r} is not tagged. If a change of it can change a number, add "
        'json_schema_extra={"role": "identity"}, else "transport".'
    )


def identity_of(config: BaseModel) -> dict[str, Any]:
    """Return the identity fields of a config as JSON values."""
    fields = type(config).model_fields
    names = {name for name, field in fields.items() if role_of(name, field) == "identity"}
    return config.model_dump(mode="json", include=names)


def canonical_json(value: Any) -> str:
    """Return one text for one JSON value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_id(value: Any, *, length: int = 16) -> str:
    """Return the first `length` hex digits of the SHA-256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
