"""Any model with its frames taken away from it in one way: what it still scores did not come from them.

The number of frames stays, and so do the times that they are shown at: those of the true places, so that a model that
is told times sees a video as long and as regular as before. `indices` of the verdict's frames name those really seen.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, get_args

from roboreward.core import (
    Capability,
    FramePolicy,
    FrameSample,
    Query,
    RewardModel,
    Verdict,
)

Ablation = Literal["first-frame", "last-frame", "frozen", "shuffled", "reversed"]
ABLATIONS: Final[tuple[Ablation, ...]] = get_args(Ablation)

_KEPT: Final[frozenset[Capability]] = frozenset({"distribution", "rationale"})

# Number of frames and a random source -> which of them is shown at each place.
_ORDERS: Final[Mapping[Ablation, Callable[[int, random.Random], Sequence[int]]]] = MappingProxyType(
    {
        "first-frame": lambda num, _: [0] * num,
        "last-frame": lambda num, _: [num - 1] * num,
        "frozen": lambda num, _: [num // 2] * num,
        "shuffled": lambda num, source: source.sample(range(num), num),
        "reversed": lambda num, _: range(num)[::-1],
    }
)


class Ablated:
    """Another model that is shown its frames in another way.

    Args:
        inner: The model to ask. Its frame policy is kept, so that it gets as many frames as ever.
        ablation: What it is shown at each place.
            first-frame  the first frame: what the start gives away
            last-frame   the last frame: what the end state alone tells
            frozen       the middle frame: what length and a still picture tell
            shuffled     all frames in an order that depends on seed, id of the query and frame numbers: what is told
                         without their order
            reversed     all frames backwards
        seed: Of the shuffling.
    """

    def __init__(self, inner: RewardModel, ablation: Ablation, *, seed: int = 0) -> None:
        self.inner, self.ablation, self.seed = inner, ablation, seed
        self.name = f"floor:{ablation}:{inner.name}"
        self.frame_policy: FramePolicy = inner.frame_policy
        self.capabilities: frozenset[Capability] = inner.capabilities & _KEPT

    @property
    def revision(self) -> str:
        """Of the inner model, with the seed where there is one."""
        is_random = self.ablation == "shuffled"
        return f"{self.inner.revision}+seed{self.seed}" if is_random else self.inner.revision

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask the inner model about what is left of every query."""
        shown = [Query(self.sample_of(q), q.task, q.query_id) for q in queries]
        facts = {"model": self.name, "revision": self.revision}
        return [v.model_copy(update=facts) for v in self.inner.score(shown)]

    def sample_of(self, query: Query) -> FrameSample:
        """Return the frames that are shown instead of the query's own."""
        record = query.sample.record
        key = f"{self.seed}\0{query.query_id}\0{record.indices}"
        source = random.Random(key.encode("utf-8", "replace"))
        order = tuple(_ORDERS[self.ablation](len(record.indices), source))
        taken = query.sample.take(order)
        times = {"timestamps_s": record.timestamps_s}
        return FrameSample(taken.frames_THWC, taken.record.model_copy(update=times), taken.origin)
