from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from support.models import words

from embedlab import Design, EmbedLabError, pool
from embedlab.analysis import bootstrap, metrics, retrieval
from embedlab.analysis.layers import choose_measure, layer_quality
from embedlab.analysis.space import scores
from embedlab.data.corpus import Corpus

ATTENTIONS = ("causal", "bidirectional")


def curve(result, name):
    return next(c for c in result.curves if c.name == name)


@pytest.fixture
def small(tiny):
    texts = words(*([2, 5, 9, 3] * 6))
    corpus = Corpus(
        id="own",
        title="Own",
        texts=tuple(texts),
        fields={"kind": tuple("abc"[i % 3] for i in range(24)), "one": ("x",) * 24},
        pairs=tuple((i, (i * 7 + 1) % 24, float(i % 4)) for i in range(20)),
        queries=tuple(words(3, 4, 5, 2, seed=4)),
        relevant=(frozenset({0, 3}), frozenset({5}), frozenset(), frozenset(range(12))),
    )
    states = {a: tiny.states(corpus.texts, a) for a in ATTENTIONS}
    queries = {a: tiny.states(corpus.queries, a) for a in ATTENTIONS}
    return tiny, corpus, states, queries


@pytest.mark.parametrize("block", [10, 10_000, 10**9])
@pytest.mark.parametrize("how", ["none", "centre", "whiten"])
def test_every_curve_equals_its_designs_pooled_one_by_one(small, how, block, monkeypatch):
    monkeypatch.setattr("embedlab.models.states.BLOCK_NUMBERS", block)
    tiny, corpus, states, queries = small
    for measure in ("spearman", "ndcg_10", "knn_accuracy"):
        result = layer_quality(
            corpus, states, queries, measure=measure, skip_first=True, transform=how, bootstrap=10
        )
        assert [c.name for c in result.curves[:4]] == [
            "causal/eos",
            "causal/mean",
            "causal/weighted_mean",
            "causal/mean+skip_first",
        ]
        assert len(result.curves) == 8
        for c in result.curves:
            for layer in range(1, 5):
                vectors, query_vectors = (
                    pool(s[c.design.attention], replace(c.design, layer=layer), tiny)
                    for s in (states, queries)
                )
                expected = getattr(scores(corpus, vectors, query_vectors, how=how), measure)
                assert c.scores[layer] == pytest.approx(expected, abs=1e-5)


def test_v_measure_has_no_band(small):
    tiny, corpus, states, _ = small
    result = layer_quality(corpus, states, measure="v_measure", seed=3)
    c = curve(result, "causal/mean")
    vectors = pool(states["causal"], Design.parse("causal/mean@2"), tiny)
    expected = bootstrap.v_measure(*metrics.clusters_and_labels(vectors, corpus.labels, seed=3))
    assert c.scores[2] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(c.low).all() and np.isnan(c.high).all() and result.bootstrap == 0
    assert np.isnan(curve(result, "causal/eos").scores[0])


def test_the_band_is_the_percentile_bootstrap(small):
    tiny, corpus, states, queries = small
    design = Design.parse("bidirectional/mean@3")
    vectors = pool(states["bidirectional"], design, tiny)
    draws = np.random.default_rng(5).integers(0, 20, (300, 20))
    cosines = metrics.pair_similarities(vectors, [pair[:2] for pair in corpus.pairs])
    gold = np.array([score for *_, score in corpus.pairs])
    again = [scipy.stats.spearmanr(cosines[draw], gold[draw]).statistic for draw in draws]
    result = curve(layer_quality(corpus, states, bootstrap=300, seed=5), "bidirectional/mean")
    np.testing.assert_allclose(
        [result.low[3], result.high[3]], np.percentile(again, [2.5, 97.5]), atol=1e-3
    )
    query_vectors = pool(queries["bidirectional"], design, tiny)
    ids, _ = retrieval.search(retrieval.build_index(vectors), query_vectors, 10)
    each = metrics.retrieval_scores(ids, corpus.relevant).per_query["ndcg_10"]
    each = each[~np.isnan(each)]
    draws = np.random.default_rng(5).integers(0, 3, (300, 3))
    quality = layer_quality(corpus, states, queries, measure="ndcg_10", bootstrap=300, seed=5)
    result = curve(quality, "bidirectional/mean")
    assert quality.n == 3
    np.testing.assert_allclose(
        [result.low[3], result.high[3]],
        np.percentile(each[draws].mean(axis=1), [2.5, 97.5]),
        atol=1e-5,
    )


def test_auto_takes_what_the_corpus_knows(small):
    _, corpus, states, _ = small
    assert choose_measure(corpus) == "spearman"
    without_pairs = replace(corpus, pairs=(), pair_groups=())
    assert choose_measure(without_pairs) == "ndcg_10"
    only_labels = replace(without_pairs, queries=(), relevant=())
    assert choose_measure(only_labels) == "knn_accuracy"
    assert layer_quality(only_labels, states, bootstrap=5).field == "kind"
    with pytest.raises(ValueError, match="states of the queries"):
        layer_quality(without_pairs, states)
    with pytest.raises(ValueError, match="24 states"):
        layer_quality(
            Corpus(id="o", title="o", texts=("a",) * 3, pairs=((0, 1, 1), (0, 2, 2), (1, 2, 0))),
            states,
        )


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ("auto", "no scored pairs, queries with relevant texts, or labels.*stsb.*senses.*trec"),
        ("spearman", "no scored pairs"),
        ("ndcg_10", "no queries"),
        ("knn_accuracy", "no labels that several texts share"),
        ("accuracy", "'accuracy' is not a known measure"),
    ],
)
def test_what_is_missing_is_said(measure, message):
    corpus = Corpus(id="o", title="Own", texts=("a", "b", "c"), fields={"one": ("x",) * 3})
    with pytest.raises(EmbedLabError, match=message):
        choose_measure(corpus, measure)


def test_an_unknown_transform_is_refused(small):
    _, corpus, states, _ = small
    with pytest.raises(EmbedLabError, match="'centred' is not a known transform"):
        layer_quality(corpus, states, transform="centred")
