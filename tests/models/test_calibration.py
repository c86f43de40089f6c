"""The three methods against planted truth: what is put in must come out."""

import json
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import DataError, FramePolicy, UsageError, Verdict
from roboreward.models import (
    AbstainBand,
    Calibration,
    Conformal,
    Isotonic,
    expected_errors,
    fit_band,
    fit_conformal,
    fit_isotonic,
    fit_temperature,
    level_sets,
    on_curve,
    read_calibration,
    success_probs,
    tempered,
)

LEVELS = np.arange(1, 6)


def planted(rng, num, *, temperature=1.0):
    """Return what a model says (num, 5) and labels (num,), such that `temperature` makes it exactly right."""
    centre, width = rng.uniform(0.5, 5.5, num), rng.uniform(0.7, 1.3, num)
    true = np.exp(-((LEVELS[None] - centre[:, None]) ** 2) / (2 * width[:, None] ** 2))
    true /= true.sum(axis=1, keepdims=True)
    labels = 1 + (rng.random(num)[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(max=4)
    return tempered(true, temperature=1 / temperature), labels


def make(**changes):
    fields = {
        "model": "m",
        "revision": "r",
        "frame_policy": FramePolicy(),
        "set_name": "val",
        "set_hash": "h",
        "num_rows": 50,
        "num_groups": 40,
        "temperature": 2.0,
        "isotonic": Isotonic(x=(0.1, 0.9), y=(0.3, 0.6)),
        "conformal": Conformal(coverage=0.9, limit=0.75),
        "package_version": "0",
    }
    return Calibration(**(fields | changes))


VERDICT = Verdict.from_probs((0.0, 0.1, 0.2, 0.6, 0.1), source="head", model="m")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_the_planted_temperature_is_found_within_five_percent(rng, temperature):
    probs, labels = planted(rng, 20_000, temperature=temperature)
    assert fit_temperature(probs, labels) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_is_more_likely(rng):
    probs, labels = planted(rng, 300, temperature=1.6)
    found = fit_temperature(probs, labels)

    def loss(temperature):
        said = tempered(probs, temperature=temperature)[np.arange(300), labels - 1]
        return -np.log(said).mean()

    assert all(loss(found) < loss(found * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_a_model_that_is_always_right_or_always_wrong_gets_an_end_of_the_range():
    probs = np.tile([0.05, 0.05, 0.1, 0.1, 0.7], (30, 1))
    assert fit_temperature(probs, np.full(30, 5)) == 0.05
    assert fit_temperature(probs, np.full(30, 1)) == 20.0


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 4.0, 20.0])
def test_a_temperature_keeps_the_order_of_the_five(rng, temperature):
    probs = rng.dirichlet(np.full(5, 0.5), 500)
    after = tempered(probs, temperature=temperature)
    assert np.array_equal(after.argmax(axis=1), probs.argmax(axis=1))
    assert np.allclose(after.sum(axis=1), 1)
    ordered = np.take_along_axis(after, np.argsort(probs, axis=1), axis=1)
    assert (np.diff(ordered, axis=1) >= 0).all()


def brute_isotonic(y):
    """The textbook formula: the largest, over starts, of the smallest, over ends, mean of a stretch."""
    num = len(y)
    return [
        max(min(np.mean(y[a : b + 1]) for b in range(i, num)) for a in range(i + 1))
        for i in range(num)
    ]


def test_the_isotonic_curve_is_the_textbook_one(rng):
    x = np.sort(rng.random(40))
    is_success = rng.random(40) < x
    found = on_curve(x, fit_isotonic(x, is_success))
    least = 1 / 42
    assert np.allclose(found, np.clip(brute_isotonic(is_success.astype(float)), least, 1 - least))


def test_the_isotonic_curve_never_falls_and_is_level_outside(rng):
    x = rng.beta(0.5, 0.5, 500) * 0.6 + 0.2
    curve = fit_isotonic(x, rng.random(500) < x**2)
    grid = on_curve(np.linspace(0, 1, 1001), curve)
    assert (np.diff(grid) >= 0).all()
    assert grid[0] == curve.y[0] > 0
    assert grid[-1] == curve.y[-1] < 1


def test_equal_probabilities_get_one_value_whatever_their_order():
    x = np.array([0.2, 0.5, 0.5, 0.5, 0.5, 0.8])
    one = fit_isotonic(x, np.array([False, True, False, False, False, True]))
    other = fit_isotonic(x[::-1], np.array([True, False, False, False, True, False]))
    assert one == other
    assert on_curve(np.array([0.5]), one)[0] == pytest.approx(0.25)


def test_an_isotonic_curve_undoes_a_planted_distortion(rng):
    true = rng.random(20_000)
    curve = fit_isotonic(true**3, rng.random(20_000) < true)
    grid = np.linspace(0.1, 0.9, 9)
    assert np.allclose(on_curve(grid**3, curve), grid, atol=0.05)


def test_a_set_is_the_score_and_its_neighbours_without_gaps(rng):
    probs = rng.dirichlet(np.full(5, 0.7), 300)
    scores = rng.integers(1, 6, 300)
    smaller = np.zeros((300, 5), bool)
    for limit in (0.0, 0.3, 0.6, 0.9, 1.0):
        sets = level_sets(probs, scores, limit=limit)
        assert sets[np.arange(300), scores - 1].all()
        assert (
            np.abs(np.diff(np.pad(sets, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1) == 2
        ).all()
        assert (smaller <= sets).all()
        smaller = sets
    assert smaller.all()


def test_a_set_grows_by_the_more_probable_neighbour():
    probs = np.array([[0.05, 0.25, 0.5, 0.15, 0.05]])
    assert level_sets(probs, np.array([3]), limit=0.5).tolist() == [
        [False, True, True, False, False]
    ]
    assert level_sets(probs, np.array([3]), limit=0.76).tolist() == [
        [False, True, True, True, False]
    ]


def grouped(rng, num_groups, *, temperature=2.5):
    """Groups of 1 to 9 rows that depend on each other: one centre, one luck, and larger groups are harder."""
    sizes = rng.integers(1, 10, num_groups)
    of_row = np.repeat(np.arange(num_groups), sizes)
    centre = rng.uniform(0.5, 5.5, num_groups)[of_row]
    luck = rng.random(num_groups)[of_row]
    width = (0.4 + 0.15 * sizes)[of_row]
    true = np.exp(-((LEVELS[None] - centre[:, None]) ** 2) / (2 * width[:, None] ** 2))
    true /= true.sum(axis=1, keepdims=True)
    labels = 1 + (luck[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(max=4)
    return tempered(true, temperature=1 / temperature), labels, [str(g) for g in of_row]


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_the_truth_of_a_new_group_as_often_as_promised(rng, coverage):
    num_sets, hits = 1500, 0
    for _ in range(num_sets):
        probs, labels, groups = grouped(rng, 40)
        scores = probs.argmax(axis=1) + 1
        is_new = np.array([group == "0" for group in groups])
        old = ~is_new
        seen = [group for group in groups if group != "0"]
        found = fit_conformal(probs[old], scores[old], labels[old], seen, coverage=coverage)
        sets = level_sets(probs[is_new], scores[is_new], limit=found.limit)
        row = rng.integers(is_new.sum())
        hits += sets[row, labels[is_new][row] - 1]
    share, error = hits / num_sets, np.sqrt(coverage * (1 - coverage) / num_sets)
    assert share > coverage - 3 * error
    assert share < coverage + 2 / 40 + 3 * error  # nor are they much larger than they need to be


def test_with_too_few_groups_every_level_is_in_every_set(rng):
    probs, labels = planted(rng, 8)
    found = fit_conformal(probs, probs.argmax(axis=1) + 1, labels, list("abcdefgh"), coverage=0.9)
    assert found.limit == 1.0


def test_many_rows_of_one_group_weigh_as_one_group():
    probs = np.tile([0.1, 0.1, 0.1, 0.1, 0.6], (120, 1))
    labels = np.array([1] * 100 + [5] * 20)  # wrong in one large group, right in 20 small ones
    groups = ["large"] * 100 + [str(i) for i in range(20)]
    found = fit_conformal(probs, np.full(120, 5), labels, groups, coverage=0.9)
    assert found.limit == 0.0


def test_a_band_keeps_the_share_that_was_asked_for(rng):
    probs, _ = planted(rng, 200)
    scores = probs.argmax(axis=1) + 1
    band = fit_band(probs, scores, kept_frac=0.8)
    assert band.kept_frac == pytest.approx(0.8)
    assert (expected_errors(probs, scores) <= band.max_expected_error).mean() == pytest.approx(0.8)
    with pytest.raises(UsageError, match="in \\(0, 1\\]"):
        fit_band(probs, scores, kept_frac=0.0)


def test_a_verdict_keeps_its_score_and_gets_calibrated_numbers():
    after = make().apply(VERDICT)
    assert (after.status, after.score, after.level_set) == ("scored", 4, (3, 4))
    assert after.probs == pytest.approx(tempered(np.array([VERDICT.probs]), temperature=2.0)[0])
    assert after.expected == pytest.approx(float(np.dot(after.probs, LEVELS)))
    raw = success_probs(np.array([VERDICT.probs]))[0]
    assert after.success_prob == pytest.approx(0.3 + 0.3 * (raw - 0.1) / 0.8)
    assert Verdict.model_validate(after.model_dump()) == after


def test_a_score_that_is_not_the_most_probable_one_stays_too():
    verdict = Verdict.from_probs((0.3, 0.2, 0.2, 0.2, 0.1), source="head", score=3)
    after = make().apply(verdict)
    assert after.score == 3
    assert 3 in after.level_set


@pytest.mark.parametrize("verdict", [Verdict.scored(3), Verdict.without_score("refused", "no")])
def test_a_verdict_without_probabilities_stays_as_it_is(verdict):
    assert make().apply(verdict) == verdict


def test_an_abstain_band_takes_uncertain_scores_away_and_says_why():
    calibration = make(abstain=AbstainBand(max_expected_error=0.2, kept_frac=0.5))
    after = calibration.apply(VERDICT)
    assert (after.status, after.score) == ("abstained", None)
    assert "4 is expected to be" in after.reason
    assert after.probs is not None
    assert Verdict.model_validate(after.model_dump()) == after
    sure = Verdict.from_probs((0.0, 0.0, 0.0, 0.0, 1.0), source="head")
    assert calibration.apply(sure).score == 5


def test_a_calibration_is_read_back_from_its_folder_or_file(tmp_path: Path):
    (tmp_path / "calibration.json").write_text(json.dumps(make().model_dump(mode="json")))
    assert read_calibration(tmp_path) == read_calibration(tmp_path / "calibration.json") == make()
    assert make().digest != make(temperature=2.1).digest


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": "calibration-v9"}, "format"),
        ({"temperature": 0}, "temperature"),
        ({"isotonic": {"x": [0.1, 0.9], "y": [0.6, 0.3]}}, "not a curve"),
        ({"isotonic": {"x": [0.1, 0.9], "y": [0.0, 0.3]}}, "not a curve"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_damaged_calibration_is_named(tmp_path: Path, change, complaint):
    file = tmp_path / "c.json"
    file.write_text(json.dumps(make().model_dump(mode="json") | change))
    with pytest.raises(DataError, match=f"c.json.*{complaint}"):
        read_calibration(file)


def test_a_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="roboreward calibrate"):
        read_calibration(tmp_path)
    (tmp_path / "calibration.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_calibration(tmp_path)
