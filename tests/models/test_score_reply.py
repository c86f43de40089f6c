"""What counts as an answer: enough of all probability, and enough of the samples."""

import json
import math

import pytest

from roboreward.models import (
    Decoding,
    PairwiseVlm,
    PreferenceConfig,
    Reply,
    RubricJudge,
    Token,
    TopReward,
    Verifier,
    VerifierConfig,
    prefer,
    preference,
    rubric_judge,
    score_reply,
    verifier,
)
from roboreward.models.rubric_judge import verdict_of
from roboreward.models.score_reply import CHOICES, MIN_MASS, read_score
from roboreward.testing import ScriptedVlm, synthetic_queries, synthetic_sample

LITTLE, ENOUGH = MIN_MASS / 2, MIN_MASS * 2


def one(model):
    return model.score(synthetic_queries(1))[0]


def judge_of(answer, **settings):
    return RubricJudge(ScriptedVlm(lambda _: answer, **settings), decoding=Decoding(num_samples=8))


def attempt(answer, **settings):
    vlm = ScriptedVlm(lambda _: answer, **settings)
    return prefer(vlm, task="lift", first=synthetic_sample(), second=synthetic_sample(seed=1))


@pytest.mark.parametrize("mass", [1e-11, LITTLE])
def test_almost_no_probability_is_no_score(mass):
    for model in (RubricJudge, Verifier):
        verdict = one(model(ScriptedVlm(lambda _: {"5": mass})))
        assert (verdict.status, verdict.score) == ("unparsed", None)
        assert f"together have probability {mass:.2g}" in verdict.reason
    answer = attempt({"A": mass})
    assert (answer.status, answer.prob_first) == ("unparsed", None)
    assert f"together have probability {mass:.2g}" in answer.reason
    assert one(TopReward(ScriptedVlm(lambda _: {"True": mass}))).status == "unparsed"


def test_enough_probability_is_a_score_whatever_the_rest_goes_to():
    assert one(RubricJudge(ScriptedVlm(lambda _: {"5": ENOUGH}))).score == 5
    assert one(Verifier(ScriptedVlm(lambda _: {"5": ENOUGH}))).score == 5
    assert attempt({"A": ENOUGH}).status == "scored"
    assert one(TopReward(ScriptedVlm(lambda _: {"True": ENOUGH}))).score == 5


def told(alternatives, text="ANSWER: 5"):
    logs = {word: math.log(p) for word, p in alternatives.items()}
    return Reply("ok", (text,), tokens=(Token("ANSWER:"), Token(f" {text[-1]}", logs)))


def test_alternatives_must_weigh_as_much():
    bad = read_score(told({" The": 0.99, " 5": LITTLE}))
    assert bad.failure.status == "unparsed"
    assert "0.005" in bad.failure.reason
    assert read_score(told({" The": 0.9, " 5": ENOUGH})).probs[4] == 1
    bad = preference.prob_of_a(told({" The": 0.99, " A": LITTLE}, "ANSWER: A"))
    assert "0.005" in bad.reason
    assert preference.prob_of_a(told({" The": 0.9, " A": ENOUGH}, "ANSWER: A")) == 1


def test_alternatives_without_any_answer_leave_the_text():
    reading = read_score(told({" The": 0.5}))
    assert (reading.probs[4], reading.is_from_logprobs) == (1, False)
    assert preference.prob_of_a(told({" The": 0.5}, "ANSWER: A")) == 1


def test_a_text_that_came_with_choices_of_no_weight_is_read():
    """A decorated answer, such as "ANSWER: **4**", leaves the plain ones little."""
    logprobs = (math.log(LITTLE), *[-math.inf] * (len(CHOICES) - 1))
    verdict = verdict_of(Reply("ok", ("ANSWER: **4**",), choice_logprobs=logprobs))
    assert (verdict.score, verdict.distribution_source) == (4, "none")


@pytest.mark.parametrize("num_read", range(1, 9))
def test_half_of_the_samples_must_be_readable(num_read):
    texts = ["ANSWER: 5"] * num_read + ["It is hard to say."] * (8 - num_read)
    verdict = one(judge_of(texts, has_logprobs=False))
    if num_read < 4:
        assert (verdict.status, verdict.score) == ("unparsed", None)
        assert f"{num_read} of 8 samples can be read" in verdict.reason
    else:
        assert verdict.score == 5
        assert json.loads(verdict.rationale) == {"read_frac": num_read / 8}


def test_the_verifier_counts_samples_and_repeats_alike():
    def verify(answer, **config):
        vlm = ScriptedVlm(answer, has_logprobs=False)
        config = VerifierConfig(criteria=("object",), **config)
        return one(Verifier(vlm, config=config))

    good, bad = "ANSWER: 5", "no idea"
    verdict = verify(lambda _: [good, bad, bad], num_samples=3, repeats=1)
    assert (verdict.status, verdict.reason[:16]) == ("unparsed", "object: 1 of 3 s")
    verdict = verify(lambda _: [good, good, bad, bad], num_samples=4, repeats=2)
    assert json.loads(verdict.rationale)["read_frac"] == 0.5
    answers = iter([good, bad, bad])
    verdict = verify(lambda _: next(answers), repeats=3)
    assert (verdict.status, verdict.score) == ("unparsed", None)
    assert "1 of 3" in verdict.reason


def test_half_of_the_samples_of_each_order_must_be_readable():
    answer = attempt(["ANSWER: A", "hm", "hm"], has_logprobs=False)
    assert (answer.status, answer.prob_first) == ("unparsed", None)
    assert "1 of 3 samples" in answer.reason
    assert attempt(["ANSWER: A", "hm"], has_logprobs=False).status == "scored"


def test_another_reader_is_another_revision(monkeypatch):
    def revisions():
        vlm = ScriptedVlm(lambda _: {"5": 1.0})
        return [kind(vlm).revision for kind in (RubricJudge, Verifier, PairwiseVlm)]

    before = revisions()
    for file in (rubric_judge, verifier, preference):
        monkeypatch.setattr(file, "READER", f"{score_reply.READER}-next")
    assert not set(before) & set(revisions())


def test_another_least_mass_is_another_revision():
    vlm = ScriptedVlm(lambda _: {"A": LITTLE, "B": 0.0})
    low = PairwiseVlm(vlm, config=PreferenceConfig(min_mass=LITTLE / 2))
    assert low.revision != PairwiseVlm(vlm).revision
    answer = prefer(low, task="lift", first=synthetic_sample(), second=synthetic_sample(seed=1))
    assert answer.status == "scored"
