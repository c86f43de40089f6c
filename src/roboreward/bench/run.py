"""Running models on a set.

Every answer is on disk before the next chunk is asked, and a rerun asks only what is missing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from roboreward.bench.config import NUM_FOLDS, RunConfig
from roboreward.bench.folder import (
    DONE,
    RECORDS,
    RunResult,
    finish,
    load_run,
    open_folder,
    read_records,
    reopen,
)
from roboreward.bench.folds import group_folds
from roboreward.bench.record import Record
from roboreward.bench.summary import summarize
from roboreward.core import (
    Example,
    FittedOnLabels,
    FramePolicy,
    FrameSample,
    MediaRefused,
    Query,
    RewardModel,
    RoboRewardError,
    UsageError,
    Verdict,
    shorten,
)
from roboreward.dataset import ExampleSet
from roboreward.judge import check_task
from roboreward.media import sample_frames
from roboreward.models import load_model
from roboreward.store import JsonlWriter

Progress = Callable[[str, int, int], None]
"""Called with (model name, examples done, examples in all) after each durable record."""


class _Reader(Protocol):
    def __call__(self, path: Path, *, policy: FramePolicy) -> FrameSample: ...


class FrameCache:
    """Remembers frame samples while several models look at the same videos.

    The first samples that fit are kept and never dropped: each model scans the set in the same order, and a cache that
    drops the oldest would never hit on a set larger than itself.
    """

    def __init__(self, read: _Reader, *, max_bytes: int = 256 * 2**20) -> None:
        self._read, self._room = read, max_bytes
        self._kept: dict[tuple[Path, FramePolicy], FrameSample] = {}

    def get(self, video: Path, *, policy: FramePolicy) -> FrameSample:
        """Return the frames of `video` under `policy`. Raises what the reader raises."""
        key = (video, policy)
        if key in self._kept:
            return self._kept[key]
        # The path of a published clip holds its score, and a model is handed the sample.
        sample = replace(self._read(video, policy=policy), origin="a video of the set")
        if sample.frames_THWC.nbytes <= self._room:
            self._room -= sample.frames_THWC.nbytes
            self._kept[key] = sample
        return sample


def run_bench(
    example_set: ExampleSet,
    models: Sequence[str | RewardModel],
    out: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    chunk_size: int = 32,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Run each model on the set, into `out/<run id>/`, and return the finished runs in the order of `models`.

    Finished runs are read back, unfinished ones completed; an example that has a record is never asked again. A video
    that cannot be read gets a record with status "failed" and never a score.

    Args:
        example_set: What to score.
        models: URIs or models. All are loaded before the first query, so that a wrong name costs nothing.
        out: Folder of run folders; made when absent.
        limit: Score only this many examples; see `choose_examples`.
        seed: Recorded in the run's identity.
        chunk_size: Queries handed to a model at once; at most so many answers are lost by a kill.
        retry_failed: Ask again what has a record with status "failed" (the network, a budget, a video that could not be
            read), also in runs that are finished.
        progress: Called after each record.

    Raises:
        UsageError: No models, an unknown one, or a fitted floor on fewer than 2 groups.
        StoreError: `out` cannot be written, or another process runs the same.
    """
    if not models:
        raise UsageError("No model to run. Name at least one, such as nano.")
    loaded = [load_model(model) if isinstance(model, str) else model for model in models]
    examples = choose_examples(example_set.examples, limit=limit)
    limit = None if len(examples) == len(example_set.examples) else limit
    if any(isinstance(model, FittedOnLabels) for model in loaded):
        group_folds(examples, num_folds=NUM_FOLDS)  # raises before anything is asked or paid
    cache = FrameCache(sample_frames)
    results: dict[str, RunResult] = {}
    for model in loaded:
        config = RunConfig.of(
            model,
            set_hash=example_set.set_hash,
            set_name=example_set.name,
            set_path=None if example_set.path is None else str(example_set.path),
            limit=limit,
            seed=seed,
            chunk_size=chunk_size,
        )
        if config.run_id not in results:
            results[config.run_id] = _run_one(
                model,
                examples,
                config,
                out=Path(out),
                cache=cache,
                retry_failed=retry_failed,
                progress=progress,
            )
    return list(results.values())


def choose_examples(examples: Sequence[Example], *, limit: int | None) -> tuple[Example, ...]:
    """Return at most `limit` examples, spread over the set: those with the smallest digest of their id, in set order.

    The first ones of a file would often be of one source.
    """
    if limit is None or limit >= len(examples):
        return tuple(examples)
    if limit < 1:
        raise UsageError(f"The limit must be at least 1, got {limit}.")
    digests = {e.example_id: hashlib.sha256(e.example_id.encode()).digest() for e in examples}
    last = sorted(digests.values())[limit - 1]
    return tuple(e for e in examples if digests[e.example_id] <= last)


