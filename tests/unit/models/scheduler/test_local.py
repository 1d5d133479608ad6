"""Which work a model's owner takes next, who shares a batch, and what a training gets."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.models import tiny_backbone, words
from support.waiting import until

from embedlab import Design, embed
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.scheduler import local
from embedlab.models.scheduler.local import Local
from embedlab.models.scheduler.owner import TextPass
from embedlab.progress import no_progress


@dataclass(frozen=True)
class Ids:
    ids: tuple[int, ...]


def texts(prefix, *lengths):
    return {f"{prefix}{i}": Ids((1,) * n) for i, n in enumerate(lengths)}


class Model:
    """Notes the lengths of the texts in every batch; a text's "states" are its length."""

    token_budget = 20

    def __init__(self, key="base", forward: Callable | None = None):
        self.key, self.forward = key, forward
        self.ran: list[list[int]] = []

    def run_batch(self, batch, attention):
        lengths = [len(one.ids) for one in batch]
        if self.forward is not None:
            self.forward(lengths)
        self.ran.append(lengths)
        return lengths


class CountingOwner(Local):
    """Counts what it was asked for."""

    asked = 0

    def _submit(self, *args):
        super()._submit(*args)
        self.asked += 1


class People:
    """Requests that are all in the queue before the first of them runs."""

    def __init__(self) -> None:
        self.owner = CountingOwner()
        self.model = Model()
        self.results: dict[str, dict[str, int]] = {}
        self.errors: dict[str, Exception] = {}
        self.threads: list[threading.Thread] = []
        self._go_on = threading.Event()
        self.hold()

    def hold(self) -> None:
        """Keep the owner busy until :meth:`answer`."""
        self._go_on.clear()
        self.start(lambda: self.owner.call(lambda: self._go_on.wait(20)))

    def start(self, work) -> None:
        """In a thread of its own, until it has queued something or has ended."""
        before = self.owner.asked
        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()
        until(lambda: self.owner.asked > before or not self.threads[-1].is_alive())

    def ask(self, name, requested, attention="causal", model=None, progress=lambda *_: None):
        results = self.results[name] = {}

        def work():
            try:
                asked = TextPass(model or self.model, requested, attention)
                results.update(self.owner.run([asked], progress, "embedding"))
            except Exception as error:
                self.errors[name] = error

        self.start(work)

    def answer(self):
        self._go_on.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def people() -> People:
    return People()


def test_short_work_of_several_people_goes_in_one_batch(people):
    people.ask("a", texts("a", 5))
    people.ask("b", texts("b", 4, 3))
    people.answer()
    assert sorted(people.model.ran[0]) == [3, 4, 5] and len(people.model.ran) == 1
    assert people.results == {"a": {"a0": 5}, "b": {"b0": 4, "b1": 3}}


def test_what_does_not_fit_or_is_of_another_attention_or_model_waits_for_its_turn(people):
    adapted = Model("base|adapter")
    people.ask("a", texts("a", 9))
    people.ask("b", texts("b", 10, 10))
    people.ask("c", texts("c", 2), attention="bidirectional")
    people.ask("d", texts("d", 2), model=adapted)
    people.answer()
    assert people.model.ran == [[2], [9], [10, 10]]
    assert adapted.ran == [[2]]


def test_people_with_the_same_adapter_share_a_batch(people):
    one, other = Model("base|same"), Model("base|same")
    people.ask("a", texts("a", 5), model=one)
    people.ask("b", texts("b", 4), model=other)
    people.answer()
    assert [sorted(batch) for batch in one.ran + other.ran] == [[4, 5]]


def test_a_query_goes_before_a_corpus(people):
    people.ask("corpus", texts("a", *[20] * 6))
    people.ask("query", texts("q", 3))
    people.answer()
    assert people.model.ran == [[3], *[[20]] * 6]


def test_a_corpus_is_overtaken_only_by_what_came_soon_after_it(people, monkeypatch):
    monkeypatch.setattr(local, "BATCH_SECONDS", 0.02)
    people.ask("corpus", texts("a", *[20] * 2))
    time.sleep(0.1)
    people.ask("query", texts("q", 3))
    people.answer()
    # Its second batch is due after the query again, because it just had its first.
    assert people.model.ran == [[20], [3], [20]]


