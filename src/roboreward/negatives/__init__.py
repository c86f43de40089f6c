"""Negatives: calibrated failures made from successes, each judged before it counts."""

from roboreward.negatives.clips import CLIP_FRACTIONS, temporal_clips
from roboreward.negatives.negative import Negative, Oracle
from roboreward.negatives.relabels import balanced, relabels

__all__ = ["CLIP_FRACTIONS", "Negative", "Oracle", "balanced", "relabels", "temporal_clips"]
