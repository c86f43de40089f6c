"""LLM-as-a-Verifier: expected scores over several criteria and repeats.

Method: arXiv 2607.05391: the mean over criteria and repeats of the expected value of the score's distribution. The
criteria are ours (the published robotics script is not public): the words of the rubric, taken apart.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import (
    SCORES,
    Capability,
    FramePolicy,
    Probs,
    Query,
    RoboRewardError,
    Verdict,
    progress_of,
)
from roboreward.judge import PARSE_V1
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.cuts import score_at
from roboreward.models.method_prompt import load_method_prompt
from roboreward.models.replies import (
    ask_all,
    served_by,
    signed,
    total_usage,
)
from roboreward.models.score_reply import (
    CHOICES,
    MIN_READ_FRAC,
    PREFIX,
    READER,
    Reading,
    read_score,
    scaled,
    too_few,
)
from roboreward.models.vlms import load_vlm

Rule = Literal["mean", "min"]
_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}
_PROMPT: Final = load_method_prompt("verifier-v1")
CRITERIA: Final[dict[str, str]] = {
    name: question for name, _, question in (part.partition("\n") for part in _PROMPT.parts[1:])
}
"""Name and question of each criterion."""


class VerifierConfig(BaseModel):
    """What is asked, and how the answers are put together.

    Attributes:
        criteria: Some of `CRITERIA`.
        repeats: How often each is asked. Repeats show the frames before the text and behind it in turn, and each has a
            seed of its own; more than two say something new only where answers are drawn.
        rule: "mean": all criteria weigh the same, as published. "min": the worst one decides.
        num_samples: Answers that are drawn for one question where the model gives no probabilities.
        temperature: Of those answers.
        seed: Of those answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    criteria: tuple[str, ...] = Field(
        default=tuple(CRITERIA), min_length=1, json_schema_extra=_IDENTITY
    )
    repeats: int = Field(default=2, ge=1, le=16, json_schema_extra=_IDENTITY)
    rule: Rule = Field(default="mean", json_schema_extra=_IDENTITY)
    num_samples: int = Field(default=1, ge=1, le=64, json_schema_extra=_IDENTITY)
    temperature: float = Field(default=0.0, ge=0, json_schema_extra=_IDENTITY)
    seed: int = Field(default=0, ge=0, json_schema_extra=_IDENTITY)

    @property
    def version(self) -> str:
        """All that changes a score, in one word."""
        drawn = f"n{self.num_samples}-t{self.temperature:g}-seed{self.seed}"
        return f"{self.rule}-{'.'.join(self.criteria)}-x{self.repeats}-{drawn}"


