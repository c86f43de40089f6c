"""From finished episodes to rewards: one call of the reward model, and what happens when it has no answer."""

import math
from collections import Counter, UserDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from roboreward.core import (
    SUCCESS_SCORE,
    Query,
    RewardModel,
    RoboRewardError,
    UnknownName,
    UsageError,
    Verdict,
    shorten,
)
from roboreward.models import load_model
from roboreward.rl.mapping import (
    NEED_DISTRIBUTION,
    RewardMapping,
    check_mapping,
    check_success_score,
    reward_of,
)

OnError = Literal["raise", "drop"]
"""What to do with an episode that has no score.

raise  stop with `NoReward`
drop   give NaN, count it, and say so in `info["is_dropped"]`; the learner leaves the episode out
"""

_ON_ERROR: Final[tuple[OnError, ...]] = get_args(OnError)


class NoReward(RoboRewardError):
    """An episode ended and the reward model gave no score.

    Attributes:
        verdict: The first verdict without a score; its `status` and `reason` say why. None only when the error was
            raised again from another process by its text.
        task: The task that was asked about.
    """

    def __init__(self, message: object, *, verdict: Verdict | None = None, task: str = "") -> None:
        # The text comes first and alone: so it survives pickling and `AsyncVectorEnv`, which builds it anew from one
        # argument.
        self.verdict, self.task = verdict, task
        super().__init__(str(message))


class RewardInfo(UserDict[str, Any]):
    """What stands in `info["reward_model"]` at the end of an episode; reads like a dict, and `dict(...)` makes one.

    Keys: `status`, `score` (1..5 or None), `reason` (why there is none), `probs` (five floats or None), `expected`
    (1..5 or None), `success_prob` and `progress` (0..1 or None), `reward` (0..1 before scale and offset, or None),
    `is_success` (score >= success_score, or None), `rationale`, `model`, `revision`, `mapping`, `task`,
    `frame_indices` and `timestamps_s` (what the model saw), `num_frames` (of the episode), `latency_s`.

    It is no `dict` on purpose. Gymnasium's vector environments take dicts in infos apart into one array a key, with
    the type of the first value; there, "no score" beside a score is an exception or a zero. Whole, it keeps its None.
    """


@dataclass(frozen=True)
class Judgement:
    """What one episode earned.

    Attributes:
        reward: Scaled and offset; NaN when there is no score.
        is_success: The reward model's opinion; None when there is no score.
        info: For `info["reward_model"]`.
    """

    reward: float
    is_success: bool | None
    info: RewardInfo

    @property
    def is_dropped(self) -> bool:
        """Whether there is no score."""
        return self.is_success is None

    def outcome(self, *, is_cut_short: bool, has_succeed: bool) -> dict[str, Any]:
        """Return what the info of the episode's last step is to hold.

        Args:
            is_cut_short: Whether the wrapper ended the episode.
            has_succeed: Whether the environment's info has a "succeed" of its own, which is then left as it is.
        """
        outcome: dict[str, Any] = {
            "reward_model": self.info,
            "is_dropped": self.is_dropped,
            "is_cut_short": is_cut_short,
        }
        if self.is_success is not None and not has_succeed:
            outcome["succeed"] = self.is_success
        return outcome


