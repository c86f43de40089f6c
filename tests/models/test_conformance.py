import re
from pathlib import Path

import numpy as np
import pytest

import roboreward.models
from roboreward.core import ENDS_ONLY, Query, UsageError, Verdict, prefixes_of
from roboreward.models import API_SCHEMES, available_models, load_model
from roboreward.testing import ConformanceError, check_reward_model, synthetic_queries

WEIGHTS = Path(roboreward.models.__file__).parent / "weights"
FILLED_IN = {
    "<model>": "mock:2",
    "<score or text>": "4",
    "<folder>": str(WEIGHTS),
    "<folder>:<model>": f"{WEIGHTS}:nano",
}
BUILT_IN = [
    re.sub("<.*>", lambda blank: FILLED_IN[blank.group()], info.name)
    for info in available_models()
    if info.is_usable
    and not re.search("^qwen:|<(vlm|weights)>", info.name)
    and not info.name.startswith(API_SCHEMES)  # test_api_conformance.py has those
]


@pytest.mark.parametrize("uri", BUILT_IN)
def test_every_built_in_model_keeps_the_contract(uri):
    check_reward_model(load_model(uri))


class Good:
    """Keeps the contract; the classes below break it in one way each."""

    name, revision = "good", "1"
    frame_policy = ENDS_ONLY
    capabilities = frozenset()

    def score(self, queries):
        return [self.one(query) for query in queries]

    def one(self, query):
        facts = {"model": self.name, "revision": self.revision, "frames": query.sample.record}
        if not 0 < len(query.task) <= 2000:
            return Verdict.without_score("failed", "bad task").model_copy(update=facts)
        return Verdict.scored(1 + len(query.task) % 5).model_copy(update=facts)


class NoPolicy(Good):
    frame_policy = None


class ChangingName(Good):
    @property
    def name(self):
        self.looks = getattr(self, "looks", 0) + 1
        return f"model {self.looks}"


class OddCapability(Good):
    capabilities = frozenset({"telepathy"})


class NoneForNothing(Good):
    def score(self, queries):
        return super().score(queries) if queries else None


class Loses(Good):
    def score(self, queries):
        return [self.one(query) for query in queries if query.task]


class Swaps(Good):
    def score(self, queries):
        return super().score(queries)[::-1]


class NoFrames(Good):
    def one(self, query):
        return super().one(query).model_copy(update={"frames": None})


class InventsFrames(Good):
    def one(self, query):
        record = query.sample.record.model_copy(update={"indices": (7,)})
        return super().one(query).model_copy(update={"frames": record})


class Nameless(Good):
    def one(self, query):
        return super().one(query).model_copy(update={"model": ""})


class ScoresNothing(Good):
    def one(self, query):
        return super().one(Query(query.sample, query.task[:2000] or "anything", query.query_id))


class NoDistribution(Good):
    capabilities = frozenset({"distribution"})


class Moody(Good):
    calls = 0

    def one(self, query):
        self.calls += 1
        return super().one(Query(query.sample, query.task + "x" * bool(query.task) * self.calls))


class Crowded(Good):
    def score(self, queries):
        extra = "x" * (len(queries) == 3)
        return super().score(
            [Query(q.sample, q.task and q.task + extra, q.query_id) for q in queries]
        )


class Scribbles(Good):
    def one(self, query):
        query.sample.frames_THWC[0] = 0
        return super().one(query)


class Dense(Good):
    """Gives a curve, and keeps the contract."""

    capabilities = frozenset({"dense"})

    def curve(self, query, anchors=None):
        return [self.one(prefix) for prefix in prefixes_of(query, anchors)]


class NoCurve(Good):
    capabilities = frozenset({"dense"})


class ShortCurve(Dense):
    def curve(self, query, anchors=None):
        return super().curve(query, anchors)[1:]


class AnyAnchor(Dense):
    def curve(self, query, anchors=None):
        most = len(query.sample.record.indices)
        return super().curve(query, anchors and [min(most, anchor) for anchor in anchors])


class CurveOfTheWhole(Dense):
    def curve(self, query, anchors=None):
        return [self.one(query) for _ in prefixes_of(query, anchors)]


class OtherEnd(Dense):
    def curve(self, query, anchors=None):
        other = Query(query.sample, query.task + "x", query.query_id)
        return super().curve(other, anchors)


BROKEN = {
    NoCurve: "has no curve",
    ShortCurve: "anchors has",
    AnyAnchor: "takes an anchor at 5",
    CurveOfTheWhole: "names frames that were not handed in",
    OtherEnd: "a curve ends at scored",
    NoPolicy: "frame_policy must be",
    ChangingName: "name changes",
    OddCapability: "telepathy",
    NoneForNothing: "empty list",
    Loses: "5 queries gave 4 verdicts",
    Swaps: "are the answers in order",
    NoFrames: "which frames were seen",
    InventsFrames: "not handed in",
    Nameless: "names ''",
    ScoresNothing: "no task got the score",
    NoDistribution: "no distribution",
    Moody: "other answers the second time",
    Crowded: "alone gets another answer",
    Scribbles: "were changed",
}


def writable_queries():
    queries = synthetic_queries(3)
    for query in queries:
        query.sample.frames_THWC.flags.writeable = True
    return queries


def test_a_model_that_keeps_the_contract_passes():
    check_reward_model(Good())
    check_reward_model(Dense(), queries=writable_queries())
    check_reward_model(Good(), queries=writable_queries())
    check_reward_model(Moody(), is_deterministic=False)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_is_found_and_named(kind):
    with pytest.raises(ConformanceError) as caught:
        check_reward_model(kind(), queries=writable_queries())
    assert any(BROKEN[kind] in finding for finding in caught.value.findings)


def test_something_that_is_no_model_is_named():
    with pytest.raises(ConformanceError, match=r"str does not keep .*\n- it lacks"):
        check_reward_model("nano")


def test_the_error_of_an_unfitted_floor_is_not_swallowed():
    with pytest.raises(UsageError, match="bench run"):
        check_reward_model(load_model("floor:first-frame:floor:text-only"))


def test_synthetic_queries_are_the_same_every_time_and_told_apart_by_their_length():
    one, two = synthetic_queries(3), synthetic_queries(3)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.sample.frames_THWC, b.sample.frames_THWC)
        assert (a.task, a.query_id, a.sample.record) == (b.task, b.query_id, b.sample.record)
    assert len({query.sample.record.num_frames for query in one}) == 3
