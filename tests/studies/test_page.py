"""The page of a study: whole, inert, and readable whatever the study holds."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roboreward.core import UsageError
from roboreward.studies.cell_section import notes_of
from roboreward.studies.cells import cells_of
from roboreward.studies.page import study_markdown, study_table, write_study_page
from roboreward.studies.results import StudyRun

Make = Callable[..., Any]
Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'
ALL = (
    "none", "floor", "oracle-success", "oracle-1-5", "nano", "nano-no-relabels", "nano-no-negatives",
)  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a page of runs and returns its text."""

    def write(runs: list[StudyRun], **settings: Any) -> str:
        settings = {"title": "A study", "facts": {"commit": "abc"}, "folder": tmp_path, **settings}
        return write_study_page(tmp_path / "p.html", runs=runs, **settings).read_text("utf-8")

    return write


@pytest.fixture
def runs(make_runs: Make, make_run: Make, make_rollout: Make) -> list[StudyRun]:
    """All rewards on three base policies, and a few with several decisions; pictures of two runs."""
    found: list[StudyRun] = []
    for base in ("imprecise", "near-miss", "wrong-object"):
        found += make_runs(*ALL, base=base, num_train=200)
    found += make_runs("none", "floor", "nano", variant="chunked", num_train=200)
    kept = {
        reward: tuple(make_rollout(n, tag=reward, true_score=score) for n in range(2))
        for reward, score in (("none", 2), ("nano", 5))
    }
    return [
        run.model_copy(update={"rollouts": kept.get(run.reward, ())})
        if run.seed == 0 and run.base == "imprecise" and run.variant == "one-decision"
        else run
        for run in found
    ]


def test_every_cell_has_its_charts_its_table_and_its_notes(
    runs: list[StudyRun], write: Callable[..., str]
) -> None:
    page = write(runs)
    for variant, base in (
        ("one-decision", "imprecise"), ("one-decision", "near-miss"),
        ("one-decision", "wrong-object"), ("chunked", "imprecise"),
    ):  # fmt: skip
        (body,) = re.findall(rf'<section id="{variant}-{base}">(.*?)</section>', page, re.DOTALL)
        assert body.count('<svg class="dots"') == 1
        assert body.count('<svg class="lines"') == 2
        assert body.count("<table") == 1
        assert 'class="notes"' in body


def test_the_headline_the_tiles_and_the_overview_tell_the_same(
    make_run: Make, make_runs: Make, write: Callable[..., str]
) -> None:
    shares = (0.44, 0.44, 0.45, 0.46, 0.46)
    runs = [make_run("none", seed=seed, success=share) for seed, share in enumerate(shares)]
    runs += make_runs("nano", success=0.93)
    page = write(runs).replace("\u00a0", " ")
    assert "true success rises from 45 % to 93 % [91, 94] on the imprecise policy." in page
    assert "<dt>true success, imprecise</dt><dd>93 %<small>[91, 94], from 45 %</small>" in page
    assert "<b><bdi>93 %</bdi></b><small>[91, 94]</small>" in page


def test_links_lead_to_the_sections(
    runs: list[StudyRun], write: Callable[..., str], tags_of: Tags
) -> None:
    tags = tags_of(write(runs))
    targets = {attrs["id"] for _, attrs in tags if "id" in attrs}
    links = [attrs["href"] or "" for tag, attrs in tags if tag == "a"]
    assert len(links) == 4
    assert {link.removeprefix("#") for link in links} <= targets


def test_what_does_not_separate_is_said_in_table_and_notes(
    make_runs: Make, write: Callable[..., str]
) -> None:
    runs = [run for r in ("none", "nano", "nano-no-relabels") for run in make_runs(r, success=0.4)]
    page = write(runs)
    assert "<small>not separable</small>" in page
    assert "Not separable from no gain over the base policy: nano and nano-no-relabels." in page
    assert "nano-no-relabels against nano: 0 [0, 0] points, not separable." in page.replace(
        "\u00a0", " "
    )


def test_notes_name_few_and_missing_seeds(make_runs: Make) -> None:
    runs = make_runs("none", "nano", seeds=3) + make_runs("mine", seeds=1)
    (cell,) = cells_of(runs + make_runs("yours", seeds=2))
    notes = " ".join(notes_of(cell, main="nano"))
    assert "Too few seeds for an interval: mine and yours." in notes
    assert "Fewer than 3 seeds: mine (1) and yours (2). Differences use common seeds." in notes


