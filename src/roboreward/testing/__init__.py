"""Aids for our tests and for other people's: synthetic queries, a scripted model to ask, conformance checkers."""

from roboreward.testing.conformance import ConformanceError, check_reward_model
from roboreward.testing.fake_provider import FakeProvider, Fault, SeenRequest, fake_key
from roboreward.testing.scripted_vlm import BAD_REPLIES, STATUS_OF_BAD_REPLIES, ScriptedVlm
from roboreward.testing.source_conformance import check_source
from roboreward.testing.synthetic import synthetic_queries, synthetic_sample
from roboreward.testing.vlm_conformance import check_vlm

__all__ = [
    "BAD_REPLIES",
    "STATUS_OF_BAD_REPLIES",
    "ConformanceError",
    "FakeProvider",
    "Fault",
    "SeenRequest",
    "ScriptedVlm",
    "check_reward_model",
    "check_source",
    "check_vlm",
    "fake_key",
    "synthetic_queries",
    "synthetic_sample",
]
