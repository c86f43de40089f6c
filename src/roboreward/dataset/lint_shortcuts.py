"""How far a blind reader gets: labels from the words of the task, its length, or the length of the video, no pictures.

All readers are fitted on other groups than they are asked about. Each is compared with the best constant in hindsight,
which no reader of nothing can beat, so what is gained was in the text.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from roboreward.core import SCORES, Example, student_t
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetSplit

Reader = Literal["words", "length", "duration"]
Floats = npt.NDArray[np.float64]
_Predict = Callable[[Sequence[Example], Sequence[Example]], Floats]
_Number = Callable[[Example], float]

_NUM_FOLDS: Final = 5
_FEWEST_GROUPS: Final = 20
_LEAST_GAIN_FRAC: Final = 0.03
_ERROR_GAIN_FRAC: Final = 0.10
_LENGTH_STEP: Final = 2
_LONGEST: Final = 40
_STEPS_AN_OCTAVE: Final = 4
_SHORTEST_S: Final = 0.05

READS: Final[Mapping[Reader, str]] = {
    "words": "the words of the task",
    "length": "the number of words",
    "duration": "the seconds of the video",
}
"""What each reader looks at, in words."""
_CODES: Final[Mapping[Reader, str]] = {
    "words": "text-shortcut",
    "length": "length-shortcut",
    "duration": "duration-shortcut",
}


@dataclass(frozen=True)
class Shortcut:
    """What a blind reader reaches on one split, by mean absolute error.

    Attributes:
        split: Name of the split.
        reader: "words" (naive Bayes over words, pairs and length), "length" (the number of words alone), or "duration"
            (the seconds of the video alone).
        mae: Of the reader, cross-validated by group.
        constant: The best constant answer.
        constant_mae: Of that constant.
        by_source_mae: Of the best constant of each source: what knowing the source alone is worth.
        gain: `constant_mae - mae`.
        lo, hi: 95 % interval of the gain, over groups.
        num_rows, num_groups: What it rests on.
        correlation: Spearman's, of the number of words (or seconds) with the score; None where one never varies.
        means: Mean number of words (or seconds) by score 1..5; None for a score that does not occur.
    """

    split: str
    reader: Reader
    mae: float
    constant: int
    constant_mae: float
    by_source_mae: float
    gain: float
    lo: float
    hi: float
    num_rows: int
    num_groups: int
    correlation: float | None
    means: tuple[float | None, ...]

    @property
    def gain_frac(self) -> float:
        """Share of the constant's error that the reader takes away."""
        return self.gain / self.constant_mae if self.constant_mae else 0.0

    @property
    def is_found(self) -> bool:
        """Whether the gain is more than chance, and not negligible."""
        return self.lo > 0 and self.gain_frac >= _LEAST_GAIN_FRAC

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"means": list(self.means), "is_found": self.is_found}


def measure_shortcuts(dataset: Dataset, duration_of: Mapping[Path, float]) -> tuple[Shortcut, ...]:
    """Return the readers' results for every split with at least 20 groups and two levels.

    Args:
        dataset: What is read.
        duration_of: Seconds by video. Where some of a split are missing, durations are not read.
    """
    found: list[Shortcut] = []
    for split in dataset.splits:
        if not _can_be_measured(split):
            continue
        found.append(_measure(split, "words", _from_words, _num_words))
        found.append(_measure(split, "length", _from_bins(_length_bin), _num_words))
        if all(row.example.video in duration_of for row in split.rows):
            found.append(_measure_durations(split, duration_of))
    return tuple(found)


def shortcut_findings(shortcuts: Sequence[Shortcut]) -> Iterator[Finding]:
    """Yield a finding for each reader that beats the best constant.

    For texts, an error from 10 % of the constant's error on. For durations a warning: a clip is shorter than what it
    was cut from, which is how clips are made, but a model must not be let off with measuring it.
    """
    for found in shortcuts:
        if found.is_found:
            is_text = found.reader != "duration"
            is_error = is_text and found.gain_frac >= _ERROR_GAIN_FRAC
            one = finding(
                _CODES[found.reader],
                _in_words(found),
                [found.split],
                severity="error" if is_error else "warning",
            )
            yield replace(one, count=found.num_rows)


def _in_words(found: Shortcut) -> str:
    text = (
        f"From {READS[found.reader]} alone the label is off by {found.mae:.3f} on average; the best constant, "
        f"{found.constant}, is off by {found.constant_mae:.3f} (gain {found.gain:.3f}, 95 % interval {found.lo:.3f} "
        f"to {found.hi:.3f}, "
        f"{found.num_groups} groups). The best constant of each source is off by {found.by_source_mae:.3f}."
    )
    if found.reader != "words":
        unit = "words" if found.reader == "length" else "seconds"
        means = ", ".join("-" if m is None else f"{m:.1f}" for m in found.means)
        rank = "" if found.correlation is None else f" Rank correlation {found.correlation:+.2f}."
        text += f" Mean {unit} by score 1 to 5: {means}.{rank}"
    return text


