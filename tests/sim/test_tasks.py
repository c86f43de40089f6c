"""What can be asked in a scene."""

import numpy as np
import pytest

from roboreward.core import UsageError
from roboreward.sim import RELATIONS, Task, all_tasks, sample_layout


def test_a_scene_offers_every_relation_at_most_once_for_the_same_things() -> None:
    for seed in range(20):
        tasks = all_tasks(sample_layout(np.random.default_rng(seed), split="train"))
        assert len(set(tasks)) == len(tasks)
        assert {task.relation for task in tasks} >= set(RELATIONS) - {"stack"}


def test_balls_are_never_stacked() -> None:
    for seed in range(20):
        layout = sample_layout(np.random.default_rng(seed), split="train")
        for task in all_tasks(layout):
            if task.relation == "stack":
                shapes = {layout.objects[i].shape for i in (task.subject, task.target)}
                assert "ball" not in shapes


def test_nonsense_tasks_are_refused() -> None:
    with pytest.raises(UsageError):
        Task("lift", 0, 1)
    with pytest.raises(UsageError):
        Task("put", 0)
    with pytest.raises(UsageError):
        Task("stack", 2, 2)
    with pytest.raises(UsageError):
        _ = Task("lift", 0).target