class Judging:
    """A reward model, and how its verdicts become rewards.

    Args:
        model: A reward model, or the name of one for `load_model`.
        mapping: See `RewardMapping`.
        reward_scale: Multiplies the mapped verdict.
        reward_offset: Added after scaling, and given alone for every step that does not end an episode.
        on_error: See `OnError`.
        success_score: Lowest score that counts as a success.

    Attributes:
        num_judged: Episodes that the model was asked about.
        num_dropped: Of these, the ones without a score, by status.

    Raises:
        UnknownName: There is no such model, mapping or `on_error`.
        UsageError: The model cannot be loaded or is none, the mapping needs a distribution that it does not offer, or
            a number is out of range.
    """

    def __init__(
        self,
        model: RewardModel | str,
        *,
        mapping: RewardMapping = "progress",
        reward_scale: float = 1.0,
        reward_offset: float = 0.0,
        on_error: OnError = "raise",
        success_score: int = SUCCESS_SCORE,
    ) -> None:
        if on_error not in _ON_ERROR:
            raise UnknownName("on_error", on_error, _ON_ERROR)
        if not (math.isfinite(reward_scale) and math.isfinite(reward_offset)):
            raise UsageError(
                f"reward_scale is {reward_scale} and reward_offset {reward_offset}; give finite numbers."
            )
        self.mapping, self.success_score = (
            check_mapping(mapping),
            check_success_score(success_score),
        )
        self.model = _checked_model(model, self.mapping)
        self.scale, self.offset, self.on_error = float(reward_scale), float(reward_offset), on_error
        self.num_judged = 0
        self.num_dropped: Counter[str] = Counter()

    def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """Ask about all episodes in one call.

        An error of this package that the model lets out counts as status `failed` for each query; any other exception
        is a bug of the model and passes through.

        Args:
            queries: One a finished episode; `query_id` says which one, for messages.

        Raises:
            NoReward: A verdict has no score and `on_error` is "raise".
            UsageError: The model gave another number of verdicts, or a score without the distribution that the
                mapping needs.
        """
        verdicts = self._ask(queries)
        self.num_judged += len(verdicts)
        pairs = list(zip(queries, verdicts, strict=True))
        failures = [(query, verdict) for query, verdict in pairs if not verdict.is_scored]
        if failures and self.on_error == "raise":
            raise self._no_reward(failures, num_asked=len(pairs))
        self.num_dropped.update(verdict.status for _, verdict in failures)
        return [self._judgement(query, verdict) for query, verdict in pairs]

    def _ask(self, queries: Sequence[Query]) -> list[Verdict]:
        try:
            verdicts = self.model.score(queries)
        except RoboRewardError as error:
            reason = str(error) or type(error).__name__
            verdicts = [
                Verdict.without_score("failed", reason, model=self.model.name) for _ in queries
            ]
        if len(verdicts) != len(queries):
            raise UsageError(
                f"The model {self.model.name!r} gave {len(verdicts)} verdicts for {len(queries)} queries. Its author "
                "can find out why with roboreward.testing.check_reward_model."
            )
        return verdicts

    def _judgement(self, query: Query, verdict: Verdict) -> Judgement:
        mapped = reward_of(verdict, self.mapping, success_score=self.success_score)
        reward = math.nan if mapped is None else mapped * self.scale + self.offset
        is_success = None if verdict.score is None else verdict.score >= self.success_score
        return Judgement(reward, is_success, self._info(query, verdict, mapped, is_success))

    def _info(
        self, query: Query, verdict: Verdict, mapped: float | None, is_success: bool | None
    ) -> RewardInfo:
        seen = verdict.frames or query.sample.record
        shown = verdict.model_dump(
            include={"status", "score", "reason", "probs", "expected", "success_prob"}
        )
        return RewardInfo(
            **shown,
            progress=verdict.progress,
            reward=mapped,
            is_success=is_success,
            rationale=verdict.rationale,
            model=verdict.model or self.model.name,
            revision=verdict.revision or self.model.revision,
            mapping=self.mapping,
            task=query.task,
            frame_indices=seen.indices,
            timestamps_s=seen.timestamps_s,
            num_frames=seen.num_frames,
            latency_s=verdict.latency_s,
        )

    def _no_reward(self, failures: Sequence[tuple[Query, Verdict]], *, num_asked: int) -> NoReward:
        query, verdict = failures[0]
        where = query.query_id or "the episode"
        if num_asked > 1:
            where += f" ({len(failures)} of {num_asked} episodes that ended together)"
        reason = shorten(verdict.reason, 300).rstrip(".")
        text = (
            f"No reward for {where}: the model {verdict.model or self.model.name!r} answered "
            f'"{verdict.status}" for the task {shorten(query.task)!r}: {reason}. '
            'Use a reward model that knows this input, or on_error="drop" and leave out the episodes whose '
            'info["is_dropped"] is true.'
        )
        return NoReward(text, verdict=verdict, task=query.task)


def _checked_model(model: RewardModel | str, mapping: RewardMapping) -> RewardModel:
    loaded = load_model(model) if isinstance(model, str) else model
    if not isinstance(loaded, RewardModel):
        raise UsageError(
            f"model is a {type(loaded).__name__}, which is not a reward model. Give a core.RewardModel or a name that "
            "`roboreward models` lists."
        )
    if mapping in NEED_DISTRIBUTION and "distribution" not in loaded.capabilities:
        raise UsageError(
            f'Mapping "{mapping}" needs a distribution, which the model {loaded.name!r} does not offer. '
            'Use mapping "progress" or "success", or another model.'
        )
    return loaded
