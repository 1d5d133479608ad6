"""One query everywhere, and outcomes by query, against loops over the vectors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design, embed
from embedlab.lab import retrieving
from embedlab.lab.lab import Lab

TEXTS = words(*([5, 9, 3, 12] * 5), seed=5)
QUERIES = tuple(words(4, 5, 6, seed=9))
RELEVANT = (frozenset({1, 7}), frozenset({3}), frozenset())
CORPUS = replace(corpus_of(TEXTS), queries=QUERIES, relevant=RELEVANT)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


def ndcg(lab: Lab, design: Design, query: int) -> float:
    vectors, [asked] = (
        embed(texts, design, lab.backbone(), query=texts is not TEXTS)
        for texts in (TEXTS, [QUERIES[query]])
    )
    best = sorted(range(len(TEXTS)), key=lambda i: -float(vectors[i] @ asked))[:10]
    gained = sum(1 / math.log2(r + 2) for r, i in enumerate(best) if i in RELEVANT[query])
    return gained / sum(1 / math.log2(r + 2) for r in range(len(RELEVANT[query])))


def test_outcomes_are_the_scores_of_each_judged_query(lab: Lab) -> None:
    designs = [Design.parse(name) for name in ("causal/eos", "causal/mean")]
    found = retrieving.outcomes(lab, *(lab.embedded(CORPUS, each) for each in designs))
    by_hand = {q: [ndcg(lab, design, q) for design in designs] for q in (0, 1)}
    assert sorted(found.queries.tolist()) == [0, 1]
    for query, a, b in zip(found.queries.tolist(), found.a, found.b, strict=True):
        assert [a, b] == pytest.approx(by_hand[query], abs=1e-6)
    assert (np.diff(found.differences) >= 0).all()
    wins = [sum(a > b for a, b in by_hand.values()), sum(b > a for a, b in by_hand.values())]
    assert found.wins == (*wins, 2 - sum(wins))
    assert found.low <= found.differences.mean() <= found.high
    bare = lab.embedded(corpus_of(TEXTS), designs[0])
    assert retrieving.outcomes(lab, bare, bare) is None


def test_every_design_answers_or_says_why_not(lab: Lab) -> None:
    designs = {
        name: Design.parse(name) for name in ("causal/eos", "causal/mean@99", "bidirectional/mean")
    }
    found = retrieving.answers(lab, QUERIES[0], CORPUS, designs, "", 3)
    assert [answer.name for answer in found] == list(designs)
    assert "layer" in found[1].reason and not found[1].ids
    for answer in (found[0], found[2]):
        vectors = embed(TEXTS, answer.design, lab.backbone())
        [asked] = embed([QUERIES[0]], answer.design, lab.backbone(), query=True)
        order = sorted(range(len(TEXTS)), key=lambda i: -float(vectors[i] @ asked))
        assert list(answer.ids) == order[:3] and not answer.reason
        assert answer.ndcg == pytest.approx(ndcg(lab, answer.design, 0), abs=1e-6)
    unjudged = retrieving.answers(lab, "w3 w4", CORPUS, {"eos": Design()}, "", 3)
    assert unjudged[0].ndcg is None and len(unjudged[0].ids) == 3
