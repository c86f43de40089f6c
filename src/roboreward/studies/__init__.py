"""Studies of reinforcement learning: does a policy get better by a reward, and by how much?

The names below are loaded on first use. Running a study needs torch (extra `rl`); its plan, table and page do not.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door

if TYPE_CHECKING:
    from roboreward.studies.headline import headline_of
    from roboreward.studies.page import write_study_page
    from roboreward.studies.plan import (
        STUDIES,
        CellPlan,
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
    "CellPlan",
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
    "headline_of",
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

_HOMES = {
    "headline": ("headline_of",),
    "page": ("write_study_page",),
    "plan": (
        "STUDIES",
        "CellPlan",
        "RunSpec",
        "Scale",
        "StudyPlan",
        "VariantBudget",
        "study_plan",
    ),
    "results": (
        "Rollout",
        "Row",
        "StudyRun",
        "rows",
    ),
    "rewards": (
        "NANOS",
        "RewardSource",
        "reward_sources",
    ),
    "stats": (
        "Interval",
        "mean_interval",
        "share_interval",
    ),
    "study": ("run_study",),
    "table": (
        "study_markdown",
        "study_table",
    ),
}
__getattr__, __dir__ = lazy_door(
    __name__, globals(), _HOMES, torch_extra="rl", purpose="Running a study"
)
