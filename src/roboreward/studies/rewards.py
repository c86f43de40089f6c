"""Where the one reward an episode comes from in a study."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import gymnasium as gym
from pydantic import BaseModel, ConfigDict

from roboreward.core import RewardModel
from roboreward.models import LabelSampler, load_model
from roboreward.rl import RewardModelWrapper
from roboreward.sim import SkillEnv
from roboreward.studies.results import FLOOR, NONE, ORACLE, ORACLE_LEVELS

_RULE: Final = "sim-rule-v1"
NANOS: Final[Mapping[str, str]] = {
    "nano": "nano",
    "nano-no-relabels": "nano-no-relabels",
    "nano-no-negatives": "nano-no-negatives",
}
"""The reward models that a study compares, by their name in it: those that come with the package."""


class RewardSource(BaseModel):
    """One reward of a study.

    Attributes:
        name: Its name in the study.
        uri: The reward model to load; "" for the simulator's own truth, for chance, and for no reward.
        revision: What else can change its numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    uri: str = ""
    revision: str = ""

    @property
    def is_trained(self) -> bool:
        """Whether a policy is trained with it."""
        return self.name != NONE

    def model(self, *, seed: int) -> RewardModel | None:
        """Return the reward model, or None where the environment's own reward is used."""
        if self.uri:
            return load_model(self.uri)
        return _chance(seed) if self.name == FLOOR else None

    def wrap(self, env: SkillEnv, *, model: RewardModel | None) -> gym.Env[Any, Any]:
        """Return the environment as the learner meets it: an episode that the model has no score for is dropped."""
        return env if model is None else RewardModelWrapper(env, model=model, on_error="drop")


def reward_sources(
    names: Sequence[str], uris: Mapping[str, str] = NANOS, *, further: Sequence[str] = ()
) -> dict[str, RewardSource]:
    """Return the rewards of a study by name, each reward model loaded once to learn its revision.

    Args:
        names: Of the study's own rewards.
        uris: Which reward models the names of `NANOS` stand for.
        further: Names of further reward models, which go by these.

    Raises:
        UnknownName: There is no such model.
    """
    truth = {NONE: "", ORACLE: _RULE, ORACLE_LEVELS: _RULE, FLOOR: LabelSampler().revision}
    found = {name: RewardSource(name=name, revision=truth[name]) for name in names if name in truth}
    models = {name: uris[name] for name in names if name not in truth}
    for name, uri in {**models, **{uri: uri for uri in further}}.items():
        found[name] = RewardSource(name=name, uri=uri, revision=load_model(uri).revision)
    return found


def _chance(seed: int) -> RewardModel:
    """Scores by chance, each level equally often: they say nothing about the episode."""
    sampler = LabelSampler(seed=seed)
    sampler.fit(["", "", "", "", ""], [1, 2, 3, 4, 5])
    return sampler
