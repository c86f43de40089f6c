"""Recipes: a frozen model's values as TOML, told apart by their `kind`."""

import json
import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from roboreward.core import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Recipe = TypeVar("Recipe", bound=BaseModel)


def read_recipe_file(path: Path, model: type[Recipe], *, kind: str) -> Recipe:
    """Read a recipe.

    Args:
        path: The file.
        model: What its values have to fit.
        kind: What its `kind` has to be.

    Raises:
        UsageError: The file is missing, is not TOML, is of another kind, or has a field that is missing, unknown, of
            another type (`true` is no number, "3" neither) or out of range.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    found = values.pop("kind", None)
    if found != kind:
        raise UsageError(f'{path}: kind = {found!r}. This command takes kind = "{kind}" only.')
    try:
        # As JSON, since only there a list is a tuple and a text a path while `true` is no whole number.
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path}: {problems}") from error
