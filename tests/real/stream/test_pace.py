"""Rate, share and end of a run, by a clock of our own."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from embedlab.stream.inputs import Source
from embedlab.stream.pace import Pace


def test_rate_share_and_end():
    now, bar, lines = [0.0], [], []
    sources = [Source(name=n, place=n, kind=".txt", size=s) for n, s in (("a", 100), ("b", 300))]
    pace = Pace(sources, (), lambda *report: bar.append(report), lines.append, lambda: now[0])
    pace.at(0, 0.5)
    now[0] = 10.0
    pace.embedded(100)
    assert bar[-1] == (125, 1000, "100 texts, 10 a second")
    assert not lines
    pace.at(0, 1.0)
    now[0] = 60.0
    pace.embedded(200)
    # An eighth of the input took 60 s, and six eighths are left.
    end = datetime.now() + timedelta(seconds=360)
    assert pace.rate == pytest.approx(5)
    assert bar[-1][:2] == (250, 1000)
    assert lines[0] in {
        f"25 % · 300 texts, 5 a second, until about {at:%H:%M}"
        for at in (end, end - timedelta(seconds=5))
    }
    assert Pace(sources, (1,), print, None).share == 0.75
