"""Out-of-fold answers for models that are fitted on labels: no example is answered by a model that saw its group."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from roboreward.core import UsageError


class _Grouped(Protocol):
    @property
    def group(self) -> str: ...


def group_folds(examples: Sequence[_Grouped], *, num_folds: int) -> dict[str, int]:
    """Deal groups to folds, the same way for the same set of groups, whatever their order.

    Groups are sorted by the digest of their name and dealt in turn, so every fold but the last few is equally full and
    none is empty.

    Returns:
        Fold number by group, from 0; fewer folds than asked for when there are fewer groups.

    Raises:
        UsageError: Fewer than 2 groups: nothing would be left to learn from.
    """
    groups = sorted({example.group for example in examples}, key=_digest)
    if len(groups) < 2:
        raise UsageError(
            f"A model that is fitted on labels needs examples of at least 2 groups, got {len(groups)}. "
            "Leave it out (`roboreward bench run --no-floors`), or use a larger set."
        )
    num = min(num_folds, len(groups))
    return {group: position % num for position, group in enumerate(groups)}


def _digest(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
