"""The one door to a GPU that is lent by the call (ZeroGPU), and a no-op everywhere else.

On ZeroGPU a decorated function runs in a forked worker: what it changes in memory is lost, and its
arguments and results are pickled, so they are plain values and arrays. ``spaces`` must be imported
before torch, hence the package imports this module before anything else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from embedlab.errors import EmbedLabError

P = ParamSpec("P")
R = TypeVar("R")

#: Whether this process has a GPU by the call alone; in a worker, which has one, it does not.
#: The words are those that ``spaces`` takes for yes.
LENT = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
if LENT:
    # ``spaces`` deletes the files of weights that it has put on the GPU; exports read them again.
    os.environ.setdefault("ZEROGPU_MMAP_AUTOPRUNE_PATTERN", "none")
_spaces = importlib.import_module("spaces") if LENT else None
#: The errors by which the platform refuses a call, with a ``title`` and a ``message``.
_refusals: set[type[Exception]] = set()


class LentGpuError(EmbedLabError):
    """No GPU was lent, or it was taken back; the text is the platform's.

    It concerns the visitor whose request asked for the GPU, and nobody else.
    """


def refused_by(error: type[Exception]) -> None:
    """Say which error the platform refuses a call by: the interface knows it, the ground floor not.

    Args:
        error: its instances have a ``title`` and a ``message``.
    """
    _refusals.add(error)


def on_gpu(seconds: Callable[P, int]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a function on the lent GPU for at most ``seconds(*args)``; elsewhere just run it."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if _spaces is None:
            return function

        @wraps(function)
        def there(*args: P.args, **kwargs: P.kwargs) -> tuple[str, R | None]:
            try:
                with _in_a_worker():
                    return "", function(*args, **kwargs)
            except EmbedLabError as error:  # the platform would pass on its class alone
                return str(error), None

        called = _spaces.GPU(duration=seconds)(there)

        @wraps(function)
        def here(*args: P.args, **kwargs: P.kwargs) -> R:
            with _its_own_words():
                refused, result = called(*args, **kwargs)
            if refused:
                raise EmbedLabError(refused)
            return cast(R, result)

        return here

    return decorate


def stream_on_gpu(
    seconds: Callable[P, int],
) -> Callable[[Callable[P, Generator[R, None, None]]], Callable[P, Generator[R, None, None]]]:
    """The same for a generator: one call for all of its items, ended where nobody reads on."""

    def decorate(
        function: Callable[P, Generator[R, None, None]],
    ) -> Callable[P, Generator[R, None, None]]:
        if _spaces is None:
            return function

        @wraps(function)
        def there(*args: P.args, **kwargs: P.kwargs) -> Generator[tuple[str, R | None], None, None]:
            try:
                with _in_a_worker():
                    for item in function(*args, **kwargs):
                        yield "", item
            except EmbedLabError as error:
                yield str(error), None

        called = _spaces.GPU(duration=seconds)(there)

        @wraps(function)
        def here(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
            items: Any = called(*args, **kwargs)
            try:
                while True:
                    with _its_own_words():
                        refused, item = next(items, ("", _END))
                    if refused:
                        raise EmbedLabError(refused)
                    if item is _END:
                        return
                    yield cast(R, item)
            finally:
                items.close()

        return here

    return decorate


_END: object = object()


@contextmanager
def _in_a_worker() -> Iterator[None]:
    """Here the GPU is ours, and its memory may be too small."""
    global LENT
    LENT = False
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EmbedLabError(
            "The GPU's memory does not suffice for this; use shorter texts or a smaller batch."
        ) from error


@contextmanager
def _its_own_words() -> Iterator[None]:
    """What the platform says of quotas and queues reaches the visitor as it is."""
    import httpx

    try:
        yield
    except tuple(_refusals) as error:
        raise LentGpuError(f"{error.title}: {error.message}") from error  # type: ignore[attr-defined]
    except (RuntimeError, httpx.HTTPError) as error:
        raise LentGpuError(f"The lent GPU cannot be reached: {error}") from error
