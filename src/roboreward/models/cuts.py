"""From a number between 0 and 1 to a score: named, fixed cut points, none of them fitted to anything."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from roboreward.core import SCORES, Score

Cuts = Literal["nearest-level", "half-is-success", "even"]
CUTS: Final[Mapping[Cuts, tuple[float, float, float, float]]] = MappingProxyType(
    {
        "nearest-level": (0.125, 0.375, 0.625, 0.875),
        "half-is-success": (1 / 6, 1 / 3, 1 / 2, 3 / 4),
        "even": (0.2, 0.4, 0.6, 0.8),
    }
)
"""Values at which the scores 2, 3, 4 and 5 begin.

nearest-level    for progress: the score whose progress (score - 1) / 4 is nearest, the higher one of a tie
half-is-success  for a probability of success: a score of 4 or 5, which counts as a success, from 0.5 on
even             five parts of equal width
"""


def score_at(value: float, cuts: Cuts) -> Score:
    """Return the score for a value in [0, 1]."""
    return SCORES[sum(value >= cut for cut in CUTS[cuts])]
