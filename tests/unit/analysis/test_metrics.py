import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ir_measures import RR, R, iter_calc, nDCG
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from embedlab.analysis import bootstrap, metrics
from embedlab.analysis.retrieval import neighbours
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError


def clusters(rng, n=150, classes=3, d=24, spread=1.8):
    labels = rng.integers(0, classes, n)
    rows = rng.normal(size=(classes, d))[labels] + spread * rng.normal(size=(n, d))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows, [f"class {label}" for label in labels]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_retrieval_scores_equal_the_formulas(rng):
    n_queries, n_docs, k = 12, 40, 15
    ids = np.array([rng.permutation(n_docs)[:k] for _ in range(n_queries)])
    relevant = [frozenset(map(int, rng.permutation(n_docs)[: 1 + q % 14])) for q in range(11)]
    relevant.insert(4, frozenset())
    result = metrics.retrieval_scores(ids, relevant)

    expected = {"ndcg_10": [], "mrr_10": [], "recall_10": []}
    for row, docs in zip(ids, relevant, strict=True):
        if not docs:
            continue
        hits = [rank for rank, doc in enumerate(row[:10], start=1) if int(doc) in docs]
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(docs)) + 1))
        expected["ndcg_10"].append(sum(1 / math.log2(rank + 1) for rank in hits) / ideal)
        expected["mrr_10"].append(1 / hits[0] if hits else 0)
        expected["recall_10"].append(len(hits) / len(docs))
    assert result.n_queries == 11
    for name, values in expected.items():
        column = result.per_query[name]
        assert column.shape == (12,) and np.isnan(column[4])
        np.testing.assert_allclose(np.delete(column, 4), values, atol=1e-6)
        assert getattr(result, name) == pytest.approx(np.mean(values), abs=1e-6)


