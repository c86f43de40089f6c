"""From runs to rows: worked by hand, paired by seed, and nothing counted that was not there."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from roboreward.studies.results import Row, StudyRun, rows


def run(reward: str, *, seed: int = 0, **settings: Any) -> StudyRun:
    """A run of four training and four evaluation episodes."""
    usual: dict[str, Any] = {
        "base": "imprecise",
        "variant": "one-decision",
        "revision": "r1",
        "true_scores": (1, 5, 3, 5),
        "rewards": (0.0, 1.0, 0.5, 1.0),
        "reward_scores": (1, 5, 3, 5),
        "eval_scores": (5, 5, 1, 2),
        "cpu_s": 10.0,
        "wall_s": 5.0,
    }
    words = {"run_id": f"{reward}-{seed}", "reward": reward, "seed": seed}
    return StudyRun(**{**usual, **words, **settings})


def evaluated(reward: str, *shares: tuple[int, int], **settings: Any) -> list[StudyRun]:
    """One run a seed, with (number of successes, number of failures) in evaluation."""
    return [
        run(reward, seed=seed, eval_scores=(5,) * good + (2,) * bad, **settings)
        for seed, (good, bad) in enumerate(shares)
    ]


def row_of(runs: list[StudyRun], reward: str) -> Row:
    (row,) = [row for row in rows(runs) if row.reward == reward]
    return row


def test_only_a_five_is_a_success_and_a_stopped_episode_is_none() -> None:
    found = run("nano", eval_scores=(5, 4, None, 1))
    assert found.success == 0.25
    assert found.mean_score == (5 + 4 + 1 + 1) / 4


def test_differences_are_of_the_same_seeds() -> None:
    none = evaluated("none", (1, 9), (5, 5), (3, 7))
    nano = evaluated("nano", (3, 7), (7, 3), (5, 5))
    row = row_of([*nano, *none], "nano")
    # Seeds differ by much, pairs do not: 2 of 10 more for each.
    assert row.gain is not None
    assert (row.gain.value, row.gain.lo, row.gain.hi) == pytest.approx((0.2, 0.2, 0.2))
    assert row.success.value == pytest.approx(0.5)
    assert (row.success.lo or 0) < 0.05
    assert (row.by_seed, row.seeds) == ((0.3, 0.7, 0.5), (0, 1, 2))
    assert row_of(none, "none").gain is None


def test_the_interval_of_a_difference_is_worked_by_hand() -> None:
    none = evaluated("none", (1, 9), (1, 9), (1, 9))
    nano = evaluated("nano", (4, 6), (5, 5), (6, 4))
    gain = row_of([*none, *nano], "nano").gain
    half = 4.303 * 0.1 / 3**0.5
    assert gain is not None
    assert (gain.value, gain.lo, gain.hi) == pytest.approx((0.4, 0.4 - half, 0.4 + half))


def test_seeds_that_only_one_side_has_are_left_out_of_the_difference() -> None:
    none = evaluated("none", (1, 9))
    nano = evaluated("nano", (3, 7), (9, 1))[::-1]
    row = row_of([*none, *nano], "nano")
    assert row.gain is not None
    assert (row.gain.value, row.gain.lo) == (pytest.approx(0.2), None)
    assert row.seeds == (0, 1)
    assert row.by_seed == (0.3, 0.9)
    alone = row_of(nano, "nano")
    assert (alone.gain, alone.to_oracle) == (None, None)


def test_the_reference_is_compared_with_everything_but_itself() -> None:
    runs = [
        *evaluated("oracle-success", (10, 0)),
        *evaluated("nano", (7, 3)),
        *evaluated("none", (2, 8)),
    ]
    nano, oracle, none = (row_of(runs, name) for name in ("nano", "oracle-success", "none"))
    assert nano.to_oracle is not None
    assert nano.to_oracle.value == pytest.approx(-0.3)
    assert oracle.to_oracle is None
    assert none.to_oracle is not None
    assert none.to_oracle.value == pytest.approx(-0.8)


def test_runs_of_other_bases_and_variants_are_not_mixed() -> None:
    runs = [
        *evaluated("none", (0, 4)),
        *evaluated("none", (4, 0), base="near-miss"),
        *evaluated("none", (2, 2), variant="chunked"),
        *evaluated("nano", (3, 1)),
        *evaluated("nano", (4, 0), base="near-miss"),
    ]
    found = [
        (r.base, r.variant, r.reward, r.success.value, r.gain and r.gain.value) for r in rows(runs)
    ]
    assert found == [
        ("imprecise", "one-decision", "none", 0.0, None),
        ("near-miss", "one-decision", "none", 1.0, None),
        ("imprecise", "chunked", "none", 0.5, None),
        ("imprecise", "one-decision", "nano", 0.75, 0.75),
        ("near-miss", "one-decision", "nano", 1.0, 0.0),
    ]


def test_false_positives_are_failures_called_a_five_among_failures_that_got_a_score() -> None:
    # Of the failures 1, 2, 4 and 3 two were called a 5; one failure has no score, one episode was stopped.
    first = run("nano", true_scores=(1, 5, 2, 4), reward_scores=(5, 5, 2, 5))
    second = run("nano", seed=1, true_scores=(3, 1, None, 5), reward_scores=(3, None, 5, 1))
    assert row_of([first, second], "nano").false_positive == 0.5


def test_without_failures_or_without_scores_there_is_no_share_of_false_positives() -> None:
    perfect = run("nano", true_scores=(5, 5, 5, 5), reward_scores=(5, 5, 5, 1))
    assert row_of([perfect], "nano").false_positive is None
    silent = run("oracle-success", reward_scores=(None,) * 4)
    assert row_of([silent], "oracle-success").false_positive is None


def test_false_positives_by_block_are_worked_by_hand() -> None:
    found = run(
        "nano",
        true_scores=(1, 2, 5, 5, 3, 5, None, 4, 4),
        rewards=(1.0, 0.0, 1.0, 1.0, None, 1.0, None, 1.0, 1.0),
        reward_scores=(5, 1, 5, 5, None, 5, None, 5, 5),
    ).false_positives(2)
    # Half of two failures; no failure; no failure with a score; one beside an episode that was stopped; the 9th
    # episode fills no block.
    assert found == pytest.approx([0.5, np.nan, np.nan, 1.0], nan_ok=True)
    half = run("nano", true_scores=(1, 1, 3, 5), reward_scores=(5, None, 3, 5))
    assert half.false_positives(4).tolist() == [0.5]


def test_success_by_block_leaves_out_what_fills_no_block() -> None:
    found = run("nano", true_scores=(1, 5, 5, 5, None, 4, 5), rewards=(0.0,) * 7)
    assert found.success_curve(2).tolist() == [0.5, 1.0, 0.0]
    assert found.success_curve(8).tolist() == []


def test_dropped_and_all_training_episodes_are_counted_over_the_seeds() -> None:
    runs = [
        run("nano", seed=0, dropped={"abstained": 2, "bad_action": 1}),
        run("nano", seed=1, dropped={"unparsed": 1}, cpu_s=40.0),
        run("nano", seed=2, cpu_s=20.0),
    ]
    row = row_of(runs, "nano")
    assert (row.num_dropped, row.num_train, row.cpu_s) == (4, 12, 20.0)


def test_evaluations_that_were_stopped_are_counted_over_the_seeds() -> None:
    runs = [
        run("nano", seed=0, eval_scores=(5, None, None, 1)),
        run("nano", seed=1),
        run("nano", seed=2, eval_scores=(None, 5, 5, 5)),
    ]
    row = row_of(runs, "nano")
    assert row.num_stopped == 3
    assert row.by_seed == (0.25, 0.5, 0.75)


def test_mean_scores_have_an_interval_that_is_no_share() -> None:
    scores = ((5, 5), (4, 5), (3, 5))
    runs = [run("nano", seed=seed, eval_scores=pair) for seed, pair in enumerate(scores)]
    found = row_of(runs, "nano").mean_score
    half = 4.303 * 0.5 / 3**0.5
    assert (found.value, found.lo, found.hi) == pytest.approx((4.5, 4.5 - half, 4.5 + half))


def test_a_record_comes_back_from_disk_as_it_was() -> None:
    before = run("nano", dropped={"abstained": 1}, rewards=(0.1, None, 0.5, 1.0))
    assert StudyRun.model_validate_json(before.model_dump_json()) == before


def test_a_record_holds_only_scores_and_known_reasons() -> None:
    with pytest.raises(ValidationError):
        run("nano", true_scores=(1, 5, 0, 5))
    with pytest.raises(ValidationError):
        run("nano", dropped={"tired": 1})