def test_the_same_text_of_two_people_runs_once(people):
    people.ask("a", texts("same", 5, 6))
    people.ask("b", texts("same", 5))
    people.answer()
    assert sum(map(len, people.model.ran)) == 2
    assert people.results["b"] == {"same0": 5}


def test_a_cancelled_request_costs_the_others_nothing(people):
    cancelled = threading.Event()

    def leave(done, total, what):
        if cancelled.is_set():
            raise Cancelled

    people.ask("gone", texts("a", *[20] * 50), progress=leave)
    cancelled.set()
    until(lambda: "gone" in people.errors)
    people.ask("here", texts("b", 4))
    people.answer()
    assert people.model.ran == [[4]]
    assert isinstance(people.errors["gone"], Cancelled)
    assert len(people.owner) == 0


def test_an_error_reaches_those_in_the_batch_and_no_others(people):
    def broken(lengths):
        raise RuntimeError("broken")

    people.ask("a", texts("a", 5), model=Model("broken", broken))
    people.ask("b", texts("b", 4))
    people.answer()
    assert str(people.errors["a"]) == "broken"
    assert people.results["b"] == {"b0": 4}


def test_one_persons_text_that_fails_is_no_error_of_another_in_the_batch(people):
    def delicate(lengths):
        if 7 in lengths:
            raise RuntimeError("seven")

    people.model.forward = delicate
    for name, length in (("a", 7), ("b", 4), ("c", 3)):
        people.ask(name, texts(name, length))
    people.answer()
    assert {name: str(error) for name, error in people.errors.items()} == {"a": "seven"}
    assert people.results == {"a": {}, "b": {"b0": 4}, "c": {"c0": 3}}


def small_memory(most):
    """The GPU's error is raised by hand: memory that runs out on demand is not to be had."""

    def forward(lengths):
        if sum(lengths) > most:
            raise torch.OutOfMemoryError

    return forward


def test_a_text_the_gpu_does_not_take_is_the_error_of_its_owner_alone(people):
    people.model.forward = small_memory(8)
    people.ask("a", texts("a", 9))
    people.ask("b", texts("b", 4))
    people.answer()
    assert "memory does not suffice" in str(people.errors["a"]) and "b" not in people.errors
    assert people.results["b"] == {"b0": 4}


def test_a_batch_too_large_for_the_gpu_is_halved_and_a_text_too_large_is_said(people):
    people.model.forward = small_memory(10)
    people.ask("a", texts("a", 5, 5, 5, 5))
    people.answer()
    assert people.model.ran == [[5, 5], [5, 5]]
    people.hold()
    people.ask("b", texts("b", 11))
    people.answer()
    assert isinstance(people.errors["b"], EmbedLabError)
    assert "memory does not suffice" in str(people.errors["b"])


def test_a_request_that_waits_long_shows_its_position(people, monkeypatch):
    monkeypatch.setattr(local, "BATCH_SECONDS", 0.1)
    messages = []
    people.ask("a", texts("a", 5))
    people.ask("b", texts("b", 6), progress=lambda done, total, what: messages.append(what))
    until(lambda: len(messages) > 3)
    people.answer()
    assert messages[0] == "embedding"
    assert "embedding; 2 before you" in messages  # what holds the owner, and the other's text


def test_the_thread_ends_without_work_and_comes_back(monkeypatch):
    monkeypatch.setattr(local, "IDLE_SECONDS", 0.05)
    owner = Local()
    first = owner.call(threading.current_thread)
    first.join(5)
    assert not first.is_alive()
    assert owner.call(threading.current_thread) is not first


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


# Long computations


class Training:
    """A computation of many items, each of many layers that take some milliseconds."""

    def __init__(self, people: People, layers=5, seconds=0.002) -> None:
        self.people, self.layers, self.seconds = people, layers, seconds
        self.order: list[str] = []
        self.ended: list[str] = []
        people.model.forward = lambda lengths: self.order.append("query")

    def steps(self) -> Iterator[int]:
        try:
            for number in range(1000):
                for layer in range(self.layers):
                    self.people.owner.hand_over()
                    time.sleep(self.seconds)
                    self.order.append(f"{number}.{layer}")
                yield number
        except Cancelled:
            self.ended.append("cancelled")


