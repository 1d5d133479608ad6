"""Own queries and judgements: scored under every design, as a loop over the files does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.judged_folders import DOCUMENTS, GRADES, QUERIES, beir_folder
from support.labs import tiny_lab

from embedlab import Design, embed
from embedlab.data.corpus import grades_of
from embedlab.data.file_sets import read_files
from embedlab.lab import views


@pytest.fixture(scope="module")
def lab():
    return tiny_lab()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read_files([beir_folder(tmp_path_factory.mktemp("own") / "beir")])


@pytest.mark.parametrize("design", ["causal/eos", "bidirectional/mean", "M3"])
def test_scores_equal_a_loop_over_the_files(lab, corpus, design):
    chosen = Design.parse(design)
    scores = lab.retrieval_scores(lab.embedded(corpus, chosen))
    documents = embed(list(DOCUMENTS.values()), chosen, lab.backbone())
    ndcg, mrr, recall = [], [], []
    for query, grades in GRADES.items():
        relevant = {document for document, grade in grades.items() if grade > 0}
        if not relevant:
            continue
        vector = embed([QUERIES[query]], chosen, lab.backbone(), query=True)[0]
        cosines = dict(zip(DOCUMENTS, documents @ vector, strict=True))
        first = sorted(cosines, key=lambda document: -cosines[document])[:10]
        gains = [grades.get(document, 0) / math.log2(r + 2) for r, document in enumerate(first)]
        best = sorted(grades.values(), reverse=True)
        ndcg.append(sum(gains) / sum(g / math.log2(r + 2) for r, g in enumerate(best)))
        ranks = [rank for rank, document in enumerate(first, start=1) if document in relevant]
        mrr.append(1 / ranks[0] if ranks else 0)
        recall.append(len(ranks) / len(relevant))
    assert scores.n_queries == 3
    assert scores.ndcg_10 == pytest.approx(np.mean(ndcg), abs=1e-5)
    assert scores.mrr_10 == pytest.approx(np.mean(mrr), abs=1e-5)
    assert scores.recall_10 == pytest.approx(np.mean(recall), abs=1e-5)


def test_ranked_lists_mark_the_relevant_texts(lab, corpus):
    side = lab.embedded(corpus, Design.parse("causal/mean"))
    hits, _ = lab.retrieve(QUERIES["q2"], side, side, 12)
    assert {corpus.ids[hit.id] for hit in hits if hit.relevant} == {"d4", "d7", "d11"}
    changed = views.movement(lab, side, lab.embedded(corpus, Design.parse("causal/eos")), seed=0)
    assert all(0 <= one.ndcg_after <= 1 for one in changed.changed if one.ndcg_after is not None)


def test_a_sample_keeps_ids_grades_and_scores(lab, corpus):
    part = corpus.sample(8, seed=2)
    assert part.queries and len(part.texts) == 8
    for query, relevant in zip(part.query_ids, part.relevant, strict=True):
        for i, grade in grades_of(relevant).items():
            assert GRADES[query][part.ids[i]] == grade
            assert part.texts[i] == DOCUMENTS[part.ids[i]]
    assert lab.retrieval_scores(lab.embedded(part, Design.parse("causal/mean"))).n_queries


def test_queries_without_judgements_have_no_scores(lab, tmp_path):
    folder = beir_folder(tmp_path / "beir")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    side = lab.embedded(read_files([folder]), Design.parse("causal/mean"))
    assert lab.retrieval_scores(side) is None
    assert views.quality(lab, side).ndcg_10 is None
