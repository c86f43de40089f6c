"""The engine that every provider's API shares: calls side by side, tried again where that helps, paid once.

A provider's part is a `Wire`: how one question is sent and its reply read. Everything else is here.
"""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from roboreward.core import content_id
from roboreward.models.api_answers import KEPT, Answer, answer_of, digest_of, entry_of, joined
from roboreward.models.api_batch import Batch, Job
from roboreward.models.api_gate import Gate
from roboreward.models.api_prices import Price, load_prices
from roboreward.models.api_settings import ApiSettings, room_for
from roboreward.models.asking import Ask, Decoding, Reply
from roboreward.store import Ledger

CALL_FORMAT: Final = "call-v2"
"""Version of how questions are put to an API; enters the ledger's keys and the models' revisions."""
_TOKENS_A_FRAME: Final = 1600


class Wire(Protocol):
    """How one provider is asked. Called from several threads at once.

    Attributes:
        provider: Such as "openai".
        model: Its name there.
        address: Where it is asked, for messages.
        has_logprobs: Whether probabilities are asked for, and have not been declined yet.
        secrets: Texts that must never be shown.
    """

    provider: str
    model: str
    address: str

    @property
    def has_logprobs(self) -> bool: ...
    @property
    def secrets(self) -> tuple[str, ...]: ...

    def facts(self) -> dict[str, Any]:
        """Return what can change an answer, as JSON values: for keys and revisions."""
        ...

    def send(self, ask: Ask, decoding: Decoding, *, sample: int, timeout_s: float) -> Answer:
        """Send one question once. Raises whatever the SDK raises."""
        ...

    def adapt(self, error: BaseException) -> bool:
        """Leave out what the server said it does not take; whether to send again."""
        ...


@dataclass
class Tally:
    """What a model's calls came to.

    Attributes:
        num_sent: Calls sent, with those that were tried again.
        num_retried: Of these, second and later tries.
        num_answered: Answers that came.
        num_stored: Answers that came from the ledger.
        cost_usd: What was paid for the rest, as far as prices are known.
        num_unpriced: Answers whose cost is unknown.
        lost_usd: What calls can have cost at most that gave no answer to read, as far as prices are known.
    """

    num_sent: int = 0
    num_retried: int = 0
    num_answered: int = 0
    num_stored: int = 0
    cost_usd: float = 0.0
    num_unpriced: int = 0
    lost_usd: float = 0.0


class ApiVlm:
    """A vision-language model behind an API; see `asking.Vlm`.

    Calls run side by side in threads. What the ledger holds is not asked again, and an answer stands there before it
    is handed on.

    Args:
        wire: How the provider is asked.
        settings: How long to wait, what may be spent.
        name: Its URI.
        revision: What else can change its answers.
        ledger: Where paid calls are kept; None to keep none.
        rng: Draws the waits between tries.

    Attributes:
        tally: What the calls came to.
        refusal: Why the ledger did not take an answer, or "". Nothing more is sent from then on, since it would be paid
            again; what the ledger holds is still answered.
    """

    def __init__(
        self,
        wire: Wire,
        settings: ApiSettings,
        *,
        name: str,
        revision: str,
        ledger: Ledger | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.wire, self.settings, self.ledger = wire, settings, ledger
        self.name, self.revision = name, revision
        self.gate = Gate(settings.max_concurrency)
        self.tally = Tally()
        self.rng = rng or random.Random()
        self.prices = load_prices(settings.price_file)
        self.price: Price | None = self.prices.find(wire.provider, wire.model)
        self.refusal = ""
        self._lock = threading.Lock()

    @property
    def has_logprobs(self) -> bool:
        """Whether probabilities are asked for, and the provider has not declined them."""
        return self.wire.has_logprobs

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        """Answer all questions; see `asking.Vlm`.

        Raises:
            UsageError: The key is refused, the account is empty, the model does not exist, or nothing answers there.
            StoreError: The ledger cannot be read.
        """
        digests: dict[int, str] = {}
        has_ledger = self.ledger is not None
        jobs = [
            Job(ask, sample, self._key(ask, decoding, sample, digests) if has_ledger else "")
            for ask in asks
            for sample in range(decoding.num_samples)
        ]
        answers = Batch(self, decoding).run(jobs)
        num = decoding.num_samples
        return [joined(answers[i * num : (i + 1) * num]) for i in range(len(asks))]

    def count(self, **amounts: float) -> None:
        """Add to the tally."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.tally, name, getattr(self.tally, name) + amount)

    def priced(self, answer: Answer, latency_s: float) -> Answer:
        """Return the answer with what it cost and how long it took."""
        cost = None
        if self.price and answer.input_tokens is not None and answer.output_tokens is not None:
            cost = self.price.cost_usd(
                num_input=answer.input_tokens,
                num_output=answer.output_tokens,
                num_cached=answer.cached_tokens or 0,
            )
        return replace(answer, cost_usd=cost, latency_s=latency_s)

    def most_usd(self, ask: Ask, decoding: Decoding) -> float:
        """Return about what one call can cost at most; 0 where the price is unknown."""
        if self.price is None:
            return 0.0
        num_input = sum(
            len(part) // 3 + 10
            if isinstance(part, str)
            else len(part.frames_THWC) * _TOKENS_A_FRAME
            for part in ask.parts
        )
        num_output = room_for(ask, decoding, self.settings, is_thought_counted=True)
        return self.price.cost_usd(num_input=num_input, num_output=num_output)

    def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """Return what the ledger holds, by key."""
        if self.ledger is None:
            return {}
        return {key: answer_of(entry) for key, entry in self.ledger.get(keys).items()}

    def keep(self, job: Job, answer: Answer) -> None:
        """Write an answer to the ledger, if there is one and the answer is one."""
        if self.ledger is not None and answer.status in KEPT:
            prices = self.prices.version if self.price else ""
            entry = entry_of(
                answer, provider=self.wire.provider, model=self.wire.model, prices=prices
            )
            self.ledger.put(job.key, entry)

    def _key(self, ask: Ask, decoding: Decoding, sample: int, digests: dict[int, str]) -> str:
        for part in ask.parts:
            if id(part) not in digests:
                digests[id(part)] = digest_of(part)
        facts = {
            "format": CALL_FORMAT,
            "provider": self.wire.provider,
            "model": self.wire.model,
            "wire": self.wire.facts(),
            "parts": [digests[id(part)] for part in ask.parts],
            "prefix": ask.prefix,
            "times": ask.has_times,
            "decoding": decoding.model_dump(exclude={"num_samples"}),
            "sample": sample,
        }
        return content_id(facts, length=64)
