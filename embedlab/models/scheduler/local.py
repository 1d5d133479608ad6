"""One thread that owns a model in this process's memory, and the queue it takes its work from.

Short work comes first: a request is due when it was made plus about the time that it needs itself.
So a query does not wait for a corpus, and a corpus is overtaken only by what is asked for soon
after it. Texts of several people under the same model and attention share a batch. A training is
advanced between other people's work, and lets them go first between two of its layers; however much
they ask for, it gets a fifth of the time.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.scheduler.batches import batches, forward_of, run_in_halves

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.scheduler.owner import Model, TextPass, TokenPass
    from embedlab.models.states import Encoded, TextStates
    from embedlab.progress import Progress

T = TypeVar("T")

#: Seconds between two calls of a waiting request's ``progress``, which may cancel it.
POLL_SECONDS = 0.2
#: Seconds for which shorter requests may overtake one, for each full batch that it needs itself;
#: about twice what that batch takes on a processor.
BATCH_SECONDS = 2.0
#: Seconds that others get for each second of a training, and the most that they save up while
#: nobody asks for anything.
OTHERS_PER_SECOND, MOST_SAVED_SECONDS = 4.0, 3.0
#: Seconds without work after which the thread ends; the next request starts another one.
IDLE_SECONDS = 5.0

#: Seconds that a process which ends waits for a batch that is under way.
END_SECONDS = 5.0

_END: Any = object()


@dataclass(eq=False)
class _Texts:
    """One caller's texts: those that remain to be run, and the batches they were cut into.

    Once it is queued it is read and changed under the queue's lock alone. ``since`` is when it was
    made or last got a result. ``results`` go back to the caller's thread: lists of names with their
    states, or an error, which is the last.
    """

    model: Model
    attention: str
    remaining: dict[str, Encoded]
    batches: list[list[str]]
    since: float = field(default_factory=time.monotonic)
    results: SimpleQueue[list[tuple[str, TextStates]] | Exception] = field(
        default_factory=SimpleQueue
    )

    @classmethod
    def of(cls, model: Model, texts: Mapping[str, Encoded], attention: str) -> _Texts:
        names, lengths = list(texts), [len(text.ids) for text in texts.values()]
        cut = [[names[i] for i in batch] for batch in batches(lengths, model.token_budget)]
        return cls(model, attention, dict(texts), cut)

    @property
    def group(self) -> tuple[str, str]:
        """Texts of equal groups run through the same weights in the same way."""
        return self.model.key, self.attention

    @property
    def tokens(self) -> int:
        return sum(len(text.ids) for text in self.remaining.values())

    @property
    def due(self) -> float:
        return self.since + BATCH_SECONDS * self.tokens / self.model.token_budget

    def next_batch(self) -> list[str]:
        """The next batch as it was cut, without texts that already ran in another's batch."""
        while self.batches:
            batch = [name for name in self.batches.pop(0) if name in self.remaining]
            if batch:
                return batch
        return list(self.remaining)

    def fail(self, error: Exception) -> None:
        self.remaining.clear()
        self.results.put(error)

    def deliver(self, states: list[tuple[str, TextStates]]) -> None:
        for name, _ in states:
            self.remaining.pop(name, None)
        self.since = time.monotonic()
        self.results.put(states)


@dataclass(eq=False)
class _Call:
    """A function to be called by the owner; its result or its error goes to the caller."""

    function: Callable[[], Any]
    since: float = field(default_factory=time.monotonic)
    future: Future[Any] = field(default_factory=Future)
    abandoned: bool = False

    @property
    def due(self) -> float:
        return self.since

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.function())
        except BaseException as error:
            self.future.set_exception(error)

    def result(self) -> Any:
        """Wait for the result; who is interrupted there waits until the call has ended, too."""
        try:
            return self.future.result()
        finally:
            self.abandoned = True
            if not self.future.cancel():
                wait([self.future])


