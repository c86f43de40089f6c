"""Running models on a set: what is asked, what is written, what a rerun does."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

import roboreward.bench.run as run_module
from roboreward.bench import RunResult, load_run, run_bench
from roboreward.bench.run import FrameCache, choose_examples
from roboreward.core import (
    FramePolicy,
    MediaRefused,
    Query,
    RoboRewardError,
    StoreError,
    UnknownName,
    UsageError,
    Verdict,
)
from roboreward.dataset import ExampleSet


def only(results: list[RunResult]) -> RunResult:
    (result,) = results
    return result


def test_a_run_leaves_a_whole_folder_that_reads_back(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    result = only(run_bench(example_set, [fake_model()], tmp_path / "runs"))
    assert result.folder == tmp_path / "runs" / result.config.run_id
    names = {path.name for path in result.folder.iterdir() if not path.name.startswith(".")}
    assert names == {"run.json", "records.jsonl", "summary.json", "DONE"}
    assert load_run(result.folder) == result
    assert [r.example_id for r in result.records] == [e.example_id for e in example_set.examples]
    summary = json.loads((result.folder / "summary.json").read_text())
    done = json.loads((result.folder / "DONE").read_text())
    assert summary["records_sha256"] == done["records_sha256"]
    assert summary["estimates"]["mae"]["value"] == pytest.approx(28 / 24)


def test_a_model_is_shown_nothing_but_frames_task_and_id(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    seen: list[Query] = []

    def rule(query: Query) -> Verdict:
        seen.append(query)
        return Verdict.scored(1)

    run_bench(example_set, [fake_model(rule)], tmp_path)
    assert [query.task for query in seen] == [e.task for e in example_set.examples]
    assert vars(seen[0]).keys() == {"sample", "task", "query_id"}


def test_the_next_videos_are_read_while_the_model_answers(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    seen: list[int] = []

    def rule(query: Query) -> Verdict:
        until = time.monotonic() + 10
        while not seen and len(no_videos) <= 4 and time.monotonic() < until:
            time.sleep(0.005)
        seen.append(len(no_videos))
        return Verdict.scored(1)

    run_bench(example_set, [fake_model(rule)], tmp_path, chunk_size=4)
    assert seen[0] > 4
    assert max(seen[:4]) <= 8, "no more than one chunk ahead"


def test_what_failed_is_asked_again_when_that_is_wanted_and_nothing_else_is(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    asked: list[str] = []
    is_down = True

    def rule(query: Query) -> Verdict:
        asked.append(query.query_id)
        if is_down and len(asked) % 3 == 0:
            return Verdict.without_score("failed", "no network")
        if len(asked) == 5:
            return Verdict.without_score("refused", "declined")
        return Verdict.scored(2)

    first = only(run_bench(example_set, [fake_model(rule)], tmp_path))
    failed = [r.example_id for r in first.records if r.verdict.status == "failed"]
    assert len(failed) == len(example_set.examples) // 3
    asked.clear()
    assert only(run_bench(example_set, [fake_model(rule)], tmp_path)) == first
    assert asked == []
    is_down = False
    again = only(run_bench(example_set, [fake_model(rule)], tmp_path, retry_failed=True))
    assert asked == failed
    assert again == load_run(again.folder)
    assert again.is_complete
    assert {r.verdict.status for r in again.records} == {"scored", "refused"}
    kept = {r.example_id: r for r in first.records if r.example_id not in failed}
    assert kept.items() <= {r.example_id: r for r in again.records}.items()
    asked.clear()
    assert only(run_bench(example_set, [fake_model(rule)], tmp_path, retry_failed=True)) == again
    assert asked == []


def test_a_finished_run_is_read_back_and_asks_nothing(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    first = run_bench(example_set, [fake_model()], tmp_path)
    again = fake_model()
    assert run_bench(example_set, [again], tmp_path) == first
    assert again.asked == []


def test_only_what_is_missing_is_asked(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    result = only(run_bench(example_set, [fake_model()], tmp_path))
    lines = (result.folder / "records.jsonl").read_text().splitlines(keepends=True)
    (result.folder / "records.jsonl").write_text("".join(lines[:20]) + lines[20][:40])  # torn
    (result.folder / "DONE").unlink()
    again = fake_model()
    resumed = only(run_bench(example_set, [again], tmp_path))
    assert again.asked == ["e20", "e21", "e22", "e23"]
    assert [r.example_id for r in resumed.records] == [r.example_id for r in result.records]
    assert resumed.is_complete


def test_a_video_that_cannot_be_read_fails_its_example_and_no_other(
    example_set: ExampleSet,
    fake_model: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_videos: list[Path],
    tmp_path: Path,
) -> None:
    read = run_module.sample_frames

    def picky(path: Path, *, policy: FramePolicy) -> Any:
        if path.name == "v03.mp4":
            raise MediaRefused("truncated", "v03.mp4 ends early.")
        if path.name == "v05.mp4":
            raise PermissionError(13, "Permission denied")
        return read(path, policy=policy)

    monkeypatch.setattr(run_module, "sample_frames", picky)
    model = fake_model()
    result = only(run_bench(example_set, [model], tmp_path))
    failed = {r.example_id: r.verdict for r in result.records if r.verdict.status == "failed"}
    assert set(failed) == {"e03", "e05"}
    assert "ends early" in (failed["e03"].reason or "")
    assert len(model.asked) == 22
    assert len(result.records) == 24


def test_an_answer_that_no_file_can_hold_does_not_stop_the_run(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    text = "\ud800" + "\x00" * 2_000_000
    model = fake_model(lambda query: Verdict.without_score("unparsed", "no answer", raw_text=text))
    result = only(run_bench(example_set, [model], tmp_path, limit=2))
    assert "characters left out" in (result.records[0].verdict.raw_text or "")


def test_a_fitted_floor_never_saw_the_group_it_answers(
    example_set: ExampleSet, no_videos: list[Path], fitted_floor: Any, tmp_path: Path
) -> None:
    group_of = {e.task: e.group for e in example_set.examples}
    model = fitted_floor()
    leaks: list[str] = []

    def rule(query: Query) -> Verdict:
        seen = {group_of[task] for task in model.seen}
        leaks.extend(seen & {group_of[query.task]})
        return Verdict.scored(2)

    model._rule = rule
    result = only(run_bench(example_set, [model], tmp_path))
    assert leaks == []
    assert {r.example_id for r in result.records} == {e.example_id for e in example_set.examples}


def test_a_fitted_floor_needs_two_groups_and_says_so_before_anything_is_asked(
    example_set: ExampleSet,
    no_videos: list[Path],
    fake_model: Any,
    fitted_floor: Any,
    tmp_path: Path,
) -> None:
    alone = tuple(e for e in example_set.examples if e.group == "g0")
    model, out = fake_model(), tmp_path / "runs"
    with pytest.raises(UsageError, match="at least 2 groups"):
        run_bench(ExampleSet("s", alone, set_hash="h"), [model, fitted_floor()], out)
    assert model.asked == []
    assert not out.exists()


def test_no_model_is_told_the_path_of_a_video(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    told: set[str] = set()

    def rule(query: Query) -> Verdict:
        told.add(query.sample.origin)
        return Verdict.scored(3)

    run_bench(example_set, [fake_model(rule)], tmp_path)
    assert told == {"a video of the set"}


def test_models_share_the_frames_of_a_video(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    run_bench(example_set, [fake_model(), fake_model(name="fake:two")], tmp_path)
    assert len(no_videos) == 24


def test_the_frame_cache_stays_within_its_memory() -> None:
    from roboreward.core import FrameSample

    read: list[Path] = []

    def sample(path: Path, *, policy: FramePolicy) -> FrameSample:
        import numpy as np

        read.append(path)
        return FrameSample.from_array(np.zeros((1, 10, 10, 3), np.uint8))

    cache = FrameCache(sample, max_bytes=700)
    for _ in range(2):
        for name in "abc":
            cache.get(Path(name), policy=FramePolicy())
    assert [path.name for path in read] == ["a", "b", "c", "c"]


def test_a_limit_spreads_over_the_set_and_is_stable(example_set: ExampleSet) -> None:
    chosen = choose_examples(example_set.examples, limit=8)
    assert len(chosen) == 8
    assert chosen != example_set.examples[:8]
    shuffled = choose_examples(example_set.examples[::-1], limit=8)
    assert {e.example_id for e in shuffled} == {e.example_id for e in chosen}
    assert choose_examples(example_set.examples, limit=99) == example_set.examples
    with pytest.raises(UsageError, match="at least 1"):
        choose_examples(example_set.examples, limit=0)


def test_a_limit_beyond_the_set_is_the_same_run(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    first = run_bench(example_set, [fake_model()], tmp_path)
    assert run_bench(example_set, [fake_model()], tmp_path, limit=500) == first


def test_a_wrong_model_name_costs_nothing(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    model = fake_model()
    with pytest.raises(UnknownName):
        run_bench(example_set, [model, "nanoo"], tmp_path / "runs")
    assert model.asked == []
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UsageError, match="at least one"):
        run_bench(example_set, [], tmp_path)


def test_a_model_that_loses_answers_is_stopped(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    model = fake_model()
    model.score = lambda queries: [Verdict.scored(1)]
    with pytest.raises(RoboRewardError, match="1 verdicts for 24 queries"):
        run_bench(example_set, [model], tmp_path)


def test_progress_is_told_after_each_record(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    run_bench(
        example_set, [fake_model()], tmp_path, limit=3, progress=lambda *now: told.append(now)
    )
    assert told == [("fake:rule", n, 3) for n in (1, 2, 3)]


def test_an_output_that_cannot_be_written_is_named(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        run_bench(example_set, [fake_model()], tmp_path / "file")
