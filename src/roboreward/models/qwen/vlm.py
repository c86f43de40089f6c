"""A local vision-language model that can be asked: what `asking.Vlm` says, on this machine."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from roboreward.core import FrameSample, RoboRewardError, Usage, UsageError
from roboreward.models.asking import Ask, Decoding, Reply
from roboreward.models.qwen.choices import ChoicePlan, choice_logprobs, plan_choices
from roboreward.models.qwen.clips import Patch
from roboreward.models.qwen.config import QwenConfig
from roboreward.models.qwen.engine import (
    Drawn,
    Row,
    Sight,
    shared_starts,
    tokens_of,
)
from roboreward.models.qwen.layout import Layout
from roboreward.models.qwen.loading import free_memory, is_out_of_memory, parts_of
from roboreward.models.qwen.pixels import pixel_values

_WORTH_A_BRANCH = 0.5
"""Share of a row's tokens that must be in common before it is run as a branch of another."""
_NOT_A_NUMBER = (
    "The model's arithmetic gave no numbers (NaN), as float16 does where it overflows. "
    "Load it with dtype bfloat16."
)


@dataclass(frozen=True, eq=False)
class _Job:
    """A question on its way."""

    index: int
    ask: Ask
    layout: Layout
    plan: ChoicePlan
    rows: tuple[Row, ...]

    @property
    def samples(self) -> list[FrameSample]:
        return [clip.sample for clip in self.layout.clips]


@dataclass(frozen=True, eq=False)
class _Batch:
    """Questions that are run together: as branches of one another, or side by side."""

    jobs: list[_Job]
    is_tree: bool

    @property
    def patches(self) -> dict[Patch, Any]:
        """Every patch that it shows, with its clip."""
        return {p: clip for job in self.jobs for clip in job.layout.clips for p in clip.patches}


