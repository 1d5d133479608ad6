"""The one door to a GPU that is lent by the call (ZeroGPU), and a no-op everywhere else.

On ZeroGPU a decorated function runs in a forked worker: what it changes in memory is lost, and its
arguments and results are pickled, so they are plain values and CPU tensors. ``spaces`` must be
imported before torch, hence the package imports this module before anything else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Whether this process runs on a Space with a lent GPU.
LENT = bool(os.environ.get("SPACES_ZERO_GPU"))
_spaces = importlib.import_module("spaces") if LENT else None


def on_gpu(seconds: Callable[P, int]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a function on the lent GPU for at most ``seconds(*args)``; elsewhere just run it."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if _spaces is None:
            return function
        decorated: Callable[P, R] = _spaces.GPU(duration=seconds)(function)
        return decorated

    return decorate
