"""Before and after: the same scenes, not chosen by outcome, and every gap is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from roboreward.studies.before_after import before_and_after, first_difference
from roboreward.studies.cells import Cell, cells_of
from roboreward.studies.results import Rollout, StudyRun

Make = Callable[..., Any]


def cell_of(*runs: StudyRun) -> Cell:
    (cell,) = cells_of(runs)
    return cell


def pair(make_run: Make, make_rollout: Make, *, scores: tuple[tuple[int, int], ...]) -> Cell:
    """A base policy and one steered by nano on scenes 0, 1, ..., which end with these scores."""
    before = tuple(make_rollout(n, tag="a", true_score=a) for n, (a, _) in enumerate(scores))
    after = tuple(
        make_rollout(n, tag="b", true_score=b, reward_score=b) for n, (_, b) in enumerate(scores)
    )
    return cell_of(make_run("none", rollouts=before), make_run("nano", rollouts=after))


def test_scenes_are_shown_in_order_and_counted_whatever_their_outcome(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    cell = pair(make_run, make_rollout, scores=((5, 2), (1, 5), (2, 5), (3, 5), (1, 1)))
    markup = before_and_after(cell, main="nano", folder=tmp_path, most=3)
    assert markup.count("<article") == 3
    assert (
        markup.index("lift block 0") < markup.index("lift block 1") < markup.index("lift block 2")
    )
    assert "Of 5 scenes that were kept" in markup
    assert "the base policy succeeds in 1, the policy steered by <bdi>nano</bdi> in 3." in markup
    assert "The first 3 by number are shown, not chosen by outcome." in markup
    assert markup.count("data:image/jpeg;base64,") == 3 * 2 * 3


def test_the_first_scene_with_another_end_is_found_also_when_it_is_worse(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    cell = pair(make_run, make_rollout, scores=((1, 1), (5, 2), (1, 5)))
    assert "lift block 1" in first_difference(cell, main="nano", folder=tmp_path)
    same = pair(make_run, make_rollout, scores=((1, 1), (5, 5)))
    assert first_difference(same, main="nano", folder=tmp_path) == ""


def test_what_the_reward_said_is_coloured_by_its_error(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    def after(**said: Any) -> str:
        steered = make_run("nano", rollouts=(make_rollout(0, tag="b", **said),))
        base = make_run("none", rollouts=(make_rollout(0, tag="a"),))
        return before_and_after(cell_of(base, steered), main="nano", folder=tmp_path)

    assert 'class="score e-2">5<' in after(true_score=2, reward_score=5)
    assert 'class="score e-0">5<' in after(true_score=5, reward_score=5)
    assert "<bdi>nano</bdi> gave no score" in after(reward_score=None)


def test_a_picture_that_is_missing_or_none_or_elsewhere_leaves_a_note(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "words.jpg").write_text("not a picture")
    make_rollout(0, tag="outside")  # its pictures lie beside the folder, not in it
    names = ("gone.jpg", "words.jpg", "../pictures/outside-0-0.jpg")
    runs = [
        make_run(r, rollouts=(make_rollout(0, tag="x", pictures=names),)) for r in ("none", "nano")
    ]
    markup = before_and_after(cell_of(*runs), main="nano", folder=folder)
    assert markup.count("is missing") == 6
    assert "<img" not in markup


def test_long_rollouts_are_thinned_and_keep_both_ends(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    rollout: Rollout = make_rollout(0, tag="long", num=30)
    for n, name in enumerate(rollout.pictures):
        (tmp_path / name).write_bytes(b"\xff\xd8" + bytes([n]) * 4)
    runs = [make_run(r, rollouts=(rollout,)) for r in ("none", "nano")]
    markup = before_and_after(cell_of(*runs), main="nano", folder=tmp_path)
    assert markup.count("<img") == 16
    assert "/9gAAAAA" in markup
    assert "/9gdHR0d" in markup


def test_without_common_scenes_there_is_nothing_to_show(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    base = make_run("none", rollouts=(make_rollout(1, tag="a"),))
    steered = make_run("nano", rollouts=(make_rollout(2, tag="b"),))
    for cell in (cell_of(base, steered), cell_of(base), cell_of(make_run("nano"))):
        assert before_and_after(cell, main="nano", folder=tmp_path) == ""
        assert first_difference(cell, main="nano", folder=tmp_path) == ""
    assert before_and_after(cell_of(base), main="none", folder=tmp_path) == ""


def test_the_same_seed_is_compared_where_both_have_it(
    make_run: Make, make_rollout: Make, tmp_path: Path
) -> None:
    def run(reward: str, seed: int, words: str) -> Any:
        kept = (make_rollout(0, tag=f"{reward}{seed}", true_reason=words),)
        return make_run(reward, seed=seed, rollouts=kept)

    cell = cell_of(run("none", 0, "base 0"), run("none", 1, "base 1"), run("nano", 1, "nano 1"))
    markup = before_and_after(cell, main="nano", folder=tmp_path)
    assert "base 1" in markup
    assert "base 0" not in markup
