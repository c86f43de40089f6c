"""What was paid once is not paid again; what may be spent is kept; keys stand nowhere."""

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import traceback

import pytest

from roboreward.core import StoreError, UsageError
from roboreward.models import Budget, load_model, use_api
from roboreward.models.asking import Ask, Decoding
from roboreward.models.vlms import load_vlm
from roboreward.store import Ledger
from roboreward.testing import FakeProvider, Fault, fake_key, synthetic_queries, synthetic_sample

for _module in ("openai", "google.genai", "anthropic"):
    pytest.importorskip(_module, reason="needs the api extra")
pytestmark = pytest.mark.api

SCHEMES = ("openai", "vllm", "gemini", "anthropic")
QUERIES = synthetic_queries(5, num_frames=2, size_px=16)
PRICE = """
version = "test-1"
[[price]]
provider = "{scheme} server"
model = "m"
input_usd = 1000.0
output_usd = 10000.0
date = "2026-01"
source = "made up for a test of ours"
"""  # a reply of the fake provider costs 1.05


@pytest.fixture
def prices(tmp_path):
    def write(scheme="openai"):
        path = tmp_path / f"{scheme}.toml"
        path.write_text(PRICE.format(scheme=scheme))
        return path

    return write


def load(provider, scheme="openai", **changes):
    address = f"{provider.url}/" if scheme == "vllm" else ""
    with use_api(provider.settings(**changes)):
        return load_model(f"{scheme}:{address}m")


def answered(verdicts):
    """Return what counts of verdicts: all but the time."""
    return [verdict.model_dump(exclude={"latency_s"}) for verdict in verdicts]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_question_is_answered_from_the_ledger_and_the_verdicts_are_the_same(
    scheme, tmp_path
):
    path = tmp_path / "ledger.sqlite3"
    with FakeProvider(probs={"4": 0.7, "3": 0.3}) as fake:
        first = load(fake, scheme, ledger=path).score(QUERIES)
        later = load(fake, scheme, ledger=path)
        assert answered(later.score(QUERIES)) == answered(first)
        assert fake.num_requests == len(QUERIES)
        assert (later.vlm.tally.num_sent, later.vlm.tally.num_stored) == (0, len(QUERIES))


def test_a_setting_that_a_server_does_not_take_leaves_the_question_the_same(tmp_path):
    path, not_taken = tmp_path / "ledger", ["continue_final_message", "logprobs", "seed"]
    with FakeProvider(not_taken=not_taken) as fake:
        judge = load(fake, "vllm", ledger=path)
        first = judge.score(QUERIES)
        num_sent = fake.num_requests
        assert answered(judge.score(QUERIES)) == answered(first)
        assert answered(load(fake, "vllm", ledger=path).score(QUERIES)) == answered(first)
        assert fake.num_requests == num_sent
        assert "without continue_final_message,logprobs,seed" in first[-1].revision


def test_a_reply_from_the_ledger_says_so(tmp_path):
    ask = Ask(parts=("How far?", synthetic_sample(num_frames=2)))
    with FakeProvider() as fake, use_api(fake.settings(ledger=tmp_path / "ledger")):
        replies = [load_vlm("openai:m").ask([ask], Decoding())[0] for _ in range(2)]
    assert [reply.is_stored for reply in replies] == [False, True]
    assert replies[0].texts == replies[1].texts


def test_a_question_that_stands_twice_in_a_call_is_sent_once(tmp_path):
    with FakeProvider() as fake:
        verdicts = load(fake, ledger=tmp_path / "ledger").score([QUERIES[0]] * 4)
        assert [verdict.score for verdict in verdicts] == [4] * 4
        assert fake.num_requests == 1


