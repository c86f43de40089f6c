"""The probability of each of several texts, of one token or more, from as few tokens as possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roboreward.core import UsageError


@dataclass(frozen=True)
class Step:
    """One factor of a choice's probability.

    Attributes:
        chain: Behind which chain of tokens it is read.
        place: How many tokens of the chain stand before it.
        column: Which of the plan's tokens it is.
    """

    chain: int
    place: int
    column: int


@dataclass(frozen=True)
class ChoicePlan:
    """How to read all choices.

    Attributes:
        chains: Tokens to put behind the question, one row for each chain; one empty chain where every choice is a
            single token.
        tokens: All tokens whose probability is read somewhere.
        steps: For each choice, the factors of its probability.
    """

    chains: tuple[tuple[int, ...], ...]
    tokens: tuple[int, ...]
    steps: tuple[tuple[Step, ...], ...]


def plan_choices(choices: Sequence[Sequence[int]]) -> ChoicePlan:
    """Return the plan: " 1" to " 5" and "1" to "5" need one chain, the space, when the space is a token of its own.

    The probability of a choice is that of the answer beginning with its tokens: where one choice begins with another,
    it is counted in both.

    Args:
        choices: Token ids of each choice.

    Raises:
        UsageError: A choice is empty.
    """
    for choice in choices:
        if not choice:
            raise UsageError("A choice is an empty text, which has no probability.")
    contexts = {tuple(choice[:place]) for choice in choices for place in range(len(choice))}
    chains: list[tuple[int, ...]] = []
    for context in sorted(contexts, key=lambda context: (-len(context), context)):
        if not any(chain[: len(context)] == context for chain in chains):
            chains.append(context)
    tokens = tuple(sorted({token for choice in choices for token in choice}))
    steps = []
    for choice in choices:
        places = []
        for place, token in enumerate(choice):
            context = tuple(choice[:place])
            chain = next(i for i, chain in enumerate(chains) if chain[:place] == context)
            places.append(Step(chain, place, tokens.index(token)))
        steps.append(tuple(places))
    return ChoicePlan(tuple(chains), tokens, tuple(steps))


def choice_logprobs(steps: Sequence[Step], found: Sequence[Any]) -> float:
    """Return the log-probability of a choice: the sum over its tokens, each read behind its chain.

    Args:
        steps: Of the choice.
        found: For each chain, the log-probabilities (places, tokens).
    """
    return float(sum(found[step.chain][step.place, step.column] for step in steps))
