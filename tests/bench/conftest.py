"""Runs and sets made of nothing but labels and answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import roboreward.bench.run as run_module
from roboreward.bench import Record, RunConfig, RunResult
from roboreward.core import Example, FramePolicy, FrameSample, Label, Query, Verdict
from roboreward.dataset import ExampleSet

Row = tuple[int, int | str | None]


def make_verdict(answer: int | str | None) -> Verdict:
    """A score, or a status that has none; None abstains."""
    if isinstance(answer, int):
        return Verdict.scored(answer)  # type: ignore[arg-type]
    return Verdict.without_score(answer or "abstained", "made up")  # type: ignore[arg-type]


class FakeModel:
    """Answers by a rule and remembers what it was asked."""

    name, revision, frame_policy = "fake:rule", "r1", FramePolicy()
    capabilities: frozenset[Any] = frozenset()

    def __init__(self, rule: Callable[[Query], Verdict] | None = None, **attributes: Any) -> None:
        self._rule = rule or (lambda query: Verdict.scored(3))
        self.asked: list[str] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        self.asked += [query.query_id for query in queries]
        return [self._rule(query) for query in queries]


class FittedFloor(FakeModel):
    """A floor that remembers what it was fitted on."""

    name = "floor:fitted"

    def fit(self, tasks: Sequence[str], scores: Sequence[int]) -> None:
        assert len(tasks) == len(scores) > 0
        self.seen = set(tasks)


@pytest.fixture
def fake_model() -> type[FakeModel]:
    return FakeModel


@pytest.fixture
def fitted_floor() -> type[FittedFloor]:
    return FittedFloor


@pytest.fixture
def make_result() -> Callable[..., RunResult]:
    """Return a maker of runs from (label, answer) rows, or (label, answer, source, group) rows."""

    def make(rows: Sequence[tuple[Any, ...]], *, model: str = "m", **changes: Any) -> RunResult:
        records = []
        for i, (label, answer, *where) in enumerate(rows):
            source, group = where or ("s", f"g{i}")
            records.append(
                Record(
                    example_id=f"e{i}",
                    source=source,
                    group=group,
                    origin="rollout",
                    task=f"task {i}",
                    label=label,
                    verdict=make_verdict(answer),
                )
            )
        config = RunConfig(
            model=model,
            revision="r",
            set_hash=changes.pop("set_hash", "h"),
            frame_policy=FramePolicy(),
        )
        num_examples = changes.pop("num_examples", len(records))
        return RunResult(Path("nowhere"), config, tuple(records), num_examples, {"python": "3"})

    return make


@pytest.fixture
def example_set(tmp_path: Path) -> ExampleSet:
    """24 examples of 12 groups and 2 sources; their videos are names only."""
    examples = tuple(
        Example(
            example_id=f"e{i:02d}",
            video=tmp_path / f"v{i:02d}.mp4",
            file_name=f"v{i:02d}.mp4",
            task=f"lift block {i}",
            label=Label(score=i % 5 + 1, author="t"),
            source=f"s{i % 2}",
            group=f"g{i % 12}",
            origin="rollout",
        )
        for i in range(24)
    )
    return ExampleSet("made-up", examples, set_hash="0123")


@pytest.fixture
def no_videos(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Read grey frames in place of videos; the list tells which were read."""
    read: list[Path] = []

    def sample(path: Path, *, policy: FramePolicy) -> FrameSample:
        read.append(path)
        return FrameSample.from_array(np.full((2, 8, 8, 3), 90, np.uint8), origin=str(path))

    monkeypatch.setattr(run_module, "sample_frames", sample)
    return read