def test_samples_are_kept_apart(tmp_path):
    path = tmp_path / "ledger"
    with FakeProvider(answer=lambda request: f"ANSWER: {1 + len(fake.requests) % 5}") as fake:
        first = load(fake, "anthropic", ledger=path, num_samples=4).score(QUERIES[:1])
        again = load(fake, "anthropic", ledger=path, num_samples=4).score(QUERIES[:1])
        assert answered(first) == answered(again)
        assert fake.num_requests == 4
        load(fake, "anthropic", ledger=path, num_samples=6).score(QUERIES[:1])
        assert fake.num_requests == 6


@pytest.mark.parametrize(
    "change",
    [
        {"picture": "png"},
        {"jpeg_quality": 50},
        {"max_new_tokens": 64},
        {"reasoning_effort": "low"},
    ],
)
def test_another_way_of_asking_is_another_question(tmp_path, change):
    path = tmp_path / "ledger"
    with FakeProvider() as fake:
        load(fake, ledger=path).score(QUERIES[:1])
        load(fake, ledger=path, **change).score(QUERIES[:1])
        assert fake.num_requests == 2


def test_other_frames_times_tasks_and_models_are_other_questions(tmp_path):
    ledger = tmp_path / "ledger"
    frames = synthetic_sample(num_frames=2)
    with FakeProvider() as fake, use_api(fake.settings(ledger=ledger)):
        asks = [
            Ask(parts=("How far?", frames)),
            Ask(parts=("How far!", frames)),
            Ask(parts=(frames, "How far?")),
            Ask(parts=("How far?", frames.take((0, 1, 1)))),
            Ask(parts=("How far?", synthetic_sample(num_frames=2, seed=1))),
            Ask(parts=("How far?", type(frames).from_array(frames.frames_THWC, fps=7.0))),
            Ask(parts=("How far?", frames), prefix="SCORE:"),
        ]
        vlm = load_vlm("openai:m")
        vlm.ask(asks, Decoding())
        assert fake.num_requests == len(asks)
        vlm.ask(asks, Decoding(seed=1))
        vlm.ask(asks, Decoding(max_new_tokens=99))
        load_vlm("openai:n").ask(asks, Decoding())
        load_vlm("gemini:m").ask(asks, Decoding())
        assert fake.num_requests == 5 * len(asks)
        with Ledger(ledger) as kept:
            assert kept.num_entries == 5 * len(asks)


@pytest.mark.parametrize("kind", ["server_error", "truncated_json", "reset"])
def test_a_failure_is_not_kept_and_is_asked_again_later(tmp_path, kind):
    path = tmp_path / "ledger"
    with FakeProvider(faults=[Fault(kind)]) as fake:
        first = load(fake, ledger=path, max_tries=1, max_concurrency=1, base_urls=urls(fake))
        try:
            verdicts = first.score(QUERIES)
        except UsageError:  # a server whose very first connection is torn is taken for none
            assert kind == "reset"
            return
        assert [verdict.status for verdict in verdicts].count("failed") == 1
        assert all(v.status == "scored" for v in load(fake, ledger=path).score(QUERIES))
        assert fake.num_requests == len(QUERIES) + 1


def urls(fake):
    return {"openai": f"{fake.url}/v1"}


@pytest.mark.parametrize("kind", ["content_filter", "length", "empty"])
def test_what_was_paid_for_without_a_score_is_kept_too(tmp_path, kind):
    path = tmp_path / "ledger"
    with FakeProvider(faults=[Fault(kind)]) as fake:
        first = load(fake, ledger=path).score(QUERIES)
        assert answered(load(fake, ledger=path).score(QUERIES)) == answered(first)
        assert fake.num_requests == len(QUERIES)


