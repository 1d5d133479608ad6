"""A cache with a budget: what was used longest ago is dropped first; safe for many threads."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from typing import Any, Generic, TypeVar

V = TypeVar("V")


def size_in_bytes(value: Any) -> int:
    """The bytes of a result: of its arrays, tensors and strings, at any depth."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return sum(map(size_in_bytes, value))
    return sys.getsizeof(value)


class LruCache(Generic[V]):
    """The values used most recently, as many as fit into a budget.

    A value is weighed once, when it is put, so it must not grow afterwards.

    Args:
        budget: the total size of the values; the newest stays even if it alone is larger.
        size: the size of a value; by default every value counts 1.
    """

    def __init__(self, budget: int, size: Callable[[V], int] = lambda value: 1) -> None:
        self.budget, self._size = budget, size
        #: How much of the budget is taken.
        self.used = 0
        self._entries: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, default: Any = None) -> V | Any:
        """The value, or the default if it is not cached."""
        with self._lock:
            if key not in self._entries:
                return default
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: V) -> V:
        """Cache a value and return it."""
        size = self._size(value)
        with self._lock:
            self.used += size - self._entries.pop(key, (value, 0))[1]
            self._entries[key] = (value, size)
            while self.used > self.budget and len(self._entries) > 1:
                self.used -= self._entries.popitem(last=False)[1][1]
        return value

    def items(self) -> list[tuple[Hashable, V]]:
        """The cached keys and values, the least recently used first."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._entries.items()]
