"""RLDS folders become episodes one by one; what is wrong with one is raised, or counted with file and record."""

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, UnknownName, UsageError
from roboreward.sources import Footage, Skip, Source, SourceEpisode
from roboreward.sources.crc32c import crc32c
from roboreward.sources.rlds import RldsSource
from roboreward.sources.rlds_episode import black_views

OPTIONS: dict[str, Any] = {"view": "image", "fps": 5.0}


def read(folder: Path, **options: Any) -> list[SourceEpisode]:
    return list(RldsSource(folder, **{**OPTIONS, **options}).episodes())


def read_leniently(folder: Path, **options: Any) -> tuple[list[SourceEpisode], list[Skip]]:
    skips: list[Skip] = []
    source = RldsSource(folder, **{**OPTIONS, **options})
    return list(source.episodes(on_skip=skips.append)), skips


@pytest.fixture
def folder(tmp_path: Path, writing: Any) -> Path:
    """Two shards of two and one episodes."""
    records = [writing.episode(number) for number in range(3)]
    return writing.folder(tmp_path / "set", [records[:2], records[2:]])


def shard(folder: Path, index: int = 0) -> Path:
    return sorted(folder.glob("*.tfrecord-*"))[index]


def test_an_episode_holds_what_its_record_says(folder: Path) -> None:
    source = RldsSource(folder, **OPTIONS)
    assert isinstance(source, Source)
    first, second, third = source.episodes()
    assert [first.task, second.task, third.task] == [f"lift block {i}" for i in range(3)]
    assert first.source == source.name == "my_robot"
    assert source.licence is None
    assert list(first.views) == ["image", "hand_image"]
    assert first.judged_view == "image"
    assert first.label is None
    assert first.where.endswith("my_robot-train.tfrecord-00000-of-00002: record 0 (from 0)")
    assert first.extra == {
        "embodiment": None,
        "dataset": "my_robot",
        "version": "1.0.0",
        "num_steps": 3,
        "last_reward": 1.0,
        "is_last": True,
        "is_terminal": False,
        "episode_metadata": {"file_path": "/data/0.npy"},
    }
    json.dumps(dict(first.extra), allow_nan=False)


def test_frames_are_decoded_when_asked_and_again(folder: Path) -> None:
    footage = read(folder)[0].views["image"]
    assert isinstance(footage, Footage)
    assert (footage.fps, footage.num_frames) == (5.0, 3)
    for _ in range(2):
        frames = list(footage.frames())
        assert [frame.shape for frame in frames] == [(16, 24, 3)] * 3
        assert [round(float(frame.mean())) for frame in frames] == [60, 70, 80]
        assert frames[0].dtype == np.uint8


def test_only_the_frames_that_are_taken_are_decoded(tmp_path: Path, writing: Any) -> None:
    pictures = [writing.picture(80), b"damaged", writing.picture(120)]
    record = writing.episode(steps__observation__image=pictures)
    footage: Any = read(writing.folder(tmp_path / "a", [[record]]))[0].views["image"]
    assert [round(float(frame.mean())) for frame in footage.take([0, 2])] == [80, 120]
    with pytest.raises(UsageError, match="step 3 is wanted, there are 3"):
        list(footage.take([3]))


def test_ids_are_distinct_and_stable(folder: Path) -> None:
    ids = [episode.episode_id for episode in read(folder)]
    assert ids == [
        "my_robot-train-00000-00000",
        "my_robot-train-00000-00001",
        "my_robot-train-00001-00000",
    ]
    assert ids == [episode.episode_id for episode in read(folder)]


def test_the_same_frames_are_one_group_and_so_is_a_session(tmp_path: Path, writing: Any) -> None:
    other = [writing.picture(60), writing.picture(90), writing.picture(80)]
    records = [
        writing.episode(0),
        writing.episode(1),
        writing.episode(1, steps__observation__image=other),
    ]
    folder = writing.folder(tmp_path / "a", [records])
    first, same, different = (episode.group for episode in read(folder))
    assert first == same != different
    key = "episode_metadata/file_path"
    first, second, same = (episode.group for episode in read(folder, session_key=key))
    assert first != second == same
    assert "data" not in first
    with pytest.raises(UnknownName, match="Did you mean episode_metadata/file_path"):
        read(folder, session_key="metadata/file_path")


