"""What is measured on vectors, neighbours and rankings; all scores as fractions, not ×100."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis.retrieval import Floats, Ints, Neighbours, check_vectors
from embedlab.errors import EmbedLabError


@dataclass(frozen=True, eq=False)
class RetrievalScores:
    """Means over the ``n_queries`` queries that have relevant documents, and each query's score.

    ``per_query`` maps ``ndcg_10``, ``mrr_10`` and ``recall_10`` to an array (q,), NaN where a
    query has no relevant document.
    """

    ndcg_10: float
    mrr_10: float
    recall_10: float
    n_queries: int
    per_query: dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class SimilarityDistribution:
    """Cosines of all pairs among ``n_texts`` texts; their mean tells how anisotropic a space is."""

    similarities: Floats
    mean: float
    std: float
    n_texts: int


def retrieval_scores(
    ranked_ids: npt.ArrayLike, scores: npt.ArrayLike, relevant: Sequence[frozenset[int]]
) -> RetrievalScores:
    """Score rankings ``ranked_ids`` (q, k), best first, with ir_measures: nDCG@10, RR@10, R@10.

    The order decides, so equal ``scores`` (q, k) count as ranked; ``relevant`` holds each query's
    relevant document ids. Rankings shorter than 10 are scored as they are.

    Raises:
        EmbedLabError: shapes that do not fit, scores that rise along a ranking, or no query with
            a relevant document.
    """
    ids, values = np.asarray(ranked_ids), np.asarray(scores)
    if ids.ndim != 2 or ids.shape != values.shape or len(ids) != len(relevant):
        raise EmbedLabError(
            f"Ids {ids.shape}, scores {values.shape} and {len(relevant)} sets of relevant "
            "documents do not fit together; give (q, k), (q, k) and q."
        )
    if (np.diff(values, axis=1) > 0).any():
        raise EmbedLabError("The scores rise along a ranking; give each ranking best first.")
    qrels = {str(q): {str(doc): 1 for doc in docs} for q, docs in enumerate(relevant) if docs}
    if not qrels:
        raise EmbedLabError("No query has a relevant document; choose a corpus with judgements.")
    k = ids.shape[1]
    run = {q: {str(doc): k - rank for rank, doc in enumerate(ids[int(q)])} for q in qrels}
    per_query = _per_query(qrels, run, len(relevant))
    means = {name: float(np.nanmean(column)) for name, column in per_query.items()}
    return RetrievalScores(**means, n_queries=len(qrels), per_query=per_query)


def _per_query(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, int]], n_queries: int
) -> dict[str, npt.NDArray[np.float64]]:
    from ir_measures import RR, R, iter_calc, nDCG

    names = {str(nDCG @ 10): "ndcg_10", str(RR @ 10): "mrr_10", str(R @ 10): "recall_10"}
    columns = {name: np.full(n_queries, np.nan) for name in names.values()}
    for found in iter_calc([nDCG @ 10, RR @ 10, R @ 10], qrels, run):
        columns[names[str(found.measure)]][int(found.query_id)] = found.value
    return columns


def knn_accuracy(neighbours: Neighbours, labels: Sequence[Hashable], k: int = 10) -> float:
    """Return how often the majority label of a point's k nearest others is its own.

    Of labels with equally many votes the one with the nearest neighbour wins. With one class only
    the accuracy is 1 and says nothing.

    Raises:
        EmbedLabError: k < 1, fewer than two points, or not one label per point.
    """
    codes = _codes(labels, len(neighbours))
    if k < 1:
        raise EmbedLabError(f"k is {k}; ask for at least 1.")
    if neighbours.k == 0:
        raise EmbedLabError("One text has no neighbours; give at least two.")
    return float(knn_hits(neighbours.ids[:, :k], codes).mean())


def knn_hits(ids: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Whether the majority label of each text's neighbours is its own, 1 or 0: (n,).

    Args:
        ids: (n, k), the nearest first.
        codes: (n,), a label's number.
    """
    near = codes[ids]
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    # argmax takes the first of equals, and the first is the nearest.
    winners = np.take_along_axis(near, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return (winners == codes).astype(np.float64)


def v_measure(vectors: npt.ArrayLike, labels: Sequence[Hashable], seed: int = 0) -> float:
    """Return the V-measure of k-means clusters, as many as labels, against the labels.

    Raises:
        EmbedLabError: fewer than two labels, more labels than distinct vectors, or not one label
            per vector.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    rows = check_vectors(vectors)
    codes = _codes(labels, len(rows))
    n_labels = int(codes.max()) + 1
    if n_labels < 2:
        raise EmbedLabError("V-measure needs at least two different labels; there is one.")
    distinct = len(np.unique(rows, axis=0))
    if distinct < n_labels:
        raise EmbedLabError(
            f"V-measure needs a vector per label; there are {n_labels} labels and only "
            f"{distinct} different vectors."
        )
    clusters = KMeans(n_clusters=n_labels, n_init=3, random_state=seed).fit_predict(rows)
    return float(v_measure_score(codes, clusters))


def pair_similarities(vectors: npt.ArrayLike, pairs: npt.ArrayLike) -> Floats:
    """Return the cosines (p,) of the pairs of rows (p, 2) of unit vectors (n, d)."""
    rows, index = check_vectors(vectors), np.asarray(pairs)
    if index.ndim != 2 or index.shape[1] != 2:
        raise EmbedLabError(f"The pairs have the shape {index.shape}; give two row numbers a pair.")
    if index.size and (index.min() < 0 or index.max() >= len(rows)):
        raise EmbedLabError(f"A pair names a row outside 0 … {len(rows) - 1}; leave it out.")
    return np.einsum("pd,pd->p", rows[index[:, 0]], rows[index[:, 1]])


def spearman(similarities: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of (p,) similarities with (p,) gold scores.

    Raises:
        EmbedLabError: different lengths, fewer than two pairs, or one side all equal.
    """
    from scipy.stats import spearmanr

    found, wanted = np.asarray(similarities, np.float64), np.asarray(gold, np.float64)
    if found.shape != wanted.shape or found.ndim != 1 or len(found) < 2:
        raise EmbedLabError(
            f"Spearman compares two lists of at least two numbers; these have the shapes "
            f"{found.shape} and {wanted.shape}."
        )
    for side, values in (("similarities", found), ("gold scores", wanted)):
        if np.ptp(values) == 0:
            raise EmbedLabError(f"All {side} are equal, so they have no order to compare.")
    return float(spearmanr(found, wanted).statistic)


def jaccard(ids_a: npt.ArrayLike, ids_b: npt.ArrayLike) -> Floats:
    """Return |A ∩ B| / |A ∪ B| (n,) of two neighbour lists per row, (n, k) and (n, l).

    Two empty lists are the same: 1.

    Raises:
        EmbedLabError: the lists belong to different numbers of points.
    """
    a, b = np.asarray(ids_a), np.asarray(ids_b)
    if len(a) != len(b):
        raise EmbedLabError(
            f"Design A has neighbours of {len(a)} texts and design B of {len(b)}; "
            "embed the same texts with both."
        )
    shared = (a[:, :, None] == b[:, None, :]).any(axis=2).sum(axis=1)
    union = a.shape[1] + b.shape[1] - shared
    return np.where(union == 0, 1, shared / np.maximum(union, 1)).astype(np.float32)


def most_changed(neighbours_a: Neighbours, neighbours_b: Neighbours, top: int = 20) -> Ints:
    """Return the points with the lowest Jaccard@10 between A and B, lowest first, ties by index."""
    overlap = jaccard(neighbours_a.ids[:, :10], neighbours_b.ids[:, :10])
    return np.argsort(overlap, kind="stable")[:top].astype(np.int64)


def similarity_matrix(vectors: npt.ArrayLike) -> Floats:
    """Return the cosines (n, n) of unit vectors (n, d)."""
    rows = check_vectors(vectors)
    return np.clip(rows @ rows.T, -1, 1)


def similarity_distribution(
    vectors: npt.ArrayLike, max_pairs: int = 2_000_000, seed: int = 0
) -> SimilarityDistribution:
    """Return the cosines of all pairs of different rows, of a seeded sample of rows if too many.

    The default takes every pair of up to 2,000 texts.

    Raises:
        EmbedLabError: fewer than two vectors, or max_pairs < 1.
    """
    rows = check_vectors(vectors)
    if len(rows) < 2:
        raise EmbedLabError("One text has no pairs; give at least two.")
    if max_pairs < 1:
        raise EmbedLabError(f"max_pairs is {max_pairs}; ask for at least 1.")
    most = int(
        (1 + np.sqrt(1 + 8 * max_pairs)) / 2
    )  # the largest n with n (n - 1) / 2 <= max_pairs
    if len(rows) > most:
        rows = rows[np.random.default_rng(seed).choice(len(rows), most, replace=False)]
    found = similarity_matrix(rows)[np.triu_indices(len(rows), k=1)]
    return SimilarityDistribution(
        similarities=found,
        mean=float(found.mean(dtype=np.float64)),
        std=float(found.std(dtype=np.float64)),
        n_texts=len(rows),
    )


def cluster_order(matrix: npt.ArrayLike) -> Ints:
    """Return the order (n,) that puts similar rows of a similarity matrix (n, n) side by side.

    Average linkage on 1 - similarity with optimal leaf ordering; meant for some hundred rows.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    similarities = np.asarray(matrix, np.float64)
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1]:
        raise EmbedLabError(f"The matrix has the shape {similarities.shape}; give a square one.")
    if len(similarities) < 2:
        return np.arange(len(similarities), dtype=np.int64)
    distances = np.maximum(0, 1 - (similarities + similarities.T) / 2)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return leaves_list(tree).astype(np.int64)


def _codes(labels: Sequence[Hashable], n: int) -> Ints:
    """Number the labels by first appearance."""
    if len(labels) != n:
        raise EmbedLabError(f"There are {len(labels)} labels for {n} vectors; give one for each.")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)
