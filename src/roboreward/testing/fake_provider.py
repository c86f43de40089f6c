"""A provider of vision-language models that is none: a server on loopback which speaks the APIs of OpenAI, Gemini and
Anthropic, counts what it is asked, and fails on demand.

    with FakeProvider(answer="ANSWER: 4", faults=[Fault("rate_limit", retry_after="1")]) as provider:
        ...  # ask provider.url; then look at provider.requests

Base URLs: `provider.url + "/v1"` for OpenAI's SDK, `provider.url` for the two others. Any key is accepted but those in
`refused_keys`. It binds to 127.0.0.1 only.
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from roboreward.testing.fake_provider_faults import Fault, FaultKind
from roboreward.testing.fake_provider_forms import Api, Ending, Said, error_of, reply_of

__all__ = ["FakeProvider", "Fault", "FaultKind", "SeenRequest", "fake_key"]

if TYPE_CHECKING:
    from roboreward.models import ApiSettings

_GEMINI: Final = re.compile(r"/models/([^/:]+):generateContent")
_LASTING: Final = frozenset({"hang", "slow_body"})
_TEXT_FAULTS: Final = {"empty": "", "length": "The robot moves", "no_answer_field": "No idea."}
Answerer = Callable[["SeenRequest"], str]


@dataclass(frozen=True)
class SeenRequest:
    """One request.

    Attributes:
        api: In whose form it came.
        model: Which model it is for.
        key: The key that came with it.
        body: What it asks.
        num_pictures: Pictures and videos in it.
        fault: What was done instead of answering, or None.
        at_s: When it came, on the clock of `time.monotonic`.
    """

    api: Api
    model: str
    key: str
    body: dict[str, Any] = field(repr=False)
    num_pictures: int = 0
    fault: FaultKind | None = None
    at_s: float = 0.0


class FakeProvider:
    """The server; used as a context manager.

    Args:
        answer: Text of every answer, or a function of the request.
        probs: Probabilities of texts at the place of the answer's last token, for requests that want them.
        faults: Taken in turn, one a request; None is no fault. When they are used up, all goes well.
        latency_s: How long an answer takes.
        refused_keys: Keys that get 401, with the key repeated in the message.
        models: Models that exist; None for all.
        max_at_once: More requests at once than this get 429; None for no limit.
        not_taken: Parameters that get 400, by name, such as "logprobs".

    Attributes:
        requests: All requests so far, in the order of their coming.
        max_in_flight: Most requests at once so far.
        snapshot: What replies say behind the model's name; may be changed at any time.
    """

    def __init__(
        self,
        *,
        answer: str | Answerer = "ANSWER: 4",
        probs: Mapping[str, float] | None = None,
        faults: Iterable[Fault | None] = (),
        latency_s: float = 0.0,
        refused_keys: Iterable[str] = (),
        models: Iterable[str] | None = None,
        max_at_once: int | None = None,
        not_taken: Iterable[str] = (),
    ) -> None:
        self.answer, self.probs, self.latency_s = answer, dict(probs or {}), latency_s
        self.faults = list(faults)
        self.refused_keys, self.models = set(refused_keys), None if models is None else set(models)
        self.max_at_once, self.not_taken = max_at_once, tuple(not_taken)
        self.requests: list[SeenRequest] = []
        self.snapshot = "2026-01-01"
        self.max_in_flight = self._in_flight = 0
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:40123", without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def num_requests(self) -> int:
        """Requests so far."""
        with self._lock:
            return len(self.requests)

    @property
    def num_answered(self) -> int:
        """Requests that a real provider would have answered: all without a fault."""
        with self._lock:
            return sum(request.fault is None for request in self.requests)

    def settings(self, **changes: Any) -> "ApiSettings":
        """Return settings that ask this server in place of every provider, with the keys of `fake_key`.

        Args:
            changes: Other fields of `ApiSettings`. The first wait between tries is short unless given.
        """
        from roboreward.models import API_SCHEMES, ApiSettings

        base_urls = {"openai": f"{self.url}/v1", "gemini": self.url, "anthropic": self.url}
        keys = {scheme: fake_key(scheme) for scheme in API_SCHEMES}
        return ApiSettings(**{"base_urls": base_urls, "keys": keys, "backoff_s": 0.01, **changes})

    def __enter__(self) -> "FakeProvider":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _enter(self, request: SeenRequest) -> Fault | None:
        """Count a request and say what happens to it."""
        with self._lock:
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
            fault = self._fault_of(request)
            seen = SeenRequest(**{**vars(request), "fault": fault.kind if fault else None})
            self.requests.append(seen)
        return fault

    def _leave(self) -> None:
        with self._lock:
            self._in_flight -= 1

    def _fault_of(self, request: SeenRequest) -> Fault | None:
        if request.key in self.refused_keys:
            return Fault("bad_key")
        if self.models is not None and request.model not in self.models:
            return Fault("unknown_model")
        for name in self.not_taken:
            if name in request.body or name in request.body.get("generationConfig", {}):
                return Fault("unknown_parameter", detail=name)
        if self.max_at_once is not None and self._in_flight > self.max_at_once:
            return Fault("rate_limit")
        return self.faults.pop(0) if self.faults else None

    def _said(self, request: SeenRequest, fault: Fault | None) -> Said:
        kind = fault.kind if fault else None
        text = self.answer if isinstance(self.answer, str) else self.answer(request)
        if kind in _TEXT_FAULTS:
            text = _TEXT_FAULTS[kind]
        if kind == "content_filter":
            return Said("", {}, "filtered", f"{request.model}-{self.snapshot}")
        last = (request.body.get("messages") or [{}])[-1]
        if last.get("role") == "assistant":  # the answer goes on where the question begins it
            text = text.removeprefix(last["content"])
        probs = {} if fault else self.probs
        ending: Ending = "length" if kind == "length" else "whole"
        return Said(text, probs, ending, f"{request.model}-{self.snapshot}")


def fake_key(scheme: str) -> str:
    """Return a key that opens nothing, and that no other text holds: to look for it where no key may stand."""
    return f"fake-{scheme}-6b1f0c9d2e7a4853"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave in the middle are a part of the play."""