def test_reading_is_lazy(folder: Path) -> None:
    data = shard(folder, 1).read_bytes()
    shard(folder, 1).write_bytes(data[:-1])
    episodes = RldsSource(folder, **OPTIONS).episodes()
    assert next(episodes).task == "lift block 0"
    next(episodes)
    with pytest.raises(
        DataError, match=r"00001-of-00002: record 0 \(from 0\): the file ends early"
    ):
        next(episodes)


def test_a_wrong_checksum_is_raised_or_counted(folder: Path) -> None:
    data = bytearray(shard(folder).read_bytes())
    data[-8] ^= 1  # in the second and last record
    shard(folder).write_bytes(data)
    with pytest.raises(DataError, match=r"00000-of-00002: record 1 \(from 0\).*checksum"):
        read(folder)
    episodes, skips = read_leniently(folder)
    assert [episode.task for episode in episodes] == ["lift block 0", "lift block 2"]
    assert [(skip.reason, skip.where) for skip in skips] == [
        ("checksum", f"{shard(folder)}: record 1 (from 0)")
    ]
    assert skips[0].message.startswith(skips[0].where)


def test_a_truncated_shard_is_raised_or_its_episodes_counted_and_the_next_shard_read(
    folder: Path,
) -> None:
    shard(folder).write_bytes(shard(folder).read_bytes()[:50])
    with pytest.raises(DataError, match=r"record 0 \(from 0\): the file ends early"):
        read(folder)
    episodes, skips = read_leniently(folder)
    assert [episode.task for episode in episodes] == ["lift block 2"]
    assert [skip.reason for skip in skips] == ["truncated", "truncated"]
    assert [skip.where[-17:] for skip in skips] == ["record 0 (from 0)", "record 1 (from 0)"]


def test_lost_episodes_that_nobody_counted_are_raised_in_any_case(
    folder: Path,
) -> None:
    (folder / "dataset_info.json").unlink()
    shard(folder).write_bytes(shard(folder).read_bytes()[:-1])
    with pytest.raises(DataError, match="ends early"):
        read_leniently(folder)


def test_a_shard_with_fewer_records_than_promised_is_raised_or_counted(
    tmp_path: Path, writing: Any
) -> None:
    folder = writing.folder(tmp_path / "a", [[writing.episode(0)]])
    promise(folder, ["3"])
    with pytest.raises(DataError, match=r"holds 1 records, dataset_info\.json promises 3"):
        read(folder)
    episodes, skips = read_leniently(folder)
    assert len(episodes) == 1
    assert [skip.reason for skip in skips] == ["missing_record", "missing_record"]


def test_a_shard_with_more_records_than_promised_is_raised(folder: Path) -> None:
    promise(folder, ["1", "1"])
    with pytest.raises(DataError, match=r"holds 2 records, dataset_info\.json promises 1"):
        read_leniently(folder)


def promise(folder: Path, lengths: list[str], **changes: Any) -> None:
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"][0]["shardLengths"] = lengths
    info["splits"][0] |= changes
    path.write_text(json.dumps(info))


