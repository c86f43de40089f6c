"""What one run is: one reward model on one example set, and which of its settings can change a number."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

import roboreward
from roboreward.core import FramePolicy, RewardModel, content_id, identity_of

_IDENTITY: dict[str, Any] = {"role": "identity"}
_TRANSPORT: dict[str, Any] = {"role": "transport"}
RECORD_FORMAT = "record-v1"
NUM_FOLDS = 5


class RunConfig(BaseModel):
    """Settings of one run. Identity fields enter the run id; transport fields cannot change a number.

    Attributes:
        model: URI of the reward model.
        revision: What the model says of its own version.
        set_hash: Content digest of the whole example set.
        limit: Number of examples asked for, or None for all; see `choose_examples`.
        frame_policy: Which frames the model is shown.
        num_folds: Folds for models that are fitted on labels of other groups.
        seed: Reserved for models that draw; recorded in any case.
        package_version: Version of this package: prompts, parsers and frame sampling change with it.
        record_format: Version of the record line.
        set_name: The set's name, for people.
        set_path: Where the set was read from, so that a report can find the videos.
        chunk_size: Queries handed to the model at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(json_schema_extra=_IDENTITY)
    revision: str = Field(json_schema_extra=_IDENTITY)
    set_hash: str = Field(json_schema_extra=_IDENTITY)
    limit: int | None = Field(default=None, ge=1, json_schema_extra=_IDENTITY)
    frame_policy: FramePolicy = Field(json_schema_extra=_IDENTITY)
    num_folds: int = Field(default=NUM_FOLDS, ge=2, json_schema_extra=_IDENTITY)
    seed: int = Field(default=0, json_schema_extra=_IDENTITY)
    package_version: str = Field(
        default_factory=lambda: roboreward.__version__, json_schema_extra=_IDENTITY
    )
    record_format: str = Field(default=RECORD_FORMAT, json_schema_extra=_IDENTITY)
    set_name: str = Field(default="", json_schema_extra=_TRANSPORT)
    set_path: str | None = Field(default=None, json_schema_extra=_TRANSPORT)
    chunk_size: int = Field(default=32, ge=1, json_schema_extra=_TRANSPORT)

    @property
    def run_id(self) -> str:
        """`<model slug>-<identity hash>`: the name of the run's folder."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-")[:48].strip("-")
        return f"{slug or 'model'}-{content_id(identity_of(self), length=10)}"

    @property
    def set_key(self) -> tuple[str, int | None]:
        """What two runs must share for their numbers to be compared."""
        return (self.set_hash, self.limit)

    @property
    def is_floor(self) -> bool:
        """Whether the model is one of the floors that every table shows."""
        return self.model.startswith("floor:")

    @classmethod
    def of(cls, model: RewardModel, **settings: Any) -> "RunConfig":
        """Return the config of a run of `model`; `settings` are the remaining fields."""
        return cls(
            model=model.name,
            revision=model.revision,
            frame_policy=model.frame_policy,
            **settings,
        )
