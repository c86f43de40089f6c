"""Reinforcement learning from a reward model: it judges episodes in Gymnasium, and frozen policies are steered by it.

The names below are loaded on first use: the wrappers need no torch, what steers policies does (extra `rl`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roboreward.core import MissingExtra

if TYPE_CHECKING:
    from roboreward.rl.demonstrations import (
        BASES,
        Base,
        Demonstrations,
        check_base,
        demonstrate,
    )
    from roboreward.rl.flow import FlowPolicy, clone, load_policy, use_one_thread
    from roboreward.rl.frame_memory import FrameMemory
    from roboreward.rl.judging import Judgement, Judging, NoReward, OnError, RewardInfo
    from roboreward.rl.mapping import REWARD_MAPPINGS, RewardMapping, reward_of
    from roboreward.rl.observing import EpisodeNotRunning, TaskSource
    from roboreward.rl.steering import BAD_ACTION, History, Steering, SteeringBudget, play
    from roboreward.rl.vector import RewardModelVectorWrapper
    from roboreward.rl.wrapper import RewardModelWrapper

__all__ = [
    "BAD_ACTION",
    "BASES",
    "Base",
    "Demonstrations",
    "EpisodeNotRunning",
    "FlowPolicy",
    "FrameMemory",
    "History",
    "Judgement",
    "Judging",
    "NoReward",
    "OnError",
    "REWARD_MAPPINGS",
    "RewardInfo",
    "RewardMapping",
    "RewardModelVectorWrapper",
    "RewardModelWrapper",
    "Steering",
    "SteeringBudget",
    "TaskSource",
    "check_base",
    "clone",
    "demonstrate",
    "load_policy",
    "play",
    "reward_of",
    "use_one_thread",
]

_HOMES = {
    "demonstrations": ("BASES", "Base", "Demonstrations", "check_base", "demonstrate"),
    "flow": ("FlowPolicy", "clone", "load_policy", "use_one_thread"),
    "frame_memory": ("FrameMemory",),
    "judging": ("Judgement", "Judging", "NoReward", "OnError", "RewardInfo"),
    "mapping": ("REWARD_MAPPINGS", "RewardMapping", "reward_of"),
    "observing": ("EpisodeNotRunning", "TaskSource"),
    "steering": ("BAD_ACTION", "History", "Steering", "SteeringBudget", "play"),
    "vector": ("RewardModelVectorWrapper",),
    "wrapper": ("RewardModelWrapper",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'roboreward.rl' has no attribute {name!r}")
    try:
        home = import_module(f"roboreward.rl.{_HOME_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra("torch", "rl", "Steering a policy") from error
    # Kept, so that this runs once a name.
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
