"""From a finished run on a validation set to a calibration; a test split is refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import numpy.typing as npt

import roboreward
from roboreward.bench.folder import RunResult
from roboreward.bench.intervals import Cluster
from roboreward.bench.record import Record
from roboreward.core import SUCCESS_SCORE, Example, UsageError, shorten
from roboreward.dataset import SIM_SETS
from roboreward.models import (
    Calibration,
    fit_band,
    fit_conformal,
    fit_isotonic,
    fit_temperature,
    success_probs,
    tempered,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST_GROUPS: Final = 30
"""Below this an isotonic curve is noise, and a fifth of the groups, left out for an honest number, is nothing."""
DEFAULT_COVERAGE: Final = 0.9
SPLITS: Final = ("train", "val", "validation", "test")
_TEST_PREFIXES: Final = ("test", "sim-test", "roborewardbench")
_WITH_PROBS: Final = (
    "Models with the capability 'distribution' give them: nano, models read through the log-probabilities of their "
    "tokens, models that are asked several times."
)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of one run that a calibration can be fitted on or measured with: scored, with probabilities.

    Attributes:
        records: One a row.
        probs_N5: What the model said, adding up to 1.
        score_N, label_N: What it answered and what is true, 1..5.
        num_left_out: All other answers by status; "scored" are those without probabilities.
    """

    records: tuple[Record, ...]
    probs_N5: Floats
    score_N: Ints
    label_N: Ints
    num_left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def groups(self) -> list[str]:
        """The group of each row."""
        return [record.group for record in self.records]

    @property
    def clusters(self) -> list[Cluster]:
        """What intervals resample, of each row."""
        return [(record.source, record.group) for record in self.records]

    @property
    def is_success_N(self) -> npt.NDArray[np.bool_]:
        """Whether the truth is a 4 or a 5."""
        return np.asarray(self.label_N >= SUCCESS_SCORE)

    def take(self, rows: npt.NDArray[np.intp]) -> "Answers":
        """Return some of the rows."""
        records = tuple(self.records[row] for row in rows)
        return Answers(records, self.probs_N5[rows], self.score_N[rows], self.label_N[rows], {})


def answers_of(result: RunResult) -> Answers:
    """Return the usable answers of a run, probabilities scaled to add up to 1 exactly.

    Raises:
        UsageError: There is none, or a distribution is not one.
    """
    used = [r for r in result.records if r.verdict.is_scored and r.verdict.probs is not None]
    statuses = Counter(str(record.verdict.status) for record in result.records)
    statuses["scored"] -= len(used)
    if not used:
        given = ", ".join(f"{num} {status}" for status, num in (+statuses).items()) or "none at all"
        raise UsageError(
            f"No answer of {result.config.model} carries probabilities (it gave {given}), so there is nothing to "
            f"calibrate. {_WITH_PROBS}"
        )
    probs = np.array([record.verdict.probs for record in used], np.float64)
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise UsageError(
            f"{result.folder} holds probabilities that are none. Report it to the model's author."
        )
    return Answers(
        tuple(used),
        probs / probs.sum(axis=1, keepdims=True),
        np.array([record.verdict.score for record in used], np.int64),
        np.array([record.label for record in used], np.int64),
        dict(+statuses),
    )


def fit_calibration(
    result: RunResult, *, coverage: float = DEFAULT_COVERAGE, keep: float | None = None
) -> Calibration:
    """Fit a calibration on the run of a model on a validation set.

    Args:
        result: A finished run.
        coverage: Chance with which the sets of levels hold the truth, in (0, 1).
        keep: Share of answers that an abstain band keeps, in (0, 1]; None for no band.

    Raises:
        UsageError: The set is a test split by its name or folder, the run is unfinished or of a floor, answers carry no
            probabilities, groups are too few, or labels are all successes or all failures.
    """
    if not 0 < coverage < 1:
        raise UsageError(f"The coverage is {coverage:g}; give one between 0 and 1, such as 0.9.")
    answers = _checked(result)
    config = result.config
    temperature = fit_temperature(answers.probs_N5, answers.label_N)
    after_N5 = tempered(answers.probs_N5, temperature=temperature)
    return Calibration(
        model=config.model,
        revision=config.revision,
        frame_policy=config.frame_policy,
        set_name=config.set_name,
        set_hash=config.set_hash,
        limit=config.limit,
        num_rows=len(answers),
        num_groups=len(set(answers.groups)),
        num_left_out=answers.num_left_out,
        temperature=temperature,
        isotonic=fit_isotonic(success_probs(answers.probs_N5), answers.is_success_N),
        conformal=fit_conformal(
            answers.probs_N5, answers.score_N, answers.label_N, answers.groups, coverage=coverage
        ),
        abstain=None if keep is None else fit_band(after_N5, answers.score_N, kept_frac=keep),
        package_version=roboreward.__version__,
    )


def refuse_test_split(name: str, path: Path | None, examples: Sequence[Example] = ()) -> None:
    """Raise a `UsageError` when a set is a test split.

    Args:
        name: The set's name.
        path: Its metadata file or folder, when known.
        examples: Its examples, when at hand: simulated ones know their split under any name.
    """
    found = _word_for_test(name, path)
    if found is None:
        splits = {
            str((e.provenance.details if e.provenance else {}).get("split", "")) for e in examples
        }
        found = next((split for split in sorted(splits) if _is_test(split)), None)
    if found is not None:
        raise UsageError(
            f"{shorten(name)} is a test split ({shorten(found)!r}): a calibration fitted on it would make its numbers "
            "worthless; fit on validation data (such as --set sim-val) and name the test split with --report-on."
        )


def _word_for_test(name: str, path: Path | None) -> str | None:
    """The part of a set's name or place that says "test"; the folders above the split's may be called anything."""
    parts = PurePath(name).parts
    words = [*parts[-1:]] if parts and parts[-1] in SPLITS else [*parts[-2:]]
    for place in () if path is None else (path, path.resolve()):
        is_file = place.suffix == ".jsonl"
        words += [place.stem, place.parent.name] if is_file else [place.name]
    recipe = SIM_SETS.get(name)
    return next((word for word in [*words, recipe.split if recipe else ""] if _is_test(word)), None)


def _is_test(word: str) -> bool:
    return word.lower().startswith(_TEST_PREFIXES)


def _checked(result: RunResult) -> Answers:
    config = result.config
    refuse_test_split(config.set_name, None if config.set_path is None else Path(config.set_path))
    if not result.is_complete:
        missing = result.num_examples - len(result.records)
        raise UsageError(
            f"{result.folder} is unfinished, {missing} of {result.num_examples} examples are missing. "
            "Run it again first."
        )
    if config.is_floor or config.model.startswith("calibrated:"):
        kind = "a floor" if config.is_floor else "calibrated already"
        raise UsageError(f"{config.model} is {kind}; calibrate the model that you use.")
    answers = answers_of(result)
    num = len(set(answers.groups))
    if num < FEWEST_GROUPS:
        raise UsageError(
            f"{num} groups with usable answers are too few to fit on ({FEWEST_GROUPS} needed). Use a larger set."
        )
    if answers.is_success_N.all() or not answers.is_success_N.any():
        which = "4 or 5" if answers.is_success_N.all() else "1 to 3"
        raise UsageError(
            f"Every label is {which}, so P(success) cannot be fitted. Use a set with successes and failures."
        )
    return answers
