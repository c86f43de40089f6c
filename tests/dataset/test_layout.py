"""The published layout: what is read, what is inferred, what is refused."""

import json
from pathlib import Path

import pytest

from roboreward.core import DataError, Example, Label, Provenance, UsageError, Validation
from roboreward.dataset import read_set, write_set

GOOD = {"file_name": "bridge/a.mp4", "task": "put the cup on the plate", "reward": 5}


def make_set(folder: Path, *rows: object) -> Path:
    """Write rows (objects as JSON, text as it is) and an empty file for every video named in them."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        name = row.get("file_name") or row.get("video") if isinstance(row, dict) else None
        if isinstance(name, str) and ".." not in name and not name.startswith("/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_published_row_becomes_an_example_with_unknown_keys_kept(tmp_path: Path) -> None:
    found = read_set(make_set(tmp_path / "test", {**GOOD, "gpt5_mini_check": "ANSWER: TRUE"}))
    (example,) = found.examples
    assert (example.task, example.label.score, example.source) == (GOOD["task"], 5, "bridge")
    assert example.extra == {"gpt5_mini_check": "ANSWER: TRUE"}
    assert example.video == tmp_path / "test" / "bridge" / "a.mp4"
    assert found.name == f"{tmp_path.name}/test"


def test_the_hub_viewers_key_video_is_read_too(tmp_path: Path) -> None:
    row = {"video": "bridge/a.mp4", "task": "lift", "reward": 1}
    assert read_set(make_set(tmp_path, row)).examples[0].file_name == "bridge/a.mp4"


@pytest.mark.parametrize(
    ("name", "reward", "source", "origin", "group"),
    [
        ("viola/viola_x_index_7.mp4", 5, "viola", "original", "viola/viola_x_index_7"),
        ("viola/viola_x_index_7_2.mp4", 3, "viola", "counterfactual", "viola/viola_x_index_7"),
        ("viola/viola_x_index_2.mp4", 3, "viola", "counterfactual", "viola/viola_x_index_2"),
        (
            "viola/viola_x_index_7_1_attempt_1_score_2.mp4",
            2,
            "viola",
            "clip",
            "viola/viola_x_index_7",
        ),
        ("mine/run_4.mp4", 2, "mine", "rollout", "mine/run_4"),
        ("run.mp4", 5, "unknown", "rollout", "run"),
        ("robo_arena/s1_2.mp4", 4, "robo_arena", "rollout", "robo_arena/s1_2"),
        ("roboarena/s1.mp4", 5, "roboarena", "rollout", "roboarena/s1"),
    ],
)
def test_source_origin_and_group_are_inferred_from_the_file_name(
    tmp_path: Path, name: str, reward: int, source: str, origin: str, group: str
) -> None:
    (example,) = read_set(
        make_set(tmp_path, {**GOOD, "file_name": name, "reward": reward})
    ).examples
    assert (example.source, example.origin, example.group) == (source, origin, group)


def test_a_copy_joins_the_group_of_its_base_video_when_that_is_present(tmp_path: Path) -> None:
    rows = [{**GOOD, "file_name": f"x/{n}.mp4"} for n in ("ep", "ep_1", "other_1")]
    groups = [e.group for e in read_set(make_set(tmp_path, *rows)).examples]
    assert groups == ["x/ep", "x/ep", "x/other_1"]


def test_an_id_made_up_for_a_row_does_not_carry_the_label(tmp_path: Path) -> None:
    name = "viola/x_index_7_attempt_1_score_2.mp4"
    one = read_set(make_set(tmp_path / "a", {**GOOD, "file_name": name, "reward": 2})).examples[0]
    two = read_set(make_set(tmp_path / "b", {**GOOD, "file_name": name, "reward": 4})).examples[0]
    assert one.example_id == two.example_id
    assert "score" not in one.example_id


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "a JSON object is wanted"),
        ('{"file_name": "bridge/a.mp4", "task": "t", "reward": 1, "reward": 5}', "occurs twice"),
        ({**GOOD, "reward": 6}, "integer from 1 to 5, got 6"),
        ({**GOOD, "reward": True}, "got True"),
        ({**GOOD, "reward": 3.0}, "got 3.0"),
        ({**GOOD, "reward": "3"}, "got '3'"),
        ({**GOOD, "reward": None}, "got None"),
        ({**GOOD, "task": "  "}, "'task' is missing or empty"),
        ({**GOOD, "task": "x" * 10_000}, "10000 characters"),
        ({"task": "t", "reward": 1}, "'file_name' is missing"),
        ({**GOOD, "file_name": "../a.mp4"}, "leads out of"),
        ({**GOOD, "file_name": "/etc/hostname"}, "leads out of"),
        ({**GOOD, "file_name": "a\\b.mp4"}, "leads out of"),
        ({**GOOD, "origin": "guess"}, "'origin'"),
        ({**GOOD, "cut_frac": 2}, "'cut_frac'"),
        ({**GOOD, "cut_frac": True}, "'cut_frac'"),
        ({**GOOD, "validator": "accepted"}, "'validator' is no object"),
        ({**GOOD, "provenance": "[1]"}, "'provenance' is no object"),
        ({**GOOD, "provenance": '{"operation": "clip", "seed": NaN}'}, "'provenance' is no object"),
        (GOOD, "occurs twice"),
    ],
)
def test_a_bad_row_names_file_and_row_and_is_counted_when_skipping(
    tmp_path: Path, row: object, says: str
) -> None:
    folder = make_set(tmp_path, GOOD, row)
    with pytest.raises(DataError) as caught:
        read_set(folder)
    assert f"{folder / 'metadata.jsonl'}:2: " in str(caught.value)
    assert says in str(caught.value)
    found = read_set(folder, allow_bad=True)
    assert (len(found.examples), [bad.row for bad in found.bad_rows]) == (1, [2])
    assert says in found.bad_rows[0].reason


@pytest.mark.parametrize("name", ["bridge/gone.mp4", "bridge", "x" * 5_000 + ".mp4"])
def test_a_missing_video_is_a_bad_row(tmp_path: Path, name: str) -> None:
    folder = make_set(tmp_path, GOOD)
    with (folder / "metadata.jsonl").open("a") as stream:
        stream.write(json.dumps({**GOOD, "file_name": name}))
    with pytest.raises(DataError, match=":2: there is no video"):
        read_set(folder)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").touch()
    folder = make_set(tmp_path / "set", GOOD)
    (folder / "bridge" / "a.mp4").unlink()
    (folder / "bridge" / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(DataError, match="link out of"):
        read_set(folder)


def test_a_folder_of_splits_says_which_path_to_give(tmp_path: Path) -> None:
    make_set(tmp_path / "test", GOOD)
    make_set(tmp_path / "train", GOOD)
    with pytest.raises(UsageError, match=r"holds splits.*train or .*test"):
        read_set(tmp_path)


def test_a_folder_without_metadata_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"notes\.txt"):
        read_set(tmp_path)
    with pytest.raises(UsageError, match="There is no"):
        read_set(tmp_path / "nowhere")


def test_a_set_without_one_usable_row_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable example"):
        read_set(make_set(tmp_path, "{"), allow_bad=True)


def test_the_set_hash_ignores_order_and_place_and_sees_labels(tmp_path: Path) -> None:
    other = {**GOOD, "file_name": "bridge/b.mp4", "reward": 2}
    base = read_set(make_set(tmp_path / "a", GOOD, other)).set_hash
    assert read_set(make_set(tmp_path / "b", other, GOOD)).set_hash == base
    assert read_set(make_set(tmp_path / "c", GOOD, {**other, "reward": 3})).set_hash != base


def full_example(folder: Path) -> Example:
    (folder / "sim").mkdir(parents=True, exist_ok=True)
    (folder / "sim" / "e1.mp4").touch()
    return Example(
        example_id="e1",
        video=folder / "sim" / "e1.mp4",
        file_name="sim/e1.mp4",
        task="lift the r\u00f4bot",
        label=Label(score=2, author="sim-rule-v1", reason="lifted the wrong object"),
        source="sim",
        group="scene-3",
        origin="clip",
        episode_id="ep",
        view="front",
        parent_id="e0",
        cut_frac=0.3,
        validation=Validation(validator="rule", is_accepted=True, text="ANSWER: TRUE"),
        provenance=Provenance(operation="clip", parent_ids=("e0",), seed=4),
        extra={"gpt5_mini_check": None, "z": [1, {"a": 2}]},
    )


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    example = full_example(tmp_path)
    file = write_set(tmp_path, [example])
    assert read_set(file).examples == (example,)
    assert list(json.loads(file.read_text()))[:5] == [
        "file_name",
        "task",
        "reward",
        "example_id",
        "episode_id",
    ]


def test_objects_may_stand_as_such_or_as_json_text_and_nothing_has_three_forms(
    tmp_path: Path,
) -> None:
    example = full_example(tmp_path)
    row = json.loads(write_set(tmp_path, [example]).read_text())
    assert isinstance(row["validator"], str)
    assert isinstance(row["provenance"], str)
    older = row | {key: json.loads(row[key]) for key in ("validator", "provenance")}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(older))
    assert read_set(tmp_path).examples == (example,)
    optional = ("episode_id", "view", "label_reason", "parent_id", "validator", "provenance")
    for nothing in ({key: "" for key in optional}, dict.fromkeys(optional), {}):
        rest = {key: value for key, value in row.items() if key not in (*optional, "cut_frac")}
        whole = {"cut_frac": 1} if nothing else {}
        (tmp_path / "metadata.jsonl").write_text(json.dumps(rest | nothing | whole))
        (found,) = read_set(tmp_path).examples
        said = (found.episode_id, found.view, found.label.reason, found.parent_id, found.cut_frac)
        assert {*said, found.validation, found.provenance} == {None}


def test_writing_refuses_names_that_tell_the_label_and_videos_not_in_place(tmp_path: Path) -> None:
    example = full_example(tmp_path)
    for name, says in [("sim/e1_score_2.mp4", "tells the label"), ("sim/no.mp4", "no video")]:
        with pytest.raises(UsageError, match=says):
            write_set(tmp_path, [example.model_copy(update={"file_name": name})])
    with pytest.raises(UsageError, match="occurs twice"):
        write_set(tmp_path, [example, example])
    with pytest.raises(UsageError, match="no examples"):
        write_set(tmp_path, [])
    assert not (tmp_path / "metadata.jsonl").exists()


@pytest.mark.parametrize("key", ["group", "source", "origin", "example_id", "label_author"])
def test_a_zero_where_a_text_is_wanted_is_not_taken_for_absent(tmp_path: Path, key: str) -> None:
    with pytest.raises(DataError, match=r"metadata\.jsonl:1: .*got 0"):
        read_set(make_set(tmp_path, {**GOOD, key: 0}))


def test_the_longest_task_is_the_same_for_rows_and_for_models(tmp_path: Path) -> None:
    from roboreward.judge import MAX_TASK_CHARS

    assert read_set(make_set(tmp_path / "a", {**GOOD, "task": "x" * MAX_TASK_CHARS})).examples
    with pytest.raises(DataError, match="over the limit"):
        read_set(make_set(tmp_path / "b", {**GOOD, "task": "x" * (MAX_TASK_CHARS + 1)}))
