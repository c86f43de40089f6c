"""Generated datasets: a clean one, and one with the traps of the published release."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.media import VideoProfile, write_video

Row = dict[str, Any]
WORDS = [
    "red",
    "blue",
    "green",
    "grey",
    "yellow",
    "small",
    "large",
    "round",
    "square",
    "cup",
    "plate",
    "can",
    "bag",
    "towel",
    "drawer",
    "pot",
    "spoon",
    "apple",
    "sponge",
    "block",
    "table",
    "sink",
    "shelf",
    "stove",
    "tray",
    "box",
    "lid",
    "door",
    "handle",
    "near",
    "behind",
    "under",
    "beside",
    "slowly",
    "gently",
    "fully",
    "back",
    "front",
]
VERBS = ("move", "put", "push", "place", "open", "close", "pick", "slide", "turn", "lift")
MEAN_WORDS = {1: 11.4, 2: 15.9, 3: 15.7, 4: 16.6, 5: 6.0}
"""Of the published counterfactual test rows, by score (facts of the release); originals are short."""


def write_rows(folder: Path, rows: list[Row]) -> Path:
    """Write a split's metadata; the videos are another matter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_small_video(path: Path, *, seed: int, num_frames: int = 4) -> Path:
    """Write a video that shows its seed, below 4096, as twelve black or white squares over a moving block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((num_frames, 32, 32, 3), 110, np.uint8)
    for bit in range(12):
        y, x = 8 * (bit // 4), 8 * (bit % 4)
        frames[:, y : y + 8, x : x + 8] = 255 * (seed >> bit & 1)
    for t in range(num_frames):
        frames[t, 25:31, 2 + 6 * t : 8 + 6 * t] = (220, 60, 30)
    write_video(path, frames, fps=4.0, profile=VideoProfile(crf=10, preset="ultrafast"))
    return path


def a_task(rng: random.Random, num_words: int) -> str:
    return " ".join(
        [rng.choice(VERBS), "the", *(rng.choice(WORDS) for _ in range(max(1, num_words - 2)))]
    )


def clean_rows(split: str, num: int, rng: random.Random) -> Iterator[Row]:
    """Rollouts whose names, tasks and lengths say nothing about the score."""
    scores = [1 + i % 5 for i in range(num)]
    rng.shuffle(scores)
    for i, score in enumerate(scores):
        source = ("kitchen", "workshop")[i % 2]
        name = f"{split}{i:04d}"
        yield {
            "file_name": f"{source}/{name}.mp4",
            "task": a_task(rng, rng.randint(5, 12)),
            "reward": score,
            "example_id": f"ex-{name}",
            "episode_id": f"ep-{name}",
            "group": f"{source}/session-{name}",
            "source": source,
            "origin": "rollout",
            "view": "front",
            "label_author": "person-1",
        }


@pytest.fixture(scope="session")
def clean_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two splits with nothing wrong."""
    folder = tmp_path_factory.mktemp("clean") / "clean"
    rng = random.Random(3)
    for first, (split, num) in enumerate((("train", 60), ("test", 40))):
        rows = list(clean_rows(split, num, rng))
        for i, row in enumerate(rows):
            write_small_video(folder / split / row["file_name"], seed=1000 * first + i)
        write_rows(folder / split, rows)
    return folder


def published_rows(source: str, bases: range, rng: random.Random) -> Iterator[Row]:
    """Rows as the release has them: an original, copies under other tasks, clips with the score in their names."""
    for base in bases:
        stem = f"{source}/{source}_originalsplit_train_index_{base}"
        task = a_task(rng, 6)
        check = "The robot does what the task says, as far as can be seen.\nANSWER: TRUE"
        yield {"file_name": f"{stem}.mp4", "task": task, "reward": 5, "gpt5_mini_check": check}
        for copy, score in enumerate(rng.sample((1, 2, 3, 4), 3), start=1):
            length = round(rng.gauss(MEAN_WORDS[score], 2.0))
            other = a_task(rng, length)
            name = f"{stem}_{copy}.mp4"
            yield {"file_name": name, "task": other, "reward": score, "gpt5_mini_check": check}
        for score in rng.sample((1, 2, 3, 4), 2):
            name = f"{stem}_attempt_1_score_{score}.mp4"
            yield {"file_name": name, "task": task, "reward": score, "gpt5_mini_check": check}


