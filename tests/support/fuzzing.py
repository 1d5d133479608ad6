"""Odd values, and what every fuzzed call has to end in."""

from __future__ import annotations

import math
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from embedlab import EmbedLabError

TIMES = int(os.environ.get("EMBEDLAB_FUZZ", "1"))


#: Seconds a case may take.
DEADLINE = 20


CASES: Counter[str] = Counter()


PLACES = (tempfile.gettempdir(), str(Path.home()), "/root", "site-packages", "Traceback", 'File "')


def fuzz(examples: int) -> Callable[[Any], Any]:
    """Settings for a test of so many cases."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        # To explain a failure every line would be traced, which takes as long as the cases.
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def clear(message: str) -> None:
    """One sentence or two, that name no place on this machine."""
    assert 10 < len(message) < 800 and "\n" not in message, message[:2000]
    assert message.endswith((".", "?")), message
    for place in PLACES:
        assert place not in message, message


@contextmanager
def case(name: str) -> Iterator[None]:
    """Count a case; a result, or one clear error, before the deadline."""
    CASES[name] += 1

    def late(*_: Any) -> None:
        raise TimeoutError(f"a case took more than {DEADLINE} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE)
    try:
        yield
    except EmbedLabError as error:
        clear(str(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(codec=None, categories=["Cs", "Cc", "Co", "Mn", "So"]), max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "\ud800",
            "x\udfff",
            "\u202eabc",
            "\ufeff",
            "NaN",
            "1e999",
            "-0",
            "null",
            "<script>alert(1)</script>",
            "../../../secret",
            "C:\\secret",
            "file:///secret",
            "{{7*7}}${7*7}",
            "%00%ff%s%n",
            "a" * 10**6,
            "word " * 10**5,
            "\n" * 1000,
        ]
    ),
)


ODD_NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2**31, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, 1e-320]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(),
    st.floats(),
)


ODD_SCALARS = st.none() | st.booleans() | ODD_NUMBERS | ODD_TEXT


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


ODD_VALUES = st.one_of(
    ODD_SCALARS,
    st.recursive(
        ODD_SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=6,
    ),
    st.sampled_from([5, 300, 900]).map(nested),
)
