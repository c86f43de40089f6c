"""Aids for our tests and for other people's: synthetic queries, and the conformance checker of reward models."""

from roboreward.testing.conformance import ConformanceError, check_reward_model
from roboreward.testing.synthetic import synthetic_queries, synthetic_sample

__all__ = ["ConformanceError", "check_reward_model", "synthetic_queries", "synthetic_sample"]
