"""Shared work: calls for one key at the same time run once, and stop when no caller is left."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import Any, TypeVar, cast

from embedlab.errors import Cancelled
from embedlab.gpu import LentGpuError
from embedlab.progress import Progress

T = TypeVar("T")

#: Seconds between two reads of a job's progress: short enough for Stop to feel immediate.
POLL_SECONDS = 0.1


class _Job(Future[Any]):
    """One piece of work that is running."""

    status: tuple[int, int, str] = (0, 0, "starting")
    waiting = 0

    def report(self, done: int, total: int, what: str) -> None:
        """The work's own progress callback; stops the work once every caller has left."""
        self.status = (done, total, what)
        if self.waiting == 0:
            raise Cancelled

    def run(self, work: Callable[[Progress], Any]) -> None:
        try:
            self.set_result(work(self.report))
        except BaseException as error:
            self.set_exception(error)


class Jobs:
    """Runs each piece of work in a separate thread, at most one for each key at a time."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, _Job] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, work: Callable[[Progress], T], progress: Progress) -> T:
        """The result of ``work``, shared by all calls for the same key while it runs.

        ``progress`` receives the work's progress and may raise to leave; the other callers still
        get the result. An error of the work is raised in every waiting caller.
        """
        while True:
            job, own = self._join(key, work)
            try:
                while wait([job], POLL_SECONDS).not_done:
                    progress(*job.status)
            finally:
                self._leave(key, job)
            # That somebody else gets no GPU is no reason for this caller to get none.
            if own or not isinstance(job.exception(), LentGpuError):
                return cast(T, job.result())

    def _join(self, key: Hashable, work: Callable[[Progress], Any]) -> tuple[_Job, bool]:
        """The job for a key, and whether this call started it."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None:
                job.waiting += 1
                return job, False
            job = self._jobs[key] = _Job()
            # Set before the thread starts: work without a caller stops at its first report.
            job.waiting = 1
            # The context carries the request, whose user is charged for a GPU by the call.
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(job.run, work), daemon=True).start()
            return job, True

    def _leave(self, key: Hashable, job: _Job) -> None:
        with self._lock:
            job.waiting -= 1
            # Finished or about to be stopped: a later call for this key starts a new job.
            if (job.done() or job.waiting == 0) and self._jobs.get(key) is job:
                del self._jobs[key]
