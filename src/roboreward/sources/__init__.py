"""Robot data in: each corpus becomes a stream of episodes, lazily.

The names below are loaded on first use. LeRobot needs pyarrow, HDF5 needs h5py, YAML metadata needs PyYAML: the extra
`data`. Other distributions add readers through the entry-point group `ENTRY_POINTS`; what they need is here too:
`Source`, `SourceEpisode` and `Footage`, ready-made footage, `Unusable` with `leave_out` and `because`.
`testing.check_source` checks what they made of it.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door
from roboreward.sources.source import Footage, OnSkip, Skip, Source, SourceEpisode

if TYPE_CHECKING:
    from roboreward.sources.array_footage import ArrayFootage
    from roboreward.sources.cells import because, task_in
    from roboreward.sources.folder import FolderSource
    from roboreward.sources.footage import ImageFolderFootage, VideoFootage, store
    from roboreward.sources.hdf5 import Hdf5Source
    from roboreward.sources.hub import is_hub_address
    from roboreward.sources.lerobot import LeRobotSource
    from roboreward.sources.mcap import McapSource
    from roboreward.sources.opening import (
        READERS,
        ReaderInfo,
        ReaderOption,
        available_readers,
        open_source,
        reader_names,
    )
    from roboreward.sources.oxe import OxeDataset, oxe_dataset, oxe_datasets
    from roboreward.sources.plug_ins import ENTRY_POINTS
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
    from roboreward.sources.unusable import Unusable, leave_out

__all__ = [
    "ArrayFootage",
    "ENTRY_POINTS",
    "ImageFolderFootage",
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
    "McapSource",
    "OnSkip",
    "OxeDataset",
    "READERS",
    "ReaderInfo",
    "ReaderOption",
    "RldsSource",
    "RoboArenaSource",
    "RoboRewardSource",
    "Skip",
    "Source",
    "SourceEpisode",
    "Unusable",
    "VideoFootage",
    "available_readers",
    "is_hub_address",
    "because",
    "leave_out",
    "open_source",
    "store",
    "oxe_dataset",
    "oxe_datasets",
    "reader_names",
]

_HOMES = {
    "array_footage": ("ArrayFootage",),
    "cells": ("because", "task_in"),
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
    "footage": ("ImageFolderFootage", "VideoFootage", "store"),
    "hdf5": ("Hdf5Source",),
    "hub": ("is_hub_address",),
    "lerobot": ("LeRobotSource",),
    "mcap": ("McapSource",),
    "opening": (
        "READERS",
        "ReaderInfo",
        "ReaderOption",
        "available_readers",
        "open_source",
        "reader_names",
    ),
    "oxe": ("OxeDataset", "oxe_dataset", "oxe_datasets"),
    "plug_ins": ("ENTRY_POINTS",),
    "rlds": ("RldsSource",),
    "roboarena": ("RoboArenaSource",),
    "roboreward_layout": ("RoboRewardSource",),
    "unusable": ("Unusable", "leave_out"),
}
__getattr__, __dir__ = lazy_door(__name__, globals(), _HOMES)
