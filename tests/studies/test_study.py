"""A study is done once, run by run: interrupted, damaged or on more cores, it ends at the same numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="the rl extra is not installed")

from roboreward.core import DataError, StoreError  # noqa: E402
from roboreward.rl import Steering, SteeringBudget, load_policy, play  # noqa: E402
from roboreward.sim import SkillEnv  # noqa: E402
from roboreward.store import lock_folder  # noqa: E402
from roboreward.studies import StudyPlan, StudyRun, reward_sources, run_study  # noqa: E402
from roboreward.studies.plan import (  # noqa: E402
    EVAL_FIRST_INDEX,
    SCENES_A_SEED,
    TRAIN_FIRST_INDEX,
)

pytestmark = pytest.mark.torch

CHANCE, FOUR, SILENT = "floor", "mock:4", "mock:no idea"
REWARDS = ("none", "oracle-success", CHANCE, FOUR, SILENT)
BUDGET = {
    "num_demos": 60,
    "num_clone_steps": 40,
    "num_episodes": 6,
    "num_random": 3,
    "num_updates": 2,
}
CELL = {"variant": "one-decision", "base": "imprecise", "rewards": REWARDS}
TINY: dict[str, Any] = {
    "cells": (CELL,),
    "budgets": {"one-decision": BUDGET},
    "num_seeds": 2,
    "num_eval": 4,
    "num_shown": 2,
}
NUM_RUNS = 10

# Does the study of the command line, and kills itself as the system would: before the fourth record is written, when
# its training, its evaluation and its pictures are done.
KILLED = """
import json, os, signal, sys
from pathlib import Path
import roboreward.studies.study as study
from roboreward.studies import StudyPlan, reward_sources, run_study
real, num_written = study.write_json, 0
def deadly(path, value):
    global num_written
    num_written += 1
    if num_written == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, value)
study.write_json = deadly
plan = StudyPlan.model_validate_json(sys.argv[1])
own, further = json.loads(sys.argv[2])
run_study(plan, reward_sources(own, further=further), Path(sys.argv[3]), num_workers=1)
"""


def plan_of(**settings: Any) -> StudyPlan:
    return StudyPlan.model_validate({**TINY, **settings})


def split_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    further = [name for name in names if name.startswith("mock:")]
    return [name for name in names if name not in further], further


def do(plan: StudyPlan, out: Path, **settings: Any) -> list[StudyRun]:
    own, further = split_names(plan.rewards)
    settings = {"num_workers": 1, **settings}
    return run_study(plan, reward_sources(own, further=further), out, **settings)


def numbers(runs: Sequence[StudyRun]) -> list[dict[str, Any]]:
    """What runs found out, without how long it took and which code did it."""
    return [run.model_dump(exclude={"cpu_s", "wall_s", "commit", "environment"}) for run in runs]


def mtimes(folder: Path) -> dict[str, int]:
    """When each file was written; the lock, which is not one of the study's, is left out."""
    files = [path for path in folder.rglob("*.*") if path.is_file() and path.name[0] != "."]
    return {str(path): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StudyRun]]:
    out = tmp_path_factory.mktemp("study") / "tiny"
    return out, do(plan_of(), out)


@pytest.fixture
def copied(finished: tuple[Path, list[StudyRun]], tmp_path: Path) -> Path:
    """A copy of the finished study, to be spoiled."""
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


@pytest.fixture
def run_of(finished: tuple[Path, list[StudyRun]]) -> Callable[..., StudyRun]:
    """Return a function that finds the run of a reward."""

    def find(reward: str, seed: int = 0) -> StudyRun:
        (found,) = [run for run in finished[1] if (run.reward, run.seed) == (reward, seed)]
        return found

    return find


def test_a_study_does_every_run_of_its_plan_in_order(
    finished: tuple[Path, list[StudyRun]],
) -> None:
    out, runs = finished
    assert [(run.seed, run.reward) for run in runs] == [(s, r) for s in (0, 1) for r in REWARDS]
    for run in runs:
        num_trained = 0 if run.reward == "none" else 6
        lengths = {len(run.true_scores), len(run.rewards), len(run.reward_scores)}
        assert (lengths, len(run.eval_scores)) == ({num_trained}, 4)
        record = (out / "runs" / f"{run.run_id}.json").read_text()
        assert StudyRun.model_validate_json(record) == run
        assert run.cpu_s > 0
        assert {"python", "roboreward", "numpy", "torch", "mujoco"} <= set(run.environment)
    assert len(list((out / "runs").iterdir())) == NUM_RUNS


