"""A RoboArena dump becomes scored attempts, grouped by session; the scale of the scores is found out, never guessed."""

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, MissingExtra, UnknownName, UsageError
from roboreward.media import write_video
from roboreward.sources import Footage, Skip, Source, SourceEpisode
from roboreward.sources.partial_success import MAPPINGS, detect_maximum, score_mapping
from roboreward.sources.roboarena import RoboArenaSource

POLICIES = {
    "A": {"policy_name": "pi0_droid", "partial_success": 1.0, "binary_success": 1, "duration": 399},
    "B": {"policy_name": "paligemma_fast_droid", "partial_success": 0.4, "binary_success": 0},
}
VIEWS = ("left", "right", "wrist")


def metadata(**changes: Any) -> dict[str, Any]:
    content = {
        "language_instruction": "put the cup on the plate",
        "preference": "A",
        "longform_feedback": "A was faster: B dropped the cup",
        "evaluator_name": "someone@example.org",
        "evaluation_location": "Berkeley",
        "policies": POLICIES,
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def write_session(
    root: Path, name: str, content: Any, *, views: tuple[str, ...] = VIEWS, text: str | None = None
) -> Path:
    """Write a session as the dumps have it; its videos are empty files."""
    folder = root / "evaluation_sessions" / name
    for letter, policy in ((content or {}).get("policies") or {}).items():
        policy_name = (policy or {}).get("policy_name", "nobody")
        attempt = folder / f"{letter}_{policy_name}"
        attempt.mkdir(parents=True)
        for view in views:
            (attempt / f"{policy_name}_2025_04_28_19_37_59_video_{view}.mp4").touch()
        (attempt / f"{policy_name}_2025_04_28_19_37_59_npz_file.npz").touch()
    folder.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (folder / "metadata.yaml").write_text(text)
    elif content is not None:
        (folder / "metadata.json").write_text(json.dumps(content))
    return folder


def policies(*partials: Any) -> dict[str, Any]:
    return {
        chr(ord("A") + i): {"policy_name": f"policy_{i}", "partial_success": partial}
        for i, partial in enumerate(partials)
    }


def read(root: Path, **options: Any) -> list[SourceEpisode]:
    return list(RoboArenaSource(root, **options).episodes())


def read_leniently(root: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    return list(RoboArenaSource(root, **options).episodes(on_skip=skips.append)), skips


def test_attempts_of_a_session_are_episodes_of_one_group(tmp_path: Path) -> None:
    folder = write_session(tmp_path, "1f3a", metadata())
    source = RoboArenaSource(tmp_path)
    assert isinstance(source, Source)
    assert (source.name, source.licence, source.fps) == ("robo_arena", "MIT", 15.0)
    first, second = source.episodes()
    assert [first.episode_id, second.episode_id] == ["robo_arena-1f3a-A", "robo_arena-1f3a-B"]
    assert first.group == second.group == "robo_arena-1f3a"
    assert first.task == "put the cup on the plate"
    assert list(first.views) == list(VIEWS)
    assert first.judged_view == "left"
    assert first.where == f"{folder / 'metadata.json'}: policy A"
    assert first.extra == {
        "embodiment": "Franka (DROID)",
        "session": "1f3a",
        "policy_letter": "A",
        "policy": "pi0_droid",
        "partial_success": 1.0,
        "binary_success": True,
        "preference": "A",
        "feedback": "A was faster: B dropped the cup",
        "duration_steps": 399,
        "location": "Berkeley",
    }
    assert second.extra["binary_success"] is False
    assert first.label is not None
    assert second.label is not None
    assert (first.label.score, second.label.score) == (5, 3)
    assert first.label.author == "roboarena-evaluator+partial-success-rubric-v1"
    assert "example.org" not in repr(first)


def test_the_sessions_folder_itself_can_be_named(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata())
    assert len(read(tmp_path / "evaluation_sessions")) == 2


def test_videos_are_streamed_at_the_true_rate(tmp_path: Path) -> None:
    folder = write_session(tmp_path, "s", metadata())
    shown = (
        np.zeros((6, 32, 48, 3), np.uint8) + 40 * np.arange(6, dtype=np.uint8)[:, None, None, None]
    )
    for path in folder.glob("A_*/*_left.mp4"):
        write_video(path, shown, fps=10.0)
    footage = read(tmp_path)[0].views["left"]
    assert isinstance(footage, Footage)
    assert footage.fps == 15.0
    for _ in range(2):
        found = [float(frame.mean()) for frame in footage.frames()]
        assert found == pytest.approx([40 * i for i in range(6)], abs=4)


def test_a_video_that_is_none_is_a_data_error_by_name(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata())
    with pytest.raises(DataError, match=r"_video_left\.mp4"):
        next(read(tmp_path)[0].views["left"].frames())


def test_published_names_of_videos_are_understood(tmp_path: Path) -> None:
    folder = write_session(tmp_path, "s", metadata(), views=())
    attempt = folder / "A_pi0_droid"
    for name in ("left_shoulder", "right_shoulder", "wrist", "overview"):
        (attempt / f"{name}.mp4").touch()
    episodes, _ = read_leniently(tmp_path)
    assert list(episodes[0].views) == ["left", "overview", "right", "wrist"]


def test_the_right_view_is_judged_where_there_is_no_left_one(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata(), views=("right", "wrist"))
    assert [episode.judged_view for episode in read(tmp_path)] == ["right", "right"]
    assert [list(episode.views) for episode in read(tmp_path, allow_wrist_views=False)] == [
        ["right"]
    ] * 2
    assert [episode.judged_view for episode in read(tmp_path, view="wrist")] == ["wrist"] * 2
    episodes, skips = read_leniently(tmp_path, view="left")
    assert not episodes
    assert [skip.reason for skip in skips] == ["no_view"] * 2


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ((0.0, 0.12, 0.13, 0.5, 0.7, 0.99, 1.0), (1, 1, 2, 3, 4, 4, 5)),
        ((0, 12, 13, 50, 70, 99, 100), (1, 1, 2, 3, 4, 4, 5)),
    ],
)
def test_both_scales_give_the_same_scores(
    values: tuple[float, ...], scores: tuple[int, ...], tmp_path: Path
) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(*values)))
    labels = [episode.label for episode in read(tmp_path)]
    assert tuple(label.score for label in labels if label) == scores


