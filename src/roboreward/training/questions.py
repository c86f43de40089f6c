"""Batches of questions for both stages, drawn from a table of demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.dataset import DemoTable
from roboreward.models import task_words
from roboreward.training.recipe import QueryMix

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

OWN_NAMES, OWN_TASKS, FOREIGN_TASKS = 6, 3, 3
"""Instructions a frame in stage A: the bare names of all things, tasks of its own scene, and of other scenes."""
FOREIGN_ROWS: Final = 6
"""Tasks of other scenes that are kept for each demonstration, as random negatives."""
GRIPPER_THING: Final = 6
OUTSIDE: Final = 1.02
"""A thing whose centre lies beyond this is not in the picture; 1 is its edge."""


@dataclass(frozen=True)
class GroundingBatch:
    """F frames and B = F * Q questions, those of one frame in a row; S = subject, reference, gripper.

    Attributes:
        frames: (F, H, W, 3) uint8.
        words: Word ids, (B, L).
        is_asked: Whether the instruction has this slot, (B, S).
        is_there: Whether the thing is in the picture, (B, S).
        uv, xyz: Where, (B, S, 2) and (B, S, 3).
        is_held: Whether the thing is in the grip; for the gripper, whether it holds something, (B, S).
    """

    frames: npt.NDArray[np.uint8]
    words: Ints
    is_asked: Bools
    is_there: Bools
    uv: Floats
    xyz: Floats
    is_held: Bools


@dataclass(frozen=True)
class RewardBatch:
    """Questions about the frames 0 and `t` of demonstrations, with scores; `row` numbers instructions. All (B,)."""

    demo: Ints
    t: Ints
    row: Ints
    score: Ints


class Questions:
    """Draws batches from one table.

    Args:
        table: The demonstrations.
        vocabulary: Words in the order of their ids from 1.
        max_words: L.
        only_agreeing_clips: See `NanoRecipe`.
    """

    def __init__(
        self,
        table: DemoTable,
        *,
        vocabulary: tuple[str, ...],
        max_words: int,
        only_agreeing_clips: bool,
    ) -> None:
        self.table = table
        self._tasks_of = np.searchsorted(table.task_demo, np.arange(len(table.frames) + 1))
        names = sorted({name for scene in table.names for name in scene})
        number = {name: i for i, name in enumerate(names)}
        self._names = np.array([[number[name] for name in scene] for scene in table.names])
        ids = {word: i for i, word in enumerate(vocabulary, start=1)}
        words = _word_ids(table.task_texts, ids, max_words=max_words)
        self._name_words = _word_ids([(name,) for name in names], ids, max_words=max_words)[:, 0]
        self._num_wordings = words.shape[1]
        foreign_demo, foreign_task = self._foreign_tasks(np.random.default_rng(len(table.frames)))
        own_demo = np.repeat(table.task_demo, self._num_wordings)
        self.row_demo: Ints = np.concatenate([own_demo, foreign_demo])
        self.row_words: Ints = np.concatenate(
            [words.reshape(-1, max_words), words[foreign_task, 0]]
        )
        self._first_foreign = len(own_demo)
        self._pools = self._make_pools(only_agreeing_clips)

    def grounding_batch(self, rng: np.random.Generator, *, num_frames: int) -> GroundingBatch:
        """Draw frames, and names and instructions of their own and of other scenes."""
        table = self.table
        demo = rng.integers(len(table.frames), size=num_frames)
        t = rng.integers(table.frames.shape[1], size=num_frames)
        own = np.repeat(demo, OWN_TASKS).reshape(num_frames, -1)
        foreign = rng.integers(len(table.frames), size=(num_frames, FOREIGN_TASKS))
        asked_of = np.concatenate([own, foreign], 1)
        tasks = self._random_tasks(asked_of, rng)
        named = np.stack([table.task_subject[tasks], table.task_reference[tasks]], 2)
        here = np.broadcast_to(demo[:, None], asked_of.shape)
        bare = np.broadcast_to(np.arange(OWN_NAMES)[:, None], (num_frames, OWN_NAMES, 1))
        bare = np.concatenate([bare, np.full_like(bare, -1)], 2)
        is_asked = np.concatenate([bare, named], 1).reshape(-1, 2) >= 0
        found = self._things_here(named.reshape(-1, 2), asked_of.ravel(), here.ravel())
        things = np.concatenate([bare, found.reshape(named.shape)], 1).reshape(-1, 2)
        gripper = np.full((len(things), 1), GRIPPER_THING)
        things = np.concatenate([things, gripper], 1)
        words = np.concatenate([self._name_words[self._names[demo]], self._wordings(tasks, rng)], 1)
        owner = np.repeat(np.arange(num_frames), words.shape[1])
        rows, moments = demo[owner][:, None], t[owner][:, None]
        uv, held = table.uv[rows, moments, things], table.held[rows, moments]
        return GroundingBatch(
            frames=table.frames[demo, t],
            words=words.reshape(len(things), -1),
            is_asked=np.concatenate([is_asked, np.ones_like(gripper, bool)], 1),
            is_there=(things >= 0) & (np.abs(uv) < OUTSIDE).all(2),
            uv=uv,
            xyz=table.xyz[rows, moments, things],
            is_held=np.where(things == GRIPPER_THING, held >= 0, (things == held) & (held >= 0)),
        )

    def reward_batch(self, rng: np.random.Generator, *, num: int, mix: QueryMix) -> RewardBatch:
        """Draw questions in the shares of `mix`; within clips and relabels the levels come equally often."""
        shares = mix.model_dump()
        kinds = rng.choice(list(shares), size=num, p=list(shares.values()))
        parts = [self._draw(kind, int((kinds == kind).sum()), rng) for kind in shares]
        return RewardBatch(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _draw(self, kind: str, num: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
        if kind == "random":
            row = rng.integers(self._first_foreign, len(self.row_demo), size=num)
            last = np.full(num, self.table.frames.shape[1] - 1)
            return self.row_demo[row], last, row, np.ones(num, np.int64)
        levels = self._pools[kind]
        level = rng.integers(len(levels), size=num)
        place = (rng.random(num) * np.array([len(pool) for pool in levels])[level]).astype(np.int64)
        asks = np.array([levels[i][j] for i, j in zip(level, place, strict=True)], np.int64)
        tasks = self.table.ask_task[asks]
        row = tasks * self._num_wordings + rng.integers(self._num_wordings, size=num)
        return self.row_demo[row], self.table.ask_t[asks], row, self.table.ask_score[asks]

    def _foreign_tasks(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """For each demonstration, tasks of other scenes that name a thing which is not in this one: (demo, task)."""
        num = len(self.table.frames)
        here = np.repeat(np.arange(num), 3 * FOREIGN_ROWS)
        there = rng.integers(num, size=len(here))
        tasks = self._random_tasks(there, rng)
        things = np.stack([self.table.task_subject[tasks], self.table.task_reference[tasks]], 1)
        is_other = ((self._things_here(things, there, here) < 0) & (things >= 0)).any(1)
        here, tasks = here[is_other], tasks[is_other]
        rank = np.arange(len(here)) - np.searchsorted(here, here)
        return here[rank < FOREIGN_ROWS], tasks[rank < FOREIGN_ROWS]

    def _random_tasks(self, demos: Ints, rng: np.random.Generator) -> Ints:
        start, stop = self._tasks_of[demos], self._tasks_of[demos + 1]
        return np.asarray(start + rng.random(demos.shape) * (stop - start), np.int64)

    def _things_here(self, things_B2: Ints, from_demo: Ints, to_demo: Ints) -> Ints:
        """Find the things of one scene by name in another: their indices there, or -1."""
        names = self._names[from_demo[:, None], np.maximum(things_B2, 0)]
        same = names[:, :, None] == self._names[to_demo][:, None, :]
        found = np.where(same.any(2), same.argmax(2), -1)
        return np.where(things_B2 >= 0, found, -1)

    def _wordings(self, tasks: Ints, rng: np.random.Generator) -> Ints:
        return self.row_words[
            tasks * self._num_wordings + rng.integers(self._num_wordings, size=tasks.shape)
        ]

    def _make_pools(self, only_agreeing_clips: bool) -> dict[str, list[Ints]]:
        table = self.table
        usable = table.ask_agrees | (not only_agreeing_clips)
        return {
            kind: [
                pool
                for score in range(1, 6)
                if len(
                    pool := np.flatnonzero(
                        (table.ask_origin == i) & (table.ask_score == score) & usable
                    )
                )
            ]
            for i, kind in enumerate(("success", "clip", "relabel", "relabelled_clip", "two_tasks"))
        }


def _word_ids(wordings: Sequence[tuple[str, ...]], ids: dict[str, int], *, max_words: int) -> Ints:
    """Word ids of texts (M rows of V wordings), (M, V, L), 0 after the last word."""
    out = np.zeros((len(wordings), len(wordings[0]), max_words), np.int64)
    for row, texts in enumerate(wordings):
        for column, text in enumerate(texts):
            words = [ids[word] for word in task_words(text)]
            out[row, column, : len(words)] = words
    return out
