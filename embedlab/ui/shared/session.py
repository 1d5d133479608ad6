"""What one browser session is doing: stopping its work, and turning errors into sentences."""

from __future__ import annotations

import html
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from embedlab.errors import Cancelled, EmbedLabError
from embedlab.progress import Estimate, Progress
from embedlab.ui.shared.choices import Choices

#: What a handler changes: new values or ``gr.update(…)`` by component.
Updates = dict[Any, Any]
#: For how long the server keeps what a visitor gave, after its last use.
STATE_SECONDS = 3600

log = logging.getLogger("embedlab")

UNEXPECTED = (
    "Something went wrong inside EmbedLab; what you had is still there. Try again, or look into "
    "the server's log."
)


class Remembered:
    """A value that a session remembers on the server.

    Handlers read it from ``values`` and set it in their updates like a component's. The browser
    never sees it, so it is never older than the last answer.
    """

    def __init__(self, default: Any = None) -> None:
        self.default = default


class Change:
    """A value for something :class:`Remembered` that is made of the one it has by then.

    Of two handlers at a time, one would else undo what the other has added.
    """

    def __init__(self, of: Callable[[Any], Any]) -> None:
        self.of = of


class Values(dict[Any, Any]):
    """The inputs of an event by component, and what the session remembers."""

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, Remembered):
            return key.default
        raise KeyError(key)


def set_values(updates: Updates) -> Updates:
    """The values that updates set, without those that only change a control's choices."""
    values: Updates = {}
    for control, update in updates.items():
        if isinstance(update, dict) and "__type__" in update:
            values |= {control: update["value"]} if "value" in update else {}
        elif not isinstance(update, Change):
            values[control] = update
    return values


def with_value(update: Any, value: Any) -> Any:
    """An update of a control that sets this value, with the update's other properties."""
    is_update = isinstance(update, dict) and "__type__" in update
    return {**update, "value": value} if is_update else value


@dataclass(frozen=True, kw_only=True, eq=False)
class Action:
    """An event that sets controls before the open tab is shown again.

    Args:
        trigger: the event, such as ``button.click``.
        run: computes the controls' new values.
        sets: the controls that it may set, or a function of inputs and event that says so.
        inputs: what ``run`` reads besides the controls that come with every event.
        scripts: inputs that carry the value of a JavaScript expression in place of their own.
    """

    trigger: Any
    run: Callable[[Values, Progress, gr.EventData], Updates]
    sets: Collection[Any] | Callable[[Values, gr.EventData], Collection[Any]] = ()
    inputs: Collection[Any] = ()
    scripts: Mapping[Any, str] = field(default_factory=dict)

    def sets_of(self, values: Values, event: gr.EventData) -> set[Any]:
        """The controls that it may set for this event."""
        return set(self.sets(values, event) if callable(self.sets) else self.sets)

    def inputs_with(self, controls: Collection[Any]) -> set[Any]:
        """All inputs of its event, where these controls come with every event."""
        return {*controls, *self.inputs, *self.scripts}

    def script_with(self, controls: Collection[Any]) -> str | None:
        """What the browser runs before that event is sent; None where that is nothing."""
        if not self.scripts:
            return None
        # A script gets and gives the inputs in the order that Gradio brings a set of them into.
        ordered = sorted(self.inputs_with(controls), key=lambda each: each._id)
        values = [self.scripts.get(control, f"given[{i}]") for i, control in enumerate(ordered)]
        return f"async (...given) => [{', '.join(values)}]"


class Session:
    """One browser session: its controls, the work under way, and what is remembered."""

    def __init__(self) -> None:
        #: Reentrant, so that several steps can be made one.
        self.lock = threading.RLock()
        self.last_used = time.monotonic()
        self.choices = Choices()
        self._memory: Updates = {}
        self._stops: dict[str, threading.Event] = {}
        #: The keys that what is on the screen, or under way, goes by: see :meth:`shows_as`.
        self._shown: list[Any] = []

    def values(self, values: Updates) -> Values:
        """An event's inputs together with what is remembered."""
        with self.lock:
            return Values(self._memory | values)

    def remember(self, updates: Any) -> Any:
        """Keep what is :class:`Remembered`; returns the rest, which is for the browser."""
        if not isinstance(updates, dict):
            return updates
        memory = {key: value for key, value in updates.items() if isinstance(key, Remembered)}
        with self.lock:
            for key, value in memory.items():
                old = self._memory.get(key, key.default)
                self._memory[key] = value.of(old) if isinstance(value, Change) else value
        return {key: value for key, value in updates.items() if key not in memory}

    def remembers(self, values: Values) -> bool:
        """Whether what it remembers is still what was in these values."""
        with self.lock:
            return all(values[key] is value for key, value in self._memory.items())

    @contextmanager
    def work(self, kind: str, progress: gr.Progress) -> Iterator[Progress]:
        """Do work of a kind, which stops earlier work of that kind.

        Yields the progress callback, which raises ``Cancelled`` once this work has to stop.
        """
        stop = threading.Event()
        with self.lock:
            if kind in self._stops:
                self._stops[kind].set()
            self._stops[kind] = stop
        try:
            yield reporter(progress, stop)
        finally:
            with self.lock:
                if self._stops.get(kind) is stop:
                    del self._stops[kind]

    def starts_showing(self, key: Any) -> bool:
        """Note what is going to be on the screen; False if it is there or under way already."""
        with self.lock:
            same = key in self._shown
            if not same:
                self._shown = [key]
        return not same

    def shows_as(self, key: Any, other: Any) -> None:
        """What is on the screen goes by another key too, after it has set controls."""
        with self.lock:
            if self._shown[:1] == [key]:
                self._shown.append(other)

    def failed_to_show(self, key: Any) -> None:
        """It did not get as far as the screen, so the same may be tried again."""
        with self.lock:
            if self._shown[:1] == [key]:
                self._shown = []

    def stop(self) -> bool:
        """Stop all work; returns whether there was any."""
        with self.lock:
            running, self._stops = self._stops, {}
            for stop in running.values():
                stop.set()
        return bool(running)


