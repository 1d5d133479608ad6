"""Blocks of similar texts, and ranks of similarities, against loops written by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from embedlab.analysis import blocks
from embedlab.analysis.metrics import similarity_matrix


def three_groups(seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Twelve unit vectors around three directions, shuffled, and which direction is whose."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation([0] * 3 + [1] * 4 + [2] * 5)
    vectors = np.eye(3, 8)[groups] + 0.1 * rng.normal(size=(12, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), groups.tolist()


def test_the_blocks_of_a_tree_are_the_groups_and_follow_its_leaves():
    vectors, groups = three_groups()
    found = blocks.tree_blocks(similarity_matrix(vectors))
    assert sorted(found.order.tolist()) == list(range(12))
    inside = [
        {groups[found.order[i]] for i in range(first, last + 1)} for first, last in found.spans
    ]
    assert all(len(group) == 1 for group in inside)
    assert {next(iter(group)) for group in inside} == {0, 1, 2} and len(inside) == 3


def test_the_cut_has_the_largest_mean_silhouette():
    vectors, _ = three_groups(3)
    distances = 1 - vectors @ vectors.T
    found = blocks.tree_blocks(similarity_matrix(vectors))
    of = np.empty(12, int)
    for number, (first, last) in enumerate(found.spans):
        of[found.order[first : last + 1]] = number
    widths = []
    for i in range(12):
        mean = {
            c: np.mean([distances[i, j] for j in range(12) if of[j] == c and j != i] or [0])
            for c in set(of)
        }
        own, other = mean[of[i]], min(mean[c] for c in mean if c != of[i])
        widths.append((other - own) / max(own, other))
    assert np.mean(widths) > 0.8  # three tight groups; another cut has less
    merged = np.minimum(of, 1)
    between = [distances[i, j] for i, j in combinations(range(12), 2) if merged[i] == merged[j]]
    assert max(between) > 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_rows_that_are_all_the_same_are_one_block(n):
    found = blocks.tree_blocks(np.ones((n, n), np.float32))
    assert found.starts == (0,) and sorted(found.order.tolist()) == list(range(n))


def test_label_blocks_keep_the_order_of_first_appearance():
    vectors, _ = three_groups()
    labels = list("bbabcacbbacb")
    found = blocks.label_blocks(labels, similarity_matrix(vectors))
    assert found.names == ("b", "a", "c")
    assert "".join(labels[i] for i in found.order) == "bbbbbb" + "aaa" + "ccc"
    assert found.spans == ((0, 5), (6, 8), (9, 11))


def test_ranks_are_shares_of_less_similar_pairs():
    matrix = np.array(
        [[1, 0.9, 0.2, 0.2], [0.9, 1, 0.5, 0.1], [0.2, 0.5, 1, 0.7], [0.2, 0.1, 0.7, 1]]
    )
    shares = blocks.ranked(matrix)
    pairs = list(combinations(range(4), 2))
    for i, j in pairs:
        others = [matrix[pair] for pair in pairs if pair != (i, j)]
        less = sum(x < matrix[i, j] for x in others) + sum(x == matrix[i, j] for x in others) / 2
        assert shares[i, j] == shares[j, i] == pytest.approx(less / 5)
    assert np.diag(shares).tolist() == [1, 1, 1, 1]
    assert blocks.ranked(np.ones((2, 2))).tolist() == [[1, 1], [1, 1]]


def test_a_space_is_saturated_where_nearly_all_cosines_are_above_nine_tenths():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(20, 8))
    tight = wide * 0.05 + np.ones(8)
    for vectors, expected in ((wide, False), (tight, True)):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        ends = blocks.saturated(similarity_matrix(unit))
        assert (ends is not None) == expected
    cosines = [float(unit[i] @ unit[j]) for i, j in combinations(range(20), 2)]
    assert ends == pytest.approx((min(cosines), max(cosines)), abs=1e-6)
    assert blocks.saturated(np.ones((1, 1))) is None
