"""Which texts go through the backbone next, and which requests share a batch.

Every caller that needs hidden states queues a request with its texts. The thread that gets the
backbone's lock runs one batch and releases the lock; that batch may belong to another thread's
request. The shortest request goes first, so that a query does not wait for a corpus; a request that
has waited too long goes before it, so that a corpus is not starved; and short requests under the
same attention share a batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.progress import Progress

if TYPE_CHECKING:
    from embedlab.models.states import Encoded, TextStates

#: Seconds between two calls of a waiting request's ``progress``, which may cancel it.
POLL_SECONDS = 0.2
#: Seconds without a result after which a request goes before shorter ones.
OVERDUE_SECONDS = 3.0
#: What a batch costs besides its tokens, in tokens: small products keep a processor less busy.
BATCH_COST = 48
#: Seconds for which the lock has to be free before low-priority work takes it.
QUIET_SECONDS = 0.05
#: The longest time that low-priority work waits for that, so that it gets on under load.
LONGEST_WAIT_SECONDS = 1.0
#: The least time between two moments at which low-priority work lets others in.
YIELD_SECONDS = 0.4


@dataclass(eq=False)
class _Request:
    """The texts of one caller: those that remain to be run, and the batches they were cut into.

    ``since`` is when the request was made or last got a result.
    """

    group: object
    forward: Callable[[list[Encoded]], list[TextStates]]
    remaining: dict[str, Encoded]
    batches: list[list[str]]
    store: Callable[[str, TextStates], None]
    since: float = field(default_factory=time.monotonic)
    error: Exception | None = None

    @property
    def tokens(self) -> int:
        return sum(len(item.ids) for item in self.remaining.values())

    def next_batch(self) -> list[str]:
        """The next batch as it was cut, without texts that already ran in another's batch."""
        while self.batches:
            batch = [name for name in self.batches.pop(0) if name in self.remaining]
            if batch:
                return batch
        return list(self.remaining)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.remaining.clear()

    def deliver(self, name: str, result: TextStates) -> None:
        self.store(name, result)
        self.since = time.monotonic()
        # Last, because the caller's thread returns as soon as nothing remains.
        self.remaining.pop(name, None)


class Sharing:
    """The requests that wait for one backbone's lock.

    Args:
        lock: the backbone's.
        budget: tokens in a batch at most.
    """

    def __init__(self, lock: FairLock, budget: int) -> None:
        self.lock, self.budget = lock, budget
        self._waiting: list[_Request] = []
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def run(
        self,
        texts: Mapping[str, Encoded],
        cut: Sequence[Sequence[str]],
        group: object,
        forward: Callable[[list[Encoded]], list[TextStates]],
        store: Callable[[str, TextStates], None],
        progress: Progress,
        label: str,
    ) -> None:
        """Run texts, each once, in batches that may be shared with other requests.

        Args:
            texts: the texts to run, by name.
            cut: the names in batches; none above the budget, unless it is of one text.
            group: texts of equal groups may share a batch.
            forward: runs a batch of the group, under the lock; returns one result for each text.
            store: called with a name and its result as soon as there is one, maybe in another
                thread.
            progress: called with texts done and texts in all; may raise to cancel.
            label: the progress's description.

        Raises:
            Exception: what ``forward`` raised for a batch with one of these texts.
        """
        request = _Request(group, forward, dict(texts), [list(batch) for batch in cut], store)
        with self._guard:
            self._waiting.append(request)
        try:
            while request.remaining:
                done = len(texts) - len(request.remaining)
                progress(done, len(texts), self._status(request, label))
                if self.lock.acquire(POLL_SECONDS):
                    try:
                        # Another thread may have run these texts since the lock was requested.
                        if request.remaining:
                            self._run_next()
                    finally:
                        self.lock.release()
        finally:
            with self._guard:
                self._waiting.remove(request)
        if request.error is not None:
            raise request.error

    def _status(self, request: _Request, label: str) -> str:
        """The label, and once a request waits long its position in the queue."""
        if time.monotonic() - request.since < OVERDUE_SECONDS:
            return label
        with self._guard:
            before = sum(other.since < request.since for other in self._waiting)
        return f"{label}; {before} before you" if before else label

    def _run_next(self) -> None:
        """Run the batch that is due, of whichever request; the caller holds the lock."""
        with self._guard:
            first = self._next_request()
            requests = {name: [first] for name in first.next_batch()}
            texts = {name: first.remaining[name] for name in requests}
            self._add_others(first, requests, texts)
        of_first = [name for name, sharing in requests.items() if first in sharing]
        try:
            results = _run_in_halves(first.forward, list(texts.values()))
        except Exception:
            # The text at fault may belong to any of the requests. So the first one's texts run
            # again alone, and the others' fail, if they have to, when their own turn comes.
            requests = {name: [first] for name in of_first}
            texts = {name: texts[name] for name in of_first}
            try:
                results = _run_in_halves(first.forward, list(texts.values()))
            except Exception as error:
                first.fail(error)
                return
        for name, result in zip(texts, results, strict=True):
            for request in requests[name]:
                # An error is that of one text which the GPU's memory does not hold.
                if isinstance(result, EmbedLabError):
                    request.fail(result)
                else:
                    request.deliver(name, result)

    def _next_request(self) -> _Request:
        """The request that has waited longest if one is overdue, else the shortest."""
        now = time.monotonic()
        waiting = [request for request in self._waiting if request.remaining]
        overdue = [request for request in waiting if now - request.since > OVERDUE_SECONDS]
        if overdue:
            return min(overdue, key=lambda request: request.since)
        return min(waiting, key=lambda request: request.tokens)

    def _add_others(
        self,
        first: _Request,
        requests: dict[str, list[_Request]],
        texts: dict[str, Encoded],
    ) -> None:
        """Extend the first request's batch, in place, by what other requests can share.

        A text that several requests need runs for all of them. All other texts of a request are
        added together where the batch stays within the budget, the shortest requests first.
        """
        others = [
            request
            for request in self._waiting
            if request is not first and request.remaining and request.group == first.group
        ]
        for other in sorted(others, key=lambda request: request.tokens):
            for name in requests.keys() & other.remaining.keys():
                requests[name].append(other)
            new = {name: item for name, item in other.remaining.items() if name not in requests}
            together = [*texts.values(), *new.values()]
            longest = max(len(item.ids) for item in together)
            if longest * len(together) <= self.budget:
                requests.update({name: [other] for name in new})
                texts.update(new)