def robo_arena_rows(rng: random.Random) -> Iterator[Row]:
    """Three camera views of each rollout, each a row with the same label; some under another spelling."""
    for rollout in range(12):
        source = "roboarena" if rollout < 2 else "robo_arena"
        task, score = a_task(rng, 9), 1 + rollout % 5
        for view in ("left", "right", "wrist"):
            name = f"{source}/2025-06-{rollout + 1:02d}_policy{rollout % 4}_{view}.mp4"
            yield {"file_name": name, "task": task, "reward": score}


def _place_videos(folder: Path, rows: list[Row], *, first_seed: int) -> None:
    """Write a video for each row; a copy (`_1` to `_3` behind the index) is a copy of its base, byte for byte."""
    for seed, row in enumerate(rows, start=first_seed):
        path = folder / row["file_name"]
        stem, _, last = path.stem.rpartition("_")
        base = path.with_name(f"{stem}.mp4")
        if last in ("1", "2", "3") and base.exists() and stem.rpartition("_")[0].endswith("index"):
            shutil.copyfile(base, path)
        elif not path.exists():
            write_small_video(path, seed=seed)


@pytest.fixture(scope="session")
def published_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset in the published form, with every trap that the facts of the release name, and broken files."""
    folder = tmp_path_factory.mktemp("published") / "published"
    rng = random.Random(11)
    train = [row for name in ("bridge", "viola") for row in published_rows(name, range(14), rng)]
    train += robo_arena_rows(rng)
    test = list(published_rows("bridge", range(100, 110), rng))
    _place_videos(folder / "train", train, first_seed=0)
    _place_videos(folder / "test", test, first_seed=500)
    first = train[0]
    # The same question with another answer; a copy of the video whose new task is the old one.
    train.append({**train[1], "task": train[1]["task"].upper() + ".", "reward": 5})
    copy = first["file_name"].replace(".mp4", "_3.mp4")
    train.append({**first, "file_name": copy, "reward": 2})
    shutil.copyfile(folder / "train" / first["file_name"], folder / "train" / copy)
    # A clip of a base video that is not in the dataset.
    orphan = "viola/viola_originalsplit_train_index_900_attempt_1_score_3.mp4"
    train.append({"file_name": orphan, "task": a_task(rng, 6), "reward": 3})
    write_small_video(folder / "train" / orphan, seed=700)
    # Base 5 of train is in test as well: its clip by name, its bytes under another name.
    stem = "bridge/bridge_originalsplit_train_index_5"
    for name, score in ((f"{stem}_attempt_2_score_1.mp4", 1), ("bridge/again.mp4", 5)):
        test.append({"file_name": name, "task": a_task(rng, 6), "reward": score})
        shutil.copyfile(folder / "train" / f"{stem}.mp4", folder / "test" / name)
    write_small_video(folder / "test" / f"{stem}_attempt_2_score_1.mp4", seed=701)
    # Rows that say too much, or that somebody had turned down.
    test[0]["task"] += " (5)"
    test[6]["gpt5_mini_check"] = "The task names a mug that is not there.\nANSWER: FALSE"
    test[12]["task"] = f"Lift it \u2013 {test[12]['gpt5_mini_check']}"
    # Broken files.
    whole = (folder / "test" / test[18]["file_name"]).read_bytes()
    (folder / "test" / test[18]["file_name"]).write_bytes(whole[: len(whole) // 2])
    (folder / "test" / test[24]["file_name"]).write_bytes(b"")
    write_rows(folder / "train", train)
    write_rows(folder / "test", test)
    return folder


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The hub's library, offline, with its cache in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        library = pytest.importorskip("datasets", reason="the extra hub-tests is not installed")
        library.disable_progress_bars()
        yield library


@pytest.fixture
def dataset_of(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes splits of rows, without videos."""

    def make(**splits: list[Row]) -> Path:
        for name, rows in splits.items():
            write_rows(tmp_path / "data" / name, rows)
        return tmp_path / "data"

    return make
