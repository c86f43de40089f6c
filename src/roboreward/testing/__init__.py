"""Aids for our tests and for other people's: synthetic queries, a scripted model to ask, conformance checkers."""

from roboreward.testing.conformance import ConformanceError, check_reward_model
from roboreward.testing.source_conformance import check_source
from roboreward.testing.synthetic import synthetic_queries, synthetic_sample

__all__ = [
    "ConformanceError",
    "check_reward_model",
    "check_source",
    "synthetic_queries",
    "synthetic_sample",
]
