"""Measures of vectors, neighbours and rankings; all scores are fractions, not ×100."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.retrieval import Float32Array, Int64Array, Neighbours, check_vectors
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError

#: Ranks that nDCG, reciprocal rank and recall look at.
TOP_RANKS = 10


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
    per_query: dict[str, Float64Array]


@dataclass(frozen=True, eq=False)
class SimilarityDistribution:
    """Cosines of all pairs among ``n_texts`` texts; their mean tells how anisotropic a space is."""

    similarities: Float32Array
    mean: float
    std: float
    n_texts: int


def retrieval_scores(
    ranked_ids: npt.ArrayLike, scores: npt.ArrayLike, relevant: Sequence[frozenset[int]]
) -> RetrievalScores:
    """Score rankings ``ranked_ids`` (q, k), best first: nDCG@10, RR@10 and R@10.

    nDCG has gain 1 for a relevant document and discount log2(rank + 1) (Järvelin & Kekäläinen, TOIS
    2002). The order decides, so equal ``scores`` (q, k) count as ranked; ``relevant`` holds each
    query's relevant document ids. Rankings shorter than 10 are scored as they are.

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
    judged = [q for q, documents in enumerate(relevant) if documents]
    if not judged:
        raise EmbedLabError("No query has a relevant document; choose a corpus with judgements.")
    hits = np.array(
        [[i in relevant[q] for i in ids[q, :TOP_RANKS].tolist()] for q in judged], float
    )
    counts = np.array([len(relevant[q]) for q in judged])
    ranks = np.arange(1, TOP_RANKS + 1)
    discounts, shown = 1 / np.log2(ranks + 1), hits.shape[1]
    scored = {
        "ndcg_10": hits @ discounts[:shown] / discounts.cumsum()[np.minimum(counts, TOP_RANKS) - 1],
        "mrr_10": (hits / ranks[:shown]).max(axis=1, initial=0),
        "recall_10": hits.sum(axis=1) / counts,
    }
    per_query = {name: np.full(len(relevant), np.nan) for name in scored}
    for name, column in scored.items():
        per_query[name][judged] = column
    means = {name: float(column.mean()) for name, column in scored.items()}
    return RetrievalScores(**means, n_queries=len(judged), per_query=per_query)


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


def knn_hits(ids: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]) -> Float64Array:
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
    return float(bootstrap.v_measure(k_means(rows, n_labels, seed=seed), codes))


def k_means(rows: Float32Array, n_clusters: int, *, starts: int = 3, seed: int = 0) -> Int64Array:
    """Cluster numbers (n,) of vectors (n, d): the best of several seeded starts of k-means."""
    from sklearn.cluster import KMeans

    means = KMeans(n_clusters=n_clusters, n_init=starts, random_state=seed)
    return means.fit_predict(rows).astype(np.int64)


def pair_similarities(vectors: npt.ArrayLike, pairs: npt.ArrayLike) -> Float32Array:
    """Return the cosines (p,) of the pairs of rows (p, 2) of unit vectors (n, d)."""
    rows, index = check_vectors(vectors), np.asarray(pairs)
    if index.ndim != 2 or index.shape[1] != 2:
        raise EmbedLabError(f"The pairs have the shape {index.shape}; give two row numbers a pair.")
    if index.size and (index.min() < 0 or index.max() >= len(rows)):
        raise EmbedLabError(f"A pair names a row outside 0 … {len(rows) - 1}; leave it out.")
    return np.einsum("pd,pd->p", rows[index[:, 0]], rows[index[:, 1]])


def pair_items(corpus: Corpus, vectors: npt.ArrayLike) -> tuple[Float32Array, Float64Array]:
    """Return the cosines and the gold scores (p,) of a corpus's scored pairs."""
    cosines = pair_similarities(vectors, [pair[:2] for pair in corpus.pairs])
    return cosines, np.array([gold for *_, gold in corpus.pairs], np.float64)


def pair_spearman(corpus: Corpus, vectors: npt.ArrayLike) -> float | None:
    """Return Spearman's correlation over a corpus's scored pairs; None where it has too few."""
    return spearman(*pair_items(corpus, vectors)) if len(corpus.pairs) > 2 else None


def usable_labels(corpus: Corpus, field: str = "") -> tuple[str, ...]:
    """Return the labels in a field, by default the first, if there are two and texts share some.

    Otherwise nothing: neither neighbours nor clusters can be scored by such labels.
    """
    labels = corpus.fields.get(field, corpus.labels) or ()
    return tuple(labels) if 2 <= len(set(labels)) < len(labels) else ()


def spearman(similarities: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of (p,) similarities with (p,) gold scores.

    Raises:
        EmbedLabError: different lengths, fewer than two pairs, or one side all equal.
    """
    sides = {"similarities": np.asarray(similarities), "gold scores": np.asarray(gold)}
    shapes = [side.shape for side in sides.values()]
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or shapes[0][0] < 2:
        raise EmbedLabError(
            f"Spearman compares two lists of at least two numbers; these have the shapes "
            f"{shapes[0]} and {shapes[1]}."
        )
    for name, values in sides.items():
        if np.ptp(values) == 0:
            raise EmbedLabError(f"All {name} are equal, so they have no order to compare.")
    return float(bootstrap.spearman(*sides.values()))


def jaccard(ids_a: npt.ArrayLike, ids_b: npt.ArrayLike) -> Float32Array:
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


def most_changed(neighbours_a: Neighbours, neighbours_b: Neighbours, top: int = 20) -> Int64Array:
    """Return the points with the lowest Jaccard@10 between A and B, lowest first, ties by index."""
    overlap = jaccard(neighbours_a.ids[:, :10], neighbours_b.ids[:, :10])
    return np.argsort(overlap, kind="stable")[:top].astype(np.int64)


def similarity_matrix(vectors: npt.ArrayLike) -> Float32Array:
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
    # The largest n with n (n - 1) / 2 <= max_pairs.
    most = int((1 + np.sqrt(1 + 8 * max_pairs)) / 2)
    if len(rows) > most:
        rows = rows[np.random.default_rng(seed).choice(len(rows), most, replace=False)]
    cosines = similarity_matrix(rows)[np.triu_indices(len(rows), k=1)]
    return SimilarityDistribution(
        similarities=cosines,
        mean=float(cosines.mean(dtype=np.float64)),
        std=float(cosines.std(dtype=np.float64)),
        n_texts=len(rows),
    )


def cluster_order(matrix: npt.ArrayLike) -> Int64Array:
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


def _codes(labels: Sequence[Hashable], n: int) -> Int64Array:
    """Number the labels by first appearance."""
    if len(labels) != n:
        raise EmbedLabError(f"There are {len(labels)} labels for {n} vectors; give one for each.")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)
