"""Answering many queries one by one, so that a bad one loses nobody else's answer."""

import time
from collections.abc import Callable, Sequence

from roboreward.core import Query, RewardModel, RoboRewardError, Verdict
from roboreward.judge import check_task


def answer_each(
    model: RewardModel, queries: Sequence[Query], answer: Callable[[Query], Verdict]
) -> list[Verdict]:
    """Answer each query and fill in who answered, which frames were shown, and how long it took.

    The task is checked first. A query whose task or answer raises an error of this package gets status `failed` with
    the error's message; other exceptions are bugs and pass through.

    Args:
        model: Gives the name and the revision.
        queries: Any number of queries.
        answer: Answers one query, whose task is clean; may leave model, revision, frames and latency empty.

    Returns:
        One verdict a query, in the same order.
    """
    return [_answer_one(model, query, answer) for query in queries]


def _answer_one(model: RewardModel, query: Query, answer: Callable[[Query], Verdict]) -> Verdict:
    start = time.perf_counter()
    try:
        verdict = answer(Query(query.sample, check_task(query.task), query.query_id))
    except RoboRewardError as error:
        verdict = Verdict.without_score("failed", str(error))
    facts = {
        "model": model.name,
        "revision": model.revision,
        "frames": verdict.frames or query.sample.record,
        "latency_s": time.perf_counter() - start,
    }
    return verdict.model_copy(update=facts)
