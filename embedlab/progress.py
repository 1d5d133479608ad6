"""One way to report progress: a callback that may also stop the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from embedlab.errors import Cancelled, EmbedLabError

#: Called as ``progress(done, total, what)``; ``total`` is 0 when unknown. It may raise
#: :class:`embedlab.errors.Cancelled`, and long work calls it often enough for that to matter.
Progress = Callable[[int, int, str], None]


def with_time_limit(seconds: float, progress: Progress) -> Progress:
    """``progress`` that ends the work with an error once it has taken longer."""
    until = time.monotonic() + seconds

    def report(done: int, total: int, what: str) -> None:
        if time.monotonic() > until:
            raise EmbedLabError(
                f"This took longer than the {seconds / 60:.3g} minutes that one piece of work may "
                "take here; use fewer or shorter texts, or try again when less is going on."
            )
        progress(done, total, what)

    return report


def no_progress(done: int, total: int, what: str) -> None:
    """Report nothing."""


#: Seconds of a piece of work before its speed says anything, and between two reports of a watch.
_LEAST_SECONDS, _WATCH_SECONDS = 1.0, 0.25


class Estimate:
    """How long a piece of work will take yet, from how fast it has gone so far.

    A new description, a new total, or less done than before begins another piece.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._piece: tuple[int, str] = (0, "")
        self._first = self._last = 0
        self._since = 0.0

    def seconds(self, done: int, total: int, what: str) -> float | None:
        """The seconds that are left; None while nothing can be said."""
        now = self._clock()
        if (total, what) != self._piece or done < self._last:
            self._piece, self._first, self._since = (total, what), done, now
        self._last = done
        passed, gained = now - self._since, done - self._first
        if not total or done >= total or gained <= 0 or passed < _LEAST_SECONDS:
            return None
        return (total - done) * passed / gained

    def words(self, done: int, total: int, what: str) -> str:
        """``what`` with the time that is left, where that can be said."""
        left = self.seconds(done, total, what)
        if left is None:
            return what
        time_left = f"{max(1, round(left))} s" if left < 90 else f"{round(left / 60)} min"
        return f"{what}, about {time_left} left"


@contextmanager
def watched(now: Callable[[], tuple[int, int, str]], progress: Progress) -> Iterator[None]:
    """Report ``now()`` from beside, while the block is busy in a library that reports nothing.

    A callback that raises, to stop the work, is not called again: the block has to end by itself.
    """
    ended = threading.Event()

    def report() -> None:
        try:
            while not ended.wait(_WATCH_SECONDS):
                progress(*now())
        except (Cancelled, EmbedLabError):
            return

    watch = threading.Thread(target=report, daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()
