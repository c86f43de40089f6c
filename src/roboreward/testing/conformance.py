"""Does a reward model keep the contract of `core.RewardModel`? For our models and for plug-ins."""

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from roboreward.core import (
    SCORES,
    Capability,
    DenseRewardModel,
    FittedOnLabels,
    FramePolicy,
    Query,
    RewardModel,
    UsageError,
    Verdict,
    prefixes_of,
)
from roboreward.judge import MAX_TASK_CHARS
from roboreward.testing.synthetic import synthetic_queries

_SAME_EXPECTED = 1e-3


class ConformanceError(AssertionError):
    """A reward model, or a source, does not keep its contract.

    Attributes:
        findings: One sentence for each thing that is wrong.
    """

    def __init__(
        self, name: str, findings: Sequence[str], *, contract: str = "a reward model"
    ) -> None:
        self.findings = tuple(findings)
        lines = "".join(f"\n- {finding}" for finding in findings)
        super().__init__(f"{name} does not keep the contract of {contract}:{lines}")


def check_reward_model(
    model: RewardModel, *, queries: Sequence[Query] | None = None, is_deterministic: bool = True
) -> None:
    """Check that a model keeps the contract; a `FittedOnLabels` model is fitted first.

    Checked: the attributes; no queries give no verdicts; as many verdicts as queries, in their order; each verdict
    names the model and the frames it saw; the frames handed in are not changed; a query without a task or with an
    endless one costs nobody else's answer and gets no score; a model that offers a distribution gives one; one that
    offers "dense" has a curve with a verdict for each anchor, refuses others, and, if it is deterministic, ends it at
    what `score` says (within 1e-3 of the expected score); and, for a deterministic model, the same answers again, in
    another order and one by one. Not checked: that the answers are any good. An exception that the model lets out
    passes through.

    Args:
        model: The model, loaded.
        queries: At least three, with videos of different lengths; synthetic ones by default. Give queries that the
            model can answer if the synthetic pictures make it abstain.
        is_deterministic: False for a model that samples or sits behind an API; it is then asked only twice.

    Raises:
        ConformanceError: With everything that was found.
    """
    findings = list(_attribute_findings(model))
    if not findings:
        asked = list(queries) if queries is not None else _queries_for(model)
        if isinstance(model, FittedOnLabels):
            model.fit([f"task {score}" for score in SCORES], list(SCORES))
        findings += _answer_findings(model, asked, is_deterministic)
        if "dense" in model.capabilities:
            findings += _curve_findings(model, asked[0], is_deterministic)
    if findings:
        raise ConformanceError(str(getattr(model, "name", type(model).__name__)), findings)


def _queries_for(model: RewardModel) -> list[Query]:
    policy = model.frame_policy
    return synthetic_queries(3, num_frames=min(max(4, policy.min_frames), policy.max_frames))


def _attribute_findings(model: RewardModel) -> Iterator[str]:
    if not isinstance(model, RewardModel):
        yield "it lacks one of: name, revision, frame_policy, capabilities, score"
        return
    for field in ("name", "revision"):
        value = getattr(model, field)
        if not isinstance(value, str) or not value or not value.isprintable():
            yield f"{field} must be a printable text, got {value!r}"
        if getattr(model, field) != value:
            yield f"{field} changes from one look to the next"
    if not isinstance(model.frame_policy, FramePolicy):
        yield f"frame_policy must be a FramePolicy, got {type(model.frame_policy).__name__}"
    unknown = set(model.capabilities) - set(get_args(Capability))
    if unknown:
        yield f"unknown capabilities: {', '.join(sorted(map(str, unknown)))}"


def _answer_findings(
    model: RewardModel, queries: list[Query], is_deterministic: bool
) -> Iterator[str]:
    if model.score([]) != []:
        yield "no queries must give an empty list"
    pixels = [np.array(query.sample.frames_THWC) for query in queries]
    verdicts = model.score(queries)
    if len(verdicts) != len(queries):
        yield f"{len(queries)} queries gave {len(verdicts)} verdicts"
        return
    for query, verdict in zip(queries, verdicts, strict=True):
        yield from _verdict_findings(model, query, verdict)
    yield from _bad_query_findings(model, queries, verdicts, is_deterministic)
    if is_deterministic:
        yield from _repeat_findings(model, queries, verdicts)
    for query, before in zip(queries, pixels, strict=True):
        if not np.array_equal(query.sample.frames_THWC, before):
            yield f"the frames of {query.query_id} were changed"


