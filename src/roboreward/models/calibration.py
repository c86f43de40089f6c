"""What calibration learned about one reward model, as one JSON file, and how it changes a verdict.

Three methods, each on its own, all on the probabilities that the model itself gives:

    temperature  one number; `probs` become p ** (1 / T), scaled to add up to 1. The most probable level stays, and so
                 does the score: calibration says how sure to be, never what.
    isotonic     `success_prob`: a curve that does not fall, from the model's P(4 or 5) to how often it was so.
    conformal    `level_set`: neighbouring levels, the score among them, that hold the truth with a stated chance.

An abstain band, off unless asked for, turns answers whose expected error is above a limit into `abstained`.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from roboreward.core import (
    SCORES,
    SUCCESS_SCORE,
    DataError,
    FramePolicy,
    Score,
    UsageError,
    Verdict,
    content_id,
    shorten,
)

CALIBRATION_FORMAT: Final = "calibration-v1"
CALIBRATION_FILE: Final = "calibration.json"
SMALLEST_PROB: Final = 1e-9
"""A probability of 0 is taken for this one: no model knows a level to be impossible, and its logarithm must exist."""

Floats = npt.NDArray[np.float64]
_LEVELS: Final = np.array(SCORES, np.float64)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Isotonic(_Part):
    """A curve through points: straight between them, level beyond the first and the last.

    Attributes:
        x: The model's own P(4 or 5), ascending, in [0, 1].
        y: The calibrated one, which never falls; neither 0 nor 1.
    """

    x: tuple[float, ...] = Field(min_length=1)
    y: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _does_not_fall(self) -> "Isotonic":
        rises = all(a <= b for side in (self.x, self.y) for a, b in pairwise(side))
        if len(self.x) != len(self.y) or not rises or not 0 < self.y[0] <= self.y[-1] < 1:
            raise ValueError("not a curve that rises within (0, 1)")
        return self


class Conformal(_Part):
    """Sets of levels.

    Attributes:
        coverage: The chance that was asked for, in (0, 1).
        limit: Levels whose `nonconformity` is at most this are in the set; 1 lets all in.
    """

    coverage: float = Field(gt=0, lt=1)
    limit: float = Field(ge=0, le=1)


class AbstainBand(_Part):
    """Which answers are turned into abstentions.

    Attributes:
        max_expected_error: The largest expected error, in points, of an answer that is kept.
        kept_frac: The share of answers that it keeps on the set it was fitted on.
    """

    max_expected_error: float = Field(ge=0)
    kept_frac: float = Field(gt=0, le=1)


class Calibration(_Part):
    """The content of `calibration.json`.

    Attributes:
        model, revision, frame_policy: Whose answers it was fitted on, and from which frames. It is for no others.
        set_name, set_hash, limit: The validation set, and how many of its examples were asked; None for all.
        num_rows: Answers with probabilities, on which it was fitted.
        num_groups: Groups that these are of.
        num_left_out: How many other answers there were, by status ("scored" had a score but no probabilities).
        temperature: T > 0; above 1 the model was too sure of itself, below 1 not sure enough.
        isotonic, conformal, abstain: See there; no band is no abstention.
        package_version: Version of the code that fitted it.
    """

    format: Literal["calibration-v1"] = "calibration-v1"
    model: str
    revision: str
    frame_policy: FramePolicy
    set_name: str
    set_hash: str
    limit: int | None = None
    num_rows: int = Field(ge=1)
    num_groups: int = Field(ge=1)
    num_left_out: dict[str, int] = Field(default_factory=dict)
    temperature: float = Field(gt=0)
    isotonic: Isotonic
    conformal: Conformal
    abstain: AbstainBand | None = None
    package_version: str

    @property
    def digest(self) -> str:
        """Twelve hex digits of its content: a part of the revision of what it is applied to."""
        return content_id(self.model_dump(mode="json"), length=12)

    def apply(self, verdict: Verdict) -> Verdict:
        """Return a verdict with calibrated numbers; one without score or without probabilities as it is.

        The score stays, but for an abstention, which keeps the probabilities. `success_prob` is the isotonic one and
        need not be the sum of the last two of `probs`.
        """
        if verdict.score is None or verdict.probs is None:
            return verdict
        raw_N5, score_N = np.array([verdict.probs]), np.array([verdict.score])
        probs_N5 = tempered(raw_N5, temperature=self.temperature)
        in_set = level_sets(raw_N5, score_N, limit=self.conformal.limit)[0]
        changed: dict[str, object] = {
            "probs": tuple(float(p) for p in probs_N5[0]),
            "expected": float(np.clip(probs_N5[0] @ _LEVELS, 1, 5)),
            "success_prob": float(on_curve(success_probs(raw_N5), self.isotonic)[0]),
            "level_set": tuple(level for level, is_in in zip(SCORES, in_set, strict=True) if is_in),
        }
        error = float(expected_errors(probs_N5, score_N)[0])
        if self.abstain is not None and error > self.abstain.max_expected_error:
            changed |= {
                "status": "abstained",
                "score": None,
                "reason": self._why(verdict.score, error),
            }
        return verdict.model_copy(update=changed)

    def _why(self, score: Score, error: float) -> str:
        limit = self.abstain.max_expected_error if self.abstain is not None else 0.0
        return f"Not sure enough: {score} is expected to be {error:.2f} points off, the limit is {limit:.2f}."


def tempered(probs_N5: Floats, *, temperature: float) -> Floats:
    """Return probabilities (N, 5) at another temperature. The order of the five is kept."""
    logits = np.log(np.maximum(probs_N5, SMALLEST_PROB)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: Floats = weights / weights.sum(axis=1, keepdims=True)
    return out


def success_probs(probs_N5: Floats) -> Floats:
    """Return the probability of a score of 4 or 5, (N,)."""
    return np.asarray(np.clip(probs_N5[:, SUCCESS_SCORE - 1 :].sum(axis=1), 0.0, 1.0))


def on_curve(x_N: Floats, curve: Isotonic) -> Floats:
    """Return the values of a curve at `x_N`, (N,)."""
    return np.asarray(np.interp(x_N, curve.x, curve.y))


def expected_errors(probs_N5: Floats, score_N: npt.NDArray[np.int64]) -> Floats:
    """Return how many points each score is off on average when the truth follows the probabilities, (N,)."""
    return np.asarray((probs_N5 * np.abs(_LEVELS[None] - score_N[:, None])).sum(axis=1))


def nonconformity(probs_N5: Floats, score_N: npt.NDArray[np.int64]) -> Floats:
    """Return for each level the probability of the levels that enter the set before it, (N, 5), in [0, 1].

    The set starts at the score and grows by the more probable neighbour (the lower one of a tie), so that it has no
    gaps and the score is always in it. The idea is that of ordinal adaptive prediction sets (Lu, Angelopoulos and
    Pomerantz 2022), which start at the most probable level.
    """
    num = len(probs_N5)
    rows = np.arange(num)
    padded = np.pad(
        probs_N5, ((0, 0), (1, 1)), constant_values=-1.0
    )  # levels 0 and 6 are never chosen
    lo, hi = score_N.astype(np.int64), score_N.astype(np.int64)
    mass, out = probs_N5[rows, lo - 1].astype(np.float64), np.zeros((num, 5))
    for _ in range(4):
        below, above = padded[rows, lo - 1], padded[rows, hi + 1]
        goes_down = below >= above
        level = np.where(goes_down, lo - 1, hi + 1)
        out[rows, level - 1] = mass
        mass = mass + np.maximum(below, above)
        lo, hi = np.where(goes_down, level, lo), np.where(goes_down, hi, level)
    return np.asarray(np.clip(out, 0.0, 1.0))


def level_sets(
    probs_N5: Floats, score_N: npt.NDArray[np.int64], *, limit: float
) -> npt.NDArray[np.bool_]:
    """Return which levels are in the set of each answer, (N, 5): neighbours, the score among them."""
    return np.asarray(nonconformity(probs_N5, score_N) <= limit)


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Args:
        path: The file, or the folder that holds `calibration.json`.

    Raises:
        UsageError: There is none.
        DataError: It is damaged, or of another version.
    """
    path = Path(path)
    file = path / CALIBRATION_FILE if path.is_dir() else path
    try:
        return Calibration.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"There is no {file}. Make it with: roboreward calibrate.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(
            f"{file}: not a {CALIBRATION_FORMAT} ({where}: {shorten(first['msg'])}). Make it again."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({shorten(error)}). Make it again.") from error
