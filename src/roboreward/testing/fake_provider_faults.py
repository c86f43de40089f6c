"""What can go wrong between a program and a model behind an API, by name."""

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "bad_key",
    "content_filter",
    "empty",
    "filtered_request",
    "hang",
    "length",
    "not_json",
    "no_answer_field",
    "overloaded",
    "rate_limit",
    "reset",
    "server_error",
    "slow_body",
    "truncated_json",
    "unknown_model",
    "unknown_parameter",
    "wrong_shape",
]


@dataclass(frozen=True)
class Fault:
    """What the fake provider does instead of answering.

    Attributes:
        kind: "bad_key" (401 that repeats the key), "content_filter" (an answer that was withheld), "empty" (an answer
            without text), "filtered_request" (400 for its content), "hang" (the connection stays open and nothing
            comes), "length" (an answer cut in the middle), "not_json" (200 with a page), "no_answer_field" (a text
            that is no score), "overloaded" (503, for Anthropic 529), "rate_limit" (429), "reset" (the connection is
            torn), "server_error" (500), "slow_body" (a byte now and then), "truncated_json" (200 with half an object),
            "unknown_model" (404), "unknown_parameter" (400 that names `detail`), "wrong_shape" (JSON of another kind).
        retry_after: Value of the header Retry-After of "rate_limit" and "overloaded": seconds or a date.
        detail: Name of the parameter, for "unknown_parameter".
        after_s: Wait before it happens; of "hang" and "slow_body", how long it goes on.
    """

    kind: FaultKind
    retry_after: str | None = None
    detail: str = ""
    after_s: float = 0.0
