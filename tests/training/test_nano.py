"""nano is trained from nothing, deterministically, and goes on where it was stopped."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")

from safetensors.numpy import load_file  # noqa: E402

from roboreward.core import FrameSample, Query, StoreError, UsageError  # noqa: E402
from roboreward.dataset import load_demos, simulated_words  # noqa: E402
from roboreward.models import load_nano  # noqa: E402
from roboreward.training import QueryMix, train_recipe  # noqa: E402
from roboreward.training.questions import Questions  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]

TINY = """
kind = "nano"
num_demos = 8
num_two_task = 2
num_val = 8
ground_steps = 3
ground_frames = 4
ground_lr = 1e-3
reward_steps = 3
reward_queries = 32
reward_lr = 1e-3
only_agreeing_clips = false
seed = 0
num_workers = 1
[mix]
success = 0.2
random = 0.2
clip = 0.2
relabel = 0.2
two_tasks = 0.2
[ablations.no-relabels]
success = 0.5
clip = 0.5
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    train_recipe(recipe, out)
    return out


def test_what_was_trained_loads_without_torch_and_answers(trained: Path) -> None:
    table = load_demos(trained / "demos-val")
    assert table is not None
    nano = load_nano(trained)
    sample = FrameSample.from_array(np.array(table.frames[0]))
    verdict = nano.score([Query(sample, table.task_texts[0][0])])[0]
    assert verdict.status in ("scored", "abstained")
    assert nano.name == f"nano:{trained}"


def test_the_training_record_says_where_the_weights_come_from(trained: Path) -> None:
    record = json.loads((trained / "nano.json").read_text())["training"]
    assert {"recipe_hash", "commit", "validation_mae", "privileged", "recipe"} <= set(record)


def test_an_ablation_shares_the_grounding_half_and_the_gate(trained: Path) -> None:
    whole, ablated = (
        load_file(trained / name / "nano.safetensors") for name in ("", "no-relabels")
    )
    same = {name for name in whole if np.array_equal(whole[name], ablated[name])}
    assert {name for name in whole if not name.startswith("head.")} <= same
    assert not {name for name in whole if name.startswith("head.")} <= same
    record = json.loads((trained / "no-relabels" / "nano.json").read_text())["training"]
    assert record["recipe"]["mix"]["relabel"] == 0
    assert record["recipe"]["ablations"] == {}


def test_a_finished_training_is_not_done_again(recipe: Path, trained: Path) -> None:
    kept = (trained / "nano.safetensors").stat().st_mtime_ns
    card = train_recipe(recipe, trained)
    assert (trained / "nano.safetensors").stat().st_mtime_ns == kept
    assert card.model_dump(mode="json") == json.loads((trained / "nano.json").read_text())


def test_an_interrupted_training_goes_on_and_ends_at_the_same_weights(
    recipe: Path, trained: Path
) -> None:
    before = (trained / "nano.safetensors").read_bytes()
    kept = (trained / "grounding.safetensors").stat().st_mtime_ns
    (trained / "nano.safetensors").unlink()
    (trained / "nano.json").unlink()
    lines: list[str] = []
    train_recipe(recipe, trained, log=lines.append)
    assert (trained / "nano.safetensors").read_bytes() == before
    assert (trained / "grounding.safetensors").stat().st_mtime_ns == kept
    assert not any("simulated" in line for line in lines)


def test_a_recipe_can_take_the_grounding_half_of_another_nano(
    trained: Path, tmp_path: Path
) -> None:
    text = TINY.replace("ground_steps = 3\nground_frames = 4\nground_lr = 1e-3\n", "")
    path = tmp_path / "given.toml"
    path.write_text(f"ground_from = '{trained}'\n{text}")
    card = train_recipe(path, tmp_path / "out")
    given, made = (load_file(at / "nano.safetensors") for at in (trained, tmp_path / "out"))
    kept = [name for name in given if not name.startswith("head.")]
    assert all(np.array_equal(given[name], made[name]) for name in kept)
    assert card.training["grounding"] == load_nano(trained).revision
    assert card.gate_limit == load_nano(trained).card.gate_limit


def test_a_given_grounding_half_leaves_no_room_for_stage_a(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text("ground_from = 'nano'\n" + TINY)
    with pytest.raises(UsageError, match="leave out ground_frames, ground_lr, ground_steps"):
        train_recipe(path, tmp_path / "out")


def test_a_folder_of_another_recipe_is_refused(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(TINY.replace("seed = 0", "seed = 1"))
    with pytest.raises(StoreError, match="another recipe"):
        train_recipe(other, trained)


@pytest.fixture(scope="module")
def questions(trained: Path) -> Questions:
    table = load_demos(trained / "demos-train")
    assert table is not None
    return Questions(table, vocabulary=simulated_words(), max_words=20, only_agreeing_clips=False)


def test_levels_come_equally_often_within_relabels(questions: Questions) -> None:
    batch = questions.reward_batch(
        np.random.default_rng(0), num=2000, mix=QueryMix(success=0, relabel=1.0)
    )
    counts = Counter(batch.score.tolist())
    assert min(counts.values()) > 0.7 * 2000 / len(counts)


def test_random_negatives_name_something_that_is_not_there(questions: Questions) -> None:
    batch = questions.reward_batch(
        np.random.default_rng(0), num=200, mix=QueryMix(success=0, random=1.0)
    )
    words = simulated_words()
    assert (batch.score == 1).all()
    for demo, row in zip(batch.demo, batch.row, strict=True):
        text = " ".join(words[i - 1] for i in questions.row_words[row] if i)
        named = re.findall(r"\w+ (?:cube|cylinder|ball|bowl|plate|box)", text)
        assert set(named) - set(questions.table.names[demo])


def test_clips_that_the_oracle_does_not_confirm_can_be_left_out(questions: Questions) -> None:
    strict = Questions(
        questions.table, vocabulary=simulated_words(), max_words=20, only_agreeing_clips=True
    )
    mix = QueryMix(success=0, clip=1.0)
    batch = strict.reward_batch(np.random.default_rng(0), num=300, mix=mix)
    proposed = {1: 1, 2: 2, 4: 3, 5: 4}
    assert all(proposed[t] == score for t, score in zip(batch.t, batch.score, strict=True))
