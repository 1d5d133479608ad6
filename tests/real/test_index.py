"""Approximate search: the rule, its recall against a search by hand, and the file on disk."""

from pathlib import Path

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis import index
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(n, d, groups=40, apart=0.4, seed=0):
    """Vectors around ``groups`` centres that all lean one way, as those of language models do."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, d)) + 2
    return unit(centres[rng.integers(0, groups, n)] + apart * rng.normal(size=(n, d)))


def recall_by_hand(made, vectors, queries, k=10):
    ids, _ = made.search(queries, k)
    best = np.argsort(-(queries.astype(np.float64) @ vectors.T.astype(np.float64)), axis=1)[:, :k]
    return np.mean([len({*a} & {*b}) / k for a, b in zip(ids, best, strict=True)])


@pytest.mark.parametrize(
    ("n", "d", "kind"),
    [(100_000, 4096, ""), (100_001, 576, "IVF"), (800_000, 576, "IVF"), (900_000, 576, "IVF-PQ")],
)
def test_the_rule(n, d, kind):
    assert index.wanted(n, d) == kind


@pytest.mark.parametrize(
    ("kind", "d"), [("IVF", 24), ("IVF-PQ", 24), pytest.param("IVF-PQ", 30, marks=pytest.mark.slow)]
)
def test_it_finds_what_a_search_by_hand_finds(kind, d):
    vectors = clustered(4000, d)
    made = index.build(vectors, kind)
    queries = clustered(200, d, seed=0)[100:] + np.float32(0.001)
    assert recall_by_hand(made, vectors, unit(queries)) >= 0.95
    assert made.facts.recall >= 0.95 and made.facts.read < made.facts.lists
    assert f"{100 * made.facts.recall:.1f}" in str(made.facts)
    ids, scores = made.search(vectors[:3], 5)
    assert ids[:, 0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(
        scores, np.einsum("qd,qkd->qk", vectors[:3], vectors[ids]), atol=1e-6
    )


def test_its_recall_is_that_of_texts_without_themselves(monkeypatch):
    vectors = clustered(3000, 16, groups=8, apart=1.0)
    monkeypatch.setattr(index, "AIM", 0.5)
    made = index.build(vectors, "IVF")
    # A text always finds itself: counted, the recall were a tenth higher than what is shown.
    again = recall_by_hand(made, vectors, vectors[:1000])
    assert made.facts.recall == pytest.approx(again - 0.1 * (1 - again), abs=0.05)


def test_vectors_without_clusters_are_searched_exactly():
    rng = np.random.default_rng(1)
    assert index.build(unit(rng.normal(size=(2000, 200))), "IVF") is None


def test_fewer_may_be_found_than_were_asked_for():
    vectors = clustered(3000, 16)
    made = index.build(vectors, "IVF")
    ids, scores = made.search(vectors[:2], 3000)
    found = (ids >= 0).sum(axis=1)
    assert ids.shape == (2, 3000) and (found > 10).all() and (found < 3000).all()
    assert np.isneginf(scores[ids < 0]).all() and (np.diff(scores[0][ids[0] >= 0]) <= 0).all()
    assert len(set(ids[0][ids[0] >= 0])) == found[0]


@pytest.mark.parametrize("kind", ["IVF", pytest.param("IVF-PQ", marks=pytest.mark.slow)])
def test_a_saved_index_is_read_by_memory_map(tmp_path: Path, monkeypatch, kind):
    monkeypatch.setattr(index, "EXACT_UP_TO", 1000)
    monkeypatch.setattr(index, "CODES_ABOVE", 0 if kind == "IVF-PQ" else 10**9)
    vectors = clustered(3000, 20)
    first = index.index_for(vectors, tmp_path / "kept")
    assert first.facts.kind == kind and first.mapped and first.nbytes == 0
    file = next((tmp_path / "kept").glob("*.faiss"))
    assert file.name in Path("/proc/self/maps").read_text(encoding="utf-8")
    written = file.stat().st_mtime_ns
    again = index.index_for(vectors, tmp_path / "kept")
    assert file.stat().st_mtime_ns == written, "it was made again"
    made = index.build(vectors, kind)
    for one, other in zip(
        again.search(vectors[:50], 10), made.search(vectors[:50], 10), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_another_or_a_damaged_index_is_made_again(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(index, "EXACT_UP_TO", 1000)
    vectors = clustered(2000, 16)
    first = index.index_for(vectors, tmp_path)
    file = tmp_path / f"{first.facts.vectors}.faiss"
    facts, content = file.with_suffix(".json"), file.read_bytes()
    del first
    for spoilt in (content[:100], b"", content[: len(content) // 2]):
        file.write_bytes(spoilt)
        assert index.index_for(vectors, tmp_path).mapped
        assert file.read_bytes() == content
    facts.write_text('{"format": "embedlab-index-1", "n": 7}', encoding="utf-8")
    assert index.index_for(vectors, tmp_path).facts.n == 2000
    other = index.index_for(clustered(2000, 16, seed=5), tmp_path)
    assert len([*tmp_path.glob("*.faiss")]) == 2 and other.facts.vectors != file.stem


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(index, "EXACT_UP_TO", 1000)
    (tmp_path / "file").write_text("here", encoding="utf-8")
    with pytest.raises(EmbedLabError, match="could not be stored: its folder cannot be written"):
        index.index_for(clustered(2000, 16), tmp_path / "file")


def test_queries_of_another_width_are_refused():
    made = index.build(clustered(2000, 16), "IVF")
    with pytest.raises(EmbedLabError, match="queries of 15 dimensions were asked for; the index"):
        made.search(np.ones((1, 15), np.float32), 3)


@pytest.fixture
def lab() -> Lab:
    return tiny_lab(max_texts=400)


def test_a_lab_searches_by_the_index_and_scores_exactly(lab, monkeypatch):
    texts = words(*([5, 9, 3, 12] * 75), seed=3)
    corpus = corpus_of(texts)
    side = lab.embedded(corpus, Design.parse("causal/mean@0"))
    exact = lab.retrieve(texts[4], side, side, 10)[0]
    assert lab.index(side) is None
    monkeypatch.setattr(index, "EXACT_UP_TO", 200)
    monkeypatch.setattr(index, "AIM", 0.0)  # one list is read, so something is missed
    made = lab.index(side)
    assert made is lab.index(side) and made.facts.read == 1
    found = lab.retrieve(texts[4], side, side, 10)[0]
    assert found[0] == exact[0] and found != exact
    assert lab.retrieve(texts[4], side, side, 10, rows=range(300))[0] == exact
