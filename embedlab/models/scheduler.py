"""Whose texts go through the backbone next, and who shares a batch.

Everybody who waits for hidden states has a list of texts here. Whoever gets the backbone's lock
runs one batch and hands it on; *which* batch is a matter of this module and not of who runs it.
The shortest work goes first, so that a query does not wait for a corpus; work that has waited long
goes before it, so that a corpus does not wait for ever; and short work of several people under the
same attention goes in one batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from embedlab.errors import EmbedLabError
from embedlab.progress import Progress

T = TypeVar("T")
#: Seconds between two looks at whether somebody who waits has left.
LOOK = 0.2
#: Seconds without a batch after which longer work goes first.
PATIENCE = 3.0


class _HasIds(Protocol):
    @property
    def ids(self) -> tuple[int, ...]: ...


I_ = TypeVar("I_", bound=_HasIds)


@dataclass(eq=False)
class _PendingRequest(Generic[I_, T]):
    """One person's texts: those left, in the batches they were cut into, and those found."""

    group: object
    forward: Callable[[list[I_]], list[T]]
    left: dict[str, I_]
    batches: list[list[str]]
    keep: Callable[[str, T], None]
    since: float = field(default_factory=time.monotonic)
    error: Exception | None = None

    @property
    def tokens(self) -> int:
        return sum(len(one.ids) for one in self.left.values())

    def next_batch(self) -> list[str]:
        """The next batch that was cut, less what came with somebody else's."""
        while self.batches:
            found = [name for name in self.batches.pop(0) if name in self.left]
            if found:
                return found
        return list(self.left)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.left.clear()

    def found(self, name: str, result: T) -> None:
        self.keep(name, result)
        self.since = time.monotonic()
        self.left.pop(name, None)  # last: with nothing left its owner goes on


class Sharing(Generic[I_, T]):
    """The texts that wait for one backbone's lock.

    Args:
        lock: the backbone's.
        budget: tokens a batch.
    """

    def __init__(self, lock: FairLock, budget: int) -> None:
        self.lock, self.budget = lock, budget
        self._waiting: list[_PendingRequest[I_, T]] = []
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def run(
        self,
        texts: Mapping[str, I_],
        cut: Sequence[Sequence[str]],
        group: object,
        forward: Callable[[list[I_]], list[T]],
        keep: Callable[[str, T], None],
        progress: Progress,
        what: str,
    ) -> None:
        """Have texts run, each once, in batches of one's own or together with others'.

        Args:
            texts: what is to be run, by name.
            cut: the names in batches; none above the budget, unless it is of one text.
            group: texts of equal groups may share a batch.
            forward: runs a batch of the group, under the lock; one result a text.
            keep: called with every name and its result as soon as it is there, maybe in another
                thread.
            progress: called with texts done and texts in all; may raise to leave.
            what: said with the progress.

        Raises:
            Exception: what ``forward`` raised for a batch with one of these texts.
        """
        asked = _PendingRequest(group, forward, dict(texts), [list(batch) for batch in cut], keep)
        with self._guard:
            self._waiting.append(asked)
        try:
            while asked.left:
                progress(len(texts) - len(asked.left), len(texts), self._said(asked, what))
                if self.lock.acquire(LOOK):
                    try:
                        if asked.left:  # it may have come with somebody else's batch meanwhile
                            self._run_next()
                    finally:
                        self.lock.release()
        finally:
            with self._guard:
                self._waiting.remove(asked)
        if asked.error is not None:
            raise asked.error

    def _said(self, asked: _PendingRequest[I_, T], what: str) -> str:
        """What is going on, and the place in the queue of whoever has to wait."""
        if time.monotonic() - asked.since < PATIENCE:
            return what
        with self._guard:
            before = sum(other.since < asked.since for other in self._waiting)
        return f"{what}; {before} before you" if before else what

    def _run_next(self) -> None:
        """Run the batch whose turn it is; the caller holds the lock."""
        with self._guard:
            first = self._first()
            batch = {name: [first] for name in first.next_batch()}
            texts = {name: first.left[name] for name in batch}
            self._fill_up(first, batch, texts)
        own = [name for name, owners in batch.items() if first in owners]
        try:
            results = _in_halves(first.forward, list(texts.values()))
        except Exception:
            # Whose text it was is not known: everybody has to fail with texts of their own.
            batch, texts = {name: [first] for name in own}, {name: texts[name] for name in own}
            try:
                results = _in_halves(first.forward, list(texts.values()))
            except Exception as error:
                first.fail(error)
                return
        for name, result in zip(texts, results, strict=True):
            for asked in batch[name]:
                if isinstance(result, EmbedLabError):
                    asked.fail(result)
                else:
                    asked.found(name, result)

    def _first(self) -> _PendingRequest[I_, T]:
        now = time.monotonic()
        waiting = [asked for asked in self._waiting if asked.left]
        late = [asked for asked in waiting if now - asked.since > PATIENCE]
        if late:
            return min(late, key=lambda asked: asked.since)
        return min(waiting, key=lambda asked: asked.tokens)

    def _fill_up(
        self,
        first: _PendingRequest[I_, T],
        batch: dict[str, list[_PendingRequest[I_, T]]],
        texts: dict[str, I_],
    ) -> None:
        """Add what others ask of the same texts, and their whole work where it is short enough."""
        others = [
            asked
            for asked in self._waiting
            if asked is not first and asked.left and asked.group == first.group
        ]
        for other in sorted(others, key=lambda asked: asked.tokens):
            for name in batch.keys() & other.left.keys():
                batch[name].append(other)
            new = {name: one for name, one in other.left.items() if name not in batch}
            together = [*texts.values(), *new.values()]
            longest = max(len(one.ids) for one in together)
            if longest * len(together) <= self.budget:
                batch.update({name: [other] for name in new})
                texts.update(new)


