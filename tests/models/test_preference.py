import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.core import Pair, Preference, PreferenceModel, UsageError
from roboreward.models import (
    Constant,
    Mock,
    PairwiseVlm,
    PreferenceByScore,
    PreferenceConfig,
    Reply,
    Token,
    Verifier,
    load_preference_model,
    parse_letter,
    prefer,
)
from roboreward.testing import BAD_REPLIES, STATUS_OF_BAD_REPLIES, ScriptedVlm, synthetic_sample

GOOD, POOR = synthetic_sample(seed=1), synthetic_sample(seed=2)


def liking_good(strength, bias=0.0):
    """Prefer the good sample by `strength`, and whatever is shown first by `bias`."""

    def rule(ask):
        p_a = 0.5 + bias + (strength if ask.parts[2] is GOOD else -strength)
        return {"A": p_a, "B": 1 - p_a}

    return rule


def ask_about(judge, **config):
    if config:
        judge = PairwiseVlm(judge, config=PreferenceConfig(**config))
    return prefer(judge, task="lift it", first=GOOD, second=POOR)


@given(st.floats(-0.25, 0.25), st.floats(-0.25, 0.25))
def test_both_orders_are_averaged_and_the_bias_of_place_is_told(strength, bias):
    answer = ask_about(ScriptedVlm(liking_good(strength, bias)))
    assert answer.prob_first == pytest.approx(0.5 + strength)
    assert answer.position_bias == pytest.approx(bias)
    swapped = prefer(
        ScriptedVlm(liking_good(strength, bias)), task="lift it", first=POOR, second=GOOD
    )
    assert swapped.prob_first == pytest.approx(1 - answer.prob_first)


def test_each_attempt_is_shown_first_once():
    vlm = ScriptedVlm(liking_good(0.2))
    answer = ask_about(vlm)
    assert [(ask.parts[2], ask.parts[4]) for ask in vlm.asked] == [(GOOD, POOR), (POOR, GOOD)]
    assert "lift it" in vlm.asked[0].parts[0]
    assert answer.model == "preference:scripted:vlm"
    assert answer.rule == "mean of both orders"
    assert answer.prompt.startswith("preference-v1@")


def test_a_model_that_always_says_a_ends_in_a_tie():
    answer = ask_about(ScriptedVlm(lambda _: "ANSWER: A", has_logprobs=False))
    assert (answer.prob_first, answer.is_tie, answer.position_bias) == (0.5, True, 0.5)
    assert answer.raw_texts == ("ANSWER: A", "ANSWER: A")


def test_samples_are_counted_and_ties_are_half():
    texts = ["ANSWER: A", "ANSWER: TIE", "ANSWER: B", "ANSWER: A", "hm"]
    vlm = ScriptedVlm(
        lambda ask: texts if ask.parts[2] is GOOD else "ANSWER: B", has_logprobs=False
    )
    answer = ask_about(vlm, num_samples=5, temperature=1.0)
    assert answer.prob_first == pytest.approx((2.5 / 4 + 1) / 2)
    assert vlm.decodings[0].num_samples == 5


def test_the_band_of_ties_can_be_widened():
    assert not ask_about(ScriptedVlm(liking_good(0.04))).is_tie
    assert ask_about(ScriptedVlm(liking_good(0.04)), tie_band=0.05).is_tie


@pytest.mark.parametrize("kind", BAD_REPLIES)
@pytest.mark.parametrize("is_first_bad", [True, False])
def test_one_order_without_an_answer_leaves_none(kind, is_first_bad):
    def rule(ask):
        return BAD_REPLIES[kind] if (ask.parts[2] is GOOD) == is_first_bad else {"A": 1.0}

    answer = ask_about(ScriptedVlm(rule))
    assert (answer.status, answer.prob_first) == (STATUS_OF_BAD_REPLIES[kind], None)
    assert answer.reason