class Verifier:
    """Asks one question a criterion and repeat, and reports the distribution that the answers give together.

    The score is the level nearest to the expected one. `rationale` is a JSON object with the expected score of each
    criterion and the share of replies, or of their samples, that could be read. A criterion of which less than half of
    the replies can be read leaves the query without a score, with a reply's status where none can; so does any failed
    call.

    Args:
        vlm: Who is asked: by probabilities where it gives any, else by texts, each of which counts once.
        config: Questions and rule.
        frame_policy: Which frames are shown.

    Raises:
        ValueError: A criterion is unknown or named twice.
    """

    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(
        self,
        vlm: Vlm,
        *,
        config: VerifierConfig | None = None,
        frame_policy: FramePolicy | None = None,
    ) -> None:
        self.vlm, self.config = vlm, config or VerifierConfig()
        names = self.config.criteria
        if len(set(names)) != len(names) or not set(names) <= set(CRITERIA):
            raise ValueError(f"criteria are some of {', '.join(CRITERIA)}, each once, got {names}")
        self.frame_policy = frame_policy or FramePolicy()
        self.name = f"verifier:{vlm.name}"

    @property
    def revision(self) -> str:
        """Of the model, with the settings and the reader that change a score."""
        return f"{self.vlm.revision}+{self.config.version}+{READER}"

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask everything, one call a repeat; see `RewardModel`."""
        replies: list[list[Reply]] = [[] for _ in queries]
        verdicts: dict[int, Verdict] = {}
        for repeat in range(self.config.repeats):
            asks: list[tuple[int, Ask]] = []
            for i, query in enumerate(queries):
                try:
                    asks += [(i, ask) for ask in self.asks_of(query, repeat)]
                except RoboRewardError as error:
                    verdicts[i] = Verdict.without_score("failed", str(error))
            answers = ask_all(self.vlm, [ask for _, ask in asks], self._decoding(repeat))
            for (i, _), reply in zip(asks, answers, strict=True):
                replies[i].append(reply)
        in_order = [verdicts.get(i) or self._read(given) for i, given in enumerate(replies)]
        return signed(self, queries, in_order, prompt=_PROMPT.version)

    def asks_of(self, query: Query, repeat: int) -> list[Ask]:
        """Return one question a criterion.

        Raises:
            UsageError: The task is empty or too long.
        """
        asks = []
        for name in self.config.criteria:
            text = _PROMPT.part(0, task=query.task, question=CRITERIA[name])
            parts = (text, query.sample) if repeat % 2 else (query.sample, text)
            is_text_wanted = not self.vlm.has_logprobs
            asks.append(Ask(parts, PREFIX, CHOICES, is_text_wanted, f"{query.query_id}/{name}"))
        return asks

    def _decoding(self, repeat: int) -> Decoding:
        return Decoding(
            temperature=self.config.temperature,
            num_samples=1 if self.vlm.has_logprobs else self.config.num_samples,
            seed=self.config.seed + repeat,
        )

    def _read(self, replies: Sequence[Reply]) -> Verdict:
        num = len(self.config.criteria)
        readings = [read_score(reply) for reply in replies]
        by_criterion = {
            name: readings[place::num] for place, name in enumerate(self.config.criteria)
        }
        texts = [text for reply in replies for text in reply.texts]
        facts = {
            "raw_text": "\n".join(texts) or None,
            "usage": total_usage(replies),
            "parser": PARSE_V1,
            "revision": served_by(replies),
        }
        return self._combine(by_criterion).model_copy(update=facts)

    def _combine(self, by_criterion: dict[str, list[Reading]]) -> Verdict:
        means: dict[str, Probs] = {}
        for name, readings in by_criterion.items():
            failures = [r.failure for r in readings if r.failure is not None]
            stops = [f for f in failures if f.status == "failed"] or failures
            read = [r.probs for r in readings if r.probs is not None]
            if stops and (not read or stops[0].status == "failed"):
                reason = f"{name}: {stops[0].reason}"
                return Verdict.without_score(stops[0].status, reason)
            if len(read) < MIN_READ_FRAC * len(readings):
                few = too_few(len(read), len(readings), stops[0].reason)
                return Verdict.without_score(few.status, f"{name}: {few.reason}")
            means[name] = mean_probs(read)
        expected = {name: expected_of(probs) for name, probs in means.items()}
        worst = min(expected, key=lambda name: expected[name])
        decisive = mean_probs(list(means.values())) if self.config.rule == "mean" else means[worst]
        everything = [r for readings in by_criterion.values() for r in readings]
        is_sure = all(r.is_from_logprobs for r in everything if r.probs is not None)
        verdict = Verdict.from_probs(
            decisive,
            source="logprobs" if is_sure else "samples",
            score=score_at(progress_of(expected_of(decisive)), "nearest-level"),
        )
        told = {
            "criteria": expected,
            "read_frac": sum(r.read_frac for r in everything) / len(everything),
        }
        return verdict.model_copy(update={"rationale": json.dumps(told)})


def load(rest: str) -> Verifier:
    """Return the verifier on the model that `rest` names.

    A model behind an API that gives no probabilities draws as many answers a question as its settings say.
    """
    from roboreward.models.api_calls import ApiVlm
    from roboreward.models.api_loader import SAMPLED_AT, LogprobsElseSamples

    vlm = load_vlm(rest)
    num = vlm.settings.num_samples if isinstance(vlm, ApiVlm) else 1
    if num == 1:
        return Verifier(vlm)
    config = VerifierConfig(num_samples=num, temperature=SAMPLED_AT)
    return Verifier(LogprobsElseSamples(vlm, num), config=config)


def mean_probs(several: Sequence[Probs]) -> Probs:
    """Return the mixture of distributions, each with the same weight."""
    return scaled([sum(column) for column in zip(*several, strict=True)])


def expected_of(probs: Probs) -> float:
    """Return the mean of a distribution over the scores, in [1, 5]."""
    return min(5.0, max(1.0, sum(s * p for s, p in zip(SCORES, probs, strict=True))))
