"""``embedlab read``: what it says of a file, for people and as JSON; and files of vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.command_line import run

from embedlab.cli.vector_files import index_file, save_vectors
from embedlab.data.readers import read_table
from embedlab.data.reading import spans
from embedlab.data.tables import table_to_corpus

REVIEWS = (
    "code,when,opinion,mood\n"
    "r1,2024-01-01,The soup was cold today.,bad\n"
    "r2,2024-01-02,,good\n"
    "r3,2024-01-03,A lovely evening by the sea.,good\n"
    "r4,2024-01-04,The soup was cold today.,\n"
    "r5,2024-01-05,'=1+1 is what the waiter said.,bad\n"
    "r6,2024-01-06,We will come again in May.,good\n"
)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text(REVIEWS, encoding="utf-8")
    return path


def test_json_has_everything(reviews):
    code, out, _ = run("read", reviews, "--json")
    found = json.loads(out)
    assert code == 0 and found["file"] == "reviews.csv" and found["encoding"] == "utf-8"
    assert found["columns"] == ["code", "when", "opinion", "mood"]
    assert (found["text_column"], found["label_column"]) == ("opinion", "mood")
    assert [text["row"] for text in found["texts"]] == [1, 3, 4, 5, 6]
    assert [text["label"] for text in found["texts"]] == ["bad", "good", None, "bad", "good"]
    assert found["texts"][3]["text"] == "=1+1 is what the waiter said."
    assert found["left_out"] == [{"row": 2, "reason": "no text"}] and found["left_out_total"] == 1
    assert found["repeated"] == 1 and found["pairs"] == []
    assert len(found["texts"]) + len(found["left_out"]) == 6
    assert "column 'opinion', the first one “The soup was cold today.”" in found["notes"][0]


def test_people_get_the_columns_the_texts_and_what_is_left_out(reviews):
    code, out, _ = run("read", reviews)
    assert code == 0
    for line in (
        "reviews.csv: 5 texts in utf-8",
        "text column: opinion",
        "label column: mood",
        "labels: bad 2, good 2, unlabelled 1",
        "texts that repeat an earlier one: 1",
        "Row 2 was left out: no text.",
    ):
        assert line in out.splitlines()


def test_rows_left_out_are_said_once_and_all_of_them(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(['{"text": "one two"}', "{broken", '{"text": "three"}', "7"]))
    _, out, _ = run("read", path)
    assert sum("row 2" in line.lower() for line in out.splitlines()) == 1
    many = ['{"text": "one two"}', *["{broken"] * 8, '{"text": "three"}']
    path.write_text("\n".join(many))
    _, out, _ = run("read", path)
    assert "Rows 2–9 were left out" in out


def test_columns_and_encoding_are_chosen(reviews, tmp_path):
    code, out, _ = run(
        "read", reviews, "--text-column", "mood + opinion", "--label-column", "", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["label_column"] is None
    assert found["texts"][0]["text"] == "bad The soup was cold today."
    other = tmp_path / "other.csv"
    other.write_bytes("text,label\ncafé au lait,a\nthé vert,b\n".encode("cp1252"))
    _, out, _ = run("read", other, "--encoding", "cp1251", "--json")
    assert json.loads(out)["texts"][0]["text"] == "cafй au lait"
    code, _, err = run("read", reviews, "--text-column", "nope")
    assert code == 2 and "no column 'nope'; its columns are 'code'" in err


def test_pairs(pairs_file):
    code, out, _ = run("read", pairs_file, "--pairs", "--json")
    found = json.loads(out)
    assert code == 0 and len(found["pairs"]) == 30
    first = found["pairs"][0]
    assert (first["anchor"], first["positive"]) == ("how to cook dish 0", "put pot 0 on the fire")
    assert run("read", pairs_file, "--pairs")[0] == 0


def test_nothing_that_can_be_read_is_one_line(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id,link\n1,https://a.org/x\n2,https://a.org/y\n3,https://a.org/z\n")
    code, out, err = run("read", path)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "'id' (only numbers), 'link' (links)" in err


def test_vectors_keep_ids_and_row_numbers(reviews, tmp_path):
    text = REVIEWS.replace("code", "id")
    reviews.write_text(text, encoding="utf-8")
    corpus = table_to_corpus(read_table(reviews))
    vectors = np.eye(5, dtype=np.float32)
    save_vectors(tmp_path / "v.parquet", vectors, corpus, {"design": "M1"})
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["row", "id", "text", "label", "vector"]
    assert table["row"].to_pylist() == [1, 3, 4, 5, 6]
    assert table["id"].to_pylist() == ["r1", "r3", "r4", "r5", "r6"]
    assert table["label"].to_pylist() == ["bad", "good", None, "bad", "good"]
    assert json.loads(table.schema.metadata[b"embedlab.left_out"]) == [[2, "no text"]]
    save_vectors(tmp_path / "v.npy", vectors, corpus)
    assert np.load(tmp_path / "v.npy").shape == (5, 5)
    index = index_file(tmp_path / "v.npy")
    assert index.name == "v.index.csv"
    for file in (index, tmp_path / "v.parquet"):
        again = table_to_corpus(read_table(file), label_column="label")
        assert (again.texts, again.ids) == (corpus.texts, corpus.ids)
        assert again.labels == corpus.labels
    rows = read_table(index).columns["row"]
    assert [int(row) for row in rows] == list(corpus.rows)


def test_spans():
    assert spans([]) == "" and spans([4]) == "4" and spans([1, 2, 3, 7]) == "1–3 and 7"
    assert spans([9, 5, 1]) == "1, 5 and 9"
    assert spans(list(range(1, 100, 2)), most=3) == "1, 3, 5, …"
