"""From what stands behind "floor:" to the floor."""

import re

from roboreward.core import SCORES, RewardModel, UsageError
from roboreward.models.floors import Constant, FirstFrame, LabelSampler
from roboreward.models.registry import load_model, unknown_model
from roboreward.models.text_only import TextOnly

_CONSTANT = re.compile(r"constant-(-?\d{1,9})", re.ASCII)


def load(rest: str) -> RewardModel:
    """Return the floor that `rest` names, such as "constant-3" or "first-frame:nano"."""
    kind, sep, inner = rest.partition(":")
    if kind == "first-frame" and not inner.startswith("floor:first-frame"):
        return FirstFrame(load_model(inner if sep else "nano"))
    if rest == "label-sampler":
        return LabelSampler()
    if rest == "text-only":
        return TextOnly()
    constant = _CONSTANT.fullmatch(rest)
    if constant is None:
        raise unknown_model(f"floor:{rest}")
    if int(constant[1]) not in SCORES:
        raise UsageError(f"floor:{rest}: a constant answer is one of 1 to 5.")
    return Constant(SCORES[int(constant[1]) - 1])
