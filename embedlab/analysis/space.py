"""The shape of a space: how many dimensions it uses, whether hubs crowd it, and what centring or
whitening it would do to the corpus's score.

Plain numpy throughout: vectors (n, d) in, figures and vectors out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis import metrics, retrieval
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.retrieval import Float32Array, Int64Array, check_vectors
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError, check_known
from embedlab.models.steps import SHRINKAGE

TRANSFORMS = ("none", "centre", "whiten")
#: The length below which a centred unit vector is rounding and not a direction.
MIN_LENGTH = 1e-6
#: Principal components reported, and hubs listed.
COMPONENTS, HUBS = 50, 10


@dataclass(frozen=True, eq=False)
class Hubness:
    """How unevenly the texts turn up among the k nearest neighbours of others.

    ``counts`` (n,) is N_k, how many texts have this one among their ``k`` nearest; its mean is k.
    ``skewness`` is the third standardised moment of N_k (Radovanović et al., JMLR 2010): about 0
    where all are met equally often, large where a few hubs are neighbours of everyone.
    ``hub_ids`` are the texts met most often, first the largest.
    """

    k: int
    counts: Int64Array
    skewness: float
    hub_ids: Int64Array


@dataclass(frozen=True, eq=False)
class Shape:
    """The shape of n unit vectors in d dimensions.

    ``effective_rank`` is exp(H(p)), p the singular values of the centred matrix divided by their
    sum (Roy & Vetterli, EUSIPCO 2007); ``participation_ratio`` is (Σλ)² / Σλ² over the variances
    λ; both count dimensions, and the second listens less to small ones. ``explained`` holds the
    share of the variance of each of the first components, largest first.
    """

    n: int
    dim: int
    cosines: metrics.SimilarityDistribution
    effective_rank: float
    participation_ratio: float
    explained: Float64Array
    hubness: Hubness


@dataclass(frozen=True, eq=False)
class Transform:
    """Centring, or centring and whitening, as fitted to the documents' vectors.

    ``mean`` is (d,), ``factor`` the Cholesky factor (d, d) of the shrunken covariance, or None.
    """

    mean: Float64Array
    factor: Float64Array | None = None

    def project(self, vectors: npt.ArrayLike) -> Float64Array:
        """Map (n, d) to (n, d), lengths as they come out."""
        centred = np.asarray(vectors, np.float64) - self.mean
        if self.factor is None:
            return centred
        from scipy.linalg import solve_triangular

        whitened: Float64Array = solve_triangular(self.factor, centred.T, lower=True).T
        return whitened

    def __call__(self, vectors: npt.ArrayLike) -> Float32Array:
        """Map (n, d) to rows of length 1; a text that stands at the mean stays zero."""
        return unit(self.project(vectors))


def unit(vectors: npt.ArrayLike) -> Float32Array:
    """Return the rows (n, d) divided by their length; rows of no length stay zero."""
    rows = np.asarray(vectors)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > MIN_LENGTH)
    return np.ascontiguousarray(rows * scale, dtype=np.float32)


def fit(vectors: npt.ArrayLike, how: str) -> Transform:
    """Fit a transform to vectors (n, d), unit or raw: ``none``, ``centre`` or ``whiten``.

    ``whiten`` solves with the Cholesky factor of (1 - s) Σ + s · tr(Σ)/d · I, s =
    :data:`SHRINKAGE`. That is PCA whitening up to a rotation, which no cosine sees. Without
    shrinkage fewer texts than dimensions would all end up equally far from each other.

    Raises:
        EmbedLabError: an unknown word, unusable vectors, or vectors to whiten that are all equal.
    """
    check_known(how, "a known transform", TRANSFORMS)
    rows = check_vectors(vectors).astype(np.float64)
    if how == "none":
        return Transform(np.zeros(rows.shape[1]))
    mean = rows.mean(axis=0)
    if how == "centre":
        return Transform(mean)
    covariance = np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], -1)
    variance = np.trace(covariance) / len(covariance)
    if variance <= MIN_LENGTH**2:
        raise _all_equal(len(rows))
    shrunken = (1 - SHRINKAGE) * covariance + SHRINKAGE * variance * np.eye(len(covariance))
    return Transform(mean, np.linalg.cholesky(shrunken))


def scores(
    corpus: Corpus,
    vectors: npt.ArrayLike,
    query_vectors: npt.ArrayLike | None = None,
    how: str = "none",
) -> metrics.Quality:
    """Score the corpus's vectors, transformed as ``how`` says.

    Args:
        corpus: the texts with their labels, pairs and queries.
        vectors: its texts under a design, (n, d).
        query_vectors: its queries, (q, d), which get the documents' mean and whitening; without
            them there is no nDCG@10.
        how: ``none``, ``centre`` or ``whiten``.
    """
    fitted = fit(vectors, how)
    rows, queries = fitted(vectors), None if query_vectors is None else fitted(query_vectors)
    measures = ("spearman", "ndcg_10", "knn_accuracy")
    return metrics.quality(measures, corpus, rows, queries)


def shape(vectors: npt.ArrayLike, k: int = 10, seed: int = 0) -> Shape:
    """Describe the space of vectors (n, d), taken at length 1.

    Args:
        vectors: texts under a design, or transformed.
        k: neighbours that hubness counts; at most n - 1 are.
        seed: draws the texts whose cosines are taken, where there are more than 2,000.

    Raises:
        EmbedLabError: fewer than three texts, unusable vectors, or vectors that are all equal.
    """
    rows = unit(check_vectors(vectors))
    if len(rows) < 3:
        raise EmbedLabError(f"{len(rows)} vectors have no shape; give at least three texts.")
    values = _singular_values(rows)
    if values[0] <= MIN_LENGTH:
        raise _all_equal(len(rows))
    share, variances = values / values.sum(), values**2
    present = share[share > 0]
    return Shape(
        n=len(rows),
        dim=rows.shape[1],
        cosines=metrics.similarity_distribution(rows, seed=seed),
        effective_rank=float(np.exp(-(present * np.log(present)).sum())),
        participation_ratio=float(variances.sum() ** 2 / (variances**2).sum()),
        explained=(variances / variances.sum())[:COMPONENTS],
        hubness=hubness(rows, k),
    )


def hubness(vectors: npt.ArrayLike, k: int = 10) -> Hubness:
    """Count how often each of n unit vectors is among the k nearest of another.

    Raises:
        EmbedLabError: k < 1, or unusable vectors.
    """
    from scipy.stats import skew

    near = retrieval.neighbours(vectors, k)
    counts = np.bincount(near.ids.ravel(), minlength=len(near)).astype(np.int64)
    order = np.argsort(-counts, kind="stable")[:HUBS]
    even = np.ptp(counts) == 0  # such as k = n - 1: no text stands out, and skew would be 0 / 0
    skewness = 0.0 if even else float(skew(counts))
    return Hubness(near.k, counts, skewness, order)


def _singular_values(rows: Float32Array) -> Float64Array:
    """The singular values of the centred matrix, largest first, from its smaller Gram matrix."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    wide = len(rows) < rows.shape[1]
    squares = np.linalg.eigvalsh(centred @ centred.T if wide else centred.T @ centred)[::-1]
    # The root would blow rounding of squares up to something that counts as a dimension.
    rounding = squares[0] * len(squares) * np.finfo(np.float64).eps
    values: Float64Array = np.sqrt(np.where(squares > rounding, squares, 0))
    return values


def _all_equal(n: int) -> EmbedLabError:
    return EmbedLabError(f"All {n} vectors are the same; choose another layer or pooling.")
