"""Out-of-fold: every group in one fold, every fold with something to learn from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboreward.bench.folds import group_folds
from roboreward.core import Example, Label, UsageError


def examples(groups: list[str]) -> list[Example]:
    return [
        Example.model_construct(example_id=str(i), group=group, label=Label(score=1, author="a"))
        for i, group in enumerate(groups)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=2, max_size=12, unique=True))
def test_folds_are_even_and_do_not_depend_on_order(groups: list[str]) -> None:
    folds = group_folds(examples(groups * 2), num_folds=5)
    assert folds == group_folds(examples(groups[::-1]), num_folds=5)
    sizes = [list(folds.values()).count(fold) for fold in set(folds.values())]
    assert len(sizes) == min(5, len(groups))
    assert max(sizes) - min(sizes) <= 1


def test_one_group_leaves_nothing_to_learn_from() -> None:
    with pytest.raises(UsageError, match="at least 2 groups"):
        group_folds(examples(["a", "a"]), num_folds=5)
