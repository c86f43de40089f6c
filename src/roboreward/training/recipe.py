"""Recipes: complete configurations of training runs, as TOML."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roboreward.core import content_id, identity_of
from roboreward.store import read_recipe_file

IDENTITY: dict[str, Any] = {"role": "identity"}
TRANSPORT: dict[str, Any] = {"role": "transport"}


class QueryMix(BaseModel):
    """Shares of the labelled questions of a batch; they add up to 1 (within 1e-6).

    Attributes:
        success: Successes under their true task, score 5.
        random: Successes under a task of another scene, one that is not among this scene's tasks, score 1.
        clip: Prefixes of successes under their true task; levels equally often.
        relabel: Successes under the other tasks of their scene; levels equally often.
        relabelled_clip: Prefixes under the other tasks; levels equally often.
        two_tasks: Successes of two tasks in a row, and prefixes, under every single task; levels equally often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    success: float = Field(ge=0)
    random: float = Field(default=0.0, ge=0)
    clip: float = Field(default=0.0, ge=0)
    relabel: float = Field(default=0.0, ge=0)
    relabelled_clip: float = Field(default=0.0, ge=0)
    two_tasks: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _adds_up(self) -> "QueryMix":
        total = sum(self.model_dump().values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class NanoRecipe(BaseModel):
    """How nano is trained. Every field can change the result, but those tagged transport.

    Attributes:
        num_demos: Successful demonstrations of one task to learn from.
        num_two_task: Successful demonstrations of two tasks in a row.
        num_val: Further demonstrations for validation: choice of checkpoint, gate limit.
        ground_from: Take the grounding half and the gate from this nano instead of training stage A: "nano" for the
            one that comes with the package, or a folder; "" to train it.
        ground_steps, ground_frames, ground_lr: Stage A: optimiser steps, frames a step, peak learning rate. They are
            left out where there is no stage A.
        reward_steps, reward_queries, reward_lr: Stage B: optimiser steps, questions a step, peak learning rate.
        mix: What the questions of stage B are.
        ablations: Further mixes by name (lower-case words and hyphens). Each gives another reward half on the same
            grounding half, trained just as long, in a folder of its name.
        only_agreeing_clips: Keep a clip only where the oracle gives the score that its cut fraction proposes (as the
            paper's validator does); otherwise all clips are kept under the oracle's label.
        seed: Of initialisation and of all sampling. Demonstrations have their own, fixed seeds.
        num_workers: Processes and threads; 0 for all cores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_demos: int = Field(ge=8, json_schema_extra=IDENTITY)
    num_two_task: int = Field(ge=0, json_schema_extra=IDENTITY)
    num_val: int = Field(ge=8, json_schema_extra=IDENTITY)
    ground_from: str = Field(default="", json_schema_extra=IDENTITY)
    ground_steps: int = Field(default=2200, ge=1, json_schema_extra=IDENTITY)
    ground_frames: int = Field(default=48, ge=1, json_schema_extra=IDENTITY)
    ground_lr: float = Field(default=2e-3, gt=0, json_schema_extra=IDENTITY)
    reward_steps: int = Field(ge=1, json_schema_extra=IDENTITY)
    reward_queries: int = Field(ge=1, json_schema_extra=IDENTITY)
    reward_lr: float = Field(gt=0, json_schema_extra=IDENTITY)
    mix: QueryMix = Field(json_schema_extra=IDENTITY)
    ablations: dict[Annotated[str, Field(pattern="^[a-z]+(-[a-z]+)*$")], QueryMix] = Field(
        default_factory=dict, json_schema_extra=IDENTITY
    )
    only_agreeing_clips: bool = Field(json_schema_extra=IDENTITY)
    seed: int = Field(ge=0, json_schema_extra=IDENTITY)
    num_workers: int = Field(default=0, ge=0, json_schema_extra=TRANSPORT)

    @model_validator(mode="after")
    def _has_what_it_asks_about(self) -> "NanoRecipe":
        if self.num_two_task == 0 and any(mix.two_tasks > 0 for mix in self.mixes.values()):
            raise ValueError("a mix has two_tasks above 0, but num_two_task is 0")
        unused = sorted(self.model_fields_set & {"ground_steps", "ground_frames", "ground_lr"})
        if self.ground_from and unused:
            raise ValueError(
                f"ground_from is set, so stage A is not trained: leave out {', '.join(unused)}"
            )
        return self

    @property
    def mixes(self) -> dict[str, QueryMix]:
        """All mixes to train: nano's own under "", and the ablations."""
        return {"": self.mix, **self.ablations}

    @property
    def recipe_hash(self) -> str:
        """Hash of what can change a number."""
        return content_id(identity_of(self))


def read_recipe(path: Path) -> NanoRecipe:
    """Read a recipe.

    Raises:
        UsageError: The file is missing, is not TOML, or has a field that is missing, unknown or out of range.
    """
    return read_recipe_file(path, NanoRecipe, kind="nano")
