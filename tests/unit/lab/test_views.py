"""The results of the map and similarity tabs equal what the vectors give directly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis import comparison
from embedlab.errors import EmbedLabError
from embedlab.lab import views
from embedlab.lab.lab import Lab

TEXTS = words(*([5, 9, 3, 12] * 6), seed=3)
CORPUS = replace(corpus_of(TEXTS), fields={"kind": tuple(str(i % 3) for i in range(24))})


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


@pytest.fixture(scope="module")
def sides(lab):
    return [lab.embedded(CORPUS, Design.parse(name)) for name in ("causal/mean", "causal/eos")]


def test_quality_is_that_of_the_vectors_and_of_the_corpus_own_labels(lab, sides):
    quality = views.quality(lab, sides[0])
    assert quality == comparison.quality(sides[0])
    assert views.quality(lab, sides[0]) is quality
    # The same texts with other labels, such as another user's file, have a result of their own.
    other = replace(CORPUS, fields={"kind": ("a",) * 12 + ("b",) * 12})
    side = lab.embedded(other, sides[0].design)
    assert side.vectors is sides[0].vectors and side.corpus is other
    assert views.quality(lab, side) == comparison.quality(side)
    assert views.quality(lab, side) != quality


@pytest.mark.parametrize("order", views.ORDERS)
def test_similarities_are_the_products_of_the_vectors_in_any_order(lab, sides, order):
    rows = (3, 1, 8, 20, 11)
    result = views.similarities(lab, *sides, rows, order=order)
    assert sorted(result.rows.tolist()) == sorted(rows)
    assert order != "given" or result.rows.tolist() == list(rows)
    for side, matrix in zip(sides, (result.a, result.b), strict=True):
        vectors = side.vectors[result.rows]
        np.testing.assert_allclose(matrix, vectors @ vectors.T, atol=1e-6)
    assert result.drawn_a is not None and np.array_equal(result.drawn_a, result.a)
    if order == "labels":
        kinds = [CORPUS.labels[i] for i in result.rows]
        assert [kinds[start] for start in result.blocks.starts] == list(result.blocks.names)
        assert len(set(kinds)) == len(result.blocks.starts)


def test_centred_similarities_are_about_the_mean_of_the_whole_corpus(lab, sides):
    rows = (3, 1, 8)
    result = views.similarities(lab, *sides, rows, scale="centred")
    for side, drawn in zip(sides, (result.drawn_a, result.drawn_b), strict=True):
        mean = side.vectors.mean(axis=0)
        for i, x in enumerate(rows):
            for j, y in enumerate(rows):
                u, v = side.vectors[x] - mean, side.vectors[y] - mean
                cosine = (u @ v) / (np.linalg.norm(u) * np.linalg.norm(v))
                assert drawn[i, j] == pytest.approx(cosine, abs=1e-5)


def test_texts_without_labels_have_no_order_by_label(lab):
    bare = lab.embedded(corpus_of(TEXTS), Design())
    with pytest.raises(EmbedLabError, match="no labels to order them by"):
        views.similarities(lab, bare, bare, (1, 2), order="labels")
    with pytest.raises(EmbedLabError, match="'odd' is not a known order"):
        views.similarities(lab, bare, bare, (1, 2), order="odd")


def test_the_texts_that_changed_most_share_the_fewest_neighbours(lab, sides):
    changed = views.changed_neighbourhoods(lab, *sides)
    near = [set(lab.neighbours(side).ids[changed.order[0], :10].tolist()) for side in sides]
    lowest = len(near[0] & near[1]) / len(near[0] | near[1])
    assert changed.overlap[changed.order[0]] == pytest.approx(lowest)
    by_hand = sorted(range(len(changed.overlap)), key=lambda i: (changed.overlap[i], i))
    assert changed.order.tolist() == by_hand[:20]


def test_which_texts_were_cut_is_known_from_the_pass(lab):
    embedded = lab.embedded(corpus_of(["w1 w2", "w3 " * 300]), Design())
    assert embedded.cut.tolist() == [False, True] and embedded.truncated == 1
