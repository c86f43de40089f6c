"""Running a study: base policies first, then every run that is not there yet, on all cores. Needs torch."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roboreward.core import SCORES, DataError, RewardModel, Score, content_id
from roboreward.media import jpeg_bytes
from roboreward.rl import (
    Base,
    History,
    Steering,
    SteeringBudget,
    clone,
    demonstrate,
    load_policy,
    play,
    use_one_thread,
)
from roboreward.sim import SkillEnv
from roboreward.store import (
    commit_of,
    environment,
    lock_folder,
    run_in_order,
    write_atomic,
    write_json,
)
from roboreward.studies.plan import (
    DEMO_FIRST_INDEX,
    EVAL_FIRST_INDEX,
    NUM_DECISIONS,
    SCENES_A_SEED,
    STUDY_VERSION,
    TRAIN_FIRST_INDEX,
    RunSpec,
    StudyPlan,
    VariantBudget,
    run_specs,
)
from roboreward.studies.results import ORACLE_LEVELS, Rollout, StudyRun, Variant
from roboreward.studies.rewards import RewardSource

Progress = Callable[[str, int, int], None]
PACKAGES = ("numpy", "mujoco", "torch", "gymnasium")
"""Whose versions a run's record names."""
_SHOWN_FRAMES = 4
_SHOWN_PX = 160


