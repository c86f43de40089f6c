"""Simulated demonstrations as arrays: what nano learns from.

Each demonstration is a success of the scripted expert, with its frames, where everything was at each frame, and every
question about it that the simulator can answer: all tasks of the scene, at the end and at the ends of its clips. Some
are successes of two tasks in a row. Under either one alone they deserve less, because the other moved something else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.core import Label
from roboreward.negatives import CLIP_FRACTIONS, Negative, relabels, temporal_clips
from roboreward.sim import (
    VOCABULARY,
    EpisodeSpec,
    SimEpisode,
    Split,
    Task,
    all_tasks,
    generate,
    phrase,
    project,
    score_task,
)

NUM_THINGS: Final = 7
"""Four objects, two receptacles, the gripper, in this order."""
FIRST_RECEPTACLE, GRIPPER_THING, NOTHING = 4, 6, -1
TWO_TASK_OFFSET: Final = 500_000
"""Index of the first two-task demonstration after that of the first one of one task."""
PHRASINGS_PER_TASK: Final = 2
ORIGINS: Final = ("original", "clip", "counterfactual", "counterfactual clip", "two tasks")


@dataclass(frozen=True)
class DemoTable:
    """N demonstrations of T frames, M tasks in all, A questions in all.

    Attributes:
        frames: uint8 RGB (N, T, H, W, 3).
        xyz: Places in metres, float32 (N, T, 7, 3); see `NUM_THINGS`.
        uv: Places in the picture, float32 (N, T, 7, 2), x right and y down, [-1, 1] inside the picture.
        held: Index of the held object or -1, int8 (N, T).
        names: What the six things are called, (N, 6).
        task_demo, task_subject, task_reference: (M,); the reference is a thing's index, or -1 for none.
        task_texts: PHRASINGS_PER_TASK wordings of each task.
        ask_task, ask_t, ask_score, ask_origin: (A,): a task's row, the frame that ends the clip (T - 1 for the whole
            episode), the score 1..5, and an index into `ORIGINS`.
        ask_agrees: (A,): for clips, whether the oracle gives the score that the cut fraction proposes; else true.
    """

    frames: npt.NDArray[np.uint8]
    xyz: npt.NDArray[np.float32]
    uv: npt.NDArray[np.float32]
    held: npt.NDArray[np.int8]
    names: list[tuple[str, ...]]
    task_demo: npt.NDArray[np.int64]
    task_subject: npt.NDArray[np.int64]
    task_reference: npt.NDArray[np.int64]
    task_texts: list[tuple[str, ...]]
    ask_task: npt.NDArray[np.int64]
    ask_t: npt.NDArray[np.int64]
    ask_score: npt.NDArray[np.int64]
    ask_origin: npt.NDArray[np.int64]
    ask_agrees: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FrameOracle:
    """The simulator as an oracle that judges an episode at its frames."""

    episode: SimEpisode
    name: str = "sim-rule-v1"

    @property
    def episode_id(self) -> str:
        """The episode's split and index."""
        return f"{self.episode.spec.split}-{self.episode.spec.index:07d}"

    def frame_at(self, keep_frac: float) -> int:
        """The frame that ends a clip of this share: at least the second one."""
        return max(1, round(keep_frac * (len(self.episode.states) - 1)))

    def label(self, task: Task, keep_frac: float) -> Label:
        """Judge the prefix by comparing the state at its last frame with the first."""
        states = self.episode.states
        return score_task(task, self.episode.layout, states[0], states[self.frame_at(keep_frac)])


