"""A verdict along the video: after the first frames, after a few more, and so on."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from roboreward.core.errors import UsageError
from roboreward.core.frames import Query
from roboreward.core.reward_model import RewardModel
from roboreward.core.statistics import rising_pools
from roboreward.core.verdict import Verdict

Smoothing = Literal["none", "running-max", "isotonic"]
"""none         what the model said
running-max  the highest so far: what was once done stays done
isotonic     the nearest rising curve, by least squares"""


@runtime_checkable
class DenseRewardModel(RewardModel, Protocol):
    """A reward model that gives a verdict along the video for less than a verdict for each prefix costs.

    It names the capability "dense".
    """

    def curve(self, query: Query, anchors: Sequence[int] | None = None) -> list[Verdict]:
        """Return a verdict for each anchor.

        Values are absolute: none depends on a later frame, and none is stretched between the video's own extremes.

        Args:
            query: The frames and the task.
            anchors: How many frames from the start each verdict is about; None for every number from 1 on.

        Raises:
            UsageError: An anchor is below 1 or above the number of frames.
        """
        ...


def curve_of(
    model: RewardModel, query: Query, anchors: Sequence[int] | None = None
) -> list[Verdict]:
    """Return a verdict for each anchor from any reward model: from its own `curve`, or by scoring each prefix.

    Args:
        model: Any reward model.
        query: The frames and the task.
        anchors: How many frames from the start each verdict is about; None for every number from 1 on.

    Raises:
        UsageError: An anchor is below 1 or above the number of frames.
    """
    if "dense" in model.capabilities and isinstance(model, DenseRewardModel):
        return model.curve(query, check_anchors(query, anchors))
    return model.score(prefixes_of(query, anchors))


def prefixes_of(query: Query, anchors: Sequence[int] | None = None) -> list[Query]:
    """Return the same question about the first frames only, for each anchor; see `curve_of`.

    Raises:
        UsageError: An anchor is below 1 or above the number of frames.
    """
    samples = [query.sample.take(tuple(range(num))) for num in check_anchors(query, anchors)]
    return [Query(sample, query.task, query.query_id) for sample in samples]


def check_anchors(query: Query, anchors: Sequence[int] | None) -> list[int]:
    """Return the anchors, by default every number of frames from 1 on.

    Raises:
        UsageError: An anchor is below 1 or above the number of frames.
    """
    most = len(query.sample.record.indices)
    wanted = list(range(1, most + 1)) if anchors is None else list(anchors)
    bad = [num for num in wanted if not 1 <= num <= most]
    if bad:
        raise UsageError(f"An anchor must be a number of frames from 1 to {most}, got {bad[0]}.")
    return wanted


def progress_curve(
    verdicts: Sequence[Verdict], *, smoothing: Smoothing = "none"
) -> list[float | None]:
    """Return progress in [0, 1] along a curve: of the mean where there is a distribution, else of the score.

    A verdict without a score gives None and is passed over by the smoothing. Nothing is stretched: an attempt that gets
    nowhere stays at the bottom.

    Args:
        verdicts: Along one video, in order.
        smoothing: Off by default.
    """
    raw = [_progress(verdict) for verdict in verdicts]
    known = [value for value in raw if value is not None]
    if smoothing == "running-max":
        known = [max(known[: i + 1]) for i in range(len(known))]
    elif smoothing == "isotonic":
        known = _isotonic(known)
    smooth = iter(known)
    return [None if value is None else next(smooth) for value in raw]


def _progress(verdict: Verdict) -> float | None:
    if not verdict.is_scored:
        return None
    return verdict.progress if verdict.expected is None else (verdict.expected - 1) / 4


def _isotonic(values: Sequence[float]) -> list[float]:
    pools = rising_pools([(value, 1.0) for value in values])
    return [total / weight for total, weight, num in pools for _ in range(num)]
