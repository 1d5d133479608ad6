"""Measures of vectors, neighbours and rankings; all scores are fractions, not ×100."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap, retrieval
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.labels import BY_LABELS, labelled, why_not
from embedlab.analysis.retrieval import Float32Array, Int64Array, Neighbours, check_vectors
from embedlab.data.corpus import Corpus, Relevant, grades_of
from embedlab.errors import EmbedLabError

#: Ranks that nDCG, reciprocal rank and recall look at, and neighbours that kNN accuracy does.
TOP_RANKS = 10
#: The arrays that a measure's statistic takes, (n,) each.
Items = tuple[npt.NDArray[Any], ...]


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


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well vectors of n texts order their corpus; None where nothing was scored.

    ``knn_accuracy`` and ``v_measure`` are over the ``labelled`` texts, ``spearman`` over scored
    pairs, ``ndcg_10`` over queries, ``mean_cosine`` over all pairs of texts: near 1 the vectors
    share one direction (anisotropy). ``reasons`` says why a measure has no score although the
    corpus has labels, pairs or queries for it.
    """

    n: int
    labelled: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)
    knn_accuracy: float | None = None
    v_measure: float | None = None
    spearman: float | None = None
    ndcg_10: float | None = None
    mean_cosine: float | None = None


@dataclass(frozen=True, eq=False)
class SimilarityDistribution:
    """Cosines of all pairs of texts; their mean tells how anisotropic a space is."""

    similarities: Float32Array
    mean: float
    std: float


def possible_measures(corpus: Corpus, field: str = "") -> list[str]:
    """Return the measures that a corpus has enough for, with labels in a field."""
    return [m for m in _HAS if _HAS[m](corpus) and not _too_little(m, corpus, field)]


#: What a corpus has to have for each measure.
_HAS: dict[str, Callable[[Corpus], bool]] = {
    "spearman": lambda corpus: bool(corpus.pairs),
    "ndcg_10": lambda corpus: bool(corpus.queries),
    **dict.fromkeys(BY_LABELS, lambda corpus: bool(corpus.fields)),
}


def _too_little(measure: str, corpus: Corpus, field: str) -> str:
    """Why what a corpus has is too little for a measure, "" where it is enough."""
    if measure in BY_LABELS:
        return why_not(measure, labelled(corpus, field))
    if measure == "ndcg_10":
        return "" if any(corpus.relevant) else "no query has a relevant text among these"
    if len(corpus.pairs) <= 2:
        return f"{len(corpus.pairs)} scored pairs among these texts are too few"
    distinct = len({gold for *_, gold in corpus.pairs})
    return "" if distinct > 1 else f"all {len(corpus.pairs):,} pairs have the same score"


def items_of(
    measure: str,
    corpus: Corpus,
    vectors: npt.ArrayLike,
    queries: npt.ArrayLike | None = None,
    field: str = "",
    near: Neighbours | None = None,
    seed: int = 0,
) -> Items:
    """Return the items by which a measure scores unit vectors (n, d), for a possible measure.

    ``spearman``: the cosines and the gold scores of the pairs. ``ndcg_10``: the scores of those
    ``queries`` (q, d) that have relevant texts. ``knn_accuracy``: whether each labelled text's
    neighbours agree with its label; they are searched among the other labelled texts, and the same
    text is no neighbour of itself. ``near`` are used instead where all texts are labelled and
    different. ``v_measure``: the numbers of clusters of the labelled texts, whose start ``seed``
    draws, and of their labels.

    Raises:
        EmbedLabError: fewer different vectors than labels, for V-measure.
    """
    if measure == "spearman":
        cosines = pair_similarities(vectors, [pair[:2] for pair in corpus.pairs])
        return cosines, np.array([gold for *_, gold in corpus.pairs], np.float64)
    if measure == "ndcg_10":
        assert queries is not None
        ranked, _ = retrieval.search(vectors, queries, TOP_RANKS)
        scores = retrieval_scores(ranked, corpus.relevant).per_query["ndcg_10"]
        return (scores[~np.isnan(scores)],)
    texts = labelled(corpus, field)
    rows = np.asarray(vectors)[texts.indices]
    if measure == "v_measure":
        return clusters_and_labels(rows, texts.labels, seed)
    if near is None or len(texts) < len(corpus.texts) or not texts.all_different:
        same = np.unique(texts.same, return_inverse=True)[1]
        near = retrieval.neighbours(rows, TOP_RANKS, same)
    return (knn_hits(near.ids[:, :TOP_RANKS], texts.labels),)


