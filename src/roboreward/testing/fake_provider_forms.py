"""How the three APIs say the same things: the replies of the fake provider."""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Api = Literal["openai", "gemini", "anthropic"]
Ending = Literal["whole", "length", "filtered"]
NUM_INPUT, NUM_OUTPUT = 1000, 5
"""Tokens that every reply says it took."""


class Said(NamedTuple):
    """What is to be said.

    Attributes:
        text: The answer.
        probs: Probabilities of texts at the place of the last token, or nothing.
        ending: How it ended.
        model: Who is said to have answered.
    """

    text: str
    probs: Mapping[str, float]
    ending: Ending
    model: str


def reply_of(api: Api, said: Said, *, num_logprobs: int) -> dict[str, Any]:
    """Return the body of a good reply.

    Args:
        api: In whose form.
        said: What.
        num_logprobs: How many alternatives were asked for; 0 for none.
    """
    if api == "openai":
        return _openai(said, num_logprobs)
    return _gemini(said, num_logprobs) if api == "gemini" else _anthropic(said)


def error_of(
    api: Api, status: int, message: str, *, code: str = "", param: str = ""
) -> dict[str, Any]:
    """Return the body of an error."""
    if api == "gemini":
        return {"error": {"code": status, "message": message, "status": code or "FAILED"}}
    if api == "anthropic":
        return {"type": "error", "error": {"type": code or "api_error", "message": message}}
    error = {"message": message, "type": "invalid_request_error", "param": param or None}
    return {"error": {**error, "code": code or None}}


def _openai(said: Said, num_logprobs: int) -> dict[str, Any]:
    finish = {"whole": "stop", "length": "length", "filtered": "content_filter"}[said.ending]
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": said.text, "refusal": None},
        "finish_reason": finish,
    }
    if num_logprobs and said.text:
        choice["logprobs"] = {
            "content": [_openai_token(*pair) for pair in _tokens(said, num_logprobs)]
        }
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": said.model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": NUM_INPUT,
            "completion_tokens": NUM_OUTPUT,
            "total_tokens": NUM_INPUT + NUM_OUTPUT,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def _openai_token(text: str, likely: Mapping[str, float]) -> dict[str, Any]:
    top = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in likely.items()]
    return {"token": text, "logprob": max(likely.values()), "bytes": None, "top_logprobs": top}


def _tokens(said: Said, num_logprobs: int) -> list[tuple[str, dict[str, float]]]:
    """Cut the text into words and signs; the last token has the alternatives."""
    *head, last = re.findall(r"[^\W\d]+|.", said.text, re.DOTALL)
    probs = dict(said.probs) or {last: 1.0}
    likely = {text: math.log(prob) for text, prob in probs.items() if prob > 0}
    few = dict(sorted(likely.items(), key=lambda pair: -pair[1])[:num_logprobs])
    return [*((text, {text: 0.0}) for text in head), (last, few)]


def _gemini(said: Said, num_logprobs: int) -> dict[str, Any]:
    usage = {"promptTokenCount": NUM_INPUT, "totalTokenCount": NUM_INPUT}
    if said.ending == "filtered":
        candidate: dict[str, Any] = {"finishReason": "SAFETY", "index": 0}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": said.model}
    finish = "STOP" if said.ending == "whole" else "MAX_TOKENS"
    parts = [{"text": said.text}] if said.text else []
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
    if num_logprobs and said.text:
        pairs = _tokens(said, num_logprobs)
        candidate["logprobsResult"] = {
            "chosenCandidates": [
                {"token": text, "logProbability": max(likely.values())} for text, likely in pairs
            ],
            "topCandidates": [
                {"candidates": [{"token": t, "logProbability": p} for t, p in likely.items()]}
                for _, likely in pairs
            ],
        }
    return {
        "candidates": [candidate],
        "usageMetadata": {**usage, "candidatesTokenCount": NUM_OUTPUT},
        "modelVersion": said.model,
    }


def _anthropic(said: Said) -> dict[str, Any]:
    stop = {"whole": "end_turn", "length": "max_tokens", "filtered": "refusal"}[said.ending]
    content = [{"type": "text", "text": said.text}] if said.text else []
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": NUM_INPUT, "output_tokens": NUM_OUTPUT},
    }
