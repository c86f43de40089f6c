"""Studies of reinforcement learning: does a policy get better by a reward, and by how much?

Running one needs torch (extra `rl`), which is imported on use.
"""

from roboreward.studies.page import write_study_page
from roboreward.studies.plan import (
    STUDIES,
    Cell,
    RunSpec,
    Scale,
    StudyPlan,
    VariantBudget,
    study_plan,
)
from roboreward.studies.results import Rollout, Row, StudyRun, rows
from roboreward.studies.rewards import NANOS, RewardSource, reward_sources
from roboreward.studies.stats import Interval, mean_interval, share_interval
from roboreward.studies.study import run_study
from roboreward.studies.table import study_markdown, study_table

__all__ = [
    "Cell",
    "Interval",
    "NANOS",
    "RewardSource",
    "Rollout",
    "Row",
    "RunSpec",
    "STUDIES",
    "Scale",
    "StudyPlan",
    "StudyRun",
    "VariantBudget",
    "mean_interval",
    "reward_sources",
    "rows",
    "run_study",
    "share_interval",
    "study_markdown",
    "study_plan",
    "study_table",
    "write_study_page",
]