def score(
    measure: str,
    corpus: Corpus,
    vectors: npt.ArrayLike,
    queries: npt.ArrayLike | None = None,
    field: str = "",
    near: Neighbours | None = None,
) -> float | None:
    """Return the score of unit vectors; None where the corpus has too little or none is defined."""
    return _scored(measure, corpus, vectors, queries, field, near)[0]


def quality(
    measures: Sequence[str],
    corpus: Corpus,
    vectors: npt.ArrayLike,
    queries: npt.ArrayLike | None = None,
    field: str = "",
    near: Neighbours | None = None,
    mean_cosine: float | None = None,
) -> Quality:
    """Return the scores of a corpus's unit vectors (n, d), and why some are missing.

    Args:
        measures: such as ``spearman``, ``ndcg_10``, ``knn_accuracy`` and ``v_measure``.
        corpus: the texts with their labels, pairs and queries.
        vectors: its texts, (n, d).
        queries: its queries, (q, d); without them there is no nDCG@10.
        field: holds the labels, by default the corpus's first.
        near: at least 10 neighbours of each text, by default searched here.
        mean_cosine: over all pairs of texts.
    """
    scored = {m: _scored(m, corpus, vectors, queries, field, near) for m in measures}
    return Quality(
        n=len(corpus.texts),
        labelled=len(labelled(corpus, field)),
        reasons={measure: reason for measure, (_, reason) in scored.items() if reason},
        mean_cosine=mean_cosine,
        **{measure: value for measure, (value, _) in scored.items()},
    )


def _scored(
    measure: str,
    corpus: Corpus,
    vectors: npt.ArrayLike,
    queries: npt.ArrayLike | None,
    field: str,
    near: Neighbours | None,
) -> tuple[float | None, str]:
    """A score, or None and why there is none; no reason where the corpus has nothing for it."""
    if not _HAS[measure](corpus) or (measure == "ndcg_10" and queries is None):
        return None, ""
    if reason := _too_little(measure, corpus, field):
        return None, reason
    try:
        items = items_of(measure, corpus, vectors, queries, field, near)
    except EmbedLabError as error:  # fewer different vectors than labels
        return None, str(error).rstrip(".")
    value = float(bootstrap.STATISTICS[measure](*items))
    return (value, "") if math.isfinite(value) else (None, "all vectors are the same")


def retrieval_scores(ranked_ids: npt.ArrayLike, relevant: Sequence[Relevant]) -> RetrievalScores:
    """Score rankings ``ranked_ids`` (q, k), best first: nDCG@10, RR@10 and R@10.

    nDCG has the grade of a document as its gain, 1 where judgements are not graded, and the
    discount log2(rank + 1) (Järvelin & Kekäläinen, TOIS 2002, with the linear gain of trec_eval).
    ``relevant`` holds each query's relevant document ids, with their grades where it is a mapping;
    a grade of 0 or less is not relevant. Rankings shorter than 10 are scored as they are.

    Raises:
        EmbedLabError: shapes that do not fit, or no query with a relevant document.
    """
    ids = np.asarray(ranked_ids)
    if ids.ndim != 2 or len(ids) != len(relevant):
        raise EmbedLabError(
            f"Ids {ids.shape} and {len(relevant)} sets of relevant documents do not fit together; "
            "give (q, k) and q."
        )
    gains = [
        {document: grade for document, grade in grades_of(documents).items() if grade > 0}
        for documents in relevant
    ]
    judged = [q for q, documents in enumerate(gains) if documents]
    if not judged:
        raise EmbedLabError("No query has a relevant document; choose a corpus with judgements.")
    gained = np.array([_first_ten([gains[q].get(i, 0) for i in ids[q].tolist()]) for q in judged])
    best = np.array([_first_ten(sorted(gains[q].values(), reverse=True)) for q in judged])
    ranks = np.arange(1, TOP_RANKS + 1)
    discounts, hits = 1 / np.log2(ranks + 1), gained > 0
    scored = {
        "ndcg_10": gained @ discounts / (best @ discounts),
        "mrr_10": (hits / ranks).max(axis=1),
        "recall_10": hits.sum(axis=1) / np.array([len(gains[q]) for q in judged]),
    }
    per_query = {name: np.full(len(relevant), np.nan) for name in scored}
    for name, column in scored.items():
        per_query[name][judged] = column
    means = {name: float(column.mean()) for name, column in scored.items()}
    return RetrievalScores(**means, n_queries=len(judged), per_query=per_query)


