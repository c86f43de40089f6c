"""How good a calibration is: numbers before and after, with 95 % intervals that resample groups.

On the set that it was fitted on, everything "after" is out of fold: no row is looked at with parameters that were
fitted on its group. On another set, the parameters of the file are used as they are. Every row has the same weight, but
for the coverage of the sets of levels, where every group has, since that is what the conformal guarantee is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from roboreward.bench.calibration import Answers
from roboreward.bench.calibration_measure import Bin, Change, Frozen, Ruler
from roboreward.bench.folds import group_folds
from roboreward.bench.intervals import NUM_DRAWS, Estimate
from roboreward.core import SUCCESS_SCORE
from roboreward.models import (
    SMALLEST_PROB,
    Calibration,
    Conformal,
    Isotonic,
    expected_errors,
    fit_conformal,
    fit_isotonic,
    fit_temperature,
    level_sets,
    on_curve,
    success_probs,
    tempered,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
NUM_FOLDS: Final = 5
_SMALLEST_KEPT: Final = 0.1
_NUM_POINTS: Final = 19


class Reliability(Frozen):
    """The points of a reliability diagram before and after."""

    before: tuple[Bin, ...]
    after: tuple[Bin, ...]


class RiskPoint(Frozen):
    """What the answers are worth that have the smallest expected errors.

    Attributes:
        kept_frac: Their share of all answers.
        max_expected_error: The largest expected error among them.
        mae: Their mean absolute error.
        false_success: Of those among them whose truth is 1 or 2, the share that was given 4 or 5.
    """

    kept_frac: float
    max_expected_error: float
    mae: Estimate
    false_success: Estimate


class SetReport(Frozen):
    """The sets of levels.

    Attributes:
        asked: The coverage that was asked for.
        coverage: How often the truth is in the set; mean over groups of the share of their rows.
        size: Mean number of levels in a set, over rows.
        single: Share of rows with one level in the set.
        levels: Coverage by true level 1..5, over rows. Nothing is guaranteed for these.
    """

    asked: float
    coverage: Estimate
    size: Estimate
    single: Estimate
    levels: tuple[Estimate, ...]


class CalibrationReport(Frozen):
    """All numbers about a calibration on one set.

    Attributes:
        model, set_name, set_hash: What was measured, and on what.
        is_cross_fitted: Whether this is the fitting set, measured out of fold.
        num_rows, num_groups: What the numbers are from.
        num_left_out: Answers without a score or without probabilities, by status: in no number.
        num_shared_groups: Groups of another set that also occur in the fitting set's run, when known.
        curve, curve_before: Coverage and risk, from few answers kept to all; ordered by calibrated probabilities, and
            by the model's own.
        band: The point of the abstain band on this set, if there is one.
    """

    model: str
    set_name: str
    set_hash: str
    is_cross_fitted: bool
    num_rows: int
    num_groups: int
    num_left_out: dict[str, int]
    num_shared_groups: int = 0
    changes: tuple[Change, ...]
    top: Reliability
    success: Reliability
    sets: SetReport
    curve: tuple[RiskPoint, ...]
    curve_before: tuple[RiskPoint, ...]
    band: RiskPoint | None


@dataclass(frozen=True, eq=False)
class View:
    """Calibrated numbers of each row: probabilities (N, 5), P(success) (N,), sets of levels (N, 5)."""

    probs_N5: Floats
    success_N: Floats
    sets_N5: Bools


def applied(
    answers: Answers, *, temperature: float, isotonic: Isotonic, conformal: Conformal
) -> View:
    """Return what given parameters make of answers."""
    raw = answers.probs_N5
    return View(
        tempered(raw, temperature=temperature),
        on_curve(success_probs(raw), isotonic),
        level_sets(raw, answers.score_N, limit=conformal.limit),
    )


def cross_fitted(answers: Answers, *, coverage: float) -> View:
    """Return what parameters make of each fold's answers that were fitted on the groups of the others."""
    folds = group_folds(answers.records, num_folds=NUM_FOLDS)
    fold_N = np.array([folds[group] for group in answers.groups])
    probs, success = np.empty_like(answers.probs_N5), np.empty(len(answers))
    sets = np.empty(answers.probs_N5.shape, np.bool_)
    for fold in sorted(set(folds.values())):
        rows, others = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        seen = answers.take(others)
        view = applied(
            answers.take(rows),
            temperature=fit_temperature(seen.probs_N5, seen.label_N),
            isotonic=fit_isotonic(success_probs(seen.probs_N5), seen.is_success_N),
            conformal=fit_conformal(
                seen.probs_N5, seen.score_N, seen.label_N, seen.groups, coverage=coverage
            ),
        )
        probs[rows], success[rows], sets[rows] = view.probs_N5, view.success_N, view.sets_N5
    return View(probs, success, sets)


