import pytest

from roboreward.judge import PARSE_V1, prompt_version
from roboreward.models import load_model
from roboreward.testing import synthetic_queries


@pytest.mark.parametrize(
    ("uri", "status", "score"),
    [
        ("mock:4", "scored", 4),
        ("mock: 5", "scored", 5),
        ("mock:ANSWER: 2", "scored", 2),
        ("mock:I see: **ANSWER:** 3/5", "scored", 3),
        ("mock:10", "out_of_range", None),
        ("mock:3.5", "out_of_range", None),
        ("mock:no idea", "unparsed", None),
        ("mock:I cannot judge this video.", "refused", None),
        ("mock:", "empty", None),
        ("mock", "empty", None),
    ],
)
def test_the_text_goes_through_the_parser(uri, status, score):
    (query,) = synthetic_queries(1)
    (verdict,) = load_model(uri).score([query])
    assert (verdict.status, verdict.score) == (status, score)
    assert (verdict.parser, verdict.prompt) == (PARSE_V1, prompt_version())
    assert verdict.frames == query.sample.record
    assert verdict.latency_s is not None


def test_the_raw_text_is_kept():
    (verdict,) = load_model("mock:4").score(synthetic_queries(1))
    assert verdict.raw_text == "ANSWER: 4"
