"""One way to report progress: a callback that may also stop the work."""

import time
from collections.abc import Callable

from embedlab.errors import EmbedLabError

#: Called as ``progress(done, total, what)``; ``total`` is 0 when unknown. It may raise
#: :class:`embedlab.errors.Cancelled`, and long work calls it often enough for that to matter.
Progress = Callable[[int, int, str], None]


def with_time_limit(seconds: float, progress: Progress) -> Progress:
    """``progress`` that ends the work with an error once it has taken longer."""
    until = time.monotonic() + seconds

    def report(done: int, total: int, what: str) -> None:
        if time.monotonic() > until:
            raise EmbedLabError(
                f"This took longer than the {seconds / 60:.3g} minutes that one piece of work may "
                "take here; use fewer or shorter texts, or try again when less is going on."
            )
        progress(done, total, what)

    return report


def no_progress(done: int, total: int, what: str) -> None:
    """Report nothing."""
