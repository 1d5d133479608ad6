"""Two selections against each other, counted pair by pair."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from embedlab.analysis.selections import cohesion, counts_by_group

RANDOM = np.random.default_rng(3)
VECTORS = RANDOM.normal(size=(12, 5))
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)


def cosine(i: int, j: int) -> float:
    return float(VECTORS[i].astype(float) @ VECTORS[j].astype(float))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0, 1, 2], [5, 6, 7, 8]),
        ([0, 1, 2, 3], [2, 3, 4]),  # two texts are in both
        ([0, 1], [0, 1]),
        ([4], [9, 10]),
        (list(range(12)), list(range(12))),
    ],
)
def test_mean_cosines_within_and_between(first, second) -> None:
    found = cohesion(VECTORS, first, second)
    for value, chosen in ((found.first, first), (found.second, second)):
        pairs = [cosine(i, j) for i, j in combinations(chosen, 2)]
        assert value == (pytest.approx(np.mean(pairs), abs=1e-6) if pairs else None)
    between = [cosine(i, j) for i, j in product(first, second) if i != j]
    assert found.between == pytest.approx(np.mean(between), abs=1e-6)


def test_one_text_has_no_pair_with_itself() -> None:
    found = cohesion(VECTORS, [3], [3])
    assert (found.first, found.second, found.between) == (None, None, None)
    assert cohesion(VECTORS, [3, 4], []).between is None


def test_texts_are_counted_by_cluster_with_noise() -> None:
    labels = [0, 0, 1, 1, 1, -1, 2, 2, 0, 1, -1, 2]
    assert counts_by_group(labels, [0, 1, 5], [2, 3, 4, 8]) == [(0, 2, 1), (1, 0, 3), (-1, 1, 0)]
    assert counts_by_group(labels, [], []) == []