def simulate_demos(
    num_demos: int,
    *,
    num_two_task: int = 0,
    first_index: int = 0,
    split: Split = "train",
    num_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> DemoTable:
    """Simulate demonstrations until `num_demos` are successes, and ask everything about them.

    Args:
        num_demos: Successes of one task wanted. The expert's failures (about 1 %) are left out.
        num_two_task: Successes of two tasks in a row wanted besides.
        first_index: First index within the split; ranges that do not overlap never share an episode.
        split: Whose scenes and phrasings.
        num_workers: Processes; None for all cores.
        progress: Called with the number of successes so far.
    """
    kept: list[SimEpisode] = []
    for script, num, score, first in (
        ("none", num_demos, 5, first_index),
        ("two_tasks", num_two_task, 4, first_index + TWO_TASK_OFFSET),
    ):
        specs = (EpisodeSpec(split=split, index=i, failure=script) for i in count(first))
        target = len(kept) + num
        if num:
            for episode in generate(specs, num_workers=num_workers):
                if episode.label.score == score:
                    kept.append(episode)
                    if progress:
                        progress(len(kept))
                if len(kept) == target:
                    break
    return _tabulate(kept, split=split)


def _tabulate(episodes: list[SimEpisode], *, split: Split) -> DemoTable:
    tasks: list[tuple[int, int, int]] = []
    texts: list[tuple[str, ...]] = []
    asks: list[tuple[int, int, int, int, bool]] = []
    for demo, episode in enumerate(episodes):
        rng = np.random.default_rng([episode.seed, 7])
        for task, questions in _questions(episode):
            row = len(tasks)
            tasks.append((demo, task.subject, _reference_thing(task)))
            texts.append(
                tuple(
                    phrase(task, episode.layout, rng=rng, split=split)
                    for _ in range(PHRASINGS_PER_TASK)
                )
            )
            asks.extend((row, *question) for question in questions)
    task_rows, ask_rows = np.array(tasks, np.int64), np.array(asks, np.int64)
    return DemoTable(
        frames=np.stack([e.frames_THWC for e in episodes]),
        xyz=np.stack([_places(e) for e in episodes]),
        uv=np.stack([_picture_places(e) for e in episodes]),
        held=np.array([[s.held for s in e.states] for e in episodes], np.int8),
        names=[
            (*(o.name for o in e.layout.objects), *(r.name for r in e.layout.receptacles))
            for e in episodes
        ],
        task_demo=task_rows[:, 0],
        task_subject=task_rows[:, 1],
        task_reference=task_rows[:, 2],
        task_texts=texts,
        ask_task=ask_rows[:, 0],
        ask_t=ask_rows[:, 1],
        ask_score=ask_rows[:, 2],
        ask_origin=ask_rows[:, 3],
        ask_agrees=ask_rows[:, 4].astype(bool),
    )


def _questions(episode: SimEpisode) -> Iterator[tuple[Task, list[tuple[int, int, int, bool]]]]:
    """Yield each task of the scene with its questions: (frame, score, origin, agrees)."""
    oracle = FrameOracle(episode)
    if episode.failure == "two_tasks":
        yield from _two_task_questions(episode, oracle)
        return
    last = len(episode.states) - 1
    own: list[tuple[int, int, int, bool]] = [(last, episode.label.score, 0, True)]
    own += [_row(oracle, n, origin=1) for n in temporal_clips(episode.task, oracle)]
    yield episode.task, own
    others = [task for task in all_tasks(episode.layout) if task != episode.task]
    whole = relabels(others, oracle)
    cut = [relabels(others, oracle, keep_frac=f) for f in CLIP_FRACTIONS.values()]
    for i, task in enumerate(others):
        rows = [_row(oracle, whole[i], origin=2), *(_row(oracle, c[i], origin=3) for c in cut)]
        yield task, rows


def _two_task_questions(
    episode: SimEpisode, oracle: FrameOracle
) -> Iterator[tuple[Task, list[tuple[int, int, int, bool]]]]:
    tasks = all_tasks(episode.layout)
    shares = (1.0, *CLIP_FRACTIONS.values())
    found = [relabels(tasks, oracle, keep_frac=share) for share in shares]
    for i, task in enumerate(tasks):
        yield task, [_row(oracle, negatives[i], origin=4) for negatives in found]


def _row(
    oracle: FrameOracle, negative: Negative[Task], *, origin: int
) -> tuple[int, int, int, bool]:
    frame = oracle.frame_at(negative.keep_frac)
    return frame, negative.label.score, origin, negative.validation.is_accepted


def _reference_thing(task: Task) -> int:
    if task.reference is None:
        return NOTHING
    return task.reference + (FIRST_RECEPTACLE if task.relation == "put" else 0)


def _places(episode: SimEpisode) -> npt.NDArray[np.float32]:
    return np.stack(
        [
            np.concatenate([s.objects_xyz, s.receptacles_xyz, s.gripper_xyz[None]])
            for s in episode.states
        ]
    ).astype(np.float32)


def _picture_places(episode: SimEpisode) -> npt.NDArray[np.float32]:
    size_px = episode.frames_THWC.shape[1]
    places = _places(episode).reshape(-1, 3).astype(np.float64)
    uv = project(places, episode.layout.camera, size_px=size_px) / size_px * 2 - 1
    return np.asarray(uv, np.float32).reshape(len(episode.states), NUM_THINGS, 2)


def simulated_words() -> tuple[str, ...]:
    """Every word that a task of the simulated world can hold, sorted."""
    return VOCABULARY