def test_a_training_lets_others_go_between_two_layers(people):
    training = Training(people, layers=3)
    people.answer()
    running = people.owner.advance(training.steps())
    assert next(running) == 0
    people.hold()
    people.ask("a", texts("a", 5))
    threading.Timer(0.05, people._go_on.set).start()
    assert next(running) == 1
    people.answer()
    # The query was asked for before the item, and the item before the owner was free.
    assert training.order == ["0.0", "0.1", "0.2", "query", "1.0", "1.1", "1.2"]
    slow = Training(people, seconds=0.05)
    people.hold()
    threading.Timer(0.05, people._go_on.set).start()
    asking = threading.Timer(0.15, people.ask, ("b", texts("b", 5)))
    asking.start()
    assert next(people.owner.advance(slow.steps())) == 0
    asking.join()
    people.answer()
    assert 0 < slow.order.index("query") < 5
    assert [entry for entry in slow.order if entry != "query"] == [f"0.{i}" for i in range(5)]


def test_a_training_gets_on_while_others_ask_for_ever(monkeypatch):
    """A fifth of the time, which is what nobody else may take."""
    monkeypatch.setattr(local, "MOST_SAVED_SECONDS", 0.05)
    people = People()
    training = Training(people, layers=4, seconds=0.005)
    people.model.forward = lambda lengths: time.sleep(0.005)
    end = time.monotonic() + 1.2

    def ask_again_and_again(name):
        while time.monotonic() < end:
            asked = TextPass(people.model, texts(name, 20), "causal")
            dict(people.owner.run([asked], no_progress, ""))

    people.answer()
    askers = [threading.Thread(target=ask_again_and_again, args=(f"t{i}",)) for i in range(3)]
    for thread in askers:
        thread.start()
    steps = people.owner.advance(training.steps())
    done = 0
    while time.monotonic() < end - 0.1:
        done = next(steps)
    for thread in askers:
        thread.join()
    share = (done + 1) * training.layers * training.seconds / 1.1
    assert 0.12 < share < 0.5
    assert len(people.model.ran) > 20


def test_who_stops_waiting_for_a_training_ends_it_at_its_next_layer(people):
    training = Training(people, layers=1000)
    people.answer()
    interrupted = threading.Event()

    def main_thread():
        call = local._Call(lambda: next(training.steps()))
        people.owner._submit(call, people.owner._long)
        until(lambda: training.order)
        call.abandoned = True  # as an interrupt in ``result`` does
        call.future.exception(5)
        interrupted.set()

    main_thread()
    assert interrupted.is_set()
    assert training.ended == ["cancelled"]
    assert 0 < len(training.order) < 1000


def test_a_training_may_ask_for_texts_itself(people):
    def steps():
        asked = TextPass(people.model, texts("own", 5), "causal")
        yield dict(people.owner.run([asked], no_progress, ""))
        yield people.owner.call(lambda: "called")

    people.answer()
    assert list(people.owner.advance(steps())) == [{"own0": 5}, "called"]


def test_an_error_of_a_training_is_raised_where_it_is_waited_for(people):
    def steps():
        yield 1
        raise EmbedLabError("it broke")

    people.answer()
    running = people.owner.advance(steps())
    assert next(running) == 1
    with pytest.raises(EmbedLabError, match="it broke"):
        next(running)
    assert people.owner.call(lambda: "alive") == "alive"


UNDER_WAY_AT_THE_END = """
import contextlib, threading, torch
from embedlab.errors import Cancelled
from embedlab.models.scheduler.local import Local

owner, started = Local(), threading.Event()

def steps():
    weights = torch.randn(200, 200, requires_grad=True)
    while True:
        for _ in range(1000):
            out = torch.tanh(weights @ weights)
            out.register_hook(lambda gradient: gradient.clone())
            out.sum().backward()
            started.set()
            owner.hand_over()
        yield

def train():
    with contextlib.suppress(Cancelled):
        list(owner.advance(steps()))

threading.Thread(target=train, daemon=True).start()
started.wait()
"""


def test_a_process_ends_cleanly_in_the_middle_of_a_training():
    """A thread that comes back from C++ when the interpreter has gone aborts the process."""
    command = [sys.executable, "-c", UNDER_WAY_AT_THE_END]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
