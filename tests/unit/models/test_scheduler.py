"""Which batch runs next, and which requests share one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.models import tiny_backbone, words

from embedlab import Design, embed
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models import scheduler
from embedlab.models.scheduler import FairLock, Sharing


@dataclass(frozen=True)
class Ids:
    ids: tuple[int, ...]


def texts(prefix, *lengths):
    return {f"{prefix}{i}": Ids((1,) * n) for i, n in enumerate(lengths)}


class Queue:
    """Requests made while the lock is held, so that all are waiting when it is released."""

    def __init__(self, budget=20):
        self.lock = FairLock()
        self.sharing = Sharing(self.lock, budget)
        self.ran: list[list[int]] = []
        self.results: dict[str, dict[str, int]] = {}
        self.errors: dict[str, Exception] = {}
        self.threads: list[threading.Thread] = []

    def forward(self, batch):
        self.ran.append([len(one.ids) for one in batch])
        return [len(one.ids) for one in batch]

    def ask(self, name, requested, cut=None, group="causal", forward=None, progress=None):
        results = self.results[name] = {}

        def work():
            try:
                self.sharing.run(
                    requested,
                    cut or [[text] for text in requested],
                    group,
                    forward or self.forward,
                    results.__setitem__,
                    progress or (lambda done, total, what: None),
                    "embedding",
                )
            except Exception as error:
                self.errors[name] = error

        before = len(self.sharing)
        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()
        while len(self.sharing) == before and self.threads[-1].is_alive():
            time.sleep(0.001)

    def release_lock(self):
        self.lock.release()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def queue():
    made = Queue()
    made.lock.acquire()
    return made


def test_short_work_of_several_people_goes_in_one_batch(queue):
    queue.ask("a", texts("a", 5))
    queue.ask("b", texts("b", 4, 3))
    queue.release_lock()
    assert sorted(queue.ran[0]) == [3, 4, 5] and len(queue.ran) == 1
    assert queue.results == {"a": {"a0": 5}, "b": {"b0": 4, "b1": 3}}


def test_a_text_that_does_not_fit_or_is_of_another_group_waits_for_its_turn(queue):
    queue.ask("a", texts("a", 9))
    queue.ask("b", texts("b", 10, 10))
    queue.ask("c", texts("c", 2), group="bidirectional")
    queue.release_lock()
    assert queue.ran == [[2], [9], [10], [10]]


def test_a_query_goes_before_a_corpus_and_the_corpus_is_not_starved(queue, monkeypatch):
    queue.ask("corpus", texts("a", *[20] * 6))
    queue.ask("query", texts("q", 3))
    queue.release_lock()
    assert queue.ran[0] == [3]
    assert len(queue.ran) == 7
    monkeypatch.setattr(scheduler, "OVERDUE_SECONDS", -1.0)  # every request is overdue
    queue.lock.acquire()
    queue.ran.clear()
    queue.ask("corpus", texts("a", *[20] * 2))
    queue.ask("query", texts("q", 3))
    queue.release_lock()
    assert queue.ran[0] == [20]


def test_the_same_text_of_two_people_runs_once(queue):
    queue.ask("a", texts("same", 5, 6))
    queue.ask("b", texts("same", 5))
    queue.release_lock()
    assert sum(map(len, queue.ran)) == 2
    assert queue.results["b"] == {"same0": 5}


def test_a_cancelled_request_costs_the_others_nothing(queue):
    cancelled = threading.Event()

    def leave(done, total, what):
        if cancelled.is_set():
            raise Cancelled

    queue.ask("gone", texts("a", *[20] * 50), progress=leave)
    cancelled.set()
    time.sleep(3 * scheduler.POLL_SECONDS)
    queue.ask("here", texts("b", 4))
    queue.release_lock()
    assert queue.ran == [[4]]
    assert isinstance(queue.errors["gone"], Cancelled)
    assert len(queue.sharing) == 0


def test_an_error_reaches_those_in_the_batch_and_no_others(queue):
    def broken(batch):
        raise RuntimeError("broken")

    queue.ask("a", texts("a", 5), forward=broken)
    queue.ask("b", texts("b", 4), group="other")
    queue.release_lock()
    assert str(queue.errors["a"]) == "broken"
    assert queue.results["b"] == {"b0": 4}


def test_one_persons_text_that_fails_is_no_error_of_another_in_the_batch(queue):
    def delicate(batch):
        if any(len(one.ids) == 7 for one in batch):
            raise RuntimeError("seven")
        return queue.forward(batch)

    for name, length in (("a", 7), ("b", 4), ("c", 3)):
        queue.ask(name, texts(name, length), forward=delicate)
    queue.release_lock()
    assert {name: str(error) for name, error in queue.errors.items()} == {"a": "seven"}
    assert queue.results == {"a": {}, "b": {"b0": 4}, "c": {"c0": 3}}


def test_a_text_the_gpu_does_not_take_is_the_error_of_its_owner_alone(queue):
    def small(batch):
        if sum(len(one.ids) for one in batch) > 8:
            raise torch.OutOfMemoryError
        return queue.forward(batch)

    queue.ask("a", texts("a", 9), forward=small)
    queue.ask("b", texts("b", 4), forward=small)
    queue.release_lock()
    assert "memory does not suffice" in str(queue.errors["a"]) and "b" not in queue.errors
    assert queue.results["b"] == {"b0": 4}


def test_a_batch_too_large_for_the_gpu_is_halved_and_a_text_too_large_is_said(queue):
    """The GPU's error is raised by hand: memory that runs out on demand is not to be had."""

    def small(batch):
        if sum(len(one.ids) for one in batch) > 10:
            raise torch.OutOfMemoryError
        return queue.forward(batch)

    requested = texts("a", 5, 5, 4, 4)
    queue.ask("a", requested, cut=[list(requested)], forward=small)
    queue.release_lock()
    assert queue.ran == [[5, 5], [4, 4]]
    queue.lock.acquire()
    queue.ask("b", texts("b", 11), forward=small)
    queue.release_lock()
    assert isinstance(queue.errors["b"], EmbedLabError)
    assert "memory does not suffice" in str(queue.errors["b"])


def test_a_request_that_waits_long_shows_its_position(queue, monkeypatch):
    monkeypatch.setattr(scheduler, "OVERDUE_SECONDS", 0.3)
    messages = []
    queue.ask("a", texts("a", 5))
    queue.ask("b", texts("b", 6), progress=lambda done, total, what: messages.append(what))
    time.sleep(0.8)
    queue.release_lock()
    assert messages[0] == "embedding"
    assert "embedding; 1 before you" in messages


def test_many_at_once_get_the_results_that_each_would_get_alone():
    backbone = tiny_backbone()
    alone = tiny_backbone()
    names = ("causal/mean", "bidirectional/mean", "M1", "M3", "M5", "causal/weighted_mean@2")
    jobs = [(Design.parse(names[i % 6]), words(3, 9, 14, 5 + i, seed=i)) for i in range(24)]
    expected = [embed(given, design, alone) for design, given in jobs]
    results: list = [None] * len(jobs)

    def work(i):
        design, given = jobs[i]
        results[i] = embed(given, design, backbone)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
