"""From the name of a model behind an API to the model: `openai:`, `vllm:`, `gemini:` and `anthropic:`."""

from collections.abc import Sequence
from typing import Final

from roboreward.core import UsageError, content_id
from roboreward.models.api_calls import CALL_FORMAT, ApiVlm, Wire
from roboreward.models.api_settings import ApiSettings, Endpoint, Scheme, current_api, endpoint_of
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.rubric_judge import RubricJudge
from roboreward.store import Ledger

SAMPLED_AT: Final = 1.0
"""Temperature of answers of which the shares are the distribution."""


class LogprobsElseSamples:
    """Asks once where a model gives probabilities, and several times where it gives none.

    Args:
        inner: Who is asked.
        num_samples: How often, at temperature 1, whatever `Decoding` says. Where probabilities are given, the answer is
            the most probable one.
    """

    def __init__(self, inner: Vlm, num_samples: int) -> None:
        self.inner, self.num_samples = inner, num_samples
        self.name, self.revision = inner.name, inner.revision

    @property
    def has_logprobs(self) -> bool:
        """As the inner model, which may learn that its provider gives none."""
        return self.inner.has_logprobs

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        """Answer all questions; see `asking.Vlm`."""
        once = decoding.model_copy(update={"num_samples": 1, "temperature": 0.0})
        often = decoding.model_copy(
            update={"num_samples": self.num_samples, "temperature": SAMPLED_AT}
        )
        replies = self.inner.ask(asks, once) if self.has_logprobs else []
        if not replies:
            return self.inner.ask(asks, often)
        is_bare = [r.status == "ok" and not any(t.alternatives for t in r.tokens) for r in replies]
        again = [ask for ask, bare in zip(asks, is_bare, strict=True) if bare]
        drawn = iter(self.inner.ask(again, often) if again else ())
        return [
            next(drawn) if bare else reply for reply, bare in zip(replies, is_bare, strict=True)
        ]


def load_openai(rest: str) -> RubricJudge:
    """Return the published prompt on `openai:<rest>`."""
    return _judge("openai", rest)


def load_vllm(rest: str) -> RubricJudge:
    """Return the published prompt on `vllm:<rest>`."""
    return _judge("vllm", rest)


def load_gemini(rest: str) -> RubricJudge:
    """Return the published prompt on `gemini:<rest>`."""
    return _judge("gemini", rest)


def load_anthropic(rest: str) -> RubricJudge:
    """Return the published prompt on `anthropic:<rest>`."""
    return _judge("anthropic", rest)


def vlm_openai(rest: str) -> ApiVlm:
    """Return `openai:<rest>`, for methods that ask in their own way."""
    return api_vlm("openai", rest)


def vlm_vllm(rest: str) -> ApiVlm:
    """Return `vllm:<rest>`, for methods that ask in their own way."""
    return api_vlm("vllm", rest)


def vlm_gemini(rest: str) -> ApiVlm:
    """Return `gemini:<rest>`, for methods that ask in their own way."""
    return api_vlm("gemini", rest)


def vlm_anthropic(rest: str) -> ApiVlm:
    """Return `anthropic:<rest>`, for methods that ask in their own way."""
    return api_vlm("anthropic", rest)


def api_vlm(scheme: Scheme, rest: str, settings: ApiSettings | None = None) -> ApiVlm:
    """Return the model `<scheme>:<rest>`. Nothing is sent.

    Args:
        scheme: Which API.
        rest: The model, for `vllm` behind its address.
        settings: None for those of `use_api`.

    Raises:
        MissingExtra: The provider's SDK is not installed.
        UsageError: There is no key, no model is named, or a budget is set and the model's price is unknown.
        StoreError: The ledger cannot be opened.
    """
    settings = settings or current_api()
    endpoint = endpoint_of(scheme, rest, settings)
    wire = _wire_of(endpoint, settings)
    revision = f"{CALL_FORMAT}-{content_id(wire.facts(), length=10)}"
    ledger = Ledger(settings.ledger) if settings.ledger else None
    vlm = ApiVlm(wire, settings, name=endpoint.uri, revision=revision, ledger=ledger)
    if settings.budget and vlm.price is None and scheme != "vllm":
        raise UsageError(
            f"The price of {endpoint.uri} is unknown, so a limit on what is spent cannot be kept. Give a table "
            f"(--prices) with a [[price]] of provider = {scheme!r} and model = {endpoint.model!r}, or no limit."
        )
    if settings.on_load is not None:
        settings.on_load(vlm)
    return vlm


def _judge(scheme: Scheme, rest: str) -> RubricJudge:
    settings = current_api()
    vlm = api_vlm(scheme, rest, settings)
    if settings.num_samples == 1:
        return RubricJudge(vlm, decoding=Decoding(max_new_tokens=settings.max_new_tokens))
    decoding = Decoding(
        max_new_tokens=settings.max_new_tokens,
        num_samples=settings.num_samples,
        temperature=SAMPLED_AT,
    )
    return RubricJudge(LogprobsElseSamples(vlm, settings.num_samples), decoding=decoding)


def _wire_of(endpoint: Endpoint, settings: ApiSettings) -> Wire:
    if endpoint.scheme == "gemini":
        from roboreward.models.gemini_api import GeminiWire

        return GeminiWire(endpoint, settings)
    if endpoint.scheme == "anthropic":
        from roboreward.models.anthropic_api import AnthropicWire

        return AnthropicWire(endpoint, settings)
    from roboreward.models.openai_api import OpenAiWire

    return OpenAiWire(endpoint, settings)