class Local:
    """The owner of a model in this process's memory; see :class:`..owner.Owner`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._short: list[_Texts | _Call] = []
        self._long: deque[_Call] = deque()
        self._thread: threading.Thread | None = None
        #: The item of a long computation that is under way, and since when it has had the model.
        self._under_way: _Call | None = None
        self._resumed = 0.0
        #: Seconds for which others may go before a long computation.
        self._saved = MOST_SAVED_SECONDS
        self._ended = False
        _OWNERS.add(self)

    def __len__(self) -> int:
        return len(self._short) + len(self._long)

    # What others ask for, in their own threads

    def run(
        self, passes: Sequence[TextPass], progress: Progress, label: str
    ) -> Iterator[tuple[str, TextStates]]:
        """The states of texts by name, each run once, as they come."""
        done, total = 0, sum(len(each.texts) for each in passes)
        for each in passes:

            def report(now: int, _: int, what: str, before: int = done) -> None:
                progress(before + now, total, what)

            yield from self._states(each, report, label)
            done += len(each.texts)

    def _states(
        self, wanted: TextPass, progress: Progress, label: str
    ) -> Iterator[tuple[str, TextStates]]:
        request = _Texts.of(*wanted)
        todo = len(wanted.texts)
        if todo:
            self._submit(request, self._short)
        try:
            while todo:
                done = len(wanted.texts) - todo
                progress(done, len(wanted.texts), self._status(request, label))
                if self._is_owner():  # a long computation asks for texts of its own
                    self._run_texts(request)
                try:
                    results = request.results.get(timeout=POLL_SECONDS)
                except Empty:
                    continue
                if isinstance(results, Exception):
                    raise results
                todo -= len(results)
                yield from results
        finally:
            self._withdraw(request)

    def tokens(self, passes: Sequence[TokenPass]) -> list[Tensor]:
        """For each pass every token of every layer."""
        return [self.call(partial(each.model.run_tokens, *each[1:])) for each in passes]

    def call(self, function: Callable[[], T]) -> T:
        """What a short function returns that needs the model for itself."""
        return function() if self._is_owner() else self._called(function, self._short)

    def advance(self, steps: Iterator[T]) -> Iterator[T]:
        """The items of a long computation, each computed between other people's work."""
        while (item := self._called(partial(next, steps, _END), self._long)) is not _END:
            yield item

    def _called(self, function: Callable[[], T], queue: list[Any] | deque[Any]) -> T:
        call = _Call(function)
        self._submit(call, queue)
        return cast(T, call.result())

    def _submit(self, work: _Texts | _Call, queue: list[Any] | deque[Any]) -> None:
        with self._changed:
            queue.append(work)
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._work, name="model", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _withdraw(self, request: _Texts) -> None:
        with self._changed:
            request.remaining.clear()
            if request in self._short:
                self._short.remove(request)

    def _status(self, request: _Texts, label: str) -> str:
        """The label, and once a request waits long its position in the queue."""
        with self._changed:
            if time.monotonic() < request.due + BATCH_SECONDS:
                return label
            before = sum(other.due < request.due for other in self._short)
        return f"{label}; {before} before you" if before else label

    # The thread

    def _is_owner(self) -> bool:
        return threading.current_thread() is self._thread

    def _work(self) -> None:
        while (work := self._next()) is not None:
            if work in self._long:
                self._run_item()
            else:
                self._run_short(work)

    def _next(self) -> _Texts | _Call | None:
        """What runs next; None where nothing was asked for in a while, and the thread ends."""
        with self._changed:
            while not self._ended:
                if self._short and (self._saved > 0 or not self._long):
                    return min(self._short, key=lambda work: work.due)
                if self._long:
                    return self._long[0]
                if not self._changed.wait(IDLE_SECONDS) and not len(self):
                    break
            self._thread = None
            return None

    def _run_item(self) -> None:
        """The next item of the long computation that is first in the queue."""
        self._under_way, self._resumed = self._long[0], time.monotonic()
        self._under_way.run()
        self._save()
        self._under_way = None
        with self._changed:
            self._long.popleft()

    def hand_over(self) -> None:
        """Let others go first; does nothing outside of a long computation's items."""
        item = self._under_way
        if item is None or not self._is_owner():
            return
        if item.abandoned or self._ended:
            raise Cancelled
        self._save()
        self._under_way = None  # what is run now does not hand over
        try:
            while self._saved > 0 and self._short:
                work = self._first_due()
                if work is not None:
                    self._run_short(work)
        finally:
            self._under_way, self._resumed = item, time.monotonic()

    def end(self) -> None:
        """Begin nothing more, and wait for what is under way: the process ends."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and not self._is_owner():
            thread.join(END_SECONDS)

    def _first_due(self) -> _Texts | _Call | None:
        with self._changed:
            return min(self._short, key=lambda work: work.due, default=None)

    def _save(self) -> None:
        """Count the time of the long computation since it last got the model."""
        seconds = time.monotonic() - self._resumed
        self._saved = min(MOST_SAVED_SECONDS, self._saved + OTHERS_PER_SECOND * seconds)

    def _run_short(self, work: _Texts | _Call) -> None:
        start = time.monotonic()
        if isinstance(work, _Texts):
            self._run_texts(work)
        else:
            work.run()
        with self._changed:
            if work in self._short and not (isinstance(work, _Texts) and work.remaining):
                self._short.remove(work)
        if self._long:
            self._saved -= time.monotonic() - start

    def _run_texts(self, first: _Texts) -> None:
        """One batch of a request, and of others what goes with it."""
        with self._changed:
            requests = {name: [first] for name in first.next_batch()}
            texts = {name: first.remaining[name] for name in requests}
            if not texts:
                return  # withdrawn
            self._add_others(first, requests, texts)
        own = [name for name, sharing in requests.items() if first in sharing]
        forward = forward_of(first.model, first.attention)
        try:
            results = run_in_halves(forward, list(texts.values()))
        except Exception:
            # The text at fault may belong to any of the requests. So the first one's texts run
            # again alone, and the others' fail, if they have to, when their own turn comes.
            requests = {name: [first] for name in own}
            texts = {name: texts[name] for name in own}
            try:
                results = run_in_halves(forward, list(texts.values()))
            except Exception as error:
                with self._changed:
                    first.fail(error)
                return
        with self._changed:
            _deliver(requests, dict(zip(texts, results, strict=True)))

    def _add_others(
        self, first: _Texts, requests: dict[str, list[_Texts]], texts: dict[str, Encoded]
    ) -> None:
        """Extend the first request's batch, in place, by what other requests can share.

        A text that several requests need runs for all of them. All other texts of a request are
        added together where the batch stays within the budget, the shortest requests first.
        """
        others = [
            work
            for work in self._short
            if isinstance(work, _Texts)
            and work is not first
            and work.remaining
            and work.group == first.group
        ]
        for other in sorted(others, key=lambda request: request.tokens):
            for name in requests.keys() & other.remaining.keys():
                requests[name].append(other)
            new = {name: item for name, item in other.remaining.items() if name not in requests}
            together = [*texts.values(), *new.values()]
            longest = max(len(item.ids) for item in together)
            if longest * len(together) <= first.model.token_budget:
                requests.update({name: [other] for name in new})
                texts.update(new)


#: The owners of this process. Python ends a thread that comes back from C++ after the interpreter
#: has gone, and torch answers that by aborting the process.
_OWNERS: weakref.WeakSet[Local] = weakref.WeakSet()


@atexit.register
def _end_owners() -> None:
    for owner in list(_OWNERS):
        owner.end()


def _deliver(
    requests: Mapping[str, list[_Texts]], results: Mapping[str, TextStates | EmbedLabError]
) -> None:
    """Give every request its results, all at once; an error is of one text too large for a GPU."""
    sharing = dict.fromkeys(request for several in requests.values() for request in several)
    for request in sharing:
        own = {name: results[name] for name, several in requests.items() if request in several}
        errors = [result for result in own.values() if isinstance(result, EmbedLabError)]
        if errors:
            request.fail(errors[0])
        else:
            request.deliver(cast("list[tuple[str, TextStates]]", list(own.items())))