def test_the_same_scene_is_shown_before_and_after(
    runs: list[StudyRun], write: Callable[..., str]
) -> None:
    page = write(runs)
    assert page.count("Before: the base policy") == page.count("After: steered by nano") == 3
    assert "Of 2 scenes that were kept" in page
    assert page.count("data:image/jpeg;base64,") == 3 * 2 * 3


def test_limits_and_provenance_are_on_the_page(
    runs: list[StudyRun], write: Callable[..., str]
) -> None:
    page = write(runs, facts={"commit": "17d2e11", "machine": "two cores"}, lead_html="<i>me</i>")
    assert "What this does not show" in page
    assert "5 seeds a reward." in page
    assert "One decision is a bandit." in page
    assert "<dt><bdi>machine</bdi></dt><dd><bdi>two cores</bdi></dd>" in page
    assert '<section id="lead"><i>me</i></section>' in page
    (listed,) = re.findall(r"<details><summary>All \d+ runs</summary>(.*?)</details>", page)
    assert all(run.run_id in listed for run in runs)


def test_hostile_text_is_shown_and_does_nothing(
    make_run: Make, make_rollout: Make, write: Callable[..., str], tags_of: Tags
) -> None:
    words = {"task": HOSTILE, "true_reason": HOSTILE, "true_score": 3}
    runs = [
        make_run(reward, base=HOSTILE, rollouts=(make_rollout(0, tag=str(n), **words),)).model_copy(
            update={"run_id": HOSTILE, "revision": HOSTILE}
        )
        for n, reward in enumerate(("none", HOSTILE))
    ]
    page = write(runs, title=HOSTILE, facts={HOSTILE: HOSTILE})
    tags = tags_of(page)
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [a for _, a in tags if any(name.startswith("on") or name == "style" for name in a)]
    assert all((a["src"] or "").startswith("data:image/") for tag, a in tags if tag == "img")
    assert all((a["href"] or "").startswith("#") for tag, a in tags if tag == "a")
    assert not re.search(r"url\(|@import|https?://", page)


@pytest.mark.parametrize("reward", ["none", "nano", "floor", "oracle-success", "mine"])
@pytest.mark.parametrize("num_train", [0, 1, 7, 100])
def test_a_study_of_one_run_has_a_page(
    reward: str, num_train: int, make_runs: Make, write: Callable[..., str]
) -> None:
    page = write(make_runs(reward, seeds=1, num_train=num_train))
    assert "<small>not run</small>" not in page
    assert "<small>too few seeds</small>" in page
    assert "nan" not in re.sub(r"nano|<style>.*?</style>", "", page, flags=re.DOTALL).lower()


def test_a_study_without_failures_or_pictures_has_a_page(
    make_runs: Make, write: Callable[..., str]
) -> None:
    perfect = {"true_scores": (5,) * 100, "reward_scores": (5,) * 100, "eval_scores": (5,) * 50}
    runs = [run.model_copy(update=perfect) for run in make_runs("nano", num_train=100)]
    page = write(runs + make_runs("none", success=1.0))
    assert "Failures that the reward calls" not in page
    assert "What it looks like" not in page
    assert "not separable from no change" in page


def test_episodes_that_were_stopped_are_no_successes_and_break_nothing(
    make_runs: Make, write: Callable[..., str]
) -> None:
    stopped = {"true_scores": (None,) * 100, "eval_scores": (None, 5, None, 5)}
    runs = [run.model_copy(update=stopped) for run in make_runs("nano", num_train=100)]
    assert "reaches 50 %" in write(runs).replace("\u00a0", " ")


def test_a_reward_that_was_not_run_everywhere_leaves_its_place_empty(
    make_runs: Make, write: Callable[..., str]
) -> None:
    runs = make_runs("none", "nano") + make_runs("none", base="near-miss")
    page = write(runs)
    assert "<small>not run</small>" in page
    assert "nano was not run here." in page


def test_a_page_needs_runs(write: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match="at least one run"):
        write([])


def test_the_table_is_had_from_the_page_s_file_too(make_runs: Make) -> None:
    runs = make_runs("none", "nano", seeds=2)
    assert len(study_markdown(runs).splitlines()) == len(study_table(runs)) + 1
