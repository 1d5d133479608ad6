from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import pdist

from embedlab.analysis import metrics
from embedlab.analysis.retrieval import neighbours
from embedlab.analysis.space import SHRINKAGE, fit, hubness, scores, shape, unit
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def gaussian(rng, n, d):
    return unit(rng.normal(size=(n, d)))


def counts_by_hand(vectors, k):
    cosines = vectors.astype(float) @ vectors.astype(float).T
    np.fill_diagonal(cosines, -np.inf)
    counts = np.zeros(len(vectors), int)
    for row in cosines:
        counts[np.argsort(-row)[:k]] += 1
    return counts


def test_a_gaussian_uses_every_dimension(rng):
    result = shape(gaussian(rng, 4000, 40))
    assert result.effective_rank == pytest.approx(40, abs=0.3)
    assert result.participation_ratio == pytest.approx(40, abs=1)
    assert result.explained.shape == (40,)
    np.testing.assert_allclose(result.explained, 1 / 40, atol=0.006)
    assert abs(result.cosines.mean) < 0.005
    assert result.cosines.std == pytest.approx(1 / np.sqrt(40), abs=0.01)


@pytest.mark.parametrize(("n", "d"), [(80, 20), (20, 80)])
def test_figures_equal_their_formulas(rng, n, d):
    raw = rng.normal(size=(n, d)) * np.linspace(1, 4, d) + 1
    result = shape(raw, k=4)
    rows = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    assert result.effective_rank == pytest.approx(np.exp(scipy.stats.entropy(values)), rel=1e-4)
    variances = values**2
    assert result.participation_ratio == pytest.approx(
        variances.sum() ** 2 / (variances**2).sum(), rel=1e-4
    )
    np.testing.assert_allclose(result.explained, variances / variances.sum(), atol=1e-6)
    assert result.cosines.mean == pytest.approx((1 - pdist(rows, "cosine")).mean(), abs=1e-5)
    assert (result.n, result.dim) == (n, d)


def test_rank_one_has_effective_rank_one(rng):
    # Lengths vary along one direction; rows of length 1 on a line are its two ends.
    direction = rng.normal(size=16)
    result = shape(np.outer(np.r_[np.arange(1, 9), -np.arange(1, 5)], direction))
    assert result.effective_rank == pytest.approx(1, abs=1e-4)
    assert result.participation_ratio == pytest.approx(1, abs=1e-6)
    assert result.explained[0] == pytest.approx(1)


def test_hubness_grows_with_the_dimension(rng):
    # Around a pole the sphere is flat: a narrow cone orders its points as a Gaussian in Euclidean
    # space does, which has a middle to be near to. The whole sphere has none.
    result = {}
    for d in (3, 20, 200):
        flat = 0.3 / np.sqrt(d) * rng.normal(size=(500, d))
        vectors = unit(np.c_[flat, np.sqrt(1 - (flat**2).sum(axis=1).clip(max=0.99))])
        result[d] = hubness(vectors, 10)
        counts = counts_by_hand(vectors, 10)
        np.testing.assert_array_equal(result[d].counts, counts)
        assert result[d].skewness == pytest.approx(scipy.stats.skew(counts))
    assert result[3].skewness < result[20].skewness < result[200].skewness
    assert result[3].skewness < 1 and result[200].skewness > 2


def test_one_planted_hub():
    # Every axis is nearer to the middle of them all than to another axis.
    n = 12
    vectors = np.vstack([np.eye(n - 1), np.full(n - 1, 1.0)])[[*range(5), n - 1, *range(5, n - 1)]]
    result = hubness(unit(vectors), k=1)
    assert (result.hub_ids[0], result.counts[result.hub_ids[0]]) == (5, n - 1)
    # The hub's own nearest is some axis: once n - 1, once 1, the rest 0.
    assert sorted(result.counts) == [0] * (n - 2) + [1, n - 1]
    assert result.skewness == pytest.approx(scipy.stats.skew(result.counts))


def test_everyones_neighbours_are_everyone(rng):
    result = hubness(gaussian(rng, 5, 8), k=10)
    assert (result.k, result.skewness) == (4, 0)


