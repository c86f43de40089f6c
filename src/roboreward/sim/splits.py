"""Which scenes, combinations and phrasings belong to training and which to testing.

train         training combinations and phrasings
test          new scenes; the same combinations and phrasings
test-combos   scenes with at least one colour-shape combination that no other split shows, in the task
test-phrasing new scenes; phrasings that training never uses, built from words that it does use
"""

import hashlib
from typing import Final, Literal, get_args

from roboreward.core import UnknownName

Split = Literal["train", "test", "test-combos", "test-phrasing"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

HELD_OUT_OBJECTS: Final[frozenset[tuple[str, str]]] = frozenset(
    {("red", "ball"), ("green", "cylinder"), ("purple", "cube")}
)
HELD_OUT_RECEPTACLES: Final[frozenset[tuple[str, str]]] = frozenset(
    {("brown", "bowl"), ("cyan", "plate")}
)


def check_split(split: str) -> Split:
    """Return `split` if there is one of that name.

    Raises:
        UnknownName: There is not; the message offers the nearest names.
    """
    for known in SPLITS:
        if split == known:
            return known
    raise UnknownName("split", split, SPLITS)


def allows_held_out(split: Split) -> bool:
    """Whether scenes of this split show held-out combinations."""
    return split == "test-combos"


def episode_seed(split: Split, index: int) -> int:
    """Return the seed of one episode, in [0, 2**63). Splits share none, short of a collision of SHA-256."""
    digest = hashlib.sha256(f"roboreward-sim-v1/{check_split(split)}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
