"""What is known of the data sets that RoboReward used: which camera to judge, where the instruction is, how fast.

The facts are in `oxe.toml`, each with where it comes from. What is not known is None there, never a guess.
"""

import sys
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import UnknownName

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CameraKind = Literal["exterior", "wrist"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OxeCamera(_Facts):
    """A camera of a data set: its key under `observation`, and whether it stands in the room or rides on the arm."""

    key: str
    kind: CameraKind


class OxeDataset(_Facts):
    """One data set.

    Attributes:
        name: RoboReward's name of the subset, in the short form.
        rlds_names: Names of its RLDS releases; the mapping is ours. Empty where there is none.
        cameras: RGB cameras, exterior ones first.
        judged: Keys of the view to judge, in order of preference: the first that a release has. Our choice.
        task_keys: Keys of the instruction under `steps`, in order of preference: the first that is not empty.
        keys_source: Where the keys come from, by a name that `oxe.toml` explains.
        control_hz: Steps a second, or None where it is not known.
        control_source: Where that comes from, likewise.
        embodiment: The robot, or None.
        session_key: Key in a record of what the episodes of one session share, where there is one.
        licence: As its publisher states it, or None where no statement of theirs is known.
        licence_source: Where that was read.
        is_in_train: Whether RoboReward's training split has it.
        is_in_test: Whether its test split, RoboRewardBench, has it.
        note: What else a user should know.
    """

    name: str
    rlds_names: tuple[str, ...]
    cameras: tuple[OxeCamera, ...]
    judged: tuple[str, ...]
    task_keys: tuple[str, ...]
    keys_source: str
    control_hz: float | None = Field(default=None, gt=0)
    control_source: str | None = None
    embodiment: str | None = None
    session_key: str | None = None
    licence: str | None = None
    licence_source: str | None = None
    is_in_train: bool
    is_in_test: bool
    note: str | None = None

    def kind_of(self, camera: str) -> CameraKind | None:
        """Return what kind of camera has this key, or None where that is not known."""
        return next((known.kind for known in self.cameras if known.key == camera), None)


def oxe_datasets() -> tuple[OxeDataset, ...]:
    """Return all data sets of the registry, by RoboReward's name."""
    return tuple(dataset for _, dataset in sorted(_registry().items()))


def oxe_dataset(name: str) -> OxeDataset:
    """Return the data set that RoboReward or an RLDS release names so.

    Raises:
        UnknownName: There is none; offers near names.
    """
    registry = _registry()
    by_name = {rlds: dataset for dataset in registry.values() for rlds in dataset.rlds_names}
    by_name |= registry
    if name not in by_name:
        raise UnknownName("OXE dataset", name, by_name)
    return by_name[name]


@cache
def _registry() -> dict[str, OxeDataset]:
    text = files("roboreward.sources").joinpath("oxe.toml").read_text("utf-8")
    return {name: OxeDataset(name=name, **facts) for name, facts in tomllib.loads(text).items()}
