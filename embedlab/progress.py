"""One way to report progress: a callback that may also stop the work."""

from collections.abc import Callable

#: Called as ``progress(done, total, what)``; ``total`` is 0 when unknown. It may raise
#: :class:`embedlab.errors.Cancelled`, and long work calls it often enough for that to matter.
Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""
