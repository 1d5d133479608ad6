from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedlab.analysis.retrieval import neighbours, rank_moves, search
from embedlab.errors import EmbedLabError


def unit(rng, n, d=48):
    rows = rng.normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def with_duplicates(rng, n=120, different=40):
    """Every vector about three times, shuffled, so that ties reach across any k."""
    return unit(rng, different)[rng.permutation(np.arange(n) % different)]


def ranked_by_hand(vectors, query, leave_out=None):
    """Sort all (similarity, index) pairs in plain Python, in exact arithmetic's order."""
    pairs = []
    for i, vector in enumerate(vectors):
        if i != leave_out:
            dot = np.float32(sum(float(a) * float(b) for a, b in zip(query, vector, strict=True)))
            pairs.append((-dot, i))
    return [i for _, i in sorted(pairs)], [-s for s, _ in sorted(pairs)]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("k", [1, 7, 30, 500])
def test_search_equals_brute_force_and_breaks_ties_by_index(rng, k):
    vectors, queries = with_duplicates(rng), unit(rng, 25)
    queries[0] = vectors[5]
    ids, scores = search(vectors, queries, k)
    assert ids.shape == scores.shape == (25, min(k, 120))
    assert ids.dtype == np.int64 and scores.dtype == np.float32
    for row, query in enumerate(queries):
        expected, similarities = ranked_by_hand(vectors, query)
        assert ids[row].tolist() == expected[:k]
        np.testing.assert_allclose(scores[row], similarities[:k], atol=1e-6)


@pytest.mark.parametrize("k", [1, 10, 119, 400])
def test_neighbours_leave_out_exactly_the_point_itself(rng, k):
    vectors = with_duplicates(rng)
    result = neighbours(vectors, k)
    assert result.k == min(k, 119) and len(result) == 120
    for i in range(120):
        expected, similarities = ranked_by_hand(vectors, vectors[i], leave_out=i)
        assert result.ids[i].tolist() == expected[:k]
        np.testing.assert_allclose(result.similarities[i], similarities[:k], atol=1e-6)


def test_identical_vectors_are_neighbours_in_order_of_index(rng):
    result = neighbours(np.repeat(unit(rng, 1), 50, axis=0), 3)
    assert result.ids[:5].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]


def test_one_point_has_no_neighbours(rng):
    assert neighbours(unit(rng, 1), 5).ids.shape == (1, 0)


def test_a_ranking_does_not_depend_on_the_batch(rng):
    vectors = with_duplicates(rng)
    together, _ = search(vectors, vectors, 10)
    alone = [search(vectors, row[None], 10)[0][0] for row in vectors]
    np.testing.assert_array_equal(together, alone)


def test_a_search_over_duplicates_still_returns_k(rng):
    ids, _ = search(np.repeat(unit(rng, 2), 200, axis=0), unit(rng, 3), 20)
    assert all(len(set(row)) == 20 and min(row) >= 0 for row in ids.tolist())


def test_threads_get_what_one_alone_would(rng):
    vectors = [unit(rng, 400) for _ in range(8)]
    alone = [neighbours(v, 10).ids for v in vectors]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for expected, actual in zip(
                alone, pool.map(lambda v: neighbours(v, 10).ids, vectors), strict=True
            ):
                np.testing.assert_array_equal(actual, expected)


def test_rank_moves():
    a, b = [4, 7, 1, 9], [1, 4, 3, 7]
    assert rank_moves(a, b) == [2, -1, None, -2]
    assert rank_moves(b, a) == [1, 2, -2, None]
    assert rank_moves(np.array(a), np.array(a)) == [0, 0, 0, 0]


def test_errors_say_what_to_do(rng):
    vectors = unit(rng, 4)
    with pytest.raises(EmbedLabError, match="k is 0; ask for at least 1"):
        search(vectors, vectors, 0)
    with pytest.raises(EmbedLabError, match="k is 0"):
        neighbours(vectors, 0)
    with pytest.raises(EmbedLabError, match="47 dimensions and the index 48"):
        search(vectors, vectors[:, 1:], 1)
    with pytest.raises(EmbedLabError, match=r"shape \(0, 4\)"):
        search(np.empty((0, 4)), np.eye(4), 1)
    vectors[2, 3] = np.nan
    with pytest.raises(EmbedLabError, match="Row 2 of the vectors is not finite"):
        search(vectors, vectors, 1)
