"""Recipes of datasets, as TOML: which sources, and what is made of them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roboreward.core import UnknownName, UsageError, content_id, identity_of
from roboreward.sources import is_hub_address, reader_names
from roboreward.store import read_recipe_file

IDENTITY: dict[str, Any] = {"role": "identity"}


class SourceRecipe(BaseModel):
    """One source.

    Attributes:
        reader: Which reader: one of `sources.reader_names`, so a plug-in's too.
        path: Its folder or file, where relative paths start at the recipe; for `lerobot` an address on the hub too,
            `hf://datasets/owner/name@commit`.
        options: Further arguments of the reader, such as `view` or `fps`.
        unlabelled: What an episode without an outcome is: "success" takes it for a demonstration, score 5, as the paper
            does with Open X-Embodiment; "skip" leaves it out, counted.
        limit: At most so many episodes; None for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: str
    path: Path
    options: dict[str, Any] = Field(default_factory=dict)
    unlabelled: Literal["success", "skip"] = "skip"
    limit: int | None = Field(default=None, ge=1, le=10**12)


SplitName = Literal["train", "val", "test"]
Shares = Literal["even"] | dict[str, float]
"""The same share for every value that occurs, or a share by value; a value that is not named gets nothing."""


class Balance(BaseModel):
    """Which rows of each split are kept: as many as have these shares. The others are counted, and left out.

    Attributes:
        level: By score, "1" to "5".
        origin: By how rows were made: "original", "rollout", "clip", ...
        source: By corpus.
        max_rows: At most so many rows in a split.
        splits: Where it holds; None for all splits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Shares | None = None
    origin: Shares | None = None
    source: Shares | None = None
    max_rows: int | None = Field(default=None, ge=1)
    splits: tuple[SplitName, ...] | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> "Balance":
        for name in ("level", "origin", "source"):
            shares = getattr(self, name)
            if isinstance(shares, dict):
                _check_shares(f"the shares of {name}", shares.values())
        if isinstance(self.level, dict) and (odd := set(self.level) - set("12345")):
            raise ValueError(f"levels are 1 to 5, got {sorted(odd)[0]!r}")
        return self


def _check_shares(what: str, shares: Collection[float]) -> None:
    # NaN compares as false with everything.
    if not (min(shares, default=-1.0) >= 0 and abs(sum(shares) - 1) <= 1e-6):
        raise ValueError(f"{what} must not be negative and must add up to 1")


class DatasetRecipe(BaseModel):
    """How a dataset is built.

    Attributes:
        sources: In this order.
        has_clips: Whether prefixes of successes are made, at the fractions of `negatives.CLIP_FRACTIONS`. Nobody
            validates them: their rows say so.
        duplicates: What counts as a copy. "frames": episodes with the same frames, whose groups are joined, so that
            they share a split. "looks": these, and what looks the same (`media.SAME_VIDEO_BITS`) in another split,
            which is left out of train for val and test, and of val for test; its time grows with the square of the
            episodes.
        balance: Which rows are kept; None for all.
        splits: Share of the groups by split; they add up to 1.
        seed: Of the assignment to splits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceRecipe, ...] = Field(min_length=1, json_schema_extra=IDENTITY)
    has_clips: bool = Field(default=True, json_schema_extra=IDENTITY)
    duplicates: Literal["looks", "frames"] = Field(default="looks", json_schema_extra=IDENTITY)
    balance: Balance | None = Field(default=None, json_schema_extra=IDENTITY)
    splits: dict[SplitName, float] = Field(
        default={"train": 0.8, "val": 0.1, "test": 0.1}, json_schema_extra=IDENTITY
    )
    seed: int = Field(default=0, ge=0, json_schema_extra=IDENTITY)

    @model_validator(mode="after")
    def _adds_up(self) -> "DatasetRecipe":
        _check_shares("the shares of the splits", self.splits.values())
        strange = sorted(set((self.balance and self.balance.splits) or ()) - set(self.splits))
        if strange:
            raise ValueError(f"the balance names the split {strange[0]!r}, which there is not")
        return self

    @property
    def recipe_hash(self) -> str:
        """Hash of what can change the dataset; where the sources lie is a part of it, what they hold is not."""
        return content_id(identity_of(self))


def read_dataset_recipe(path: Path) -> DatasetRecipe:
    """Read a recipe.

    Raises:
        UsageError: The file is missing, is not TOML, or has a field that is missing, unknown or out of range; or there
            is no such reader.
    """
    found = read_recipe_file(path, DatasetRecipe, kind="dataset")
    _check_readers(path, found)
    here = path.resolve().parent
    sources = tuple(
        s if is_hub_address(s.path) else s.model_copy(update={"path": here / s.path})
        for s in found.sources
    )
    return found.model_copy(update={"sources": sources})


def _check_readers(path: Path, recipe: DatasetRecipe) -> None:
    names = reader_names()
    for place, source in enumerate(recipe.sources):
        if source.reader not in names:
            error = UnknownName("reader", source.reader, names)
            raise UsageError(f"{path}: sources.{place}.reader: {error}")
