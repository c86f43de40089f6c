"""Calibration of runs with planted miscalibration; what is refused; that numbers are out of fold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roboreward.bench import (
    Record,
    RunConfig,
    RunResult,
    answers_of,
    calibration_headline,
    calibration_notes,
    fit_calibration,
    refuse_test_split,
    report_calibration,
    write_calibration_html,
)
from roboreward.bench.calibration_measure import Ruler
from roboreward.bench.calibration_report import cross_fitted
from roboreward.core import FramePolicy, UsageError, Verdict
from roboreward.models import tempered

LEVELS = np.arange(1, 6)


def verdicts(rng, num, *, temperature):
    """Return (label, verdict) pairs of a model that `temperature` makes exactly right."""
    centre, width = rng.uniform(0.5, 5.5, num), rng.uniform(0.7, 1.3, num)
    true = np.exp(-((LEVELS[None] - centre[:, None]) ** 2) / (2 * width[:, None] ** 2))
    true /= true.sum(axis=1, keepdims=True)
    labels = 1 + (rng.random(num)[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(max=4)
    said = tempered(true, temperature=1 / temperature)
    for label, probs in zip(labels, said, strict=True):
        yield int(label), Verdict.from_probs(tuple(map(float, probs)), source="head")


@pytest.fixture
def make_run(rng):
    """Return a maker of runs with two rows a group."""

    def make(num=400, *, temperature=2.0, pairs=None, set_name="val", set_path=None, **changes):
        found = list(verdicts(rng, num, temperature=temperature)) if pairs is None else pairs
        records = tuple(
            Record(
                example_id=f"e{i}",
                source=f"s{i // 2 % 2}",
                group=f"{set_name}-g{i // 2}",
                origin="rollout",
                task="t",
                label=label,
                verdict=verdict,
            )
            for i, (label, verdict) in enumerate(found)
        )
        config = RunConfig(
            model=changes.pop("model", "m"),
            revision="r",
            set_hash=changes.pop("set_hash", set_name),
            frame_policy=FramePolicy(),
            set_name=set_name,
            set_path=set_path,
        )
        return RunResult(
            Path("nowhere"), config, records, changes.pop("num_examples", len(records)), {}
        )

    return make


def report_on(run, calibration, **changes):
    settings = {"set_name": run.config.set_name, "set_hash": run.config.set_hash, "num_draws": 500}
    return report_calibration(answers_of(run), calibration, **(settings | changes))


def change(report, name):
    return next(change for change in report.changes if change.name == name)


def test_a_model_that_is_too_sure_is_found_out_and_mended(make_run):
    run = make_run(1600, temperature=2.5)
    calibration = fit_calibration(run)
    assert calibration.temperature == pytest.approx(2.5, rel=0.15)
    assert (calibration.num_rows, calibration.num_groups) == (1600, 800)
    report = report_on(run, calibration)
    assert report.is_cross_fitted
    for name in ("nll", "brier", "ece"):
        assert change(report, name).change.hi < 0
    ece = change(report, "ece")
    assert ece.after.value < ece.before.value / 2
    assert ece.after.lo == 0 < ece.before.lo
    assert "too sure of itself" in calibration_headline(calibration, report)


def test_a_model_that_is_right_gains_nothing_and_the_report_says_so(make_run):
    run = make_run(800, temperature=1.0)
    calibration = fit_calibration(run)
    report = report_on(run, calibration)
    assert calibration.temperature == pytest.approx(1.0, abs=0.1)
    assert change(report, "brier").change.lo <= 0.0 <= change(report, "brier").change.hi
    ece = change(report, "ece")
    assert ece.before.lo == 0.0
    assert ece.before.value == pytest.approx(ece.noise, abs=0.03)
    assert any("told from chance" in note for note in calibration_notes(calibration, report))


def test_sets_keep_their_promise_on_new_groups(make_run):
    calibration = fit_calibration(make_run(800), coverage=0.8)
    report = report_on(make_run(2000, set_name="fresh"), calibration)
    assert not report.is_cross_fitted
    assert report.sets.coverage.value > 0.76
    assert 1 < report.sets.size.value < 4


def test_no_row_is_measured_with_parameters_that_saw_its_group(make_run, rng):
    """Labels that are flipped change the numbers of other folds, never those of their own."""
    answers = answers_of(make_run(300))
    before = cross_fitted(answers, coverage=0.9)
    one = answers.groups[0]
    flipped = np.where(np.array(answers.groups) == one, 6 - answers.label_N, answers.label_N)
    after = cross_fitted(replace(answers, label_N=flipped), coverage=0.9)
    is_same = (before.probs_N5 == after.probs_N5).all(axis=1)
    assert is_same[np.array(answers.groups) == one].all()
    assert not is_same.all()
    assert (before.success_N == after.success_N)[is_same].all()


def test_surer_answers_are_better_and_the_curve_ends_at_all(make_run):
    run = make_run(1200)
    curve = report_on(run, fit_calibration(run)).curve
    assert [p.kept_frac for p in curve] == sorted(p.kept_frac for p in curve)
    assert curve[-1].kept_frac == 1.0
    assert curve[0].mae.hi < curve[-1].mae.lo
    answers = answers_of(run)
    assert curve[-1].mae.value == pytest.approx(np.abs(answers.score_N - answers.label_N).mean())


def test_a_band_is_off_unless_asked_for_and_keeps_about_its_share(make_run):
    run = make_run(800)
    assert fit_calibration(run).abstain is None
    report = report_on(run, fit_calibration(run, keep=0.7))
    assert report.band.kept_frac == pytest.approx(0.7, abs=0.05)
    assert report.band.mae.value < report.curve[-1].mae.value


def test_intervals_of_means_are_those_of_groups_not_rows(make_run):
    """Rows in equal pairs: taking each row for independent would make the interval too narrow by the root of 2."""
    pairs = [pair for pair in zip(*[iter(make_run(400).records)] * 2, strict=True)]
    twins = [(a.label, a.verdict) for a, _ in pairs for _ in range(2)]
    run = make_run(pairs=twins)
    answers = answers_of(run)
    ruler = Ruler(answers, num_draws=4000, seed=0)
    values = (answers.score_N == answers.label_N).astype(float)
    found = ruler.mean(values, np.ones(len(values)))
    width = 2 * 1.96 * values.std() / np.sqrt(len(values) / 2)
    assert found.hi - found.lo == pytest.approx(width, rel=0.1)


def test_answers_without_probabilities_are_left_out_and_counted(make_run, rng):
    pairs = list(verdicts(rng, 200, temperature=2.0))
    others = ["abstained", "abstained", "failed", "unparsed"]
    pairs += [(3, Verdict.without_score(status, "x")) for status in others]
    pairs += [(3, Verdict.scored(3))]
    run = make_run(pairs=pairs)
    calibration = fit_calibration(run)
    assert calibration.num_rows == 200
    assert calibration.num_left_out == {"abstained": 2, "failed": 1, "unparsed": 1, "scored": 1}
    notes = " ".join(calibration_notes(calibration, report_on(run, calibration)))
    assert "1 scored without probabilities" in notes


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("sim-test", None),
        ("sim-test-combos", None),
        ("sim-demo", None),
        ("robots/test", None),
        ("anything", "/data/robots/test/metadata.jsonl"),
        ("anything", "/data/robots/Test-2/metadata.jsonl"),
        ("anything", "/data/robots/test.jsonl"),
        ("anything", "/cache/sim-test-v1/metadata.jsonl"),
        ("RoboRewardBench", None),
    ],
)
def test_a_test_split_is_never_fitted_on(make_run, name, path):
    with pytest.raises(UsageError, match="is a test split"):
        fit_calibration(make_run(set_name=name, set_path=path))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("robots/val", "/data/test-robots/val/metadata.jsonl"),
        ("test-robots/val", "/data/test-robots/val/metadata.jsonl"),
        ("latest", "/data/latest/metadata.jsonl"),
        ("sim-val", None),
    ],
)
def test_a_validation_split_is_taken_whatever_lies_above_it(name, path):
    refuse_test_split(name, None if path is None else Path(path))


def test_what_cannot_be_fitted_is_refused_with_the_reason(make_run, rng):
    with pytest.raises(UsageError, match=r"29 groups .* too few"):
        fit_calibration(make_run(58))
    with pytest.raises(UsageError, match="unfinished, 5 of 405"):
        fit_calibration(make_run(400, num_examples=405))
    plain = [(3, Verdict.scored(3))] * 80
    with pytest.raises(UsageError, match=r"carries probabilities .*80 scored.*nano"):
        fit_calibration(make_run(pairs=plain))
    with pytest.raises(UsageError, match="is a floor"):
        fit_calibration(make_run(model="floor:first-frame:nano"))
    with pytest.raises(UsageError, match="calibrated already"):
        fit_calibration(make_run(model="calibrated:nano"))
    failures = [(2, verdict) for _, verdict in verdicts(rng, 80, temperature=1.0)]
    with pytest.raises(UsageError, match="Every label is 1 to 3"):
        fit_calibration(make_run(pairs=failures))
    with pytest.raises(UsageError, match="coverage is 1"):
        fit_calibration(make_run(), coverage=1.0)


def test_groups_that_were_fitted_on_are_counted_on_another_set(make_run):
    run = make_run(200)
    calibration = fit_calibration(run)
    report = report_on(
        run, calibration, set_hash="other", fitted_groups=answers_of(run).groups[:20]
    )
    assert report.num_shared_groups == 10
    assert any("flatter" in note for note in calibration_notes(calibration, report))


def test_the_page_stands_alone_and_escapes_names(make_run, tmp_path, tags_of):
    run = make_run(120, model="m<script>", set_name="val<b>")
    calibration = fit_calibration(run, keep=0.8)
    other = make_run(60, set_name="fresh")
    reports = [report_on(run, calibration), report_on(other, calibration)]
    page = write_calibration_html(tmp_path / "c.html", calibration, reports).read_text()
    tags = tags_of(page)
    assert "m<script>" not in page
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not any(key in ("src", "href", "style") for _, found in tags for key in found)
    assert sum(found.get("class") == "lines" for tag, found in tags if tag == "svg") == 8
    assert calibration_headline(calibration, reports[0]).split(":")[1] in page
