"""A leaderboard gives each design what it gives alone, with one pass for all that share it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis import metrics
from embedlab.analysis.contestants import KINDS
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import Prepared
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.lab.entries import entries_for
from embedlab.lab.leaderboard import leaderboard, ranking
from embedlab.lab.views import aligned_maps
from embedlab.models import yardstick

TEXTS = tuple(words(*range(3, 27), seed=4))
CORPUS = Corpus(
    id="own",
    title="mine",
    texts=TEXTS,
    fields={"kind": tuple(str(i % 3) for i in range(24)), "side": ("a", "b") * 12},
    queries=(TEXTS[4], TEXTS[7], "w1 w2"),
    relevant=(frozenset({4, 6}), frozenset({7}), frozenset({2})),
)
NAMES = ("causal/eos", "causal/mean@2", "M3", "causal/mean+centre", "bidirectional/mean")
DESIGNS = [Design.parse(name) for name in NAMES]


def counted(lab, monkeypatch):
    """The texts that go through the backbone, by attention mode."""
    backbone, seen = lab.backbone(), Counter()
    run = backbone.run_batch

    def count(batch, attention):
        seen[attention] += len(batch)
        return run(batch, attention)

    monkeypatch.setattr(backbone, "run_batch", count)
    return seen


def last(tables):
    *_, table = tables
    return table


def test_rows_come_one_by_one_and_equal_each_design_alone(monkeypatch):
    lab = tiny_lab()
    seen = counted(lab, monkeypatch)
    request = entries_for(lab, CORPUS, designs=DESIGNS)
    tables = list(leaderboard(lab, request))
    assert [len(table.rows) for table in tables] == [1, 2, 3, 4, 5, 5]
    assert [table.finished for table in tables] == [False] * 5 + [True]
    assert request.passes == 2
    # Texts and the one query that is none of them, once for each attention mode.
    assert seen == {"causal": 25, "bidirectional": 25}
    alone = tiny_lab()
    for row in tables[-1].rows:
        embedded = alone.embedded(CORPUS, Design.parse(row.design))
        queries = alone.query_vectors(embedded)
        ids, _ = metrics.retrieval.search(embedded.vectors, queries, 10)
        expected = {
            "ndcg_10": metrics.retrieval_scores(ids, CORPUS.relevant).ndcg_10,
            **{
                m: metrics.score(m, CORPUS, embedded.vectors) for m in ("knn_accuracy", "v_measure")
            },
        }
        assert {m: score.score for m, score in row.scores.items()} == pytest.approx(expected)
        assert row.cost.dimension == embedded.vectors.shape[1]
        assert row.cost.passes == 1 and row.cost.seconds > 0
        np.testing.assert_array_equal(
            lab.embedded(CORPUS, Design.parse(row.design)).vectors, embedded.vectors
        )
    assert [row.untrained for row in tables[-1].rows] == [False, False, True, False, False]


def test_a_second_table_makes_no_pass_even_without_hidden_states(monkeypatch):
    lab = tiny_lab()
    request = entries_for(lab, CORPUS, designs=DESIGNS)
    first = last(leaderboard(lab, request))
    lab.states._entries.clear()
    seen = counted(lab, monkeypatch)
    again = last(leaderboard(lab, entries_for(lab, CORPUS, designs=DESIGNS[::-1])))
    assert not seen
    costs = {row.name: row.cost.tokens for row in first.rows}
    assert {row.name: row.cost.tokens for row in again.rows} == costs


def test_the_field_of_labels_is_the_chosen_one():
    lab = tiny_lab()
    by_side = last(leaderboard(lab, entries_for(lab, CORPUS, designs=DESIGNS[:1], field="side")))
    embedded = lab.embedded(CORPUS, DESIGNS[0])
    expected = metrics.score("knn_accuracy", CORPUS, embedded.vectors, field="side")
    assert by_side.rows[0].scores["knn_accuracy"].score == pytest.approx(expected)


def test_designs_share_passes_by_attention_and_template():
    lab = tiny_lab()
    names = ["causal/mean", "causal/mean?template=task-retrieval", "causal/last?template=topic"]
    request = entries_for(lab, CORPUS, designs=[Design.parse(name) for name in names])
    # The document side of the retrieval instruction is plain.
    assert request.passes == 2
    assert [[each.name for each in group] for group in request.groups] == [names[:2], names[2:]]
    ensemble = entries_for(lab, CORPUS, designs=[Design.parse("causal/last?template=metaeol")])
    table = last(leaderboard(lab, ensemble))
    assert ensemble.passes == table.done == table.rows[0].cost.passes == 4


def test_what_is_not_possible_is_left_out_with_its_reason():
    lab = tiny_lab()
    lab.backbone().refused["bidirectional"] = "it does not obey the mask"
    two = corpus_of(["w1 w2", "w3 w4"])
    names = ["causal/eos", "bidirectional/mean", "causal/mean@9", "causal/mean+abtt4"]
    request = entries_for(lab, two, designs=[Design.parse(name) for name in names])
    table = last(leaderboard(lab, request))
    assert [row.name for row in table.rows] == ["causal/eos"]
    reasons = dict(table.left_out)
    assert "does not obey" in reasons["bidirectional/mean"]
    assert "9" in reasons["causal/mean@9"]
    assert set(reasons) == set(names[1:])
    with pytest.raises(EmbedLabError, match="no design to compare"):
        entries_for(lab, two, designs=[Design.parse("causal/mean@9")])


def test_a_deployment_bounds_the_number_of_designs():
    lab = tiny_lab(max_designs=3)
    with pytest.raises(EmbedLabError, match=r"5 designs were asked for.*up to 3"):
        entries_for(lab, CORPUS, designs=DESIGNS)
    with pytest.raises(EmbedLabError, match="24 texts are more than the 5"):
        entries_for(tiny_lab(max_texts=5), CORPUS, designs=DESIGNS)


def test_a_stopped_table_goes_on_where_it_was(monkeypatch):
    lab = tiny_lab()
    request, rows, stop = entries_for(lab, CORPUS, designs=DESIGNS), [], []

    def progress(done, total, what):
        if stop:
            raise Cancelled

    with pytest.raises(Cancelled):
        for table in leaderboard(lab, request, progress):
            rows.append(len(table.rows))
            stop.extend([True] * (len(table.rows) == 3))
    assert rows == [1, 2, 3]
    seen = counted(lab, monkeypatch)
    assert len(last(leaderboard(lab, request)).rows) == 5
    assert seen == {"bidirectional": 25}


def test_time_is_up_for_the_whole_table_and_no_design_is_blamed(monkeypatch):
    lab = tiny_lab()
    request, clock = entries_for(lab, CORPUS, designs=DESIGNS), [0.0]
    monkeypatch.setattr("embedlab.progress.time.monotonic", lambda: clock[0])
    tables = leaderboard(lab, request)
    assert len(next(tables).rows) == 1
    clock[0] = 60.0 * lab.config.limits.max_work_minutes + 1
    with pytest.raises(EmbedLabError, match="longer than the 10 minutes"):
        next(tables)


def test_trained_models_stand_beside_the_untrained(monkeypatch):
    lab = tiny_lab()
    plain = lab.backbone()
    models = {"run:1": plain.sibling("my-run", digest="trained")}
    monkeypatch.setattr(lab, "backbone", lambda name="", *_: models.get(name, plain))
    also = [(Design.parse("causal/eos"), "run:1")]
    request = entries_for(lab, CORPUS, designs=DESIGNS[:1], also=also)
    assert [entry.name for entry in request.entries] == ["causal/eos", "my-run · causal/eos"]
    assert request.passes == 2
    assert [row.model for row in last(leaderboard(lab, request)).rows] == ["tiny", "run:1"]


def test_vectors_from_a_file_are_a_row_that_costs_no_pass():
    rows = np.eye(24, dtype=np.float32)[[i % 3 for i in range(24)]]
    corpus = replace(CORPUS, prepared={"mine": Prepared(name="mine", vectors=rows)})
    lab = tiny_lab()
    request = entries_for(lab, corpus, designs=DESIGNS[:1], kinds=["steps"])
    table = last(leaderboard(lab, request))
    row = next(row for row in table.rows if row.name == "file: mine")
    assert (row.design, row.model) == ("file: mine", "file: mine")
    assert (row.cost.passes, row.cost.tokens, row.cost.seconds) == (0, 0, None)
    assert row.scores["knn_accuracy"].score == 1.0  # its vectors are the labels
    assert "ndcg_10" not in row.scores and "no vectors of the queries" in row.note
    assert ranking(lab, table, "knn_accuracy").best.name == "file: mine"
    assert table.rows[-1] is row and "file: mine" in table.agreement.names


def test_the_yardstick_is_optional(monkeypatch, tmp_path):
    lab = tiny_lab()
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path))
    request = entries_for(lab, CORPUS, designs=DESIGNS[:1], kinds=["yardstick"])
    assert not request.yardstick and request.size == 1
    assert "embedlab assets minilm" in dict(request.left_out)[yardstick.NAME]


def test_a_yardstick_is_scored_like_a_design(monkeypatch):
    lab = tiny_lab()
    monkeypatch.setattr(yardstick, "missing", lambda: "")
    monkeypatch.setattr(yardstick, "dimension", lambda: 24)
    monkeypatch.setattr(yardstick, "token_count", len)
    monkeypatch.setattr(
        yardstick, "vectors", lambda texts: np.eye(24, dtype=np.float32)[: len(texts)]
    )
    request = entries_for(lab, CORPUS, designs=DESIGNS[:2], kinds=["yardstick"])
    table = last(leaderboard(lab, request))
    row = table.rows[-1]
    assert (row.name, row.yardstick, row.cost.dimension) == ("MiniLM", True, 24)
    assert set(row.scores) >= {"ndcg_10", "knn_accuracy"}
    assert ranking(lab, table, "ndcg_10").best.design in NAMES
    assert table.agreement.names == ["causal/eos", "causal/mean@2", "MiniLM"]


def test_unlabelled_texts_are_measured_without_labels():
    lab = tiny_lab()
    table = last(leaderboard(lab, entries_for(lab, corpus_of(TEXTS), designs=DESIGNS)))
    assert table.measures == ("entropy",)
    ranked = ranking(lab, table, table.first_measure)
    assert ranked.best is not None and not ranked.best.untrained
    few = last(leaderboard(lab, entries_for(lab, corpus_of(TEXTS[:3]), designs=DESIGNS[:2])))
    assert few.measures == () and [row.scores for row in few.rows] == [{}, {}]


@pytest.mark.parametrize("texts", [("w1 w2",), ("w1 w2",) * 14, ("w1", "w2")])
def test_one_text_equal_texts_and_two_texts_give_a_table(texts):
    lab = tiny_lab()
    kinds = [kind for kind in KINDS if kind != "yardstick"]
    table = last(leaderboard(lab, entries_for(lab, corpus_of(texts), kinds=kinds)))
    assert table.rows
    assert len(table.rows) + len(table.left_out) == len(table.request.entries) + len(
        table.request.left_out
    )
    ranking(lab, table, table.first_measure)


def test_small_maps_of_two_designs_are_the_maps_of_the_pair():
    lab = tiny_lab()
    repeated = corpus_of([*TEXTS, *TEXTS[:3]])
    for corpus in (CORPUS, repeated):
        sides = [lab.embedded(corpus, design) for design in DESIGNS[:3]]
        maps = aligned_maps(lab, sides)
        pair = lab.maps(sides[0], sides[1])
        assert pair.method == "PCA"
        np.testing.assert_allclose(maps[0], pair.a, atol=1e-5)
        np.testing.assert_allclose(maps[1], pair.b, atol=1e-5)
        assert maps[2].shape == (len(corpus.texts), 2)
    np.testing.assert_array_equal(aligned_maps(lab, sides)[2][24:], maps[2][:3])


def test_the_designs_of_all_kinds_share_few_passes():
    request = entries_for(tiny_lab(), corpus_of(TEXTS), kinds=set(KINDS) - {"yardstick"})
    assert len(request.entries) >= 25
    assert request.passes <= 11