def _first_ten(gains: list[float]) -> list[float]:
    """The gains at the first ten ranks, 0 where there are fewer."""
    return gains[:TOP_RANKS] + [0.0] * (TOP_RANKS - len(gains))


def knn_hits(ids: npt.NDArray[np.int64], labels: npt.ArrayLike) -> Float64Array:
    """Whether the majority label of each text's neighbours is its own, 1 or 0: (n,).

    Of labels with equally many votes the one with the nearest neighbour wins.

    Args:
        ids: (n, k), the nearest first.
        labels: (n,).
    """
    codes = np.unique(labels, return_inverse=True)[1]
    near = codes[ids]
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    # argmax takes the first of equals, and the first is the nearest.
    winners = np.take_along_axis(near, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return (winners == codes).astype(np.float64)


def clusters_and_labels(vectors: npt.ArrayLike, labels: npt.ArrayLike, seed: int = 0) -> Items:
    """Return the numbers of k-means clusters, as many as labels, and of the labels, (n,) each.

    Raises:
        EmbedLabError: fewer than two labels, or more labels than distinct vectors.
    """
    rows = check_vectors(vectors)
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise EmbedLabError("V-measure needs at least two different labels; there is one.")
    distinct = len(np.unique(rows, axis=0))
    if distinct < len(names):
        raise EmbedLabError(
            f"V-measure needs a vector per label; there are {len(names)} labels and only "
            f"{distinct} different vectors."
        )
    return k_means(rows, len(names), seed=seed), codes


def k_means(rows: Float32Array, n_clusters: int, *, starts: int = 3, seed: int = 0) -> Int64Array:
    """Cluster numbers (n,) of vectors (n, d): the best of several seeded starts of k-means."""
    from sklearn.cluster import KMeans

    means = KMeans(n_clusters=n_clusters, n_init=starts, random_state=seed)
    return means.fit_predict(rows).astype(np.int64)


def pair_similarities(vectors: npt.ArrayLike, pairs: npt.ArrayLike) -> Float32Array:
    """Return the cosines (p,) of the pairs of rows (p, 2) of unit vectors (n, d)."""
    rows, index = check_vectors(vectors), np.asarray(pairs)
    return np.einsum("pd,pd->p", rows[index[:, 0]], rows[index[:, 1]])


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
        EmbedLabError: fewer than two vectors.
    """
    rows = check_vectors(vectors)
    if len(rows) < 2:
        raise EmbedLabError("One text has no pairs; give at least two.")
    # The largest n with n (n - 1) / 2 <= max_pairs.
    most = int((1 + np.sqrt(1 + 8 * max_pairs)) / 2)
    if len(rows) > most:
        rows = rows[np.random.default_rng(seed).choice(len(rows), most, replace=False)]
    cosines = similarity_matrix(rows)[np.triu_indices(len(rows), k=1)]
    mean, std = cosines.mean(dtype=np.float64), cosines.std(dtype=np.float64)
    return SimilarityDistribution(cosines, float(mean), float(std))


def similarity_tree(matrix: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Return the tree of average linkage over a similarity matrix (n, n), and its distances (n, n).

    The tree is scipy's, (n - 1, 4), with optimal leaf ordering over 1 - similarity; meant for some
    hundred rows.

    Raises:
        EmbedLabError: the matrix is not square, or has fewer than two rows.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    similarities = np.asarray(matrix, np.float64)
    square = similarities.ndim == 2 and similarities.shape[0] == similarities.shape[1]
    if not square or len(similarities) < 2:
        raise EmbedLabError(
            f"The matrix has the shape {similarities.shape}; give a square one of two rows or more."
        )
    distances = np.maximum(0, 1 - (similarities + similarities.T) / 2)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return tree, distances


def cluster_order(matrix: npt.ArrayLike) -> Int64Array:
    """Return the order (n,) that puts similar rows of a similarity matrix (n, n) side by side.

    It is that of the leaves of :func:`similarity_tree`.
    """
    from scipy.cluster.hierarchy import leaves_list

    if np.shape(matrix) in ((0, 0), (1, 1)):
        return np.arange(len(np.asarray(matrix)), dtype=np.int64)
    return leaves_list(similarity_tree(matrix)[0]).astype(np.int64)
