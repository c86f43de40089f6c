"""The project's words as small frozen types. No input or output happens here."""

from roboreward.core.dense import (
    DenseRewardModel,
    Smoothing,
    check_anchors,
    curve_of,
    prefixes_of,
    progress_curve,
)
from roboreward.core.door import lazy_door
from roboreward.core.episode import Episode, Example, Label, Origin, Provenance, Validation, View
from roboreward.core.errors import (
    DataError,
    MediaRefused,
    MissingExtra,
    RoboRewardError,
    StoreError,
    UnknownName,
    UsageError,
    shorten,
)
from roboreward.core.frames import (
    ENDS_ONLY,
    FramePolicy,
    FrameRecord,
    Frames,
    FrameSample,
    Query,
)
from roboreward.core.identity import canonical_json, content_id, identity_of, role_of
from roboreward.core.preference import Pair, Preference, PreferenceModel
from roboreward.core.reward_model import Capability, FittedOnLabels, RewardModel
from roboreward.core.rubric import (
    RUBRIC_V1,
    SCORES,
    SUCCESS_SCORE,
    Level,
    Rubric,
    Score,
    progress_of,
)
from roboreward.core.statistics import rising_pools, student_t, wilson
from roboreward.core.verdict import Probs, Status, Usage, Verdict

__all__ = [
    "Capability",
    "DataError",
    "DenseRewardModel",
    "ENDS_ONLY",
    "Episode",
    "Example",
    "FittedOnLabels",
    "FramePolicy",
    "FrameRecord",
    "FrameSample",
    "Frames",
    "Label",
    "Level",
    "MediaRefused",
    "MissingExtra",
    "Origin",
    "Pair",
    "Preference",
    "PreferenceModel",
    "Probs",
    "Provenance",
    "Query",
    "RUBRIC_V1",
    "RewardModel",
    "RoboRewardError",
    "Rubric",
    "SCORES",
    "SUCCESS_SCORE",
    "Score",
    "Smoothing",
    "Status",
    "StoreError",
    "UnknownName",
    "Usage",
    "UsageError",
    "Validation",
    "Verdict",
    "View",
    "canonical_json",
    "check_anchors",
    "content_id",
    "curve_of",
    "identity_of",
    "lazy_door",
    "prefixes_of",
    "progress_curve",
    "progress_of",
    "rising_pools",
    "role_of",
    "shorten",
    "student_t",
    "wilson",
]
