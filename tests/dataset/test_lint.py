"""The linter: every trap of the published release is found, and a clean dataset has no finding."""

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, MediaRefused, UsageError
from roboreward.dataset import CHECKS, Finding, LintLimits, LintReport, lint_dataset, read_dataset
from roboreward.dataset.lint_videos import video_findings
from roboreward.dataset.videos import VideoFacts
from roboreward.media import write_video

Row = dict[str, Any]
DatasetOf = Callable[..., Path]
NEED_VIDEOS = {"same-video-in-splits", "same-video-two-names", "undecodable-video"}


def row(name: str, task: str = "lift the cup", reward: int = 3, **more: Any) -> Row:
    return {"file_name": f"lab/{name}.mp4", "task": task, "reward": reward, **more}


def words(num: int, rng: random.Random) -> str:
    return " ".join(
        rng.choice(("cup", "plate", "pot", "lid", "tray", "box", "red", "near", "under"))
        for _ in range(num)
    )


def lint(folder: Path, **options: Any) -> LintReport:
    return lint_dataset(folder, has_videos=False, **options)


def codes(report: LintReport) -> set[str]:
    return {found.code for found in report.findings}


def only(report: LintReport, code: str) -> Finding:
    (found,) = (found for found in report.findings if found.code == code)
    return found


@pytest.fixture(scope="module")
def published(published_dataset: Path) -> LintReport:
    return lint_dataset(published_dataset)


def in_split(report: LintReport, code: str, split: str) -> Finding:
    (found,) = (f for f in report.findings if f.code == code and f.where.startswith(split))
    return found


def test_a_clean_dataset_has_no_finding(clean_dataset: Path) -> None:
    report = lint_dataset(clean_dataset)
    assert report.findings == ()
    assert report.is_clean
    assert report.num_rows == {"train": 60, "test": 40}
    assert "No finding" in report.text()


def test_the_score_in_the_names_of_clips_is_found(
    published: LintReport, published_dataset: Path
) -> None:
    lines = (published_dataset / "train" / "metadata.jsonl").read_text().splitlines()
    found = in_split(published, "label-in-file-name", "train")
    assert found.severity == "error"
    assert found.count == sum("_score_" in line for line in lines)
    number = next(n for n, line in enumerate(lines, 1) if "_score_" in line)
    assert found.where == f"train/metadata.jsonl:{number}"
    assert "score_" in found.message


def test_that_copies_and_clips_have_names_of_their_own_shape_is_found(
    published: LintReport,
) -> None:
    found = only(published, "name-predicts-label")
    assert "the shape 'originalsplit_train_index_#' goes with score 5 in 100 %" in found.message


def test_copies_of_a_video_are_found(published: LintReport) -> None:
    found = in_split(published, "same-video-two-names", "train")
    assert "28 videos under more than one name" in found.message
    assert "_index_0.mp4' and" in found.message


def test_a_video_in_two_splits_is_found_under_another_name_too(published: LintReport) -> None:
    found = only(published, "same-video-in-splits")
    assert "train/bridge/bridge_originalsplit_train_index_5.mp4" in found.message
    assert "test/bridge/again.mp4" in found.message


def test_a_base_video_whose_clip_is_in_another_split_is_found(published: LintReport) -> None:
    found = only(published, "group-straddles-splits")
    assert "bridge_originalsplit_train_index_5' in train and test" in found.message
    assert found.count == 7


def test_two_spellings_of_one_source_are_found(published: LintReport) -> None:
    found = only(published, "source-spelling")
    assert "'roboarena' (6 rows), 'robo_arena' (30 rows)" in found.message
    assert found.count == 6


def test_camera_views_that_count_as_rollouts_are_found(published: LintReport) -> None:
    found = only(published, "views-in-groups")
    assert found.message.startswith("36 rows are camera views of 12 rollouts")


