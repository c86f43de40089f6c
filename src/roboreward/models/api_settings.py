"""Settings of models behind an API: who is asked, how pictures are sent, how long to wait, what may be spent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from roboreward.core import UsageError, shorten
from roboreward.models.api_prices import Budget
from roboreward.models.asking import Ask, Decoding

_MIN_TOKENS: Final = 16
_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}
_TRANSPORT: Final[dict[str, Any]] = {"role": "transport"}

Scheme = Literal["openai", "vllm", "gemini", "anthropic"]
API_SCHEMES: Final[tuple[Scheme, ...]] = ("openai", "vllm", "gemini", "anthropic")
KEY_VARIABLES: Final[dict[Scheme, tuple[str, ...]]] = {
    "openai": ("OPENAI_API_KEY",),
    "vllm": ("VLLM_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
}
"""Environment variables that hold a key, the first that is set counts. The command line reads them, not this room."""
SDKS: Final[dict[Scheme, tuple[str, str]]] = {
    "openai": ("openai", "openai"),
    "vllm": ("openai", "openai"),
    "gemini": ("google.genai", "google-genai"),
    "anthropic": ("anthropic", "anthropic"),
}
"""Module and distribution of the official SDK that asks."""
_EXAMPLES: Final[dict[Scheme, str]] = {
    "openai": "openai:gpt-5-mini",
    "vllm": "vllm:http://localhost:8000/teetone/RoboReward-8B",
    "gemini": "gemini:gemini-2.5-flash",
    "anthropic": "anthropic:claude-sonnet-4-5",
}

API_NAMES: Final[tuple[tuple[Scheme, str, str], ...]] = (
    ("openai", "openai:<model>", "a model behind the API of OpenAI, or one that speaks like it"),
    ("vllm", "vllm:<http://host:port/model>", "a model on a server of your own: vLLM, SGLang"),
    ("gemini", "gemini:<model>", "a model behind the Gemini API"),
    ("anthropic", "anthropic:<model>", "a model behind the Anthropic API"),
)
"""Scheme, form of the name, and what it is."""


class ApiSettings(BaseModel):
    """How models behind an API are asked. Keys are never shown: not in `repr`, messages, records or the ledger.

    Attributes:
        base_urls: Another address than the provider's own, by scheme, such as {"openai": "https://openrouter.ai/api/v1"}.
        num_samples: Answers that are drawn, at temperature 1, where a provider gives no probabilities; their shares
            are the distribution. With 1 there is one answer at temperature 0, and no distribution.
        max_new_tokens: Least room for an answer, since many models reason before it; see `room_for`. What is not used
            is not paid.
        picture: How frames are sent. PNG is exact and several times larger.
        jpeg_quality: 1 to 95.
        media: "video" hands `gemini:` the frames as one video instead of as pictures.
        is_prefix_forced: Whether the answer is made to begin with the prefix of a question. Only servers such as vLLM
            and SGLang can; None is yes for `vllm:` and no for the others.
        has_logprobs: Whether probabilities are asked for; None is yes for `openai:` and `vllm:`. Gemini gives them for
            some models only.
        reasoning_effort: Of OpenAI's reasoning models, such as "low"; None for their default.
        keys: By scheme.
        ledger: File of paid calls; None to keep none.
        budget: What may be spent by all models that share it; None for no limit.
        price_file: A table of your own prices, which come before those of the package.
        max_concurrency: Calls under way at once, at most; it starts at a quarter and adapts.
        call_timeout_s: Longest wait for one try.
        deadline_s: Longest time for one question with all tries and waits.
        max_tries: Times that a question is sent at most.
        on_load: Called with each model behind an API that is loaded, for who wants to know what it did.
        backoff_s: Upper limit of the first wait between tries; it doubles each time.
        max_wait_s: Longest wait between tries, also where the server asks for more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    base_urls: dict[Scheme, str] = Field(default_factory=dict, json_schema_extra=_IDENTITY)
    num_samples: int = Field(default=1, ge=1, le=64, json_schema_extra=_IDENTITY)
    max_new_tokens: int = Field(default=2048, ge=16, json_schema_extra=_IDENTITY)
    picture: Literal["jpeg", "png"] = Field(default="jpeg", json_schema_extra=_IDENTITY)
    jpeg_quality: int = Field(default=90, ge=1, le=95, json_schema_extra=_IDENTITY)
    media: Literal["frames", "video"] = Field(default="frames", json_schema_extra=_IDENTITY)
    is_prefix_forced: bool | None = Field(default=None, json_schema_extra=_IDENTITY)
    has_logprobs: bool | None = Field(default=None, json_schema_extra=_IDENTITY)
    reasoning_effort: str | None = Field(default=None, json_schema_extra=_IDENTITY)
    keys: dict[Scheme, SecretStr] = Field(default_factory=dict, json_schema_extra=_TRANSPORT)
    ledger: Path | None = Field(default=None, json_schema_extra=_TRANSPORT)
    budget: Budget | None = Field(default=None, exclude=True, json_schema_extra=_TRANSPORT)
    price_file: Path | None = Field(default=None, json_schema_extra=_TRANSPORT)
    max_concurrency: int = Field(default=16, ge=1, le=256, json_schema_extra=_TRANSPORT)
    call_timeout_s: float = Field(default=120.0, gt=0, json_schema_extra=_TRANSPORT)
    deadline_s: float = Field(default=600.0, gt=0, json_schema_extra=_TRANSPORT)
    max_tries: int = Field(default=6, ge=1, json_schema_extra=_TRANSPORT)
    on_load: Callable[[Any], None] | None = Field(
        default=None, exclude=True, json_schema_extra=_TRANSPORT
    )
    backoff_s: float = Field(default=1.0, gt=0, json_schema_extra=_TRANSPORT)
    max_wait_s: float = Field(default=60.0, gt=0, json_schema_extra=_TRANSPORT)


