"""The questions of one call of `ApiVlm.ask`: side by side, each tried again where that helps."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, Final, NamedTuple

from roboreward.core import StoreError, UsageError
from roboreward.models.api_answers import Answer
from roboreward.models.api_errors import Trouble, status_of, trouble_of
from roboreward.models.asking import Ask, Decoding

if TYPE_CHECKING:
    from roboreward.models.api_calls import ApiVlm

_MAX_ADAPTIONS: Final = 8
_GRACE_S: Final = 0.5


class Job(NamedTuple):
    """One answer that is wanted.

    Attributes:
        ask: The question.
        sample: Number of the answer to it, from 0.
        key: Of the ledger; "" without one.
    """

    ask: Ask
    sample: int
    key: str


class _Adapted(NamedTuple):
    """The server does not take a setting, which is left out from now on."""

    trouble: Trouble


class Batch:
    """The questions of one call of `ask`.

    Args:
        vlm: Who is asked.
        decoding: How answers are drawn.
    """

    def __init__(self, vlm: "ApiVlm", decoding: Decoding) -> None:
        self.vlm, self.decoding, self.settings = vlm, decoding, vlm.settings
        self._stopped = threading.Event()
        self._why = ""
        self._fatal: UsageError | None = None
        if vlm.refusal:
            self._stop(vlm.refusal)

    def run(self, jobs: Sequence[Job]) -> list[Answer]:
        """Answer each job, in order; the same question twice is sent once."""
        done = self.vlm.find(sorted({job.key for job in jobs}))
        self.vlm.count(num_stored=sum(job.key in done for job in jobs))
        # Without a ledger there are no keys, and each question stands for itself.
        names = [job.key or str(position) for position, job in enumerate(jobs)]
        todo = {name: job for name, job in zip(names, jobs, strict=True) if name not in done}
        done.update(self._run_all(todo))
        return [done[name] for name in names]

    def _run_all(self, todo: dict[str, Job]) -> dict[str, Answer]:
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

    def _run_one(self, job: Job) -> Answer:
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
        self, job: Job, deadline: float, *, is_again: bool
    ) -> Answer | Trouble | _Adapted | None:
        """Send once, when there is a place and money for it. None when there was no place."""
        vlm = self.vlm
        ticket = vlm.gate.enter(until=deadline, is_stopped=self._stopped.is_set)
        if ticket is None:
            return None
        is_ok = is_busy = False
        try:
            found = self._found(job)
            result = found or self._paid(job, deadline, is_again=is_again)
            is_ok = found is None and isinstance(result, Answer) and result.status != "failed"
            is_busy = isinstance(result, Trouble) and result.kind == "busy"
        finally:
            vlm.gate.leave(ticket, is_ok=is_ok, is_busy=is_busy)
        if isinstance(result, Trouble) and is_busy and result.retry_after_s:
            vlm.gate.pause(min(result.retry_after_s, self.settings.max_wait_s))
        return result

    def _found(self, job: Job) -> Answer | None:
        """Look in the ledger again: another process may have asked the same while this question waited."""
        try:
            answer = self.vlm.find([job.key]).get(job.key)
        except StoreError as error:
            self._refuse(error)
            return Answer("failed", reason=f"not asked: {error}")
        if answer is not None:
            self.vlm.count(num_stored=1)
        return answer

    def _paid(self, job: Job, deadline: float, *, is_again: bool) -> Answer | Trouble | _Adapted:
        """Send once, when there is money for it."""
        vlm, budget = self.vlm, self.settings.budget
        reserved = vlm.most_usd(job.ask, self.decoding)
        if budget and not budget.reserve(reserved, is_stopped=self._stopped.is_set):
            reason = (
                f"budget: the limit of {budget.max_usd:g} USD is reached; the question was not sent"
            )
            return Answer("failed", reason=reason)
        vlm.count(num_sent=1, num_retried=int(is_again))
        result, cost = self._sent(job, deadline)
        if cost is None and not isinstance(result, Answer):
            vlm.count(lost_usd=reserved)
        if budget:
            budget.settle(reserved, reserved if cost is None else cost)
        return result

    def _sent(self, job: Job, deadline: float) -> tuple[Answer | Trouble | _Adapted, float | None]:
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
            return trouble, None if trouble.may_cost else 0.0
        answer = vlm.priced(answer, time.monotonic() - start)
        vlm.count(
            num_answered=1,
            cost_usd=answer.cost_usd or 0.0,
            num_unpriced=int(answer.cost_usd is None),
        )
        self._keep(job, answer)
        return answer, answer.cost_usd

    def _within(self, job: Job, timeout_s: float) -> Answer:
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

    def _keep_late(self, job: Job, start: float) -> Callable[["Future[Answer]"], None]:
        def keep(late: "Future[Answer]") -> None:
            if late.exception() is None:
                self._keep(job, self.vlm.priced(late.result(), time.monotonic() - start))

        return keep

    def _keep(self, job: Job, answer: Answer) -> None:
        try:
            self.vlm.keep(job, answer)
        except StoreError as error:
            self._refuse(error)

    def _refuse(self, error: StoreError) -> None:
        """Send nothing more, now or later, when the ledger cannot be used: it would be paid again."""
        self.vlm.refusal = self.vlm.refusal or str(error)
        self._stop(self.vlm.refusal)

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