def _handler_of(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        fake = provider

    return Handler


class _Handler(BaseHTTPRequestHandler):
    fake: FakeProvider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body of a reply are 40 ms apart
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: headers would hold keys."""

    def do_POST(self) -> None:
        """Answer one request, or fail it."""
        request = self._read()
        fault = self.fake._enter(request)
        try:
            if self.fake.latency_s:
                time.sleep(self.fake.latency_s)
            with suppress(OSError):
                self._act(request, fault)
        finally:
            self.fake._leave()

    def _read(self) -> SeenRequest:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw or b"{}")
        found, bearer = _GEMINI.search(self.path), self.headers.get("Authorization", "")
        bearer = bearer.removeprefix("Bearer ")
        if found:
            api: Api = "gemini"
            key = self.headers.get("x-goog-api-key", "")
        elif self.path.endswith("/messages"):
            api, key = "anthropic", self.headers.get("x-api-key", bearer)
        else:
            api, key = "openai", bearer
        model = found[1] if found else str(body.get("model", ""))
        num = len(re.findall(rb'"image_url": ?\{|"type": ?"image"|"inlineData"', raw))
        return SeenRequest(api, model, key, body, num, at_s=time.monotonic())

    def _act(self, request: SeenRequest, fault: Fault | None) -> None:
        if fault and fault.after_s and fault.kind not in _LASTING:
            self.fake._closing.wait(fault.after_s)
        if fault and fault.kind in _BREAKING:
            _BREAKING[fault.kind](self, request, fault)
        elif fault and fault.kind in _ERRORS:
            self._error(request, fault)
        else:
            said = self.fake._said(request, fault)
            body = reply_of(request.api, said, num_logprobs=_num_logprobs(request.body))
            self._send(200, json.dumps(body).encode())

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        mime: str = "application/json",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _error(self, request: SeenRequest, fault: Fault) -> None:
        status, code, message = _ERRORS[fault.kind]
        if fault.kind == "overloaded" and request.api == "anthropic":
            status, code = 529, "overloaded_error"
        message = message.format(key=request.key, model=request.model, detail=fault.detail)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        body = error_of(request.api, status, message, code=code, param=fault.detail)
        self._send(status, json.dumps(body).encode(), headers=headers)

    def _hang(self, request: SeenRequest, fault: Fault) -> None:
        self.close_connection = True
        self.fake._closing.wait(fault.after_s or 30)

    def _reset(self, request: SeenRequest, fault: Fault) -> None:
        # With a linger of 0 closing sends a reset instead of a good-bye.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _slow(self, request: SeenRequest, fault: Fault) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        until = time.monotonic() + (fault.after_s or 30)
        while time.monotonic() < until and not self.fake._closing.wait(0.1):
            self.wfile.write(b" ")

    def _half(self, request: SeenRequest, fault: Fault) -> None:
        body = json.dumps(reply_of(request.api, self.fake._said(request, None), num_logprobs=0))
        self._send(200, body[: len(body) // 2].encode())

    def _page(self, request: SeenRequest, fault: Fault) -> None:
        self._send(200, b"<html>Bad gateway</html>", mime="text/html")

    def _other(self, request: SeenRequest, fault: Fault) -> None:
        self._send(200, b'{"hello": "world"}')


_ERRORS: Final[dict[str, tuple[int, str, str]]] = {
    "bad_key": (401, "invalid_api_key", "Incorrect API key provided: {key}."),
    "filtered_request": (400, "content_filter", "The request was flagged by our content policy."),
    "overloaded": (503, "overloaded", "The server is overloaded."),
    "rate_limit": (429, "rate_limit_exceeded", "Too many requests."),
    "server_error": (500, "server_error", "Something went wrong."),
    "unknown_model": (404, "model_not_found", "The model {model} does not exist."),
    "unknown_parameter": (400, "unsupported_parameter", "Unsupported parameter: '{detail}'."),
}
_BREAKING: Final[dict[str, Callable[[Any, SeenRequest, Fault], None]]] = {
    "hang": _Handler._hang,
    "not_json": _Handler._page,
    "reset": _Handler._reset,
    "slow_body": _Handler._slow,
    "truncated_json": _Handler._half,
    "wrong_shape": _Handler._other,
}


def _num_logprobs(body: Mapping[str, Any]) -> int:
    config = body.get("generationConfig", {})
    if config.get("responseLogprobs"):
        return int(config.get("logprobs", 1))
    return int(body.get("top_logprobs", 1)) if body.get("logprobs") else 0