def test_records_that_are_no_examples_are_raised_or_counted(tmp_path: Path, writing: Any) -> None:
    folder = writing.folder(tmp_path / "a", [[b"\x0a\xff", writing.episode(1)]])
    with pytest.raises(DataError, match=r"record 0 \(from 0\): not a tf.train.Example"):
        read(folder)
    episodes, skips = read_leniently(folder)
    assert len(episodes) == 1
    assert skips[0].reason == "not_an_example"
    assert skips[0].message.count(str(folder)) == 1


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"steps__language_instruction": None}, "no_task", "'steps/language_instruction'"),
        ({"steps__language_instruction": [b"", b" ", b"\n"]}, "no_task", "are empty or absent"),
        ({"steps__language_instruction": [b"\xff\xfe"] * 3}, "bad_text", "not UTF-8"),
        ({"steps__language_instruction": ["a\ufffdb".encode()] * 3}, "bad_text", "not UTF-8"),
        ({"steps__language_instruction": [b"a", b"b"]}, "uneven_steps", "2 texts for 3 steps"),
        ({"steps__observation__image": None}, "no_frames", "steps/observation/image"),
        ({"steps__observation__hand_image": []}, "no_frames", "steps/observation/hand_image"),
        ({"steps__observation__hand_image": [b"x"]}, "uneven_steps", "different numbers of frames"),
        ({"steps__observation__image": [b"no"] * 3}, "bad_picture", "step 0"),
    ],
)
def test_episodes_that_cannot_be_used_are_raised_or_counted(
    changes: dict[str, Any], reason: str, words: str, tmp_path: Path, writing: Any
) -> None:
    folder = writing.folder(tmp_path / "a", [[writing.episode(0, **changes), writing.episode(1)]])
    with pytest.raises(DataError, match=words) as caught:
        read(folder)
    assert f"{shard(folder)}: record 0 (from 0)" in str(caught.value)
    episodes, skips = read_leniently(folder)
    assert [episode.task for episode in episodes] == ["lift block 1"]
    assert [skip.reason for skip in skips] == [reason]
    assert words in skips[0].message


def test_the_first_instruction_that_is_not_empty_is_taken_and_a_change_is_noted(
    tmp_path: Path, writing: Any
) -> None:
    texts = [b"", b" open the door ", "schlie\u00dfe die T\u00fcr".encode()]
    record = writing.episode(steps__language_instruction=texts)
    episode = read(writing.folder(tmp_path / "a", [[record]]))[0]
    assert episode.task == "open the door"
    assert episode.extra["task_variants"] == ["open the door", "schlie\u00dfe die T\u00fcr"]


def test_instructions_of_the_whole_episode_and_of_several_keys_are_read(
    tmp_path: Path, writing: Any
) -> None:
    features = writing.features_json(
        {"image": writing.image(16, 24, 3)},
        {"reward": writing.tensor("float32")},
        {"task": {"text": {}}},
    )
    record = writing.episode(
        steps__language_instruction=None,
        steps__observation__hand_image=None,
        episode_metadata__task=[b"one for all"],
    )
    folder = writing.folder(tmp_path / "a", [[record]], features=features)
    assert read(folder, task_key="episode_metadata/task")[0].task == "one for all"
    with pytest.raises(UsageError, match=r"Pass task_key=.*episode_metadata/task"):
        read(folder)


def test_droid_falls_back_on_its_other_wordings(tmp_path: Path, writing: Any) -> None:
    keys = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
    texts = ("language_instruction", "language_instruction_2", "language_instruction_3")
    features = writing.features_json(
        {key: writing.image(16, 24, 3) for key in keys},
        {key: writing.tensor("string") for key in texts},
        {},
    )
    pictures = {f"steps/observation/{key}": [writing.picture(80)] * 2 for key in keys}
    instructions = {
        f"steps/{key}": [text] * 2
        for key, text in zip(texts, [b"", b"lift", b"raise"], strict=True)
    }
    folder = writing.folder(
        tmp_path / "a", [[{**pictures, **instructions}]], name="droid", features=features
    )
    source = RldsSource(folder)
    assert (source.judged_view, source.fps, source.licence) == (keys[0], 15.0, "CC BY 4.0")
    episode = next(source.episodes())
    assert episode.task == "lift"
    assert episode.extra["embodiment"] == "Franka"
    exterior = next(RldsSource(folder, allow_wrist_views=False).episodes())
    assert list(exterior.views) == list(keys[:2])
    with pytest.raises(UsageError, match="wrist view"):
        RldsSource(folder, view=keys[2], allow_wrist_views=False)


