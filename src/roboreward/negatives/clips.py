"""Temporal clips: a prefix of a success, under its true task, deserves less."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roboreward.core import Score, Validation
from roboreward.negatives.negative import Negative, Oracle, TaskT

CLIP_FRACTIONS: Final[Mapping[Score, float]] = MappingProxyType({1: 0.1, 2: 0.3, 3: 0.5, 4: 0.7})
"""Share of a success that is kept for each score. Measured by third parties on the durations of the released RoboReward
clips; the paper does not print it."""


def temporal_clips(task: TaskT, oracle: Oracle[TaskT]) -> list[Negative[TaskT]]:
    """Propose the four clips of a successful episode and have the oracle validate each.

    Nothing is dropped here: `validation.is_accepted` says whether the oracle gives the proposed score. A recipe that
    follows the paper keeps the accepted ones; one with an exact oracle may keep all, under the oracle's label.

    Args:
        task: The task that the episode fulfils.
        oracle: Judge of this episode.
    """
    return [
        _clip(task, proposed=score, keep_frac=frac, oracle=oracle)
        for score, frac in CLIP_FRACTIONS.items()
    ]


def _clip(
    task: TaskT, *, proposed: Score, keep_frac: float, oracle: Oracle[TaskT]
) -> Negative[TaskT]:
    label = oracle.label(task, keep_frac)
    text = f"proposed {proposed} for the first {keep_frac:.0%}, found {label.score}"
    return Negative(
        origin="clip",
        task=task,
        keep_frac=keep_frac,
        proposed=proposed,
        label=label,
        parent_id=oracle.episode_id,
        validation=Validation(
            validator=oracle.name, is_accepted=label.score == proposed, text=text
        ),
    )
