"""Robot data in: each corpus becomes a stream of episodes, lazily.

The names below are loaded on first use. LeRobot needs pyarrow, HDF5 needs h5py, YAML metadata needs PyYAML: the extra
`data`.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door
from roboreward.sources.source import Footage, OnSkip, Skip, Source, SourceEpisode

if TYPE_CHECKING:
    from roboreward.sources.cells import task_in
    from roboreward.sources.folder import FolderSource
    from roboreward.sources.hdf5 import Hdf5Source
    from roboreward.sources.lerobot import LeRobotSource
    from roboreward.sources.opening import READERS, open_source
    from roboreward.sources.oxe import OxeDataset, oxe_dataset, oxe_datasets
    from roboreward.sources.published import (
        PUBLISHED_AUTHOR,
        Inferred,
        base_of,
        file_name_of,
        infer,
        reward_of,
        video_of,
    )
    from roboreward.sources.rlds import RldsSource
    from roboreward.sources.roboarena import RoboArenaSource
    from roboreward.sources.roboreward_layout import RoboRewardSource

__all__ = [
    "Inferred",
    "PUBLISHED_AUTHOR",
    "base_of",
    "file_name_of",
    "infer",
    "reward_of",
    "task_in",
    "video_of",
    "FolderSource",
    "Footage",
    "Hdf5Source",
    "LeRobotSource",
    "OnSkip",
    "OxeDataset",
    "READERS",
    "RldsSource",
    "RoboArenaSource",
    "RoboRewardSource",
    "Skip",
    "Source",
    "SourceEpisode",
    "open_source",
    "oxe_dataset",
    "oxe_datasets",
]

_HOMES = {
    "cells": ("task_in",),
    "published": (
        "Inferred",
        "PUBLISHED_AUTHOR",
        "base_of",
        "file_name_of",
        "infer",
        "reward_of",
        "video_of",
    ),
    "folder": ("FolderSource",),
    "hdf5": ("Hdf5Source",),
    "lerobot": ("LeRobotSource",),
    "opening": ("READERS", "open_source"),
    "oxe": ("OxeDataset", "oxe_dataset", "oxe_datasets"),
    "rlds": ("RldsSource",),
    "roboarena": ("RoboArenaSource",),
    "roboreward_layout": ("RoboRewardSource",),
}
__getattr__, __dir__ = lazy_door(__name__, globals(), _HOMES)
