"""Recipes of datasets, as TOML: which sources, and what is made of them."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roboreward.core import content_id, identity_of
from roboreward.store import read_recipe_file

IDENTITY: dict[str, Any] = {"role": "identity"}
Reader = Literal["rlds", "lerobot", "roboarena", "roboreward", "folder", "hdf5"]


class SourceRecipe(BaseModel):
    """One source.

    Attributes:
        reader: Which reader of `roboreward.sources`.
        path: Its folder or file; relative paths start at the recipe.
        options: Further arguments of the reader, such as `view` or `fps`.
        unlabelled: What an episode without an outcome is: "success" takes it for a demonstration, score 5, as the paper
            does with Open X-Embodiment; "skip" leaves it out, counted.
        limit: At most so many episodes; None for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: Reader
    path: Path
    options: dict[str, Any] = Field(default_factory=dict)
    unlabelled: Literal["success", "skip"] = "skip"
    limit: int | None = Field(default=None, ge=1)


class DatasetRecipe(BaseModel):
    """How a dataset is built.

    Attributes:
        sources: In this order.
        has_clips: Whether prefixes of successes are made, at the fractions of `negatives.CLIP_FRACTIONS`. Nobody
            validates them: their rows say so.
        splits: Share of the groups by split; they add up to 1.
        seed: Of the assignment to splits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceRecipe, ...] = Field(min_length=1, json_schema_extra=IDENTITY)
    has_clips: bool = Field(default=True, json_schema_extra=IDENTITY)
    splits: dict[Literal["train", "val", "test"], float] = Field(
        default={"train": 0.8, "val": 0.1, "test": 0.1}, json_schema_extra=IDENTITY
    )
    seed: int = Field(default=0, ge=0, json_schema_extra=IDENTITY)

    @model_validator(mode="after")
    def _adds_up(self) -> "DatasetRecipe":
        if min(self.splits.values(), default=-1.0) < 0 or abs(sum(self.splits.values()) - 1) > 1e-6:
            raise ValueError("the shares of the splits are not negative and add up to 1")
        return self

    @property
    def recipe_hash(self) -> str:
        """Hash of what can change the dataset; where the sources lie is a part of it, what they hold is not."""
        return content_id(identity_of(self))


def read_dataset_recipe(path: Path) -> DatasetRecipe:
    """Read a recipe.

    Raises:
        UsageError: The file is missing, is not TOML, or has a field that is missing, unknown or out of range.
    """
    found = read_recipe_file(path, DatasetRecipe, kind="dataset")
    here = path.resolve().parent
    sources = tuple(s.model_copy(update={"path": here / s.path}) for s in found.sources)
    return found.model_copy(update={"sources": sources})
