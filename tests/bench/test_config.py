"""Which settings make two runs the same run."""

import pytest

from roboreward.bench import RunConfig
from roboreward.core import FramePolicy, role_of


def config(**changes: object) -> RunConfig:
    base = {"model": "nano", "revision": "r", "set_hash": "h", "frame_policy": FramePolicy()}
    return RunConfig.model_validate({**base, **changes})


@pytest.mark.parametrize("name", sorted(RunConfig.model_fields))
def test_every_field_says_whether_it_can_change_a_number(name: str) -> None:
    assert role_of(name, RunConfig.model_fields[name]) in ("identity", "transport")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"revision": "r2"},
        {"set_hash": "h2"},
        {"limit": 3},
        {"frame_policy": FramePolicy(max_frames=4)},
        {"seed": 1},
        {"package_version": "9"},
    ],
)
def test_what_can_change_a_number_changes_the_run_id(change: dict[str, object]) -> None:
    assert config(**change).run_id != config().run_id


def test_what_cannot_change_a_number_leaves_the_run_id() -> None:
    assert config(chunk_size=7, set_name="x", set_path="/y").run_id == config().run_id


def test_the_run_id_is_a_safe_folder_name_for_any_model() -> None:
    run_id = config(model="vllm:http://host:80/../A b\n" + "x" * 300).run_id
    assert set(run_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(run_id) < 80
    assert config(model="\u00e9").run_id.startswith("model-")
