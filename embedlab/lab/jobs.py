"""Work that several people may ask for at once is done once, and stops when nobody waits for it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from embedlab.errors import Cancelled
from embedlab.progress import Progress

T = TypeVar("T")

#: Seconds between two looks at a job's progress: quick enough for a cancel to feel immediate.
POLL = 0.1


class _Job:
    """One piece of work under way."""

    def __init__(self) -> None:
        self.finished = threading.Event()
        self.status: tuple[int, int, str] = (0, 0, "starting")
        self.waiting = 0
        self.result: Any = None
        self.error: BaseException | None = None

    def report(self, done: int, total: int, what: str) -> None:
        """The work's own progress callback; stops the work once everyone has left."""
        self.status = (done, total, what)
        if self.waiting == 0:
            raise Cancelled

    def run(self, work: Callable[[Progress], Any]) -> None:
        try:
            self.result = work(self.report)
        except BaseException as error:
            self.error = error
        finally:
            self.finished.set()


class Jobs:
    """Runs work in threads of its own, one for each key at a time."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, _Job] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, work: Callable[[Progress], T], progress: Progress) -> T:
        """The result of ``work``, shared with everyone who asks for the same key meanwhile.

        ``progress`` sees the work's progress and may raise to leave; the others are served on.
        Errors of the work reach everyone who waits.
        """
        job = self._join(key, work)
        try:
            while not job.finished.wait(POLL):
                progress(*job.status)
        finally:
            self._leave(key, job)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _join(self, key: Hashable, work: Callable[[Progress], Any]) -> _Job:
        with self._lock:
            job = self._jobs.get(key)
            if job is not None:
                job.waiting += 1
                return job
            job = self._jobs[key] = _Job()
            # Before it starts: work that nobody waits for stops at its first report.
            job.waiting = 1
            # The context carries whose request this is, which a lent GPU is charged to.
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(job.run, work), daemon=True).start()
            return job

    def _leave(self, key: Hashable, job: _Job) -> None:
        with self._lock:
            job.waiting -= 1
            # Whoever asks from now on starts anew: this one is finished, or about to be stopped.
            if (job.finished.is_set() or job.waiting == 0) and self._jobs.get(key) is job:
                del self._jobs[key]
