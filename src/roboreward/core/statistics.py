"""Two intervals at 95 %, for means of a few values and for shares; and the nearest curve that never falls."""

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Final

# Two-sided 95 % quantiles for 1 to 8 degrees of freedom, from the standard tables.
_TABLE: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306)
_Z: Final = NormalDist().inv_cdf(0.975)


def student_t(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's t with `freedom` >= 1 degrees of freedom.

    From 9 on by the Cornish-Fisher expansion, whose error is then below 0.001.

    Raises:
        ValueError: `freedom` is below 1.
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    if freedom <= len(_TABLE):
        return _TABLE[freedom - 1]
    z, v = _Z, freedom
    terms = (
        (z**3 + z) / (4 * v),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3),
    )
    return z + sum(terms)


def wilson(share: float, num: float) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a share among `num` independent cases."""
    centre = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z * math.sqrt(share * (1 - share) / num + _Z**2 / (4 * num**2)) / (1 + _Z**2 / num)
    return max(0.0, centre - half), min(1.0, centre + half)


def rising_pools(points: Iterable[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Pool adjacent violators: the means nearest to the points, by least squares, that never fall.

    Args:
        points: In order, each with its sum and its weight > 0; the value is their quotient.

    Returns:
        Pools in order, with rising quotients: sum, weight, and how many points each holds.
    """
    pools: list[tuple[float, float, int]] = []
    for total, weight in points:
        pool = (total, weight, 1)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return pools
