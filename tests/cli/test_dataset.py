"""`roboreward dataset`: exit codes, what is printed, and what is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from roboreward.cli import main
from roboreward.cli.dataset import dataset
from roboreward.dataset import build_sim_set

MakeSet = Callable[..., Path]


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["dataset", *(str(argument) for argument in arguments)])


def json_of(*arguments: Any) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real set: two examples of each score."""
    folder = tmp_path_factory.mktemp("sim") / "sim"
    build_sim_set("sim-demo", folder / "test", per_level=2, num_workers=1)
    return folder


def test_warnings_alone_are_no_findings_unless_strict(simulated: Path) -> None:
    result = run("lint", simulated)
    assert result.exit_code == 0, result.output
    assert "warning few-of-level" in result.stdout
    assert run("lint", simulated, "--strict").exit_code == 1


def test_limits_can_be_lowered_until_nothing_is_left(simulated: Path) -> None:
    limits = ("--min-level", 1, "--min-source", 0, "--no-videos", "--strict")
    result = run("lint", simulated, *limits)
    assert result.exit_code == 0, result.output
    assert "No finding" in result.stdout


def test_errors_are_findings_and_json_holds_them(make_set: MakeSet) -> None:
    folder = make_set(6)
    (folder / "v002.mp4").write_bytes(b"not a video")
    result = run("lint", folder, "--json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    (broken,) = (f for f in value["findings"] if f["code"] == "undecodable-video")
    assert broken["where"] == "metadata.jsonl:3"
    assert value["num_errors"] >= 1
    assert run("lint", folder, "--no-videos").exit_code == 0


def test_looks_are_compared_when_asked(simulated: Path) -> None:
    assert json_of("lint", simulated, "--looks")["has_fingerprints"]
    assert not json_of("lint", simulated)["has_fingerprints"]


@pytest.mark.parametrize("verb", ["lint", "stats", "card"])
def test_a_folder_without_a_dataset_is_an_input_error(tmp_path: Path, verb: str) -> None:
    result = run(verb, tmp_path)
    assert result.exit_code == 2
    assert "metadata.jsonl" in result.stderr


def test_stats_are_printed_and_the_page_needs_nothing_else(simulated: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("stats", simulated, "--html", page)
    assert result.exit_code == 0, result.output
    assert "10 examples, 10 videos, 10 groups" in result.stdout
    text = page.read_text()
    assert "<svg" in text
    assert "few-of-level" in text
    assert 'src="http' not in text
    assert str(tmp_path) not in text
    assert str(simulated.parent) not in text


def test_stats_as_json_hold_the_tables(simulated: Path) -> None:
    value = json_of("stats", simulated, "--no-videos")
    assert value["num_rows"] == 10
    assert value["tables"]["split"][0]["by_level"] == [2, 2, 2, 2, 2]


def test_text_from_rows_is_inert_on_the_page_and_in_the_terminal(
    make_set: MakeSet, tmp_path: Path
) -> None:
    folder = make_set(5)
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    row = json.loads(lines[0]) | {"source": "<script>alert(1)</script>\x1b[31m"}
    (folder / "metadata.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]))
    result = run("stats", folder, "--html", tmp_path / "p.html")
    assert "\x1b" not in result.stdout
    assert "<script>alert" not in (tmp_path / "p.html").read_text()


def test_a_card_is_written_once_and_replaced_only_by_force(make_set: MakeSet) -> None:
    folder = make_set(5)
    options = ("--licence", "cc-by-4.0", "--source-licence", "unknown=mit", "--no-videos")
    result = run("card", folder, *options)
    assert result.exit_code == 0, result.output
    assert "license: cc-by-4.0" in (folder / "README.md").read_text()
    assert "| unknown | mit | 5 |" in (folder / "README.md").read_text()
    assert "url, creator, datePublished" in result.stdout
    croissant = json.loads((folder / "croissant.json").read_text())
    assert croissant["license"] == "https://spdx.org/licenses/cc-by-4.0"
    again = run("card", folder)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    given = ("--url", "https://x.org", "--creator", "me", "--date", "2025-01-02", "--list-videos")
    value = json_of("card", folder, "--force", *given)
    assert value["missing_properties"] == []
    assert "sha256" in (folder / "croissant.json").read_text()


def test_a_source_licence_without_its_sign_is_a_usage_error(make_set: MakeSet) -> None:
    result = run("card", make_set(2), "--source-licence", "mit")
    assert result.exit_code == 2
    assert "SOURCE=ID" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--date", "foo"), "'foo' is no day"),
        (("--date", "2025-02-30"), "'2025-02-30' is no day"),
        (("--date", "20250102"), "'20250102' is no day"),
        (("--date", "2025-W01-1"), "'2025-W01-1' is no day"),
        (("--licence", "x y"), "'x y' is none of the hub's identifiers"),
        (("--licence", "MIT"), "'MIT' is none of the hub's identifiers"),
        (("--licence", "mit\n"), "none of the hub's identifiers"),
        (("--licence", ""), "none of the hub's identifiers"),
        (("--source-licence", "nope=mit"), "no source 'nope'; there is: unknown."),
    ],
)
def test_a_card_refuses_what_is_no_date_no_licence_and_no_source(
    make_set: MakeSet, options: tuple[str, ...], says: str
) -> None:
    folder = make_set(1)
    result = run("card", folder, *options, "--no-videos")
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (folder / "README.md").exists()


def test_a_card_takes_every_kind_of_identifier(make_set: MakeSet) -> None:
    folder = make_set(1)
    for licence in ("apache-2.0", "gpl-3.0+", "other", "0bsd"):
        result = run("card", folder, "--licence", licence, "--no-videos", "--force")
        assert result.exit_code == 0, result.output


def _before(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("target", ["metadata.jsonl", "v001.mp4", "../link.jsonl"])
@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("export", ("--format", "messages", "--out")),
        ("export", ("--format", "parquet", "--out")),
        ("contamination", ("--no-videos", "--write-index")),
        ("stats", ("--no-videos", "--html")),
        ("show", ("metadata.jsonl:1", "--out")),
    ],
)
def test_nothing_is_written_over_the_dataset(
    make_set: MakeSet, verb: str, options: tuple[str, ...], target: str
) -> None:
    folder = make_set(2)
    (folder.parent / "link.jsonl").symlink_to(folder / "metadata.jsonl")
    before = _before(folder)
    result = run(verb, folder, *options, folder / target)
    assert result.exit_code == 2
    assert "is a part of the dataset" in result.stderr
    assert _before(folder) == before


