"""Tables with more than one text a row: MTEB's layouts, queries with positives, scored pairs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedlab.data.corpus import Corpus
from embedlab.data.hub_dataset import load_hub_dataset
from embedlab.data.layouts import MATCHES, PAIRS, QUERIES, corpus_of, layout_of, passages, unfolded
from embedlab.data.readers import read_table
from embedlab.data.tables import Table
from embedlab.errors import EmbedLabError

KINDS = ("jsonl", "json", "csv", "parquet")


def write(folder: Path, kind: str, rows: list[dict[str, Any]], name: str = "data") -> Path:
    """The rows in a file of a kind; in csv a list is written as pandas does, in Python."""
    path = folder / f"{name}.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif kind == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Corpus:
    return corpus_of(read_table(write(folder, kind, rows)))


def answers(corpus: Corpus) -> dict[str, set[str]]:
    """The relevant texts of each query."""
    return {
        query: {corpus.texts[i] for i in relevant}
        for query, relevant in zip(corpus.queries, corpus.relevant, strict=True)
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [("sentences", "labels"), ("texts", "label"), ("Text", "Labels")])
def test_a_clustering_layout_is_unfolded(tmp_path, kind, names):
    text, label = names
    rows = [
        {text: [f"set {s} has sentence {i}" for i in range(3 + s)], label: list("aab" + "c" * s)}
        for s in range(3)
    ]
    table = read_table(write(tmp_path, kind, rows))
    assert table.row_numbers == (1,) * 3 + (2,) * 4 + (3,) * 5
    corpus = corpus_of(table)
    expected = [(t, one) for row in rows for t, one in zip(row[text], row[label], strict=True)]
    assert list(zip(corpus.texts, corpus.labels, strict=True)) == expected
    assert any("12 texts in 3 rows" in note for note in corpus.notes)


def test_only_the_first_texts_of_lists_are_read(tmp_path):
    path = write(tmp_path, "jsonl", [{"sentences": list("abcdef"), "labels": [1, 2] * 3}] * 2)
    table = read_table(path, max_texts=8)
    assert (len(table.columns["sentences"]), len(table.row_numbers), table.total) == (8, 8, 12)
    assert "Only the first 8 of 12 rows were read." in table.notes


def test_lists_that_do_not_fit_together_are_left_out(tmp_path):
    rows = [
        {"sentences": ["one", "two"], "labels": ["a", "b"]},
        {"sentences": ["three", "four"], "labels": ["a"]},
        {"sentences": [], "labels": []},
        {"sentences": ["five"], "labels": ["b"]},
    ]
    table = read_table(write(tmp_path, "jsonl", rows))
    assert table.columns["sentences"] == ["one", "two", "five"]
    assert table.row_numbers == (1, 1, 4)
    assert [row for row, _ in table.left_out] == [2, 3]
    assert "2 sentences, 1 labels" in table.left_out[0].reason


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_labels_in_levels_are_columns(tmp_path, kind):
    rows = [{"sentences": f"text number {i}", "labels": ["cs", f"cs.{i % 2}"]} for i in range(6)]
    table = read_table(write(tmp_path, kind, rows))
    assert table.columns["labels (level 1)"] == ["cs"] * 6
    assert table.columns["labels (level 2)"] == ["cs.0", "cs.1"] * 3


def test_pair_lists_are_unfolded(tmp_path):
    rows = [{"sent1": ["a b", "c d"], "sent2": ["e f", "g h"], "labels": [1, 0]}]
    corpus = read(tmp_path, "jsonl", rows)
    assert corpus.pairs == ((0, 1, 1.0), (2, 3, 0.0))
    assert corpus.texts == ("a b", "e f", "c d", "g h")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "names",
    [
        ("query", "positive", "negative"),
        ("question", "positives", "hard_negatives"),
        ("Query", "pos", "neg"),
        ("anchor", "relevant_documents", "negatives"),
    ],
)
def test_queries_with_lists_of_positives(tmp_path, kind, names):
    query, positive, negative = names
    rows = [
        {query: "which door?", positive: ["the red door", "a door"], negative: ["a wall"]},
        {query: "which cat?", positive: ["the black cat"], negative: ["a wall", "a dog"]},
        {query: "which door?", positive: ["the green door"], negative: ["the red door"]},
    ]
    corpus = read(tmp_path, kind, rows)
    assert answers(corpus) == {
        "which door?": {"the red door", "a door", "the green door"},
        "which cat?": {"the black cat"},
    }
    assert set(corpus.texts) == {t for row in rows for t in row[positive] + row[negative]}
    assert len(set(corpus.texts)) == len(corpus.texts)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_with_one_positive_each(tmp_path, kind):
    rows = [
        {"id": "1", "query": "who?", "positive": "nobody", "negative_1": "x", "negative_2": "y"},
        {"id": "2", "query": "why?", "positive": "because", "negative_1": "x", "negative_2": ""},
        {"id": "3", "query": "when?", "positive": " ", "negative_1": "z", "negative_2": ""},
    ]
    corpus = read(tmp_path, kind, rows)
    assert answers(corpus) == {"who?": {"nobody"}, "why?": {"because"}}
    assert corpus.texts == ("nobody", "x", "y", "because")
    assert "1 row was left out: no positive (row 3)." in corpus.notes
    assert corpus.left_out == ((3, "no positive"),) and corpus.rows == (1, 1, 1, 2)


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("names", ["passages", "ctxs"])
def test_positives_with_titles_and_ids(tmp_path, kind, names):
    def passage(i: int, title: str = "") -> dict[str, str]:
        return {"docid": f"d{i}", "title": title, "text": f"text {i}"}

    rows = [
        {"query": "q", f"positive_{names}": [passage(1, "T")], f"negative_{names}": [passage(2)]},
        {"query": "r", f"positive_{names}": [passage(3)], f"negative_{names}": [passage(1, "T")]},
    ]
    corpus = read(tmp_path, kind, rows)
    assert dict(zip(corpus.ids, corpus.texts, strict=True)) == {
        "d1": "T text 1",
        "d2": "text 2",
        "d3": "text 3",
    }
    assert answers(corpus) == {"q": {"T text 1"}, "r": {"text 3"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [("sentence1", "sentence2", "score"), ("s1", "s2", "label")])
def test_scored_pairs(tmp_path, kind, names):
    first, second, score = names
    rows = [
        {score: 4.5, first: "a b", second: "c d"},
        {score: 0, first: "c d", second: "e f"},
        {score: 2, first: "a b", second: ""},
    ]
    corpus = read(tmp_path, kind, rows)
    assert corpus.texts == ("a b", "c d", "e f")
    assert corpus.pairs == ((0, 1, 4.5), (1, 2, 0.0))
    assert "1 row was left out: no text (row 3)." in corpus.notes
    assert corpus.left_out == ((3, "no text"),) and corpus.rows == (1, 1, 2)


def test_pairs_without_a_score_are_queries_and_answers(tmp_path):
    rows = [{"sentence2": f"satz {i}", "sentence1": f"sentence {i}", "lang": "de"} for i in "abc"]
    corpus = read(tmp_path, "csv", rows)
    assert answers(corpus) == {f"sentence {i}": {f"satz {i}"} for i in "abc"}
    counted_from_0 = [{"sentence_0": "a q", "sentence_1": "an a", "sentence_2": "no a"}]
    corpus = read(tmp_path, "jsonl", counted_from_0)
    assert answers(corpus) == {"a q": {"an a"}} and corpus.texts == ("an a", "no a")


@pytest.mark.parametrize(
    ("columns", "layout"),
    [
        ({"query": ["a"], "positive": ["b"]}, QUERIES),
        ({"query": ["a"], "answer": ["b"]}, ""),
        ({"sentence1": ["a"], "sentence2": ["b"]}, MATCHES),
        ({"sentence1": ["a"], "sentence2": ["b"], "score": ["0.5"]}, PAIRS),
        ({"sentence1": ["a"], "sentence2": ["b"], "label": ["entailment"]}, ""),
        ({"sentence1": ["a"], "sentence2": ["b"], "is_duplicate": ["True"]}, PAIRS),
        ({"sentence1": ["a"], "sentence2": ["b"], "label": ["2"]}, ""),
        ({"sentence1": ["a"] * 4, "sentence2": ["b"] * 4, "gold_label": ["x", "y"] * 2}, ""),
        ({"sentence1": ["a"] * 4, "sentence2": ["b"] * 4, "kind": ["x", "y"] * 2}, ""),
        ({"sentence1": ["a"], "sentence2": ["b"], "sentence3": ["c"], "score": ["1"]}, ""),
        ({"sentence1": ["a"], "text2": ["b"]}, ""),
        ({"text": ["a"], "label": ["b"]}, ""),
    ],
)
def test_a_layout_is_told_by_its_columns(columns, layout):
    table = Table(columns=columns, total=len(next(iter(columns.values()))))
    assert layout_of(table) == layout


def test_a_column_that_is_named_is_the_text():
    table = Table(columns={"query": ["a b"], "positive": ["c d"]}, total=1)
    assert corpus_of(table).queries == ("a b",)
    assert corpus_of(table, "query").texts == ("a b",)
    assert corpus_of(table, QUERIES).texts == ("c d",)


def test_no_row_with_both():
    table = Table(columns={"query": ["a b", ""], "positive": ["", "c d"]}, total=2)
    with pytest.raises(EmbedLabError, match="No row of Your texts has text in each of 'query'"):
        corpus_of(table)


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("plain", ["plain"]),
        ("", []),
        ("[] ", []),
        ("[]", []),
        ('["a", "", "b"]', ["a", "b"]),
        ("['a', \"it's b\"]", ["a", "it's b"]),
        ("[not a list", ["[not a list"]),
        ("[sic] said he", ["[sic] said he"]),
        ('[{"title": "T", "text": "x"}, {"text": "y"}, null]', ["T x", "y"]),
        ('{"title": "T", "contents": "x"}', ["T x"]),
        ("{not an object", ["{not an object"]),
        ("[" * 500, ["[" * 500]),
        ("['a' 'b']", None),
        ("[1, 2]", []),
    ],
)
def test_texts_in_a_cell(cell, texts):
    found = passages(cell)
    assert (found and [passage.text for passage in found]) == texts


def test_a_hub_dataset_may_have_a_layout(monkeypatch):
    def rows(*rows):
        features = dict.fromkeys(rows[0])
        monkeypatch.setattr("embedlab.data.hub_dataset._hub_rows", lambda *_: (rows, features))
        return load_hub_dataset("somebody/something")

    corpus = rows({"query": "who is it?", "positive": ["nobody"], "negative": ["not me"]})
    assert answers(corpus) == {"who is it?": {"nobody"}} and len(corpus.texts) == 2
    corpus = rows({"sentences": ["one text", "another text"], "labels": ["a", "b"]})
    assert corpus.texts == ("one text", "another text") and corpus.labels == ("a", "b")


def test_one_text_that_looks_like_a_list_unfolds_nothing():
    table = Table(columns={"text": ["[1,2]", "no list", "nor this"]}, total=3)
    assert unfolded(table) == table
