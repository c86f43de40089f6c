"""The five levels of success and their wording.

The wording of `RUBRIC_V1` is ours. The published prompt of the RoboReward checkpoints carries its own wording,
which is part of those weights' interface and therefore lives with the prompt in `judge/`.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Score = Literal[1, 2, 3, 4, 5]
SCORES: Final[tuple[Score, ...]] = (1, 2, 3, 4, 5)
SUCCESS_SCORE: Final = 4
"""Lowest score that counts as a success where a yes or no is wanted."""


class Level(BaseModel):
    """One step of a rubric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Score
    name: str
    meaning: str


class Rubric(BaseModel):
    """Five levels under a version. A change of wording is a new version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    levels: tuple[Level, Level, Level, Level, Level]

    def level(self, score: int) -> Level:
        """Return the level for `score` in 1..5."""
        return self.levels[score - 1]


RUBRIC_V1: Final = Rubric(
    version="rubric-v1",
    levels=(
        Level(score=1, name="no success", meaning="Nothing that matters to the task has changed."),
        Level(
            score=2,
            name="minimal progress",
            meaning="A small change toward the goal, far from enough.",
        ),
        Level(
            score=3,
            name="partial completion",
            meaning="Good progress, but a main requirement or several smaller ones are not met.",
        ),
        Level(
            score=4,
            name="near completion",
            meaning="Right place and intent; one small requirement is not met.",
        ),
        Level(score=5, name="perfect completion", meaning="Every requirement is met at the end."),
    ),
)


def progress_of(score: float) -> float:
    """Map a score in [1, 5], or an expected score, to progress in [0, 1]."""
    return (score - 1.0) / 4.0
