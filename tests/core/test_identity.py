"""What can change a number is hashed the same way everywhere."""

import pytest
from pydantic import BaseModel, Field

from roboreward.core import canonical_json, content_id, identity_of


class Config(BaseModel):
    frames: int = Field(default=8, json_schema_extra={"role": "identity"})
    timeout_s: float = Field(default=5.0, json_schema_extra={"role": "transport"})


class Untagged(BaseModel):
    frames: int = 8


def test_transport_settings_do_not_enter_the_identity() -> None:
    assert identity_of(Config(timeout_s=1)) == identity_of(Config(timeout_s=9)) == {"frames": 8}
    assert identity_of(Config(frames=4)) != identity_of(Config())


def test_an_untagged_field_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(TypeError, match=r"'frames' is not tagged.*json_schema_extra"):
        identity_of(Untagged())


def test_key_order_does_not_matter_and_values_do() -> None:
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
    assert content_id({"a": 1}) != content_id({"a": 2})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))
