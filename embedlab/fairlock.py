"""A lock that is handed on in the order of asking, so that long work cannot starve short work."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """First come, first served; a thread that releases and asks again goes to the end.

    ``threading.Lock`` gives no such promise: a thread that embeds batch after batch would win it
    back every time, and another user's single query would wait for the whole corpus.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def __enter__(self) -> FairLock:
        with self._guard:
            if not self._held:
                self._held = True
                return self
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # handed over while still held
            else:
                self._held = False
