"""Judgements by hand: what they change in a corpus, and the file that they are kept in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from embedlab.data.corpus import Corpus, grades_of
from embedlab.data.judgements import read_judgements
from embedlab.data.marks import judged, marked, qrels, read_marks, with_read

CORPUS = Corpus(
    id="own",
    title="Mine",
    texts=("the shop", "a door", "it opens at ten", "a door"),
    ids=("d1", "d2", "d3", "d4"),
    queries=("when?", "where?"),
    query_ids=("q1", "hand1"),
    relevant=(frozenset({2}), frozenset({0})),
)


def test_a_mark_is_taken_back_by_the_same_press() -> None:
    one = marked({}, "when?", "a door", 1)
    assert one == {"when?": {"a door": 1}}
    assert marked(one, "when?", "a door", 0) == {"when?": {"a door": 0}}
    assert marked(one, "when?", "a door", 1) == {}
    assert one == {"when?": {"a door": 1}}  # nothing is changed in place


def test_marks_decide_over_the_corpus_and_add_queries() -> None:
    marks = {"when?": {"a door": 1, "it opens at ten": 0}, "new": {"the shop": 1}, "else": {"x": 1}}
    corpus = judged(CORPUS, marks)
    assert corpus.queries == ("when?", "where?", "new")
    assert corpus.query_ids == ("q1", "hand1", "hand2")
    assert [set(grades_of(each)) for each in corpus.relevant] == [{1, 3}, {0}, {0}]
    assert judged(CORPUS, {"else": {"x": 1}}) is CORPUS
    graded = replace(CORPUS, relevant=({2: 2.0}, {0: 1.0}))
    assert judged(graded, {"when?": {"a door": 1, "it opens at ten": 1}}).relevant[0] == {
        2: 2.0,
        1: 1,
        3: 1,
    }


@pytest.mark.parametrize("ids", [True, False])
def test_saved_judgements_read_back_as_the_same(tmp_path: Path, ids: bool) -> None:
    corpus = CORPUS if ids else replace(CORPUS, ids=(), query_ids=(), rows=(3, 5, 8, 9))
    marks = {"when?": {"a door": 1.0, "the shop": 0.0}, "a new\tone": {"the shop": 1.0}}
    path = tmp_path / "qrels.tsv"
    path.write_text(qrels(corpus, marks), encoding="utf-8")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0] == ["query-id", "corpus-id", "score", "query"]
    first = "q1"
    documents = ["d1", "d2", "d3", "d4"] if ids else ["3", "5", "8", "9"]
    assert [line[:3] for line in lines if line[0] == first] == [
        [first, document, score] for document, score in zip(documents, "0111", strict=True)
    ]
    # Any reader of qrels takes it: the fourth column is beyond the three.
    assert len(read_judgements(path).rows) == len(lines) - 1
    read, said = with_read({}, read_marks(path), corpus)
    assert read == {"when?": {"a door": 1, "the shop": 0}, "a new one": {"the shop": 1}}
    assert said == "6 of 6 judgements were read."


def test_judgements_of_something_else_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq9\td1\t1\nq1\td9\t1\nq1\td2\tx\n")
    read, said = with_read({}, read_marks(path), CORPUS)
    assert read == {"when?": {"the shop": 1}}
    assert said.startswith("1 of 4 judgements were read.") and "'q9'" in said
