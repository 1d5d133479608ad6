"""The lock that serves threads in the order of their requests."""

from __future__ import annotations

import threading
import time

from embedlab.models.scheduler import FairLock


def test_threads_are_served_in_the_order_of_their_requests():
    lock, order, threads = FairLock(), [], []

    def take(i: int) -> None:
        with lock:
            order.append(i)

    with lock:
        for i in range(6):
            threads.append(threading.Thread(target=take, args=(i,)))
            threads[-1].start()
            while len(lock._waiting) <= i:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert order == list(range(6))


def test_a_thread_that_releases_and_requests_again_goes_to_the_end():
    lock, order = FairLock(), []

    def short() -> None:
        with lock:
            order.append("short")

    other = threading.Thread(target=short)
    for turn in range(3):
        with lock:
            order.append("long")
            if turn == 0:
                other.start()
                while not lock._waiting:
                    time.sleep(0.001)
    other.join(5)
    assert order == ["long", "short", "long", "long"]


def test_only_one_holds_it_and_an_error_releases_it():
    lock, inside, most = FairLock(), [], []

    def work() -> None:
        for _ in range(50):
            try:
                with lock:
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0)
                    inside.pop()
                    raise KeyError
            except KeyError:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 400 and max(most) == 1


def test_long_work_does_not_slip_in_between_two_turns_of_a_query():
    lock, order, stop = FairLock(), [], threading.Event()

    def long_work():
        while not stop.is_set():
            with lock.low_priority():
                order.append("piece")
                time.sleep(0.02)

    worker = threading.Thread(target=long_work)
    worker.start()
    time.sleep(0.1)
    for _ in range(2):
        with lock:
            order.append("query")
            time.sleep(0.02)
        time.sleep(0.01)
    time.sleep(0.3)
    stop.set()
    worker.join()
    first = order.index("query")
    assert order[first + 1] == "query"
    assert order[-1] == "piece"  # and it goes on afterwards


def test_long_work_lets_others_in_now_and_then(monkeypatch):
    lock, order = FairLock(), []

    def short() -> None:
        with lock:
            order.append("short")

    other = threading.Thread(target=short)
    with lock.low_priority():
        lock.let_others_in()  # nobody waits
        other.start()
        while not lock._waiting:
            time.sleep(0.001)
        lock.let_others_in()
        order.append("too early")
        monkeypatch.setattr("embedlab.models.scheduler.YIELD_SECONDS", 0)
        lock.let_others_in()
        order.append("long")
    other.join(5)
    assert order == ["too early", "short", "long"]
    assert lock.acquire(0)
