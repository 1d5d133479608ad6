"""Clusters: what they find, bad input, and two clusterings against loops over pairs of texts."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from embedlab.analysis.cluster_flow import flow
from embedlab.analysis.clusters import HDBSCAN, Clustering, Clusters, cluster, propose_k
from embedlab.errors import EmbedLabError

TOPICS = ("river water", "card payment", "login password", "star night", "music piano", "tree leaf")


def blobs(topics: int = 6, each: int = 12, noise: float = 0.05, seed: int = 0):
    """Unit vectors around as many axes as topics, in turn, with texts about the topics."""
    generator = np.random.default_rng(seed)
    truth = np.arange(topics * each) % topics
    rows = np.eye(16)[truth] + noise * generator.normal(size=(len(truth), 16))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors, [f"about {TOPICS[t]} {i}" for i, t in enumerate(truth)], truth


def labelled(labels: list[int], closeness: list[float] | None = None) -> Clusters:
    codes = np.array(labels, np.int64)
    k = int(codes.max()) + 1
    return Clusters(
        labels=codes,
        names=tuple(f"cluster {c}" for c in range(k)),
        medoids=np.array([labels.index(c) for c in range(k)], np.int64),
        closeness=np.array(closeness or [1.0] * len(labels), np.float32),
        method="by hand",
    )


@pytest.mark.parametrize("how", [Clustering(), Clustering(k=6), Clustering(method=HDBSCAN)])
def test_groups_are_found_named_and_have_their_middle(how: Clustering) -> None:
    vectors, texts, truth = blobs()
    found = cluster(vectors, texts, how)
    assert len(found) == 6 and found.sizes.tolist() == [12] * 6
    for c, name in enumerate(found.names):
        members = np.flatnonzero(found.labels == c)
        [topic] = set(truth[members])
        assert set(name.split(" · ")[:2]) == set(TOPICS[topic].split())
        # The middle: the smallest sum of squared distances to the others of its cluster.
        spread = [sum(np.sum((vectors[i] - vectors[j]) ** 2) for j in members) for i in members]
        assert found.medoids[c] == members[int(np.argmin(spread))]
        mean = vectors[members].mean(axis=0)
        cosines = [v @ mean / np.linalg.norm(mean) for v in vectors[members]]
        np.testing.assert_allclose(found.closeness[members], cosines, atol=1e-5)
    again = cluster(vectors, texts, how)
    assert again.names == found.names and (again.labels == found.labels).all()


def test_clusters_are_grouped_by_their_means() -> None:
    vectors, texts, truth = blobs(each=8)
    pairs = np.eye(16)[6 + truth // 2]  # two topics each lie near to each other
    both = vectors + pairs
    both = (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)
    found = cluster(both, texts, Clustering(k=6))
    assert found.parents is not None and found.coarse is found.at("coarse") is not None
    assert (found.coarse.labels == found.parents[found.labels]).all()
    groups = {int(g): set(truth[found.coarse.labels == g] // 2) for g in set(found.parents)}
    assert sorted(map(len, groups.values())) == [1, 1, 1]
    few = cluster(vectors, texts, Clustering(k=3))
    assert few.coarse is few.parents is None and few.at("coarse") is few


def test_a_proposal_is_the_number_that_there_is() -> None:
    for topics in (4, 6):
        assert propose_k(blobs(topics)[0]) == topics
    generator = np.random.default_rng(0)
    line = generator.normal(size=(200, 1)) * [[1.0, 0.1]] + [[0, 1]]  # two halves fit best
    vectors = (line / np.linalg.norm(line, axis=1, keepdims=True)).astype(np.float32)
    assert propose_k(vectors) >= 6  # the cube root of 200


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_texts_are_still_clustered(n: int) -> None:
    vectors, texts, _ = blobs()
    found = cluster(vectors[:n], texts[:n], Clustering())
    assert len(found.labels) == n and found.labels.tolist() == [0] * n
    assert cluster(vectors[:n], texts[:n], Clustering(k=1)).labels.tolist() == [0] * n
    none = cluster(vectors[:n], texts[:n], Clustering(method=HDBSCAN))
    assert none.labels.tolist() == [-1] * n and none.names == ()
    assert none.note == f"A cluster of 5 texts or more cannot be among {n}."


def test_more_clusters_than_texts_are_one_for_each() -> None:
    vectors, texts, _ = blobs()
    twice = np.concatenate([vectors[:4], vectors[:4]])
    found = cluster(twice, texts[:4] * 2, Clustering(k=9))
    assert len(found) == 4
    assert "9 clusters were asked for, but there are only 4 different vectors" in found.note


@pytest.mark.parametrize("how", [Clustering(), Clustering(k=5), Clustering(method=HDBSCAN)])
def test_many_identical_texts_are_one_cluster(how: Clustering) -> None:
    vectors = np.repeat(blobs()[0][:1], 20_000, axis=0)
    found = cluster(vectors, ["The card was declined when I paid with it."] * 20_000, how)
    assert found.names == ("card · declined · paid",) and (found.labels == 0).all()
    assert found.note == "All 20,000 vectors are the same, so that they are one cluster."


def test_nothing_but_noise_says_what_to_do() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(60, 32))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = cluster(vectors, ["a text"] * 60, Clustering(method=HDBSCAN, least=25))
    assert (found.labels == -1).all() and np.isnan(found.closeness).all()
    assert "all 60 texts are in no cluster. Choose a smaller size, or k-means." in found.note
    other = cluster(vectors, ["a text"] * 60, Clustering(k=3))
    between = flow(found, other)
    assert between.n == 0 and between.v_measure is between.rand is None
    assert len(between.moved) == 0 and between.table.sum() == 60


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"method": "ward"}, "'ward' is not a way to cluster"),
        ({"k": 101}, "101 clusters were asked for; choose 1 to 100"),
        ({"k": -1}, "-1 clusters"),
        ({"least": 1}, "A cluster of 1 texts was asked for"),
    ],
)
def test_settings_out_of_range_are_a_sentence(how: dict, words: str) -> None:
    with pytest.raises(EmbedLabError, match=words):
        Clustering(**how)


def rand_by_hand(a: list[int], b: list[int]) -> float:
    """The adjusted Rand index, over all pairs of texts."""
    both = only_a = only_b = neither = 0
    for i, j in itertools.combinations(range(len(a)), 2):
        same_a, same_b = a[i] == a[j], b[i] == b[j]
        both += same_a and same_b
        only_a += same_a and not same_b
        only_b += same_b and not same_a
        neither += not same_a and not same_b
    wrong = only_a * (only_a + neither) + only_b * (only_b + neither)
    wrong += 2 * only_a * only_b
    return (
        2
        * (both * neither - only_a * only_b)
        / ((both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither))
    )


def v_measure_by_hand(a: list[int], b: list[int]) -> float:
    def entropy(values: list) -> float:
        return -sum(c / len(values) * math.log(c / len(values)) for c in Counter(values).values())

    shared = entropy(a) + entropy(b) - entropy(list(zip(a, b, strict=True)))
    homogeneity, completeness = shared / entropy(a), shared / entropy(b)
    return 2 * homogeneity * completeness / (homogeneity + completeness)


def test_agreement_is_counted_over_texts_in_a_cluster_under_both() -> None:
    generator = np.random.default_rng(3)
    a = generator.integers(-1, 4, 50).tolist()
    b = [
        label if draw < 0.6 else int(label2)
        for label, draw, label2 in zip(
            a, generator.random(50), generator.integers(-1, 4, 50), strict=True
        )
    ]
    found = flow(labelled(a), labelled(b))
    inside = [(i, j) for i, j in zip(a, b, strict=True) if i >= 0 and j >= 0]
    assert found.n == len(inside)
    both = [list(labels) for labels in zip(*inside, strict=True)]
    assert found.rand == pytest.approx(rand_by_hand(*both))
    assert found.v_measure == pytest.approx(v_measure_by_hand(*both))
    for i, j in itertools.product(range(-1, 4), repeat=2):
        assert found.table[i, j] == sum(x == i and y == j for x, y in zip(a, b, strict=True))


def test_a_split_or_a_merger_is_no_move_but_a_stray_text_is() -> None:
    #      split: 0 → 0 and 1     merged: 1 and 2 → 2       stray: one text from 0 to 2
    a = [*[0] * 6, *[0] * 4, *[1] * 5, *[2] * 4, 0, -1]
    b = [*[0] * 6, *[1] * 4, *[2] * 5, *[2] * 4, 2, 0]
    found = flow(labelled(a), labelled(b))
    assert found.moved.tolist() == [19]
    assert found.matches == {0: 0, 1: 2}  # 2 went to B's 2 as well, which got more from 1


def test_the_clearest_of_the_moved_texts_comes_first() -> None:
    a, b = [0] * 5 + [1] * 5 + [0, 0], [0] * 5 + [1] * 5 + [1, 1]
    near_last = [0.9] * 10 + [0.2, 0.95]
    assert flow(labelled(a, near_last), labelled(b, near_last)).moved.tolist() == [11, 10]


def test_other_texts_are_refused() -> None:
    with pytest.raises(EmbedLabError, match="A's clusters are of 2 texts and B's of 3"):
        flow(labelled([0, 0]), labelled([0, 0, 0]))
