"""Opening a set: a built-in one by name, generated on first use and kept, or one on disk by path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from roboreward.core import UnknownName
from roboreward.dataset.layout import ExampleSet, read_set

if TYPE_CHECKING:
    from roboreward.sim import Split

GENERATION: Final = "v1"
"""Part of the folder's name. It goes up whenever a set's pictures, tasks or labels change."""


@dataclass(frozen=True)
class SimSet:
    """A recipe for a set of rollouts, with the five levels equally often.

    Attributes:
        split: Scenes, combinations and phrasings.
        per_level: Examples of each score.
        first_index: Where in the split the episodes begin.
        num_frames: Frames of each video.
        size_px: Side of the rendered frames; the videos are twice that.
        summary: One line for people.
    """

    split: "Split"
    per_level: int
    summary: str
    first_index: int = 0
    num_frames: int = 8
    size_px: int = 96


SIM_SETS: Final[Mapping[str, SimSet]] = MappingProxyType(
    {
        "sim-test": SimSet("test", 160, "800 rollouts that succeed and fail, new scenes"),
        "sim-test-combos": SimSet(
            "test-combos",
            80,
            "400 rollouts about objects in combinations that training never shows",
        ),
        "sim-test-phrasing": SimSet(
            "test-phrasing", 80, "400 rollouts with wordings that training never uses"
        ),
        "sim-val": SimSet(
            "train",
            160,
            "800 rollouts in scenes of training that no training shows, to calibrate on",
            # Training takes from 0, its own validation from 1,000,000; the studies begin behind these.
            4_000_000,
        ),
        "sim-demo": SimSet(
            "test", 6, "30 rollouts, larger and smoother, for the demo", 500_000, 20, 160
        ),
    }
)


def open_set(
    name_or_path: str | Path,
    *,
    cache: Path,
    allow_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ExampleSet:
    """Open a built-in set by name, or a set on disk by path.

    Args:
        name_or_path: One of `SIM_SETS`, or what `read_set` takes.
        cache: Folder that keeps built-in sets.
        allow_bad: See `read_set`.
        progress: Called with (videos done, videos in all) while a built-in set is being made.

    Raises:
        UnknownName: Neither a built-in set nor an existing path.
    """
    if str(name_or_path) in SIM_SETS:
        name = str(name_or_path)
        from roboreward.dataset.simulated import build_sim_set

        return build_sim_set(name, cache / f"{name}-{GENERATION}", progress=progress)
    path = Path(name_or_path)
    if not path.exists():
        raise UnknownName("set or folder", str(name_or_path), SIM_SETS)
    return read_set(path, allow_bad=allow_bad)
