"""`roboreward score`: what people and programs see."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from roboreward.cli import main
from roboreward.core import FramePolicy, Verdict

TASK = "lift the block"


def score(*arguments: Any, **settings: Any) -> Result:
    words = ["score", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, words, **settings)


def test_a_person_sees_score_progress_and_frames(video: Path) -> None:
    result = score(video, "--task", TASK, "--model", "mock:4")
    assert result.exit_code == 0, result.stderr
    assert "4 of 5, near completion" in result.stdout
    assert "75%" in result.stdout
    assert "of 12: 0, " in result.stdout
    assert "mock:4" in result.stdout


def test_no_colour_is_sent_where_there_is_no_terminal(video: Path) -> None:
    assert "\x1b[" not in score(video, "--task", TASK, "--model", "mock:4").stdout


def test_no_colour_is_sent_when_no_color_is_set(video: Path) -> None:
    env = {"NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    result = score(video, "--task", TASK, "--model", "mock:4", env=env)
    assert "\x1b[31m" not in result.stdout
    assert "\x1b[38" not in result.stdout


def test_a_program_gets_one_json_value(video: Path) -> None:
    result = score(video, video, "--task", f"  {TASK}\n", "--model", "mock:2", "--json")
    value = json.loads(result.stdout)
    assert value["task"] == TASK
    assert value["model"] == "mock:2"
    assert [r["verdict"]["score"] for r in value["results"]] == [2, 2]
    verdict = value["results"][0]["verdict"]
    assert verdict["progress"] == 0.25
    assert verdict["frames"]["indices"][-1] == 11
    assert len(verdict["frames"]["timestamps_s"]) == len(verdict["frames"]["indices"])


def test_one_unreadable_video_does_not_lose_the_others(video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:200])
    result = score(
        video, broken, tmp_path / "absent.mp4", video, "--task", TASK, "--model", "mock:5"
    )
    assert result.exit_code == 2
    assert result.stdout.count("5 of 5") == 2
    assert "broken.mp4" in result.stderr
    assert "absent.mp4" in result.stderr


def test_unreadable_videos_keep_their_place_in_json(video: Path, tmp_path: Path) -> None:
    arguments = (tmp_path / "absent.mp4", video, "--task", TASK, "--model", "mock:5", "--json")
    result = score(*arguments)
    assert result.exit_code == 2
    first, second = json.loads(result.stdout)["results"]
    assert set(first) == {"video", "error"}
    assert first["error"]["reason"]
    assert "absent.mp4" in first["error"]["message"]
    assert second["verdict"]["score"] == 5


def test_an_answer_that_cannot_be_parsed_is_a_finding_not_a_score(video: Path) -> None:
    result = score(video, "--task", TASK, "--model", "mock:I cannot tell")
    assert result.exit_code == 1
    assert "unparsed" in result.stdout
    assert "I cannot tell" in result.stdout


def test_abstaining_is_an_answer_and_is_explained(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import roboreward.models
    from roboreward.core import ENDS_ONLY, Verdict

    class Shy:
        name, revision, frame_policy, capabilities = "shy", "1", ENDS_ONLY, frozenset()

        def score(self, queries: Any) -> list[Verdict]:
            reason = "Not from my world. Use another."
            return [Verdict.without_score("abstained", reason, model="shy") for _ in queries]

    monkeypatch.setattr(roboreward.models, "load_model", lambda uri: Shy())
    result = score(video, "--task", TASK, "--model", "shy")
    assert result.exit_code == 0
    assert "abstained" in result.stdout
    assert "Not from my world. Use another." in result.stdout
    assert "roboreward models" in result.stdout


def test_a_distribution_is_drawn_as_one_bar_a_level(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import roboreward.models
    from roboreward.core import ENDS_ONLY, Verdict

    class Sure:
        name, revision, frame_policy = "sure", "1", ENDS_ONLY
        capabilities = frozenset({"distribution"})

        def score(self, queries: Any) -> list[Verdict]:
            return [Verdict.from_probs((0.0, 0.0, 0.25, 0.75, 0.0), source="head") for _ in queries]

    monkeypatch.setattr(roboreward.models, "load_model", lambda uri: Sure())
    result = score(video, "--task", TASK)
    bars = [line for line in result.stdout.splitlines() if "%" in line and line[2:3].isdigit()]
    lengths = [line.count("\u2588") + line.count("#") for line in bars]
    assert lengths == [0, 0, 6, 18, 0]
    assert "3.75" in result.stdout


def test_the_picture_is_a_png_for_each_video(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "seen.png"
    result = score(video, "--task", TASK, "--model", "mock:3", "--picture", target)
    assert result.exit_code == 0, result.stderr
    assert target.read_bytes().startswith(b"\x89PNG")
    result = score(video, video, "--task", TASK, "--model", "mock:3", "--picture", target)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "seen-1.png").is_file()
    assert (tmp_path / "seen-2.png").is_file()


def test_a_model_that_needs_labels_is_refused_with_a_way_out(video: Path) -> None:
    result = score(video, "--task", TASK, "--model", "floor:label-sampler")
    assert result.exit_code == 2
    assert "roboreward bench run" in result.stderr


class Growing:
    """Gives more the more frames it sees, and nothing for a single one."""

    name, revision, capabilities = "growing", "1", frozenset({"distribution"})
    frame_policy = FramePolicy(min_frames=4, max_frames=4)

    def score(self, queries: Any) -> list[Verdict]:
        return [self.one(query) for query in queries]

    def one(self, query: Any) -> Verdict:
        facts = {"frames": query.sample.record}
        num = len(query.sample.record.indices)
        if num == 1:
            return Verdict.without_score("abstained", "One frame.").model_copy(update=facts)
        probs = [0.0] * 5
        probs[num - 1], probs[num] = 0.75, 0.25
        verdict = Verdict.from_probs((*probs,), source="head")  # type: ignore[arg-type]
        return verdict.model_copy(update=facts)


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roboreward.models.load_model", lambda _: Growing())


@pytest.mark.usefixtures("growing")
def test_a_curve_has_a_line_for_each_anchor(video: Path) -> None:
    result = score(video, "--task", TASK, "--curve")
    assert result.exit_code == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines() if "first " in line]
    assert len(lines) == 4
    assert lines[0].startswith("curve     first   1, to   0.00 s: abstained (One frame.)")
    assert [line.partition(": ")[2] for line in lines[1:]] == [
        "2 of 5, expected 2.25",
        "3 of 5, expected 3.25",
        "4 of 5, expected 4.25",
    ]


@pytest.mark.usefixtures("growing")
@pytest.mark.parametrize(
    ("num", "anchors"), [(1, [4]), (2, [2, 4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4])]
)
def test_a_curve_of_n_anchors_ends_at_all_frames(video: Path, num: int, anchors: list[int]) -> None:
    result = score(video, "--task", TASK, "--json", "--curve", num)
    (found,) = json.loads(result.stdout)["results"]
    assert [point["num_frames"] for point in found["curve"]] == anchors
    last = found["curve"][-1]
    assert (last["score"], last["expected"], last["status"]) == (4, 4.25, "scored")
    assert last["time_s"] == found["verdict"]["frames"]["timestamps_s"][-1]
    assert found["verdict"]["expected"] == 4.25
    assert "curve" not in json.loads(score(video, "--task", TASK, "--json").stdout)["results"][0]


def test_an_anchor_without_an_answer_is_a_finding(video: Path) -> None:
    result = score(video, "--task", TASK, "--model", "mock:I cannot tell", "--curve", 2)
    assert result.exit_code == 1
    assert result.stdout.count("unparsed (") == 2
    assert score(video, "--task", TASK, "--curve", 0).exit_code == 2
