"""The report page of a benchmark: inert, complete, honest."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import roboreward.bench.run as run_module
from roboreward.bench import compare as compare_runs
from roboreward.bench import gallery, headline, run_bench, summarize, write_report_html
from roboreward.core import FramePolicy, Verdict
from roboreward.dataset import ExampleSet

Make = Callable[..., Any]
Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[31m'


@pytest.fixture
def page(
    example_set: ExampleSet,
    no_videos: list[Path],
    fake_model: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> str:
    """A page over five examples with a task, a set name and a model that say hostile things."""
    monkeypatch.setattr(gallery, "sample_frames", run_module.sample_frames)
    examples = example_set.examples[:5]
    hostile = examples[0].model_copy(update={"task": HOSTILE, "source": HOSTILE})
    examples = (hostile, *examples[1:])

    def rule(query: Any) -> Verdict:
        return Verdict.scored(2, raw_text=HOSTILE).model_copy(update={"rationale": HOSTILE})

    models = [fake_model(rule, name=HOSTILE, revision=HOSTILE), "floor:constant-3"]
    results = run_bench(ExampleSet(HOSTILE, examples, set_hash="h"), models, tmp_path / "runs")
    path = write_report_html(tmp_path / "p.html", title=HOSTILE, results=results, examples=examples)
    return path.read_text()


def test_the_strip_shows_the_frames_of_the_video_with_their_times(
    video: Path, example_set: ExampleSet
) -> None:
    example = example_set.examples[0].model_copy(update={"video": video})
    strip = gallery.strip_of(example, policy=FramePolicy())
    assert strip.count("data:image/jpeg;base64,/9j/") == strip.count("<figcaption>") == 6
    assert ">0.0 s<" in strip


def test_large_frames_are_shrunk_by_whole_blocks() -> None:
    frame = np.zeros((361, 640, 3), np.uint8)
    frame[:, 320:] = 200
    assert gallery._shrink(frame).shape == (90, 160, 3)
    assert set(np.unique(gallery._shrink(frame))) == {0, 200}
    assert gallery._shrink(frame[:96, :96]).shape == (96, 96, 3)


def test_hostile_text_is_shown_and_does_nothing(page: str, tags_of: Tags) -> None:
    tags = tags_of(page)
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [attrs for _, attrs in tags if any(name.startswith("on") for name in attrs)]
    assert all(
        (attrs["src"] or "").startswith("data:image/") for tag, attrs in tags if tag == "img"
    )
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_asks_no_network_and_styles_nothing_inline(page: str, tags_of: Tags) -> None:
    tags = tags_of(page)
    assert not [
        tag for tag, attrs in tags if "href" in attrs or "srcset" in attrs or "style" in attrs
    ]
    assert not re.search(r"url\(|@import|https?://", page)


def test_each_example_has_a_card_with_frames_truth_and_answer(page: str, tags_of: Tags) -> None:
    cards = [attrs for tag, attrs in tags_of(page) if tag == "article"]
    assert len(cards) == 5
    assert [card["data-level"] for card in cards] == ["1", "2", "3", "4", "5"]
    assert [card["data-error"] for card in cards] == ["1", "0", "1", "2", "2"]
    assert page.count("data:image/jpeg;base64,") >= 5 * 2
    assert "perfect completion" in page


def test_a_video_that_is_gone_leaves_its_reason(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    results = run_bench(example_set, [fake_model()], tmp_path / "runs")
    examples = example_set.examples
    path = write_report_html(tmp_path / "p.html", title="t", results=results, examples=examples)
    assert path.read_text().count("could not be read") == len(examples)


def test_given_pictures_are_used_and_the_largest_errors_are_among_the_shown(
    example_set: ExampleSet, no_videos: list[Path], fake_model: Any, tmp_path: Path
) -> None:
    def rule(query: Any) -> Verdict:
        return Verdict.scored(5 if query.query_id == "e05" else 2)

    results = run_bench(example_set, [fake_model(rule)], tmp_path / "runs")
    text = write_report_html(
        tmp_path / "p.html",
        title="t",
        results=results,
        examples=example_set.examples,
        strips={e.example_id: [PNG] for e in example_set.examples},
        max_examples=4,
        lead_html="<p id='mine'>hello</p>",
    ).read_text()
    assert text.count('src="data:image/png;base64,') == text.count("<article") == 4
    assert "lift block 5<" in text
    assert "4 of 24 examples: the 2 largest errors" in text
    assert "<p id='mine'>hello</p>" in text


def said(*results: Any) -> str:
    return headline([summarize(results)[i] for i in order(results)], compare_runs(results))


def order(results: Any) -> list[int]:
    ids = [result.config.run_id for result in results]
    return [ids.index(row.run_id) for row in compare_runs(results)]


def test_the_headline_says_error_interval_and_best_floor(make_result: Make) -> None:
    good = make_result([(i % 5 + 1, min(5, i % 5 + 2)) for i in range(40)], model="nano")
    flat = make_result([(i % 5 + 1, 3) for i in range(40)], model="floor:constant-3")
    text = said(flat, good)
    assert text.startswith(
        "nano is off by 0.80 points on average on the 1 to 5 scale (95 % interval 0.6"
    )
    assert text.endswith("The best floor, floor:constant-3, is off by 1.20.")
    assert "not separable" in said(
        flat, make_result([(i % 5 + 1, 3) for i in range(40)], model="x")
    )


def test_the_headline_is_honest_about_a_model_that_does_not_answer(make_result: Make) -> None:
    assert said(make_result([(1, None)] * 12, model="nano")) == (
        "nano gave no score to any of the 12 examples (12 abstained)."
    )
    assert "every call failed" in said(make_result([(1, "failed")] * 12))
    assert "It scored 11 of 12" in said(make_result([(1, 1)] * 11 + [(1, None)]))


def test_the_headline_does_not_count_failed_calls_as_errors(make_result: Make) -> None:
    text = said(make_result([(1, 1)] * 11 + [(1, "failed")]))
    assert "worst error" not in text
    assert "Failed calls, left out: 1." in text