def _run_one(
    model: RewardModel,
    examples: Sequence[Example],
    config: RunConfig,
    *,
    out: Path,
    cache: FrameCache,
    retry_failed: bool,
    progress: Progress | None,
) -> RunResult:
    with open_folder(out, config, num_examples=len(examples)) as folder:
        if retry_failed:
            reopen(folder)
        if (folder / DONE).exists():
            return load_run(folder)
        with JsonlWriter(folder / RECORDS) as writer:  # mends a torn last line before we read
            done = {record.example_id for record in read_records(folder / RECORDS)}
            num_done = len(done)
            for record in _answers(model, examples, done, config, cache):
                writer.append(record.model_dump(mode="json", exclude_defaults=True))
                num_done += 1
                if progress is not None:
                    progress(config.model, num_done, len(examples))
        result = load_run(folder)
        summary = summarize([result])[0].model_dump(mode="json")
        finish(folder, summary=summary, num_records=len(result.records))
        return result


def _answers(
    model: RewardModel,
    examples: Sequence[Example],
    done: set[str],
    config: RunConfig,
    cache: FrameCache,
) -> Iterator[Record]:
    if not isinstance(model, FittedOnLabels):
        todo = [e for e in examples if e.example_id not in done]
        yield from _answer_all(model, todo, config, cache)
        return
    folds = group_folds(examples, num_folds=config.num_folds)
    for fold in sorted(set(folds.values())):
        todo = [e for e in examples if folds[e.group] == fold and e.example_id not in done]
        if todo:
            seen = [e for e in examples if folds[e.group] != fold]
            model.fit([e.task for e in seen], [e.label.score for e in seen])
            yield from _answer_all(model, todo, config, cache)


def _answer_all(
    model: RewardModel, examples: Sequence[Example], config: RunConfig, cache: FrameCache
) -> Iterator[Record]:
    """Ask chunk by chunk; the videos of the next chunk are read while the model answers."""
    starts = range(0, len(examples), config.chunk_size)
    chunks = iter([examples[start : start + config.chunk_size] for start in starts])
    with ThreadPoolExecutor(1, "videos") as reader:
        ahead = [reader.submit(_prepare, chunk, config, cache) for chunk in islice(chunks, 1)]
        while ahead:
            prepared = ahead.pop().result()
            ahead += [reader.submit(_prepare, chunk, config, cache) for chunk in islice(chunks, 1)]
            yield from _answer_chunk(model, prepared)


@dataclass(frozen=True)
class _Prepared:
    """A chunk with what is asked, and the verdicts on what cannot be asked, by position."""

    chunk: Sequence[Example]
    asked: dict[int, Query]
    verdicts: dict[int, Verdict]


def _prepare(chunk: Sequence[Example], config: RunConfig, cache: FrameCache) -> _Prepared:
    """Read the videos of a chunk. One that cannot be read keeps its place with a failed verdict."""
    asked: dict[int, Query] = {}
    verdicts: dict[int, Verdict] = {}
    for position, example in enumerate(chunk):
        try:
            task = check_task(example.task)
            sample = cache.get(example.video, policy=config.frame_policy)
        except (MediaRefused, OSError, UsageError) as error:
            reason = f"Not asked: {shorten(error, 300)}"
            verdicts[position] = Verdict.without_score("failed", reason, model=config.model)
        else:
            asked[position] = Query(sample, task, example.example_id)
    return _Prepared(chunk, asked, verdicts)


def _answer_chunk(model: RewardModel, prepared: _Prepared) -> list[Record]:
    answers = dict(zip(prepared.asked, _ask(model, list(prepared.asked.values())), strict=True))
    verdicts = prepared.verdicts | answers
    return [Record.of(example, verdicts[i]) for i, example in enumerate(prepared.chunk)]


def _ask(model: RewardModel, queries: list[Query]) -> list[Verdict]:
    if not queries:
        return []
    start = time.perf_counter()
    verdicts = model.score(queries)
    each_s = (time.perf_counter() - start) / len(queries)
    if len(verdicts) != len(queries):
        raise RoboRewardError(
            f"Model {model.name} gave {len(verdicts)} verdicts for {len(queries)} queries. "
            "It breaks the contract of a reward model; report it to its author."
        )
    return [
        v if v.latency_s is not None else v.model_copy(update={"latency_s": each_s})
        for v in verdicts
    ]
