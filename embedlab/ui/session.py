"""What one browser session is doing: stopping its work, and turning problems into sentences."""

from __future__ import annotations

import functools
import html
import logging
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from embedlab.errors import Cancelled, EmbedLabError
from embedlab.progress import Progress

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("embedlab")

UNEXPECTED = (
    "Something went wrong inside EmbedLab; what you had is still there. Try again, or look into "
    "the server's log."
)


class Sessions:
    """Which work of which browser session is under way, so that it can be stopped.

    Work that a session starts again, because a setting changed meanwhile, stops what it started
    before of the same kind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, str], threading.Event] = {}

    def begin(self, request: gr.Request | None, kind: str) -> threading.Event:
        """Note that this session starts work of a kind; the event is set when it should stop."""
        stop = threading.Event()
        if request is not None and request.session_hash:
            with self._lock:
                before = self._stops.get((request.session_hash, kind))
                if before is not None:
                    before.set()
                self._stops[request.session_hash, kind] = stop
        return stop

    def stop(self, request: gr.Request) -> None:
        """Stop everything this session is doing."""
        with self._lock:
            for key in [key for key in self._stops if key[0] == request.session_hash]:
                self._stops.pop(key).set()


def reporter(progress: gr.Progress, stop: threading.Event) -> Progress:
    """A progress callback that shows itself in the browser and ends when asked to."""

    def report(done: int, total: int, what: str) -> None:
        if stop.is_set():
            raise Cancelled
        if total > 10**6:
            progress((done // 10**6, total // 10**6), desc=what, unit="MB")
        elif total:
            progress((done, total), desc=what, unit="")
        else:
            progress(None, desc=what)

    return report


def polite(function: Callable[P, R]) -> Callable[P, R]:
    """Let a handler fail with one clear sentence; everything on the screen stays as it was."""

    @functools.wraps(function)
    def handler(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Cancelled as error:
            # Ends the chain of events; what stopped it has said so already.
            raise gr.Error("Stopped.", visible=False, print_exception=False) from error
        except EmbedLabError as error:
            # The toast reads its text as HTML, and the text may quote what a user typed.
            text = html.escape(str(error))
            raise gr.Error(
                text, duration=15, print_exception=False, title="Not possible"
            ) from error
        except gr.Error:
            raise
        except Exception as error:
            log.exception("%s failed", function.__name__)
            raise gr.Error(UNEXPECTED, print_exception=False) from error

    return handler