def test_the_scale_is_that_of_the_dump_and_not_of_a_value(tmp_path: Path) -> None:
    write_session(tmp_path, "a", metadata(policies=policies(1, 0)))
    write_session(tmp_path, "b", metadata(policies=policies(1, 80)))
    scores = [episode.label.score for episode in read(tmp_path) if episode.label]
    assert scores == [1, 1, 1, 4]


@pytest.mark.parametrize(
    ("values", "words"),
    [((0, 1), "only 0 and 1"), ((0.5, 80), "both fractions and values above 1")],
)
def test_a_scale_that_is_not_clear_must_be_given(
    values: tuple[float, ...], words: str, tmp_path: Path
) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(*values)))
    with pytest.raises(DataError, match=rf"{words}.*partial_success_max=1 or"):
        read(tmp_path)
    with pytest.raises(DataError, match=words):
        read_leniently(tmp_path)
    assert read(tmp_path, partial_success_max=100)[1].label is not None


def test_detection_needs_no_more_than_one_walk() -> None:
    assert detect_maximum(iter([0.0, 0.5, 1.0]), where="d") == 1
    assert detect_maximum(iter([0.0, 1.0, 2.0]), where="d") == 100


@pytest.mark.parametrize("value", [-0.1, 101, float("nan"), "80", True, [1]])
def test_scores_that_are_none_are_raised_or_counted(value: Any, tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(value, 0.5)))
    with pytest.raises(DataError, match=r"policy A: partial_success is"):
        read(tmp_path)
    episodes, skips = read_leniently(tmp_path)
    assert [episode.extra["policy_letter"] for episode in episodes] == ["B"]
    assert [skip.reason for skip in skips] == ["bad_score"]


def test_a_score_above_the_given_maximum_is_counted(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(80, 0.5)))
    episodes, skips = read_leniently(tmp_path, partial_success_max=1)
    assert ([len(episodes)], [skip.reason for skip in skips]) == ([1], ["bad_score"])


def test_an_attempt_without_a_score_has_no_label(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(None, 0.5)))
    first, second = read(tmp_path)
    assert first.label is None
    assert first.extra["partial_success"] is None
    assert second.label is not None


def test_mappings_have_names_and_can_be_set(tmp_path: Path) -> None:
    write_session(tmp_path, "s", metadata(policies=policies(0.85, 0.3)))
    quintiles = read(tmp_path, thresholds="partial-success-quintiles-v1")
    assert [episode.label.score for episode in quintiles if episode.label] == [5, 2]
    own = read(tmp_path, thresholds=(0.1, 0.3, 0.5, 0.9))
    assert [episode.label.score for episode in own if episode.label] == [4, 3]
    assert own[0].label is not None
    assert own[0].label.author.endswith("+partial-success-0.1-0.3-0.5-0.9")
    with pytest.raises(UnknownName, match="Did you mean partial-success-"):
        read(tmp_path, thresholds="partial-success-quintile-v1")


