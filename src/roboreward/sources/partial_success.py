"""From a person's partial success, 0..100 or 0..1, to a score of 1..5: which scale a dump has, and named mappings."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from roboreward.core import SCORES, DataError, Score, UnknownName, UsageError

Maximum = Literal[1, 100]
Thresholds = tuple[float, float, float, float]

RUBRIC_MAPPING: Final = "partial-success-rubric-v1"
QUINTILES_MAPPING: Final = "partial-success-quintiles-v1"
MAPPINGS: Final[Mapping[str, Thresholds]] = {
    RUBRIC_MAPPING: (0.125, 0.375, 0.625, 1.0),
    QUINTILES_MAPPING: (0.2, 0.4, 0.6, 0.8),
}
"""Lowest partial success, in [0, 1], of the scores 2, 3, 4 and 5. RoboReward's own thresholds are not known.

partial-success-rubric-v1     the score whose progress (score - 1) / 4 is nearest, halves upwards, but 5 for complete
                              success only: that is how `rubric-v1` words it, and how RoboArena's client defines its
                              binary success (1 where partial success is 100)
partial-success-quintiles-v1  fifths of equal width; 80 % of a task is then a 5
"""


@dataclass(frozen=True)
class ScoreMapping:
    """A mapping under a name, which becomes part of the label's author.

    Attributes:
        name: One of `MAPPINGS`, or made of the thresholds.
        thresholds: Lowest partial success, in [0, 1], of the scores 2 to 5.
    """

    name: str
    thresholds: Thresholds

    def score(self, partial_success: float) -> Score:
        """Return the score for a partial success in [0, 1]."""
        return SCORES[sum(partial_success >= threshold for threshold in self.thresholds)]


def score_mapping(thresholds: str | Sequence[float]) -> ScoreMapping:
    """Return the mapping of that name, or with these four thresholds.

    Raises:
        UnknownName: No mapping has this name.
        UsageError: The thresholds are not four increasing numbers in (0, 1].
    """
    if isinstance(thresholds, str):
        if thresholds not in MAPPINGS:
            raise UnknownName("mapping of partial success", thresholds, MAPPINGS)
        return ScoreMapping(thresholds, MAPPINGS[thresholds])
    if len(thresholds) == 4:
        two, three, four, five = map(float, thresholds)
        if 0 < two < three < four < five <= 1:
            name = "partial-success-" + "-".join(f"{value:g}" for value in thresholds)
            return ScoreMapping(name, (two, three, four, five))
    text = "thresholds must be four increasing numbers in (0, 1], for the scores 2, 3, 4 and 5"
    raise UsageError(f"{text}; got {thresholds!r}.")


def as_number(value: Any) -> float | None:
    """Return a partial success as a number in [0, 100], or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= 100 else None


def detect_maximum(values: Iterable[float], *, where: str) -> Maximum:
    """Return which scale the values of a whole dump are on. One value alone cannot tell: 1 may be all or a hundredth.

    Args:
        values: All partial successes, each in [0, 100]; walked once.
        where: The dump, for messages.

    Raises:
        DataError: All are 0 or 1, or some are fractions below 1 while others are above 1.
    """
    has_fraction = has_large = False
    for value in values:
        has_fraction = has_fraction or 0 < value < 1
        has_large = has_large or value > 1
    if has_large != has_fraction:
        return 100 if has_large else 1
    found = "both fractions and values above 1" if has_large else "only 0 and 1"
    raise DataError(
        f"{where}: partial success is {found}, so that its scale is not clear. "
        "Pass partial_success_max=1 or partial_success_max=100."
    )
