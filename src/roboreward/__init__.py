"""The open system that tells a robot how well it did.

The names below are loaded on first use, so `import roboreward` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roboreward.core import Query, RewardModel, Verdict
    from roboreward.media import sample_frames
    from roboreward.models import load_model

__version__ = "0.1.0"
__all__ = ["Query", "RewardModel", "Verdict", "load_model", "sample_frames"]

_HOME_OF = {
    "Query": "roboreward.core",
    "RewardModel": "roboreward.core",
    "Verdict": "roboreward.core",
    "load_model": "roboreward.models",
    "sample_frames": "roboreward.media",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'roboreward' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
