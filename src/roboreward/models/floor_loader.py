"""From what stands behind "floor:" to the floor."""

import re

from roboreward.core import SCORES, RewardModel, UsageError
from roboreward.models.ablated import ABLATIONS, Ablated
from roboreward.models.floors import Constant, FirstFrame, LabelSampler
from roboreward.models.registry import NO_CLIP, load_model, unknown_model
from roboreward.models.text_only import TextOnly

_CONSTANT = re.compile(r"constant-(-?\d{1,9})", re.ASCII)


def load(rest: str) -> RewardModel:
    """Return the floor that `rest` names, such as "constant-3", "first-frame:nano" or "shuffled" (of nano)."""
    kind, sep, inner = rest.partition(":")
    for ablation in ABLATIONS:
        if kind == ablation and not _is_ablated(inner):
            if sep and not inner:
                raise UsageError(
                    f"floor:{rest} names no model behind its last colon. The form is floor:{kind}:<model>; "
                    f"floor:{kind} alone is that of nano."
                )
            model = load_model(inner if sep else "nano")
            return FirstFrame(model) if ablation == "first-frame" else Ablated(model, ablation)
    if rest == "label-sampler":
        return LabelSampler()
    if rest == "text-only":
        return TextOnly()
    if rest == "clip-similarity":
        raise UsageError(f"floor:{rest} is not here: {NO_CLIP}.")
    constant = _CONSTANT.fullmatch(rest)
    if constant is None:
        raise unknown_model(f"floor:{rest}")
    if int(constant[1]) not in SCORES:
        raise UsageError(f"floor:{rest}: a constant answer is one of 1 to 5.")
    return Constant(SCORES[int(constant[1]) - 1])


def _is_ablated(inner: str) -> bool:
    """Whether frames are taken away already: twice is no floor of anything."""
    return inner.startswith(tuple(f"floor:{ablation}" for ablation in ABLATIONS))
