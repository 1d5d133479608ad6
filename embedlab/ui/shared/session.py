"""What one browser session is doing: stopping its work, and turning problems into sentences."""

from __future__ import annotations

import html
import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.components import Component

from embedlab.data.corpus import Corpus
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.progress import Progress

#: What an event's inputs hold, and what a handler changes: by component, never by position.
Values = Mapping[Component, Any]
Updates = dict[Component, Any]
#: For how long the server keeps what a visitor gave, after its last use.
STATE_SECONDS = 3600

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
        self._asked: dict[tuple[str, str], Sequence[Any]] = {}

    def handler(self, function: Callable[[Values, Progress], Any], kind: str) -> Any:
        """What Gradio calls for an event; its ``inputs`` have to be a *set*.

        ``function(values, report)`` gets the inputs by component and the progress callback. An
        error it raises becomes one clear sentence, and everything on the screen stays as it was.

        Args:
            function: reads the values, calls the Lab, and returns the updates.
            kind: the kind of work; an event stops earlier work of its kind in the same session.
        """
        return self.event_handler(lambda values, report, _: function(values, report), kind)

    def event_handler(
        self, function: Callable[[Values, Progress, gr.EventData], Any], kind: str
    ) -> Any:
        """The same for ``function(values, report, event)``, which also reads what was clicked."""

        def handle(
            values: dict[Component, Any],
            request: gr.Request,
            event: gr.EventData,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
        ) -> Any:
            with user_errors(kind), self.work(request, kind, progress) as report:
                return function(values, report, event)

        return handle

    @contextmanager
    def work(
        self, request: gr.Request | None, kind: str, progress: gr.Progress
    ) -> Iterator[Progress]:
        """Do work of a kind: yields the progress callback that ends it when it should stop."""
        key, stop = (_session(request), kind), threading.Event()
        with self._lock:
            before = self._stops.pop(key, None)
            if before is not None:
                before.set()
            if key[0]:
                self._stops[key] = stop
        done = False
        try:
            yield reporter(progress, stop)
            done = True
        finally:
            with self._lock:
                if self._stops.get(key) is stop:
                    del self._stops[key]
                    if not done:
                        self._asked.pop(key, None)

    def repeats(self, request: gr.Request | None, kind: str, asked: Sequence[Any]) -> bool:
        """Whether a session asks what it asked last, and that is under way or done.

        Gradio's dropdowns report a pick twice, and each visit without one.
        """
        key = (_session(request), kind)
        # A visitor's texts are not to be kept alive by having been asked about.
        asked = [weakref.ref(v) if isinstance(v, Corpus) else v for v in asked]
        with self._lock:
            same = bool(key[0]) and self._asked.get(key) == asked
            self._asked[key] = asked
        return same

    def stop(self, request: gr.Request) -> bool:
        """Stop everything this session is doing; whether there was anything."""
        session = _session(request)
        with self._lock:
            running = [key for key in self._stops if key[0] == session]
            for key in running:
                self._stops.pop(key).set()
                self._asked.pop(key, None)
        return bool(running)

    def leave(self, request: gr.Request) -> None:
        """Stop everything and forget this session."""
        self.stop(request)
        session = _session(request)
        with self._lock:
            for key in [key for key in self._asked if key[0] == session]:
                del self._asked[key]


def _session(request: gr.Request | None) -> str:
    return (request.session_hash or "") if request is not None else ""


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


@contextmanager
def user_errors(kind: str) -> Iterator[None]:
    """Turn an error of a handler into one clear sentence in a toast."""
    try:
        yield
    except Cancelled as error:
        # Ends the chain of events; whatever stopped it has already been reported.
        raise gr.Error("Stopped.", visible=False, print_exception=False) from error
    except EmbedLabError as error:
        # The toast reads its text as HTML, and the text may quote what a user typed.
        text = html.escape(str(error))
        raise gr.Error(text, duration=15, print_exception=False, title="Not possible") from error
    except gr.Error:
        raise
    except Exception as error:
        log.exception("%s failed", kind)
        raise gr.Error(UNEXPECTED, print_exception=False) from error