def test_a_card_that_is_a_link_to_the_metadata_is_not_followed(make_set: MakeSet) -> None:
    folder = make_set(2)
    (folder / "README.md").symlink_to("metadata.jsonl")
    before = _before(folder)
    result = run("card", folder, "--force", "--no-videos")
    assert result.exit_code == 2
    assert "README.md is a part of the dataset" in result.stderr
    assert _before(folder) == before


def test_a_card_is_refused_for_rows_that_loaders_would_count_and_we_would_not(
    make_set: MakeSet,
) -> None:
    folder = make_set(3)
    with (folder / "metadata.jsonl").open("a") as stream:
        stream.write('{"file_name": "v001.mp4", "task": "t", "reward": 9}\n')
    result = run("card", folder)
    assert result.exit_code == 2
    assert "metadata.jsonl:4" in result.stderr
    assert not (folder / "README.md").exists()


def test_one_example_is_shown_in_words_and_as_a_picture(simulated: Path, tmp_path: Path) -> None:
    result = run("show", simulated, "sim-demo-0500000", "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert "by sim-rule-v1" in result.stdout
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    value = json_of("show", simulated, "test/metadata.jsonl:1")
    assert value["example"]["example_id"] == "sim-demo-0500000"
    assert value["picture"] is None
    assert run("show", simulated, "sim-demo-9").exit_code == 2


def test_exports_use_the_prompt_that_models_are_asked_with(
    make_set: MakeSet, tmp_path: Path
) -> None:
    folder, out = make_set(5), tmp_path / "out.jsonl"
    result = run("export", folder, "--format", "messages", "--out", out)
    assert result.exit_code == 0, result.output
    line = json.loads(out.read_text().splitlines()[0])
    content = line["messages"][0]["content"]
    assert content.startswith("Given the task, assign a discrete progress score reward")
    assert content.endswith("Task: lift the block number 0\n<video>")
    assert Path(line["videos"][0]).is_file()
    value = json_of("export", folder, "--format", "conversations", "--out", out, "--video-root", "")
    assert value["num_rows"] == 5
    assert json.loads(out.read_text())[0]["video"] == ["v000.mp4"]


def test_only_the_wanted_split_is_exported(simulated: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    arguments = ("export", simulated, "--format", "parquet", "--out", tmp_path / "t.parquet")
    assert json_of(*arguments, "--split", "test")["num_rows"] == 10
    result = run(*arguments, "--split", "train")
    assert result.exit_code == 2
    assert "there is: test" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("lerobot",), "needs --lerobot FOLDER"),
        (("episode-labels",), "needs --lerobot FOLDER"),
        (("messages", "--lerobot", "."), "takes no --lerobot"),
        (("parquet", "--allow-other-tasks"), "takes no --allow-other-tasks"),
        (("messages", "--column", "x"), "takes no --column"),
        (("lerobot", "--lerobot", ".", "--video-root", "x"), "takes no --video-root"),
        (("episode-labels", "--lerobot", ".", "--column", "x"), "takes no --column"),
    ],
)
def test_an_export_refuses_options_of_another_format(
    simulated: Path, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    result = run("export", simulated, "--out", tmp_path / "out", "--format", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_was_trained_on_is_found_again(
    make_set: MakeSet, simulated: Path, tmp_path: Path
) -> None:
    index, folder = tmp_path / "seen.jsonl", make_set(5)
    assert json_of("contamination", folder, "--write-index", index)["num_lines"] == 5
    result = run("contamination", folder, "--index", index)
    assert result.exit_code == 1
    assert "5 of 5 examples were seen" in result.stdout
    assert run("contamination", simulated, "--index", index).exit_code == 0
    assert json_of("contamination", simulated, "--index", index)["num_seen"] == 0


def test_an_empty_index_is_an_input_error(simulated: Path, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    result = run("contamination", simulated, "--index", tmp_path / "none")
    assert result.exit_code == 2
    assert f"{tmp_path / 'none'}: there is no line in it" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    "options", [(), ("--index", "a", "--write-index", "b"), ("--index", "a", "--split", "train")]
)
def test_an_index_is_either_read_or_written(simulated: Path, options: tuple[str, ...]) -> None:
    assert run("contamination", simulated, *options).exit_code == 2


def test_every_verb_explains_itself() -> None:
    for name, command in dataset.commands.items():
        assert command.help, name
        assert run(name, "--help").exit_code == 0
