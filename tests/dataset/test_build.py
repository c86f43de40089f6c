"""A dataset is built from sources: whole, resumable, the same bytes, and with no group in two splits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, StoreError, UnknownName, UsageError
from roboreward.dataset import build_dataset, plan_dataset, read_dataset_recipe, read_set
from roboreward.media import stream_frames, write_video

Build = Callable[..., Any]


def write_rollouts(folder: Path, num: int, *, twin_of_first: bool = False) -> None:
    """Write `num` videos of 20 frames that look different, and the sheet that lists them."""
    folder.mkdir(parents=True)
    rows = []
    for i in range(num):
        frames = np.random.default_rng(i).integers(0, 255, (20, 8, 8, 3)).astype(np.uint8)
        write_video(folder / f"{i}.mp4", frames.repeat(8, 1).repeat(8, 2), fps=5.0)
        outcome = ("success", "failure")[i % 3 == 2]
        rows.append(
            {"file": f"{i}.mp4", "task": f"lift the block {i}", "outcome": outcome, "id": f"r{i}"}
        )
    if twin_of_first:
        copyfile(folder / "0.mp4", folder / f"{num - 1}.mp4")
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


RECIPE = """
kind = "dataset"
[splits]
train = 0.5
test = 0.5
[[sources]]
reader = "folder"
path = "rollouts"
options = {outcome_scores = {success = 5, failure = 1}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_rollouts(tmp_path / "rollouts", 12, twin_of_first=True)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def build(recipe: Path, out: Path, **settings: Any) -> Any:
    return build_dataset(read_dataset_recipe(recipe), out, **{"num_workers": 1, **settings})


def content_of(out: Path) -> dict[str, bytes]:
    files = [
        p for split in ("train", "test") for p in sorted((out / split).rglob("*")) if p.is_file()
    ]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_every_success_comes_with_its_clips_and_every_failure_alone(
    recipe: Path, tmp_path: Path
) -> None:
    built = build(recipe, tmp_path / "out")
    examples = [e for split in built.num_rows for e in read_set(tmp_path / "out" / split).examples]
    wholes = [e for e in examples if e.origin == "rollout"]
    clips = [e for e in examples if e.origin == "clip"]
    assert len(wholes) == 12
    assert len(clips) == 4 * sum(e.label.score == 5 for e in wholes)
    assert {e.cut_frac: e.label.score for e in clips} == {0.1: 1, 0.3: 2, 0.5: 3, 0.7: 4}
    assert all(e.validation is None and "nobody looked" in (e.label.reason or "") for e in clips)
    assert sum(built.num_rows.values()) == len(examples)


def test_a_clip_is_bit_for_bit_the_beginning_of_its_parent(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "out")
    found = read_set(tmp_path / "out" / "train").examples
    by_id = {example.example_id: example for example in found}
    clip = next(e for e in found if e.cut_frac == 0.7)
    assert clip.parent_id is not None
    whole = list(stream_frames(by_id[clip.parent_id].video))
    part = list(stream_frames(clip.video))
    assert len(part) == 14
    assert all(np.array_equal(a, b) for a, b in zip(part, whole, strict=False))


def test_no_group_lies_in_two_splits_and_copies_lie_together(recipe: Path, tmp_path: Path) -> None:
    built = build(recipe, tmp_path / "out")
    groups = {
        split: {e.group for e in read_set(tmp_path / "out" / split).examples}
        for split in built.num_rows
    }
    assert set(groups) == {"train", "test"}
    assert not groups["train"] & groups["test"]
    assert built.num_duplicates == 1
    assert len(groups["train"] | groups["test"]) == 11


def test_nothing_that_a_model_is_shown_carries_the_label(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "out")
    names = [Path(name).stem for name in content_of(tmp_path / "out") if name.endswith(".mp4")]
    assert all(len(name) == 16 and set(name) <= set("0123456789abcdef") for name in names)


def test_an_interrupted_build_goes_on_to_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "whole")
    build(recipe, tmp_path / "torn")
    rows = tmp_path / "torn" / ".build" / "rows.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    for split in ("train", "test"):
        (tmp_path / "torn" / split / "metadata.jsonl").unlink()
    build(recipe, tmp_path / "torn")
    assert content_of(tmp_path / "torn") == content_of(tmp_path / "whole")


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "one", num_workers=1)
    build(recipe, tmp_path / "two", num_workers=2)
    assert content_of(tmp_path / "two") == content_of(tmp_path / "one")


