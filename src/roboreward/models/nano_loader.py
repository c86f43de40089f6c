"""From "nano", "nano:<folder>" or the name of an ablation to nano."""

from pathlib import Path
from typing import Final

from roboreward.core import RewardModel, UsageError
from roboreward.models.nano import load_nano

_ABLATIONS: Final = Path(__file__).parent / "weights" / "ablations"


def load(rest: str) -> RewardModel:
    """Return the nano that comes with the package, or the one that `roboreward train` wrote into a folder."""
    return load_nano(Path(rest) if rest else None)


def load_no_relabels(rest: str) -> RewardModel:
    """Return the ablation that was trained without counterfactual relabels."""
    return _load_ablation("no-relabels", rest)


def load_no_negatives(rest: str) -> RewardModel:
    """Return the ablation that was trained without clips and relabels, on successes and random negatives."""
    return _load_ablation("no-negatives", rest)


def _load_ablation(name: str, rest: str) -> RewardModel:
    if rest:
        raise UsageError(f"nano-{name} takes nothing behind a colon. For a folder: nano:{rest}.")
    return load_nano(_ABLATIONS / name, name=f"nano-{name}")