def test_each_reward_is_what_its_name_says(run_of: Callable[..., StudyRun]) -> None:
    oracle, chance, four = (run_of(name) for name in ("oracle-success", CHANCE, FOUR))
    assert oracle.rewards == tuple(float(score == 5) for score in oracle.true_scores)
    assert oracle.reward_scores == (None,) * 6
    assert (four.rewards, four.reward_scores) == ((0.75,) * 6, (4,) * 6)
    assert chance.rewards == tuple(((score or 0) - 1) / 4 for score in chance.reward_scores)
    assert len(set(chance.rewards)) > 1
    assert chance.reward_scores != run_of(CHANCE, 1).reward_scores


def test_rewards_of_a_seed_are_tried_on_the_same_episodes_and_seeds_on_others(
    run_of: Callable[..., StudyRun],
) -> None:
    # The first three episodes are unsteered, so with the same noise they end the same, whatever the reward.
    starts = {run_of(name).true_scores[:3] for name in REWARDS[1:]}
    assert len(starts) == 1
    assert {run_of(name, 1).true_scores[:3] for name in REWARDS[1:]} != starts
    scenes = [[rollout.scene for rollout in run_of(name).rollouts] for name in ("none", FOUR)]
    assert scenes[0] == scenes[1] == [EVAL_FIRST_INDEX, EVAL_FIRST_INDEX + 1]


def test_a_reward_without_an_answer_is_counted_and_never_invented(
    run_of: Callable[..., StudyRun],
) -> None:
    for seed in (0, 1):
        run = run_of(SILENT, seed)
        assert run.dropped == {"unparsed": 6}
        assert run.rewards == run.reward_scores == (None,) * 6
        assert None not in run.true_scores
    assert all(rollout.reward_score is None for rollout in run_of(SILENT).rollouts)
    assert run_of(FOUR).dropped == {}


def test_a_reward_without_an_answer_leaves_the_base_policy_as_it_is(tmp_path: Path) -> None:
    cell = {**CELL, "rewards": (SILENT,)}
    # Enough demonstrations that the base policy sometimes succeeds; all episodes unsteered, so noise can be counted.
    budget = {**BUDGET, "num_demos": 300, "num_clone_steps": 300, "num_random": 6}
    plan = plan_of(cells=(cell,), budgets={"one-decision": budget}, num_seeds=1, num_eval=20)
    (run,) = do(plan, tmp_path)
    (policy,) = (tmp_path / "policies").iterdir()
    base, env = Steering(load_policy(policy), seed=0), SkillEnv(split="test")
    indices = [TRAIN_FIRST_INDEX + n for n in range(6)] + [EVAL_FIRST_INDEX + n for n in range(20)]
    scores = tuple(play(env, base.draw, index=index)[2]["score"] for index in indices)
    assert (run.true_scores, run.eval_scores) == (scores[:6], scores[6:])
    assert len(set(scores)) > 1


def test_what_was_learned_is_what_is_evaluated_each_seed_on_scenes_of_its_own(
    finished: tuple[Path, list[StudyRun]], run_of: Callable[..., StudyRun]
) -> None:
    (policy,) = (finished[0] / "policies").iterdir()
    budget = SteeringBudget(BUDGET["num_episodes"], BUDGET["num_random"], BUDGET["num_updates"])
    env = SkillEnv(split="test")
    for seed in (0, 1):
        run, steering = run_of("oracle-success", seed), Steering(load_policy(policy), seed=seed)
        first = TRAIN_FIRST_INDEX + SCENES_A_SEED * seed
        history = steering.train(env, first_index=first, budget=budget)
        assert run.rewards == tuple(history.rewards)
        assert run.true_scores == tuple(info["score"] for info in history.infos)
        indices = [EVAL_FIRST_INDEX + SCENES_A_SEED * seed + n for n in range(4)]
        scores = [play(env, steering.choose, index=index)[2]["score"] for index in indices]
        assert run.eval_scores == tuple(scores)


def test_a_finished_study_is_not_done_again(
    finished: tuple[Path, list[StudyRun]], copied: Path
) -> None:
    before = mtimes(copied)
    told: list[tuple[str, int, int]] = []
    again = do(plan_of(), copied, progress=lambda *state: told.append(state))
    assert again == finished[1]
    assert mtimes(copied) == before
    assert told == [("runs", NUM_RUNS, NUM_RUNS)]


def test_a_run_whose_file_is_deleted_is_done_again_with_the_same_numbers(
    finished: tuple[Path, list[StudyRun]], copied: Path
) -> None:
    gone = [finished[1][n].run_id for n in (1, 4)]
    for run_id in gone:
        (copied / "runs" / f"{run_id}.json").unlink()
    before = mtimes(copied / "runs")
    told: list[tuple[str, int, int]] = []
    again = do(plan_of(), copied, progress=lambda *state: told.append(state))
    assert numbers(again) == numbers(finished[1])
    assert told == [("runs", n, NUM_RUNS) for n in (8, 9, 10)]
    after = mtimes(copied / "runs")
    assert {Path(name).stem for name in set(after) - set(before)} == set(gone)
    assert before.items() <= after.items()