def run_study(
    plan: StudyPlan,
    rewards: Mapping[str, RewardSource],
    out: Path,
    *,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> list[StudyRun]:
    """Do all runs of a plan.

    Every run is a file of its own, written whole when it is done; what is there is not done again, so the same call
    goes on after an interruption.

    Args:
        plan: What to do.
        rewards: The rewards by name, from `reward_sources`.
        out: Receives `policies`, `runs` and `pictures`.
        num_workers: Processes; None for one a core.
        progress: Called with what is being done, how many of it are done, and how many there are.

    Returns:
        The runs in the order of the plan.

    Raises:
        DataError: A file of an earlier run cannot be read.
        StoreError: The folder cannot be written to, or another process works in it.
    """
    say: Progress = progress or (lambda name, num_done, num: None)
    with lock_folder(out):
        policies = _base_policies(plan, out, num_workers=num_workers, progress=say)
        specs = list(run_specs(plan, policies, rewards))
        missing = [spec for spec in specs if not _run_path(out, spec.run_id).exists()]
        num_there = len(specs) - len(missing)
        say("runs", num_there, len(specs))
        done = run_in_order(
            partial(_do_run, out), missing, num_workers=num_workers, what="the study"
        )
        for number, _ in enumerate(done, start=num_there + 1):
            say("runs", number, len(specs))
        return [read_run(_run_path(out, spec.run_id)) for spec in specs]


def read_run(path: Path) -> StudyRun:
    """Read a run's record.

    Raises:
        DataError: It is missing, damaged, or of another version.
    """
    try:
        return StudyRun.model_validate(json.loads(path.read_text()))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(
            f"Cannot read the run {path}: {error}. Delete the file, and the same command does the run again."
        ) from error


def _run_path(out: Path, run_id: str) -> Path:
    return out / "runs" / f"{run_id}.json"


def _policy_path(out: Path, variant: Variant, base: Base, budget: VariantBudget) -> Path:
    """Where a base policy lies: what it was cloned from and for how long is a part of its name."""
    made_of = content_id([STUDY_VERSION, budget.num_demos, budget.num_clone_steps], length=8)
    return out / "policies" / f"{base}-{variant}-{made_of}.safetensors"


def _base_policies(
    plan: StudyPlan, out: Path, *, num_workers: int | None, progress: Progress
) -> dict[tuple[Variant, Base], str]:
    """Clone the base policies that are not there yet; return the digest of each."""
    wanted = list(dict.fromkeys((cell.variant, cell.base) for cell in plan.cells))
    jobs = [
        (variant, base, plan.budgets[variant])
        for variant, base in wanted
        if not _policy_path(out, variant, base, plan.budgets[variant]).exists()
    ]
    done = run_in_order(partial(_clone_one, out), jobs, num_workers=num_workers, what="the study")
    for number, _ in enumerate(done, start=1):
        progress("base policies", number, len(jobs))
    return {
        (variant, base): load_policy(_policy_path(out, variant, base, plan.budgets[variant])).digest
        for variant, base in wanted
    }


def _clone_one(out: Path, job: tuple[Variant, Base, VariantBudget]) -> None:
    variant, base, budget = job
    use_one_thread()
    env = SkillEnv(split="train", num_decisions=NUM_DECISIONS[variant])
    shown = demonstrate(env, base=base, num=budget.num_demos, first_index=DEMO_FIRST_INDEX)
    clone(shown, steps=budget.num_clone_steps).save(_policy_path(out, *job))


def _do_run(out: Path, spec: RunSpec) -> str:
    """Do one run and write its record; returns its id."""
    use_one_thread()
    start_cpu, start = time.process_time(), time.monotonic()
    policy = load_policy(_policy_path(out, spec.variant, spec.base, spec.budget))
    steering = Steering(policy, seed=spec.seed)
    model = spec.reward.model(seed=spec.seed)
    env = SkillEnv(
        split="test",
        num_decisions=NUM_DECISIONS[spec.variant],
        has_levels=spec.reward.name == ORACLE_LEVELS,
        render_mode="rgb_array",
    )
    history = _train(steering, env, model, spec) if spec.reward.is_trained else History()
    eval_scores, rollouts = _evaluate(steering, env, model, spec, out)
    run = StudyRun(
        run_id=spec.run_id,
        base=spec.base,
        variant=spec.variant,
        reward=spec.reward.name,
        revision=spec.reward.revision,
        seed=spec.seed,
        true_scores=tuple(_score(info.get("score")) for info in history.infos),
        rewards=tuple(history.rewards),
        reward_scores=tuple(_said(info) for info in history.infos),
        dropped=history.dropped,
        eval_scores=eval_scores,
        rollouts=rollouts,
        cpu_s=round(time.process_time() - start_cpu, 2),
        wall_s=round(time.monotonic() - start, 2),
        commit=commit_of(Path(__file__)),
        environment=environment(PACKAGES),
    )
    write_json(_run_path(out, spec.run_id), run.model_dump(mode="json"))
    return spec.run_id


def _train(steering: Steering, env: SkillEnv, model: RewardModel | None, spec: RunSpec) -> History:
    budget = SteeringBudget(
        spec.budget.num_episodes, spec.budget.num_random, spec.budget.num_updates
    )
    first = TRAIN_FIRST_INDEX + SCENES_A_SEED * spec.seed
    return steering.train(spec.reward.wrap(env, model=model), first_index=first, budget=budget)


def _evaluate(
    steering: Steering, env: SkillEnv, model: RewardModel | None, spec: RunSpec, out: Path
) -> tuple[tuple[Score | None, ...], tuple[Rollout, ...]]:
    """Play the evaluation scenes of the seed with what was learned; only the simulator's rule judges."""
    choose = steering.choose if spec.reward.is_trained else steering.draw
    judged = spec.reward.wrap(env, model=model)
    scores: list[Score | None] = []
    rollouts: list[Rollout] = []
    for number in range(spec.num_eval):
        index = EVAL_FIRST_INDEX + SCENES_A_SEED * spec.seed + number
        is_shown = number < spec.num_shown
        _, _, info = play(judged if is_shown else env, choose, index=index)
        scores.append(_score(info.get("score")))
        if is_shown and info:
            rollouts.append(_keep(env, info, index, spec.run_id, out))
    return tuple(scores), tuple(rollouts)


def _keep(env: SkillEnv, info: dict[str, Any], index: int, run_id: str, out: Path) -> Rollout:
    """Write pictures of the episode that has just ended."""
    paths = []
    for number, frame in enumerate(env.attempt.frames(_SHOWN_FRAMES, size_px=_SHOWN_PX)):
        paths.append(f"pictures/{run_id}/{index}-{number}.jpg")
        write_atomic(out / paths[-1], jpeg_bytes(frame))
    return Rollout(
        scene=index,
        task=env.task_text,
        true_score=SCORES[info["score"] - 1],
        true_reason=info["reason"],
        reward_score=_said(info),
        pictures=tuple(paths),
    )


def _score(value: int | None) -> Score | None:
    return None if value is None else SCORES[value - 1]


def _said(info: Mapping[str, Any]) -> Score | None:
    """The score behind the reward, where a reward model gave one."""
    verdict = info.get("reward_model")
    return None if verdict is None else _score(verdict["score"])
