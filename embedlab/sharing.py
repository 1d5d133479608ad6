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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from embedlab.errors import EmbedLabError
from embedlab.fairlock import FairLock
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
class _Asked(Generic[I_, T]):
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
        self._waiting: list[_Asked[I_, T]] = []
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
        asked = _Asked(group, forward, dict(texts), [list(batch) for batch in cut], keep)
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

    def _said(self, asked: _Asked[I_, T], what: str) -> str:
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

    def _first(self) -> _Asked[I_, T]:
        now = time.monotonic()
        waiting = [asked for asked in self._waiting if asked.left]
        late = [asked for asked in waiting if now - asked.since > PATIENCE]
        if late:
            return min(late, key=lambda asked: asked.since)
        return min(waiting, key=lambda asked: asked.tokens)

    def _fill_up(
        self,
        first: _Asked[I_, T],
        batch: dict[str, list[_Asked[I_, T]]],
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
