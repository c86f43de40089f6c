"""The dataset card: front matter that a YAML reader takes, and nothing that the rows do not say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roboreward.core import DataError
from roboreward.dataset import (
    dataset_card,
    dataset_stats,
    licences_beside,
    licences_of,
    lint_dataset,
    read_dataset,
)
from roboreward.dataset.card import hub_split, size_category

DatasetOf = Callable[..., Path]
ROW: dict[str, Any] = {"file_name": "lab/a.mp4", "task": "lift the cup", "reward": 3}


def card_of(folder: Path, **options: Any) -> str:
    dataset = read_dataset(folder, has_videos=False)
    return dataset_card(dataset, stats=dataset_stats(dataset, has_videos=False), **options)


def front_matter(card: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    assert card.startswith("---\n")
    value: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return value


def size_of(folder: Path, split: str) -> int:
    return (folder / split / "metadata.jsonl").stat().st_size


def test_the_front_matter_says_what_the_hub_wants_to_know(clean_dataset: Path) -> None:
    found = front_matter(card_of(clean_dataset, licence="cc-by-4.0", name="Clean: a set"))
    assert found["license"] == "cc-by-4.0"
    assert found["pretty_name"] == "Clean: a set"
    assert found["task_categories"] == ["video-classification", "robotics"]
    assert found["size_categories"] == ["n<1K"]
    (config,) = found["configs"]
    assert config["data_files"] == [
        {"split": "train", "path": "train/**"},
        {"split": "test", "path": "test/**"},
    ]
    assert found["dataset_info"]["splits"] == [
        {"name": name, "num_bytes": size_of(clean_dataset, name), "num_examples": num}
        for name, num in (("train", 60), ("test", 40))
    ]


def test_features_are_the_columns_with_the_video_in_place_of_its_name(
    dataset_of: DatasetOf,
) -> None:
    more = {"tags": ["a"], "cut_frac": 0.5, "provenance": {"operation": "clip", "seed": 4}}
    nested = {
        "steps": [{"name": "x"}],
        "nothing": None,
        "validator": {"validator": "v", "is_accepted": True},
    }
    card = card_of(dataset_of(train=[{**ROW, **more}], val=[{**ROW, **more, **nested}]))
    features = {f["name"]: f for f in front_matter(card)["dataset_info"]["features"]}
    assert features["video"]["dtype"] == "video"
    assert "file_name" not in features
    assert features["reward"]["dtype"] == "int64"
    assert features["cut_frac"]["dtype"] == "float64"
    assert features["tags"]["sequence"] == "string"
    assert features["nothing"]["dtype"] == "null"
    assert features["steps"]["list"] == [{"name": "name", "dtype": "string"}]
    assert features["validator"]["struct"] == [
        {"name": "is_accepted", "dtype": "bool"},
        {"name": "validator", "dtype": "string"},
    ]
    assert {f["name"] for f in features["provenance"]["struct"]} == {"operation", "seed"}


def test_a_single_split_is_described_where_it_lies(clean_dataset: Path) -> None:
    (config,) = front_matter(card_of(clean_dataset / "test"))["configs"]
    assert config["data_files"] == [{"split": "test", "path": "**"}]


def test_names_that_yaml_would_misread_are_quoted(dataset_of: DatasetOf) -> None:
    found = front_matter(card_of(dataset_of(train=[ROW]), name="yes", licence="no"))
    assert (found["pretty_name"], found["license"]) == ("yes", "no")
    odd = front_matter(card_of(dataset_of(train=[ROW]), name='a "b": {c} # d'))
    assert odd["pretty_name"] == 'a "b": {c} # d'


def test_no_licence_is_unknown_and_never_made_up(dataset_of: DatasetOf) -> None:
    rows = [
        {**ROW, "source": "stated", "licence": "mit"},
        {
            **ROW,
            "source": "inside",
            "provenance": {"operation": "import", "details": {"license": "cc0-1.0"}},
        },
        {**ROW, "source": "given"},
        {**ROW, "source": "silent"},
    ]
    folder = dataset_of(train=rows)
    card = card_of(folder, source_licences={"given": "apache-2.0", "stated": "wrong"})
    for line in (
        "| stated | mit | 1 |",
        "| inside | cc0-1.0 | 1 |",
        "| given | apache-2.0 | 1 |",
        "| silent | unknown | 1 |",
    ):
        assert line in card
    assert front_matter(card)["license"] == "unknown"
    assert licences_of(read_dataset(folder, has_videos=False))["stated"] == ("mit",)


def test_rows_of_one_source_may_come_under_several_licences(dataset_of: DatasetOf) -> None:
    rows = [
        {**ROW, "licence": licence, "source": source}
        for source, licences in (
            ("two", ("mit", "cc0-1.0", "mit")),
            ("some", ("mit", "", "")),
            ("same", ("mit", "")),
            ("none", ("", "")),
        )
        for licence in licences
    ]
    card = card_of(dataset_of(train=rows), source_licences={"two": "x", "same": "mit", "none": "x"})
    for line in (
        "| two | cc0-1.0 (1), mit (2) | 3 |",
        "| some | mit (1), unknown (2) | 3 |",
        "| same | mit | 2 |",
        "| none | x | 2 |",
    ):
        assert line in card


def test_the_columns_of_a_build_are_explained(dataset_of: DatasetOf) -> None:
    says = {"session": "s1", "source_sha256": "", "licence": "mit", "source_facts": ""}
    card = card_of(dataset_of(train=[{**ROW, **says}]))
    for key in says:
        assert f"- `{key}`: " in card
        assert f"- `{key}`: as its source has it" not in card


def test_licences_that_a_build_noted_are_read(tmp_path: Path) -> None:
    assert licences_beside(tmp_path) == {}
    (tmp_path / "sources.json").write_text(
        json.dumps({"licences": {"bridge": "cc-by-4.0", "lab": None}})
    )
    assert licences_beside(tmp_path) == {"bridge": "cc-by-4.0"}
    (tmp_path / "sources.json").write_text("[]")
    with pytest.raises(DataError, match=r"sources\.json"):
        licences_beside(tmp_path)


def test_how_the_labels_were_made_is_told_with_numbers(dataset_of: DatasetOf) -> None:
    said = {"validator": "judge-2", "is_accepted": True}
    rows = [
        {**ROW, "label_author": "person-1", "origin": "rollout"},
        {**ROW, "task": "x", "label_author": "rule", "origin": "counterfactual", "validator": said},
    ]
    card = card_of(dataset_of(train=rows))
    assert "| person-1 | 1 |" in card
    assert "| counterfactual | the same video under another task" in card
    assert "Validator judge-2 accepted 1 generated examples." in card


def test_the_known_limits_are_the_findings(published_dataset: Path) -> None:
    report = lint_dataset(published_dataset, has_videos=False)
    card = card_of(published_dataset, report=report)
    limits = card.split("## Known limits")[1]
    for found in report.findings:
        assert f"**{found.code}**" in limits
    assert "the videos were not looked at" in limits
    assert "mean absolute error" in limits


def test_a_clean_report_says_so_and_no_report_says_that_nobody_looked(clean_dataset: Path) -> None:
    report = lint_dataset(clean_dataset, has_videos=False)
    assert "Nothing was found." in card_of(clean_dataset, report=report)
    assert "Not checked." in card_of(clean_dataset)


def test_text_from_rows_cannot_turn_the_table_around_it(dataset_of: DatasetOf) -> None:
    rows = [{**ROW, "source": "a|b <script> [x](y)\nz", "label_author": "`code`"}]
    card = card_of(dataset_of(train=rows))
    assert "<script>" not in card
    assert "a\\|b &lt;script&gt; [x] (y) z" in card
    assert "`code`" not in card


def test_the_same_rows_give_the_same_card(clean_dataset: Path) -> None:
    report = lint_dataset(clean_dataset, has_videos=False)
    assert card_of(clean_dataset, report=report) == card_of(clean_dataset, report=report)


@pytest.mark.parametrize(
    ("num", "category"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (54_135, "10K<n<100K"), (10**8, "n>10M")],
)
def test_sizes_fall_into_the_hubs_categories(num: int, category: str) -> None:
    assert size_category(num) == category


def test_splits_have_names_that_the_hub_takes() -> None:
    assert [hub_split(n) for n in ("val", "test", "sim-demo v1")] == [
        "validation",
        "test",
        "sim_demo_v1",
    ]