_CURRENT: ContextVar[ApiSettings | None] = ContextVar("roboreward_api_settings", default=None)


@contextmanager
def use_api(settings: ApiSettings) -> Iterator[None]:
    """Load models behind an API with these settings, however deep they stand in a name.

    Names nest ("floor:first-frame:openai:gpt-5"), and what loads the outer model hands on nothing but a text.
    """
    token = _CURRENT.set(settings)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_api() -> ApiSettings:
    """Return the settings of the innermost `use_api`; outside of one, the defaults, with which SDKs find their keys."""
    return _CURRENT.get() or ApiSettings()


def why_not_usable(scheme: Scheme) -> str:
    """Return what is missing for a scheme, or "". Nothing is loaded or called.

    Outside of `use_api` only the SDK is looked for: it may find a key by itself.
    """
    module, distribution = SDKS[scheme]
    if not _is_installed(module):
        return f'needs {distribution}: pip install "roboreward[api]"'
    settings = _CURRENT.get()
    if settings is None or scheme == "vllm" or scheme in {*settings.keys, *settings.base_urls}:
        return ""
    return f"needs a key: set {' or '.join(KEY_VARIABLES[scheme])}"


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of "google.genai", when there is no "google"
        return False


_OWN_ADDRESSES: Final[dict[Scheme, str]] = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
    "anthropic": "https://api.anthropic.com",
}


class Endpoint(NamedTuple):
    """Who is asked.

    Attributes:
        scheme: What stands before the colon of the model's name.
        model: The model's name at the provider.
        base_url: Where it is asked. Handed to the SDK in any case: left to itself it would look into the environment.
        key: The key, or None to let the SDK find one.
    """

    scheme: Scheme
    model: str
    base_url: str
    key: SecretStr | None

    @property
    def is_own_server(self) -> bool:
        """Whether somebody else than the provider answers at the address."""
        return self.base_url != _OWN_ADDRESSES.get(self.scheme)

    @property
    def provider(self) -> str:
        """Who is paid: the scheme, with " server" behind it where somebody else than the provider answers."""
        return f"{self.scheme} server" if self.is_own_server else self.scheme

    @property
    def uri(self) -> str:
        """The model's name here."""
        if self.scheme != "vllm":
            return f"{self.scheme}:{self.model}"
        return f"vllm:{self.base_url.removesuffix('/v1')}/{self.model}"


def endpoint_of(scheme: Scheme, rest: str, settings: ApiSettings) -> Endpoint:
    """Return who is meant by `<scheme>:<rest>`.

    Raises:
        UsageError: No model is named, or an address is not http(s), or holds a password or a query.
    """
    key = settings.keys.get(scheme)
    if scheme == "vllm" and "://" in rest:
        base_url, model = _split_address(rest)
        return Endpoint(scheme, model, base_url, key)
    if not rest.strip():
        raise UsageError(f"{scheme}: names no model. Give one, such as {_EXAMPLES[scheme]}.")
    address = settings.base_urls.get(scheme) or _OWN_ADDRESSES.get(scheme)
    if address is None:
        raise UsageError(f"vllm: names no server. Give one, as {_EXAMPLES['vllm']}.")
    return Endpoint(scheme, rest, check_address(address), key)


def room_for(
    ask: Ask, decoding: Decoding, settings: ApiSettings, *, is_thought_counted: bool
) -> int:
    """Return how many tokens an answer may have: what is asked for, and at least what the settings say.

    A question without a prefix whose choices are enough is answered by its first word, so it gets no more than is asked
    for, unless what the model thinks counts too.
    """
    is_first_word_enough = bool(ask.choices) and not (ask.prefix or ask.is_text_wanted)
    if is_first_word_enough and not is_thought_counted:
        return max(_MIN_TOKENS, decoding.max_new_tokens)
    return max(_MIN_TOKENS, decoding.max_new_tokens, settings.max_new_tokens)


def no_key(endpoint: Endpoint) -> UsageError:
    """Return the error for a model whose key is missing."""
    names = " or ".join(KEY_VARIABLES[endpoint.scheme])
    return UsageError(f"{endpoint.uri} needs a key. Set {names} in the environment.")


def check_address(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        UsageError: It is not http(s), or holds a user, a password or a query, which would stand in records. None of
            them is repeated.
    """
    if "?" in url or "#" in url:
        raise UsageError('An address ends before "?" and "#". Give keys by the environment.')
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_user = "@" in parts.netloc
    except ValueError:
        is_plain, has_user = False, "@" in url
    if has_user:
        raise UsageError("An address holds a user or a password. Give keys by the environment.")
    if not is_plain:
        raise UsageError(f"{shorten(url)!r} is no address. Give one such as http://localhost:8000.")
    return url.rstrip("/")


def _split_address(rest: str) -> tuple[str, str]:
    """Split "http://host:port/org/model", or the same with "/v1" behind the port."""
    check_address(rest)
    parts = urlsplit(rest)
    # A server may know its model by a path: "http://host:port//models/mine" is the model "/models/mine".
    model = parts.path.removeprefix("/").removeprefix("v1/").rstrip("/")
    if model in ("", "v1"):
        raise UsageError(f"vllm:{shorten(rest)} names no model. Give one, as {_EXAMPLES['vllm']}.")
    return f"{parts.scheme}://{parts.netloc}/v1", model
