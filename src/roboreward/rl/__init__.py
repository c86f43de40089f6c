"""Reinforcement learning from a reward model: it judges episodes in Gymnasium, and frozen policies are steered by it.

The names below are loaded on first use: the wrappers need no torch, what steers policies does (extra `rl`).
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door

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
__getattr__, __dir__ = lazy_door(
    __name__, globals(), _HOMES, torch_extra="rl", purpose="Steering a policy"
)
