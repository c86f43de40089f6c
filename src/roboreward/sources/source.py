"""What every source of robot data gives: a stream of episodes whose frames are read only when they are asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from roboreward.core import Label

Frame = npt.NDArray[np.uint8]


@runtime_checkable
class Footage(Protocol):
    """The frames of one view of one episode, wherever they are kept.

    It travels to worker processes, so it holds what is needed to read the frames (paths, numbers) and nothing open.

    It may also have `take(indices: Sequence[int]) -> Iterator[Frame]`, the frames at these places, from 0 and strictly
    increasing. Where it is there it is used, so that no more is decoded than what is wanted.

    Attributes:
        fps: Frames a second; the true control or camera rate, not what a container claims.
        num_frames: How many there are, or None where only reading tells. May be one too many: released corpora announce
            a frame that their videos do not hold. Who needs the exact number counts what `frames` yields.
    """

    @property
    def fps(self) -> float: ...
    @property
    def num_frames(self) -> int | None: ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order, uint8 RGB (H, W, 3) of one size, one in memory at a time. May be called again.

        Each frame is an array of its own: the caller may keep it.

        Raises:
            DataError: A frame cannot be read; names file and row.
        """
        ...


@dataclass(frozen=True, eq=False)
class SourceEpisode:
    """One recorded attempt, as its corpus has it.

    Attributes:
        episode_id: Unique in its source, stable from one reading to the next.
        task: The instruction, as the corpus words it; not empty.
        source: Corpus or subset, such as "bridge" or "robo_arena". Names a folder in a built dataset.
        group: What never straddles splits: the session where there is one, else the episode.
        views: Footage by camera name, in the corpus's order; at least one.
        judged_view: Which of them is judged.
        label: Score and author where the corpus states an outcome that maps to one.
        where: File and row it was read from, for messages; never shown to a model.
        extra: Further facts that the corpus states (preference, free text, outcome, embodiment); JSON values only.
            Never shown to a model, so it may say how the attempt ended. Its `origin`, if any, is a `core.Origin`.
    """

    episode_id: str
    task: str
    source: str
    group: str
    views: Mapping[str, Footage]
    judged_view: str
    label: Label | None = None
    where: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.judged_view not in self.views:
            raise ValueError(f"judged view {self.judged_view!r} is none of {sorted(self.views)}")


@dataclass(frozen=True)
class Skip:
    """An episode that was left out, and why: counted and listed, never silent.

    Attributes:
        where: File and row.
        reason: One short, stable word for programs, such as "no_task".
        message: What happened and what to do.
    """

    where: str
    reason: str
    message: str


OnSkip = Callable[[Skip], None]


@runtime_checkable
class Source(Protocol):
    """A corpus that can be streamed. `testing.check_source` finds out whether a class keeps this contract.

    Attributes:
        name: Name of the corpus or subset.
        licence: As its publisher states it, or None where it does not.
    """

    @property
    def name(self) -> str: ...
    @property
    def licence(self) -> str | None: ...

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the episodes in a fixed order, lazily and in bounded memory. May be called again.

        Args:
            on_skip: Called for each episode that cannot be used, which is then left out; None to raise instead.

        Raises:
            DataError: The corpus cannot be read, or (without `on_skip`) an episode cannot be used; names file and row.
        """
        ...