# Asks question after question and says so, until it is killed.
CHILD = """
import sys
from pathlib import Path
from pydantic import SecretStr
from roboreward.models import ApiSettings, load_model, use_api
from roboreward.testing import synthetic_queries
url, ledger = sys.argv[1], Path(sys.argv[2])
settings = ApiSettings(base_urls={"openai": url}, keys={"openai": SecretStr("k")}, ledger=ledger, max_concurrency=4)
with use_api(settings):
    model = load_model("openai:m")
for query in synthetic_queries(12, num_frames=2, size_px=16):
    model.score([query])
    print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_a_process_that_is_killed_pays_nothing_twice_but_what_was_under_way(tmp_path):
    with FakeProvider(latency_s=0.02) as fake:
        words = [sys.executable, "-c", CHILD, f"{fake.url}/v1", str(tmp_path / "ledger")]
        num_answered, num_kills = 0, 0
        for kill_after in (2, 3):
            child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            for _ in range(kill_after + num_answered):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            rest, _ = child.communicate(timeout=60)
            num_kills += child.returncode == -signal.SIGKILL
            num_answered += kill_after + rest.count("done")
        assert num_kills == 2
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        # A call whose answer had not been read when the process died may be paid again: one here, as each is alone.
        assert 12 <= fake.num_requests <= 12 + num_kills
        num_before = fake.num_requests
        judge = load(fake, ledger=tmp_path / "ledger")
        judge.score(synthetic_queries(12, num_frames=2, size_px=16))
        assert fake.num_requests == num_before


def test_a_limit_on_what_is_spent_holds_and_nothing_more_is_sent(tmp_path, prices):
    budget = Budget(60.0)
    with FakeProvider() as fake:
        judge = load(fake, price_file=prices(), budget=budget, max_new_tokens=16, max_concurrency=4)
        queries = synthetic_queries(70, num_frames=2, size_px=16)
        verdicts = judge.score(queries)
        failed = [verdict for verdict in verdicts if verdict.status == "failed"]
        assert failed
        assert all("budget: the limit of 60 USD is reached" in v.reason for v in failed)
        assert fake.num_requests == 70 - len(failed)
        assert budget.spent_usd == pytest.approx(1.05 * fake.num_requests)
        assert 50 < budget.spent_usd <= 60
        assert judge.vlm.tally.cost_usd == pytest.approx(budget.spent_usd)
        again = judge.score(queries)
        assert {verdict.status for verdict in again} == {"failed"}


def test_a_limit_is_refused_where_the_price_is_unknown():
    with FakeProvider() as fake, pytest.raises(UsageError, match="price of openai:m is unknown"):
        load(fake, budget=Budget(1.0))


@pytest.mark.parametrize("scheme", ["openai", "gemini", "anthropic"])
def test_the_cost_stands_in_verdict_and_ledger(tmp_path, prices, scheme):
    path = tmp_path / "ledger"
    with FakeProvider() as fake:
        verdicts = load(fake, scheme, price_file=prices(scheme), ledger=path).score(QUERIES)
    assert [v.usage.cost_usd for v in verdicts] == pytest.approx([1.05] * len(QUERIES))
    with Ledger(path) as ledger:
        assert ledger.cost_usd == pytest.approx(1.05 * len(QUERIES))


def test_the_cost_is_unknown_where_the_price_is():
    with FakeProvider() as fake:
        judge = load(fake)
        assert [v.usage.cost_usd for v in judge.score(QUERIES)] == [None] * len(QUERIES)
        assert judge.vlm.tally.num_unpriced == len(QUERIES)


def test_when_the_ledger_cannot_be_written_no_more_is_sent_and_no_answer_is_lost(tmp_path):
    with FakeProvider() as fake:
        judge = load(fake, ledger=tmp_path / "ledger", max_concurrency=1)
        real, num_puts = judge.vlm.ledger.put, []

        def put(key, entry):
            num_puts.append(key)
            if len(num_puts) == 3:
                raise StoreError("the disk is full")
            real(key, entry)

        judge.vlm.ledger.put = put
        verdicts = judge.score(QUERIES)
        assert [v.status for v in verdicts] == ["scored"] * 3 + ["failed"] * 2
        assert all("not asked: the disk is full" in v.reason for v in verdicts[3:])
        assert fake.num_requests == 3


def test_an_answer_that_comes_too_late_is_kept_all_the_same(tmp_path):
    import time

    path = tmp_path / "ledger"
    with FakeProvider(latency_s=0.9) as fake:
        judge = load(fake, "openai", ledger=path, call_timeout_s=0.2, max_tries=1)
        # The SDK's own limit is lifted, as by a server that sends a byte now and then.
        create = judge.vlm.wire.client.chat.completions.create
        judge.vlm.wire.client.chat.completions.create = lambda **words: create(
            **{**words, "timeout": 30}
        )
        judge.vlm.tally.num_answered = 1
        (verdict,) = judge.score(QUERIES[:1])
        assert verdict.status == "failed"
        until = time.monotonic() + 30
        while judge.vlm.ledger.num_entries == 0 and time.monotonic() < until:
            time.sleep(0.05)
        (late,) = load(fake, ledger=path).score(QUERIES[:1])
        assert late.score == 4
        assert fake.num_requests == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_key_stands_anywhere(scheme, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    key, said = fake_key(scheme), []
    ledger = tmp_path / "ledger"
    faults = [None, Fault("server_error"), Fault("filtered_request"), Fault("truncated_json")]
    with FakeProvider(faults=faults) as fake:
        settings = fake.settings(ledger=ledger)
        judge = load(fake, scheme, ledger=ledger)
        said += [verdict.model_dump_json() for verdict in judge.score(QUERIES)]
        said += [repr(x) for x in (settings, judge, judge.vlm, judge.vlm.wire, judge.vlm.tally)]
        said += [
            settings.model_dump_json(),
            judge.name,
            judge.revision,
            json.dumps(judge.vlm.wire.facts()),
        ]
        said.append(repr(vars(judge.vlm)["settings"]))
    with FakeProvider(refused_keys=[key]) as fake:
        refused = load(fake, scheme)
        with pytest.raises(UsageError) as caught:
            refused.score(QUERIES)
        said.append("".join(traceback.format_exception(caught.value)))
    assert [text for text in said if key in text] == []
    assert [record for record in caplog.records if key in record.getMessage()] == []
    for file in tmp_path.iterdir():
        assert key.encode() not in file.read_bytes()


def test_neither_pictures_nor_tasks_stand_in_the_ledger(tmp_path):
    path = tmp_path / "ledger"
    with FakeProvider() as fake:
        load(fake, ledger=path).score(QUERIES)
        sent = json.dumps(fake.requests[0].body)
    assert "image/jpeg" in sent
    db = sqlite3.connect(path)
    rows = db.execute("SELECT * FROM calls").fetchall()
    db.close()
    text = json.dumps(rows)
    assert len(rows) == len(QUERIES)
    assert not any(word in text for word in ("jpeg", QUERIES[0].task, "Rubric", "base64"))
    assert max(len(json.dumps(row)) for row in rows) < 2000


@pytest.mark.parametrize("kind", ["truncated_json", "not_json", "wrong_shape", "reset", "hang"])
def test_a_reply_that_cannot_be_read_counts_as_paid(prices, kind):
    budget, num = Budget(60.0), 40
    with FakeProvider(faults=[None, *[Fault(kind)] * num]) as fake:
        judge = load(
            fake,
            price_file=prices(),
            budget=budget,
            max_new_tokens=16,
            max_tries=1,
            call_timeout_s=0.2 if kind == "hang" else 60,
        )
        judge.score(synthetic_queries(1, num_frames=3, size_px=16))
        verdicts = judge.score(synthetic_queries(num, num_frames=2, size_px=16))
        assert {verdict.status for verdict in verdicts} == {"failed"}
        assert 1.05 * fake.num_requests <= budget.spent_usd <= 60
        assert fake.num_requests < num
        assert judge.vlm.tally.lost_usd == pytest.approx(budget.spent_usd - 1.05)


def test_an_error_of_the_server_and_a_server_that_is_not_there_cost_nothing(prices):
    budget = Budget(60.0)
    with FakeProvider(faults=[Fault("server_error")] * 40) as fake:
        judge = load(fake, price_file=prices(), budget=budget, max_tries=1)
        judge.score(synthetic_queries(40, num_frames=2, size_px=16))
        assert fake.num_requests == 40
        gone = load(fake, price_file=prices(), budget=budget, max_tries=1, max_concurrency=1)
    with pytest.raises(UsageError, match="nothing answers"):
        gone.score(QUERIES)
    assert (budget.spent_usd, judge.vlm.tally.lost_usd, gone.vlm.tally.lost_usd) == (0, 0, 0)


@pytest.mark.parametrize("scheme", ["openai", "gemini", "anthropic"])
def test_the_advice_about_prices_works(tmp_path, scheme):
    with FakeProvider() as fake:
        with pytest.raises(UsageError, match=r"\[\[price\]\]") as caught:
            load(fake, scheme, budget=Budget(1.0))
        said = re.search(r"provider = '(.*?)' and model = '(.*?)'", str(caught.value))
        lines = [f"provider = '{said[1]}'", f"model = '{said[2]}'", "input_usd = 1.0"]
        lines += ["output_usd = 1.0", "date = '2026-01'", "source = 'made up for a test of ours'"]
        path = tmp_path / "prices.toml"
        path.write_text("\n".join(["version = '1'", "[[price]]", *lines]))
        judge = load(fake, scheme, budget=Budget(1.0), price_file=path)
        assert judge.score(QUERIES[:1])[0].usage.cost_usd == pytest.approx(1005e-6)


def test_a_ledger_that_took_an_answer_no_more_is_not_tried_with_further_paid_calls(tmp_path):
    def full(key, entry):
        raise StoreError("the disk is full")

    with FakeProvider() as fake:
        judge = load(fake, ledger=tmp_path / "ledger", max_concurrency=1)
        judge.score(QUERIES[:2])
        judge.vlm.ledger.put = full
        for query in QUERIES[2:]:
            judge.score([query])
        assert fake.num_requests == 3
        verdicts = judge.score(QUERIES)
        assert [v.status for v in verdicts] == ["scored"] * 2 + ["failed"] * 3
        assert fake.num_requests == 3


def test_what_another_process_paid_for_in_the_meantime_is_not_paid_again(tmp_path):
    path = tmp_path / "ledger"
    with FakeProvider() as fake:
        mine, other = (load(fake, ledger=path) for _ in range(2))
        get, num_gets = mine.vlm.ledger.get, []

        def overtaken(keys):
            found = get(keys)
            if not num_gets:
                other.score(QUERIES)
            num_gets.append(1)
            return found

        mine.vlm.ledger.get = overtaken
        verdicts = mine.score(QUERIES)
        assert [verdict.score for verdict in verdicts] == [4] * len(QUERIES)
        assert fake.num_requests == len(QUERIES)
        assert (mine.vlm.tally.num_sent, mine.vlm.tally.num_stored) == (0, len(QUERIES))


def test_a_ledger_that_cannot_be_read_any_more_ends_the_sending_and_loses_no_answer(tmp_path):
    with FakeProvider() as fake:
        judge = load(fake, ledger=tmp_path / "ledger", max_concurrency=1)
        get, num_gets = judge.vlm.ledger.get, []

        def breaking(keys):
            num_gets.append(1)
            if len(num_gets) == 4:
                raise StoreError("the disk is gone")
            return get(keys)

        judge.vlm.ledger.get = breaking
        verdicts = judge.score(QUERIES)
        assert [v.status for v in verdicts] == ["scored"] * 2 + ["failed"] * 3
        assert all("not asked: the disk is gone" in v.reason for v in verdicts[2:])
        assert fake.num_requests == 2
