import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboreward.core import FramePolicy, FrameSample, Query
from roboreward.models import Gvl, GvlConfig, Reply, load_model, parse_percentages, use_api
from roboreward.testing import (
    BAD_REPLIES,
    STATUS_OF_BAD_REPLIES,
    FakeProvider,
    ScriptedVlm,
    check_reward_model,
    synthetic_queries,
)


def frames_of(ask):
    """The pictures behind the reference, in the order in which they were shown."""
    return [part.frames_THWC for part in ask.parts if isinstance(part, FrameSample)][1:]


def telling_levels(ask):
    """Say for each frame the grey level that it is painted with."""
    lines = [f"Frame {n}: {int(f[0, 0, 0, 0])}%" for n, f in enumerate(frames_of(ask), 1)]
    return "\n".join(lines)


def painted(*levels, query_id="q", task="lift it"):
    frames = np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])
    return Query(FrameSample.from_array(frames), task, query_id)


def answering(text):
    return Gvl(ScriptedVlm(lambda _: text, has_logprobs=False))


def test_it_keeps_the_contract():
    def rule(ask):
        return "\n".join(
            f"Frame {n}: {f.mean() / 2.55:.0f}%" for n, f in enumerate(frames_of(ask), 1)
        )

    check_reward_model(Gvl(ScriptedVlm(rule, has_logprobs=False)))


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=12), st.text(max_size=5), st.integers(0, 9)
)
def test_progress_comes_back_in_true_order_whatever_the_shuffle(levels, query_id, seed):
    model = Gvl(ScriptedVlm(telling_levels, has_logprobs=False), config=GvlConfig(seed=seed))
    (verdict,) = model.score([painted(0, *levels, query_id=query_id)])
    assert json.loads(verdict.rationale)["progress"] == [0.0, *(level / 100 for level in levels)]
    assert verdict.score == 1 + int(levels[-1] / 25 + 0.5)


def test_the_frames_are_shuffled_by_id_and_seed_and_the_first_is_the_reference():
    levels = tuple(range(8))

    def shown(seed=0, query_id="q"):
        vlm = ScriptedVlm(telling_levels)
        Gvl(vlm, config=GvlConfig(seed=seed)).score([painted(*levels, query_id=query_id)])
        (ask,) = vlm.asked
        samples = [part for part in ask.parts if isinstance(part, FrameSample)]
        assert {sample.record.indices for sample in samples} == {(0,)}
        assert {sample.record.timestamps_s for sample in samples} == {(0.0,)}
        return [int(sample.frames_THWC[0, 0, 0, 0]) for sample in samples]

    assert shown()[0] == 0
    assert sorted(shown()) == list(levels)
    assert shown() == shown() != list(levels)
    assert shown(seed=1) != shown()
    assert shown(query_id="other") != shown()


def test_the_question_numbers_the_frames_and_asks_for_as_many_lines():
    vlm = ScriptedVlm(telling_levels)
    Gvl(vlm).score([painted(0, 1, 2)])
    texts = [part for part in vlm.asked[0].parts if isinstance(part, str)]
    assert "task: lift it" in texts[0]
    assert texts[1:4] == ["The start of the attempt, which counts as 0 %:", "Frame 1:", "Frame 2:"]
    assert "each of the 2 frames" in texts[4]
    assert vlm.decodings[0].max_new_tokens == 64 + 16 * 8


def test_a_video_of_one_frame_has_nothing_to_compare():
    vlm = ScriptedVlm(telling_levels)
    one, many = Gvl(vlm).score([painted(0), painted(0, 100)])
    assert (one.status, many.score) == ("abstained", 5)
    assert len(vlm.asked) == 1


def test_a_failed_attempt_that_lost_its_progress_ends_low():
    model = Gvl(ScriptedVlm(telling_levels))
    (verdict,) = model.score([painted(0, 40, 90, 10)])
    assert verdict.score == 1
    assert json.loads(verdict.rationale)["progress"] == [0.0, 0.4, 0.9, 0.1]