def _in_halves(
    forward: Callable[[list[I_]], Sequence[T]], texts: list[I_]
) -> Sequence[T | EmbedLabError]:
    """Run a batch; in two halves where the memory of a GPU does not take it whole.

    In place of the result of a text that it does not take alone stands what to say of it.
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
    return [*_in_halves(forward, texts[:middle]), *_in_halves(forward, texts[middle:])]


#: What a batch costs besides its tokens, in tokens: small products keep a processor less busy.
BATCH_COST = 48


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, at most ``budget`` padded tokens each.

    Of all ways to cut the sorted lengths the one with the fewest padded tokens is taken, where a
    batch costs :data:`BATCH_COST` more than its tokens. A text longer than the budget gets a batch
    of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    cost = [0.0] * (len(order) + 1)  # of everything from here on
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


#: Seconds that long work waits after somebody else's turn, and the most it waits under load.
PAUSE = 0.05
LONGEST_PAUSE = 1.0
#: Seconds that long work goes on before it breathes, so that under load it gets on at all.
BREATH = 0.4


class FairLock:
    """First come, first served; a thread that releases and asks again goes to the end.

    ``threading.Lock`` gives no such promise: a thread that embeds batch after batch would win it
    back every time, and another user's single query would wait for the whole corpus.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False
        self._released = self._taken = float("-inf")

    @contextmanager
    def later(self) -> Iterator[None]:
        """Take the lock for long work in pieces: everybody else first, also who asks again at once.

        A query needs the lock twice, once for each design. Without a pause between its two turns a
        piece of the long work would slip in, and the query would wait for two.
        """
        self._take_later()
        try:
            yield
        finally:
            self._hand_on()

    def breathe(self) -> None:
        """In the middle of a piece of long work that holds the lock: who waits goes first.

        Not more often than every :data:`BREATH` seconds.
        """
        if self._waiting and time.monotonic() > self._taken + BREATH:
            self._hand_on()
            self._take_later()

    def _take_later(self) -> None:
        patience = time.monotonic() + LONGEST_PAUSE
        while not self._take_if_quiet():
            if time.monotonic() > patience:
                self.acquire()  # waits its turn like everybody else
                break
            time.sleep(PAUSE / 10)
        self._taken = time.monotonic()

    def _take_if_quiet(self) -> bool:
        with self._guard:
            quiet = time.monotonic() > self._released + PAUSE
            if self._held or not quiet:
                return False
            self._held = True
            return True

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait for one's turn, at most ``timeout`` seconds; whether it came."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout):
            return True
        with self._guard:
            if turn.is_set():  # it came at the last moment
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Hand the lock on; long work waits for a moment then, in case its holder asks again."""
        self._released = time.monotonic()
        self._hand_on()

    def _hand_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # handed over while still held
            else:
                self._held = False

    def __enter__(self) -> FairLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
