"""What an exception of a provider's SDK means for a call: try again, give up, or stop everything.

The three SDKs, over their versions, raise classes of different libraries. So exceptions are told apart by what they
carry (a status, headers, a body) and by the names of their classes, not by their identity.
"""

import email.utils
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from roboreward.core import RoboRewardError, shorten

TroubleKind = Literal["busy", "again", "final", "refused", "fatal"]
_BUSY: Final = frozenset({429, 503, 529})
_AGAIN: Final = frozenset({408, 409, 425})
_TIMEOUTS: Final = frozenset({"APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"})
_CONNECTIONS: Final = frozenset(
    {"APIConnectionError", "TransportError", "ConnectionError", "TransportException"}
)
_NEVER_SENT: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "PoolTimeout", "gaierror"}
)
_INVALID: Final = frozenset(
    {
        "JSONDecodeError",
        "APIResponseValidationError",
        "UnknownApiResponseError",
        "ValidationError",
        "UnicodeDecodeError",
    }
)
_FILTERED: Final = re.compile(
    r"content[_ ]?(?:filter|policy|management)|moderation|flagged|safety system|responsible ?ai",
    re.I,
)
_NO_KEY: Final = re.compile(r"API_KEY_INVALID|API key not valid|API key expired", re.I)
_NO_CREDIT: Final = re.compile(
    r"insufficient_quota|insufficient credit|credit balance is too low", re.I
)
_MAX_TEXT: Final = 240


@dataclass(frozen=True)
class Trouble:
    """Why a call gave no answer.

    Attributes:
        kind: "busy" (try again, and slow down), "again", "final" (this question fails), "refused" (the provider
            declined this question), "fatal" (every question would fail).
        reason: In words, without secrets.
        retry_after_s: What the server asked to wait, or None.
        status: HTTP status, or None where there was no reply.
        may_cost: Whether it may be on the bill all the same: the question had been sent, and no error came back.
    """

    kind: TroubleKind
    reason: str
    retry_after_s: float | None = None
    status: int | None = None
    may_cost: bool = True


class BadReply(RoboRewardError):
    """A reply of a provider that came whole and is not what its API promises."""


def trouble_of(error: BaseException, *, secrets: Iterable[str] = ()) -> Trouble:
    """Say what an exception of an SDK, or of the libraries below it, means.

    Args:
        error: What was raised.
        secrets: Texts that must not stand in the reason.
    """
    status = status_of(error)
    if status is not None:
        text = scrub(text_of(error), secrets)
        kind, reason = _of_status(status, text)
        return Trouble(kind, reason, _retry_after_s(error), status, may_cost=False)
    names = _names_of(error)
    is_sent = not any(_names_of(cause) & _NEVER_SENT for cause in _causes(error))
    if names & _TIMEOUTS:
        return Trouble("again", "no answer in time", may_cost=is_sent)
    if names & _INVALID or isinstance(error, BadReply):
        return Trouble("final", f"the reply is not valid: {scrub(_first_line(error), secrets)}")
    if names & _CONNECTIONS:
        cause = error.__cause__ or error
        reason = f"no connection: {scrub(_first_line(cause), secrets)}"
        return Trouble("again", reason, may_cost=is_sent)
    return Trouble("final", f"{type(error).__name__}: {scrub(_first_line(error), secrets)}")


def _names_of(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Return an exception and what it came from, down to the first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries, or None."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and 300 <= value <= 599:
            return value
    return None


def text_of(error: BaseException) -> str:
    """Return what the server said, as text: its message, and the codes that stand beside it."""
    body: Any = getattr(error, "body", None) or getattr(error, "details", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            rest = {k: v for k, v in inner.items() if k != "message" and v is not None}
            extra = f" {json.dumps(rest, default=str)}" if rest else ""
            return f"{inner.get('message', '')}{extra}"
        return str(inner)
    return str(body or error)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` on one line, shortened, with stars in place of secrets and of what looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"\b(?:sk|key|AIza)[-_A-Za-z0-9]{12,}", "***", text)
    return shorten(" ".join(text.split()), _MAX_TEXT)


def _of_status(status: int, text: str) -> tuple[TroubleKind, str]:
    said = f"HTTP {status}: {text}"
    if status == 401 or _NO_KEY.search(text):
        # The server's words are left out: some repeat the key.
        return "fatal", f"the provider does not accept the key (HTTP {status})"
    if status == 402 or _NO_CREDIT.search(text):
        return "fatal", f"the account has no credit ({said})"
    if status in (400, 403, 422) and _FILTERED.search(text):
        return "refused", f"the provider declined the question ({said})"
    if status == 403:
        return "fatal", f"the key has no access to this ({said})"
    if status == 404:
        return "fatal", f"the model or the address does not exist ({said})"
    if status in _BUSY:
        return "busy", said
    if status in _AGAIN or status >= 500:
        return "again", said
    return "final", said


def _retry_after_s(error: BaseException) -> float | None:
    """Read Retry-After: milliseconds, seconds, or a date."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        if (ms := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(ms) / 1000)
    except ValueError:
        pass
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        when = email.utils.parsedate_tz(value)
        return None if when is None else max(0.0, email.utils.mktime_tz(when) - time.time())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
