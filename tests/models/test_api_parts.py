"""Parts of the models behind an API that need no SDK: gate, prices, budget, settings, and what an error means."""

import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from roboreward.core import DataError, MissingExtra, Usage, UsageError, identity_of
from roboreward.models import API_SCHEMES, ApiSettings, Budget, Reply, load_model
from roboreward.models.api_answers import Answer, joined
from roboreward.models.api_errors import BadReply, scrub, trouble_of
from roboreward.models.api_gate import Gate
from roboreward.models.api_prices import load_prices
from roboreward.models.api_settings import check_address, endpoint_of
from roboreward.models.replies import summed, total_usage
from roboreward.models.rubric_judge import verdict_of

ALWAYS = time.monotonic() + 1e6


def enter(gate, *, until=ALWAYS):
    return gate.enter(until=until, is_stopped=lambda: False)


class Response:
    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class StatusError(Exception):
    """Like the errors of the SDKs of OpenAI and Anthropic."""

    def __init__(self, status, body=None, **headers):
        super().__init__(f"Error code: {status}")
        self.status_code, self.body, self.response = status, body, Response(**headers)


class APIConnectionError(Exception):
    pass


class APITimeoutError(APIConnectionError):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            StatusError(401, {"message": "bad key sk-1234567890abcdef"}),
            "fatal",
            "not accept the key",
        ),
        (StatusError(402), "fatal", "no credit"),
        (StatusError(403, {"message": "no"}), "fatal", "no access"),
        (StatusError(403, {"message": "Your input was flagged"}), "refused", "declined"),
        (StatusError(404, {"error": {"message": "no such model"}}), "fatal", "no such model"),
        (StatusError(400, {"message": "API key not valid."}), "fatal", "not accept the key"),
        (StatusError(400, {"code": "content_filter", "message": "x"}), "refused", "declined"),
        (StatusError(400, {"message": "too many pictures"}), "final", "too many pictures"),
        (StatusError(413), "final", "HTTP 413"),
        (StatusError(408), "again", "HTTP 408"),
        (StatusError(429, {"code": "insufficient_quota"}), "fatal", "no credit"),
        (StatusError(429), "busy", "HTTP 429"),
        (StatusError(500), "again", "HTTP 500"),
        (StatusError(503), "busy", "HTTP 503"),
        (StatusError(529), "busy", "HTTP 529"),
        (APITimeoutError(), "again", "no answer in time"),
        (TimeoutError(), "again", "no answer in time"),
        (APIConnectionError("refused"), "again", "no connection: refused"),
        (ConnectionResetError("torn"), "again", "no connection: torn"),
        (BadReply("it is empty"), "final", "not valid: it is empty"),
        (ZeroDivisionError("a fault"), "final", "ZeroDivisionError: a fault"),
    ],
)
def test_each_error_means_one_thing(error, kind, words):
    trouble = trouble_of(error)
    assert trouble.kind == kind
    assert words in trouble.reason
    assert "sk-1234567890abcdef" not in trouble.reason


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after_ms": "x", "retry_after": "9"}, 9),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, wait_s):
    assert trouble_of(StatusError(429, **headers)).retry_after_s == wait_s


def test_retry_after_may_be_a_date():
    when = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100), usegmt=True)
    found = trouble_of(StatusError(429, retry_after=when)).retry_after_s
    assert 90 < found <= 100


def test_a_secret_never_passes_into_a_reason():
    text = scrub(
        "Key my-secret and AIzaSyA1234567890abcdef\nare bad " + "x" * 999, ["my-secret", ""]
    )
    assert "my-secret" not in text
    assert "AIza" not in text
    assert "\n" not in text
    assert len(text) <= 240


def test_the_gate_opens_wider_with_each_success_and_halves_once_for_calls_that_were_together():
    gate = Gate(16)
    assert gate.limit == 4
    for _ in range(40):
        gate.leave(enter(gate), is_ok=True)
    wide = gate.limit
    assert 8 <= wide <= 16
    tickets = [enter(gate) for _ in range(3)]
    for ticket in tickets:
        gate.leave(ticket, is_busy=True)
    assert gate.limit == wide // 2
    for _ in range(10):
        gate.leave(enter(gate), is_busy=True)
    assert gate.limit == 1


def test_the_gate_lets_no_more_in_than_its_limit():
    gate = Gate(4)
    ticket = enter(gate)
    assert enter(gate, until=time.monotonic() + 0.05) is None
    gate.leave(ticket, is_ok=True)
    assert enter(gate) is not None


def test_the_gate_opens_for_a_waiting_call_and_shuts_for_a_pause():
    gate = Gate(1)
    ticket, found = enter(gate), []
    waiting = threading.Thread(target=lambda: found.append(enter(gate)))
    waiting.start()
    gate.leave(ticket, is_ok=True)
    waiting.join(timeout=30)
    assert found == [0]
    gate.leave(found[0], is_ok=True)
    gate.pause(60)
    assert enter(gate, until=time.monotonic() + 0.02) is None
    assert gate.enter(until=ALWAYS, is_stopped=lambda: True) is None


