"""Recipes: TOML as editors write it, and values of the types that are wanted."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import UsageError
from roboreward.store import read_recipe_file


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    limit: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)


class Whole(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...] = ()
    share: float = 0.5
    is_small: bool = False
    seed: int = 0


def read(tmp_path: Path, text: str, *, encoding: str = "utf-8") -> Whole:
    path = tmp_path / "recipe.toml"
    path.write_text(f'kind = "whole"\n{text}', encoding=encoding)
    return read_recipe_file(path, Whole, kind="whole")


def test_every_type_of_toml_arrives_as_it_is(tmp_path: Path) -> None:
    options = "{ list = [1, 2.5, true], text = 'x', day = 2025-01-02, far = inf }"
    found = read(tmp_path, f"share = 1\n[[parts]]\npath = 'a/\u00e9'\noptions = {options}\n")
    assert found.share == 1.0
    assert found.parts == (
        Part(
            path=Path("a/\u00e9"),
            options={"list": [1, 2.5, True], "text": "x", "day": "2025-01-02", "far": float("inf")},
        ),
    )
    assert found.parts[0].options["list"][2] is True


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, "seed = 3", encoding="utf-8-sig").seed == 3


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("seed = true", "seed"),
        ("seed = '3'", "seed"),
        ("seed = 3.0", "seed"),
        ("share = true", "share"),
        ("is_small = 1", "is_small"),
        ("[[parts]]\npath = 'a'\nlimit = true", "parts.0.limit"),
    ],
)
def test_a_value_of_another_type_is_not_turned_into_one(
    tmp_path: Path, text: str, field: str
) -> None:
    with pytest.raises(UsageError, match=rf"recipe\.toml: {field}: Input should be a valid"):
        read(tmp_path, text)


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(b"kind = \xff")
    with pytest.raises(UsageError, match=r"recipe\.toml is not TOML"):
        read_recipe_file(tmp_path / "recipe.toml", Whole, kind="whole")