class Sessions:
    """The browser sessions of the server, and how their events are handled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def of(self, request: gr.Request) -> Session:
        """The session that a request belongs to; sessions unused for an hour are deleted."""
        if not request.session_hash:
            return Session()  # a client without a session; it shares nothing with others
        now = time.monotonic()
        with self._lock:
            session = self._sessions.setdefault(request.session_hash, Session())
            session.last_used = now
            for key, other in list(self._sessions.items()):
                if now - other.last_used > STATE_SECONDS:
                    del self._sessions[key]
        return session

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
            session: Session, values: Updates, event: gr.EventData, progress: gr.Progress
        ) -> Any:
            with session.work(kind, progress) as report:
                updates = session.remember(function(session.values(values), report, event))
            return gr.skip() if updates == {} else updates

        return self.session_handler(handle)

    def stream_handler(
        self, function: Callable[[Session, Updates, Progress], Iterator[Updates]], kind: str
    ) -> Any:
        """The same for a generator ``function(session, inputs, report)``: each item is shown.

        What the session remembers may change while it runs: ``session.values`` has it by then.
        """

        def handle(
            values: Updates,
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
        ) -> Iterator[Updates]:
            session = self.of(request)
            with user_errors(), session.work(kind, progress) as report:
                for updates in function(session, values, report):
                    yield session.remember(updates)

        return handle

    def session_handler(
        self, function: Callable[[Session, Updates, gr.EventData, gr.Progress], Any]
    ) -> Any:
        """The same for a function that does more with the session than one piece of work."""

        def handle(
            values: Updates,
            request: gr.Request,
            event: gr.EventData,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
        ) -> Any:
            with user_errors():
                return function(self.of(request), values, event, progress)

        return handle

    def stop(self, request: gr.Request) -> bool:
        """Stop everything a session is doing; returns whether there was anything."""
        return self.of(request).stop()

    def leave(self, request: gr.Request) -> None:
        """Stop everything and forget the session."""
        self.stop(request)
        with self._lock:
            self._sessions.pop(request.session_hash or "", None)


def reporter(progress: gr.Progress, stop: threading.Event) -> Progress:
    """A progress callback that shows progress in the browser and raises once ``stop`` is set.

    Where something is counted it also says how long it will take yet.
    """
    estimate = Estimate()

    def report(done: int, total: int, what: str) -> None:
        if stop.is_set():
            raise Cancelled
        what = estimate.words(done, total, what)
        if total > 10**6:
            progress((done // 10**6, total // 10**6), desc=what, unit="MB")
        elif total:
            progress((done, total), desc=what, unit="")
        else:
            progress(None, desc=what)

    return report


def sentence(error: EmbedLabError) -> dict[str, Any]:
    """An error as the arguments of a toast."""
    # The toast reads its text as HTML, and the text may quote what a visitor typed.
    return {"message": html.escape(str(error)), "duration": 15, "title": "Not possible"}


@contextmanager
def user_errors(endpoint: str = "") -> Iterator[None]:
    """Turn an error of a handler into one clear sentence in a toast, or of an endpoint into text.

    Usable as a decorator, too.
    """
    try:
        yield
    except Cancelled as error:
        # Ends the chain of events; whatever stopped it has already been reported.
        raise gr.Error("Stopped.", visible=False, print_exception=False) from error
    except EmbedLabError as error:
        words = {"message": str(error)} if endpoint else sentence(error)
        raise gr.Error(**words, print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        log.exception("%s failed", endpoint or "A handler")
        raise gr.Error(UNEXPECTED, print_exception=False) from error