def test_every_price_says_when_and_where_it_was_published():
    table = load_prices()
    assert table.version
    for price in table.price:
        assert price.provider in API_SCHEMES
        assert price.date.startswith("20")
        assert len(price.source) > 20
    names = [(price.provider, price.model) for price in table.price]
    assert len(set(names)) == len(names)


def test_a_dated_snapshot_costs_what_its_model_costs():
    table = load_prices()
    price = table.find("openai", "gpt-5-mini")
    assert price is not None
    assert table.find("openai", "gpt-5-mini-2025-08-07") == price
    assert table.find("anthropic", "claude-haiku-4-5-20251001") is not None
    assert table.find("openai", "gpt-nobody-knows") is None
    assert table.find("gemini", "gpt-5-mini") is None
    assert table.find("openai server", "gpt-5-mini") is None
    cost = price.cost_usd(num_input=1_000_000, num_output=100_000, num_cached=400_000)
    assert cost == pytest.approx(
        0.6 * price.input_usd + 0.4 * price.cached_usd + 0.1 * price.output_usd
    )


OWN_PRICE = """
version = "mine-1"
[[price]]
provider = "openai"
model = "gpt-5-mini"
input_usd = 9.0
output_usd = 9.0
date = "2026-11"
source = "our contract with them"
"""


def test_prices_of_ones_own_come_first(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(OWN_PRICE)
    table = load_prices(path)
    assert table.find("openai", "gpt-5-mini").input_usd == 9.0
    assert table.find("openai", "gpt-5") is not None
    assert table.version.startswith("mine-1+")


@pytest.mark.parametrize(
    "text", ["version = 1", "not toml", "version = 'a'\n[[price]]\nmodel = 'x'"]
)
def test_a_bad_table_of_prices_is_named(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"prices\.toml is no table of prices"):
        load_prices(path)
    with pytest.raises(DataError, match="Cannot read"):
        load_prices(tmp_path / "absent.toml")


def test_a_budget_is_never_passed_however_many_spend_at_once():
    budget, num_refused = Budget(1.0), []

    def spend():
        for _ in range(50):
            if not budget.reserve(0.1):
                num_refused.append(1)
                return
            budget.settle(0.1, 0.03)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.85 < budget.spent_usd <= 1.0
    assert len(num_refused) == 8
    assert not budget.reserve(0.2)


def test_a_budget_waits_for_what_is_under_way():
    budget, found = Budget(1.0), []
    assert budget.reserve(0.9)
    waiting = threading.Thread(target=lambda: found.append(budget.reserve(0.5)))
    waiting.start()
    budget.settle(0.9, 0.1)
    waiting.join(timeout=30)
    assert found == [True]
    with pytest.raises(UsageError, match="above 0"):
        Budget(0)


def test_every_setting_is_tagged_and_no_key_is_shown():
    settings = ApiSettings(keys={"openai": "very-secret"})
    assert "keys" not in identity_of(settings)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "very-secret" not in shown


@pytest.mark.parametrize(
    ("rest", "base_url", "model"),
    [
        ("http://host:8000/org/model", "http://host:8000/v1", "org/model"),
        ("http://host:8000/v1/org/model", "http://host:8000/v1", "org/model"),
        ("https://host/model/", "https://host/v1", "model"),
        ("http://host:8000//models/mine", "http://host:8000/v1", "/models/mine"),
    ],
)
def test_a_server_is_named_by_its_address_and_model(rest, base_url, model):
    endpoint = endpoint_of("vllm", rest, ApiSettings())
    assert (endpoint.base_url, endpoint.model) == (base_url, model)
    assert endpoint_of("vllm", endpoint.uri.removeprefix("vllm:"), ApiSettings()) == endpoint


@pytest.mark.parametrize(
    ("scheme", "rest", "words"),
    [
        ("openai", "", "names no model"),
        ("openai", "  ", "names no model"),
        ("vllm", "model", "names no server"),
        ("vllm", "http://host:8000", "names no model"),
        ("vllm", "http://host:8000/v1", "names no model"),
        ("vllm", "ftp://host/model", "no address"),
        ("vllm", "http://me:hunter2@host/model", "password"),
        ("vllm", "http://host/model?api-key=hunter2", "ends before"),
        ("vllm", "http://host/model#hunter2", "ends before"),
        ("vllm", "host/model?api-key=hunter2", "names no server"),
    ],
)
def test_a_name_that_is_not_whole_is_refused(scheme, rest, words):
    with pytest.raises(UsageError, match=words) as caught:
        endpoint_of(scheme, rest, ApiSettings())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "module", "package"),
    [
        ("openai:m", "openai", "openai"),
        ("vllm:http://localhost:1/m", "openai", "openai"),
        ("gemini:m", "google.genai", "google-genai"),
        ("anthropic:m", "anthropic", "anthropic"),
    ],
)
def test_without_its_sdk_a_model_names_the_command_that_adds_it(monkeypatch, uri, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    if module == "google.genai":
        monkeypatch.setitem(sys.modules, "google", None)
    with pytest.raises(MissingExtra, match=rf'needs {package}.*pip install "roboreward\[api\]"'):
        load_model(uri)


def test_the_providers_own_address_is_no_other_server():
    settings = ApiSettings(base_urls={"openai": "https://api.openai.com/v1/"})
    endpoint = endpoint_of("openai", "gpt-5", settings)
    assert (endpoint.is_own_server, endpoint.provider) == (False, "openai")
    assert endpoint == endpoint_of("openai", "gpt-5", ApiSettings())
    # Of another provider it is.
    settings = ApiSettings(base_urls={"openai": "https://api.anthropic.com"})
    assert endpoint_of("openai", "m", settings).is_own_server
    assert check_address("http://h:1/") == "http://h:1"
    with pytest.raises(UsageError):
        check_address("http://[bad")


@pytest.mark.parametrize(
    "url",
    [
        "http://h/v1?api-key=hunter2",
        "http://h/v1#hunter2",
        "htp://h/v1?api-key=hunter2",
        "http://[h?api-key=hunter2",
        "http://me:hunter2@h/?x",
    ],
)
def test_what_may_be_a_secret_in_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError) as caught:
        check_address(url)
    assert "hunter2" not in str(caught.value)