def _verdict_findings(model: RewardModel, query: Query, verdict: Verdict) -> Iterator[str]:
    who = query.query_id or "a query"
    # Behind the model's own revision may stand what a provider says answered.
    is_own = f"{verdict.revision} ".startswith(f"{model.revision} ")
    if verdict.model != model.name or not is_own:
        yield (
            f"the verdict on {who} names {verdict.model!r} revision {verdict.revision!r}, "
            f"the model is {model.name!r} revision {model.revision!r}"
        )
    record = query.sample.record
    if verdict.frames is None or not verdict.frames.indices:
        yield f"the verdict on {who} does not say which frames were seen"
    elif verdict.frames.num_frames != record.num_frames:
        yield f"the verdict on {who} is about another video: are the answers in order?"
    elif not set(verdict.frames.indices) <= set(record.indices):
        yield f"the verdict on {who} names frames that were not handed in"
    if verdict.is_scored and "distribution" in model.capabilities and verdict.probs is None:
        yield f"the verdict on {who} has no distribution, though the model offers one"


def _bad_query_findings(
    model: RewardModel, queries: list[Query], verdicts: list[Verdict], is_deterministic: bool
) -> Iterator[str]:
    sample = queries[0].sample
    bad = [Query(sample, "", "no task"), Query(sample, "x" * (MAX_TASK_CHARS + 1), "endless task")]
    mixed = model.score([queries[0], bad[0], *queries[1:], bad[1]])
    if len(mixed) != len(queries) + 2:
        yield f"with two bad queries among them, {len(queries) + 2} queries gave {len(mixed)} verdicts"
        return
    for query, verdict in ((bad[0], mixed[1]), (bad[1], mixed[-1])):
        if verdict.is_scored:
            yield f"a query with {query.query_id} got the score {verdict.score}"
    others = [mixed[0], *mixed[2:-1]]
    if is_deterministic and _answers(others) != _answers(verdicts):
        yield "bad queries among them changed the answers to the others"


def _curve_findings(model: RewardModel, query: Query, is_deterministic: bool) -> Iterator[str]:
    if not isinstance(model, DenseRewardModel):
        yield "it offers the capability dense and has no curve"
        return
    most = len(query.sample.record.indices)
    for anchors, prefixes in (
        (None, prefixes_of(query)),
        ([most, 1], prefixes_of(query, [most, 1])),
    ):
        verdicts = model.curve(query, anchors)
        if len(verdicts) != len(prefixes):
            yield f"a curve with {len(prefixes)} anchors has {len(verdicts)} verdicts"
            return
        for prefix, verdict in zip(prefixes, verdicts, strict=True):
            yield from _verdict_findings(model, prefix, verdict)
    if is_deterministic:  # only the whole sample is sure to be shown in frames of the same size
        yield from _end_findings(verdicts[0], model.score([query])[0])
    try:
        model.curve(query, [most + 1])
    except UsageError:
        return
    yield f"a curve of {most} frames takes an anchor at {most + 1}"


def _end_findings(last: Verdict, whole: Verdict) -> Iterator[str]:
    ends = [v.expected if v.expected is not None else v.score for v in (last, whole)]
    differs = last.status != whole.status or (ends[0] is None) != (ends[1] is None)
    if differs or abs((ends[0] or 0) - (ends[1] or 0)) > _SAME_EXPECTED:
        yield f"a curve ends at {last.status} {ends[0]}, and score says {whole.status} {ends[1]}"


def _repeat_findings(
    model: RewardModel, queries: list[Query], verdicts: list[Verdict]
) -> Iterator[str]:
    expected = _answers(verdicts)
    if _answers(model.score(queries)) != expected:
        yield "the same queries got other answers the second time"
    if _answers(model.score(queries[::-1])) != expected[::-1]:
        yield "the answers depend on the order of the queries"
    if [answer for query in queries for answer in _answers(model.score([query]))] != expected:
        yield "a query alone gets another answer than among others"


def _answers(verdicts: Sequence[Verdict]) -> list[tuple[str, int | None]]:
    return [(verdict.status, verdict.score) for verdict in verdicts]
