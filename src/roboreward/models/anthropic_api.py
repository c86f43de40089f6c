"""Messages: Anthropic's API. Frames go as pictures; it gives no probabilities."""

import base64
import re
import threading
import weakref
from typing import Any, Final

from roboreward.core import MissingExtra
from roboreward.models.api_answers import Answer
from roboreward.models.api_errors import BadReply, text_of
from roboreward.models.api_pictures import Media, picture_facts, pieces_of
from roboreward.models.api_settings import ApiSettings, Endpoint, no_key, room_for
from roboreward.models.asking import Ask, Decoding, ReplyStatus

_STATUS: Final[dict[str, ReplyStatus]] = {
    "end_turn": "ok",
    "stop_sequence": "ok",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "refusal": "refused",
}
_REASON: Final[dict[str, str]] = {
    "truncated": "The answer was cut at the length limit.",
    "refused": "The model declined to answer (stop reason refusal).",
}


class AnthropicWire:
    """Asks by the SDK `anthropic`; see `api_calls.Wire`.

    Args:
        endpoint: Who is asked.
        settings: How frames are sent.

    Raises:
        MissingExtra: The SDK is not installed.
        UsageError: There is no key.
    """

    has_logprobs = False

    def __init__(self, endpoint: Endpoint, settings: ApiSettings) -> None:
        try:
            from anthropic import Anthropic, AnthropicError
        except ImportError as error:
            raise MissingExtra("anthropic", "api", "anthropic:") from error
        key = endpoint.key.get_secret_value() if endpoint.key else None
        try:
            self.client = Anthropic(api_key=key, base_url=endpoint.base_url, max_retries=0)
        except AnthropicError as error:
            raise no_key(endpoint) from error
        weakref.finalize(self, self.client.close)  # its pool of connections
        self.provider = endpoint.provider
        self.model, self.settings = endpoint.model, settings
        self.address = str(self.client.base_url)
        # The SDK says so only at the first call, and finds credentials of other kinds by itself.
        if not self.secrets and getattr(self.client, "credentials", None) is None:
            raise no_key(endpoint)
        self._is_temperature_taken = True
        self._lock = threading.Lock()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that the SDK holds."""
        held = (self.client.api_key, getattr(self.client, "auth_token", None))
        return tuple(key for key in held if key)

    def facts(self) -> dict[str, Any]:
        """Address, room and pictures."""
        return {
            "address": self.address,
            "max_new_tokens": self.settings.max_new_tokens,
            **picture_facts(self.settings),
        }

    def send(self, ask: Ask, decoding: Decoding, *, sample: int, timeout_s: float) -> Answer:
        """Send one question and read the reply. The API takes no seed."""
        # Newer versions of the SDK do not name the temperature, which older models take.
        is_taken = self._is_temperature_taken
        extra = {"temperature": decoding.temperature} if is_taken else None
        message = self.client.messages.create(
            model=self.model,
            max_tokens=room_for(ask, decoding, self.settings, is_thought_counted=True),
            messages=[{"role": "user", "content": self._content(ask)}],
            extra_body=extra,
            timeout=timeout_s,
        )
        return self._read(message, note="" if is_taken else "(without temperature)")

    def adapt(self, error: BaseException) -> bool:
        """Leave the temperature out where the model does not take it."""
        if not re.search(r"\btemperature\b", text_of(error)):
            return False
        with self._lock:
            self._is_temperature_taken = False
        return True

    def _content(self, ask: Ask) -> list[dict[str, Any]]:
        settings = self.settings.model_copy(update={"media": "frames"})
        return [
            _picture(piece) if isinstance(piece, Media) else {"type": "text", "text": piece}
            for piece in pieces_of(ask, settings)
        ]

    def _read(self, message: Any, *, note: str) -> Answer:
        blocks, usage = getattr(message, "content", None), getattr(message, "usage", None)
        if not isinstance(blocks, list):
            raise BadReply("it holds no content")
        text = "".join(block.text for block in blocks if getattr(block, "type", "") == "text")
        stop = str(getattr(message, "stop_reason", None) or "end_turn")
        status: ReplyStatus = _STATUS.get(stop, "failed")
        if status == "ok" and not text.strip():
            status = "empty"
        reasons = {**_REASON, "empty": "The model gave no text.", "ok": ""}
        cached = getattr(usage, "cache_read_input_tokens", None) or 0
        fresh = getattr(usage, "input_tokens", None)
        written = getattr(usage, "cache_creation_input_tokens", None) or 0
        return Answer(
            status=status,
            reason=reasons.get(status, f"the reply ended with {stop!r}"),
            text=text,
            input_tokens=None if fresh is None else fresh + cached + written,
            output_tokens=getattr(usage, "output_tokens", None),
            cached_tokens=cached,
            served_by=" ".join(filter(None, (getattr(message, "model", ""), note))),
        )


def _picture(media: Media) -> dict[str, Any]:
    data = base64.b64encode(media.data).decode("ascii")
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media.mime, "data": data},
    }