def _run_in_halves(
    forward: Callable[[list[Encoded]], Sequence[TextStates]], texts: list[Encoded]
) -> Sequence[TextStates | EmbedLabError]:
    """Run a batch; in two halves, and so on, where the memory of a GPU does not hold it whole.

    The result of a text that it does not even hold alone is an error for its requests.
    """
    import torch

    try:
        return forward(texts)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    if len(texts) == 1:
        return [
            EmbedLabError(
                "The GPU's memory does not suffice for this text; shorten it, or close what else "
                "uses the GPU."
            )
        ]
    middle = len(texts) // 2
    return [
        *_run_in_halves(forward, texts[:middle]),
        *_run_in_halves(forward, texts[middle:]),
    ]


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, at most ``budget`` padded tokens each.

    Of all ways to cut the sorted lengths this takes the one with the fewest padded tokens, where a
    batch costs :data:`BATCH_COST` more than its tokens. A text longer than the budget gets a batch
    to itself.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    # From the last text to the first: the least cost of everything from here on, and the end of
    # the batch that starts here.
    cost = [0.0] * (len(order) + 1)
    end = [0] * len(order)
    for start in range(len(order) - 1, -1, -1):
        longest = lengths[order[start]]
        most = max(1, budget // max(1, longest))
        cost[start], end[start] = min(
            (BATCH_COST + longest * (stop - start) + cost[stop], stop)
            for stop in range(start + 1, min(start + most, len(order)) + 1)
        )
    start = 0
    while start < len(order):
        yield order[start : end[start]]
        start = end[start]


class FairLock:
    """A lock that serves threads in the order in which they requested it.

    ``threading.Lock`` gives no such promise: a thread that embeds batch after batch would win it
    back every time, and another user's single query would wait for the whole corpus.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False
        self._released = self._taken = float("-inf")

    @contextmanager
    def low_priority(self) -> Iterator[None]:
        """Hold the lock for one piece of long work, after everybody else.

        A query needs the lock twice, once for each design. Long work therefore waits until the lock
        has been free for a moment; else a piece of it would slip in between the two, and the query
        would wait for two pieces.
        """
        self._acquire_low_priority()
        try:
            yield
        finally:
            self._pass_on()

    def let_others_in(self) -> None:
        """Let waiting threads go first, in the middle of low-priority work that holds the lock.

        Does nothing more often than every :data:`YIELD_SECONDS`.
        """
        if self._waiting and time.monotonic() > self._taken + YIELD_SECONDS:
            self._pass_on()
            self._acquire_low_priority()

    def _acquire_low_priority(self) -> None:
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while not self._acquire_if_quiet():
            if time.monotonic() > deadline:
                self.acquire()  # queue like everybody else
                break
            time.sleep(QUIET_SECONDS / 10)
        self._taken = time.monotonic()

    def _acquire_if_quiet(self) -> bool:
        with self._guard:
            if self._held or time.monotonic() <= self._released + QUIET_SECONDS:
                return False
            self._held = True
            return True

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait for the lock, at most ``timeout`` seconds; return whether it was acquired."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout):
            return True
        with self._guard:
            if turn.is_set():  # the lock was passed on between the timeout and this line
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Release the lock; low-priority work then waits for a moment before it takes it."""
        self._released = time.monotonic()
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                # Still held: a thread that requests the lock now has to queue behind this one.
                self._waiting.popleft().set()
            else:
                self._held = False

    def __enter__(self) -> FairLock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
