"""The published prompt on any vision-language model: text of a reply, or its probabilities, to a verdict."""

import json
from collections.abc import Sequence
from typing import Literal

from roboreward.core import (
    Capability,
    FramePolicy,
    Query,
    RoboRewardError,
    Verdict,
    content_id,
    identity_of,
)
from roboreward.judge import PARSE_V1, PromptConfig, check_task, parse
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.replies import ask_all, signed
from roboreward.models.score_reply import CHOICES, PREFIX, READER, read_score


class RubricJudge:
    """Asks for a score of 1 to 5 by the published prompt.

    Args:
        vlm: Who is asked.
        prompt: Template, and whether the text comes before the frames.
        decoding: How an answer is drawn. With several samples and no probabilities, the distribution is their share.
        frame_policy: Which frames are shown; the default is that of the published checkpoints.
        is_text_wanted: Whether a text is generated where the probabilities alone give the verdict.
    """

    def __init__(
        self,
        vlm: Vlm,
        *,
        prompt: PromptConfig | None = None,
        decoding: Decoding | None = None,
        frame_policy: FramePolicy | None = None,
        is_text_wanted: bool = False,
    ) -> None:
        self.vlm = vlm
        self.prompt, self.decoding = prompt or PromptConfig(), decoding or Decoding()
        self.frame_policy = frame_policy or FramePolicy()
        self.is_text_wanted = is_text_wanted or not vlm.has_logprobs
        self.name = vlm.name

    @property
    def revision(self) -> str:
        """Of the model, and of how it is asked and read: prompt, order, decoding and reader can change an answer."""
        asked = [self.prompt.version, self.is_text_wanted, identity_of(self.decoding), READER]
        return f"{self.vlm.revision}+{content_id(asked, length=8)}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """A distribution, where the model gives probabilities or is asked several times."""
        is_spread = self.vlm.has_logprobs or self.decoding.num_samples > 1
        return frozenset({"distribution"}) if is_spread else frozenset()

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask all at once; see `RewardModel`."""
        asks: list[Ask] = []
        verdicts: list[Verdict | None] = []
        for query in queries:
            try:
                asks.append(self.ask_of(query))
                verdicts.append(None)
            except RoboRewardError as error:
                verdicts.append(Verdict.without_score("failed", str(error)))
        replies = iter(ask_all(self.vlm, asks, self.decoding))
        answered = [verdict or verdict_of(next(replies)) for verdict in verdicts]
        return signed(self, queries, answered, prompt=self.prompt.version)

    def ask_of(self, query: Query) -> Ask:
        """Return the question for a query.

        Raises:
            UsageError: The task is empty or too long.
        """
        text = self.prompt.text(check_task(query.task))
        is_text_first = self.prompt.order == "text-then-video"
        return Ask(
            parts=(text, query.sample) if is_text_first else (query.sample, text),
            prefix=PREFIX,
            choices=CHOICES,
            is_text_wanted=self.is_text_wanted,
            ask_id=query.query_id,
        )


def verdict_of(reply: Reply) -> Verdict:
    """Return what a reply to the published prompt says; without model, frames and prompt.

    Probabilities come first: of the choices, else of the tokens at the place of the score. Then the share of each score
    among several samples, when half of them can be read; then the one text, read by `parse-v1`. Of samples, `rationale`
    is a JSON object with "read_frac", the share that was read.
    """
    reading = read_score(reply)
    text = reply.texts[0] if reply.texts else None
    if reading.failure is not None or reading.probs is None:
        verdict = reading.failure or Verdict.without_score("unparsed", "There is no answer.")
    elif reading.is_from_logprobs or len(reply.texts) > 1:
        source: Literal["logprobs", "samples"] = (
            "logprobs" if reading.is_from_logprobs else "samples"
        )
        verdict = Verdict.from_probs(reading.probs, source=source)
        if source == "samples":
            told = json.dumps({"read_frac": reading.read_frac})
            verdict = verdict.model_copy(update={"rationale": told})
    else:
        verdict = parse(text)
    facts = {"raw_text": text, "parser": PARSE_V1, "usage": reply.usage}
    return verdict.model_copy(update=facts | {"revision": reply.served_by or None})
