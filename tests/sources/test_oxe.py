"""The registry agrees with the field names that others read off the releases, and admits what it does not know."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from roboreward.core import UnknownName, UsageError
from roboreward.sources.oxe import OxeDataset, oxe_dataset, oxe_datasets

# RoboReward's training rows by source, and the six sources that test lacks.
IN_TRAIN = [
    "robo_arena",
    "fractal20220817_data",
    "bridge",
    "droid",
    "toto",
    "taco_play",
    "jaco_play",
    "berkeley_autolab_ur5",
    "ucsd_pick_and_place",
    "nyu_door_opening_surprising_effectiveness",
    "roboturk",
    "austin_sirius",
    "cmu_play_fusion",
    "berkeley_mvp",
    "iamlab_cmu_pickup_insert",
    "berkeley_rpt",
    "berkeley_fanuc",
    "stanford_hydra",
    "kaist_nonprehensile",
    "ucsd_kitchen",
    "utokyo_pr2_opening_fridge",
    "utokyo_xarm_pick_and_place",
    "utokyo_pr2_tabletop",
    "dlr_edan",
    "viola",
    "utokyo_xarm_bimanual",
    "austin_buds",
    "tokyo_u_lsmo",
    "nyu_rot",
]
ONLY_IN_TRAIN = {
    "toto",
    "nyu_door_opening_surprising_effectiveness",
    "utokyo_pr2_opening_fridge",
    "utokyo_xarm_pick_and_place",
    "austin_buds",
    "nyu_rot",
}
NOT_IN_OCTO = {"droid", "robo_arena"}
BEYOND_OCTO = {"bridge": ({"image"}, {"observation/natural_language_instruction"})}
"""Keys of the OXE release of Bridge, which octo's tables do not have."""


@pytest.fixture
def fields(shared_data: Path) -> Mapping[str, Any]:
    lines = (shared_data / "text" / "oxe_field_names.jsonl").read_text().splitlines()
    return {row["dataset"]: row for row in map(json.loads, lines)}


def test_the_data_sets_are_those_that_roboreward_used() -> None:
    names = [dataset.name for dataset in oxe_datasets()]
    assert names == sorted(IN_TRAIN)
    assert len(names) == 29
    assert all(dataset.is_in_train for dataset in oxe_datasets())
    in_test = {dataset.name for dataset in oxe_datasets() if dataset.is_in_test}
    assert in_test == set(IN_TRAIN) - ONLY_IN_TRAIN
    assert len(in_test) == 23


def test_every_key_is_in_the_field_names(fields: Mapping[str, Any]) -> None:
    for dataset in oxe_datasets():
        if dataset.name in NOT_IN_OCTO:
            assert not set(dataset.rlds_names) & set(fields)
            continue
        row = next(fields[name] for name in dataset.rlds_names if name in fields)
        keys = row["image_obs_keys"]
        more_cameras, more_tasks = BEYOND_OCTO.get(dataset.name, (set(), set()))
        exterior = {keys["primary"], keys["secondary"]} - {None} | more_cameras
        found = {camera.key for camera in dataset.cameras if camera.kind == "exterior"}
        assert found == exterior, dataset.name
        wrist = {camera.key for camera in dataset.cameras if camera.kind == "wrist"}
        assert wrist == {keys["wrist"]} - {None}, dataset.name
        assert set(dataset.task_keys) == set(row["language_keys"]) | more_tasks
        assert dataset.keys_source == "octo"


def test_every_rlds_name_is_in_the_field_names_or_explained(fields: Mapping[str, Any]) -> None:
    strange = {
        name for dataset in oxe_datasets() for name in dataset.rlds_names if name not in fields
    }
    assert strange == {"droid", "bridge"}


def test_mapped_names_are_in_the_mixtures_where_octo_has_the_set(shared_data: Path) -> None:
    mixes = json.loads((shared_data / "text" / "oxe_mixes.json").read_text())
    known = {name for mix in mixes.values() for name, _ in mix}
    mapped = {dataset.name: set(dataset.rlds_names) & known for dataset in oxe_datasets()}
    assert {name for name, found in mapped.items() if not found} == NOT_IN_OCTO


@pytest.mark.parametrize("dataset", oxe_datasets(), ids=lambda dataset: dataset.name)
def test_every_entry_is_consistent(dataset: OxeDataset) -> None:
    keys = [camera.key for camera in dataset.cameras]
    assert len(set(keys)) == len(keys) > 0
    assert dataset.judged
    assert set(dataset.judged) <= set(keys)
    assert dataset.task_keys
    kinds = {dataset.kind_of(key) for key in dataset.judged}
    has_exterior = any(camera.kind == "exterior" for camera in dataset.cameras)
    assert kinds == ({"exterior"} if has_exterior else {"wrist"})
    assert (dataset.control_hz is None) == (dataset.control_source is None)
    assert (dataset.licence is None) == (dataset.licence_source is None)
    assert dataset.kind_of("no such camera") is None


def test_only_wrist_views_are_judged_where_there_is_nothing_else() -> None:
    on_the_wrist = {d.name for d in oxe_datasets() if d.kind_of(d.judged[0]) == "wrist"}
    assert on_the_wrist == {
        "nyu_door_opening_surprising_effectiveness",
        "berkeley_mvp",
        "berkeley_rpt",
    }


def test_a_data_set_is_found_by_either_name() -> None:
    assert oxe_dataset("berkeley_fanuc") is oxe_dataset("berkeley_fanuc_manipulation")
    assert oxe_dataset("bridge_dataset").name == "bridge"


def test_names_are_unique() -> None:
    names = [name for d in oxe_datasets() for name in {d.name, *d.rlds_names}]
    assert len(set(names)) == len(names)


def test_an_unknown_name_is_a_usage_error_with_near_names() -> None:
    with pytest.raises(UnknownName, match=r"'berkeley_fanucc'\. Did you mean .*berkeley_fanuc"):
        oxe_dataset("berkeley_fanucc")
    with pytest.raises(UsageError, match="Known: austin_buds"):
        oxe_dataset("0")


def test_licences_are_only_those_that_publishers_state() -> None:
    stated = {dataset.name: dataset.licence for dataset in oxe_datasets() if dataset.licence}
    assert stated == {"bridge": "CC BY 4.0", "droid": "CC BY 4.0", "robo_arena": "MIT"}
