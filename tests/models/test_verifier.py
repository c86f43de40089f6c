import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.core import FrameSample
from roboreward.models import CRITERIA, Reply, Token, Verifier, VerifierConfig
from roboreward.testing import (
    BAD_REPLIES,
    STATUS_OF_BAD_REPLIES,
    ScriptedVlm,
    check_reward_model,
    synthetic_queries,
)


def criterion_of(ask):
    (text,) = (part for part in ask.parts if isinstance(part, str))
    (name,) = (name for name, question in CRITERIA.items() if question in text)
    return name


def by_criterion(**answers):
    return lambda ask: answers[criterion_of(ask)]


def one(model):
    return model.score(synthetic_queries(1))[0]


SURE = {
    "region": {"5": 1.0},
    "object": {"1": 1.0},
    "intent": {"4": 1.0},
    "requirements": {"4": 1.0},
}


def by_brightness(ask):
    (sample,) = (part for part in ask.parts if isinstance(part, FrameSample))
    share = float(sample.frames_THWC.mean()) / 255
    return {"1": 1 - share, "5": share}


@pytest.mark.parametrize("has_logprobs", [True, False])
def test_it_keeps_the_contract(has_logprobs):
    check_reward_model(Verifier(ScriptedVlm(by_brightness, has_logprobs=has_logprobs)))


def test_every_criterion_is_asked_in_both_orders_with_the_frames():
    vlm = ScriptedVlm(by_brightness)
    (query,) = synthetic_queries(1)
    Verifier(vlm).score([query])
    assert [criterion_of(ask) for ask in vlm.asked] == list(CRITERIA) * 2
    assert [ask.parts.index(query.sample) for ask in vlm.asked] == [0] * 4 + [1] * 4
    assert {ask.prefix for ask in vlm.asked} == {"ANSWER:"}
    assert all(query.task in str(ask.parts) for ask in vlm.asked)
    assert [d.seed for d in vlm.decodings] == [0, 1]


def test_the_mean_of_the_criteria_is_the_published_rule():
    verdict = one(Verifier(ScriptedVlm(by_criterion(**SURE))))
    assert verdict.expected == pytest.approx(3.5)
    assert verdict.probs == pytest.approx((0.25, 0, 0, 0.5, 0.25))
    assert verdict.score == 4
    assert verdict.distribution_source == "logprobs"
    told = json.loads(verdict.rationale)
    assert told == {
        "criteria": {"region": 5, "object": 1, "intent": 4, "requirements": 4},
        "read_frac": 1.0,
    }


def test_the_worst_criterion_can_decide_instead():
    verdict = one(Verifier(ScriptedVlm(by_criterion(**SURE)), config=VerifierConfig(rule="min")))
    assert (verdict.score, verdict.expected) == (1, 1.0)


@given(st.lists(st.lists(st.floats(0.001, 1), min_size=5, max_size=5), min_size=4, max_size=4))
def test_the_expected_score_is_the_mean_of_the_criteria(masses):
    rows = [[m / sum(row) for m in row] for row in masses]
    answers = {
        name: {str(s): p for s, p in enumerate(row, 1)}
        for name, row in zip(CRITERIA, rows, strict=True)
    }
    verdict = one(Verifier(ScriptedVlm(by_criterion(**answers))))
    means = [sum(s * p for s, p in enumerate(row, 1)) for row in rows]
    assert verdict.expected == pytest.approx(sum(means) / 4)
    assert abs(verdict.score - verdict.expected) <= 0.5 + 1e-9


def test_mass_beside_the_scores_does_not_count():
    verdict = one(Verifier(ScriptedVlm(lambda _: {"2": 0.1, "3": 0.1})))
    assert verdict.probs == pytest.approx((0, 0.5, 0.5, 0, 0))


