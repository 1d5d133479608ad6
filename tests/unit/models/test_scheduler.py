"""Whose batch runs next, and who shares one."""

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


class Room:
    """People who ask while the lock is held, so that all are waiting when it is let go."""

    def __init__(self, budget=20):
        self.lock = FairLock()
        self.sharing = Sharing(self.lock, budget)
        self.ran: list[list[int]] = []
        self.found: dict[str, dict[str, int]] = {}
        self.errors: dict[str, Exception] = {}
        self.threads: list[threading.Thread] = []

    def forward(self, batch):
        self.ran.append([len(one.ids) for one in batch])
        return [len(one.ids) for one in batch]

    def ask(self, who, wanted, cut=None, group="causal", forward=None, progress=None):
        results = self.found[who] = {}

        def work():
            try:
                self.sharing.run(
                    wanted,
                    cut or [[name] for name in wanted],
                    group,
                    forward or self.forward,
                    results.__setitem__,
                    progress or (lambda done, total, what: None),
                    "embedding",
                )
            except Exception as error:
                self.errors[who] = error

        before = len(self.sharing)
        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()
        while len(self.sharing) == before and self.threads[-1].is_alive():
            time.sleep(0.001)

    def let_go(self):
        self.lock.release()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def room():
    found = Room()
    found.lock.acquire()
    return found


def test_short_work_of_several_people_goes_in_one_batch(room):
    room.ask("a", texts("a", 5))
    room.ask("b", texts("b", 4, 3))
    room.let_go()
    assert sorted(room.ran[0]) == [3, 4, 5] and len(room.ran) == 1
    assert room.found == {"a": {"a0": 5}, "b": {"b0": 4, "b1": 3}}


def test_what_does_not_fit_or_is_of_another_group_waits_its_turn(room):
    room.ask("a", texts("a", 9))
    room.ask("b", texts("b", 10, 10))
    room.ask("c", texts("c", 2), group="bidirectional")
    room.let_go()
    assert room.ran == [[2], [9], [10], [10]]


def test_a_query_goes_before_a_corpus_and_the_corpus_is_not_starved(room, monkeypatch):
    room.ask("corpus", texts("a", *[20] * 6))
    room.ask("query", texts("q", 3))
    room.let_go()
    assert room.ran[0] == [3]
    assert len(room.ran) == 7
    monkeypatch.setattr(scheduler, "PATIENCE", -1.0)  # everybody has waited too long
    room.lock.acquire()
    room.ran.clear()
    room.ask("corpus", texts("a", *[20] * 2))
    room.ask("query", texts("q", 3))
    room.let_go()
    assert room.ran[0] == [20]


def test_the_same_text_of_two_people_runs_once(room):
    room.ask("a", texts("same", 5, 6))
    room.ask("b", texts("same", 5))
    room.let_go()
    assert sum(map(len, room.ran)) == 2
    assert room.found["b"] == {"same0": 5}


def test_who_leaves_costs_nobody_anything(room):
    left = threading.Event()

    def leave(done, total, what):
        if left.is_set():
            raise Cancelled

    room.ask("gone", texts("a", *[20] * 50), progress=leave)
    left.set()
    time.sleep(3 * scheduler.LOOK)
    room.ask("here", texts("b", 4))
    room.let_go()
    assert room.ran == [[4]]
    assert isinstance(room.errors["gone"], Cancelled)
    assert len(room.sharing) == 0


def test_an_error_reaches_those_in_the_batch_and_no_others(room):
    def broken(batch):
        raise RuntimeError("broken")

    room.ask("a", texts("a", 5), forward=broken)
    room.ask("b", texts("b", 4), group="other")
    room.let_go()
    assert str(room.errors["a"]) == "broken"
    assert room.found["b"] == {"b0": 4}


def test_one_persons_text_that_fails_is_no_error_of_another_in_the_batch(room):
    def delicate(batch):
        if any(len(one.ids) == 7 for one in batch):
            raise RuntimeError("seven")
        return room.forward(batch)

    for who, length in (("a", 7), ("b", 4), ("c", 3)):
        room.ask(who, texts(who, length), forward=delicate)
    room.let_go()
    assert {who: str(error) for who, error in room.errors.items()} == {"a": "seven"}
    assert room.found == {"a": {}, "b": {"b0": 4}, "c": {"c0": 3}}


def test_a_text_the_gpu_does_not_take_is_the_error_of_its_owner_alone(room):
    def small(batch):
        if sum(len(one.ids) for one in batch) > 8:
            raise torch.OutOfMemoryError
        return room.forward(batch)

    room.ask("a", texts("a", 9), forward=small)
    room.ask("b", texts("b", 4), forward=small)
    room.let_go()
    assert "memory does not suffice" in str(room.errors["a"]) and "b" not in room.errors
    assert room.found["b"] == {"b0": 4}


def test_a_batch_too_large_for_the_gpu_is_halved_and_a_text_too_large_is_said(room):
    """The GPU's error is raised by hand: memory that runs out on demand is not to be had."""

    def small(batch):
        if sum(len(one.ids) for one in batch) > 10:
            raise torch.OutOfMemoryError
        return room.forward(batch)

    wanted = texts("a", 5, 5, 4, 4)
    room.ask("a", wanted, cut=[list(wanted)], forward=small)
    room.let_go()
    assert room.ran == [[5, 5], [4, 4]]
    room.lock.acquire()
    room.ask("b", texts("b", 11), forward=small)
    room.let_go()
    assert isinstance(room.errors["b"], EmbedLabError)
    assert "memory does not suffice" in str(room.errors["b"])


def test_who_waits_long_sees_the_place(room, monkeypatch):
    monkeypatch.setattr(scheduler, "PATIENCE", 0.3)
    said = []
    room.ask("a", texts("a", 5))
    room.ask("b", texts("b", 6), progress=lambda done, total, what: said.append(what))
    time.sleep(0.8)
    room.let_go()
    assert said[0] == "embedding"
    assert "embedding; 1 before you" in said


def test_many_at_once_get_what_each_would_get_alone():
    backbone = tiny_backbone()
    alone = tiny_backbone()
    names = ("causal/mean", "bidirectional/mean", "M1", "M3", "M5", "causal/weighted_mean@2")
    jobs = [(Design.parse(names[i % 6]), words(3, 9, 14, 5 + i, seed=i)) for i in range(24)]
    expected = [embed(given, design, alone) for design, given in jobs]
    found: list = [None] * len(jobs)

    def work(i):
        design, given = jobs[i]
        found[i] = embed(given, design, backbone)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