@pytest.mark.parametrize("damage", ["empty", "torn", "text", "bytes", "other version", "folder"])
def test_a_damaged_run_is_an_error_that_names_its_file(
    finished: tuple[Path, list[StudyRun]], copied: Path, damage: str
) -> None:
    path = copied / "runs" / f"{finished[1][3].run_id}.json"
    whole = path.read_bytes()
    spoiled = {
        "empty": b"",
        "torn": whole[: len(whole) // 2],
        "text": b"[]",
        "bytes": b"\xff\xfe\x00",
        "other version": json.dumps({**json.loads(whole), "more": 1}).encode(),
    }
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(spoiled[damage])
    with pytest.raises(DataError, match=rf"(?s)Cannot read the run .*{path.name}.*Delete the file"):
        do(plan_of(), copied)


def test_a_damaged_base_policy_is_an_error_that_names_its_file(copied: Path) -> None:
    (path,) = (copied / "policies").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=rf"Cannot read the policy .*{path.name}"):
        do(plan_of(), copied)


def test_more_seeds_in_the_same_folder_keep_what_is_there(
    finished: tuple[Path, list[StudyRun]], copied: Path
) -> None:
    more = do(plan_of(num_seeds=3, cells=({**CELL, "rewards": ("none", FOUR)},)), copied)
    assert [(run.seed, run.reward) for run in more[4:]] == [(2, "none"), (2, FOUR)]
    old = {run.run_id: run for run in finished[1]}
    assert more[:4] == [old[run.run_id] for run in more[:4]]


def test_another_budget_of_cloning_is_another_base_policy(
    finished: tuple[Path, list[StudyRun]], copied: Path, tmp_path: Path
) -> None:
    cell = {**CELL, "rewards": ("none",)}
    for field in ("num_demos", "num_clone_steps"):
        budgets = {"one-decision": {**BUDGET, field: BUDGET[field] + 15}}
        plan = plan_of(cells=(cell,), budgets=budgets, num_shown=0)
        used = do(plan, copied)
        # As in a folder of its own, whatever was there before.
        assert numbers(used) == numbers(do(plan, tmp_path / field))
    assert do(plan_of(), copied) == finished[1]


def test_pictures_of_the_first_seed_are_kept_as_jpeg(
    finished: tuple[Path, list[StudyRun]],
) -> None:
    out, runs = finished
    for run in runs:
        is_shown = run.seed == 0 and run.reward in ("none", FOUR, SILENT)
        assert len(run.rollouts) == (2 if is_shown else 0)
        for number, rollout in enumerate(run.rollouts):
            assert rollout.true_score == run.eval_scores[number]
            assert rollout.reward_score == (4 if run.reward == FOUR else None)
            assert len(rollout.pictures) == 4
            for name in rollout.pictures:
                assert (out / name).read_bytes().startswith(b"\xff\xd8\xff")
                with Image.open(out / name) as picture:
                    assert (picture.format, picture.size) == ("JPEG", (160, 160))
    kept = {str(path.relative_to(out)) for path in (out / "pictures").rglob("*.jpg")}
    assert kept == {name for run in runs for r in run.rollouts for name in r.pictures}


def test_four_decisions_are_trained_and_evaluated_too(tmp_path: Path) -> None:
    cell = {"variant": "chunked", "base": "wrong-object", "rewards": ("oracle-1-5", FOUR)}
    plan = plan_of(cells=(cell,), budgets={"chunked": BUDGET}, num_seeds=1)
    oracle, four = do(plan, tmp_path)
    assert oracle.rewards == tuple(((score or 0) - 1) / 4 for score in oracle.true_scores)
    assert four.rewards == (0.75,) * 6
    assert [len(run.eval_scores) for run in (oracle, four)] == [4, 4]


def test_a_folder_is_worked_in_by_one_study_at_a_time(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(StoreError, match="in use"):
        do(plan_of(), tmp_path)


@pytest.mark.slow
def test_two_workers_give_the_numbers_of_one(
    finished: tuple[Path, list[StudyRun]], tmp_path: Path
) -> None:
    assert numbers(do(plan_of(), tmp_path, num_workers=2)) == numbers(finished[1])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_a_killed_study_goes_on_and_ends_as_one_that_was_never_disturbed(
    finished: tuple[Path, list[StudyRun]], tmp_path: Path
) -> None:
    plan, out = plan_of(), tmp_path / "killed"
    names = json.dumps(split_names(plan.rewards))
    words = [sys.executable, "-c", KILLED, plan.model_dump_json(), names, str(out)]
    killed = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there = mtimes(out / "runs")
    assert len(there) == 3
    told: list[int] = []
    resumed = do(plan, out, progress=lambda name, num_done, num: told.append(num_done))
    assert numbers(resumed) == numbers(finished[1])
    assert told == list(range(3, NUM_RUNS + 1))
    assert there.items() <= mtimes(out / "runs").items()
