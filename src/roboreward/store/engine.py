"""The local engine: one function over many items, on all cores, results in order."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from roboreward.core import RoboRewardError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCHES_AHEAD: Final = 3
_THREAD_SETTINGS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int | None = None,
    batch: int = 1,
    what: str = "the work",
) -> Iterator[Result]:
    """Call a function on every item, and yield the results in the order of the items.

    Items are read lazily, a bounded number ahead. An error of one item is raised when its turn comes, and ends the
    rest.

    Args:
        function: A function of a module (processes start with "spawn"), with what it returns, picklable.
        items: Picklable.
        num_workers: Processes; None for one a core. With 1, everything runs in this process. More start with
            "spawn", so a script must guard its start with `if __name__ == "__main__":`. Each has one thread for
            linear algebra, unless the environment says otherwise.
        batch: Items that travel to a worker together.
        what: What is being done, for messages.

    Raises:
        UsageError: `num_workers` is below 1.
        RoboRewardError: A worker process died.
    """
    workers = (os.cpu_count() or 1) if num_workers is None else num_workers
    if workers < 1:
        raise UsageError(f"num_workers is {workers}; give at least 1.")
    if workers == 1:
        return map(function, items)
    return _in_processes(function, iter(items), workers, batch, what)


def _in_processes(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int, batch: int, what: str
) -> Iterator[Result]:
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_follow_parent,
        initargs=(os.getpid(),),
    )
    waiting: deque[Future[list[Result]]] = deque()
    batches = iter(lambda: list(islice(items, batch)), [])
    try:
        with _one_thread_each():
            # A bounded queue, so that a slow reader does not fill the memory with results.
            for some in islice(batches, workers * _BATCHES_AHEAD):
                waiting.append(pool.submit(_run_batch, function, some))
            while waiting:
                results = waiting.popleft().result()
                for some in islice(batches, 1):
                    waiting.append(pool.submit(_run_batch, function, some))
                yield from results
    except BrokenProcessPool as error:
        raise RoboRewardError(
            f"A worker process of {what} died. If this is a script, guard its start with "
            '`if __name__ == "__main__":`; else use fewer workers (memory), or num_workers=1.'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_batch(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [function(item) for item in items]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start now have one thread each for linear algebra: several each would fight for the cores."""
    absent = [name for name in _THREAD_SETTINGS if name not in os.environ]
    os.environ.update(dict.fromkeys(absent, "1"))
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)


def _follow_parent(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end when it is killed.

    A queue that both ends keep open would let this worker wait for ever.
    """

    # Ctrl-C in a terminal reaches the workers too; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
