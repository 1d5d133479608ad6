"""Every design on the same texts, with the real backbone: the table, and what it costs."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import bootstrap
from support.messages import MESSAGES, TOPICS, judged_folder

from embedlab import Design, StateCache, embed
from embedlab.analysis.contestants import KINDS
from embedlab.analysis.leaderboard import answer
from embedlab.data.corpora import load_corpus
from embedlab.data.corpus import Corpus
from embedlab.data.file_sets import read_files
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.entries import entries_for
from embedlab.lab.lab import Lab
from embedlab.lab.leaderboard import leaderboard, ranking

NAMES = (
    "causal/eos",
    "causal/mean@24+skip_first+centre",
    "causal/value_mean@16..30",
    "bidirectional/mean",
    "causal/last+filter1.5+centre?template=topic",
)


@pytest.fixture
def lab(smollm2):
    lab = Lab(Config(backbones=(BackboneEntry(id="smollm2-135m"),), limits=Limits(state_disk_mb=0)))
    backbone = smollm2.sibling(smollm2.name)
    backbone.cache = lab.states
    lab.models.put("smollm2-135m", backbone)
    return lab


def last(tables):
    *_, table = tables
    return table


def hits_by_hand(vectors, labels):
    """Whether the most frequent label of the ten nearest is a text's own, ties to the nearest."""
    hits = []
    for i, row in enumerate(vectors.astype(np.float64)):
        cosines = vectors.astype(np.float64) @ row
        near = [j for j in np.argsort(-cosines, kind="stable").tolist() if j != i][:10]
        votes = [labels[j] for j in near]
        winner = max(dict.fromkeys(votes), key=votes.count)
        hits.append(float(winner == labels[i]))
    return np.array(hits)


@pytest.mark.slow
def test_the_table_equals_each_design_alone_with_scipys_intervals(lab, smollm2):
    corpus = load_corpus("senses").sample(44, 0)
    bare = Corpus(id="own", title="senses", texts=corpus.texts, fields={"sense": corpus.labels})
    request = entries_for(lab, bare, designs=[Design.parse(name) for name in NAMES])
    table = last(leaderboard(lab, request))
    assert (request.passes, len(table.rows)) == (3, 5)
    alone = smollm2.sibling(smollm2.name)
    alone.cache = StateCache(10**9)
    for row in table.rows:
        hits = hits_by_hand(embed(corpus.texts, Design.parse(row.design), alone), corpus.labels)
        score = row.scores["knn_accuracy"]
        assert score.score == pytest.approx(hits.mean()), row.name
        ends = bootstrap(
            (hits,), np.mean, n_resamples=1000, method="percentile", rng=0
        ).confidence_interval
        assert (score.low, score.high) == pytest.approx(tuple(ends), abs=1e-9), row.name


@pytest.mark.slow
def test_a_hundred_support_messages_get_a_proposal_within_a_minute(lab, capsys):
    """Seen on two shared cores: see docs/figures.md."""
    messages = Corpus(id="own", title="pasted", texts=MESSAGES)
    began = time.perf_counter()
    request = entries_for(lab, messages, kinds=set(KINDS) - {"yardstick"})
    table = last(leaderboard(lab, request))
    ranked = ranking(lab, table, table.first_measure)
    seconds = time.perf_counter() - began
    words = answer(ranked, len(MESSAGES))
    with capsys.disabled():
        print(f"\n{len(table.rows)} designs, {request.passes} passes, {seconds:.1f} s", *words)
    assert "proposal and no result" in words[0]
    assert seconds < 60
    # Was it worth anything? The topics, which nobody had said, know.
    labelled = Corpus(id="own", title="pasted", texts=MESSAGES, fields={"topic": TOPICS})
    known = last(leaderboard(lab, entries_for(lab, labelled, kinds=set(KINDS) - {"yardstick"})))
    scores = {row.name: row.scores["knn_accuracy"].score for row in known.rows}
    assert scores[ranked.best.name] > scores["causal/eos"]


@pytest.mark.slow
def test_with_twenty_queries_and_judgements_there_is_a_table_with_intervals(lab, tmp_path, capsys):
    corpus = read_files([judged_folder(tmp_path / "set")], max_bytes=10**7, max_texts=1000)
    table = last(leaderboard(lab, entries_for(lab, corpus, kinds=KINDS)))
    ranked = ranking(lab, table, table.first_measure)
    with capsys.disabled():
        print("", *answer(ranked, 100), sep="\n")
    assert table.measures == ("ndcg_10",)
    assert ranked.standings["causal/eos"].separable
    for row in table.rows:
        score = row.scores["ndcg_10"]
        assert (score.n, 0 <= score.low < score.score < score.high <= 1) == (20, True)
