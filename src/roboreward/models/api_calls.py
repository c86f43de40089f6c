"""The engine that every provider's API shares: calls side by side, tried again where that helps, paid once.

A provider's part is a `Wire`: how one question is sent and its reply read. Everything else is here.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from roboreward.core import StoreError, UsageError, content_id
from roboreward.models.api_answers import KEPT, Answer, answer_of, digest_of, entry_of, joined
from roboreward.models.api_errors import Trouble, status_of, trouble_of
from roboreward.models.api_gate import Gate
from roboreward.models.api_prices import Price, load_prices
from roboreward.models.api_settings import ApiSettings
from roboreward.models.asking import Ask, Decoding, Reply
from roboreward.store import Ledger

CALL_FORMAT: Final = "call-v1"
"""Version of how questions are put to an API; enters the ledger's keys and the models' revisions."""
_MAX_ADAPTIONS: Final = 8
_GRACE_S: Final = 0.5
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
    """

    num_sent: int = 0
    num_retried: int = 0
    num_answered: int = 0
    num_stored: int = 0
    cost_usd: float = 0.0
    num_unpriced: int = 0


class _Job(NamedTuple):
    ask: Ask
    sample: int
    key: str


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
            _Job(ask, sample, self._key(ask, decoding, sample, digests) if has_ledger else "")
            for ask in asks
            for sample in range(decoding.num_samples)
        ]
        answers = _Batch(self, decoding).run(jobs)
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
        num_output = max(decoding.max_new_tokens, self.settings.max_new_tokens)
        return self.price.cost_usd(num_input=num_input, num_output=num_output)

    def keep(self, job: _Job, answer: Answer) -> None:
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
            "decoding": decoding.model_dump(exclude={"num_samples"}),
            "sample": sample,
        }
        return content_id(facts, length=64)


