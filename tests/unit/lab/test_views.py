"""The results of the map and similarity tabs equal what the vectors give directly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis import comparison, metrics
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


def test_similarities_are_the_products_of_the_vectors(lab, sides):
    rows = (3, 1, 8, 20)
    plain = views.similarities(lab, *sides, rows)
    assert plain.rows.tolist() == list(rows)
    ordered = views.similarities(lab, *sides, rows, ordered=True)
    assert sorted(ordered.rows.tolist()) == sorted(rows)
    for result in (plain, ordered):
        for side, matrix in zip(sides, (result.a, result.b), strict=True):
            vectors = side.vectors[result.rows]
            np.testing.assert_allclose(matrix, vectors @ vectors.T, atol=1e-6)
    order = metrics.cluster_order((plain.a + plain.b) / 2)
    assert ordered.rows.tolist() == plain.rows[order].tolist()
    assert len(views.similarities(lab, *sides, range(24)).rows) == 24


def test_the_texts_that_changed_most_share_the_fewest_neighbours(lab, sides):
    changed = views.changed_neighbourhoods(lab, *sides)
    near = [set(lab.neighbours(side).ids[changed.order[0], :10].tolist()) for side in sides]
    lowest = len(near[0] & near[1]) / len(near[0] | near[1])
    assert changed.overlap[changed.order[0]] == pytest.approx(lowest)
    assert (np.diff(changed.overlap[changed.order]) >= 0).all() and len(changed.order) == 20


def test_which_texts_were_cut_is_known_from_the_pass(lab):
    embedded = lab.embedded(corpus_of(["w1 w2", "w3 " * 300]), Design())
    assert embedded.cut.tolist() == [False, True] and embedded.truncated == 1
