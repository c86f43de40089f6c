"""What is sent to each API, and what is read from its replies."""

import base64
import itertools

import pytest
from pydantic import SecretStr

from roboreward.core import UsageError
from roboreward.media import decode_image, jpeg_bytes
from roboreward.models import ApiSettings, api_vlm, load_model, use_api
from roboreward.models.asking import Ask, Decoding, Vlm
from roboreward.models.vlms import load_vlm
from roboreward.testing import (
    FakeProvider,
    check_reward_model,
    synthetic_queries,
    synthetic_sample,
)

for _module in ("openai", "google.genai", "anthropic"):
    pytest.importorskip(_module, reason="needs the api extra")
pytestmark = pytest.mark.api

SCHEMES = ("openai", "vllm", "gemini", "anthropic")
SAMPLE = synthetic_sample(num_frames=3, size_px=32)
ASK = Ask(parts=("Look:", SAMPLE, "How far?"), prefix="ANSWER:", choices=(" 4", "4"))
TEN = Decoding(max_new_tokens=5)
SPREAD = {"1": 0.05, "2": 0.05, "3": 0.2, "4": 0.6, "5": 0.1}


@pytest.fixture
def fake():
    with FakeProvider(probs=SPREAD) as provider:
        yield provider


def uri(provider, scheme, model):
    return f"{scheme}:{provider.url}/{model}" if scheme == "vllm" else f"{scheme}:{model}"


def vlm_of(provider, scheme, model="some-model", **changes):
    with use_api(provider.settings(**changes)):
        return load_vlm(uri(provider, scheme, model))


def judge_of(provider, scheme, model="some-model", **changes):
    with use_api(provider.settings(**changes)):
        return load_model(uri(provider, scheme, model))


def body_of(provider, scheme, *, decoding=TEN, model="some-model", **changes):
    vlm = vlm_of(provider, scheme, model, **changes)
    assert isinstance(vlm, Vlm)
    (reply,) = vlm.ask([ASK], decoding)
    assert reply.status == "ok"
    return provider.requests[-1].body


def test_openai_gets_times_and_pictures_in_order_and_every_setting(fake):
    body = body_of(fake, "openai")
    (message,) = body["messages"]
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["text", *["text", "image_url"] * 3, "text"]
    assert message["content"][0]["text"] == "Look:"
    assert message["content"][3]["text"] == "Frame at 1.00 s:"
    head, _, data = message["content"][2]["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == jpeg_bytes(SAMPLE.frames_THWC[0], quality=90)
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, 0, 2048)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)


def test_pictures_can_be_exact(fake):
    body = body_of(fake, "openai", picture="png")
    url = body["messages"][0]["content"][2]["image_url"]["url"]
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    assert (decode_image(data, where="test") == SAMPLE.frames_THWC[0]).all()


