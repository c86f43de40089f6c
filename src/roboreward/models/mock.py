"""A model that always says the same, through the same parser as a real one."""

import re
from collections.abc import Sequence
from typing import Final

from roboreward.core import ENDS_ONLY, Capability, FramePolicy, Query, Verdict
from roboreward.judge import PARSE_V1, parse, prompt_text, prompt_version
from roboreward.models.answering import answer_each

_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)


class Mock:
    """Answers every query with one text. For trials of everything around a model.

    Args:
        answer: The text; a bare number N stands for "ANSWER: N".
    """

    revision = PARSE_V1
    frame_policy: FramePolicy = ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, answer: str) -> None:
        self.name = f"mock:{answer}"
        self.text = f"ANSWER: {answer.strip()}" if _NUMBER.fullmatch(answer.strip()) else answer

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask with the published prompt, and parse the fixed text as the answer."""
        return answer_each(self, queries, self._answer)

    def _answer(self, query: Query) -> Verdict:
        prompt_text(query.task)
        return parse(self.text).model_copy(update={"prompt": prompt_version()})