class _Batch:
    """The questions of one call of `ask`."""

    def __init__(self, vlm: ApiVlm, decoding: Decoding) -> None:
        self.vlm, self.decoding, self.settings = vlm, decoding, vlm.settings
        self._stopped = threading.Event()
        self._why = ""
        self._fatal: UsageError | None = None

    def run(self, jobs: Sequence[_Job]) -> list[Answer]:
        """Answer each job, in order; the same question twice is sent once."""
        done: dict[str, Answer] = {}
        if self.vlm.ledger is not None:
            found = self.vlm.ledger.get(sorted({job.key for job in jobs}))
            done = {key: answer_of(entry) for key, entry in found.items()}
            self.vlm.count(num_stored=sum(job.key in done for job in jobs))
        # Without a ledger there are no keys, and each question stands for itself.
        names = [job.key or str(position) for position, job in enumerate(jobs)]
        todo = {name: job for name, job in zip(names, jobs, strict=True) if name not in done}
        done.update(self._run_all(todo))
        return [done[name] for name in names]

    def _run_all(self, todo: dict[str, _Job]) -> dict[str, Answer]:
        if not todo:
            return {}
        pool = ThreadPoolExecutor(min(len(todo), self.settings.max_concurrency), "roboreward-api")
        try:
            running = {name: pool.submit(self._run_one, job) for name, job in todo.items()}
            answers = {name: future.result() for name, future in running.items()}
        finally:
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if self._fatal is not None:
            raise self._fatal
        return answers

    def _run_one(self, job: _Job) -> Answer:
        deadline = time.monotonic() + self.settings.deadline_s
        trouble, num_tries, num_adaptions = Trouble("again", "it was not sent in time"), 0, 0
        while num_tries < self.settings.max_tries and time.monotonic() < deadline:
            if self._stopped.is_set():
                return Answer("failed", reason=f"not asked: {self._why or 'stopped'}")
            result = self._try(job, deadline, is_again=num_tries > 0)
            if result is None:
                continue
            if isinstance(result, Answer):
                return result
            if isinstance(result, _Adapted):
                num_adaptions += 1
                if num_adaptions <= _MAX_ADAPTIONS:
                    continue
                result = result.trouble
            trouble, num_tries = result, num_tries + 1
            if trouble.kind in ("final", "fatal", "refused"):
                return self._ended(trouble)
            if num_tries < self.settings.max_tries:
                self._stopped.wait(self._wait_s(num_tries, trouble, deadline))
        return self._given_up(trouble, num_tries)

    def _try(
        self, job: _Job, deadline: float, *, is_again: bool
    ) -> "Answer | Trouble | _Adapted | None":
        """Send once, when there is a place and money for it. None when there was no place."""
        vlm = self.vlm
        ticket = vlm.gate.enter(until=deadline, is_stopped=self._stopped.is_set)
        if ticket is None:
            return None
        budget, reserved = self.settings.budget, vlm.most_usd(job.ask, self.decoding)
        if budget and not budget.reserve(reserved, is_stopped=self._stopped.is_set):
            vlm.gate.leave(ticket)
            reason = (
                f"budget: the limit of {budget.max_usd:g} USD is reached; the question was not sent"
            )
            return Answer("failed", reason=reason)
        vlm.count(num_sent=1, num_retried=int(is_again))
        result, cost = self._sent(job, deadline)
        if budget:
            budget.settle(reserved, reserved if cost is None else cost)
        is_busy = isinstance(result, Trouble) and result.kind == "busy"
        vlm.gate.leave(ticket, is_ok=isinstance(result, Answer), is_busy=is_busy)
        if isinstance(result, Trouble) and result.kind == "busy" and result.retry_after_s:
            vlm.gate.pause(min(result.retry_after_s, self.settings.max_wait_s))
        return result

    def _sent(
        self, job: _Job, deadline: float
    ) -> "tuple[Answer | Trouble | _Adapted, float | None]":
        """Return what came of one try, and its cost (None: it may have cost what was reserved)."""
        vlm, start = self.vlm, time.monotonic()
        timeout_s = max(0.01, min(self.settings.call_timeout_s, deadline - start))
        try:
            answer = self._within(job, timeout_s)
        except FutureTimeout:
            return Trouble("again", f"no whole answer within {timeout_s:g} s"), None
        except (
            Exception
        ) as error:  # an SDK may raise anything, and one question must not lose the others
            trouble = trouble_of(error, secrets=vlm.wire.secrets)
            if status_of(error) in (400, 422) and vlm.wire.adapt(error):
                return _Adapted(trouble), 0.0
            return trouble, 0.0
        answer = vlm.priced(answer, time.monotonic() - start)
        vlm.count(
            num_answered=1,
            cost_usd=answer.cost_usd or 0.0,
            num_unpriced=int(answer.cost_usd is None),
        )
        self._keep(job, answer)
        return answer, answer.cost_usd

    def _within(self, job: _Job, timeout_s: float) -> Answer:
        """Send in a thread of its own, and leave it behind when time is up.

        The SDKs' own limits are for one read each, so a server that sends a byte now and then would never end. An
        answer that comes too late is still kept in the ledger: it was paid.
        """
        result: Future[Answer] = Future()

        def send() -> None:
            try:
                answer = self.vlm.wire.send(
                    job.ask, self.decoding, sample=job.sample, timeout_s=timeout_s
                )
            except BaseException as error:  # handed to the thread that waits
                result.set_exception(error)
            else:
                result.set_result(answer)

        start = time.monotonic()
        threading.Thread(target=send, daemon=True, name="roboreward-call").start()
        until = start + timeout_s + _GRACE_S
        while not result.done():
            left_s = until - time.monotonic()
            if left_s <= 0 or self._stopped.is_set():
                result.add_done_callback(self._keep_late(job, start))
                raise FutureTimeout
            wait_for([result], timeout=min(left_s, 0.25))
        return result.result()

    def _keep_late(self, job: _Job, start: float) -> Callable[["Future[Answer]"], None]:
        def keep(late: "Future[Answer]") -> None:
            if late.exception() is None:
                self._keep(job, self.vlm.priced(late.result(), time.monotonic() - start))

        return keep

    def _keep(self, job: _Job, answer: Answer) -> None:
        """Keep an answer. When the disk refuses, nothing more is sent: it would be paid again."""
        try:
            self.vlm.keep(job, answer)
        except StoreError as error:
            self._stop(str(error))

    def _wait_s(self, num_tries: int, trouble: Trouble, deadline: float) -> float:
        """Full jitter below a limit that doubles; not less than what the server asks for."""
        most_s = min(self.settings.max_wait_s, self.settings.backoff_s * 2 ** (num_tries - 1))
        wait_s = max(self.vlm.rng.uniform(0, most_s), trouble.retry_after_s or 0.0)
        return max(0.0, min(wait_s, self.settings.max_wait_s, deadline - time.monotonic()))

    def _ended(self, trouble: Trouble) -> Answer:
        if trouble.kind == "refused":
            return Answer("refused", reason=trouble.reason)
        if trouble.kind == "fatal":
            self._fail(f"{self.vlm.name}: {trouble.reason}.")
        return Answer("failed", reason=trouble.reason)

    def _given_up(self, trouble: Trouble, num_tries: int) -> Answer:
        if trouble.reason.startswith("no connection") and self.vlm.tally.num_answered == 0:
            self._fail(
                f"{self.vlm.name}: nothing answers at {self.vlm.wire.address} ({trouble.reason}). "
                "Check the address, and that the server runs."
            )
        tries = "1 try" if num_tries == 1 else f"{num_tries} tries"
        return Answer("failed", reason=f"gave up after {tries}: {trouble.reason}")

    def _fail(self, message: str) -> None:
        self._fatal = self._fatal or UsageError(message)
        self._stop(message)

    def _stop(self, why: str) -> None:
        self._why = self._why or why
        self._stopped.set()


class _Adapted(NamedTuple):
    """The server does not take a setting, which is left out from now on."""

    trouble: Trouble
