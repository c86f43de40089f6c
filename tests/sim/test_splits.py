"""Splits and seeds."""

from typing import Any, cast

import pytest

from roboreward.core import UnknownName
from roboreward.sim import SPLITS, episode_seed


def test_no_two_episodes_of_any_split_share_a_seed() -> None:
    seeds = {episode_seed(split, index) for split in SPLITS for index in range(2000)}
    assert len(seeds) == 2000 * len(SPLITS)


def test_seeds_are_the_same_for_ever() -> None:
    assert episode_seed("train", 0) == SEED_OF_TRAIN_0


def test_an_unknown_split_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="test-combos"):
        episode_seed(cast(Any, "test-combo"), 0)


SEED_OF_TRAIN_0 = 1004301778038219880
