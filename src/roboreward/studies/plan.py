"""What a study consists of: its cells, seeds and budgets, and the runs that follow from them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import UnknownName, UsageError, content_id
from roboreward.rl import BASES, Base
from roboreward.studies.results import FLOOR, NONE, ORACLE, ORACLE_LEVELS, Variant
from roboreward.studies.rewards import RewardSource

StudyName = Literal["reward-source"]
STUDIES: Final[tuple[StudyName, ...]] = get_args(StudyName)
Scale = Literal["smoke", "quick", "full"]

STUDY_VERSION: Final = "reward-source-v1"
"""Changes when the code of a run changes what a run's numbers are."""
NUM_DECISIONS: Final[Mapping[Variant, Literal[1, 4]]] = {"one-decision": 1, "chunked": 4}

TRAIN_FIRST_INDEX: Final = 10_000_000
EVAL_FIRST_INDEX: Final = 20_000_000
DEMO_FIRST_INDEX: Final = 50_000_000
SCENES_A_SEED: Final = 10_000
"""Scenes are those of the split "test", which nano's training never saw, each seed's its own. While the learner was
developed, only seeds from 100 on were used."""


class VariantBudget(BaseModel):
    """Cost of one variant.

    Attributes:
        num_demos: Demonstrated episodes that a base policy is cloned from.
        num_clone_steps: Gradient steps of cloning.
        num_episodes, num_random, num_updates: See `SteeringBudget`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_demos: int = Field(ge=1)
    num_clone_steps: int = Field(ge=1)
    num_episodes: int = Field(ge=1)
    num_random: int = Field(ge=1)
    num_updates: int = Field(ge=1)


class CellPlan(BaseModel):
    """One base policy in one variant, and the rewards that are compared on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Variant
    base: Base
    rewards: tuple[str, ...]


class StudyPlan(BaseModel):
    """A whole study.

    Attributes:
        cells: What is compared on what.
        budgets: For each variant that occurs.
        num_seeds: Seeds 0, 1, ... for each reward.
        num_eval: Evaluation episodes of each run.
        num_shown: Of these, how many are kept as pictures, for the first seed of the base policy and of reward models.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: tuple[CellPlan, ...]
    budgets: dict[Variant, VariantBudget]
    num_seeds: int = Field(ge=1)
    num_eval: int = Field(ge=1)
    num_shown: int = Field(ge=0)

    @property
    def rewards(self) -> tuple[str, ...]:
        """Names of all rewards, each once."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.rewards))


class RunSpec(BaseModel):
    """One run: enough for a worker to do it.

    Attributes:
        policy: Digest of the base policy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Variant
    base: Base
    policy: str
    reward: RewardSource
    seed: int
    budget: VariantBudget
    num_eval: int
    num_shown: int

    @property
    def run_id(self) -> str:
        """Hash of everything that can change the run's numbers; the pictures are not among them."""
        return content_id(
            {
                "study": STUDY_VERSION,
                **self.model_dump(mode="json", exclude={"num_shown": True, "reward": {"uri"}}),
            }
        )


_ALL: Final = (NONE, ORACLE, ORACLE_LEVELS, "nano", "nano-no-relabels", "nano-no-negatives", FLOOR)
_FEW: Final = (NONE, ORACLE, "nano", FLOOR)


def study_plan(
    name: str, *, scale: Scale, num_seeds: int | None = None, further: Sequence[str] = ()
) -> StudyPlan:
    """Return the plan of a study.

    Args:
        name: The study's name.
        scale: "smoke" shows that everything works, "quick" is for a laptop, "full" for a night.
        num_seeds: Another number of seeds.
        further: Further reward models, added to every cell.

    Raises:
        UnknownName: There is no such study.
        UsageError: A further reward model has the name of one of the study's own rewards.
    """
    if name not in STUDIES:
        raise UnknownName("study", name, STUDIES)
    taken = sorted(set(_ALL) & set(further))
    if taken:
        raise UsageError(f"{taken[0]!r} is one of the study's own rewards; leave it out.")
    plan = _PLANS[scale]
    cells = tuple(
        cell.model_copy(update={"rewards": (*cell.rewards, *dict.fromkeys(further))})
        for cell in plan.cells
    )
    return plan.model_copy(update={"cells": cells, "num_seeds": num_seeds or plan.num_seeds})


def run_specs(
    plan: StudyPlan,
    policies: Mapping[tuple[Variant, Base], str],
    rewards: Mapping[str, RewardSource],
) -> Iterator[RunSpec]:
    """Yield the runs of a plan, given the digest of each base policy: seed after seed, so that every prefix is fair."""
    for seed in range(plan.num_seeds):
        for cell in plan.cells:
            for name in cell.rewards:
                is_shown = seed == 0 and (name == NONE or rewards[name].uri)
                yield RunSpec(
                    variant=cell.variant,
                    base=cell.base,
                    policy=policies[cell.variant, cell.base],
                    reward=rewards[name],
                    seed=seed,
                    budget=plan.budgets[cell.variant],
                    num_eval=plan.num_eval,
                    num_shown=plan.num_shown if is_shown else 0,
                )


def _budget(num_episodes: int, *, num_demos: int, num_random: int = 60) -> VariantBudget:
    return VariantBudget(
        num_demos=num_demos,
        num_clone_steps=2000,
        num_episodes=num_episodes,
        num_random=num_random,
        num_updates=10,
    )


_PLANS: Final[Mapping[Scale, StudyPlan]] = {
    "smoke": StudyPlan(
        cells=(CellPlan(variant="one-decision", base="imprecise", rewards=_FEW),),
        budgets={"one-decision": _budget(120, num_demos=1000, num_random=40)},
        num_seeds=2,
        num_eval=50,
        num_shown=4,
    ),
    "quick": StudyPlan(
        cells=(
            *(CellPlan(variant="one-decision", base=base, rewards=_ALL) for base in BASES),
            CellPlan(variant="chunked", base="imprecise", rewards=_FEW),
        ),
        budgets={
            "one-decision": _budget(400, num_demos=2000),
            "chunked": _budget(500, num_demos=1200),
        },
        num_seeds=5,
        num_eval=150,
        num_shown=6,
    ),
    "full": StudyPlan(
        cells=tuple(
            CellPlan(variant=variant, base=base, rewards=_ALL)
            for variant in NUM_DECISIONS
            for base in BASES
        ),
        budgets={
            "one-decision": _budget(1000, num_demos=4000),
            "chunked": _budget(1500, num_demos=4000),
        },
        num_seeds=10,
        num_eval=300,
        num_shown=6,
    ),
}
