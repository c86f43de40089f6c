"""Chat completions: OpenAI itself, and the servers that speak like it (vLLM, SGLang, Ollama, OpenRouter and others)."""

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
from roboreward.models.asking import Ask, Decoding, ReplyStatus, Token

_TOP_LOGPROBS: Final = (20, 5)
_REASONS_FIRST: Final = re.compile(r"(?:o\d|gpt-(?:5|6))(?:[.-]|$)")
_STATUS: Final[dict[str, ReplyStatus]] = {
    "stop": "ok",
    "length": "truncated",
    "content_filter": "refused",
}
# Settings that some servers do not take, in the order in which a complaint is searched for them.
_OPTIONAL: Final = (
    "continue_final_message",
    "add_generation_prompt",
    "max_completion_tokens",
    "max_tokens",
    "reasoning_effort",
    "top_logprobs",
    "logprobs",
    "temperature",
    "seed",
)


class OpenAiWire:
    """Asks by the SDK `openai`; see `api_calls.Wire`.

    Starts with every setting, and leaves out or replaces what the server says it does not take: twenty alternatives
    become five and then none, `max_tokens` becomes `max_completion_tokens`. What was left out stands in `served_by`.

    Args:
        endpoint: Who is asked.
        settings: How frames are sent, and what is asked for.

    Raises:
        MissingExtra: The SDK is not installed.
        UsageError: There is no key.
    """

    def __init__(self, endpoint: Endpoint, settings: ApiSettings) -> None:
        try:
            from openai import OpenAI, OpenAIError
        except ImportError as error:
            raise MissingExtra("openai", "api", f"{endpoint.scheme}:") from error
        key = endpoint.key.get_secret_value() if endpoint.key else None
        # A server of one's own often wants no key, and must not be handed the one of OpenAI that the SDK would find.
        key = key or ("EMPTY" if endpoint.is_own_server else None)
        try:
            self.client = OpenAI(api_key=key, base_url=endpoint.base_url, max_retries=0)
        except OpenAIError as error:
            raise no_key(endpoint) from error
        weakref.finalize(self, self.client.close)  # its pool of connections
        self.provider = endpoint.provider
        self.model, self.settings = endpoint.model, settings
        self.address = str(self.client.base_url)
        wanted = settings.is_prefix_forced
        self._is_prefix_wanted = endpoint.scheme == "vllm" if wanted is None else wanted
        self._lock = threading.Lock()
        self._left_out: set[str] = set()
        self._top = _TOP_LOGPROBS[0] if settings.has_logprobs is not False else 0
        self._limit = "max_tokens"
        is_known = _REASONS_FIRST.match(endpoint.model.rpartition("/")[2]) is not None
        if is_known and not endpoint.is_own_server:
            self._limit = "max_completion_tokens"

    @property
    def has_logprobs(self) -> bool:
        """Whether alternatives are asked for."""
        return self._top > 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key."""
        key = self.client.api_key
        return (key,) if key and key != "EMPTY" else ()

    def facts(self) -> dict[str, Any]:
        """Settings as asked for, whatever the server takes of them."""
        return {
            "address": self.address,
            "logprobs": self.settings.has_logprobs is not False,
            "max_new_tokens": self.settings.max_new_tokens,
            "prefix": self._is_prefix_wanted,
            "reasoning_effort": self.settings.reasoning_effort,
            **picture_facts(self.settings),
        }

    def send(self, ask: Ask, decoding: Decoding, *, sample: int, timeout_s: float) -> Answer:
        """Send one question and read the reply."""
        left_out, extra = frozenset(self._left_out), dict[str, Any]()
        options = self._options(ask, decoding, sample)
        messages: list[dict[str, Any]] = [{"role": "user", "content": self._content(ask)}]
        prefix = ask.prefix if self._forces(ask) else ""
        if prefix:
            messages.append({"role": "assistant", "content": prefix})
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
        completion = self.client.chat.completions.create(
            model=self.model,
            messages=messages,
            timeout=timeout_s,
            extra_body=extra or None,
            **options,
        )
        return self._read(completion, prefix, left_out)

    def adapt(self, error: BaseException) -> bool:
        """Leave out the setting that the complaint names."""
        name = _named(error)
        if name is None:
            return False
        with self._lock:
            return self._leave_out(name)

    def _leave_out(self, name: str) -> bool:
        if name in ("continue_final_message", "add_generation_prompt"):
            self._left_out.add("continue_final_message")
            return True
        if name in ("max_tokens", "max_completion_tokens"):
            other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
            is_swapped_back = other in self._left_out
            self._left_out.add(name)
            self._limit = other
            return not is_swapped_back
        if name in ("top_logprobs", "logprobs"):
            smaller = [top for top in _TOP_LOGPROBS if 0 < top < self._top]
            self._top = smaller[0] if smaller and name == "top_logprobs" else 0
            if not self._top:
                self._left_out.add("logprobs")
            return True
        self._left_out.add(name)
        return True

    def _forces(self, ask: Ask) -> bool:
        is_taken = "continue_final_message" not in self._left_out
        return self._is_prefix_wanted and is_taken and bool(ask.prefix)

    def _options(self, ask: Ask, decoding: Decoding, sample: int) -> dict[str, Any]:
        is_thought_counted = self._limit == "max_completion_tokens"
        options: dict[str, Any] = {
            self._limit: room_for(
                ask, decoding, self.settings, is_thought_counted=is_thought_counted
            ),
            "temperature": decoding.temperature,
            "seed": decoding.seed + sample,
        }
        if self._top:
            options |= {"logprobs": True, "top_logprobs": self._top}
        if self.settings.reasoning_effort is not None:
            options["reasoning_effort"] = self.settings.reasoning_effort
        return {k: v for k, v in options.items() if k == self._limit or k not in self._left_out}

    def _content(self, ask: Ask) -> list[dict[str, Any]]:
        return [
            _picture(piece) if isinstance(piece, Media) else {"type": "text", "text": piece}
            for piece in pieces_of(ask, self.settings.model_copy(update={"media": "frames"}))
        ]

    def _read(self, completion: Any, prefix: str, left_out: frozenset[str]) -> Answer:
        choices = getattr(completion, "choices", None)
        if not isinstance(choices, list) or not choices:
            raise BadReply("it holds no choice")
        choice, usage = choices[0], getattr(completion, "usage", None)
        message = getattr(choice, "message", None)
        text = getattr(message, "content", None) or ""
        status, reason = _status_of(choice, message, text)
        cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
        return Answer(
            status=status,
            reason=reason,
            text=f"{prefix}{text}" if text else "",
            tokens=_tokens_of(choice),
            input_tokens=getattr(usage, "prompt_tokens", None),
            output_tokens=getattr(usage, "completion_tokens", None),
            cached_tokens=cached,
            served_by=_served_by(completion, left_out),
        )


def _served_by(completion: Any, left_out: frozenset[str]) -> str:
    named = getattr(completion, "model", None) or ""
    fingerprint = getattr(completion, "system_fingerprint", None) or ""
    without = ",".join(sorted(left_out - {"max_tokens", "max_completion_tokens"}))
    note = f"(without {without})" if without else ""
    return " ".join(filter(None, (named, fingerprint, note)))


def _status_of(choice: Any, message: Any, text: str) -> tuple[ReplyStatus, str]:
    finish = str(getattr(choice, "finish_reason", None) or "stop")
    refusal = getattr(message, "refusal", None)
    if refusal or finish == "content_filter":
        return "refused", str(refusal or "The provider withheld the answer (content filter).")[:500]
    if finish not in _STATUS:
        return "failed", f"the reply ended with {finish!r}"
    status = _STATUS[finish]
    if status == "truncated":
        return status, "The answer was cut at the length limit."
    return ("ok", "") if text.strip() else ("empty", "The model gave no text.")


def _picture(media: Media) -> dict[str, Any]:
    data = base64.b64encode(media.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{media.mime};base64,{data}"}}


def _tokens_of(choice: Any) -> tuple[Token, ...]:
    found = getattr(getattr(choice, "logprobs", None), "content", None) or ()
    return tuple(
        Token(token.token, {likely.token: likely.logprob for likely in token.top_logprobs or ()})
        for token in found
    )


def _named(error: BaseException) -> str | None:
    """Return the optional setting that a complaint is about: by its `param`, else by its words."""
    param = getattr(error, "param", None)
    if param in _OPTIONAL:
        return str(param)
    text = text_of(error)
    if "max_completion_tokens" in text and "'max_tokens'" in text:
        return "max_tokens"
    return next((name for name in _OPTIONAL if re.search(rf"\b{name}\b", text)), None)
