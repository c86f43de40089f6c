"""Datasets as others load them: with the hub's library and no script, and by the published card alone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import Example, Label, Provenance, Validation
from roboreward.dataset import (
    build_dataset,
    build_sim_set,
    dataset_card,
    dataset_stats,
    lint_dataset,
    read_dataset,
    read_dataset_recipe,
    read_set,
    write_set,
)
from roboreward.dataset.card import PLACE
from roboreward.media import write_video

OWN = ["example_id", "episode_id", "group", "source", "origin", "view", "label_author"]
OWN += ["label_reason", "parent_id", "cut_frac", "validator", "provenance"]
TOLD = ["session", "licence", "source_facts", "source_sha256"]
"""What a build adds of what the corpus says."""


@pytest.fixture
def load(datasets: Any, tmp_path: Path) -> Any:
    """Load with a cache of its own, and leave the videos as paths."""

    def loaded(*args: Any, **options: Any) -> Any:
        found = datasets.load_dataset(*args, cache_dir=str(tmp_path / "cache"), **options)
        return found.cast_column("video", datasets.Video(decode=False))

    return loaded


RECIPE = """
kind = "dataset"
seed = 1
[splits]
train = 0.4
val = 0.3
test = 0.3
[[sources]]
reader = "folder"
path = "rollouts"
options = {outcome_scores = {success = 5, failure = 1}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built dataset: successes with their clips, failures, an episode that is left out, and what a build leaves."""
    folder = tmp_path_factory.mktemp("building")
    (folder / "rollouts").mkdir()
    rows: list[dict[str, Any]] = []
    for i in range(16):
        frames = np.random.default_rng(i).integers(0, 255, (20, 4, 4, 3)).astype(np.uint8)
        write_video(folder / "rollouts" / f"{i}.mp4", frames.repeat(8, 1).repeat(8, 2), fps=5.0)
        outcome = ("failure", "success", "unknown")[2 if i == 7 else i % 2]
        rows.append({"file": f"{i}.mp4", "task": f"lift block {i}", "outcome": outcome})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rollouts" / "metadata.jsonl").write_text(lines)
    (folder / "recipe.toml").write_text(RECIPE)
    recipe = read_dataset_recipe(folder / "recipe.toml")
    build_dataset(recipe, folder / "built", num_workers=1)
    return folder / "built"


def example(name: str, **changes: Any) -> Example:
    fields = {
        "example_id": name,
        "video": Path(name),
        "file_name": f"lab/{name}.mp4",
        "task": "lift the cup",
        "label": Label(score=3, author="person-1"),
        "source": "lab",
        "group": name,
        "origin": "rollout",
    }
    return Example(**(fields | changes))


FULL = {
    "origin": "clip",
    "episode_id": "e",
    "view": "front",
    "label": Label(score=2, author="rule", reason="half"),
    "parent_id": "p",
    "cut_frac": 0.5,
    "validation": Validation(validator="judge", is_accepted=True, text="ANSWER: TRUE"),
    "provenance": Provenance(operation="clip", parent_ids=("p",), seed=1, details={"a": [1, "b"]}),
}


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A dataset whose splits have as little in common as our types allow."""
    other = Provenance(operation="relabel", model="m", details={"b": {"c": None}})
    contents = {
        "train": [example("t0", **FULL), example("t1")],
        "val": [example("v0")],
        "test": [example("x0", provenance=other, cut_frac=0.3)],
    }
    for split, examples in contents.items():
        for found in examples:
            path = tmp_path / "set" / split / found.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, np.full((3, 16, 16, 3), 90, np.uint8), fps=4.0)
        write_set(tmp_path / "set" / split, examples)
    return tmp_path / "set"


def check(split: Any, folder: Path) -> None:
    """Check that the library gives what `read_set` gives, in order."""
    expected = read_set(folder).examples
    assert len(split) == len(expected) > 0
    assert split.column_names == ["video", "task", "reward", *OWN, *expected[0].extra]
    for row, wanted in zip(split, expected, strict=True):
        assert Path(row["video"]["path"]).samefile(wanted.video)
        assert (row["task"], row["reward"]) == (wanted.task, wanted.label.score)
        assert row["cut_frac"] == (wanted.cut_frac or 1.0)
        assert row["parent_id"] == (wanted.parent_id or "")
        if wanted.provenance is not None:
            assert json.loads(row["provenance"])["operation"] == wanted.provenance.operation


@pytest.mark.hub
def test_a_built_dataset_loads_without_a_script(built: Path, load: Any) -> None:
    assert (built / "skipped.jsonl").read_text().count("\n") == 1
    found = load("videofolder", data_dir=str(built))
    assert list(found) == ["train", "validation", "test"]
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        check(found[split], built / name)
    check(load("videofolder", data_dir=str(built), split="test"), built / "test")
    check(load(str(built))["validation"], built / "val")


@pytest.mark.hub
def test_one_split_loads_by_its_own_folder(built: Path, load: Any) -> None:
    check(load("videofolder", data_dir=str(built / "val"))["train"], built / "val")


@pytest.mark.hub
def test_splits_that_have_little_in_common_load_together(uneven: Path, load: Any) -> None:
    found = load("videofolder", data_dir=str(uneven))
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        check(found[split], uneven / name)
    assert json.loads(found["train"][0]["validator"])["is_accepted"] is True
    assert found["validation"][0]["validator"] == ""