@pytest.mark.parametrize(
    ("code", "split", "says"),
    [
        ("contradicting-labels", "train", "different labels"),
        ("same-task-as-parent", "train", "is that of the video's original row"),
        ("missing-parent", "train", "index_900_attempt_1_score_3"),
        ("rejected-row", "test", "ANSWER: FALSE"),
        ("label-in-task", "test", "'ANSWER:'"),
        ("validator-text-in-task", "test", "holds what a validator"),
        ("task-ends-with-score", "test", "'(5)'"),
        ("odd-characters", "test", "U+2013"),
        ("few-of-source", "train", "roboarena: 6"),
    ],
)
def test_a_row_that_is_wrong_is_named(
    published: LintReport, code: str, split: str, says: str
) -> None:
    found = in_split(published, code, split)
    assert says in found.message
    assert found.severity == CHECKS[code].severity
    assert found.advice == CHECKS[code].advice


def test_broken_files_are_named_with_the_reason(published: LintReport) -> None:
    told = [found.message for found in published.findings if found.code == "undecodable-video"]
    assert any("(truncated)" in text for text in told)
    assert any("(empty)" in text for text in told)


def test_metadata_alone_shows_what_needs_no_video(
    published: LintReport, published_dataset: Path, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        (tmp_path / "bare" / split).mkdir(parents=True)
        text = (published_dataset / split / "metadata.jsonl").read_text()
        (tmp_path / "bare" / split / "metadata.jsonl").write_text(text)
    bare = lint(tmp_path / "bare")
    assert codes(bare) == codes(published) - NEED_VIDEOS
    assert "the videos were not looked at" in bare.text()


def test_the_same_dataset_gives_the_same_report_errors_first(
    published: LintReport, published_dataset: Path
) -> None:
    again = lint_dataset(read_dataset(published_dataset, allow_bad=True))
    assert again == published
    severities = [found.severity for found in published.findings]
    assert severities == sorted(severities)
    value = json.loads(json.dumps(published.as_json()))
    assert value["num_errors"] + value["num_warnings"] == len(value["findings"])
    assert all(found.code in published.text() for found in published.findings)


# Shortcuts


def ladder(rng: random.Random, num: int, *, means: dict[int, float]) -> list[Row]:
    """Rows whose length goes with the score as `means` says, in words that do not."""
    return [
        row(f"v{i}", words(max(2, round(rng.gauss(means[1 + i % 5], 2))), rng), 1 + i % 5)
        for i in range(num)
    ]


def test_the_published_lengths_by_score_are_a_shortcut(dataset_of: DatasetOf) -> None:
    published_means = {1: 11.4, 2: 15.9, 3: 15.7, 4: 16.6, 5: 6.0}
    report = lint(dataset_of(test=ladder(random.Random(1), 400, means=published_means)))
    found = only(report, "length-shortcut")
    (length,) = (s for s in report.shortcuts if s.reader == "length")
    assert found.severity == "error"
    assert found.where == "test"
    assert length.mae < length.constant_mae == pytest.approx(1.2)
    assert length.lo > 0
    assert f"{length.mae:.3f}" in found.message
    assert f"{length.constant_mae:.3f}" in found.message
    assert list(length.means) == pytest.approx(list(published_means.values()), abs=0.7)


def test_lengths_that_do_not_go_with_the_score_are_none(dataset_of: DatasetOf) -> None:
    report = lint(
        dataset_of(test=ladder(random.Random(1), 400, means=dict.fromkeys(range(1, 6), 12)))
    )
    assert not codes(report) & {"length-shortcut", "text-shortcut"}
    assert all(s.lo <= 0 for s in report.shortcuts)


def test_a_word_that_goes_with_the_score_is_a_shortcut_and_both_numbers_are_told(
    dataset_of: DatasetOf,
) -> None:
    rng = random.Random(2)
    hints = {1: "unrelated", 2: "barely", 3: "partly", 4: "nearly", 5: "exactly"}
    rows = [row(f"v{i}", f"{hints[1 + i % 5]} {words(6, rng)}", 1 + i % 5) for i in range(100)]
    report = lint(dataset_of(train=rows))
    found = only(report, "text-shortcut")
    (read,) = (s for s in report.shortcuts if s.reader == "words")
    assert found.severity == "error"
    assert read.mae < 0.4
    assert read.constant_mae == pytest.approx(1.2)
    assert f"off by {read.mae:.3f}" in found.message
    assert f"off by {read.constant_mae:.3f}" in found.message


def test_words_are_read_by_group_so_that_repeated_tasks_of_one_group_teach_nothing(
    dataset_of: DatasetOf,
) -> None:
    # Each group has a word and a score of its own: known to a reader that saw the group, unknown to one that did not.
    rows = [
        row(f"v{i}", f"lift thing{i // 4}", 1 + (i // 4) % 5, group=f"g{i // 4}")
        for i in range(200)
    ]
    report = lint(dataset_of(train=rows))
    assert "text-shortcut" not in codes(report)


def test_few_groups_are_not_enough_to_speak_of_a_shortcut(dataset_of: DatasetOf) -> None:
    rows = [row(f"v{i}", "lift it", 1 + i % 5, group=f"g{i % 10}") for i in range(100)]
    assert lint(dataset_of(train=rows)).shortcuts == ()


def test_durations_that_go_with_the_score_are_a_warning(clean_dataset: Path) -> None:
    from roboreward.dataset.lint_shortcuts import measure_shortcuts, shortcut_findings

    dataset = read_dataset(clean_dataset)
    seconds = {r.example.video: 3.0 * r.example.label.score for r in dataset.rows}
    found = list(shortcut_findings(measure_shortcuts(dataset, seconds)))
    assert {f.code for f in found} == {"duration-shortcut"}
    assert {f.severity for f in found} == {"warning"}


# Names


def coded(num: int, code_of: Callable[[int], str], **more: Any) -> list[Row]:
    rng = random.Random(5)
    return [row(f"{code_of(i)}{i:04d}", words(6, rng), 1 + i % 5, **more) for i in range(num)]


def test_a_spelling_that_no_rule_knows_is_found_by_counting(dataset_of: DatasetOf) -> None:
    report = lint(dataset_of(train=coded(100, lambda i: "ok_" if i % 5 == 4 else "ng_")))
    found = only(report, "name-predicts-label")
    assert "'ok' goes with score 5 in 100 %" in found.message
    assert "where its sources would give 20 %" in found.message


def test_a_folder_that_predicts_the_label_is_found(dataset_of: DatasetOf) -> None:
    rows = coded(100, lambda i: "", source="lab")
    for i, one in enumerate(rows):
        one["file_name"] = f"{'batch_a' if i % 5 < 2 else 'batch_b'}/{i:04d}.mp4"
    assert "folder 'batch_a'" in only(lint(dataset_of(train=rows)), "name-predicts-label").message


def test_a_part_that_says_nothing_is_no_finding(dataset_of: DatasetOf) -> None:
    report = lint(dataset_of(train=coded(200, lambda i: f"robot{(i // 5) % 3}_day{(i // 5) % 4}_")))
    assert report.is_clean


def test_the_name_of_a_source_with_one_label_is_no_news(dataset_of: DatasetOf) -> None:
    rows = coded(50, lambda i: "lab_")
    rows += [
        {**one, "file_name": f"demos/demos_{i:04d}.mp4", "reward": 5}
        for i, one in enumerate(coded(50, lambda i: ""))
    ]
    assert "name-predicts-label" not in codes(lint(dataset_of(train=rows)))


def test_rows_of_one_group_are_one_observation(dataset_of: DatasetOf) -> None:
    # Twelve rollouts in one session with one label, filmed by four cameras: one observation, not 48.
    rows = coded(100, lambda i: "x_")
    rows += [row(f"night_{i:04d}", "lift", 1, group="one-session") for i in range(48)]
    assert "name-predicts-label" not in codes(lint(dataset_of(train=rows)))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x/run_score_3.mp4", "label-in-file-name"),
        ("x/run_attempt_2_score_1.mp4", "label-in-file-name"),
        ("x/Score3.mp4", "label-in-file-name"),
        ("x/run_reward-5.mp4", "label-in-file-name"),
        ("x/run_success.mp4", "label-in-file-name"),
        ("x/run_failure2.mp4", "label-in-file-name"),
        ("x/pick_suboptimal.mp4", "label-in-file-name"),
        ("x/runFailed.mp4", "label-in-file-name"),
        ("successes/run.mp4", "label-in-folder"),
        ("score_4/run.mp4", "label-in-folder"),
        ("x/failsafe_underscore_1.mp4", None),
        ("x/scoreboard.mp4", None),
        ("x/successor_7.mp4", None),
    ],
)
def test_known_spellings_of_labels_in_paths(
    dataset_of: DatasetOf, name: str, code: str | None
) -> None:
    report = lint(dataset_of(train=[row("a"), {**row("b"), "file_name": name}]))
    assert codes(report) & {"label-in-file-name", "label-in-folder"} == ({code} if code else set())


def test_a_label_in_an_id_is_found(dataset_of: DatasetOf) -> None:
    rows = [row("a", example_id="a1"), row("b", example_id="b-success")]
    assert only(lint(dataset_of(train=rows)), "label-in-id").where == "train/metadata.jsonl:2"


# Rows


def test_rows_that_cannot_be_used_are_found_and_named(dataset_of: DatasetOf) -> None:
    rows = [row("a"), row("b", task=" "), row("c", reward=9), row("a"), {"task": "t", "reward": 1}]
    report = lint(dataset_of(train=rows))
    assert only(report, "empty-task").where == "train/metadata.jsonl:2"
    assert only(report, "bad-row").where == "train/metadata.jsonl:3"
    assert only(report, "bad-row").more == ("train/metadata.jsonl:5",)
    repeated = only(report, "repeated-id")
    assert (repeated.where, repeated.count) == ("train/metadata.jsonl:4", 1)
    assert "train/metadata.jsonl:1" in repeated.message
    assert only(report, "repeated-row").where == "train/metadata.jsonl:4"


def test_a_video_that_is_not_there_is_found(clean_dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "lab").mkdir(parents=True)
    source = next((clean_dataset / "train").glob("*/*.mp4"))
    (folder / "lab" / "a.mp4").write_bytes(source.read_bytes())
    lines = [json.dumps(row("a")), json.dumps(row("gone"))]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    found = only(lint_dataset(folder), "missing-video")
    assert found.where == "metadata.jsonl:2"
    assert "lab/gone.mp4" in found.message


def test_an_id_that_two_splits_use_is_found(dataset_of: DatasetOf) -> None:
    folder = dataset_of(train=[row("a", example_id="e")], test=[row("b", example_id="e")])
    assert only(lint(folder), "repeated-id").where == "test/metadata.jsonl:1"


def test_a_repeated_row_with_another_label_contradicts(dataset_of: DatasetOf) -> None:
    report = lint(dataset_of(train=[row("a", reward=2), row("a", "Lift  the cup.", reward=4)]))
    found = only(report, "contradicting-labels")
    assert "2 (train/metadata.jsonl:1) and 4 (train/metadata.jsonl:2)" in found.message
    assert "repeated-row" not in codes(report)


@pytest.mark.parametrize(
    "task",
    ["lift the cup (3)", "lift the cup - 4", "lift the cup: 2", "lift the cup 3/5", "lift [1]."],
)
def test_a_score_behind_the_task_is_found(dataset_of: DatasetOf, task: str) -> None:
    assert only(lint(dataset_of(train=[row("a", task)])), "task-ends-with-score").count == 1


def test_a_bare_digit_is_a_score_only_where_it_keeps_being_the_label(dataset_of: DatasetOf) -> None:
    told = [row(f"a{i}", f"lift the cup {1 + i % 5}", 1 + i % 5) for i in range(6)]
    numbered = [row(f"b{i}", f"lift block {1 + i % 5}", 1 + (i // 5) % 5) for i in range(25)]
    report = lint(dataset_of(train=told, test=numbered))
    assert only(report, "task-ends-with-score").where.startswith("train")
    assert only(report, "task-ends-with-score").count == 6


@pytest.mark.parametrize(
    "task", ["lift it, score of 4", "lift it. Reward: 2", "lift. ANSWER: TRUE"]
)
def test_a_score_inside_the_task_is_found(dataset_of: DatasetOf, task: str) -> None:
    assert "label-in-task" in codes(lint(dataset_of(train=[row("a", task)])))


def test_the_labellers_words_in_the_task_are_found_but_not_the_task_in_its_words(
    dataset_of: DatasetOf,
) -> None:
    leaking = row(
        "a", "lift the cup, the cup was dropped halfway", label_reason="the cup was dropped halfway"
    )
    honest = row("b", "put the cup on the plate", label_reason="put the cup on the plate.")
    report = lint(dataset_of(train=[leaking, honest]))
    found = only(report, "validator-text-in-task")
    assert (found.where, found.count) == ("train/metadata.jsonl:1", 1)


def test_long_tasks_are_told_above_the_limit_only(dataset_of: DatasetOf) -> None:
    folder = dataset_of(train=[row("a", "go " * 30), row("b", "go " * 31)])
    found = only(lint(folder, limits=LintLimits(max_task_words=30)), "long-task")
    assert found.where == "train/metadata.jsonl:2"
    assert "31 words" in found.message


# Groups, views, origins


def test_a_group_under_two_spellings_of_its_source_still_straddles(dataset_of: DatasetOf) -> None:
    train = {"file_name": "robo_arena/s1.mp4", "task": "lift", "reward": 2}
    test = {"file_name": "roboarena/s1.mp4", "task": "lift", "reward": 2}
    assert "group-straddles-splits" in codes(lint(dataset_of(train=[train], test=[test])))


def test_views_of_one_episode_in_one_group_are_fine(dataset_of: DatasetOf) -> None:
    def views(group: str) -> list[Row]:
        return [
            row(f"a{view}", episode_id="e1", view=view, group=group.format(view))
            for view in ("left", "right")
        ]

    assert "views-in-groups" not in codes(lint(dataset_of(train=views("g"))))
    assert "views-in-groups" in codes(lint(dataset_of(train=views("g-{}"))))


@pytest.mark.parametrize(
    ("names", "are_views"),
    [
        (("e1_left", "e1_right"), True),
        (("e1_cam0", "e1_cam1"), True),
        (("ext1_e7", "ext2_e7"), True),
        (("front_0001", "front_0002"), False),
        (("e1", "e2"), False),
        (("upright_1", "upright_2"), False),
    ],
)
def test_camera_views_are_known_by_their_names(
    dataset_of: DatasetOf, names: tuple[str, str], are_views: bool
) -> None:
    report = lint(dataset_of(train=[row(name) for name in names]))
    assert ("views-in-groups" in codes(report)) == are_views


def test_a_clip_with_its_parent_is_fine_and_one_without_is_told(dataset_of: DatasetOf) -> None:
    parent = row("a", reward=5, example_id="p", origin="original")
    clip = row("b", origin="clip", parent_id="p", cut_frac=0.3, example_id="c1")
    orphan = row("c", origin="clip", parent_id="q", cut_frac=0.3, example_id="c2")
    found = only(lint(dataset_of(train=[parent, clip, orphan])), "missing-parent")
    assert (found.where, found.count) == ("train/metadata.jsonl:3", 1)
    assert "'q'" in found.message


def test_a_clip_of_a_build_may_lack_its_parent(dataset_of: DatasetOf) -> None:
    made = {"operation": "clip", "parent_ids": ["q"]}
    clip = row("c", origin="clip", parent_id="q", cut_frac=0.3, example_id="c2", provenance=made)
    assert not [f for f in lint(dataset_of(train=[clip])).findings if f.code == "missing-parent"]


def test_a_counterfactual_must_ask_something_else(dataset_of: DatasetOf) -> None:
    parent = row("a", "put it down", 5, example_id="p", origin="original")
    same = row("b", "Put it  down.", 2, example_id="x", origin="counterfactual", parent_id="p")
    other = row("c", "pick it up", 2, example_id="y", origin="counterfactual", parent_id="p")
    found = only(lint(dataset_of(train=[parent, same, other])), "same-task-as-parent")
    assert (found.where, found.count) == ("train/metadata.jsonl:2", 1)


def test_an_oracle_that_disagreed_and_gave_the_label_itself_rejected_nothing(
    dataset_of: DatasetOf,
) -> None:
    said = {"validator": "oracle", "is_accepted": False, "text": "proposed 2, found 3"}
    own = row("a", validator=said, label_author="oracle")
    others = row("b", validator=said, label_author="proposer")
    found = only(lint(dataset_of(train=[own, others])), "rejected-row")
    assert (found.where, found.count) == ("train/metadata.jsonl:2", 1)


def test_splits_with_different_columns_are_told(dataset_of: DatasetOf) -> None:
    folder = dataset_of(train=[row("a", parent_id="x"), row("b")], test=[row("c"), row("d")])
    found = only(lint(folder), "columns-differ")
    assert "parent_id: string against absent" in found.message
    mixed = dataset_of(train=[row("a", n=1), row("b", n="one")], test=[row("c", n=2)])
    assert "different types in n" in next(
        f.message for f in lint(mixed).findings if f.code == "columns-differ"
    )


def test_levels_and_sources_under_the_minimum_are_told_with_count_and_share(
    dataset_of: DatasetOf,
) -> None:
    rng = random.Random(0)
    rows = [row(f"v{i}", words(6, rng), 1 + i % 4) for i in range(96)]
    rows += [row(f"w{i}", words(6, rng), 5, source="other") for i in range(4)]
    folder = dataset_of(train=rows)
    report = lint(folder)
    assert "score 5: 4 (4.0 %)" in only(report, "few-of-level").message
    assert "other: 4 (4.0 %)" in only(report, "few-of-source").message
    limits = LintLimits(min_level_rows=4, min_level_share=0.04, min_source_rows=4)
    assert not codes(lint(folder, limits=limits)) & {"few-of-level", "few-of-source"}


def test_one_video_in_two_groups_of_a_split_is_an_error(
    clean_dataset: Path, tmp_path: Path
) -> None:
    source = next((clean_dataset / "train").glob("*/*.mp4"))
    (tmp_path / "lab").mkdir()
    for name in ("a", "b"):
        (tmp_path / "lab" / f"{name}.mp4").write_bytes(source.read_bytes())
    lines = [json.dumps(row("a")), json.dumps(row("b", "drop the cup", 1))]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    report = lint_dataset(tmp_path)
    found = only(report, "same-video-two-groups")
    assert "'lab/a.mp4' and 'lab/b.mp4'" in found.message
    assert "same-video-two-names" not in codes(report)


# Videos


def facts_of(folder: Path, **changes: Any) -> list[Finding]:
    dataset = read_dataset(folder)
    plain = {"sha256": "0" * 64, "announced_frames": 9, "num_frames": 9, **changes}
    facts = {r.example.video: VideoFacts(r.example.video, **plain) for r in dataset.rows}
    return list(video_findings(dataset, facts))


def test_one_announced_frame_too_many_is_tolerated_and_two_are_not(clean_dataset: Path) -> None:
    folder = clean_dataset / "test"
    assert facts_of(folder, num_frames=8) == []
    assert facts_of(folder, announced_frames=None) == []
    (found,) = facts_of(folder, num_frames=7)
    assert (found.code, found.severity, found.count) == ("frame-count", "warning", 40)
    assert "announces 9 frames, 7 can be decoded" in found.message


def test_a_video_of_one_colour_is_found(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    rng = np.random.default_rng(0)
    blue = np.zeros((6, 32, 32, 3), np.uint8) + np.array([10, 20, 200], np.uint8)
    write_video(tmp_path / "lab" / "a.mp4", blue, fps=5.0)
    coarse = rng.integers(0, 255, (6, 4, 4, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    write_video(tmp_path / "lab" / "b.mp4", coarse, fps=5.0)
    lines = [json.dumps(row("a")), json.dumps(row("b", "drop the cup", 1))]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    found = only(lint_dataset(tmp_path), "blank-video")
    assert (found.severity, found.count) == ("error", 1)
    assert "lab/a.mp4" in found.message


def test_a_video_without_frames_is_an_error_of_its_own(clean_dataset: Path) -> None:
    (found,) = facts_of(clean_dataset / "test", refusal="no_frames", message="no frame.")
    assert (found.code, found.severity) == ("no-frames", "error")


def test_videos_that_look_the_same_are_found_across_splits_only(clean_dataset: Path) -> None:
    twins = {"train0003.mp4", "test0007.mp4", "train0004.mp4"}

    def look(path: Path) -> Any:
        if path.name == "train0009.mp4":
            raise MediaRefused("damaged", "cannot be read")
        seed = 1 if path.name in twins else zlib.crc32(path.name.encode())
        return np.random.default_rng(seed).integers(0, 2**63, 8, dtype=np.uint64)

    report = lint_dataset(clean_dataset, fingerprint=look)
    found = only(report, "near-video-in-splits")
    assert report.has_fingerprints
    assert found.where.startswith("test/")
    assert found.count == 2
    assert "test0007.mp4" in found.message


def test_real_fingerprints_find_a_copy_that_was_encoded_again(
    clean_dataset: Path, tmp_path: Path
) -> None:
    from roboreward.media import VideoProfile, perceptual_fingerprint, sample_frames, write_video

    frames = np.zeros((8, 64, 64, 3), np.uint8)
    rng = np.random.default_rng(0)
    frames[:] = np.kron(rng.integers(0, 255, (1, 8, 8, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    other = np.kron(rng.integers(0, 255, (8, 8, 8, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    for split, name, crf, shown in (
        ("train", "a", 5, frames),
        ("train", "b", 5, other),
        ("test", "c", 28, frames),
    ):
        path = tmp_path / split / "lab" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, shown, fps=4.0, profile=VideoProfile(crf=crf))
        with (tmp_path / split / "metadata.jsonl").open("a") as stream:
            stream.write(json.dumps(row(name)) + "\n")
    assert sample_frames(tmp_path / "test" / "lab" / "c.mp4").record.num_frames == 8
    report = lint_dataset(tmp_path, fingerprint=perceptual_fingerprint)
    assert "same-video-in-splits" not in codes(report)
    found = only(report, "near-video-in-splits")
    assert "'lab/a.mp4'" in found.message
    assert "'lab/c.mp4'" in found.message


# The report


def test_every_kind_of_finding_has_a_test_and_says_what_to_do() -> None:
    tests = Path(__file__).read_text()
    assert [code for code in CHECKS if f'"{code}"' not in tests] == []
    for code, check in CHECKS.items():
        assert code == code.lower()
        assert check.means
        assert check.advice.endswith(".")


def test_what_cannot_be_linted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        lint_dataset(tmp_path / "nowhere")
    (tmp_path / "metadata.jsonl").write_text("{not json\n")
    with pytest.raises(DataError, match=r"no usable row.*not JSON"):
        lint_dataset(tmp_path)
