"""From "nano" or "nano:<folder>" to nano."""

from pathlib import Path

from roboreward.core import RewardModel
from roboreward.models.nano import load_nano


def load(rest: str) -> RewardModel:
    """Return the nano that comes with the package, or the one that `roboreward train` wrote into a folder."""
    return load_nano(Path(rest) if rest else None)