def test_a_server_of_ones_own_is_made_to_begin_with_the_prefix(fake):
    vlm = vlm_of(fake, "vllm")
    (reply,) = vlm.ask([ASK], TEN)
    body = fake.requests[-1].body
    assert body["messages"][-1] == {"role": "assistant", "content": "ANSWER:"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert reply.texts == ("ANSWER: 4",)
    assert [token.text for token in reply.tokens] == [" ", "4"]


def test_a_key_of_one_provider_goes_to_no_other(fake):
    for scheme in SCHEMES:
        vlm_of(fake, scheme).ask([ASK], TEN)
    assert [
        scheme in request.key for scheme, request in zip(SCHEMES, fake.requests, strict=True)
    ] == [True] * 4
    vlm_of(fake, "vllm", keys={}).ask([ASK], TEN)
    assert fake.requests[-1].key == "EMPTY"


def test_gemini_gets_times_and_pictures_and_room_to_think(fake):
    body = body_of(fake, "gemini")
    (content,) = body["contents"]
    assert ["inlineData" in part for part in content["parts"]] == [
        *(False, False, True, False, True),
        *(False, True, False),
    ]
    assert "image/jpeg" in content["parts"][2]["inlineData"].values()
    config = body["generationConfig"]
    assert (config["temperature"], config["seed"]) == (0, 0)
    assert config["maxOutputTokens"] == 2048
    assert "responseLogprobs" not in config


def test_gemini_takes_the_frames_as_one_video(fake):
    body = body_of(fake, "gemini", media="video")
    (video,) = [part for part in body["contents"][0]["parts"] if "inlineData" in part]
    assert "video/mp4" in video["inlineData"].values()
    assert base64.urlsafe_b64decode(video["inlineData"]["data"])[4:8] == b"ftyp"
    assert video["videoMetadata"]["fps"] == 1


def test_gemini_gives_probabilities_where_they_are_asked_for(fake):
    (verdict,) = judge_of(fake, "gemini", has_logprobs=True).score(synthetic_queries(1))
    assert verdict.distribution_source == "logprobs"
    assert verdict.probs == pytest.approx(tuple(SPREAD.values()))


def test_anthropic_gets_times_and_pictures(fake):
    body = body_of(fake, "anthropic")
    (message,) = body["messages"]
    assert [part["type"] for part in message["content"]] == ["text", *["text", "image"] * 3, "text"]
    source = message["content"][2]["source"]
    assert (source["type"], source["media_type"]) == ("base64", "image/jpeg")
    assert (body["max_tokens"], body["temperature"]) == (2048, 0)


@pytest.mark.parametrize("scheme", ["openai", "vllm"])
def test_probabilities_become_the_distribution_where_the_api_gives_them(fake, scheme):
    (verdict,) = judge_of(fake, scheme).score(synthetic_queries(1))
    assert verdict.distribution_source == "logprobs"
    assert verdict.probs == pytest.approx(tuple(SPREAD.values()))
    assert verdict.score == 4


@pytest.mark.parametrize("scheme", ["gemini", "anthropic"])
def test_shares_of_samples_do_where_it_does_not(scheme):
    turns = iter(["4", "4", "3", "4", "5", "4"])
    with FakeProvider(answer=lambda request: f"ANSWER: {next(turns)}") as fake:
        judge = judge_of(fake, scheme, num_samples=5, max_concurrency=1)
        assert "distribution" in judge.capabilities
        (verdict,) = judge.score(synthetic_queries(1))
        assert verdict.distribution_source == "samples"
        assert verdict.probs == (0, 0, 0.2, 0.6, 0.2)
        assert verdict.usage.output_tokens == 25
        bodies = [request.body for request in fake.requests]
        configs = [body.get("generationConfig", body) for body in bodies]
        assert [config["temperature"] for config in configs] == [1] * 5
        if scheme == "gemini":
            assert sorted(config["seed"] for config in configs) == [0, 1, 2, 3, 4]


def test_one_answer_without_probabilities_has_no_distribution(fake):
    (verdict,) = judge_of(fake, "anthropic").score(synthetic_queries(1))
    assert (verdict.score, verdict.distribution_source, verdict.probs) == (4, "none", None)


def test_a_model_that_gives_no_probabilities_after_all_is_sampled():
    with FakeProvider(not_taken=["logprobs", "top_logprobs"]) as fake:
        judge = judge_of(fake, "openai", num_samples=3, max_concurrency=1)
        (verdict,) = judge.score(synthetic_queries(1))
        assert verdict.distribution_source == "samples"
        assert not judge.vlm.has_logprobs
        num = fake.num_answered
        judge.score(synthetic_queries(2)[1:])
        assert fake.num_answered == num + 3
        assert verdict.revision.endswith("(without logprobs)")


@pytest.mark.parametrize(
    ("name", "is_left_out", "rest"),
    [
        ("logprobs", "logprobs", {"seed": 0}),
        ("temperature", "temperature", {"seed": 0, "top_logprobs": 20}),
        ("seed", "seed", {"temperature": 0}),
        ("max_tokens", "max_tokens", {"max_completion_tokens": 2048}),
        ("reasoning_effort", "reasoning_effort", {"seed": 0}),
    ],
)
def test_what_a_server_does_not_take_is_left_out_once_and_for_all(name, is_left_out, rest):
    with FakeProvider(not_taken=[name]) as fake:
        judge = judge_of(fake, "openai", reasoning_effort="low", max_concurrency=1, max_tries=1)
        verdicts = judge.score(synthetic_queries(3))
        assert [verdict.score for verdict in verdicts] == [4, 4, 4]
        bodies = [request.body for request in fake.requests]
        assert is_left_out in bodies[0]
        assert is_left_out not in bodies[-1]
        assert rest.items() <= bodies[-1].items()
        assert len(bodies) == 4


def test_twenty_alternatives_become_five_where_twenty_are_too_many(fake):
    def too_many(request):
        return "top_logprobs" if request.body.get("top_logprobs", 0) > 5 else ""

    with FakeProvider(probs=SPREAD) as strict:
        real = strict._fault_of
        from roboreward.testing import Fault

        strict._fault_of = lambda request: (
            Fault("unknown_parameter", detail="top_logprobs")
            if too_many(request)
            else real(request)
        )
        (verdict,) = judge_of(strict, "openai").score(synthetic_queries(1))
        assert verdict.distribution_source == "logprobs"
        assert strict.requests[-1].body["top_logprobs"] == 5


def test_models_that_reason_first_get_their_own_limit_from_the_start():
    settings = ApiSettings(keys={"openai": SecretStr("x")})
    for model, name in (("gpt-5-mini", "max_completion_tokens"), ("gpt-4.1", "max_tokens")):
        wire = api_vlm("openai", model, settings).wire
        assert name in wire._options(ASK, TEN, 0)


def test_a_server_that_cannot_force_a_prefix_is_asked_without_one():
    with FakeProvider(not_taken=["continue_final_message"], probs=SPREAD, latency_s=0.05) as fake:
        verdicts = judge_of(fake, "vllm").score(synthetic_queries(4))
        assert [verdict.score for verdict in verdicts] == [4] * 4
        assert fake.requests[-1].body["messages"][-1]["role"] == "user"


def test_a_missing_key_is_an_error_before_anything_is_sent(fake, monkeypatch, tmp_path):
    for name in ("OPENAI", "GEMINI", "GOOGLE", "ANTHROPIC"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    for scheme in ("openai", "gemini", "anthropic"):
        with (
            use_api(fake.settings(keys={}, base_urls={})),
            pytest.raises(UsageError, match=f"{scheme}:some-model needs a key. Set .*_API_KEY"),
        ):
            load_model(f"{scheme}:some-model")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_keeps_the_contract_of_a_reward_model(fake, scheme):
    check_reward_model(judge_of(fake, scheme), is_deterministic=False)


def test_what_can_change_an_answer_changes_the_revision_and_nothing_else_does(fake):
    plain = judge_of(fake, "openai").revision
    for change in (
        {"picture": "png"},
        {"jpeg_quality": 80},
        {"num_samples": 3},
        {"max_new_tokens": 99},
        {"has_logprobs": False},
        {"is_prefix_forced": True},
        {"reasoning_effort": "low"},
        {"base_urls": {"openai": f"{fake.url}/other/v1"}},
    ):
        assert judge_of(fake, "openai", **change).revision != plain, change
    for change in ({"max_tries": 2}, {"call_timeout_s": 1}, {"max_concurrency": 1}):
        assert judge_of(fake, "openai", **change).revision == plain, change


def test_methods_stand_on_the_same_models(fake):
    with use_api(fake.settings()):
        judge = load_model("floor:first-frame:openai:some-model")
    (verdict,) = judge.score(synthetic_queries(1))
    assert verdict.score == 4
    assert fake.requests[-1].num_pictures == 4


OWN = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
    "anthropic": "https://api.anthropic.com",
}


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("scheme", OWN)
def test_no_variable_of_an_sdk_changes_who_is_asked(monkeypatch, scheme, is_named):
    for name in ("OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    settings = ApiSettings(
        base_urls=OWN if is_named else {}, keys={scheme: SecretStr("k")}, has_logprobs=True
    )
    wire = api_vlm(scheme, "some-model", settings).wire
    client = wire.client._api_client._http_options if scheme == "gemini" else wire.client
    assert str(client.base_url).rstrip("/") == OWN[scheme]
    assert wire.address.rstrip("/") == OWN[scheme]
    assert wire.provider == scheme


def methods_of(provider, scheme, method, **changes):
    with use_api(provider.settings(**changes)):
        return load_model(f"{method}:{uri(provider, scheme, 'some-model')}")


@pytest.mark.parametrize("method", ["gvl", "verifier"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_method_leaves_room_to_reason_before_the_answer(fake, scheme, method):
    methods_of(fake, scheme, method).score(synthetic_queries(1))
    for request in fake.requests:
        config = request.body.get("generationConfig", request.body)
        limits = [config.get(name) for name in ("max_tokens", "maxOutputTokens")]
        assert 2048 in limits


def test_what_the_first_word_answers_gets_no_more_room_than_that(fake):
    methods_of(fake, "vllm", "topreward").score(synthetic_queries(1))
    assert fake.requests[-1].body["max_tokens"] == 32


def test_the_verifier_draws_as_many_answers_as_are_asked_for():
    turns = itertools.cycle(["2", "4"])
    with FakeProvider(answer=lambda request: f"ANSWER: {next(turns)}") as fake:
        judge = methods_of(fake, "anthropic", "verifier", num_samples=2, max_concurrency=1)
        (verdict,) = judge.score(synthetic_queries(1))
        assert fake.num_requests == 16
        assert {request.body["temperature"] for request in fake.requests} == {1.0}
        assert verdict.distribution_source == "samples"
        assert verdict.probs == (0, 0.5, 0, 0.5, 0)
        assert "n2-t1" in judge.revision
    with FakeProvider(probs=SPREAD) as fake:
        judge = methods_of(fake, "openai", "verifier", num_samples=2)
        judge.score(synthetic_queries(1))
        assert fake.num_requests == 8
        assert {request.body["temperature"] for request in fake.requests} == {0.0}


@pytest.mark.parametrize("method", ["gvl", "topreward"])
def test_a_method_that_asks_once_is_the_same_whatever_the_number_of_samples(fake, method):
    revisions = {methods_of(fake, "vllm", method, num_samples=n).revision for n in (1, 3)}
    assert len(revisions) == 1