def _can_be_measured(split: DatasetSplit) -> bool:
    groups = {row.example.group for row in split.rows}
    levels = {row.example.label.score for row in split.rows}
    return len(groups) >= _FEWEST_GROUPS and len(levels) > 1


def _measure_durations(split: DatasetSplit, duration_of: Mapping[Path, float]) -> Shortcut:
    def seconds(example: Example) -> float:
        return duration_of[example.video]

    def duration_bin(example: Example) -> int:
        return round(_STEPS_AN_OCTAVE * math.log2(max(seconds(example), _SHORTEST_S)))

    return _measure(split, "duration", _from_bins(duration_bin), seconds)


def _measure(
    split: DatasetSplit, reader: Reader, predict: _Predict, number_of: _Number
) -> Shortcut:
    examples = [row.example for row in split.rows]
    scores = np.array([e.label.score for e in examples], np.float64)
    errors = np.abs(_out_of_fold(examples, predict) - scores)
    constant, floor = _best_constant(scores)
    groups = [e.group for e in examples]
    gain, lo, hi = _mean_interval(floor - errors, groups)
    numbers = np.array([number_of(e) for e in examples], np.float64)
    sources = np.array([e.source for e in examples])
    by_source = sum(_best_constant(scores[sources == s])[1].sum() for s in np.unique(sources))
    return Shortcut(
        split=split.name,
        reader=reader,
        mae=float(errors.mean()),
        constant=constant,
        constant_mae=float(floor.mean()),
        by_source_mae=float(by_source / len(scores)),
        gain=gain,
        lo=lo,
        hi=hi,
        num_rows=len(examples),
        num_groups=len(set(groups)),
        correlation=_spearman(numbers, scores),
        means=tuple(
            float(numbers[scores == s].mean()) if (scores == s).any() else None for s in SCORES
        ),
    )


def _num_words(example: Example) -> int:
    return len(example.task.split())


def _out_of_fold(examples: Sequence[Example], predict: _Predict) -> Floats:
    """Answer every example by a reader that was fitted on other folds; groups are dealt by the digest of their name."""
    names = sorted({e.group for e in examples}, key=_digest)
    fold_of = {name: place % _NUM_FOLDS for place, name in enumerate(names)}
    folds = np.array([fold_of[e.group] for e in examples])
    answers = np.zeros(len(examples))
    for fold in range(_NUM_FOLDS):
        inside = np.flatnonzero(folds == fold)
        known = [e for e, f in zip(examples, folds, strict=True) if f != fold]
        answers[inside] = predict(
            known, [e for e, f in zip(examples, folds, strict=True) if f == fold]
        )
    return answers


def _digest(group: str) -> str:
    return hashlib.sha256(group.encode("utf-8", "replace")).hexdigest()


def _from_words(known: Sequence[Example], asked: Sequence[Example]) -> Floats:
    from roboreward.models import TextOnly, median_score

    reader = TextOnly()
    reader.fit([e.task for e in known], [e.label.score for e in known])
    answer_of = {task: median_score(reader.posterior(task)) for task in {e.task for e in asked}}
    return np.array([answer_of[e.task] for e in asked], np.float64)


def _from_bins(bin_of: Callable[[Example], int]) -> _Predict:
    """Return a reader that answers the median label of the known examples in the same bin, else of all."""

    def predict(known: Sequence[Example], asked: Sequence[Example]) -> Floats:
        bins = np.array([bin_of(e) for e in known])
        scores = np.array([e.label.score for e in known], np.float64)
        overall = _lower_median(scores)
        answer_of = {int(n): _lower_median(scores[bins == n]) for n in np.unique(bins)}
        return np.array([answer_of.get(bin_of(e), overall) for e in asked], np.float64)

    return predict


def _length_bin(example: Example) -> int:
    return min(_num_words(example), _LONGEST) // _LENGTH_STEP


def _lower_median(scores: Floats) -> float:
    """The median, which has the least absolute error; the lower one of two, so that it is a score."""
    return float(np.sort(scores)[(len(scores) - 1) // 2])


def _best_constant(scores: Floats) -> tuple[int, Floats]:
    """Return the constant answer with the least mean error, and its errors."""
    errors = {score: np.abs(scores - score) for score in SCORES}
    best = min(SCORES, key=lambda score: float(errors[score].sum()))
    return best, errors[best]


def _mean_interval(values: Floats, groups: Sequence[str]) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval over groups: the linearised ratio estimator, with Student's t."""
    _, places = np.unique(np.array(groups), return_inverse=True)
    num = int(places.max()) + 1
    mean = float(values.mean())
    residuals = np.bincount(places, weights=values - mean, minlength=num)
    error = math.sqrt(num / (num - 1) * float((residuals**2).sum())) / len(values)
    half = student_t(num - 1) * error
    return mean, mean - half, mean + half


def _spearman(x: Floats, y: Floats) -> float | None:
    a, b = _ranks(x), _ranks(y)
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else None


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place], np.float64)
