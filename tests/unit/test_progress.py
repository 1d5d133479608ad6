"""Estimates against a clock that is set by hand, and a watch beside a block that says nothing."""

from __future__ import annotations

import time

import pytest

from embedlab.errors import Cancelled
from embedlab.progress import Estimate, watched


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_left_follows_the_speed_so_far() -> None:
    clock = Clock()
    estimate = Estimate(clock)
    assert estimate.seconds(20, 100, "downloading") is None
    clock.now = 4.0  # 20 in 4 s, and 60 are left
    assert estimate.seconds(40, 100, "downloading") == pytest.approx(12)
    assert estimate.words(40, 100, "downloading") == "downloading, about 12 s left"
    assert estimate.words(100, 100, "downloading") == "downloading"


def test_another_piece_begins_anew() -> None:
    clock = Clock()
    estimate = Estimate(clock)
    estimate.seconds(0, 100, "downloading")
    clock.now = 10.0
    for piece in ((50, 200, "downloading"), (50, 200, "reading"), (10, 200, "reading")):
        assert estimate.seconds(*piece) is None
    clock.now = 10.5
    assert estimate.seconds(20, 200, "reading") is None  # half a second says nothing
    clock.now = 12.0
    assert estimate.seconds(30, 200, "reading") == pytest.approx(17)
    assert estimate.words(0, 0, "waiting") == "waiting"


def test_long_times_are_minutes() -> None:
    clock = Clock()
    estimate = Estimate(clock)
    estimate.seconds(0, 100, "passes")
    clock.now = 60.0
    assert estimate.words(20, 100, "passes") == "passes, about 4 min left"


def test_a_watch_reports_while_a_block_is_busy() -> None:
    seen = []
    with watched(lambda: (len(seen), 9, "busy"), lambda *report: seen.append(report)):
        time.sleep(0.7)
    count = len(seen)
    assert count >= 2 and seen[:2] == [(0, 9, "busy"), (1, 9, "busy")]
    time.sleep(0.4)
    assert len(seen) == count


def test_a_watch_that_is_stopped_lets_the_block_end() -> None:
    calls = []

    def stop(*_: object) -> None:
        calls.append(1)
        raise Cancelled

    with watched(lambda: (0, 0, ""), stop):
        time.sleep(0.7)
    assert len(calls) == 1