def test_a_pair_without_a_task_fails_alone():
    model = PairwiseVlm(ScriptedVlm(liking_good(0.1)))
    pairs = [Pair(GOOD, POOR, "lift it"), Pair(GOOD, POOR, " "), Pair(POOR, GOOD, "lift it")]
    answers = model.prefer(pairs)
    assert [a.status for a in answers] == ["scored", "failed", "scored"]
    assert answers[2].prob_first == pytest.approx(0.4)
    assert model.prefer([]) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ANSWER: A", 1.0),
        ("answer: **B**.", 0.0),
        ("ANSWER: tie", 0.5),
        ("First ANSWER: A\nbut no, ANSWER: B, because it is closer", 0.0),
        ("<think>ANSWER: A</think>ANSWER: B", 0.0),
        ("ANSWER: A or B", None),
        ("ANSWER: A, B", None),
        ("ANSWER: A/B", None),
        ("ANSWER: A robot arm moves", None),
        ("ANSWER: a tie", None),
        ("ANSWER: C", None),
        ("A is better", None),
        ("", None),
    ],
)
def test_a_letter_is_read_by_the_rules_of_the_parser(text, value):
    assert parse_letter(text) == value


@given(st.text(alphabet="ANSWERBTIE: \n*,or", max_size=60))
def test_any_text_gives_an_outcome(text):
    assert parse_letter(text) in (None, 0.0, 0.5, 1.0)


def test_any_reward_model_prefers_what_it_expects_more_of():
    def rule(ask):
        is_good = any(part is GOOD for part in ask.parts)
        return {"4": 0.5, "5": 0.5} if is_good else {"2": 1.0}

    model = Verifier(ScriptedVlm(rule))
    answer = ask_about(model)
    assert answer.prob_first == pytest.approx(1 / (1 + 2.718281828**-2.5))
    assert (answer.is_tie, answer.position_bias) == (False, None)
    assert answer.rule == "sigmoid of the difference of expected scores"
    assert answer.model == model.name


def test_models_without_a_distribution_are_compared_by_their_scores():
    answer = ask_about(Constant(3))
    assert (answer.prob_first, answer.is_tie) == (0.5, True)
    bad = ask_about(Mock("no idea"))
    assert (bad.status, bad.prob_first) == ("unparsed", None)
    assert bad.reason.startswith("first: ")


def test_what_can_already_prefer_is_asked_as_it_is():
    model = PreferenceByScore(Constant(2))
    assert isinstance(model, PreferenceModel)
    assert ask_about(model).model == "floor:constant-2"
    with pytest.raises(UsageError, match="A str cannot say"):
        ask_about("nano")


def test_names_lead_to_preference_models():
    assert isinstance(load_preference_model("floor:constant-3"), PreferenceByScore)
    with pytest.raises(UsageError):
        load_preference_model("preference:")


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "scored"},
        {"status": "failed", "prob_first": 0.5, "reason": "x"},
        {"status": "failed"},
    ],
)
def test_an_answer_without_a_number_is_no_answer(fields):
    with pytest.raises(ValueError):
        Preference(**fields)


def test_replies_that_were_lost_are_not_paired_wrongly():
    class Forgetful(ScriptedVlm):
        def ask(self, asks, decoding):
            return super().ask(asks, decoding)[1:]

    from roboreward.core import RoboRewardError

    with pytest.raises(RoboRewardError, match="answered 2 questions with 1 replies"):
        ask_about(Forgetful(lambda _: Reply("ok", ("ANSWER: A",))))


def test_the_likeliest_tokens_do_where_there_are_no_choices():
    likely = {" A": math.log(0.6), "B": math.log(0.2), "TIE": math.log(0.2)}
    tokens = (Token("ANSWER:", {}), Token(" A", likely))
    vlm = ScriptedVlm(lambda _: Reply("ok", ("ANSWER: A",), tokens=tokens))
    answer = ask_about(vlm)
    assert answer.position_bias == pytest.approx(0.25)
    assert answer.prob_first == 0.5
