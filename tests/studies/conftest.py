"""Studies that nobody ran: made-up runs with learning curves as one expects them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.studies.results import Rollout, StudyRun

START = {"imprecise": 0.45, "near-miss": 0.2, "wrong-object": 0.3}
END = {
    "none": 0.0,
    "floor": -0.01,
    "oracle-success": 0.95,
    "oracle-1-5": 0.93,
    "nano": 0.9,
    "nano-no-relabels": 0.55,
    "nano-no-negatives": 0.25,
}
CALLS_A_FAILURE_5 = {
    "floor": 0.2,
    "oracle-1-5": 0.0,
    "nano": 0.03,
    "nano-no-relabels": 0.22,
    "nano-no-negatives": 0.45,
}
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 20


def made_up_run(
    reward: str,
    *,
    base: str = "imprecise",
    variant: Any = "one-decision",
    seed: int = 0,
    num_train: int = 400,
    num_eval: int = 200,
    success: float | None = None,
    rollouts: tuple[Rollout, ...] = (),
) -> StudyRun:
    """One run whose success moves from the base's to the reward's; `success` sets the final one exactly."""
    rng = np.random.default_rng([seed, *reward.encode(), *base.encode(), *variant.encode()])
    start = START.get(base, 0.4)
    end = start + (1 - start) * END.get(reward, 0.6) + rng.normal(0, 0.015)
    num = 0 if reward == "none" else num_train
    chance = start + (end - start) / (1 + np.exp(-(np.arange(num) - num * 0.3) / (num * 0.08 + 1)))
    is_good = rng.random(num) < chance
    true = np.where(is_good, 5, rng.integers(1, 5, num))
    if reward in CALLS_A_FAILURE_5:
        wrong = rng.random(num) < CALLS_A_FAILURE_5[reward]
        said = np.where(is_good | wrong, 5, np.minimum(true, 4))
    else:
        said = true
    gives_scores = reward in CALLS_A_FAILURE_5 or reward not in END
    is_dropped = rng.random(num) < (0.01 if reward.startswith("nano") else 0)
    final = start if reward == "none" else end
    num_good = round(num_eval * (np.clip(final, 0, 1) if success is None else success))
    return StudyRun(
        run_id=f"{reward}-{base}-{variant}-{seed}",
        base=base,
        variant=variant,
        reward=reward,
        revision="r1",
        seed=seed,
        true_scores=tuple(int(t) for t in true),
        rewards=tuple(
            None if d else float((s - 1) / 4) for s, d in zip(said, is_dropped, strict=True)
        ),
        reward_scores=tuple(
            int(s) if gives_scores and not d else None
            for s, d in zip(said, is_dropped, strict=True)
        ),
        dropped={"abstained": int(is_dropped.sum())} if is_dropped.any() else {},
        eval_scores=(5,) * num_good + (2,) * (num_eval - num_good),
        rollouts=rollouts,
        cpu_s=float(rng.uniform(40, 60)),
        wall_s=30.0,
    )


@pytest.fixture
def make_run() -> Callable[..., StudyRun]:
    return made_up_run


@pytest.fixture
def make_runs() -> Callable[..., list[StudyRun]]:
    """Return a function that makes a run for each reward and seed, on one base policy."""

    def make(*rewards: str, seeds: int = 5, **settings: Any) -> list[StudyRun]:
        return [made_up_run(r, seed=s, **settings) for r in rewards for s in range(seeds)]

    return make


@pytest.fixture
def make_rollout(tmp_path: Path) -> Callable[..., Rollout]:
    """Return a function that makes a rollout whose pictures are in `tmp_path`."""

    def make(scene: int, *, tag: str, num: int = 3, **settings: Any) -> Rollout:
        names = tuple(f"pictures/{tag}-{scene}-{n}.jpg" for n in range(num))
        (tmp_path / "pictures").mkdir(exist_ok=True)
        for name in names:
            (tmp_path / name).write_bytes(JPEG)
        words = {"task": f"lift block {scene}", "true_score": 5, "true_reason": "done"}
        return Rollout(
            **{"scene": scene, "reward_score": None, "pictures": names, **words, **settings}
        )

    return make
