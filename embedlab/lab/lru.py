"""A small dictionary that forgets what was used longest ago; safe for many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Keeps the values used most recently, as many as fit.

    Args:
        size: the budget.
        weigh: what a value takes of it; by default every value takes 1.
    """

    def __init__(self, size: int, weigh: Callable[[V], int] = lambda value: 1) -> None:
        self.size, self._weigh = size, weigh
        self._kept: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> V | None:
        """The value, or None where it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: V) -> V:
        """Keep a value and return it."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            # What grew since it was put counts as it is now; the newest stays in any case.
            while len(self._kept) > 1 and self._weight() > self.size:
                self._kept.popitem(last=False)
        return value

    @property
    def weight(self) -> int:
        """How much of the budget is taken."""
        with self._lock:
            return self._weight()

    def _weight(self) -> int:
        return sum(map(self._weigh, self._kept.values()))

    def items(self) -> list[tuple[Hashable, V]]:
        """What is kept, the least recently used first."""
        with self._lock:
            return list(self._kept.items())

    def __len__(self) -> int:
        return len(self._kept)
