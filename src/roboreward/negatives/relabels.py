"""Counterfactual relabels: the same video under another task deserves what that task's rule says."""

from collections.abc import Iterable, Sequence

import numpy as np

from roboreward.core import SCORES, Validation
from roboreward.negatives.negative import Negative, Oracle, TaskT


def relabels(
    alternatives: Iterable[TaskT], oracle: Oracle[TaskT], *, keep_frac: float = 1.0
) -> list[Negative[TaskT]]:
    """Score every alternative task of an episode.

    An alternative may well be fulfilled too (score 5): another task is never taken for a failure.

    Args:
        alternatives: Tasks that make sense in the scene, other than the true one.
        oracle: Judge of this episode; it proposes and validates at once, so all are accepted.
        keep_frac: Share of the episode that is shown.
    """
    accepted = Validation(validator=oracle.name, is_accepted=True)
    return [
        Negative(
            origin="counterfactual",
            task=task,
            keep_frac=keep_frac,
            proposed=None,
            label=oracle.label(task, keep_frac),
            validation=accepted,
            parent_id=oracle.episode_id,
        )
        for task in alternatives
    ]


def balanced(
    negatives: Sequence[Negative[TaskT]], *, per_level: int, rng: np.random.Generator
) -> list[Negative[TaskT]]:
    """Draw at most `per_level` of each score, without replacement, in the order given.

    Unbalanced relabels are about 85 % score 1, which teaches a model to say 1.
    """
    chosen: list[int] = []
    for score in SCORES:
        places = [i for i, negative in enumerate(negatives) if negative.label.score == score]
        take = min(per_level, len(places))
        chosen.extend(
            int(i) for i in rng.choice(places, size=take, replace=False)
        ) if take else None
    return [negatives[i] for i in sorted(chosen)]
