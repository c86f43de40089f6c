"""Many episodes on all cores, in order, the same whatever the number of processes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import Final, TypeVar

from roboreward.core import SCORES, RoboRewardError, UsageError
from roboreward.sim.episode import EpisodeSpec, SimEpisode, simulate, simulate_states_only
from roboreward.sim.splits import Split
from roboreward.store import run_in_order

T = TypeVar("T")

_BATCH: Final = 8
_MOST_PER_KEPT: Final = 60
"""An episode of the rarest level turns up about once in twelve; well beyond that something is wrong."""


def generate(
    specs: Iterable[EpisodeSpec], *, num_workers: int | None = None
) -> Iterator[SimEpisode]:
    """Simulate and render episodes, and yield them in the order of their specs.

    Args:
        specs: Which episodes; read lazily.
        num_workers: Processes; None for one a core. With 1, everything runs in this process. More start with
            "spawn", so a script must guard its start with `if __name__ == "__main__":`.

    Raises:
        UsageError: `num_workers` is below 1.
        RoboRewardError: An episode failed, or a worker process died.
    """
    return _in_order(simulate, specs, num_workers=num_workers)


def balanced_specs(
    split: Split,
    *,
    per_level: int,
    first_index: int = 0,
    num_frames: int = 8,
    size_px: int = 96,
    num_workers: int | None = None,
) -> list[EpisodeSpec]:
    """Pick organic episodes so that each of the five scores occurs equally often.

    Episodes are tried from `first_index` on, without rendering, and the first `per_level` of each score are kept: the
    same arguments give the same list, and a longer list begins with all of a shorter one's episodes at each level.

    Returns:
        5 * `per_level` specs in the order of their index.
    """
    if per_level < 1:
        raise UsageError(f"per_level is {per_level}; give at least 1.")
    tried = (
        EpisodeSpec(split, index, None, num_frames=num_frames, size_px=size_px)
        for index in islice(count(first_index), per_level * len(SCORES) * _MOST_PER_KEPT)
    )
    kept: list[EpisodeSpec] = []
    found: Counter[int] = Counter()
    for spec, score in _in_order(_score_of, tried, num_workers=num_workers):
        if found[score] < per_level:
            found[score] += 1
            kept.append(spec)
        if len(kept) == per_level * len(SCORES):
            return kept
    raise RoboRewardError(
        f"Too few episodes of some score in {split!r} from index {first_index}: {dict(found)}."
    )


def _score_of(spec: EpisodeSpec) -> tuple[EpisodeSpec, int]:
    return spec, int(simulate_states_only(spec).label.score)


def _in_order(
    function: Callable[[EpisodeSpec], T],
    specs: Iterable[EpisodeSpec],
    *,
    num_workers: int | None,
) -> Iterator[T]:
    return run_in_order(
        partial(_run, function), specs, num_workers=num_workers, batch=_BATCH, what="the simulation"
    )


def _run(function: Callable[[EpisodeSpec], T], spec: EpisodeSpec) -> T:
    try:
        return function(spec)
    except RoboRewardError as error:
        # Not every error of the tree survives the way between processes; the root does.
        raise RoboRewardError(f"{spec}: {error}") from error
