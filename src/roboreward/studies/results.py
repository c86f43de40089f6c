"""What a study keeps: one record a run, and the numbers that tables and pages are made of."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import Score, Status
from roboreward.studies.stats import Interval, mean_interval, share_interval

Floats = npt.NDArray[np.float64]
Variant = Literal["one-decision", "chunked"]

TRUE_SUCCESS: Final = 5
"""An episode is a true success when the simulator's rule gives it this score: every requirement met."""


NONE: Final = "none"
"""No reward: the base policy as it is."""
ORACLE: Final = "oracle-success"
"""The reference: the success that a person watching would give, 1 or 0."""
ORACLE_LEVELS: Final = "oracle-1-5"
"""The simulator's exact score, as progress."""
FLOOR: Final = "floor"
"""Scores by chance."""


class Rollout(BaseModel):
    """One evaluation episode that is kept to be looked at.

    Attributes:
        scene: Number of the scene; the same number is the same scene and task in every run of a base policy.
        task: The instruction.
        true_score, true_reason: The simulator's score and its words.
        reward_score: What the reward of this run says of it, when it gives a score.
        pictures: JPEG files relative to the study's folder, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scene: int
    task: str
    true_score: Score
    true_reason: str
    reward_score: Score | None
    pictures: tuple[str, ...]


class StudyRun(BaseModel):
    """One policy trained with one reward from one seed. Tuples over training episodes are in the order of training.

    Attributes:
        run_id: Hash of everything that can change the run's numbers.
        base: Base policy, such as "imprecise".
        variant: How many decisions an episode has.
        reward: Name of the reward in the study, such as "nano"; "none" is the base policy itself.
        revision: What else identifies the reward, such as a digest of weights.
        seed: Of the scenes, the critic and the exploration.
        true_scores: The simulator's score of each training episode; None for one that was stopped at a bad action.
        rewards: What the learner was given, in [0, 1]; None for an episode that was dropped.
        reward_scores: The score 1..5 behind each reward; None without one.
        dropped: Episodes that the learner did not get, by status of the verdict or by reason.
        eval_scores: True scores of the final policy on the evaluation scenes, None for a stopped one.
        rollouts: A few of these, with pictures.
        cpu_s, wall_s: Of this run, in seconds.
        commit, environment: Of the code that did the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    base: str
    variant: Variant
    reward: str
    revision: str
    seed: int
    true_scores: tuple[Score | None, ...]
    rewards: tuple[float | None, ...]
    reward_scores: tuple[Score | None, ...]
    dropped: dict[Status | Literal["bad_action", "not_finite"], int] = Field(default_factory=dict)
    eval_scores: tuple[Score | None, ...]
    rollouts: tuple[Rollout, ...] = ()
    cpu_s: float
    wall_s: float
    commit: str | None = None
    environment: dict[str, str] = Field(default_factory=dict)

    @property
    def success(self) -> float:
        """Share of evaluation episodes that are true successes; a stopped episode is none."""
        return float(np.mean([score == TRUE_SUCCESS for score in self.eval_scores]))

    @property
    def mean_score(self) -> float:
        """Mean true score of the evaluation episodes; a stopped episode counts as 1."""
        return float(np.mean([score or 1 for score in self.eval_scores]))

    def success_curve(self, window: int) -> Floats:
        """Share of true successes in each block of `window` training episodes, (num // window,)."""
        is_good = np.array([score == TRUE_SUCCESS for score in self.true_scores], np.float64)
        return np.asarray(_blocks(is_good, window).mean(1))

    def false_positives(self, window: int) -> Floats:
        """Share of failures (true score below 5) that the reward called a 5, in each block of `window` training
        episodes, (num // window,); NaN where a block holds no failure with a score."""
        true = np.array([score or 0 for score in self.true_scores])
        said = np.array([score or 0 for score in self.reward_scores])
        is_failure = (true > 0) & (true < TRUE_SUCCESS) & (said > 0)
        failed = _blocks(is_failure.astype(np.float64), window)
        wrong = _blocks((is_failure & (said == TRUE_SUCCESS)).astype(np.float64), window)
        with np.errstate(invalid="ignore"):
            return np.asarray(wrong.sum(1) / failed.sum(1))


def _blocks(values: Floats, window: int) -> Floats:
    num = len(values) // window
    return values[: num * window].reshape(num, window)


class Row(BaseModel):
    """A line of a study's table: one reward on one base policy, over its seeds.

    Attributes:
        success: Final true success, the mean over seeds, with a 95 % interval over seeds.
        by_seed: The same of each seed, in the order of `seeds`.
        mean_score: Mean true score, with interval.
        gain: Difference to "none" of the same seeds (same scenes), with interval; None for "none".
        to_oracle: Difference to the reference oracle, with interval; None for it.
        false_positive: Share of training failures that the reward called a 5, over all seeds; None when it gives no
            scores or there were no failures.
        num_dropped: Training episodes that the learner did not get.
        num_stopped: Evaluation episodes that were stopped at a bad action; they count as failures.
        cpu_s: Median CPU seconds of a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    variant: Variant
    reward: str
    seeds: tuple[int, ...]
    success: Interval
    by_seed: tuple[float, ...]
    mean_score: Interval
    gain: Interval | None
    to_oracle: Interval | None
    false_positive: float | None
    num_dropped: int
    num_stopped: int
    num_train: int
    cpu_s: float


def rows(runs: Sequence[StudyRun]) -> list[Row]:
    """Return one row for each (variant, base, reward) of the runs, in their order of first appearance.

    Differences are paired: only seeds that both sides have are compared.
    """
    cells: dict[tuple[Variant, str, str], dict[int, StudyRun]] = {}
    for run in runs:
        cells.setdefault((run.variant, run.base, run.reward), {})[run.seed] = run
    return [
        _row(mine, cells.get((*key[:2], NONE), {}), cells.get((*key[:2], ORACLE), {}))
        for key, mine in cells.items()
    ]


def _row(mine: dict[int, StudyRun], none: dict[int, StudyRun], oracle: dict[int, StudyRun]) -> Row:
    ordered = [mine[seed] for seed in sorted(mine)]
    first = ordered[0]
    return Row(
        base=first.base,
        variant=first.variant,
        reward=first.reward,
        seeds=tuple(run.seed for run in ordered),
        success=share_interval(
            [run.success for run in ordered],
            num_cases=sum(len(run.eval_scores) for run in ordered),
        ),
        by_seed=tuple(run.success for run in ordered),
        mean_score=mean_interval([run.mean_score for run in ordered]),
        gain=_difference(mine, none) if first.reward != NONE else None,
        to_oracle=_difference(mine, oracle) if first.reward != ORACLE else None,
        false_positive=_false_positive(ordered),
        num_dropped=sum(sum(run.dropped.values()) for run in ordered),
        num_stopped=sum(run.eval_scores.count(None) for run in ordered),
        num_train=sum(len(run.true_scores) for run in ordered),
        cpu_s=float(np.median([run.cpu_s for run in ordered])),
    )


def _difference(mine: dict[int, StudyRun], other: dict[int, StudyRun]) -> Interval | None:
    both = sorted(set(mine) & set(other))
    return mean_interval([mine[s].success - other[s].success for s in both]) if both else None


def _false_positive(runs: Sequence[StudyRun]) -> float | None:
    pairs = [
        (said, true)
        for run in runs
        for said, true in zip(run.reward_scores, run.true_scores, strict=True)
        if said is not None and true is not None and true < TRUE_SUCCESS
    ]
    return float(np.mean([said == TRUE_SUCCESS for said, _ in pairs])) if pairs else None