def test_instructions_that_are_padded_integers_are_read(tmp_path: Path, writing: Any) -> None:
    features = writing.features_json(
        {"rgb": writing.image(16, 24, 3)}, {"instruction": writing.tensor("int32", 16)}, {}
    )
    row = list(b"push the block".ljust(16, b"\0"))
    record = {"steps/observation/rgb": [writing.picture(80)] * 2, "steps/instruction": row * 2}
    folder = writing.folder(tmp_path / "a", [[record]], features=features)
    assert read(folder, view="rgb")[0].task == "push the block"


def test_a_black_judged_view_is_raised_or_counted_unless_it_is_allowed(
    tmp_path: Path, writing: Any
) -> None:
    black = writing.episode(0, steps__observation__image=[writing.picture(3)] * 3)
    folder = writing.folder(tmp_path / "a", [[black, writing.episode(1)]])
    with pytest.raises(DataError, match="black in all 3 frames"):
        read(folder)
    episodes, skips = read_leniently(folder)
    assert ([e.task for e in episodes], [s.reason for s in skips]) == (
        ["lift block 1"],
        ["black_view"],
    )
    assert black_views(episodes[0]) == ()
    assert black_views(read(folder, allow_black=True)[0]) == ("image",)
    assert black_views(read(folder, view="hand_image")[0]) == ("image",)


def test_a_picture_that_is_damaged_later_on_names_its_step(tmp_path: Path, writing: Any) -> None:
    pictures = [writing.picture(80), writing.picture(90)[:-40], b""]
    record = writing.episode(steps__observation__image=pictures)
    frames = read(writing.folder(tmp_path / "a", [[record]]))[0].views["image"].frames()
    next(frames)
    with pytest.raises(DataError, match=r"record 0 \(from 0\), steps/observation/image, step 1"):
        next(frames)


def test_a_picture_of_another_size_than_promised_is_a_data_error(
    tmp_path: Path, writing: Any
) -> None:
    pictures = [writing.picture(80), writing.picture(80, size=(8, 8))]
    record = writing.episode(num_steps=2, steps__observation__image=pictures)
    frames = read(writing.folder(tmp_path / "a", [[record]]))[0].views["image"].frames()
    next(frames)
    with pytest.raises(DataError, match=r"is \(8, 8, 3\), features\.json says \(16, 24, 3\)"):
        next(frames)


def test_png_and_sizes_that_vary_are_read(tmp_path: Path, writing: Any) -> None:
    features = writing.features_json(
        {"image": writing.image(-1, -1, 3)}, {"language_instruction": {"text": {}}}, {}
    )
    pictures = [writing.picture(80, kind="png"), writing.picture(90, size=(8, 8), kind="png")]
    record = writing.episode(num_steps=2, steps__observation__image=pictures)
    folder = writing.folder(tmp_path / "a", [[record]], features=features)
    shapes = [frame.shape for frame in read(folder, view=None)[0].views["image"].frames()]
    assert shapes == [(16, 24, 3), (8, 8, 3)]


def test_a_missing_features_file_is_a_data_error_that_looks_around(folder: Path) -> None:
    with pytest.raises(DataError, match=r"features\.json is missing \(did you mean .*set\?\)"):
        RldsSource(folder.parent, **OPTIONS)
    (folder / "features.json").unlink()
    with pytest.raises(DataError, match=r"features\.json is missing\. Copy it"):
        RldsSource(folder, **OPTIONS)
    with pytest.raises(DataError, match="no such folder"):
        RldsSource(folder / "absent", **OPTIONS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "a JSON object is wanted"),
        ("{}", "this is not RLDS"),
        ('{"featuresDict": {"features": {"steps": 3}}}', "no object"),
        ("[" * 100_000, "is not JSON"),
        (
            '{"featuresDict": {"features": {"steps": {"sequence": {"feature": {"featuresDict": {"features": '
            '{"a": {"image": {"shape": {"dimensions": ["x"]}}}}}}}}}}}',
            "not made of integers",
        ),
    ],
)
def test_a_features_file_that_makes_no_sense_is_a_data_error(
    content: str, words: str, folder: Path
) -> None:
    (folder / "features.json").write_text(content)
    with pytest.raises(DataError, match=words):
        RldsSource(folder, **OPTIONS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filepathTemplate": "../{DATASET}.{SHARD_X_OF_Y}"}, "no plain file name"),
        ({"filepathTemplate": "{HOME}-{SHARD_X_OF_Y}"}, "no plain file name"),
        ({"filepathTemplate": "{DATASET}-{SPLIT}.rec"}, "have the same file name"),
        ({"shardLengths": ["x"]}, "list of record counts"),
        ({"shardLengths": []}, "list of record counts"),
        ({"shardLengths": ["-1"]}, "list of record counts"),
    ],
)
def test_a_split_that_makes_no_sense_is_a_data_error(
    changes: dict[str, Any], words: str, folder: Path
) -> None:
    promise(folder, ["2", "1"], **changes)
    with pytest.raises(DataError, match=words):
        RldsSource(folder, **OPTIONS)


