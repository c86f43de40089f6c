"""`calibrated:<folder or file>:<model>`: a reward model whose numbers went through a calibration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from roboreward.core import (
    Capability,
    FramePolicy,
    Query,
    RewardModel,
    UsageError,
    Verdict,
    curve_of,
)
from roboreward.models.calibration import CALIBRATION_FILE, Calibration, read_calibration
from roboreward.models.local_uri import is_folder, is_weights_name, split_query
from roboreward.models.registry import load_model

SCHEME: Final = "calibrated"
_WEIGHTS: Final = Path(__file__).parent / "weights"
_FORM: Final = "calibrated:<folder or file>:<model>, or calibrated:<model> where the file lies beside the model"


class Calibrated:
    """Another model with calibrated probabilities, success probability, level sets, and abstentions if a band is set.

    Scores, frames, texts and answers without probabilities are those of the inner model.

    Args:
        inner: The model that the calibration was fitted on.
        calibration: What to apply.
        name: The URI it goes by; None for one without a path.

    Raises:
        UsageError: The calibration is of another model, another revision of it, or other frames.
    """

    def __init__(
        self, inner: RewardModel, calibration: Calibration, *, name: str | None = None
    ) -> None:
        check_belongs(calibration, inner)
        self.inner, self.calibration = inner, calibration
        self.name = name or f"{SCHEME}:{inner.name}"
        self.revision = f"{inner.revision}+cal-{calibration.digest}"
        self.frame_policy: FramePolicy = inner.frame_policy
        self.capabilities: frozenset[Capability] = inner.capabilities

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask the inner model and calibrate its verdicts."""
        return self._calibrated(self.inner.score(queries))

    def curve(self, query: Query, anchors: Sequence[int] | None = None) -> list[Verdict]:
        """Calibrate the inner model's verdicts along the video; see `core.curve_of`.

        The calibration was fitted on whole videos: what it says of a prefix is as good as prefixes are like these.
        """
        return self._calibrated(curve_of(self.inner, query, anchors))

    def _calibrated(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        facts = {"model": self.name, "revision": self.revision}
        return [self.calibration.apply(v).model_copy(update=facts) for v in verdicts]


def check_belongs(calibration: Calibration, model: RewardModel) -> None:
    """Raise a `UsageError` unless the calibration was fitted on this model, at this revision, on the same frames."""
    if not _is_same(calibration.model, model.name):
        raise UsageError(
            f"This calibration is of {calibration.model}, not of {model.name}. Fit one: roboreward calibrate."
        )
    for what, before, now in (
        ("revision", calibration.revision, model.revision),
        ("frame policy", calibration.frame_policy, model.frame_policy),
    ):
        if before != now:
            raise UsageError(
                f"This calibration is of {calibration.model} with {what} {before}, the model has {now}. "
                "Fit it again: roboreward calibrate."
            )


def home_of(model: str) -> Path | None:
    """Return the folder that a model's name says it lies in, if there is one: that of its calibration, too."""
    scheme, _, rest = model.partition(":")
    if model == "nano":
        return _WEIGHTS
    folder = split_query(rest)[0]
    return Path(folder) if folder and scheme != SCHEME and is_folder(folder) else None


def load(rest: str) -> RewardModel:
    """Return the calibrated model that `rest` names: `<folder or file>:<model>`, or `<model>`.

    Raises:
        UsageError: The name is incomplete, there is no calibration, or it is of another model.
        DataError: The calibration cannot be read.
    """
    path, model = _parts(rest)
    if not model:
        raise UsageError(f"{SCHEME}:{rest} names no model. Its form is {_FORM}.")
    if model.partition(":")[0] == SCHEME:
        raise UsageError(f"{model} is calibrated already; calibrate the model inside it.")
    home = path if path is not None else home_of(model)
    if home is None:
        raise UsageError(f"There is no calibration beside {model}. The form is {_FORM}.")
    calibration = read_calibration(home)
    return Calibrated(load_model(model), calibration, name=f"{SCHEME}:{rest}")


def _parts(rest: str) -> tuple[Path | None, str]:
    """Cut at the first colon that has a calibration before it; paths and models may hold colons themselves."""
    for place, char in enumerate(rest):
        if char == ":" and _is_calibration(Path(rest[:place])):
            return Path(rest[:place]), rest[place + 1 :]
    head, _, tail = rest.partition(":")
    if tail and (head.endswith(".json") or "/" in head or "\\" in head):
        return Path(head), tail  # a path by its looks that is not there: to be named as such
    return None, rest


def _is_calibration(path: Path) -> bool:
    return (path / CALIBRATION_FILE).is_file() or (path.suffix == ".json" and path.is_file())


def _is_same(one: str, other: str) -> bool:
    """Whether two names are of one model. Folders may have moved; their revision holds the digest of the weights."""
    scheme, _, rest = other.partition(":")
    is_in_folder = bool(rest) and home_of(other) is not None and one.startswith(f"{scheme}:")
    return one == other or is_in_folder or _bare(one) == _bare(other)


def _bare(name: str) -> str:
    """The name without settings of local weights; those that can change a number stand in the revision."""
    bare = name.partition("?")[0]
    return bare if is_weights_name(bare.removeprefix("qwen:")) else name
