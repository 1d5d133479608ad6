"""Texts with all that is known about them, read back from CSV, JSON lines and parquet."""

from __future__ import annotations

import csv
import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.render.text_files import DesignColumns, text_file, text_table

CORPUS = Corpus(
    id="own",
    title="Own",
    texts=("=1+1 is a formula", 'two\nlines, and "quotes"', "plain"),
    fields={"kind": ("a", "", "b"), "x under A": ("1", "2", "3")},
    columns={
        "price": ("1.5", "", "2.5"),
        "code": ("007", "1", "2"),
        "text": ("@x", "y", "z"),
        "count": ("3", "", "12"),
    },
    ids=("d1", "-d2", "d3"),
    rows=(4, 5, 9),
)
DESIGNS = [
    DesignColumns(
        letter="A", places=[(0.5, -1), (0, 1)], nearest=[[(2, 0.9), (0, 0.25)], [(1, 0.9)]]
    ),
    DesignColumns(letter="B", places=[(1, 1), (math.nan, 0)], nearest=[[(0, -0.5)], []]),
]
ROWS = [1, 2]


def table():
    return text_table(CORPUS, ROWS, DESIGNS, field="kind")


def test_the_columns_are_distinct_and_whole() -> None:
    header, rows = table()
    assert len(set(header)) == len(header)
    assert header[:4] == ["row", "id", "text", "label"]
    row = dict(zip(header, rows[0], strict=True))
    assert row["text"] == CORPUS.texts[1] and row["label"] == "" and row["row"] == 5
    assert row["price"] == "" and row["text (2)"] == "y"
    assert (row["x under A"], row["x under A (2)"]) == ("2", 0.5)
    assert row["nearest ids under A"] == ["d3", "d1"] and row["their cosines under A"] == [
        0.9,
        0.25,
    ]
    assert rows[1][header.index("nearest ids under B")] == []


def test_csv_runs_no_formula_and_keeps_lines() -> None:
    data = text_file("csv", *table(), "=caption").decode("utf-8-sig")
    about, header, *rows = csv.reader(io.StringIO(data))
    assert about == ["# =caption"]
    row = dict(zip(header, rows[0], strict=True))
    assert row["text"] == CORPUS.texts[1] and row["id"] == "'-d2"
    assert row["nearest ids under A"] == "d3 d1" and row["their cosines under A"] == "0.9 0.25"
    whole = text_table(CORPUS, [0], [], field="kind")
    assert "'=1+1 is a formula" in text_file("csv", *whole, "").decode("utf-8-sig")
    cells = [cell for line in rows for cell in line]
    assert not any(cell.startswith(("=", "@", "+")) for cell in cells)


def test_json_lines_have_lists_and_null_for_what_is_no_number() -> None:
    first, second = map(json.loads, text_file("jsonl", *table(), "").decode().splitlines())
    assert first["nearest ids under A"] == ["d3", "d1"] and first["text"] == CORPUS.texts[1]
    assert second["x under B"] is None and second["y under B"] == 0


def test_parquet_has_types_where_nothing_is_lost() -> None:
    read = pq.read_table(io.BytesIO(text_file("parquet", *table(), "what it is")))
    assert read.schema.metadata[b"embedlab.caption"] == b"what it is"
    assert read["price"].to_pylist() == [None, 2.5] and read["count"].to_pylist() == [None, 12]
    whole = text_table(CORPUS, [0, 1, 2], [], field="kind")
    read = pq.read_table(io.BytesIO(text_file("parquet", *whole, "")))
    assert read["code"].to_pylist() == ["007", "1", "2"]  # no number: its zeros would be lost
    assert read["count"].type == pa.int64() and read["text"].to_pylist() == list(CORPUS.texts)
    alone = [DesignColumns(letter="B", places=[(0, 0)], nearest=[[]])]
    data = text_file("parquet", *text_table(CORPUS, [2], alone), "")
    assert pq.read_table(io.BytesIO(data))["nearest ids under B"].to_pylist() == [[]]


def test_neighbours_are_named_by_what_tells_texts_apart() -> None:
    near = [DesignColumns(letter="A", places=[(0, 0)], nearest=[[(1, 0.5)]])]
    plain = Corpus(id="own", title="x", texts=("a", "b"), rows=(3, 8))
    assert "nearest rows under A" in text_table(plain, [0], near)[0]
    assert text_table(plain, [0], near)[1][0][-2] == [8]
    twice = Corpus(id="own", title="x", texts=("a", "b"), rows=(3, 3))  # both from one row's list
    header, [row] = text_table(twice, [0], near)
    assert row[header.index("nearest numbers under A")] == [2]


def test_an_unknown_kind_is_a_sentence() -> None:
    with pytest.raises(EmbedLabError, match="'xlsx' is not a kind of file; use one of csv"):
        text_file("xlsx", ["text"], [["a"]], "")