@pytest.mark.hub
def test_the_example_of_the_card_is_run_as_it_stands(
    built: Path, datasets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(built)
    (built / "README.md").write_text(card)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    code = card.split("```python\n")[1].split("```")[0].replace(PLACE, str(built))
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        check(names["dataset"][split], built / name)


@pytest.mark.hub
def test_the_example_of_the_docs_is_run_as_it_stands(
    built: Path, checkout: Path, datasets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-set").symlink_to(built)
    blocks = re.findall(r"```python\n(.*?)```", (checkout / "docs/datasets.md").read_text(), re.S)
    (code,) = (block for block in blocks if "load_dataset" in block)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/datasets.md", "exec"), names)
    check(names["dataset"]["validation"], built / "val")
    assert Path(names["row"]["video"]["path"]).is_file()


@pytest.mark.hub
def test_with_a_card_the_loader_misses_a_row_that_was_lost(
    uneven: Path, load: Any, datasets: Any
) -> None:
    (uneven / "README.md").write_text(card_of(uneven))
    file = uneven / "train" / "metadata.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    with pytest.raises(datasets.exceptions.DatasetsError, match="num_examples=2"):
        load(str(uneven))


@pytest.mark.hub
@pytest.mark.parametrize("name", ["sim-demo", "sim-test"])
def test_simulated_sets_load(name: str, tmp_path: Path, load: Any) -> None:
    folder = tmp_path / "my-set"
    build_sim_set(name, folder, per_level=1, num_workers=1)
    # "test" in the names of the videos alone would make them a split without rows.
    named = {"test": "**"}
    check(load("videofolder", data_dir=str(folder), data_files=named, split="test"), folder)
    (folder / "README.md").write_text(card_of(folder))
    check(load(str(folder))["my_set"], folder)


@pytest.mark.hub
def test_a_card_keeps_a_source_called_like_a_split_apart(
    tmp_path: Path, uneven: Path, load: Any
) -> None:
    only = tmp_path / "only"
    (only / "train" / "kitchen_test").mkdir(parents=True)
    (uneven / "val" / "lab" / "v0.mp4").rename(only / "train" / "kitchen_test" / "v0.mp4")
    write_set(only / "train", [example("v0", file_name="kitchen_test/v0.mp4")])
    (only / "README.md").write_text(card_of(only))
    found = load(str(only))
    assert list(found) == ["train"]
    check(found["train"], only / "train")


@pytest.mark.hub
def test_real_corpora_load(shared_data: Path, tmp_path: Path, load: Any) -> None:
    clips = {"metadata": str(shared_data / "clips.jsonl"), "name": "clips"}
    recipe = {
        "kind": "dataset",
        "splits": {"train": 0.4, "val": 0.3, "test": 0.3},
        "sources": [
            {
                "reader": "rlds",
                "path": str(shared_data / "rlds" / "bridge_dataset" / "1.0.0"),
                "unlabelled": "success",
                "limit": 6,
            },
            {"reader": "folder", "path": str(shared_data), "options": clips, "limit": 6},
        ],
    }
    clips["outcome_scores"] = {"success": 5, "partial": 3, "failure": 1}  # type: ignore[assignment]
    (tmp_path / "recipe.toml").write_text(toml_of(recipe))
    folder = tmp_path / "built"
    build_dataset(read_dataset_recipe(tmp_path / "recipe.toml"), folder, num_workers=1)
    found = load("videofolder", data_dir=str(folder))
    for split in found:
        check(found[split], folder / {"validation": "val"}.get(split, split))


def toml_of(recipe: dict[str, Any]) -> str:
    """Return a recipe as TOML; inline tables, which JSON texts turn into by their signs."""

    def value(found: Any) -> str:
        if isinstance(found, dict):
            return f"{{{', '.join(f'{key} = {value(v)}' for key, v in found.items())}}}"
        if isinstance(found, list):
            return f"[{', '.join(map(value, found))}]"
        return json.dumps(found)

    return "".join(f"{key} = {value(found)}\n" for key, found in recipe.items())


def card_of(folder: Path) -> str:
    found = read_dataset(folder)
    stats = dataset_stats(found, has_videos=False)
    return dataset_card(found, stats=stats, report=lint_dataset(found, has_videos=False))


def read_as_published(split: Path) -> Iterator[tuple[Path, str, int]]:
    """Read a split by what the release's card says of it, and by nothing else."""
    for line in (split / "metadata.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield split / row["file_name"], row["task"], row["reward"]


def test_a_reader_written_to_the_published_card_reads_a_built_dataset(built: Path) -> None:
    for split in ("train", "val", "test"):
        rows = list(read_as_published(built / split))
        assert rows
        for video, task, reward in rows:
            assert video.is_file()
            assert video.suffix == ".mp4"
            assert video.parent.parent == built / split  # <split>/<subset>/*.mp4
            assert isinstance(task, str)
            assert type(reward) is int
            assert reward in (1, 2, 3, 4, 5)
        read = [(e.video, e.task, int(e.label.score)) for e in read_set(built / split).examples]
        assert rows == read


def test_every_row_has_all_keys_and_no_null(built: Path, uneven: Path) -> None:
    for folder in (built, uneven):
        found = read_dataset(folder)
        kinds = [split.columns for split in found.splits]
        assert len(kinds) == 3
        assert kinds.count(kinds[0]) == 3
        assert {kind.name for _, kind in kinds[0].fields} == {"string", "int64", "float64"}
        for file in folder.glob("*/metadata.jsonl"):
            for line in file.read_text().splitlines():
                more = TOLD if folder == built else []
                assert list(json.loads(line)) == ["file_name", "task", "reward", *OWN, *more]
