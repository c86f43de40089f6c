"""Models behind an API, through the real SDKs, against a provider that fails on demand."""

import random
import threading
import time

import pytest

from roboreward.core import UsageError
from roboreward.models import load_model, use_api
from roboreward.testing import FakeProvider, Fault, fake_key, synthetic_queries

for _module in ("openai", "google.genai", "anthropic"):
    pytest.importorskip(_module, reason="needs the api extra")
pytestmark = pytest.mark.api

SCHEMES = ("openai", "vllm", "gemini", "anthropic")
QUERIES = synthetic_queries(6, num_frames=2, size_px=16)


@pytest.fixture
def provider():
    """Return a function that starts a provider; all are stopped behind the test."""
    started = []

    def start(**options):
        started.append(FakeProvider(**options))
        return started[-1].__enter__()

    yield start
    for one in started:
        one.__exit__(None, None, None)


def load(provider, scheme="openai", *, model="some-model", **changes):
    address = f"{provider.url}/" if scheme == "vllm" else ""
    with use_api(provider.settings(**changes)):
        judge = load_model(f"{scheme}:{address}{model}")
    judge.vlm.rng = random.Random(0)
    return judge


def statuses(verdicts):
    return sorted(verdict.status for verdict in verdicts)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_question_gets_a_score_from_each_api(provider, scheme):
    fake = provider(answer=lambda request: "I see.\nANSWER: 2")
    judge = load(fake, scheme)
    verdicts = judge.score(QUERIES)
    assert [verdict.score for verdict in verdicts] == [2] * len(QUERIES)
    assert fake.num_requests == len(QUERIES)
    assert {request.num_pictures for request in fake.requests} == {2}
    for query, verdict in zip(QUERIES, verdicts, strict=True):
        assert verdict.model == judge.name
        assert verdict.revision == f"{judge.revision} some-model-2026-01-01"
        assert verdict.frames == query.sample.record
        assert (verdict.usage.input_tokens, verdict.usage.output_tokens) == (1000, 5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "overloaded", "reset"])
