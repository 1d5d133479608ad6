"""Labels as scores need them: texts without one, repeated texts, scores that are not possible."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import v_measure_score

from embedlab.analysis import metrics
from embedlab.analysis.retrieval import neighbours
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError


def corpus(texts, labels) -> Corpus:
    return Corpus(id="own", title="Own", texts=tuple(texts), fields={"kind": tuple(labels)})


def unit(rng, n, d=6):
    rows = rng.normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def knn_by_hand(texts, labels, vectors, k):
    """The share of labelled texts whose nearest labelled others, same texts aside, agree."""
    right = []
    for i, label in enumerate(labels):
        if not label:
            continue
        others = [j for j in range(len(texts)) if labels[j] and texts[j] != texts[i]]
        near = sorted(others, key=lambda j: (-float(vectors[i] @ vectors[j]), j))[:k]
        votes = Counter(labels[j] for j in near)
        winner = next(labels[j] for j in near if votes[labels[j]] == max(votes.values()))
        right.append(winner == label)
    return sum(right) / len(right)


def test_unlabelled_texts_are_left_out_of_both_scores(rng):
    vectors = unit(rng, 60)
    texts = [f"text {i}" for i in range(60)]
    labels = [("a", "b", "")[i % 3] for i in range(60)]
    found = metrics.quality(("knn_accuracy", "v_measure"), corpus(texts, labels), vectors)
    assert (found.n, found.labelled, found.reasons) == (60, 40, {})
    assert found.knn_accuracy == pytest.approx(knn_by_hand(texts, labels, vectors, 10))
    kept = [i for i in range(60) if labels[i]]
    clusters = metrics.k_means(vectors[kept], 2)
    expected = v_measure_score([labels[i] for i in kept], clusters)
    assert found.v_measure == pytest.approx(expected)


def test_a_repeated_text_is_no_neighbour_of_itself(rng):
    distinct = unit(rng, 12)
    numbers = [*range(12), *[0] * 6, *[1] * 4, 2]
    vectors, texts = distinct[numbers], [f"text {i}" for i in numbers]
    labels = [str(i % 3) for i in numbers]
    found = metrics.score("knn_accuracy", corpus(texts, labels), vectors)
    assert found == pytest.approx(knn_by_hand(texts, labels, vectors, 10))
    # Copies with the same label would make any design right.
    alone = metrics.knn_hits(neighbours(vectors, 6).ids, labels).mean()
    assert alone > found


def test_neighbours_without_the_same_point(rng):
    vectors = unit(rng, 40)[[*range(40), *[3] * 20]]
    same = np.array([*range(40), *[3] * 20])
    near = neighbours(vectors, 10, same)
    for i in range(60):
        others = [j for j in range(60) if same[j] != same[i]]
        expected = sorted(others, key=lambda j: (-float(vectors[i] @ vectors[j]), j))[:10]
        assert sorted(near.similarities[i]) == pytest.approx(
            sorted(float(vectors[i] @ vectors[j]) for j in expected)
        )
        assert same[i] not in same[near.ids[i]]
    # No point has fewer neighbours than another: 21 are the same, which leaves 39.
    assert neighbours(vectors, 50, same).k == 39
    assert neighbours(vectors, 5, np.zeros(60, int)).k == 0


SIX = [f"text {i}" for i in range(6)]


@pytest.mark.parametrize(
    ("texts", "labels", "knn", "v"),
    [
        (SIX, [""] * 6, "no text has a label", "no text has a label"),
        (SIX, ["", "a"] + [""] * 4, "only one text", "only one text"),
        (SIX, ["a"] * 6, "same label, 'a'", "same label, 'a'"),
        (SIX, [*"abcdef"], "all 6 labels are different", "all 6 labels are different"),
        (["x"] * 6, [*"ababab"], "are the same text", "are the same text"),
        (["x", "y"] * 3, [*"abcabc"], "", "3 labels but only 2 different texts"),
    ],
)
def test_what_is_not_possible_says_why(rng, texts, labels, knn, v):
    rows = unit(rng, 6)
    vectors = np.stack([rows[texts.index(text)] for text in texts])
    both = ("knn_accuracy", "v_measure")
    found = metrics.quality(both, corpus(texts, labels), vectors)
    for measure, reason in zip(both, (knn, v), strict=True):
        assert (getattr(found, measure) is None) == bool(reason)
        assert reason in found.reasons.get(measure, "")
        assert bool(reason) == (measure not in metrics.possible_measures(corpus(texts, labels)))


def test_equal_vectors_of_different_texts_are_a_reason_too():
    texts = corpus(SIX, [*"aabbcc"])
    vectors = np.ones((6, 4), np.float32) / 2
    found = metrics.quality(("v_measure",), texts, vectors)
    assert found.v_measure is None and "only 1 different vectors" in found.reasons["v_measure"]
    assert metrics.quality(("v_measure", "spearman"), Corpus(id="o", title="", texts=("a",)), [[1]])


def test_repetitions_and_row_numbers_of_a_corpus():
    whole = Corpus(
        id="own", title="Own", texts=tuple("abacab"), ids=tuple("123456"), rows=(2, 3, 5, 7, 8, 9)
    )
    assert whole.numbers.tolist() == [0, 1, 0, 2, 0, 1] and whole.repeated == 3
    once = whole.without_repetitions()
    assert (once.texts, once.ids, once.rows) == (("a", "b", "c"), ("1", "2", "4"), (2, 3, 7))
    assert Corpus(id="own", title="Own", texts=("a", "b")).rows == (1, 2)
    with pytest.raises(EmbedLabError, match="has 1 ids for 2 texts"):
        Corpus(id="own", title="Own", texts=("a", "b"), ids=("1",))
    with pytest.raises(EmbedLabError, match="has 3 row numbers for 2 texts"):
        Corpus(id="own", title="Own", texts=("a", "b"), rows=(1, 2, 3))