def report_calibration(
    answers: Answers,
    calibration: Calibration,
    *,
    set_name: str,
    set_hash: str,
    fitted_groups: Sequence[str] = (),
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> CalibrationReport:
    """Measure a calibration: cross-fitted when `set_hash` is that of its own set, else as it is.

    Args:
        answers: Answers of the model that it is of.
        calibration: What to measure.
        set_name, set_hash: Of the set that the answers are about.
        fitted_groups: Groups of the fitting set, to count those that are here, too.
        num_draws: Resamples for the intervals.
        seed: Of the resamples.
    """
    is_own = set_hash == calibration.set_hash
    asked = calibration.conformal.coverage
    if is_own:
        view = cross_fitted(answers, coverage=asked)
    else:
        view = applied(
            answers,
            temperature=calibration.temperature,
            isotonic=calibration.isotonic,
            conformal=calibration.conformal,
        )
    ruler = Ruler(answers, num_draws=num_draws, seed=seed)
    raw, raw_success = answers.probs_N5, success_probs(answers.probs_N5)
    top = raw.argmax(axis=1)
    is_top = answers.label_N == top + 1
    rows = np.arange(len(answers))
    before, after = (raw, raw_success), (view.probs_N5, view.success_N)
    tops = (raw[rows, top], view.probs_N5[rows, top])
    band = calibration.abstain
    errors = expected_errors(view.probs_N5, answers.score_N)
    return CalibrationReport(
        model=calibration.model,
        set_name=set_name,
        set_hash=set_hash,
        is_cross_fitted=is_own,
        num_rows=len(answers),
        num_groups=len(set(answers.groups)),
        num_left_out=answers.num_left_out,
        num_shared_groups=0 if is_own else len(set(fitted_groups) & set(answers.groups)),
        changes=(
            ruler.mean_change("nll", _nll(raw, answers), _nll(after[0], answers)),
            ruler.mean_change("brier", _brier(raw, answers), _brier(after[0], answers)),
            ruler.ece_change("ece", *tops, is_top),
            ruler.mean_change(
                "brier_success",
                (before[1] - answers.is_success_N) ** 2,
                (after[1] - answers.is_success_N) ** 2,
            ),
            ruler.ece_change("ece_success", before[1], after[1], answers.is_success_N),
        ),
        top=Reliability(before=ruler.bins(tops[0], is_top), after=ruler.bins(tops[1], is_top)),
        success=Reliability(
            before=ruler.bins(before[1], answers.is_success_N),
            after=ruler.bins(after[1], answers.is_success_N),
        ),
        sets=_set_report(ruler, view.sets_N5, asked=asked),
        curve=_curve(ruler, errors),
        curve_before=_curve(ruler, expected_errors(raw, answers.score_N)),
        band=None if band is None else _risk(ruler, errors, limit=band.max_expected_error),
    )


def _nll(probs_N5: Floats, answers: Answers) -> Floats:
    own = probs_N5[np.arange(len(answers)), answers.label_N - 1]
    return np.asarray(-np.log(np.maximum(own, SMALLEST_PROB)))


def _brier(probs_N5: Floats, answers: Answers) -> Floats:
    truth = np.eye(5)[answers.label_N - 1]
    return np.asarray(((probs_N5 - truth) ** 2).sum(axis=1))


def _set_report(ruler: Ruler, sets_N5: Bools, *, asked: float) -> SetReport:
    answers = ruler.answers
    is_in = sets_N5[np.arange(len(answers)), answers.label_N - 1]
    all_N = np.ones(len(answers))
    size_N = sets_N5.sum(axis=1).astype(np.float64)
    _, group_N, sizes = np.unique(answers.groups, return_inverse=True, return_counts=True)
    even_N = 1.0 / sizes[group_N]
    return SetReport(
        asked=asked,
        coverage=ruler.mean(is_in * even_N, even_N, is_share=True),
        size=ruler.mean(size_N, all_N),
        single=ruler.mean(size_N == 1, all_N, is_share=True),
        levels=tuple(
            ruler.mean(is_in & (answers.label_N == level), answers.label_N == level, is_share=True)
            for level in range(1, 6)
        ),
    )


def _curve(ruler: Ruler, error_N: Floats) -> tuple[RiskPoint, ...]:
    ordered = np.sort(error_N)
    shares = np.linspace(_SMALLEST_KEPT, 1.0, _NUM_POINTS)
    limits = {float(ordered[int(np.ceil(share * len(ordered) - 1e-9)) - 1]) for share in shares}
    return tuple(_risk(ruler, error_N, limit=limit) for limit in sorted(limits))


def _risk(ruler: Ruler, error_N: Floats, *, limit: float) -> RiskPoint:
    answers, is_kept = ruler.answers, error_N <= limit
    off_N = np.abs(answers.score_N - answers.label_N)
    is_low = (answers.label_N <= 2) & is_kept
    return RiskPoint(
        kept_frac=float(is_kept.mean()),
        max_expected_error=limit,
        mae=ruler.mean(off_N * is_kept, is_kept),
        false_success=ruler.mean(
            is_low & (answers.score_N >= SUCCESS_SCORE), is_low, is_share=True
        ),
    )