def test_without_probabilities_the_samples_are_counted():
    config = VerifierConfig(criteria=("object",), repeats=1, num_samples=4, temperature=1.0)
    vlm = ScriptedVlm(
        lambda _: ["ANSWER: 4", "ANSWER: 4", "ANSWER: 2", "no idea"], has_logprobs=False
    )
    verdict = one(Verifier(vlm, config=config))
    assert verdict.probs == pytest.approx((0, 1 / 3, 0, 2 / 3, 0))
    assert verdict.distribution_source == "samples"
    assert json.loads(verdict.rationale)["read_frac"] == 0.75
    assert (vlm.decodings[0].num_samples, vlm.decodings[0].temperature) == (4, 1.0)
    assert vlm.asked[0].is_text_wanted


def test_a_criterion_without_any_answer_leaves_no_score():
    answers = {**SURE, "intent": Reply("ok", ("ANSWER: 7",))}
    verdict = one(Verifier(ScriptedVlm(by_criterion(**answers))))
    assert (verdict.status, verdict.score) == ("out_of_range", None)
    assert verdict.reason.startswith("intent: ")


def test_one_unreadable_repeat_is_counted_and_survived_but_a_failed_call_is_not():
    def rule(ask):
        is_second = isinstance(ask.parts[0], str)
        return bad if is_second and criterion_of(ask) == "object" else {"4": 1.0}

    bad = BAD_REPLIES["babble"]
    verdict = one(Verifier(ScriptedVlm(rule)))
    assert verdict.score == 4
    assert json.loads(verdict.rationale)["read_frac"] == 7 / 8
    bad = BAD_REPLIES["failed"]
    verdict = one(Verifier(ScriptedVlm(rule)))
    assert (verdict.status, verdict.reason) == ("failed", "object: The connection was lost.")


@pytest.mark.parametrize("kind", BAD_REPLIES)
def test_a_bad_reply_is_named_and_loses_no_other(kind):
    queries = synthetic_queries(3)

    def rule(ask):
        return BAD_REPLIES[kind] if queries[1].task in str(ask.parts) else {"3": 1.0}

    verdicts = Verifier(ScriptedVlm(rule)).score(queries)
    assert [v.score for v in verdicts] == [3, None, 3]
    assert verdicts[1].status == STATUS_OF_BAD_REPLIES[kind]


@pytest.mark.parametrize("criteria", [("region", "region"), ("speed",)])
def test_criteria_that_do_not_exist_are_refused(criteria):
    with pytest.raises(ValueError, match="criteria are some of region"):
        Verifier(ScriptedVlm(by_brightness), config=VerifierConfig(criteria=criteria))


def test_settings_are_part_of_the_revision():
    vlm = ScriptedVlm(by_brightness)
    configs = [
        VerifierConfig(),
        VerifierConfig(rule="min"),
        VerifierConfig(repeats=3),
        VerifierConfig(seed=1),
        VerifierConfig(criteria=("object",)),
    ]
    assert len({Verifier(vlm, config=c).revision for c in configs}) == 5


def written(*tokens, likely=None):
    """A reply of tokens; behind the text of each stands what else was likely at its place."""
    text = "".join(tokens)
    told = tuple(Token(t, (likely or {}) if t.strip().isdigit() else {t: 0.0}) for t in tokens)
    return Reply("ok", (text,), tokens=told)


@pytest.mark.parametrize(
    "tokens",
    [("ANSWER", ":", " 4"), ("2 steps. ", "answer:", " **", "4", "**"), ("ANSWER:", " ", "4")],
)
def test_the_likeliest_tokens_do_where_there_are_no_choices(tokens):
    likely = {" 4": math.log(0.4), "4": math.log(0.2), "5": math.log(0.2), "The": math.log(0.2)}
    verdict = one(Verifier(ScriptedVlm(lambda _: written(*tokens, likely=likely))))
    assert verdict.probs == pytest.approx((0, 0, 0, 0.75, 0.25))
    assert verdict.distribution_source == "logprobs"


@pytest.mark.parametrize(
    ("tokens", "status"),
    [(("It took ", "2", " steps"), "unparsed"), (("ANSWER:", " ", "1", "0"), "out_of_range")],
)
def test_a_digit_that_is_no_answer_is_not_read_from_the_tokens_either(tokens, status):
    verdict = one(Verifier(ScriptedVlm(lambda _: written(*tokens, likely={"2": 0.0, "1": 0.0}))))
    assert (verdict.status, verdict.probs) == (status, None)
