"""A lock that is handed on in the order of asking, so that long work cannot starve short work."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

#: Seconds that long work waits after somebody else's turn, and the most it waits under load.
PAUSE = 0.05
LONGEST_PAUSE = 1.0
#: Seconds that long work goes on before it breathes, so that under load it gets on at all.
BREATH = 0.4


class FairLock:
    """First come, first served; a thread that releases and asks again goes to the end.

    ``threading.Lock`` gives no such promise: a thread that embeds batch after batch would win it
    back every time, and another user's single query would wait for the whole corpus.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False
        self._released = self._taken = float("-inf")

    @contextmanager
    def later(self) -> Iterator[None]:
        """Take the lock for long work in pieces: everybody else first, also who asks again at once.

        A query needs the lock twice, once for each design. Without a pause between its two turns a
        piece of the long work would slip in, and the query would wait for two.
        """
        self._take_later()
        try:
            yield
        finally:
            self._hand_on()

    def breathe(self) -> None:
        """In the middle of a piece of long work that holds the lock: who waits goes first.

        Not more often than every :data:`BREATH` seconds.
        """
        if self._waiting and time.monotonic() > self._taken + BREATH:
            self._hand_on()
            self._take_later()

    def _take_later(self) -> None:
        patience = time.monotonic() + LONGEST_PAUSE
        while not self._take_if_quiet():
            if time.monotonic() > patience:
                self.acquire()  # waits its turn like everybody else
                break
            time.sleep(PAUSE / 10)
        self._taken = time.monotonic()

    def _take_if_quiet(self) -> bool:
        with self._guard:
            quiet = time.monotonic() > self._released + PAUSE
            if self._held or not quiet:
                return False
            self._held = True
            return True

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait for one's turn, at most ``timeout`` seconds; whether it came."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout):
            return True
        with self._guard:
            if turn.is_set():  # it came at the last moment
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Hand the lock on; long work waits for a moment then, in case its holder asks again."""
        self._released = time.monotonic()
        self._hand_on()

    def _hand_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # handed over while still held
            else:
                self._held = False

    def __enter__(self) -> FairLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
