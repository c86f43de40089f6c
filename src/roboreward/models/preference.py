"""Which of two attempts got further: asked side by side in both orders, or told by the scores of any reward model."""

import math
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import (
    FrameSample,
    Pair,
    Preference,
    PreferenceModel,
    Query,
    RewardModel,
    RoboRewardError,
    UsageError,
    Verdict,
)
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.method_prompt import load_method_prompt
from roboreward.models.preference_text import parse_letter
from roboreward.models.registry import load_model
from roboreward.models.replies import (
    alternatives_behind,
    ask_all,
    mass_of,
    served_by,
    total_usage,
    why_unreadable,
)
from roboreward.models.score_reply import (
    MIN_MASS,
    MIN_READ_FRAC,
    PREFIX,
    READER,
    too_few,
    too_little,
)
from roboreward.models.vlms import load_vlm

LETTERS: Final = (" A", "A", " B", "B")
_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}


class PreferenceConfig(BaseModel):
    """How a pair is asked about, and when it is a tie.

    Attributes:
        tie_band: It is a tie when the probability is at most this far from one half.
        min_mass: Least P(A) + P(B); below it the model did not answer the question.
        num_samples, temperature, seed: Of the answers where the model gives no probabilities. Half must be readable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tie_band: float = Field(default=0.0, ge=0, lt=0.5, json_schema_extra=_IDENTITY)
    min_mass: float = Field(default=MIN_MASS, gt=0, le=1, json_schema_extra=_IDENTITY)
    num_samples: int = Field(default=1, ge=1, le=64, json_schema_extra=_IDENTITY)
    temperature: float = Field(default=0.0, ge=0, json_schema_extra=_IDENTITY)
    seed: int = Field(default=0, ge=0, json_schema_extra=_IDENTITY)


class PairwiseVlm:
    """Shows both attempts side by side, twice: each of them comes first once, and the two answers are averaged.

    A model that always says "A" ends at one half, a tie, with a position bias of 0.5. If either order gets no answer
    there is none: the other alone would be half place, half attempt.

    Args:
        vlm: Who is asked: by the probabilities of "A" and "B" where it gives any, else by texts (A, B or TIE).
        config: Question and tie.
    """

    def __init__(self, vlm: Vlm, *, config: PreferenceConfig | None = None) -> None:
        self.vlm, self.config = vlm, config or PreferenceConfig()
        self.name = f"preference:{vlm.name}"
        self.prompt = load_method_prompt("preference-v1")

    @property
    def revision(self) -> str:
        """Of the model, with the settings and the reader that change an answer."""
        c = self.config
        settings = f"tie{c.tie_band:g}-n{c.num_samples}-t{c.temperature:g}-seed{c.seed}"
        return f"{self.vlm.revision}+{settings}-mass{c.min_mass:g}+{READER}"

    def prefer(self, pairs: Sequence[Pair]) -> list[Preference]:
        """Ask about all pairs at once; see `PreferenceModel`."""
        answers: dict[int, Preference] = {}
        asks: dict[int, tuple[Ask, Ask]] = {}
        for i, pair in enumerate(pairs):
            try:
                both = ((pair.first, pair.second), (pair.second, pair.first))
                one, other = (self._ask_of(pair, shown) for shown in both)
                asks[i] = one, other
            except RoboRewardError as error:
                answers[i] = Preference(status="failed", reason=str(error))
        replies = iter(ask_all(self.vlm, [a for two in asks.values() for a in two], self._decoding))
        answers |= {i: self._answer(next(replies), next(replies)) for i in asks}
        return [self._signed(answers[i]) for i in range(len(pairs))]

    @property
    def _decoding(self) -> Decoding:
        c = self.config
        num = 1 if self.vlm.has_logprobs else c.num_samples
        return Decoding(temperature=c.temperature, num_samples=num, seed=c.seed)

    def _ask_of(self, pair: Pair, shown: tuple[FrameSample, FrameSample]) -> Ask:
        intro, a, b, end = (self.prompt.part(i, task=pair.task) for i in range(4))
        parts = (intro, a, shown[0], b, shown[1], end)
        return Ask(parts, PREFIX, LETTERS, not self.vlm.has_logprobs, pair.pair_id)

    def _answer(self, forward: Reply, backward: Reply) -> Preference:
        replies = (forward, backward)
        texts = tuple(text for reply in replies for text in reply.texts)
        facts: dict[str, Any] = {
            "raw_texts": texts,
            "usage": total_usage(replies),
            "revision": served_by(replies),
            "rule": "mean of both orders",
        }
        first, second = (prob_of_a(reply, min_mass=self.config.min_mass) for reply in replies)
        if isinstance(first, Verdict):
            return Preference(status=first.status, reason=first.reason, **facts)
        if isinstance(second, Verdict):
            return Preference(status=second.status, reason=second.reason, **facts)
        prob_first = (first + 1 - second) / 2
        return Preference(
            status="scored",
            prob_first=prob_first,
            is_tie=abs(prob_first - 0.5) <= self.config.tie_band,
            position_bias=(first + second) / 2 - 0.5,
            **facts,
        )

    def _signed(self, answer: Preference) -> Preference:
        revision = " ".join(filter(None, (self.revision, answer.revision)))
        facts = {"model": self.name, "revision": revision, "prompt": self.prompt.version}
        return answer.model_copy(update=facts)


class PreferenceByScore:
    """The preference that a reward model's own verdicts imply: each attempt is scored on its own.

    prob_first = 1 / (1 + exp(-(E1 - E2))), with the expected scores E1 and E2 in [1, 5], or the scores where there is
    no distribution. It is a tie when they are equal.

    Args:
        model: Who scores.
    """

    rule: Final = "sigmoid of the difference of expected scores"

    def __init__(self, model: RewardModel) -> None:
        self.model = model
        self.name, self.revision = model.name, model.revision

    def prefer(self, pairs: Sequence[Pair]) -> list[Preference]:
        """Score both attempts of all pairs in one call; see `PreferenceModel`."""
        queries = [
            Query(sample, pair.task, f"{pair.pair_id}/{place}")
            for pair in pairs
            for place, sample in (("first", pair.first), ("second", pair.second))
        ]
        verdicts = self.model.score(queries) if queries else []
        return [self._answer(*verdicts[i : i + 2]) for i in range(0, len(verdicts), 2)]

    def _answer(self, first: Verdict, second: Verdict) -> Preference:
        facts: dict[str, Any] = {
            "model": self.name,
            "revision": first.revision or self.revision,
            "rule": self.rule,
            "prompt": first.prompt,
        }
        bad = next((v for v in (first, second) if not v.is_scored), None)
        if bad is not None:
            which = "first" if bad is first else "second"
            return Preference(status=bad.status, reason=f"{which}: {bad.reason}", **facts)
        one, other = (
            float(v.expected if v.expected is not None else v.score or 0) for v in (first, second)
        )
        prob = 1 / (1 + math.exp(other - one))
        return Preference(status="scored", prob_first=prob, is_tie=one == other, **facts)


def prefer(
    judge: Vlm | RewardModel | PreferenceModel,
    *,
    task: str,
    first: FrameSample,
    second: FrameSample,
) -> Preference:
    """Return which of two attempts got further, by whatever `judge` can do.

    Args:
        judge: A preference model is asked as it is, a vision-language model side by side in both orders, and a reward
            model about each attempt on its own.
        task: What both were to do.
        first, second: What is shown of each.

    Raises:
        UsageError: `judge` is none of the three.
    """
    (answer,) = preference_model(judge).prefer([Pair(first, second, task)])
    return answer


def preference_model(judge: Vlm | RewardModel | PreferenceModel) -> PreferenceModel:
    """Return what answers pairs by means of `judge`; see `prefer`."""
    if isinstance(judge, PreferenceModel):
        return judge
    if isinstance(judge, Vlm):
        return PairwiseVlm(judge)
    if isinstance(judge, RewardModel):
        return PreferenceByScore(judge)
    raise UsageError(f"A {type(judge).__name__} cannot say which of two attempts got further.")


def load_preference_model(uri: str) -> PreferenceModel:
    """Return what answers pairs under this name: "preference:<vlm>" asks side by side, any other model scores each one.

    Raises:
        UnknownName: There is no such model.
        UsageError: This version does not run it.
    """
    scheme, _, rest = uri.strip().partition(":")
    return (
        PairwiseVlm(load_vlm(rest)) if scheme == "preference" else preference_model(load_model(uri))
    )


def prob_of_a(reply: Reply, *, min_mass: float = MIN_MASS) -> float | Verdict:
    """Return the probability that a reply gives to the attempt that was shown first, or why it gives none.

    Read as `score_reply.read_score` reads a score: by probabilities that weigh enough, else by texts of which enough
    can be read.
    """
    failure = why_unreadable(reply, num_choices=len(LETTERS))
    if failure is not None:
        return failure
    if reply.choice_logprobs is not None:
        a, b = (mass_of(LETTERS, reply.choice_logprobs, letter) for letter in ("A", "B"))
        if a + b >= min_mass:
            return a / (a + b)
        if not reply.texts:
            return too_little(a + b, "A and B")
    read = [parse_letter(text) for text in reply.texts]
    if len(read) == 1 and read[0] is not None:
        found = alternatives_behind(reply.tokens, PREFIX, ("A", "B"))
        a, b = (mass_of(found.keys(), found.values(), letter) for letter in ("A", "B"))
        if 0 < a + b < min_mass:
            return too_little(a + b, "A and B")
        if a + b > 0:
            return a / (a + b)
    return _mean_of_samples(reply, read)


def _mean_of_samples(reply: Reply, read: Sequence[float | None]) -> float | Verdict:
    values = [value for value in read if value is not None]
    if values and len(values) >= MIN_READ_FRAC * len(read):
        return sum(values) / len(values)
    if not values and reply.status == "truncated":
        return Verdict.without_score("truncated", reply.reason or "Cut off before the answer.")
    why = "No complete ANSWER: A, B or TIE."
    return (
        too_few(len(values), len(read), why)
        if len(read) > 1
        else Verdict.without_score("unparsed", why)
    )