def test_a_split_that_is_listed_twice_is_a_data_error(folder: Path) -> None:
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"] *= 2
    path.write_text(json.dumps(info))
    with pytest.raises(DataError, match="'train' is listed twice"):
        RldsSource(folder, **OPTIONS)


def test_other_file_formats_are_named(folder: Path) -> None:
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fileFormat": "array_record"}))
    with pytest.raises(DataError, match="'array_record', only 'tfrecord' is read"):
        RldsSource(folder, **OPTIONS)


def test_templates_are_followed(folder: Path) -> None:
    promise(folder, ["2", "1"], filepathTemplate="{SPLIT}_{SHARD_INDEX}of{NUM_SHARDS}.rec")
    for index, path in enumerate(sorted(folder.glob("*.tfrecord-*"))):
        path.rename(folder / f"train_{index:05d}of00002.rec")
    assert len(read(folder)) == 3


def test_a_folder_without_dataset_info_is_read_by_file_names(folder: Path) -> None:
    (folder / "dataset_info.json").unlink()
    assert [episode.source for episode in read(folder)] == ["my_robot"] * 3
    shard(folder, 1).rename(folder / "other-train.tfrecord-00000-of-00001")
    with pytest.raises(DataError, match="shards of several data sets"):
        RldsSource(folder, **OPTIONS)
    (folder / "other-train.tfrecord-00000-of-00001").unlink()
    with pytest.raises(DataError, match=r"1 of 2 shards of 'train' are missing: \[1\]"):
        RldsSource(folder, **OPTIONS)


def test_missing_shards_are_named_and_can_be_left_out(folder: Path) -> None:
    shard(folder).unlink()
    with pytest.raises(DataError, match=r"1 of 2 shards of 'train' are missing: \[0\].*shards="):
        RldsSource(folder, **OPTIONS)
    assert [episode.task for episode in read(folder, shards=[1])] == ["lift block 2"]
    with pytest.raises(DataError, match=r"shards \[7\] are wanted, 'train' has 2"):
        RldsSource(folder, **OPTIONS, shards=[1, 7])