def test_what_passes_by_itself_is_tried_again(provider, scheme, kind):
    fake = provider(faults=[Fault(kind), Fault(kind)])
    judge = load(fake, scheme)
    assert statuses(judge.score(QUERIES)) == ["scored"] * len(QUERIES)
    assert fake.num_requests == len(QUERIES) + 2
    assert judge.vlm.tally.num_retried == 2
    assert judge.vlm.tally.num_sent == fake.num_requests


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("truncated_json", "failed", "the reply is not valid"),
        ("not_json", "failed", "the reply is not valid"),
        ("wrong_shape", "failed", "the reply is not valid"),
        ("content_filter", "refused", "declined|withheld"),
        ("filtered_request", "refused", "declined the question"),
        ("length", "truncated", "length limit|cut off"),
        ("empty", "empty", "no text"),
        ("no_answer_field", "unparsed", "ANSWER"),
        ("unknown_parameter", "failed", "HTTP 400"),
    ],
)
def test_one_bad_reply_costs_one_verdict_and_is_not_asked_again(
    provider, scheme, kind, status, words
):
    fake = provider(faults=[Fault(kind, detail="frequency")])
    verdicts = load(fake, scheme).score(QUERIES)
    assert statuses(verdicts) == sorted([status, *["scored"] * (len(QUERIES) - 1)])
    assert fake.num_requests == len(QUERIES)
    (bad,) = [verdict for verdict in verdicts if verdict.status != "scored"]
    assert bad.score is None
    assert any(word in bad.reason for word in words.split("|")), bad.reason


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["hang", "slow_body"])
def test_a_server_that_never_ends_is_left_and_asked_again(provider, scheme, kind):
    fake = provider(faults=[Fault(kind, after_s=3600)])
    judge = load(fake, scheme, call_timeout_s=0.4)
    assert statuses(judge.score(QUERIES[:2])) == ["scored"] * 2
    assert fake.num_requests == 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_that_never_answers_ends_at_the_deadline(provider, scheme):
    fake = provider(faults=[Fault("hang", after_s=3600)] * 20)
    judge = load(fake, scheme, call_timeout_s=0.2, deadline_s=0.7, max_tries=50)
    (verdict,) = judge.score(QUERIES[:1])
    assert (verdict.status, verdict.score) == ("failed", None)
    assert "gave up after" in verdict.reason
    assert 2 <= fake.num_requests <= 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tries_are_counted_and_come_to_an_end(provider, scheme):
    fake = provider(faults=[Fault("server_error")] * 100)
    judge = load(fake, scheme, max_tries=3)
    verdicts = judge.score(QUERIES[:2])
    assert statuses(verdicts) == ["failed", "failed"]
    assert all("gave up after 3 tries: HTTP 500" in verdict.reason for verdict in verdicts)
    assert fake.num_requests == 6


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refused_keys": [fake_key(scheme) for scheme in SCHEMES]}, "does not accept the key"),
        ({"models": ["another-model"]}, "some-model does not exist"),
    ],
)
def test_what_fails_for_every_question_is_an_error_at_once(provider, scheme, options, words):
    fake = provider(**options)
    judge = load(fake, scheme, max_concurrency=4)
    with pytest.raises(UsageError, match=words) as caught:
        judge.score(QUERIES * 5)
    assert fake.num_requests <= 4
    assert fake_key(scheme) not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_address_where_nobody_answers_is_an_error(provider, scheme):
    fake = provider()
    judge = load(fake, scheme, max_tries=2)
    fake.__exit__(None, None, None)
    with pytest.raises(UsageError, match=r"nothing answers at .*Check the address"):
        judge.score(QUERIES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_server_is_given_the_time_that_it_asks_for(provider, scheme):
    fake = provider(faults=[Fault("rate_limit", retry_after="0.4")])
    load(fake, scheme).score(QUERIES[:1])
    first, second = fake.requests
    assert second.at_s - first.at_s >= 0.4


def test_a_server_that_asks_for_too_much_time_gets_the_longest_wait(provider):
    fake = provider(faults=[Fault("rate_limit", retry_after="86400")])
    judge = load(fake, max_wait_s=0.2)
    assert statuses(judge.score(QUERIES[:1])) == ["scored"]
    first, second = fake.requests
    assert second.at_s - first.at_s >= 0.2


def test_a_storm_of_overload_is_weathered_and_calls_become_fewer(provider):
    fake = provider(faults=[Fault("overloaded")] * 25, latency_s=0.01)
    judge = load(fake, max_concurrency=16, max_tries=40, max_wait_s=0.05)
    assert statuses(judge.score(QUERIES * 5)) == ["scored"] * 30
    assert fake.num_requests == 55
    assert judge.vlm.gate.limit < 16


def test_no_more_calls_are_under_way_than_allowed(provider):
    fake = provider(latency_s=0.02)
    judge = load(fake, max_concurrency=3)
    judge.score(QUERIES * 4)
    assert 2 <= fake.max_in_flight <= 3


def test_concurrency_grows_where_it_is_borne(provider):
    fake = provider(latency_s=0.02)
    judge = load(fake, max_concurrency=16)
    assert judge.vlm.gate.limit == 4
    judge.score(QUERIES * 20)
    assert judge.vlm.gate.limit > 8
    assert fake.max_in_flight > 4


def test_a_server_with_few_places_is_found_out_and_every_question_is_answered(provider):
    fake = provider(latency_s=0.02, max_at_once=3)
    judge = load(fake, max_concurrency=32, max_tries=60, max_wait_s=0.05)
    assert statuses(judge.score(QUERIES * 10)) == ["scored"] * 60
    assert fake.num_answered == 60
    assert fake.num_requests < 180


def test_answers_come_back_in_the_order_of_the_questions(provider):
    def answer(request):
        task = request.body["messages"][0]["content"][0]["text"].rsplit("Task: ", 1)[1]
        time.sleep(random.Random(task).uniform(0, 0.05))
        return f"ANSWER: {len(task) % 5 + 1}"

    queries = synthetic_queries(20, num_frames=2, size_px=16)
    judge = load(provider(answer=answer))
    assert [v.score for v in judge.score(queries)] == [len(q.task) % 5 + 1 for q in queries]


def test_the_same_model_may_be_asked_from_several_threads(provider):
    judge, found = load(provider()), []
    threads = [
        threading.Thread(target=lambda: found.extend(judge.score(QUERIES))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses(found) == ["scored"] * 24


def test_an_empty_call_sends_nothing(provider):
    fake = provider()
    assert load(fake).score([]) == []
    assert fake.num_requests == 0


def test_loading_a_model_sends_nothing(provider):
    fake = provider()
    for scheme in SCHEMES:
        load(fake, scheme)
    assert fake.num_requests == 0


def test_a_fault_may_come_late(provider):
    fake = provider(faults=[Fault("server_error", after_s=0.3)])
    assert statuses(load(fake).score(QUERIES[:1])) == ["scored"]
    first, second = fake.requests
    assert second.at_s - first.at_s >= 0.3
