"""TOPReward: how likely a vision-language model finds "True" behind the claim that the video shows the task done.

Method: arXiv 2602.19313. Its number is log P("True" | frames, claim). It was published as a curve over prefixes of a
video, drawn between the curve's own lowest and highest point. Here no value depends on any other, for otherwise a
failed attempt would end as high as a successful one. How a number becomes a score is ours; see `TopRewardConfig`.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import Capability, FramePolicy, Query, RoboRewardError, UsageError, Verdict
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.cuts import Cuts, score_at
from roboreward.models.method_prompt import load_method_prompt
from roboreward.models.replies import ask_all, mass_of, served_by, signed, why_unreadable
from roboreward.models.score_reply import MIN_MASS
from roboreward.models.vlms import load_vlm

CHOICES: Final = (" True", "True", " False", "False")
_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}


class TopRewardConfig(BaseModel):
    """How the probability becomes a score.

    Attributes:
        cuts: Cut points (`models.CUTS`) for P(True) / (P(True) + P(False)), the probability of success.
        min_mass: Least P(True) + P(False); below it the model did not answer the question, and there is no score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cuts: Cuts = Field(default="half-is-success", json_schema_extra=_IDENTITY)
    min_mass: float = Field(default=MIN_MASS, gt=0, le=1, json_schema_extra=_IDENTITY)


class TopReward:
    """Probability that a model confirms the claim of success.

    The verdict has a success probability and a score, and no distribution: one number is not five. `rationale` is a
    JSON object with "log_p_true" (the published number, absolute) and "mass" = P(True) + P(False).

    Args:
        vlm: Who is asked; it must give probabilities.
        config: From the probability to the score.
        frame_policy: Which frames are shown.

    Raises:
        UsageError: The model gives no probabilities.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(
        self,
        vlm: Vlm,
        *,
        config: TopRewardConfig | None = None,
        frame_policy: FramePolicy | None = None,
    ) -> None:
        if not vlm.has_logprobs:
            raise UsageError(
                f"topreward reads a probability, and {vlm.name} does not give any. "
                "Take a model that runs locally or behind vLLM, or ask this one through gvl: or verifier: instead."
            )
        self.vlm, self.config = vlm, config or TopRewardConfig()
        self.frame_policy = frame_policy or FramePolicy()
        self.name = f"topreward:{vlm.name}"
        self.prompt = load_method_prompt("topreward-v1")

    @property
    def revision(self) -> str:
        """Of the model, with the settings that change a score."""
        return f"{self.vlm.revision}+{self.config.cuts}-{self.config.min_mass:g}"

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask all at once; see `RewardModel`."""
        return signed(self, queries, self._ask(queries), prompt=self.prompt.version)

    def _ask(self, queries: Sequence[Query]) -> list[Verdict]:
        asks: dict[int, Ask] = {}
        verdicts: dict[int, Verdict] = {}
        for i, query in enumerate(queries):
            try:
                parts = (query.sample, self.prompt.part(0, task=query.task))
            except RoboRewardError as error:
                verdicts[i] = Verdict.without_score("failed", str(error))
            else:
                asks[i] = Ask(parts, choices=CHOICES, is_text_wanted=False, ask_id=query.query_id)
        replies = ask_all(self.vlm, list(asks.values()), Decoding())
        verdicts |= {i: self._read(reply) for i, reply in zip(asks, replies, strict=True)}
        return [verdicts[i] for i in range(len(queries))]

    def _read(self, reply: Reply) -> Verdict:
        verdict = why_unreadable(reply, num_choices=len(CHOICES)) or self._verdict_of(reply)
        facts = {
            "raw_text": reply.texts[0] if reply.texts else None,
            "usage": reply.usage,
            "revision": served_by([reply]),
        }
        return verdict.model_copy(update=facts)

    def _verdict_of(self, reply: Reply) -> Verdict:
        texts, logprobs = _at_the_answer(reply)
        if not texts:
            return Verdict.without_score("unparsed", "The reply carries no probabilities.")
        p_true, p_false = (mass_of(texts, logprobs, word) for word in ("True", "False"))
        mass = min(1.0, p_true + p_false)
        if mass < self.config.min_mass:
            reason = f"The model answers neither True nor False: together they have probability {mass:.2g}."
            return Verdict.without_score("unparsed", reason)
        success = p_true / (p_true + p_false)
        log_p_true = math.log(p_true) if p_true > 0 else None
        return Verdict(
            status="scored",
            score=score_at(success, self.config.cuts),
            success_prob=success,
            distribution_source="logprobs",
            rationale=json.dumps({"log_p_true": log_p_true, "mass": mass}),
        )


def load(rest: str) -> TopReward:
    """Return TOPReward on the model that `rest` names."""
    return TopReward(load_vlm(rest))


def _at_the_answer(reply: Reply) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return what could stand as the answer, and its log-probabilities: of the choices, else of the first word."""
    if reply.choice_logprobs is not None:
        return CHOICES, reply.choice_logprobs
    first = next((token for token in reply.tokens if token.text.strip()), None)
    alternatives = first.alternatives if first else {}
    return tuple(alternatives), tuple(alternatives.values())