def test_graded_judgements_score_as_in_trec_eval(rng):
    ids = np.array([rng.permutation(30)[:12] for _ in range(9)])
    grades = [
        {int(doc): float(rng.integers(0, 4)) for doc in rng.permutation(30)[: 3 + 2 * q]}
        for q in range(9)
    ]
    grades[3] = dict.fromkeys(grades[3], 0.0)  # judged, and nothing of it is relevant
    result = metrics.retrieval_scores(ids, grades)
    # trec_eval ranks by score, of which the run has one for each document.
    run = {
        f"q{q}": {f"d{doc}": 1 - rank / 99 for rank, doc in enumerate(row)}
        for q, row in enumerate(ids)
    }
    judged = {
        f"q{q}": {f"d{doc}": int(grade) for doc, grade in docs.items()}
        for q, docs in enumerate(grades)
    }
    measured = {"ndcg_10": nDCG @ 10, "mrr_10": RR @ 10, "recall_10": R @ 10}
    for one in iter_calc(measured.values(), judged, run):
        name = next(name for name, measure in measured.items() if measure == one.measure)
        if one.query_id != "q3":
            ours = result.per_query[name][int(one.query_id[1:])]
            assert ours == pytest.approx(one.value, abs=1e-9), (name, one.query_id)
    assert result.n_queries == 8 and np.isnan(result.per_query["ndcg_10"][3])
    # Grades that are all alike count as no grades.
    alike = [dict.fromkeys(docs, 2.0) for docs in grades]
    sets = [frozenset(docs) for docs in grades]
    for one, other in zip(
        *(metrics.retrieval_scores(ids, each).per_query.values() for each in (alike, sets)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other)


def test_retrieval_scores_of_short_rankings():
    result = metrics.retrieval_scores([[0, 9]], [frozenset({0})])
    assert (result.ndcg_10, result.mrr_10, result.recall_10) == (1, 1, 1)


def test_retrieval_errors():
    with pytest.raises(EmbedLabError, match="do not fit together"):
        metrics.retrieval_scores([[1, 2]], [frozenset({1})] * 2)
    with pytest.raises(EmbedLabError, match="No query has a relevant document"):
        metrics.retrieval_scores([[1, 2]], [frozenset()])


def test_knn_accuracy_equals_sklearn_leaving_one_out(rng):
    vectors, labels = clusters(rng, classes=2)  # two classes and an odd k: no tied votes
    right = 0
    for i in range(len(vectors)):
        others = np.delete(np.arange(len(vectors)), i)
        model = KNeighborsClassifier(n_neighbors=9, metric="cosine")
        model.fit(vectors[others], [labels[j] for j in others])
        right += model.predict(vectors[i : i + 1])[0] == labels[i]
    assert 0.5 < right / len(vectors) < 1
    result = metrics.knn_hits(neighbours(vectors, 20).ids[:, :9], labels).mean()
    assert result == pytest.approx(right / len(vectors))


def test_knn_accuracy_gives_a_tie_to_the_nearest(rng):
    vectors, labels = clusters(rng, classes=5, spread=2)
    result = neighbours(vectors, 10)
    right = 0
    for i, row in enumerate(result.ids):
        near = [labels[j] for j in row]
        most = max(Counter(near).values())
        right += next(label for label in near if near.count(label) == most) == labels[i]
    assert metrics.knn_hits(result.ids, labels).mean() == pytest.approx(right / len(vectors))


def test_knn_accuracy_of_one_label(rng):
    vectors, _ = clusters(rng, n=6)
    assert metrics.knn_hits(neighbours(vectors, 10).ids, ["one"] * 6).mean() == 1


def v_measure(vectors, labels, seed=0):
    return float(bootstrap.v_measure(*metrics.clusters_and_labels(vectors, labels, seed)))


def test_v_measure(rng):
    vectors, labels = clusters(rng, spread=0.1)
    assert v_measure(vectors, labels) == pytest.approx(1)
    vectors, labels = clusters(rng)
    first = v_measure(vectors, labels, seed=1)
    assert first == v_measure(vectors, labels, seed=1)
    assert 0.1 < first < 1
    assert v_measure(vectors, rng.permutation(labels).tolist()) < 0.1


def test_v_measure_is_the_harmonic_mean_of_homogeneity_and_completeness(rng):
    vectors, labels = clusters(rng)
    result = v_measure(vectors, labels)
    truth = np.unique(labels, return_inverse=True)[1]
    predicted = KMeans(n_clusters=3, n_init=3, random_state=0).fit_predict(vectors)
    assert len(set(predicted)) == 3

    def entropy(codes, given):
        total = 0.0
        for g in set(given):
            inside = codes[given == g]
            for c in set(inside):
                share = (inside == c).mean()
                total -= len(inside) / len(codes) * share * math.log(share)
        return total

    alone = np.zeros(len(truth))
    homogeneity = 1 - entropy(truth, predicted) / entropy(truth, alone)
    completeness = 1 - entropy(predicted, truth) / entropy(predicted, alone)
    assert result == pytest.approx(2 * homogeneity * completeness / (homogeneity + completeness))


def test_v_measure_errors(rng):
    vectors, _ = clusters(rng, n=6)
    with pytest.raises(EmbedLabError, match="at least two different labels"):
        v_measure(vectors, ["one"] * 6)
    with pytest.raises(EmbedLabError, match="6 labels and only 1 different vectors"):
        v_measure(np.repeat(vectors[:1], 6, axis=0), list(range(6)))


def test_spearman_is_pearson_of_ranks(rng):
    vectors, _ = clusters(rng)
    pairs = rng.integers(0, len(vectors), (200, 2))
    similarities = metrics.pair_similarities(vectors, pairs)
    for (i, j), similarity in zip(pairs[:20], similarities, strict=False):
        assert similarity == pytest.approx(float(vectors[i] @ vectors[j]), abs=1e-6)
    gold = (similarities + rng.normal(scale=0.3, size=200)).round(1)  # with ties
    expected = np.corrcoef(rankdata(similarities), rankdata(gold))[0, 1]
    assert bootstrap.spearman(similarities, gold) == pytest.approx(expected)


def test_a_score_that_is_undefined_is_none():
    texts, pairs = ("a", "b", "c"), ((0, 1, 1.0), (0, 2, 2.0), (1, 2, 3.0))
    corpus = Corpus(id="c", title="c", texts=texts, pairs=pairs)
    assert metrics.score("spearman", corpus, np.eye(3)) is None  # all cosines are equal
    assert metrics.score("spearman", replace(corpus, pairs=pairs[:2]), np.eye(3)) is None
    equal = tuple((i, j, 1.0) for i, j, _ in pairs)
    assert metrics.score("spearman", replace(corpus, pairs=equal), np.eye(3)) is None
    rows = [[1, 0], [0.8, 0.6], [0.6, 0.8]]
    assert metrics.score("spearman", corpus, rows) == pytest.approx(0.5)


def test_jaccard(rng):
    a = np.array([rng.permutation(30)[:12] for _ in range(40)])
    b = np.array([rng.permutation(30)[:12] for _ in range(40)])
    b[7] = a[7][::-1]
    expected = [len(set(p) & set(q)) / len(set(p) | set(q)) for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(metrics.jaccard(a, b), expected, atol=1e-6)
    assert metrics.jaccard(a, b)[7] == 1
    assert metrics.jaccard(np.empty((1, 0)), np.empty((1, 0))).tolist() == [1]
    with pytest.raises(EmbedLabError, match="embed the same texts"):
        metrics.jaccard(a, b[:3])


def test_similarity_distribution_takes_every_pair_once(rng):
    vectors, _ = clusters(rng, n=30)
    pairs = [float(vectors[i] @ vectors[j]) for i in range(30) for j in range(i + 1, 30)]
    result = metrics.similarity_distribution(vectors)
    np.testing.assert_allclose(np.sort(result.similarities), np.sort(pairs), atol=1e-6)
    assert result.mean == pytest.approx(np.mean(pairs), abs=1e-6)
    assert result.std == pytest.approx(np.std(pairs), abs=1e-6)


def test_similarity_distribution_of_a_sample(rng):
    vectors, _ = clusters(rng, n=300)
    result = metrics.similarity_distribution(vectors, max_pairs=5000, seed=2)
    again = metrics.similarity_distribution(vectors, max_pairs=5000, seed=2)
    assert len(result.similarities) == 4950  # of 100 texts
    np.testing.assert_array_equal(result.similarities, again.similarities)
    assert result.mean == pytest.approx(metrics.similarity_distribution(vectors).mean, abs=0.05)
    with pytest.raises(EmbedLabError, match="One text has no pairs"):
        metrics.similarity_distribution(vectors[:1])


def test_cluster_order_puts_groups_together(rng):
    vectors, labels = clusters(rng, n=30, spread=0.1)
    order = metrics.cluster_order(metrics.similarity_matrix(vectors))
    assert sorted(order) == list(range(30))
    sorted_labels = [labels[i] for i in order]
    changes = sum(a != b for a, b in pairwise(sorted_labels))
    assert changes == len(set(labels)) - 1
    assert metrics.cluster_order([[1.0]]).tolist() == [0]
    with pytest.raises(EmbedLabError, match="square"):
        metrics.cluster_order(np.ones((2, 3)))
