"""nano scores its own world, and knows when it does not know. These tests need the weights, not torch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from roboreward.core import DataError, FrameSample, Query
from roboreward.models import Nano, fit_frame, load_nano, median_score, task_words
from roboreward.sim import EpisodeSpec, SimEpisode, simulate, task_text

WEIGHTS = Path(__file__).parents[2] / "src" / "roboreward" / "models" / "weights"


@pytest.fixture(scope="module")
def nano() -> Nano:
    return load_nano()


@pytest.fixture(scope="module")
def episodes() -> list[SimEpisode]:
    return [simulate(EpisodeSpec("test", 900_000 + i, None, num_frames=3)) for i in range(40)]


def queries_of(episodes: list[SimEpisode]) -> list[Query]:
    return [Query(FrameSample.from_array(e.frames_THWC), e.task_text) for e in episodes]


def test_it_is_far_better_than_any_constant_on_rollouts_it_never_saw(
    nano: Nano, episodes: list[SimEpisode]
) -> None:
    verdicts = nano.score(queries_of(episodes))
    labels = np.array([e.label.score for e in episodes])
    scores = np.array([v.score for v in verdicts if v.score is not None])
    assert len(scores) == len(labels)
    best_constant = min(np.abs(labels - c).mean() for c in range(1, 6))
    assert np.abs(labels - scores).mean() < 0.5 * best_constant


def test_the_same_video_gets_another_score_under_another_task(
    nano: Nano, episodes: list[SimEpisode]
) -> None:
    done = next(e for e in episodes if e.label.score == 5 and e.task.relation == "put")
    other = next(i for i in range(4) if i != done.task.subject)
    tasks = [done.task_text, f"put the {done.layout.objects[other].name} in the white bowl"]
    sample = FrameSample.from_array(done.frames_THWC)
    right, wrong = nano.score([Query(sample, task) for task in tasks])
    assert right.score is not None
    assert wrong.score is not None
    assert right.score >= 4
    assert wrong.score <= 2


def test_a_verdict_names_the_two_frames_that_were_seen(
    nano: Nano, episodes: list[SimEpisode]
) -> None:
    verdict = nano.score(queries_of(episodes[:1]))[0]
    assert verdict.frames is not None
    assert verdict.frames.indices == (0, 2)
    assert verdict.distribution_source == "head"
    assert verdict.latency_s is not None


def test_a_word_it_never_saw_makes_it_abstain_and_names_the_word(
    nano: Nano, episodes: list[SimEpisode]
) -> None:
    sample = FrameSample.from_array(episodes[0].frames_THWC)
    verdict = nano.score([Query(sample, "Fold the red towel")])[0]
    assert verdict.status == "abstained"
    assert verdict.reason is not None
    assert "fold, towel" in verdict.reason
    assert "vision-language" in verdict.reason


@pytest.mark.parametrize("kind", ["noise", "black", "white", "ramp", "checkers"])
def test_pictures_from_nowhere_make_it_abstain(nano: Nano, kind: str) -> None:
    row = np.arange(128, dtype=np.uint8)
    pictures = {
        "noise": np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8),
        "black": np.zeros((128, 128, 3), np.uint8),
        "white": np.full((128, 128, 3), 255, np.uint8),
        "ramp": np.broadcast_to(row[None, :, None] * 2, (128, 128, 3)),
        "checkers": np.broadcast_to(((row[:, None] ^ row) & 16)[..., None] * 15, (128, 128, 3)),
    }
    frame = np.ascontiguousarray(pictures[kind], np.uint8)
    sample = FrameSample.from_array(np.stack([frame, frame]))
    verdict = nano.score([Query(sample, "lift the red cube")])[0]
    assert verdict.status == "abstained"


def test_real_robot_videos_are_declined(nano: Nano, shared_data: Path) -> None:
    from roboreward.media import sample_frames

    videos = sorted((shared_data / "clips").glob("*.mp4"))[::4]
    samples = [sample_frames(video, policy=nano.frame_policy) for video in videos]
    verdicts = nano.score([Query(sample, "lift the red cube") for sample in samples])
    declined = sum(v.status == "abstained" for v in verdicts)
    assert declined >= 0.95 * len(videos)


def test_asking_twice_about_one_video_looks_at_it_once(
    nano: Nano, episodes: list[SimEpisode], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    encode = nano._net.encode
    monkeypatch.setattr(nano._net, "encode", lambda f: looked.append(1) or encode(f))
    sample = FrameSample.from_array(episodes[0].frames_THWC)
    layout, task = episodes[0].layout, episodes[0].task
    texts = [task_text(task, layout), "lift the red cube"]
    together = nano.score([Query(sample, text) for text in texts])
    assert len(looked) == 2
    alone = [nano.score([Query(sample, text)])[0] for text in texts]
    assert [v.probs for v in together] == [v.probs for v in alone]


def test_frames_of_a_multiple_of_the_size_are_averaged_exactly() -> None:
    small = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert (fit_frame(small.repeat(2, 0).repeat(2, 1), 96) == small).all()
    assert fit_frame(np.zeros((120, 200, 3), np.uint8), 96).shape == (96, 96, 3)


def test_the_score_is_the_median_of_the_distribution() -> None:
    assert median_score((0.45, 0, 0, 0.1, 0.45)) == 4
    assert median_score((1, 0, 0, 0, 0)) == 1
    assert median_score((0, 0, 0, 0, 1)) == 5


def test_words_are_split_at_punctuation_and_in_lower_case() -> None:
    assert task_words('Put the RED cube, "next" to it!') == [
        "put",
        "the",
        "red",
        "cube",
        "next",
        "to",
        "it",
    ]


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "w")
    blob = bytearray((tmp_path / "w" / "nano.safetensors").read_bytes())
    blob[len(blob) // 2] ^= 1
    (tmp_path / "w" / "nano.safetensors").write_bytes(blob)
    with pytest.raises(DataError, match=r"does not match nano\.json"):
        load_nano(tmp_path / "w")
    with pytest.raises(DataError, match="Cannot read nano's weights"):
        load_nano(tmp_path / "nowhere")


def test_the_weights_come_with_their_training_record_and_are_small() -> None:
    card = json.loads((WEIGHTS / "nano.json").read_text())
    assert {"recipe_hash", "commit", "recipe", "validation_mae"} <= set(card["training"])
    assert (WEIGHTS / "nano.safetensors").stat().st_size < 5_000_000
