"""The Lab on the real backbone: the same results for one caller and for many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.labs import corpus_of, real_lab

from embedlab import Design, EmbedLabError, StateCache, embed
from embedlab.analysis import projection
from embedlab.analysis.comparison import NEAREST, quality
from embedlab.data.tables import own_texts
from embedlab.lab.lab import Lab

A, B = Design.parse("causal/mean"), Design.parse("bidirectional/mean@11")
DESIGNS = [
    Design.parse(name)
    for name in ("M1", "M2", "M3", "M4", "M5", "causal/mean@5+skip_first", "causal/weighted_mean")
] + [B]


@pytest.fixture(scope="module")
def lab(smollm2) -> Lab:
    return real_lab(smollm2)


@pytest.fixture(scope="module")
def senses(lab):
    return lab.corpus("senses")


@pytest.fixture(scope="module")
def sides(lab, senses):
    return lab.embedded(senses, A), lab.embedded(senses, B)


def test_eight_threads_get_what_each_gets_alone(smollm2, lab):
    few = lab.corpus("senses", 8, seed=3)
    expected = {}
    for design in DESIGNS:
        smollm2.cache = StateCache(10**9)
        expected[design] = embed(few.texts, design, smollm2)
    smollm2.cache = StateCache(10**6)  # next to nothing is cached: every thread computes
    try:
        shared = real_lab(smollm2)
        with ThreadPoolExecutor(8) as threads:
            got = list(threads.map(lambda design: shared.embedded(few, design), DESIGNS))
            queries = list(threads.map(lambda one: shared.embed_queries(few.texts, one), got))
    finally:
        smollm2.cache = StateCache(10**9)
    for design, embedded, vectors in zip(DESIGNS, got, queries, strict=True):
        np.testing.assert_allclose(embedded.vectors, expected[design], atol=1e-4)
        np.testing.assert_allclose(vectors, expected[design], atol=1e-4)


def test_a_corpus_is_embedded_once_under_a_design(lab, senses, sides):
    assert lab.embedded(senses, A).vectors is sides[0].vectors
    assert lab.embedded(senses, B).vectors is not sides[0].vectors


def test_the_default_backbone_is_the_one_for_a_cpu(lab):
    assert lab.default_backbone == "smollm2-135m"


def test_a_sample_says_how_much_it_is(lab):
    trec = lab.corpus("trec")
    assert trec.size_note == "400 of 5,382"
    assert lab.corpus("trec", 25, seed=1).size_note == "25 of 5,382"
    assert lab.corpus("trec", 25, seed=1).texts == lab.corpus("trec", 25, seed=1).texts
    assert lab.corpus("trec", 25, seed=2).texts != lab.corpus("trec", 25, seed=1).texts
    assert lab.corpus("senses").size_note == "160"


def test_limits_are_said_with_what_to_do(smollm2):
    lab = real_lab(smollm2, max_texts=5, max_text_chars=100, max_prompt_chars=10, max_results=3)
    few = own_texts("one\ntwo\nthree")
    side = lab.embedded(few, A)
    refused = {
        "6 texts are more than the 5": lambda: lab.embedded(corpus_of(["a"] * 6), A),
        "Text 2 has 101 characters": lambda: lab.embedded(corpus_of(["a", "b" * 101]), A),
        "prompt has 11 characters": lambda: lab.embedded(
            few, Design(pooling="mean", query_prompt="p" * 11)
        ),
        "Text 1 is empty": lambda: lab.embedded(corpus_of([" "]), A),
        "no layer 99": lambda: lab.embedded(few, Design.parse("causal/mean@99")),
        "'moby' is not a corpus offered here": lambda: lab.corpus("moby"),
        "'gpt-9' is not a backbone offered here": lambda: lab.embedded(few, A, "gpt-9"),
        "A sample of 0": lambda: lab.corpus("senses", 0),
        "6 texts were asked for": lambda: lab.corpus("senses", 6),
        "k is 0; ask for 1 to 3": lambda: lab.retrieve("q", side, side, 0),
        "k is 4; ask for 1 to 3": lambda: lab.retrieve("q", side, side, 4),
        "The query is empty": lambda: lab.retrieve(" \n", side, side, 3),
    }
    for hint, call in refused.items():
        with pytest.raises(EmbedLabError, match=hint):
            call()


def test_retrieval_is_the_ranking_by_hand(lab, senses, sides):
    query = senses.queries[2]
    ranks, scores = [], []
    for side in sides:
        cosines = side.vectors @ lab.embed_queries([query], side)[0]
        order = np.argsort(-cosines, kind="stable")
        scores.append(cosines[order])
        ranks.append({int(text): rank for rank, text in enumerate(order, start=1)})
    lists = lab.retrieve(query, *sides, 12)
    for here, there, hits in ((0, 1, lists[0]), (1, 0, lists[1])):
        assert [hit.rank for hit in hits] == list(range(1, 13))
        np.testing.assert_allclose([hit.score for hit in hits], scores[here][:12], atol=1e-5)
        for hit in hits:
            assert ranks[here][hit.id] == hit.rank
            assert hit.move == ranks[there][hit.id] - hit.rank
            assert hit.relevant == (hit.id in senses.relevant[2])
            assert hit.text == senses.texts[hit.id]


def test_relevance_is_unknown_for_a_query_of_ones_own(lab, sides):
    hits, _ = lab.retrieve("something else entirely", *sides, 3)
    assert [hit.relevant for hit in hits] == [None] * 3


def test_retrieval_scores_are_over_the_corpus_own_queries(lab, senses, sides):
    scores = lab.retrieval_scores(sides[0])
    queries = lab.embed_queries(senses.queries, sides[0])
    top = np.argsort(-(queries @ sides[0].vectors.T), axis=1, kind="stable")[:, :10]
    recalls = [
        len(answers & set(row.tolist())) / len(answers)
        for answers, row in zip(senses.relevant, top, strict=True)
    ]
    assert scores.recall_10 == pytest.approx(np.mean(recalls), abs=1e-6)
    assert lab.retrieval_scores(lab.embedded(own_texts("one\ntwo"), A)) is None


def test_quality_is_that_of_the_vectors(senses, sides):
    side = sides[0]
    cosines = side.vectors @ side.vectors.T
    measured = quality(side)
    off_diagonal = cosines[~np.eye(len(cosines), dtype=bool)]
    assert measured.n == len(senses.texts) == 160
    assert measured.mean_cosine == pytest.approx(off_diagonal.mean(), abs=1e-4)
    assert 0 < measured.v_measure < 1 and 0 < measured.knn_accuracy < 1
    assert measured.spearman is None
    assert quality(side, "context").v_measure < measured.v_measure


def test_quality_is_none_where_the_corpus_knows_nothing(lab):
    own = own_texts("one\ntwo\nthree")
    measured = quality(lab.embedded(own, A))
    assert (measured.knn_accuracy, measured.v_measure, measured.spearman) == (None, None, None)
    assert quality(lab.embedded(own_texts("one"), A)).mean_cosine is None


def test_truncated_texts_are_counted(lab):
    own = own_texts("short\n" + "long " * 3000)
    assert lab.embedded(own, A).truncated == 1


def test_neighbours_are_those_of_the_original_space(lab, sides):
    side = sides[1]
    cosines = side.vectors.astype(np.float64) @ side.vectors.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    by_hand = np.sort(cosines, axis=1)[:, ::-1][:, :NEAREST]
    np.testing.assert_allclose(lab.neighbours(side).similarities[:, :NEAREST], by_hand, atol=1e-5)


def test_maps_are_pca_until_umap_is_warm(lab, sides, monkeypatch):
    monkeypatch.setattr(projection, "_WARM", threading.Event())
    early = lab.maps(*sides)
    assert early.method == "PCA"
    assert early.a.shape == early.b.shape == (160, 2)
    projection.warm_up()
    late = lab.maps(*sides)
    assert late.method == "UMAP"
    assert np.isfinite(late.a).all() and np.isfinite(late.b).all()
    assert lab.maps(*sides) is late
    assert lab.maps(*sides, seed=1) is not late