class ConnectError(Exception):
    """Like that of httpx, of a connection that was never there."""


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "may_cost"),
    [
        (StatusError(500), False),
        (StatusError(400, {"message": "your input was flagged"}), False),
        (BadReply("it is empty"), True),
        (APITimeoutError(), True),
        (ConnectionResetError("torn"), True),
        (caused(APIConnectionError("torn"), ConnectionResetError("torn")), True),
        (caused(APIConnectionError("none"), ConnectError("refused")), False),
        (caused(APITimeoutError(), ConnectError("too slow")), False),
        (ConnectionRefusedError("no"), False),
        (ZeroDivisionError("a fault"), True),
    ],
)
def test_what_was_sent_and_got_no_error_may_be_on_the_bill(error, may_cost):
    assert trouble_of(error).may_cost is may_cost


def test_the_cost_of_a_part_is_not_the_cost_of_all():
    known, unknown = Usage(input_tokens=2, cost_usd=0.5), Usage(input_tokens=3)
    assert summed([known, known]) == Usage(input_tokens=4, cost_usd=1.0)
    assert summed([known, unknown]) == Usage(input_tokens=5)
    assert summed([known, None]) == Usage(input_tokens=2)
    assert summed([None]) is None
    told = [Reply("ok", ("4",), usage=known), Reply("failed"), Reply("ok", ("4",), usage=unknown)]
    assert total_usage(told[:2]) == known
    assert total_usage(told).cost_usd is None
    paid = Answer("ok", text="4", input_tokens=1, output_tokens=1, cost_usd=0.5)
    assert joined([paid, Answer("failed")]).usage.cost_usd == 0.5
    assert joined([paid, Answer("ok", text="4")]).usage.cost_usd is None


@pytest.mark.parametrize(
    ("asked", "elsewhere"), [("openai", 9.0), ("openai server", 9.0), ("vllm server", None)]
)
def test_a_price_of_ones_own_is_for_the_address_that_is_asked(tmp_path, asked, elsewhere):
    (tmp_path / "prices.toml").write_text(OWN_PRICE)
    price = load_prices(tmp_path / "prices.toml").find(asked, "gpt-5-mini")
    assert (price and price.input_usd) == elsewhere


def test_of_two_prices_of_ones_own_that_for_another_server_counts_there(tmp_path):
    entry = OWN_PRICE.partition("[[price]]")[2]
    there = entry.replace('"openai"', '"openai server"').replace("9.0", "1.0")
    (tmp_path / "prices.toml").write_text(f"{OWN_PRICE}[[price]]{there}")
    table = load_prices(tmp_path / "prices.toml")
    assert table.find("openai server", "gpt-5-mini").input_usd == 1.0
    assert table.find("openai", "gpt-5-mini").input_usd == 9.0


def test_a_sample_without_an_answer_is_counted_and_a_failed_one_is_asked_again() -> None:
    good, refused = Answer("ok", text="ANSWER: 4"), Answer("refused", reason="declined")
    assert joined([good, refused, good]).texts == ("ANSWER: 4", "", "ANSWER: 4")
    assert verdict_of(joined([good, refused, good])).probs == (0, 0, 0, 1, 0)
    assert verdict_of(joined([good, refused, refused])).status == "unparsed"
    assert verdict_of(joined([refused, refused])).status == "refused"
    broken = verdict_of(joined([good, good, Answer("failed", reason="no network")]))
    assert (broken.status, broken.reason) == ("failed", "no network")
