"""Vectors from a file under every view: compared like any other design, without a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis import metrics
from embedlab.data.prepared import NoQueryVectors, Prepared
from embedlab.errors import EmbedLabError
from embedlab.lab import inside, retrieving, views
from embedlab.lab.colourings import Context, colouring, offered
from embedlab.lab.lab import Lab

RNG = np.random.default_rng(4)
TEXTS = words(*([5, 9, 3, 12] * 6), seed=3)
DESIGN = Design.parse("file: other model")


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


GIVEN = Prepared(
    name="other model",
    vectors=unit(RNG.normal(size=(24, 10))),
    queries={"w1 w2": 0, "w3": 1},
    query_vectors=unit(RNG.normal(size=(2, 10))),
)
CORPUS = replace(
    corpus_of(TEXTS),
    fields={"kind": tuple(str(i % 3) for i in range(24))},
    queries=("w1 w2", "w3"),
    relevant=(frozenset({1, 7}), frozenset({3})),
    prepared={"other model": GIVEN},
)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab(max_texts=8)


@pytest.fixture(scope="module")
def side(lab: Lab):
    return lab.embedded(CORPUS, DESIGN, "a backbone that is not there")


def test_the_vectors_are_those_of_the_file(side) -> None:
    assert side.vectors is GIVEN.vectors and not side.cut.any()
    assert side.backbone.name == str(DESIGN) == "file: other model"
    with pytest.raises(EmbedLabError, match="behind them is no model whose layers"):
        _ = side.backbone.num_layers


def test_views_of_vectors_count_as_loops_do(lab: Lab, side) -> None:
    cosines = GIVEN.vectors @ GIVEN.vectors.T
    near = lab.neighbours(side).ids
    for i in range(24):
        others = sorted((j for j in range(24) if j != i), key=lambda j: -cosines[i, j])
        assert near[i, :10].tolist() == others[:10]
    quality = views.quality(lab, side)
    pairs = cosines[np.triu_indices(24, 1)]
    assert quality.mean_cosine == pytest.approx(float(pairs.mean()), abs=1e-5)
    assert quality.knn_accuracy is not None
    assert inside.space_shape(lab, side).dim == 10
    maps = lab.maps(side, side)
    assert maps.a.shape == (24, 2)


def test_queries_are_those_that_the_file_has(lab: Lab, side) -> None:
    hits, _ = lab.retrieve("w3", side, side, 5)
    best = np.argsort(-(GIVEN.vectors @ GIVEN.query_vectors[1]), kind="stable")[:5]
    assert [hit.id for hit in hits] == best.tolist()
    scores = lab.retrieval_scores(side)
    ranked = np.argsort(-(GIVEN.query_vectors @ GIVEN.vectors.T), axis=1, kind="stable")[:, :10]
    assert scores.ndcg_10 == metrics.retrieval_scores(ranked, CORPUS.relevant).ndcg_10
    with pytest.raises(NoQueryVectors, match="no vector of the query 'w9'"):
        lab.retrieve("w9", side, side, 5)
    bare = replace(CORPUS, prepared={"other model": replace(GIVEN, queries={}, query_vectors=None)})
    assert lab.retrieval_scores(lab.embedded(bare, DESIGN)) is None
    assert inside.space_scores(lab, lab.embedded(bare, DESIGN)).ndcg_10 is None
    found = retrieving.answers(lab, "w9", CORPUS, {"file": DESIGN}, "", 3)
    assert "no vector of the query 'w9'" in found[0].reason


def test_they_are_bounded_by_memory_and_the_model_by_its_speed(lab: Lab, side) -> None:
    assert len(side) == 24 and lab.sample(CORPUS, 24, 0) is CORPUS
    with pytest.raises(EmbedLabError, match="24 texts are more than the 8"):
        lab.embedded(CORPUS, Design.parse("causal/mean"))
    with pytest.raises(EmbedLabError, match="embeds up to 8 at once"):
        lab.sample(corpus_of(TEXTS), 24, 0)


def test_they_belong_to_their_texts_alone(lab: Lab, side) -> None:
    with pytest.raises(
        EmbedLabError, match="'mine' has no vectors of the name 'file: other model'"
    ):
        lab.embedded(corpus_of(TEXTS), DESIGN)
    # Other vectors under the same name, such as another visitor's, have results of their own.
    other = replace(GIVEN, vectors=unit(RNG.normal(size=(24, 10))))
    theirs = lab.embedded(replace(CORPUS, prepared={"other model": other}), DESIGN)
    assert theirs.key != side.key
    assert not np.array_equal(lab.neighbours(theirs).ids, lab.neighbours(side).ids)


def test_they_are_written_like_any_design_and_are_all_of_it() -> None:
    assert Design.parse(" FILE: minilm v2 ") == Design(file="minilm v2")
    assert Design.parse(str(DESIGN)) == DESIGN and DESIGN.name == "file: other model"
    assert DESIGN.alias is None and not DESIGN.trainable
    for text in ("file:", "file:  "):
        with pytest.raises(EmbedLabError, match="names no vectors"):
            Design.parse(text)
    with pytest.raises(EmbedLabError, match="is all of a design"):
        Design(file="x", pooling="mean")


def test_a_backbone_refuses_them(lab: Lab) -> None:
    with pytest.raises(EmbedLabError, match="vectors from a file, of one corpus"):
        lab.backbone().check(DESIGN)


def test_vectors_without_a_model_have_no_lengths_and_only_their_own_queries(lab, side) -> None:
    assert not {"tokens", "tokens A", "cut", "cut A"} & set(offered(lab, side, side))
    known = colouring(lab, "query A", side, side, Context(query="w3"))
    expected = 100 * (GIVEN.vectors @ GIVEN.query_vectors[1])
    np.testing.assert_allclose(known.values, expected, atol=1e-3)
    unknown = colouring(lab, "query A", side, side, Context(query="a new one"))
    assert unknown.range is None and "a new one" in unknown.note