@pytest.mark.parametrize(
    "thresholds", [(), (0.1, 0.2, 0.3), (0.4, 0.3, 0.2, 0.1), (0, 0.1, 0.2, 0.3), (20, 40, 60, 80)]
)
def test_thresholds_that_make_no_sense_are_usage_errors(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="four increasing numbers"):
        score_mapping(thresholds)


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_mapping_uses_all_scores_and_never_falls(name: str) -> None:
    scores = [score_mapping(name).score(value / 100) for value in range(101)]
    assert scores == sorted(scores)
    assert set(scores) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"language_instruction": None}, "no_task", "language_instruction is 'None'"),
        ({"language_instruction": "  "}, "no_task", "Fill it in"),
        ({"language_instruction": 7}, "no_task", "'7'"),
        ({"policies": {"A": None, "B": POLICIES["B"]}}, "no_policy", "policy A: no data"),
    ],
)
def test_attempts_that_cannot_be_used_are_raised_or_counted(
    changes: dict[str, Any], reason: str, words: str, tmp_path: Path
) -> None:
    write_session(tmp_path, "bad", metadata(**changes))
    write_session(tmp_path, "good", metadata())
    with pytest.raises(DataError, match=words):
        read(tmp_path)
    episodes, skips = read_leniently(tmp_path)
    assert {skip.reason for skip in skips} == {reason}
    assert len(episodes) + len(skips) == 4
    assert all("metadata.json: policy" in skip.where for skip in skips)


def test_a_folder_that_the_metadata_do_not_know_is_counted(tmp_path: Path) -> None:
    folder = write_session(tmp_path, "s", metadata())
    (folder / "C_stranger").mkdir()
    episodes, skips = read_leniently(tmp_path)
    assert len(episodes) == 2
    assert [(skip.reason, skip.where[-8:]) for skip in skips] == [("no_policy", "policy C")]


def test_views_that_are_there_twice_and_missing_folders_are_counted(tmp_path: Path) -> None:
    folder = write_session(tmp_path, "s", metadata())
    (folder / "A_pi0_droid" / "again_left.mp4").touch()
    for path in (folder / "B_paligemma_fast_droid").iterdir():
        path.unlink()
    (folder / "B_paligemma_fast_droid").rmdir()
    episodes, skips = read_leniently(tmp_path)
    assert not episodes
    assert [skip.reason for skip in skips] == ["ambiguous_view", "no_view"]
    assert "two videos of the left view" in skips[0].message


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (None, "no_metadata", "metadata.yaml: is missing"),
        ("{", "bad_metadata", "is not JSON"),
        ("[1]", "bad_metadata", "a mapping is wanted"),
        ('{"policies": {}}', "bad_metadata", "no policies are listed"),
        ('{"policies": 1, "policies": 2}', "bad_metadata", "a key occurs twice"),
        ("[" * 100_000, "bad_metadata", "is not JSON"),
        (" " * (2 << 20), "bad_metadata", "the limit is 1,048,576"),
    ],
)
def test_sessions_without_metadata_that_make_sense_are_raised_or_counted(
    text: str | None, reason: str, words: str, tmp_path: Path
) -> None:
    write_session(tmp_path, "good", metadata())
    folder = write_session(tmp_path, "bad", None)
    if text is not None:
        (folder / "metadata.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read(tmp_path)
    episodes, skips = read_leniently(tmp_path)
    assert len(episodes) == 2
    assert [skip.reason for skip in skips] == [reason]


def test_what_is_no_dump_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*absent"):
        RoboArenaSource(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no sessions"):
        RoboArenaSource(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fps": 0}, "must be a number above 0"),
        ({"partial_success_max": 10}, "must be 1 or 100"),
        ({"view": "wrist", "allow_wrist_views": False}, "view is 'wrist'"),
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write_session(tmp_path, "s", metadata())
    with pytest.raises(UsageError, match=words):
        RoboArenaSource(tmp_path, **options)


YAML = """\
language_instruction: put the cup on the plate
preference: TIE
longform_feedback: "A: it was fine"
session_creation_timestamp: 2025-04-28 19:37:59.123
policies:
  A:
    policy_name: pi0_droid
    partial_success: 0.25
    binary_success: 0
    duration: 399
  B: null
"""


def test_yaml_metadata_are_read(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    write_session(tmp_path, "s", {"policies": {"A": POLICIES["A"]}}, text=YAML)
    episodes, skips = read_leniently(tmp_path)
    assert [skip.reason for skip in skips] == ["no_policy"]
    assert episodes[0].extra["preference"] == "TIE"
    assert episodes[0].extra["partial_success"] == 0.25
    assert episodes[0].where.endswith("metadata.yaml: policy A")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not YAML"),
        ("policies: !!python/object/apply:os.getcwd []", "is not YAML"),
        ("policies: {A: 1}\npolicies: {B: 2}", "a key occurs twice"),
        ("when: 2025-99-99 00:00:00", "is not YAML"),
        ("{[1]: 2}", "is not YAML"),
    ],
)
def test_yaml_that_makes_no_sense_is_a_data_error(text: str, words: str, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    write_session(tmp_path, "s", None, text=text)
    with pytest.raises(DataError, match=words):
        read(tmp_path, partial_success_max=1)


def test_without_pyyaml_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roboreward.sources import session_file

    write_session(tmp_path, "s", None, text=YAML)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yaml":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    session_file._yaml.cache_clear()
    with pytest.raises(MissingExtra, match=r"needs pyyaml.*roboreward\[data\]"):
        read_leniently(tmp_path)
