"""Work in other threads: wait for it, or make it wait."""

from __future__ import annotations

import threading
import time

from embedlab.errors import Cancelled


def until(condition, seconds=60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


class Slow:
    """Work that goes on until ``finish`` is set, and counts its runs."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs, self.error = 0, error
        self.started, self.finish, self.stopped = (threading.Event() for _ in range(3))

    def __call__(self, progress):
        self.runs += 1
        self.started.set()
        try:
            while not self.finish.wait(0.01):
                progress(1, 2, "working")
        except Cancelled:
            self.stopped.set()
            raise
        if self.error:
            raise self.error
        return object()