def test_centring_by_hand(rng):
    raw = rng.normal(size=(30, 6)) + 3
    centred = raw - raw.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(fit(raw, "centre")(raw), expected, atol=1e-6)
    np.testing.assert_allclose(fit(raw, "none")(raw), unit(raw), atol=1e-7)


def test_whitening_makes_the_shrunken_covariance_the_identity(rng):
    raw = rng.normal(size=(3000, 12)) @ rng.normal(size=(12, 12)) + 2
    white = fit(raw, "whiten").project(raw)
    covariance = np.cov(raw, rowvar=False, bias=True)
    # W ((1 - s) Σ + s tr(Σ)/d I) Wᵀ = I, with W from a regression on the result.
    w = np.linalg.lstsq(raw - raw.mean(axis=0), white, rcond=None)[0].T
    shrunken = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 12 * np.eye(12)
    np.testing.assert_allclose(w @ shrunken @ w.T, np.eye(12), atol=1e-5)


def test_whitening_without_shrinkage_is_pca_whitening(rng, monkeypatch):
    monkeypatch.setattr("embedlab.analysis.space.SHRINKAGE", 0.0)
    raw = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 8)) + 2
    white = fit(raw, "whiten").project(raw)
    np.testing.assert_allclose(np.cov(white, rowvar=False, bias=True), np.eye(8), atol=1e-6)
    centred = raw - raw.mean(axis=0)
    left = np.linalg.svd(centred, full_matrices=False)[0] * np.sqrt(len(raw))
    np.testing.assert_allclose(white @ white.T, left @ left.T, atol=1e-5)  # the same cosines


def test_fewer_texts_than_dimensions_can_be_whitened(rng):
    few = gaussian(rng, 10, 50)
    result = fit(few, "whiten")(few)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-6)


def test_scores_before_and_after(rng):
    n, d = 60, 10
    topics = rng.integers(0, 3, n)
    rows = unit(rng.normal(size=(3, d))[topics] + 0.8 * rng.normal(size=(n, d)) + 4)
    queries = unit(rng.normal(size=(4, d)) + 4)
    corpus = Corpus(
        id="c",
        title="c",
        texts=tuple(f"text {i}" for i in range(n)),
        fields={"topic": tuple(map(str, topics))},
        pairs=tuple((i, i + 1, float(topics[i] == topics[i + 1])) for i in range(n - 1)),
        queries=("a", "b", "c", "d"),
        relevant=(frozenset({1, 2}), frozenset({3}), frozenset(), frozenset({5, 8, 9})),
    )
    for how in ("none", "centre"):
        mean = rows.mean(axis=0) if how == "centre" else 0
        moved, moved_queries = (
            unit(rows - mean),
            unit(queries - mean),
        )  # the documents' mean for both
        result = scores(corpus, rows, queries, how=how)
        cosines = [float(moved[i] @ moved[j]) for i, j, _ in corpus.pairs]
        gold = [score for *_, score in corpus.pairs]
        assert result.spearman == pytest.approx(scipy.stats.spearmanr(cosines, gold).statistic)
        ranked = np.argsort(-(moved_queries @ moved.T), axis=1)[:, :10]
        ndcg = metrics.retrieval_scores(ranked, corpus.relevant).ndcg_10
        assert result.ndcg_10 == pytest.approx(ndcg)
        knn = metrics.knn_hits(neighbours(moved, 10).ids, corpus.labels).mean()
        assert result.knn_accuracy == pytest.approx(knn)
    unknown = scores(Corpus(id="p", title="p", texts=corpus.texts), rows)
    assert (unknown.spearman, unknown.ndcg_10, unknown.knn_accuracy) == (None, None, None)


@pytest.mark.parametrize("call", [shape, lambda v: fit(v, "whiten")])
def test_equal_vectors_have_no_shape(call):
    with pytest.raises(EmbedLabError, match="All 9 vectors are the same"):
        call(np.full((9, 4), 0.5))


def test_errors(rng):
    with pytest.raises(EmbedLabError, match="at least three"):
        shape(np.eye(2))
    with pytest.raises(EmbedLabError, match="'center' is not a known transform"):
        fit(np.eye(3), "center")
    # What stands at the mean has no direction, and gets none from rounding.
    equal = np.full((4, 3), 0.3)
    np.testing.assert_array_equal(fit(equal, "centre")(equal), np.zeros((4, 3)))
