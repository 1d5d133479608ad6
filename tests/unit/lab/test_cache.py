"""The cache stays within its budget, and a result weighs as much as all its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from embedlab.lab.cache import LruCache, size_in_bytes


@dataclass(frozen=True, eq=False)
class Result:
    name: str
    parts: Any


def test_a_result_weighs_as_much_as_its_arrays():
    vectors = np.zeros((100, 10), np.float32)
    for parts in (
        vectors,
        torch.zeros(100, 10),
        (vectors[:50], vectors[50:]),
        {"a": vectors[:30], "b": [vectors[30:60], Result("inner", vectors[60:])]},
    ):
        size = size_in_bytes(Result("outer", parts))
        assert 4000 < size < 4500
    assert size_in_bytes("w" * 1000) > 1000


def test_what_was_used_longest_ago_is_dropped_first():
    cache = LruCache(30, lambda value: value)
    for key, value in (("a", 10), ("b", 11), ("c", 9)):
        cache.put(key, value)
    assert cache.get("a") == 10
    cache.put("d", 10)
    assert cache.items() == [("c", 9), ("a", 10), ("d", 10)]
    assert cache.used == 29 and len(cache.items()) == 3


def test_a_key_that_is_put_again_counts_once():
    cache = LruCache(30, lambda value: value)
    cache.put("a", 20)
    cache.put("a", 25)
    assert cache.items() == [("a", 25)] and cache.used == 25


@pytest.mark.parametrize("large", [50, 11])
def test_the_newest_is_kept_even_if_it_is_too_large(large):
    cache = LruCache(10, lambda value: value)
    cache.put("small", 5)
    assert cache.put("large", large) == large
    assert cache.items() == [("large", large)]


def test_by_default_values_are_counted():
    cache = LruCache(2)
    for value in "abc":
        cache.put(value, value)
    assert [key for key, _ in cache.items()] == ["b", "c"]
