"""Exact search over unit vectors, through FAISS; :mod:`.index` has the approximate one.

A similarity is the float64 dot product of two vectors, rounded to float32; equal ones are ranked
by index. So a ranking never depends on batch, thread or memory layout, as bare BLAS sums would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.errors import EmbedLabError

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

#: Candidates beyond k, so that most ties at rank k are settled among them.
MARGIN = 8
_NOISE = 2e-6  # more than FAISS's float32 sums over unit vectors are off
_CHUNK = 8_000_000  # float64 numbers held at once (64 MB)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each of n points its k nearest others, nearest first: ids and cosines, both (n, k)."""

    ids: Int64Array
    similarities: Float32Array

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def k(self) -> int:
        """How many neighbours each point has."""
        return int(self.ids.shape[1])


def check_vectors(vectors: npt.ArrayLike, what: str = "vectors") -> Float32Array:
    """Return ``vectors`` as a contiguous float32 (n, d) array with n, d ≥ 1.

    Raises:
        EmbedLabError: another shape, no rows, or values that are not finite.
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.size == 0:
        raise EmbedLabError(
            f"The {what} have the shape {array.shape}; give at least one row: (n, d)."
        )
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise EmbedLabError(
            f"Row {row} of the {what} is not finite; embed that text again in float32, "
            "or leave it out."
        )
    return array


def search(
    vectors: npt.ArrayLike, queries: npt.ArrayLike, k: int
) -> tuple[Int64Array, Float32Array]:
    """Return the ids (q, k) and cosines (q, k) of the unit vectors (n, d) nearest to unit queries.

    Best first; k is capped to n.

    Raises:
        EmbedLabError: k < 1, unusable vectors, or queries of another width.
    """
    _check_k(k)
    rows, query_rows = check_vectors(vectors), check_vectors(queries, "queries")
    if rows.shape[1] != query_rows.shape[1]:
        raise EmbedLabError(
            f"The queries have {query_rows.shape[1]} dimensions and the index {rows.shape[1]}; "
            "embed both with the same backbone."
        )
    return _ranked(rows, query_rows, min(k, len(rows)))


def neighbours(vectors: npt.ArrayLike, k: int, same: npt.ArrayLike | None = None) -> Neighbours:
    """Return the k nearest other points of every point; k is capped to what every point has.

    A point is never its own neighbour. Its duplicates are, unless ``same`` (n,) says by equal
    numbers from 0 which points are the same: then they have the same neighbours, and none of them
    is among these.

    Raises:
        EmbedLabError: k < 1, or unusable vectors.
    """
    _check_k(k)
    rows = check_vectors(vectors)
    groups = np.arange(len(rows)) if same is None else np.asarray(same, np.int64)
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    k = min(k, len(rows) - int(sizes.max()))
    ids, similarities = _ranked(rows, rows[first], k, groups, groups[first])
    everyone = np.searchsorted(groups[first], groups)
    return Neighbours(ids[everyone], similarities[everyone])


def rank_moves(ids_a: Sequence[int], ids_b: Sequence[int]) -> list[int | None]:
    """Return, for each document of B's ranking, how it moved from A's: +2 is two ranks up.

    None means that A's ranking does not have it. Swap the arguments for A's moves from B.
    """
    rank_a = {int(document): rank for rank, document in enumerate(ids_a)}
    return [
        rank_a[int(document)] - rank if int(document) in rank_a else None
        for rank, document in enumerate(ids_b)
    ]


def _check_k(k: int) -> None:
    if k < 1:
        raise EmbedLabError(f"k is {k}; ask for at least 1.")


def _ranked(
    vectors: Float32Array,
    queries: Float32Array,
    k: int,
    groups: Int64Array | None = None,
    own: Int64Array | None = None,
) -> tuple[Int64Array, Float32Array]:
    """Rank FAISS's candidates by exact similarity.

    Where the vectors have ``groups`` (n,), each query leaves out those of its ``own`` (q,) group.
    """
    import faiss

    n = len(vectors)
    count = min(n, k + MARGIN + (groups is not None))
    rough, candidates = faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)
    ids, scores = ranked_candidates(vectors, queries, candidates, k, groups, own)
    if k and count < n:  # a vector that FAISS left out may tie with rank k
        unsure = rough[:, -1] >= scores[:, -1] - _NOISE
        if unsure.any():
            _rank_all(vectors, queries, np.flatnonzero(unsure), groups, own, ids, scores)
    return ids, scores


def ranked_candidates(
    vectors: Float32Array,
    queries: Float32Array,
    candidates: Int64Array,
    k: int,
    groups: Int64Array | None = None,
    own: Int64Array | None = None,
) -> tuple[Int64Array, Float32Array]:
    """The best k of each query's candidates (q, c) by exact similarity: ids and cosines, (q, k).

    A candidate of -1 is none; where there are fewer than k, the rows end with -1 and -inf. Where
    the vectors have ``groups`` (n,), each query leaves out those of its ``own`` (q,) group.
    """
    ids = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for part in _chunks(len(queries), candidates.shape[1] * queries.shape[1]):
        near = vectors[candidates[part]].astype(np.float64)
        exact = np.einsum("qd,qkd->qk", queries[part].astype(np.float64), near).astype(np.float32)
        exact[candidates[part] < 0] = -np.inf
        if groups is not None and own is not None:
            exact[groups[candidates[part]] == own[part, None]] = -np.inf
        order = np.lexsort((candidates[part], -exact))[:, :k]
        ids[part, : order.shape[1]] = np.take_along_axis(candidates[part], order, axis=1)
        scores[part, : order.shape[1]] = np.take_along_axis(exact, order, axis=1)
    return ids, scores


def _rank_all(
    vectors: Float32Array,
    queries: Float32Array,
    rows: Int64Array,
    groups: Int64Array | None,
    own: Int64Array | None,
    ids: Int64Array,
    scores: Float32Array,
) -> None:
    """Fill ``ids`` and ``scores`` of the given query rows by comparing with every vector."""
    k = ids.shape[1]
    exact_vectors = vectors.astype(np.float64)
    for part in _chunks(len(rows), len(vectors)):
        some = rows[part]
        exact = (queries[some].astype(np.float64) @ exact_vectors.T).astype(np.float32)
        if groups is not None and own is not None:
            exact[groups == own[some, None]] = -np.inf
        order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
        ids[some] = order
        scores[some] = np.take_along_axis(exact, order, axis=1)


def _chunks(rows: int, numbers_per_row: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(1, numbers_per_row))
    return (slice(start, start + step) for start in range(0, rows, step))