def test_unknown_names_are_offered_near_ones(folder: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean bridge"):
        RldsSource(folder, dataset="brigde", **OPTIONS)
    with pytest.raises(UnknownName, match="Known: train"):
        RldsSource(folder, **OPTIONS, split="eval")
    with pytest.raises(UnknownName, match="Did you mean image"):
        RldsSource(folder, view="observation/imagee", fps=5)
    with pytest.raises(UnknownName, match="Did you mean language_instruction"):
        RldsSource(folder, **OPTIONS, task_key="language_instructions")


def test_what_the_registry_does_not_know_must_be_given(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"Pass view=, one of: image, hand_image\."):
        RldsSource(folder, fps=5)
    with pytest.raises(UsageError, match=r"my_robot: .* Pass fps="):
        RldsSource(folder, view="image")
    with pytest.raises(UsageError, match="must be a number above 0, got 0"):
        RldsSource(folder, view="image", fps=0)
    with pytest.raises(UsageError, match=r"Pass view=, one of: image, hand_image\."):
        RldsSource(folder, dataset="viola")


def test_a_name_of_the_registry_supplies_camera_and_rate(folder: Path) -> None:
    source = RldsSource(folder, dataset="utokyo_xarm_pick_and_place")
    assert (source.name, source.judged_view, source.fps) == (
        "utokyo_xarm_pick_and_place",
        "image",
        10.0,
    )
    kept = next(
        RldsSource(folder, dataset="utokyo_xarm_pick_and_place", allow_wrist_views=False).episodes()
    )
    assert list(kept.views) == ["image"]


def test_memory_does_not_grow_with_the_number_of_episodes(
    tmp_path: Path, writing: Any, traced: Any
) -> None:
    pictures = [writing.picture(80, kind="png") + bytes(20_000)] * 2
    record = writing.example(writing.episode(num_steps=2, steps__observation__image=pictures))
    few = writing.folder(tmp_path / "few", [[record] * 5], crc=crc32c)
    many = writing.folder(tmp_path / "many", [[record] * 1000, [record] * 1000], crc=crc32c)

    def count(folder: Path) -> int:
        return sum(1 for _ in RldsSource(folder, **OPTIONS).episodes())

    count(few)  # warms up imports and tables
    num_few, few_bytes = traced(lambda: count(few))
    num_many, many_bytes = traced(lambda: count(many))
    assert (num_few, num_many) == (5, 2000)
    assert many_bytes < few_bytes + 3 * len(record)


def test_no_record_stays_in_memory_beside_its_episode(tmp_path: Path, writing: Any) -> None:
    padding = [bytes(4_000_000)]
    record = writing.example(writing.episode(num_steps=1, steps__padding=padding))
    folder = writing.folder(tmp_path / "a", [[record] * 3], crc=crc32c)
    episodes = RldsSource(folder, **OPTIONS).episodes()
    next(episodes)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        held = next(episodes)
        assert held.task
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def bridge(shared_data: Path) -> Path:
    return shared_data / "rlds" / "bridge_dataset" / "1.0.0"


def test_real_bridge_shards_are_read_as_the_registry_says(bridge: Path) -> None:
    source = RldsSource(bridge)
    assert (source.name, source.licence, source.fps) == ("bridge", "CC BY 4.0", 5.0)
    episodes = list(source.episodes())
    assert len(episodes) == 25
    first = episodes[0]
    assert first.task == "put cup from counter or drying rack into sink"
    assert first.judged_view == "image_0"
    assert set(first.views) == {f"image_{number}" for number in range(4)}
    frames = list(first.views["image_0"].frames())
    assert len(frames) == first.extra["num_steps"] == 10
    assert frames[0].shape == (64, 64, 3)


def test_real_bridge_flags_say_nothing_and_are_reported_as_they_are(bridge: Path) -> None:
    for episode in RldsSource(bridge).episodes():
        assert episode.extra["is_last"] is False
        assert episode.extra["last_reward"] == 0.0
        assert episode.extra["episode_metadata"]["has_image_0"] is False
        assert black_views(episode) == ("image_3",)
        assert episode.label is None


def test_the_black_camera_of_bridge_is_never_judged_silently(bridge: Path) -> None:
    episodes, skips = read_leniently(bridge, view="image_3")
    assert not episodes
    assert [skip.reason for skip in skips] == ["black_view"] * 25


def test_the_same_real_episodes_in_two_splits_fall_into_the_same_groups(bridge: Path) -> None:
    train = list(RldsSource(bridge).episodes())
    val = list(RldsSource(bridge, split="val").episodes())
    assert {episode.group for episode in train} == {episode.group for episode in val}
    assert not {episode.episode_id for episode in train} & {episode.episode_id for episode in val}


def test_a_damaged_copy_of_a_real_shard_is_found(bridge: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bridge, copy)
    path = copy / "bridge_dataset-train.tfrecord-00000-of-00001"
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[1_000_000] ^= 4
    path.write_bytes(data)
    skips: list[Skip] = []
    episodes = list(RldsSource(copy).episodes(on_skip=skips.append))
    assert (len(episodes), [skip.reason for skip in skips]) == (24, ["checksum"])