KILLED = """
import os, signal, sys
from pathlib import Path
from roboreward.dataset import build_dataset, read_dataset_recipe
from roboreward.store import JsonlWriter
append, num = JsonlWriter.append, [0]
def dying(self, record):
    num[0] += 1
    if num[0] == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, record)
JsonlWriter.append = dying
if __name__ == "__main__":
    build_dataset(read_dataset_recipe(Path(sys.argv[1])), Path(sys.argv[2]), num_workers=1)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("place", [4, 20])
def test_a_build_killed_at_any_place_goes_on_to_the_same_bytes(
    recipe: Path, tmp_path: Path, place: int
) -> None:
    build(recipe, tmp_path / "whole")
    asked = [sys.executable, "-c", KILLED, str(recipe), str(tmp_path / "killed"), str(place)]
    assert subprocess.run(asked).returncode == -signal.SIGKILL
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed").rglob(".build/videos/*/*.mp4")}
    lines = (tmp_path / "killed" / ".build" / "rows.jsonl").read_bytes().splitlines()
    assert len(lines) == min(place - 1, 12)
    build(recipe, tmp_path / "killed")
    assert content_of(tmp_path / "killed") == content_of(tmp_path / "whole")
    finished = {json.loads(line)["key"] for line in lines}
    kept = [p for p, time in made.items() if p.stem in finished and p.stat().st_mtime_ns == time]
    assert len(kept) == len(finished)


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are POSIX")
def test_a_disk_that_is_full_is_named_and_leaves_nothing_torn(recipe: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); "
        "from roboreward.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "out"
    asked = ["dataset", "build", str(recipe), "--out", str(out), "--workers", "1"]
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "not be written" in done.stderr
    assert ".mp4" in done.stderr
    assert not list(out.rglob("metadata.jsonl"))
    build(recipe, out)
    build(recipe, tmp_path / "whole")
    assert content_of(out) == content_of(tmp_path / "whole")


def test_what_is_left_out_is_counted_and_listed(recipe: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "rollouts" / "metadata.jsonl"
    rows = [json.loads(line) for line in sheet.read_text().splitlines()]
    rows[0]["task"] = ""
    rows[1]["outcome"] = "unknown"
    rows[2]["file"] = "gone.mp4"
    (tmp_path / "rollouts" / "3.mp4").write_bytes(b"no video")
    sheet.write_text("".join(json.dumps(row) + "\n" for row in rows))
    built = build(recipe, tmp_path / "out")
    listed = [json.loads(x) for x in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert sum(built.skipped.values()) == len(listed) == 4
    assert {"no_task", "no_outcome", "no_file"} <= set(built.skipped)
    assert all("metadata.jsonl:" in row["where"] for row in listed)
    whole = [
        e
        for split in built.num_rows
        for e in read_set(tmp_path / "out" / split).examples
        if e.origin == "rollout"
    ]
    assert len(whole) == 12 - 4


def test_demonstrations_count_as_successes_only_where_the_recipe_says_so(
    recipe: Path, tmp_path: Path
) -> None:
    text = RECIPE.replace("options = {outcome_scores = {success = 5, failure = 1}}", "")
    recipe.write_text(text)
    with pytest.raises(UsageError, match="No episode could be used \\(12 no_outcome\\)"):
        build(recipe, tmp_path / "none")
    recipe.write_text(text + 'unlabelled = "success"\n')
    build(recipe, tmp_path / "all")
    found = read_set(tmp_path / "all" / "train").examples
    assert {e.label.author for e in found if e.origin == "original"} == {"demonstration-rule-v1"}


def test_a_folder_of_another_recipe_is_refused(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "out")
    recipe.write_text(RECIPE.replace("[splits]", "seed = 1\n[splits]"))
    with pytest.raises(StoreError, match="another recipe"):
        build(recipe, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (('reader = "folder"', 'reader = "foldr"'), UsageError, "sources.0.reader"),
        (("outcome_scores", "outcome_score"), UsageError, "no option 'outcome_score'"),
        (("train = 0.5", "train = 0.7"), UsageError, "add up to 1"),
        (("train = 0.5", "train = nan"), UsageError, "add up to 1"),
        (
            ('path = "rollouts"', 'path = "rollouts"\nlimit = 99999999999999999999'),
            UsageError,
            "limit",
        ),
        (("[splits]", "[balance]\nsource = {nowhere = 1.0}\n[splits]"), UsageError, "nowhere"),
        (('kind = "dataset"', 'kind = "nano"'), UsageError, 'kind = "dataset"'),
        (('path = "rollouts"', 'path = "nowhere"'), UsageError, "nowhere"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(
    recipe: Path, tmp_path: Path, change: tuple[str, str], error: type[Exception], says: str
) -> None:
    recipe.write_text(RECIPE.replace(*change))
    with pytest.raises(error, match=says):
        build(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recoded_copy_in_another_split_is_left_out_of_training(tmp_path: Path) -> None:
    folder = tmp_path / "rollouts"
    folder.mkdir()
    rows = []
    for i in range(24):
        frames = np.random.default_rng(i // 2).integers(0, 255, (8, 4, 4, 3)).astype(np.uint8)
        brighter = np.clip(frames.astype(int) + 8 * (i % 2), 0, 255).astype(np.uint8)
        write_video(folder / f"{i}.mp4", brighter.repeat(16, 1).repeat(16, 2), fps=5.0)
        rows.append({"file": f"{i}.mp4", "task": f"do {i}", "outcome": "failure", "id": f"r{i}"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    built = build(recipe, tmp_path / "looks")
    num = built.skipped["looks_like_test"]
    assert 2 <= num <= 12
    assert sum(built.num_rows.values()) == 24 - num
    listed = (tmp_path / "looks" / "skipped.jsonl").read_text().splitlines()
    assert len(listed) == num
    kept = {e.example_id for e in read_set(tmp_path / "looks" / "test").examples}
    assert all(json.loads(x)["message"].split("example ")[1][:16] in kept for x in listed)
    recipe.write_text('duplicates = "frames"\n' + RECIPE)
    assert build(recipe, tmp_path / "frames").skipped == {}


def test_two_episodes_of_one_id_are_not_mixed_up(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE + RECIPE[RECIPE.index("[[sources]]") :])
    built = build(recipe, tmp_path / "out")
    assert built.skipped == {"duplicate_id": 12}
    assert built.num_episodes == 12


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 200])
def test_a_source_whose_name_is_no_folder_stays_out(
    recipe: Path, tmp_path: Path, name: str
) -> None:
    recipe.write_text(RECIPE.replace("{outcome", f"{{name = {json.dumps(name)}, outcome"))
    with pytest.raises(UsageError, match=r"12 bad_source|name"):
        build(recipe, tmp_path / "out")
    assert not (tmp_path / "up").exists()


def test_a_camera_that_was_off_is_no_demonstration(recipe: Path, tmp_path: Path) -> None:
    black = np.random.default_rng(0).integers(0, 3, (20, 64, 64, 3)).astype(np.uint8)
    write_video(tmp_path / "rollouts" / "4.mp4", black, fps=5.0)
    assert build(recipe, tmp_path / "out").skipped == {"blank": 1}


def test_an_origin_that_there_is_not_stays_out(recipe: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "rollouts" / "metadata.jsonl"
    rows = [json.loads(line) for line in sheet.read_text().splitlines()]
    rows[0]["origin"] = "invented"
    sheet.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert build(recipe, tmp_path / "out").skipped == {"bad_origin": 1}


def test_a_folder_with_something_else_in_it_is_left_alone(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    (out / "train").mkdir(parents=True)
    (out / "train" / "notes.txt").write_text("years of work")
    with pytest.raises(StoreError, match=r"not empty \(train, \.\.\.\) and holds no build"):
        build(recipe, out)
    assert (out / "train" / "notes.txt").read_text() == "years of work"
    assert sorted(path.name for path in out.iterdir()) == ["train"]


def test_what_people_put_into_a_split_survives_a_rebuild(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "out")
    (tmp_path / "out" / "train" / "README.md").write_text("a card")
    (tmp_path / "out" / "train" / "notes").mkdir()
    (tmp_path / "out" / "train" / "notes" / "a.txt").write_text("seen")
    before = content_of(tmp_path / "out")
    build(recipe, tmp_path / "out")
    assert content_of(tmp_path / "out") == before


def change_sheet(recipe: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    sheet = recipe.parent / "rollouts" / "metadata.jsonl"
    rows = [json.loads(line) for line in sheet.read_text().splitlines()]
    change(rows)
    sheet.write_text("".join(json.dumps(row) + "\n" for row in rows))


def other_tasks(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["task"] = f"{row['task']}, gently"


def other_outcome(rows: list[dict[str, Any]]) -> None:
    rows[0]["outcome"] = "failure"


def fewer(rows: list[dict[str, Any]]) -> None:
    del rows[3:]


def backwards(rows: list[dict[str, Any]]) -> None:
    rows.reverse()


@pytest.mark.parametrize("change", [other_tasks, other_outcome, fewer, backwards])
def test_sources_that_changed_give_what_a_new_build_gives(
    recipe: Path, tmp_path: Path, change: Callable[[list[dict[str, Any]]], Any]
) -> None:
    build(recipe, tmp_path / "old")
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "old").rglob(".build/videos/*/*.mp4")}
    change_sheet(recipe, change)
    again, new = build(recipe, tmp_path / "old"), build(recipe, tmp_path / "new")
    assert content_of(tmp_path / "old") == content_of(tmp_path / "new")
    assert again.num_episodes == new.num_episodes
    # Words cost no encoding; a success that is none any more has no clips, so it is made anew.
    remade = [p for p, time in made.items() if p.stat().st_mtime_ns != time]
    assert len(remade) == (1 if change is other_outcome else 0)


def test_another_video_under_the_same_name_is_made_again(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "old")
    frames = np.random.default_rng(99).integers(0, 255, (16, 8, 8, 3)).astype(np.uint8)
    write_video(tmp_path / "rollouts" / "5.mp4", frames.repeat(8, 1).repeat(8, 2), fps=5.0)
    build(recipe, tmp_path / "old")
    build(recipe, tmp_path / "new")
    assert content_of(tmp_path / "old") == content_of(tmp_path / "new")


def test_what_could_not_be_used_is_tried_again(recipe: Path, tmp_path: Path) -> None:
    good = (tmp_path / "rollouts" / "3.mp4").read_bytes()
    header = (tmp_path / "rollouts" / "3.mp4").stat()
    (tmp_path / "rollouts" / "3.mp4").write_bytes(good[: len(good) // 2])
    assert sum(build(recipe, tmp_path / "out").skipped.values()) == 1
    (tmp_path / "rollouts" / "3.mp4").write_bytes(good)
    os.utime(tmp_path / "rollouts" / "3.mp4", ns=(header.st_atime_ns, header.st_mtime_ns))
    assert build(recipe, tmp_path / "out").skipped == {}
    assert (tmp_path / "out" / "skipped.jsonl").read_text() == ""


@pytest.mark.parametrize("name", ["score_3", "failed-runs", "my_success"])
def test_a_source_whose_name_tells_the_label_stays_out(
    recipe: Path, tmp_path: Path, name: str
) -> None:
    recipe.write_text(RECIPE.replace("{outcome", f"{{name = {json.dumps(name)}, outcome"))
    with pytest.raises(UsageError, match="12 bad_source"):
        build(recipe, tmp_path / "out")


@pytest.mark.parametrize(("num", "fracs"), [(2, [0.5]), (5, []), (10, [0.1, 0.3, 0.5, 0.7])])
def test_a_clip_is_made_only_where_frames_allow_its_fraction(
    tmp_path: Path, num: int, fracs: list[float]
) -> None:
    (tmp_path / "rollouts").mkdir()
    frames = np.random.default_rng(0).integers(0, 255, (num, 8, 8, 3)).astype(np.uint8)
    write_video(tmp_path / "rollouts" / "0.mp4", frames.repeat(8, 1).repeat(8, 2), fps=5.0)
    row = {"file": "0.mp4", "task": "lift", "outcome": "success"}
    (tmp_path / "rollouts" / "metadata.jsonl").write_text(json.dumps(row))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    built = build(tmp_path / "recipe.toml", tmp_path / "out")
    (split,) = built.num_rows
    found = [e.cut_frac for e in read_set(tmp_path / "out" / split).examples if e.cut_frac]
    assert found == [frac for frac in fracs if abs(round(frac * num) / num - frac) <= 0.05]


def test_what_the_corpus_says_besides_comes_along(recipe: Path, tmp_path: Path) -> None:
    def annotate(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row |= {"session": "monday", "licence": "cc-by-4.0", "preference": "B"}

    change_sheet(recipe, annotate)
    build(recipe, tmp_path / "out")
    for example in read_set(tmp_path / "out" / "train").examples:
        assert example.extra["licence"] == "cc-by-4.0"
        assert example.extra["session"] == "monday"
        assert json.loads(example.extra["source_facts"])["preference"] == "B"
        assert len(example.extra["source_sha256"]) == 64


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("recipe.json", "{", "damaged"),
        (".build/rows.jsonl", '{"key": 3}\n', "damaged line"),
        (".build/rows.jsonl", "not json\n", "damaged line"),
    ],
)
def test_a_damaged_build_is_named(
    recipe: Path, tmp_path: Path, file: str, content: str, says: str
) -> None:
    build(recipe, tmp_path / "out")
    (tmp_path / "out" / file).write_text(content)
    with pytest.raises((StoreError, DataError), match=says):
        build(recipe, tmp_path / "out")


BALANCE = '[balance]\nlevel = "even"\nsplits = ["train"]\n'


def test_a_balanced_split_has_the_shares_of_its_target_and_the_others_all_rows(
    recipe: Path, tmp_path: Path
) -> None:
    recipe.write_text(RECIPE + BALANCE)
    built = build(recipe, tmp_path / "out")
    train = [e.label.score for e in read_set(tmp_path / "out" / "train").examples]
    assert {train.count(score) for score in range(1, 6)} == {len(train) // 5}
    assert built.num_rows["test"] == sum(built.available["test"].values())
    assert built.num_rows["train"] < sum(built.available["train"].values())
    told = json.loads((tmp_path / "out" / "build.json").read_text())["rows"]
    assert sum(row["kept"] for row in told) == sum(built.num_rows.values())


def test_a_plan_says_what_the_build_gives_and_writes_nothing(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE + BALANCE)
    planned = plan_dataset(read_dataset_recipe(recipe))
    assert {path.name for path in tmp_path.iterdir()} == {"rollouts", "recipe.toml"}
    built = build(recipe, tmp_path / "out")
    assert planned.skipped == built.skipped
    assert planned.num_episodes == built.num_episodes
    # A copy is found by its frames, which a plan does not look at: its group may lie elsewhere.
    (tmp_path / "rollouts" / "11.mp4").unlink()
    planned, built = plan_dataset(read_dataset_recipe(recipe)), build(recipe, tmp_path / "two")
    assert planned.kept == built.kept
    assert planned.available == built.available


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_of_ray_give_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    build(recipe, tmp_path / "local")
    code = (
        "import sys; from pathlib import Path; from roboreward.dataset import *; "
        "recipe, out = map(Path, sys.argv[1:]); "
        "print(build_dataset(read_dataset_recipe(recipe), out, engine='ray', num_workers=2).num_rows)"
    )
    asked = [sys.executable, "-c", code, str(recipe), str(tmp_path / "ray")]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert content_of(tmp_path / "ray") == content_of(tmp_path / "local")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('{fps = "fast"}', "option 'fps'.*number"),
        ("{fps = -1}", "fps"),
        ("{columns = 3}", "option 'columns'"),
        ('{limits = {max_frames = "x"}}', "option 'limits.max_frames'"),
        ('{limits = "none"}', "option 'limits'"),
        ("{outcome_scores = {success = 9}}", "9"),
        ('{outcome_scores = "five"}', "option 'outcome_scores'"),
    ],
)
def test_an_option_of_a_wrong_type_is_named(
    recipe: Path, tmp_path: Path, options: str, says: str
) -> None:
    recipe.write_text(RECIPE[: RECIPE.index("options")] + f"options = {options}\n")
    with pytest.raises(UsageError, match=says):
        build(recipe, tmp_path / "out")


def test_a_recipe_sets_limits(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("{outcome", "{limits = {max_pixels = 100}, outcome"))
    with pytest.raises(UsageError, match="12 bad_footage"):
        build(recipe, tmp_path / "out")
    listed = (tmp_path / "out" / ".build" / "skipped.jsonl").read_text().splitlines()
    assert all("max_pixels=100" in line for line in listed)


def test_an_unknown_reader_is_named_with_the_known_ones(tmp_path: Path) -> None:
    from roboreward.sources import open_source

    with pytest.raises(UnknownName, match="rlds"):
        open_source("rlsd", tmp_path, {})


@pytest.mark.slow
def test_real_bridge_shards_become_a_dataset_and_their_copies_lie_together(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "rlds" / "bridge_dataset" / "1.0.0"
    entry = f'[[sources]]\nreader = "rlds"\npath = "{folder}"\nunlabelled = "success"\n'
    both = entry + entry + 'options = {split = "val"}\n'
    (tmp_path / "recipe.toml").write_text(f'kind = "dataset"\n{both}')
    built = build(tmp_path / "recipe.toml", tmp_path / "out")
    assert built.num_duplicates == 25
    groups = [
        {e.group for e in read_set(tmp_path / "out" / split).examples} for split in built.num_rows
    ]
    assert not set.intersection(*groups)
