"""How many calls may be under way at once: more while it goes well, half when the provider says that it is too much."""

import threading
import time
from collections.abc import Callable
from typing import Final

_STEP_S: Final = 0.25


class Gate:
    """Lets calls through, as many at once as the provider has shown to bear.

    Additive increase, multiplicative decrease: each success adds one call a round; "too many requests" halves, at
    most once for the calls that were under way together; a pause that the server asked for holds all calls back.

    Args:
        most: Calls at once, at most. It starts at a quarter.
    """

    def __init__(self, most: int) -> None:
        self._most, self._limit = most, max(1.0, most / 4)
        self._num_inside = self._round = 0
        self._shut_until = 0.0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Calls that may be under way at once now."""
        with self._changed:
            return int(self._limit)

    def enter(self, *, until: float, is_stopped: Callable[[], bool]) -> int | None:
        """Wait for a place and return a ticket for `leave`; None when time is up or all is stopped.

        Args:
            until: On the clock of `time.monotonic`.
            is_stopped: Looked at a few times a second.
        """
        with self._changed:
            while not is_stopped():
                now = time.monotonic()
                if now >= until:
                    return None
                if now >= self._shut_until and self._num_inside < int(self._limit):
                    self._num_inside += 1
                    return self._round
                opens_in = self._shut_until - now if self._shut_until > now else _STEP_S
                self._changed.wait(max(0.001, min(_STEP_S, opens_in, until - now)))
            return None

    def leave(self, ticket: int, *, is_ok: bool = False, is_busy: bool = False) -> None:
        """Give the place back, and say how it went."""
        with self._changed:
            self._num_inside -= 1
            if is_ok:
                self._limit = min(self._most, self._limit + 1 / self._limit)
            elif is_busy and ticket == self._round:
                self._limit = max(1.0, self._limit / 2)
                self._round += 1
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Let no further call in for so long."""
        with self._changed:
            self._shut_until = max(self._shut_until, time.monotonic() + seconds)
