"""``Lab.compute``: computed once for everyone, cached within the budget, limited, stoppable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words
from support.waiting import Slow, until

from embedlab import Cancelled, Design, EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.progress import no_progress, with_time_limit


@pytest.fixture
def lab() -> Lab:
    return tiny_lab()


def callers(lab: Lab, work: Slow, number: int) -> list:
    """The futures of callers who all wait for the same run."""
    pool = ThreadPoolExecutor(number)
    futures = [pool.submit(lab.compute, "key", work) for _ in range(number)]
    until(lambda: "key" in lab.jobs._jobs and lab.jobs._jobs["key"].waiting == number)
    return futures


def test_eight_callers_at_once_share_one_computation_that_is_cached(lab):
    work = Slow()
    futures = callers(lab, work, 8)
    work.finish.set()
    results = {future.result(10) for future in futures}
    assert len(results) == 1 and work.runs == 1
    assert lab.compute("key", work) in results and work.runs == 1


def test_quick_work_is_computed_once_however_threads_meet(lab):
    runs = []

    def quick(number):
        return lambda progress: runs.append(number) or number

    with ThreadPoolExecutor(8) as pool:
        for number in range(50):
            got = list(pool.map(lambda _, n=number: lab.compute(n, quick(n)), range(8)))
            assert got == [number] * 8
    assert sorted(runs) == list(range(50))


def test_results_are_dropped_beyond_the_budget():
    lab = tiny_lab(vectors_mb=1)
    kilobytes = {n: (lambda progress: np.zeros(100_000, np.int8)) for n in range(25)}
    for key, work in kilobytes.items():
        lab.compute(key, work)
        assert lab.results.used <= 10**6
    assert [key for key, _ in lab.results.items()] == list(range(15, 25))


def test_embedded_corpora_and_what_follows_from_them_stay_within_the_budget():
    lab = tiny_lab(vectors_mb=1)
    for seed in range(14):
        embedded = lab.embedded(corpus_of(words(*[5] * 400, seed=seed)), Design(pooling="mean"))
        lab.neighbours(embedded)
    # 400 vectors of 32 numbers and their neighbours are about 120 kB.
    assert 5 * 10**5 < lab.results.used <= 10**6


def test_one_caller_leaves_and_the_other_is_served(lab):
    def leave(done, total, what):
        raise Cancelled

    work = Slow()
    [other] = callers(lab, work, 1)
    with pytest.raises(Cancelled):
        lab.compute("key", work, leave)
    assert not work.stopped.wait(0.1)
    work.finish.set()
    assert other.result(10) is lab.compute("key", work) and work.runs == 1


def test_work_that_nobody_waits_for_stops_and_is_not_cached(lab):
    def leave(done, total, what):
        raise Cancelled

    work = Slow()
    with pytest.raises(Cancelled):
        lab.compute("key", work, leave)
    assert work.stopped.wait(10) and lab.results.get("key") is None


def test_a_time_limit_ends_work_with_a_sentence(lab, monkeypatch):
    monkeypatch.setattr(lab, "in_time", lambda progress: with_time_limit(0.05, progress))
    work = Slow()
    with pytest.raises(EmbedLabError, match="fewer or shorter texts"):
        lab.compute("key", work)
    assert work.stopped.wait(10)


def test_errors_reach_every_caller_and_are_not_cached(lab):
    failing = Slow(EmbedLabError("no"))
    futures = callers(lab, failing, 3)
    failing.finish.set()
    for future in futures:
        with pytest.raises(EmbedLabError, match="no"):
            future.result(10)
    assert failing.runs == 1
    assert lab.compute("key", lambda progress: "new", no_progress) == "new"


def test_work_may_compute_what_it_needs(lab):
    outer = lab.compute("outer", lambda report: lab.compute("inner", lambda _: 7, report) + 1)
    assert outer == 8 and lab.results.get("inner") == 7
