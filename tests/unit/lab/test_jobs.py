"""Work requested by several callers at once: run once, and stopped when no caller is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.waiting import Slow

from embedlab.errors import Cancelled, EmbedLabError
from embedlab.gpu import LentGpuError
from embedlab.lab.jobs import Jobs
from embedlab.progress import no_progress


def leaving(done: int, total: int, what: str) -> None:
    raise Cancelled


def together(jobs: Jobs, work: Slow, callers: int) -> list:
    """The futures of several callers, all of whom wait for the same run."""
    pool = ThreadPoolExecutor(callers)
    futures = [pool.submit(jobs.run, "key", work, no_progress) for _ in range(callers)]
    while "key" not in jobs._jobs or jobs._jobs["key"].waiting < callers:
        work.started.wait(0.01)
    return futures


def test_two_callers_share_one_run():
    jobs, work = Jobs(), Slow()
    futures = together(jobs, work, 2)
    work.finish.set()
    first, second = (future.result(5) for future in futures)
    assert first is second and work.runs == 1


def test_other_keys_run_beside_it():
    jobs, work = Jobs(), Slow()
    [future] = together(jobs, work, 1)
    assert jobs.run("other", lambda progress: 7, no_progress) == 7
    work.finish.set()
    future.result(5)


def test_one_leaves_and_the_other_is_served():
    jobs, work = Jobs(), Slow()
    [other] = together(jobs, work, 1)
    with pytest.raises(Cancelled):
        jobs.run("key", work, leaving)
    assert not work.stopped.wait(0.1)
    work.finish.set()
    assert other.result(5) is not None and work.runs == 1


def test_the_work_stops_when_all_have_left_and_the_key_is_free_again():
    jobs, work = Jobs(), Slow()
    with pytest.raises(Cancelled):
        jobs.run("key", work, leaving)
    assert work.stopped.wait(5)
    assert not jobs._jobs
    assert jobs.run("key", lambda progress: "new", no_progress) == "new"


def test_an_error_reaches_all_and_the_key_is_free_again():
    jobs, work = Jobs(), Slow(EmbedLabError("no"))
    futures = together(jobs, work, 3)
    work.finish.set()
    for future in futures:
        with pytest.raises(EmbedLabError, match="no"):
            future.result(5)
    assert work.runs == 1 and not jobs._jobs
    assert jobs.run("key", lambda progress: "new", no_progress) == "new"


def test_progress_of_the_work_reaches_the_caller():
    jobs, work, seen = Jobs(), Slow(), []

    def note(done: int, total: int, what: str) -> None:
        seen.append((done, total, what))
        if (1, 2, "working") in seen:
            work.finish.set()

    jobs.run("key", work, note)
    assert seen[-1] == (1, 2, "working")


def test_work_that_reports_at_once_is_not_taken_for_abandoned():
    jobs = Jobs()

    def quick(progress):
        progress(1, 1, "already there")
        return "done"

    assert {jobs.run(i, quick, no_progress) for i in range(300)} == {"done"}


def test_who_is_lent_no_gpu_takes_it_from_nobody_else():
    class Quota(Slow):
        """Refused to the first who asks."""

        def __call__(self, progress):
            result = super().__call__(progress)
            if self.runs == 1:
                raise LentGpuError("You have exceeded your quota.")
            return result

    jobs, work = Jobs(), Quota()
    futures = together(jobs, work, 2)
    work.finish.set()
    errors = [future.exception(5) for future in futures]
    assert [type(error) for error in errors if error] == [LentGpuError]
    assert work.runs == 2
