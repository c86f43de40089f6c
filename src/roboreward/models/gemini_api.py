"""Google's Gemini API. Frames go as pictures, or all of them as one video."""

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

_TOP_LOGPROBS: Final = 20
_STATUS: Final[dict[str, ReplyStatus]] = {
    "STOP": "ok",
    "MAX_TOKENS": "truncated",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"),
        ),
        "refused",
    ),
}
_OPTIONAL: Final = ("logprobs", "seed", "temperature")


class GeminiWire:
    """Asks by the SDK `google-genai`; see `api_calls.Wire`.

    Args:
        endpoint: Who is asked.
        settings: How frames are sent, and whether probabilities are asked for.

    Raises:
        MissingExtra: The SDK is not installed.
        UsageError: There is no key.
    """

    def __init__(self, endpoint: Endpoint, settings: ApiSettings) -> None:
        try:
            from google import genai
            from google.genai import types
        except ImportError as error:
            raise MissingExtra("google-genai", "api", "gemini:") from error
        self.types: Any = types
        key = endpoint.key.get_secret_value() if endpoint.key else None
        options = types.HttpOptions(base_url=endpoint.base_url)
        # Without options for trying again the SDK tries once.
        try:
            self.client = genai.Client(api_key=key, vertexai=False, http_options=options)
        except ValueError as error:
            raise no_key(endpoint) from error
        weakref.finalize(self, self.client.close)  # its pool of connections
        self.model, self.settings = endpoint.model, settings
        self.address, self.provider = endpoint.base_url, endpoint.provider
        self._left_out: set[str] = set() if settings.has_logprobs else {"logprobs"}
        self._not_wanted = frozenset(self._left_out)
        self._lock = threading.Lock()

    @property
    def has_logprobs(self) -> bool:
        """Whether probabilities are asked for, and were not declined."""
        return "logprobs" not in self._left_out

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key that the SDK holds."""
        key = getattr(getattr(self.client, "_api_client", None), "api_key", None)
        own = (key,) if isinstance(key, str) and key else ()
        given = self.settings.keys.get("gemini")
        return (*own, given.get_secret_value()) if given else own

    def facts(self) -> dict[str, Any]:
        """Address, pictures, and whether probabilities are wanted."""
        return {
            "address": self.address,
            "logprobs": bool(self.settings.has_logprobs),
            "max_new_tokens": self.settings.max_new_tokens,
            **picture_facts(self.settings, is_video_taken=True),
        }

    def send(self, ask: Ask, decoding: Decoding, *, sample: int, timeout_s: float) -> Answer:
        """Send one question and read the reply."""
        left_out = frozenset(self._left_out - self._not_wanted)
        content = self.types.Content(
            role="user", parts=[self._part(piece) for piece in pieces_of(ask, self.settings)]
        )
        reply = self.client.models.generate_content(
            model=self.model,
            contents=[content],
            config=self._config(ask, decoding, sample, timeout_s),
        )
        return self._read(reply, left_out)

    def adapt(self, error: BaseException) -> bool:
        """Leave out the setting that the complaint names."""
        text = text_of(error)
        for name in _OPTIONAL:
            if re.search(name, text, re.IGNORECASE):
                with self._lock:
                    self._left_out.add(name)
                return True
        return False

    def _part(self, piece: str | Media) -> Any:
        if isinstance(piece, str):
            return self.types.Part(text=piece)
        blob = self.types.Blob(data=piece.data, mime_type=piece.mime)
        if piece.fps is None:
            return self.types.Part(inline_data=blob)
        # Without its rate the API looks at one frame a second only.
        rate = self.types.VideoMetadata(fps=min(24.0, piece.fps))
        return self.types.Part(inline_data=blob, video_metadata=rate)

    def _config(self, ask: Ask, decoding: Decoding, sample: int, timeout_s: float) -> Any:
        options: dict[str, Any] = {
            "max_output_tokens": room_for(ask, decoding, self.settings, is_thought_counted=True),
            "temperature": decoding.temperature,
            "seed": decoding.seed + sample,
            "http_options": self.types.HttpOptions(timeout=max(1, int(timeout_s * 1000))),
        }
        if self.has_logprobs:
            options |= {"response_logprobs": True, "logprobs": _TOP_LOGPROBS}
        kept = {k: v for k, v in options.items() if k not in self._left_out}
        return self.types.GenerateContentConfig(**kept)

    def _read(self, reply: Any, left_out: frozenset[str]) -> Answer:
        usage = getattr(reply, "usage_metadata", None)
        thoughts = getattr(usage, "thoughts_token_count", None) or 0
        written = getattr(usage, "candidates_token_count", None)
        num_input = getattr(usage, "prompt_token_count", None)
        status, reason, text, tokens = self._content_of(reply)
        note = f"(without {','.join(sorted(left_out))})" if left_out else ""
        if written is None and num_input is not None:
            written = 0  # the API leaves out what is nothing
        return Answer(
            status=status,
            reason=reason,
            text=text,
            tokens=tokens,
            input_tokens=num_input,
            output_tokens=None if written is None else written + thoughts,
            cached_tokens=getattr(usage, "cached_content_token_count", None),
            served_by=" ".join(filter(None, (getattr(reply, "model_version", None), note))),
        )

    def _content_of(self, reply: Any) -> tuple[ReplyStatus, str, str, tuple[Token, ...]]:
        blocked = getattr(getattr(reply, "prompt_feedback", None), "block_reason", None)
        if blocked:
            return "refused", f"The provider blocked the question ({_name(blocked)}).", "", ()
        candidates = getattr(reply, "candidates", None)
        if not candidates:
            raise BadReply("it holds no candidate")
        finish = _name(getattr(candidates[0], "finish_reason", None) or "STOP")
        parts = getattr(getattr(candidates[0], "content", None), "parts", None) or ()
        text = "".join(p.text for p in parts if p.text and not getattr(p, "thought", False))
        status: ReplyStatus = _STATUS.get(finish, "failed")
        if status == "ok" and not text.strip():
            status = "empty"
        reason = {
            "ok": "",
            "empty": "The model gave no text.",
            "truncated": "The answer was cut at the length limit.",
            "refused": f"The provider withheld the answer ({finish}).",
            "failed": f"the reply ended with {finish!r}",
        }[status]
        return status, reason, text, _tokens_of(candidates[0])


def _name(value: Any) -> str:
    return str(getattr(value, "value", value))


def _tokens_of(candidate: Any) -> tuple[Token, ...]:
    result = getattr(candidate, "logprobs_result", None)
    chosen = getattr(result, "chosen_candidates", None) or ()
    likely = getattr(result, "top_candidates", None) or ()
    if len(chosen) != len(likely):
        return ()
    return tuple(
        Token(
            token.token or "",
            {
                other.token: other.log_probability
                for other in top.candidates or ()
                if other.token is not None and other.log_probability is not None
            },
        )
        for token, top in zip(chosen, likely, strict=True)
    )
