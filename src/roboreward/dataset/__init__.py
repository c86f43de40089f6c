"""Example sets: the published layout, built-in simulated sets, and demonstrations to learn from.

What simulates is loaded when it is asked for: reading a set does not load MuJoCo.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door
from roboreward.dataset.layout import BadRow, ExampleSet, read_set, set_hash_of, write_set
from roboreward.dataset.sets import GENERATION, SIM_SETS, SimSet, open_set

if TYPE_CHECKING:
    from roboreward.dataset.build import Built, Plan, build_dataset, plan_dataset
    from roboreward.dataset.card import dataset_card, licences_beside, licences_of
    from roboreward.dataset.contamination import (
        Contamination,
        SeenExample,
        SeenIndex,
        find_contamination,
        read_index,
        write_index,
    )
    from roboreward.dataset.croissant import croissant_json, missing_properties
    from roboreward.dataset.demo_files import load_demos, save_demos
    from roboreward.dataset.demos import ORIGINS, DemoTable, simulate_demos, simulated_words
    from roboreward.dataset.exports import (
        export_conversations,
        export_messages,
        export_parquet,
    )
    from roboreward.dataset.lerobot_export import LeRobotExport, export_lerobot
    from roboreward.dataset.lerobot_labels import (
        EpisodeLabels,
        match_episodes,
        write_episode_labels,
    )
    from roboreward.dataset.lint import LintReport, lint_dataset
    from roboreward.dataset.lint_finding import CHECKS, Check, Finding
    from roboreward.dataset.lint_levels import LintLimits
    from roboreward.dataset.lint_shortcuts import Shortcut
    from roboreward.dataset.recipe import Balance, DatasetRecipe, SourceRecipe, read_dataset_recipe
    from roboreward.dataset.show import Ancestor, Portrait, portray, save_portrait
    from roboreward.dataset.simulated import build_sim_set, example_of_rollout
    from roboreward.dataset.splits import (
        Dataset,
        DatasetRow,
        DatasetSplit,
        read_dataset,
        refuse_own_file,
    )
    from roboreward.dataset.stats import DatasetStats, Spread, Tally, dataset_stats
    from roboreward.dataset.videos import VideoFacts, examine_videos, hash_videos

__all__ = [
    "Ancestor",
    "BadRow",
    "Balance",
    "Built",
    "CHECKS",
    "Check",
    "Contamination",
    "Dataset",
    "DatasetRecipe",
    "DatasetRow",
    "DatasetSplit",
    "DatasetStats",
    "DemoTable",
    "EpisodeLabels",
    "ExampleSet",
    "Finding",
    "GENERATION",
    "LeRobotExport",
    "LintLimits",
    "LintReport",
    "ORIGINS",
    "Plan",
    "Portrait",
    "SIM_SETS",
    "SeenExample",
    "SeenIndex",
    "Shortcut",
    "SimSet",
    "SourceRecipe",
    "Spread",
    "Tally",
    "VideoFacts",
    "build_dataset",
    "build_sim_set",
    "croissant_json",
    "dataset_card",
    "dataset_stats",
    "examine_videos",
    "example_of_rollout",
    "export_conversations",
    "export_lerobot",
    "export_messages",
    "export_parquet",
    "find_contamination",
    "hash_videos",
    "licences_beside",
    "licences_of",
    "lint_dataset",
    "load_demos",
    "match_episodes",
    "missing_properties",
    "open_set",
    "plan_dataset",
    "portray",
    "read_dataset",
    "read_dataset_recipe",
    "read_index",
    "read_set",
    "refuse_own_file",
    "save_demos",
    "save_portrait",
    "set_hash_of",
    "simulate_demos",
    "simulated_words",
    "write_episode_labels",
    "write_index",
    "write_set",
]

_HOMES = {
    "card": ("dataset_card", "licences_beside", "licences_of"),
    "contamination": (
        "Contamination",
        "SeenExample",
        "SeenIndex",
        "find_contamination",
        "read_index",
        "write_index",
    ),
    "croissant": ("croissant_json", "missing_properties"),
    "exports": ("export_conversations", "export_messages", "export_parquet"),
    "lerobot_export": ("LeRobotExport", "export_lerobot"),
    "lerobot_labels": ("EpisodeLabels", "match_episodes", "write_episode_labels"),
    "lint": ("LintReport", "lint_dataset"),
    "lint_finding": ("CHECKS", "Check", "Finding"),
    "lint_levels": ("LintLimits",),
    "lint_shortcuts": ("Shortcut",),
    "show": ("Ancestor", "Portrait", "portray", "save_portrait"),
    "splits": ("Dataset", "DatasetRow", "DatasetSplit", "read_dataset", "refuse_own_file"),
    "stats": ("DatasetStats", "Spread", "Tally", "dataset_stats"),
    "videos": ("VideoFacts", "examine_videos", "hash_videos"),
    "build": ("Built", "Plan", "build_dataset", "plan_dataset"),
    "recipe": ("Balance", "DatasetRecipe", "SourceRecipe", "read_dataset_recipe"),
    "demo_files": ("load_demos", "save_demos"),
    "demos": ("DemoTable", "ORIGINS", "simulate_demos", "simulated_words"),
    "simulated": ("build_sim_set", "example_of_rollout"),
}
__getattr__, __dir__ = lazy_door(__name__, globals(), _HOMES)