@pytest.mark.parametrize(
    "text",
    [
        "Frame 1: 10%\nFrame 2: 55.5 %",
        "**Frame 1:** 10%\n- Frame 2: `55.5%`.",
        "The robot moves.\nframe 2: 55.5%\nFrame 1: 10%",
        "<think>Frame 1: 90%</think>Frame 1: 10%\nFrame 2: about 55.5% done",
        "Frame 1: 80%\nFrame 2: 55.5%\nCorrection:\nFrame 1: 10%",
        "## Frame #1: +10%\n> *Frame 2*: 55.5%\n",
    ],
)
def test_percentages_that_can_be_read(text):
    assert parse_percentages(text, num_frames=2).values == (10, 55.5)


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("", "unparsed", "0 percentages for 2 frames; missing: 1, 2"),
        ("10%, 55%", "unparsed", "0 percentages"),
        ("Frame 1: 10%", "unparsed", "1 percentages for 2 frames; missing: 2"),
        ("Frame 1: 10%\nFrame 2: 20%\nFrame 3: 30%", "unparsed", "never shown: 3"),
        ("Frame 0: 10%\nFrame 1: 20%", "unparsed", "missing: 2; never shown: 0"),
        ("Frame 1: 10\nFrame 2: 20%", "unparsed", "frame 1"),
        ("Frame 1: 10%\nFrame 2: 20% or 30%", "unparsed", "frame 2"),
        ("Frame 1: 10%\nFrame 2: 20-30%", "unparsed", "frame 2"),
        ("Frame 1: 10%\nFrame 2: 3 of 4, so 75%", "unparsed", "frame 2"),
        ("Frame 1: 10%\nFrame 2: nan%", "unparsed", "frame 2"),
        ("Frame 1: 10%\nFrame 2: 101%", "out_of_range", "101 %"),
        ("Frame 1: -5%\nFrame 2: 10%", "out_of_range", "-5 %"),
    ],
)
def test_percentages_that_cannot_be_read_are_named(text, status, reason):
    read = parse_percentages(text, num_frames=2)
    assert (read.status, read.values) == (status, ())
    assert reason in read.reason


@given(st.text(alphabet="Frame 12:0.5%-\n<think>/", max_size=200), st.integers(0, 3))
def test_any_text_gives_an_outcome(text, num_frames):
    read = parse_percentages(text, num_frames=num_frames)
    assert (read.status == "scored") == (not read.reason)
    assert len(read.values) == (num_frames if read.status == "scored" else 0)
    assert all(0 <= value <= 100 for value in read.values)


BAD = STATUS_OF_BAD_REPLIES | {
    "nan": "empty",
    "too-few": "empty",
    "above-one": "empty",
    "impossible": "empty",
}


@pytest.mark.parametrize("kind", BAD_REPLIES)
def test_a_bad_reply_is_named_and_loses_no_other(kind):
    queries = synthetic_queries(3)
    good = "Frame 1: 5%\nFrame 2: 50%\nFrame 3: 75%"

    def rule(ask):
        return BAD_REPLIES[kind] if queries[1].task in ask.parts[0] else Reply("ok", (good,))

    verdicts = Gvl(ScriptedVlm(rule)).score(queries)
    assert [v.is_scored for v in verdicts] == [True, False, True]
    assert (verdicts[1].status, verdicts[1].parser) == (BAD[kind], "gvl-parse-v1")


def test_an_answer_that_was_cut_off_behind_the_last_line_is_whole():
    text = "Frame 1: 10%\nFrame 2: 60%\nI conclude that"
    model = answering(Reply("truncated", (text,)))
    assert model.score([painted(0, 1, 2)])[0].is_scored
    assert model.score([painted(0, 1, 2, 3)])[0].status == "truncated"


def test_settings_and_policy_are_kept():
    policy = FramePolicy(fps=1, min_frames=2, max_frames=16)
    model = Gvl(ScriptedVlm(telling_levels), config=GvlConfig(seed=3), frame_policy=policy)
    assert model.frame_policy == policy
    assert "seed3" in model.revision
    assert model.name == "gvl:scripted:vlm"


@pytest.mark.api
@pytest.mark.parametrize("media", ["frames", "video"])
@pytest.mark.parametrize("scheme", ["openai", "gemini", "anthropic"])
def test_a_model_behind_an_api_is_told_no_times(scheme, media):
    for module in ("openai", "google.genai", "anthropic"):
        pytest.importorskip(module, reason="needs the api extra")
    (query,) = synthetic_queries(1, num_frames=4)
    with FakeProvider(answer="Frame 1: 5%\nFrame 2: 50%\nFrame 3: 75%") as fake:
        with use_api(fake.settings(media=media)):
            model = load_model(f"gvl:{scheme}:some-model")
        assert model.score([query])[0].is_scored
    (request,) = fake.requests
    assert request.num_pictures == 4
    (message,) = request.body.get("messages") or request.body["contents"]
    parts = message.get("content") or message["parts"]
    texts = [part["text"] for part in parts if "text" in part]
    told = ["The start of the attempt, which counts as 0 %:", "Frame 1:", "Frame 2:", "Frame 3:"]
    assert texts[1:-1] == told
    assert "video/mp4" not in json.dumps(parts)
    assert not any(re.search(r"\d s\b|second", text) for text in texts)
