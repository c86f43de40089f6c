"""Training of reward models. Needs the `train` extra (torch), which is imported on use."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from roboreward.core import MissingExtra
from roboreward.store import commit_of
from roboreward.training.recipe import NanoRecipe, QueryMix, read_recipe

if TYPE_CHECKING:
    from roboreward.models import NanoCard

__all__ = ["NanoRecipe", "QueryMix", "read_recipe", "train_recipe"]


def train_recipe(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    log: Callable[[str], None] = lambda line: None,
) -> "NanoCard":
    """Train what a recipe describes.

    Args:
        path: A recipe, such as `recipes/nano.toml`.
        out: Folder for the weights and the finished stages. The same command goes on after an interruption.
        log: Called with one line of progress at a time.

    Raises:
        UsageError: The recipe is missing or wrong.
        MissingExtra: torch is not installed.
        StoreError: The folder holds another recipe's run.
    """
    recipe = read_recipe(Path(path))
    try:
        from roboreward.training.nano import train_nano
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra("torch", "train", "Training") from error
    return train_nano(recipe, Path(out), log=log, commit=commit_of(Path(__file__)))