class QwenVl:
    """A vision-language model of the Qwen family, loaded from files. See `asking.Vlm`.

    One forward pass gives the probabilities of all choices of a question. Questions of one call on the same
    `FrameSample` object share what its frames cost, and every token that they share from the start. Objects of the same
    files and settings share one copy of the weights.

    Args:
        name: A folder, or "owner/name@revision" of which the hub's cache has a copy.
        config: Settings.
        shown_as: The model's name in verdicts; `name` when None.

    Raises:
        UsageError: There is no such model here, its parts do not belong together, or it cannot be run as asked.
        MissingExtra: A library for it is not installed.
    """

    has_logprobs = True

    def __init__(
        self, name: str, *, config: QwenConfig | None = None, shown_as: str | None = None
    ) -> None:
        self.config = config or QwenConfig()
        self.name = shown_as or name
        self._parts = parts = parts_of(name, self.config)
        self.checkpoint, self.revision = parts.checkpoint, parts.revision
        self.engine, self.layouts, self._stop_ids = parts.engine, parts.layouts, parts.stop_ids
        self._plans: dict[tuple[str, ...], ChoicePlan] = {}

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        """Answer all questions; see `asking.Vlm`."""
        replies: dict[int, Reply] = {}
        jobs = []
        for index, ask in enumerate(asks):
            try:
                jobs.append(self._job(index, ask, self.layouts.lay_out(ask)))
            except RoboRewardError as error:
                replies[index] = Reply("failed", reason=str(error))
        return self._answer(jobs, decoding, replies, len(asks))

    def ask_prefixes(self, ask: Ask, num_frames: Sequence[int], decoding: Decoding) -> list[Reply]:
        """Answer one question about clips of its frames: the first 2, the first 4, and so on.

        Every frame is looked at once, and every token that two clips share is run once, so that the cost grows with
        the frames and not with frames times clips. Frames have the size that they have in the whole sample, or under
        `budget_frames`.

        Args:
            ask: The question, with its frames.
            num_frames: How many frames from the start each clip has.
            decoding: As for `ask`.

        Raises:
            UsageError: A clip has no frame, or more than there are; or the frames cannot be shown.
        """
        most = min(len(p.record.indices) for p in ask.parts if isinstance(p, FrameSample))
        if any(not 1 <= num <= most for num in num_frames):
            raise UsageError(f"A clip must have 1 to {most} frames, got {list(num_frames)}.")
        budget = self.config.budget_frames or most
        layouts = [self.layouts.lay_out(ask, num_frames=num, budget=budget) for num in num_frames]
        jobs = [self._job(index, ask, layout) for index, layout in enumerate(layouts)]
        return self._answer(jobs, decoding, {}, len(jobs))

    def _job(self, index: int, ask: Ask, layout: Layout) -> _Job:
        plan = self._plan(ask.choices)
        rows = tuple(self.engine.row(layout, chain, plan.tokens) for chain in plan.chains)
        return _Job(index, ask, layout, plan, rows)

    def _plan(self, choices: tuple[str, ...]) -> ChoicePlan:
        if choices not in self._plans:
            self._plans[choices] = plan_choices([self.layouts.encode(text) for text in choices])
        return self._plans[choices]

    def _answer(
        self, jobs: Sequence[_Job], decoding: Decoding, replies: dict[int, Reply], num: int
    ) -> list[Reply]:
        batches = self._batches(jobs)
        uses = Counter(patch for batch in batches for patch in batch.patches)
        sights: dict[Patch, Sight] = {}
        with torch.inference_mode():
            for batch, pixels in self._prepared(batches):
                replies |= self._run_batch(batch, decoding, sights, pixels)
                uses.subtract(batch.patches.keys())
                for patch in batch.patches:
                    if not uses[patch]:
                        sights.pop(patch, None)
        return [replies[index] for index in range(num)]

    def _batches(self, jobs: Sequence[_Job]) -> list[_Batch]:
        """Questions on one video that begin alike together; the others by length, so that little is padding."""
        together: dict[tuple[int, ...], list[_Job]] = {}
        for job in jobs:
            key = tuple(map(id, job.samples)) or (-1, job.index)
            together.setdefault(key, []).append(job)
        trees, alone = [], []
        for group in together.values():
            if self._is_worth_a_tree(group):
                trees.append(_Batch(group, True))
            else:
                alone += group
        alone.sort(key=lambda job: (job.ask.is_text_wanted, len(job.layout.ids)))
        return [*trees, *self._side_by_side(alone)]

    def _is_worth_a_tree(self, group: Sequence[_Job]) -> bool:
        rows = [row for job in group for row in job.rows]
        if not self.engine.can_branch or len(group) < 2 or any(j.ask.is_text_wanted for j in group):
            return False
        trunk = max(rows, key=lambda row: len(row.ids))
        starts = shared_starts(trunk, rows)
        shared = sum(start for row, start in zip(rows, starts, strict=True) if row is not trunk)
        return shared >= _WORTH_A_BRANCH * sum(len(row.ids) for row in rows if row is not trunk)

    def _side_by_side(self, jobs: Sequence[_Job]) -> Iterator[_Batch]:
        batch: list[_Job] = []
        num = longest = 0
        for job in jobs:
            rows = max(1, len(job.rows))
            length = max([len(job.layout.ids), *(len(row.ids) for row in job.rows)])
            is_full = (num + rows) * max(longest, length) > self.config.batch_tokens
            is_other = bool(batch) and batch[-1].ask.is_text_wanted != job.ask.is_text_wanted
            if batch and (is_full or is_other):
                yield _Batch(batch, False)
                batch, num, longest = [], 0, 0
            batch.append(job)
            num, longest = num + rows, max(longest, length)
        if batch:
            yield _Batch(batch, False)

    def _prepared(
        self, batches: Sequence[_Batch]
    ) -> Iterator[tuple[_Batch, dict[Patch, Any] | None]]:
        """Yield batches with their pixels, None where memory ran out; the next ones are made while the model runs."""
        known: set[Patch] = set()
        fresh = []
        for batch in batches:
            fresh.append([patch for patch in batch.patches if patch not in known])
            known |= set(batch.patches)
        with ThreadPoolExecutor(1, thread_name_prefix="frames") as pool:
            coming: list[Future[dict[Patch, Any] | None]] = []
            for i, batch in enumerate(batches):
                for j in range(i + len(coming), min(i + 2, len(batches))):
                    coming.append(pool.submit(self._pixels_or_none, batches[j], fresh[j]))
                yield batch, coming.pop(0).result()

    def _pixels_or_none(self, batch: _Batch, patches: Sequence[Patch]) -> dict[Patch, Any] | None:
        try:
            return self._pixels(batch, patches)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _pixels(self, batch: _Batch, patches: Sequence[Patch]) -> dict[Patch, Any]:
        clips = batch.patches
        groups: dict[tuple[int, tuple[int, int]], list[Patch]] = {}
        for patch in patches:
            groups.setdefault((patch.owner, patch.size), []).append(patch)
        made: dict[Patch, Any] = {}
        for group in groups.values():
            frames = clips[group[0]].sample.frames_THWC
            values = pixel_values(frames, group, self.checkpoint.video)
            made |= dict(zip(group, values, strict=True))
        return made

    def _run_batch(
        self,
        batch: _Batch,
        decoding: Decoding,
        sights: dict[Patch, Sight],
        pixels: dict[Patch, Any] | None,
    ) -> dict[int, Reply]:
        """Run a batch; halve it where the memory does not do. A single question that is too large fails alone."""
        try:
            self._look(batch, sights, pixels)
            return self._replies(batch, decoding, sights)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = str(error).splitlines()[0][:120]
        free_memory()
        if len(batch.jobs) == 1:
            job = batch.jobs[0]
            reason = (
                f"Out of memory on {len(job.layout.ids)} tokens of one question ({message}). Show fewer or smaller "
                "frames, or load the weights in fewer bits."
            )
            return {job.index: Reply("failed", reason=reason)}
        middle = len(batch.jobs) // 2
        done: dict[int, Reply] = {}
        for half in (batch.jobs[:middle], batch.jobs[middle:]):
            done |= self._run_batch(_Batch(half, batch.is_tree), decoding, sights, None)
        return done

    def _look(
        self, batch: _Batch, sights: dict[Patch, Sight], pixels: dict[Patch, Any] | None
    ) -> None:
        """Run the vision tower on what was not seen yet, as many tokens at a time as a batch may have."""
        clips = batch.patches
        missing = [patch for patch in clips if patch not in sights]
        made = dict(pixels or {})
        lost = [patch for patch in missing if patch not in made]
        if lost:
            made |= self._pixels(batch, lost)
        per_call: list[Patch] = []
        num = 0
        for patch in missing:
            if per_call and num + clips[patch].num_tokens > self.config.batch_tokens:
                sights |= self._see(per_call, made, clips)
                per_call, num = [], 0
            per_call.append(patch)
            num += clips[patch].num_tokens
        sights |= self._see(per_call, made, clips)

    def _see(
        self, patches: Sequence[Patch], pixels: dict[Patch, Any], clips: dict[Patch, Any]
    ) -> dict[Patch, Sight]:
        return self.engine.see({p: pixels[p] for p in patches}, {p: clips[p].grid for p in patches})

    def _replies(
        self, batch: _Batch, decoding: Decoding, sights: dict[Patch, Sight]
    ) -> dict[int, Reply]:
        rows = [row for job in batch.jobs for row in job.rows]
        run = self.engine.run_tree if batch.is_tree else self.engine.run
        found = iter(run(rows, sights) if rows else [])
        values = {job.index: _values(job, [next(found) for _ in job.rows]) for job in batch.jobs}
        speaking = [job for job in batch.jobs if job.ask.is_text_wanted]
        drawn: dict[int, list[list[Drawn]]] = {}
        if speaking:
            starts = [self.engine.row(job.layout) for job in speaking]
            lines = self.engine.generate(starts, sights, decoding, self._stop_ids)
            drawn = {job.index: line for job, line in zip(speaking, lines, strict=True)}
        return {
            job.index: self._reply(job, values[job.index], drawn.get(job.index))
            for job in batch.jobs
        }

    def _reply(
        self, job: _Job, values: tuple[float, ...] | None, drawn: list[list[Drawn]] | None
    ) -> Reply:
        if values is not None and any(math.isnan(value) for value in values):
            return Reply("failed", reason=_NOT_A_NUMBER)
        if drawn is None:
            usage = Usage(input_tokens=len(job.layout.ids), output_tokens=0)
            return Reply("ok", choice_logprobs=values, usage=usage)
        decode = self.layouts.tokenizer.decode
        texts, is_whole = [], True
        for line in drawn:
            ids = [token.token for token in line]
            is_ended = bool(ids) and ids[-1] in self._stop_ids
            is_whole = is_whole and is_ended
            texts.append(job.ask.prefix + decode(ids[:-1] if is_ended else ids))
        usage = Usage(
            input_tokens=len(job.layout.ids), output_tokens=sum(len(line) for line in drawn)
        )
        return Reply(
            status="ok" if is_whole else "truncated",
            texts=tuple(texts),
            reason="" if is_whole else "The answer was longer than max_new_tokens.",
            choice_logprobs=values,
            tokens=tokens_of(drawn[0], decode),
            usage=usage,
        )


def _values(job: _Job, found: Sequence[Any]) -> tuple[float, ...] | None:
    if not job.rows:
        return None
    return tuple(choice_logprobs(steps, found) for steps in job.plan.steps)
