"""What follows from a plan: which runs, in which order, and under which ids."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, cast, get_args

import pytest

from roboreward.core import UnknownName, UsageError
from roboreward.rl import BASES
from roboreward.studies import plan as plans
from roboreward.studies.plan import (
    DEMO_FIRST_INDEX,
    EVAL_FIRST_INDEX,
    SCENES_A_SEED,
    STUDIES,
    TRAIN_FIRST_INDEX,
    RunSpec,
    Scale,
    StudyPlan,
    VariantBudget,
    run_specs,
    study_plan,
)
from roboreward.studies.rewards import NANOS, RewardSource, reward_sources

BUDGET = VariantBudget(
    num_demos=10, num_clone_steps=20, num_episodes=30, num_random=4, num_updates=5
)
SPEC = RunSpec(
    variant="one-decision",
    base="imprecise",
    policy="abc",
    reward=RewardSource(name="nano", uri="nano:here", revision="r1"),
    seed=0,
    budget=BUDGET,
    num_eval=50,
    num_shown=2,
)
OTHER: Mapping[str, Any] = {
    "variant": "chunked",
    "base": "near-miss",
    "policy": "abd",
    "reward": RewardSource(name="nano", uri="nano:here", revision="r2"),
    "seed": 1,
    "num_eval": 51,
}
ALL_SCALES = pytest.mark.parametrize("scale", get_args(Scale))


def plan_of(scale: Any, **settings: Any) -> StudyPlan:
    return study_plan("reward-source", scale=scale, **settings)


def specs_of(plan: StudyPlan) -> list[RunSpec]:
    policies = {(cell.variant, cell.base): f"{cell.variant}/{cell.base}" for cell in plan.cells}
    rewards = {
        name: RewardSource(name=name, uri=NANOS.get(name, ""), revision="r")
        for name in plan.rewards
    }
    return list(run_specs(plan, policies, rewards))


@pytest.mark.parametrize("field", sorted(set(RunSpec.model_fields) - {"num_shown", "budget"}))
def test_an_id_changes_with_everything_that_can_change_a_number(field: str) -> None:
    assert SPEC.model_copy(update={field: OTHER[field]}).run_id != SPEC.run_id


@pytest.mark.parametrize("field", VariantBudget.model_fields)
def test_an_id_changes_with_each_part_of_the_budget(field: str) -> None:
    budget = BUDGET.model_copy(update={field: getattr(BUDGET, field) + 1})
    assert SPEC.model_copy(update={"budget": budget}).run_id != SPEC.run_id


def test_an_id_changes_with_the_name_of_the_reward_and_with_the_version_of_the_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = SPEC.run_id
    renamed = SPEC.reward.model_copy(update={"name": "nano-no-relabels"})
    assert SPEC.model_copy(update={"reward": renamed}).run_id != before
    monkeypatch.setattr(plans, "STUDY_VERSION", "reward-source-v0")
    assert SPEC.run_id != before


def test_an_id_does_not_change_with_the_pictures_or_with_where_a_nano_lies() -> None:
    elsewhere = SPEC.reward.model_copy(update={"uri": "nano:/somewhere/else"})
    for change in ({"num_shown": 0}, {"reward": elsewhere}):
        assert SPEC.model_copy(update=change).run_id == SPEC.run_id
    assert RunSpec.model_validate_json(SPEC.model_dump_json()).run_id == SPEC.run_id


@ALL_SCALES
def test_runs_come_seed_after_seed_each_with_an_id_of_its_own(scale: Scale) -> None:
    plan = plan_of(scale)
    specs = specs_of(plan)
    num_a_seed = sum(len(cell.rewards) for cell in plan.cells)
    assert [spec.seed for spec in specs] == [
        s for s in range(plan.num_seeds) for _ in range(num_a_seed)
    ]
    assert len({spec.run_id for spec in specs}) == len(specs)
    there = {(spec.variant, spec.base, spec.reward.name) for spec in specs[:num_a_seed]}
    assert there == {(c.variant, c.base, name) for c in plan.cells for name in c.rewards}
    assert all(spec.policy == f"{spec.variant}/{spec.base}" for spec in specs)


@ALL_SCALES
def test_pictures_are_kept_of_one_seed_of_the_base_policy_and_of_reward_models(
    scale: Scale,
) -> None:
    plan = plan_of(scale)
    shown = {(spec.reward.name, spec.seed) for spec in specs_of(plan) if spec.num_shown}
    assert shown == {(name, 0) for name in plan.rewards if name == "none" or name in NANOS}
    assert 0 < plan.num_shown <= plan.num_eval


@ALL_SCALES
def test_every_scene_is_used_once_also_with_a_thousand_seeds(scale: Scale) -> None:
    plan = plan_of(scale)
    assert max(b.num_episodes for b in plan.budgets.values()) <= SCENES_A_SEED
    assert plan.num_eval <= SCENES_A_SEED
    assert TRAIN_FIRST_INDEX + 1000 * SCENES_A_SEED <= EVAL_FIRST_INDEX
    assert EVAL_FIRST_INDEX + 1000 * SCENES_A_SEED <= DEMO_FIRST_INDEX


@ALL_SCALES
def test_every_reward_of_a_plan_is_known_and_every_variant_has_a_budget(
    scale: Scale, needs_nano: None
) -> None:
    plan = plan_of(scale)
    assert set(reward_sources(plan.rewards)) == set(plan.rewards)
    assert {cell.variant for cell in plan.cells} == set(plan.budgets)
    assert all(b.num_random < b.num_episodes for b in plan.budgets.values())
    for cell in plan.cells:
        assert {"none", "oracle-success", "nano", "floor"} <= set(cell.rewards)


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_a_study_that_claims_something_has_five_seeds_and_seven_rewards_on_every_base(
    scale: Any,
) -> None:
    plan = plan_of(scale)
    assert plan.num_seeds >= 5
    whole = {cell.base for cell in plan.cells if cell.variant == "one-decision"}
    assert whole == set(BASES)
    for cell in plan.cells:
        if cell.variant == "one-decision":
            assert len(cell.rewards) == len(set(cell.rewards)) == 7
    assert "chunked" in {cell.variant for cell in plan.cells}


def test_further_rewards_and_another_number_of_seeds_are_added_to_the_plan() -> None:
    usual, more = plan_of("quick"), plan_of("quick", num_seeds=2, further=("mock:3", "mock:4"))
    assert (usual.num_seeds, more.num_seeds) == (5, 2)
    for before, after in zip(usual.cells, more.cells, strict=True):
        assert after.rewards == (*before.rewards, "mock:3", "mock:4")
    assert more.rewards == (*usual.rewards, "mock:3", "mock:4")
    assert plan_of("quick") == usual


@ALL_SCALES
@pytest.mark.parametrize("name", ["none", "floor", "nano", "nano-no-relabels"])
def test_a_further_model_with_a_name_of_the_study_is_refused(scale: Scale, name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is one of the study's own rewards"):
        plan_of(scale, further=("mock:3", name))


def test_a_further_model_that_is_named_twice_is_run_once() -> None:
    plan = plan_of("smoke", further=("mock:3", "mock:3"))
    assert plan.cells[0].rewards.count("mock:3") == 1


def test_an_unknown_study_is_refused_with_the_nearest_name() -> None:
    assert STUDIES == ("reward-source",)
    with pytest.raises(UnknownName, match="Did you mean reward-source"):
        study_plan(cast(Any, "reward-sources"), scale="quick")


def test_all_but_running_a_study_needs_no_torch() -> None:
    code = """if True:
        import sys
        sys.modules["torch"] = None
        from roboreward.core import MissingExtra
        from roboreward.studies import reward_sources, rows, study_plan, write_study_page
        study_plan("reward-source", scale="quick")
        try:
            from roboreward.studies import run_study
        except MissingExtra as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "roboreward[rl]"' in done.stdout
