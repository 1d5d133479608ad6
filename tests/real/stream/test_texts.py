"""What a stream reads of a source: the same texts as the readers of whole files."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from embedlab import EmbedLabError
from embedlab.data.readers import read_table
from embedlab.data.rows import Unreadable
from embedlab.stream import text_files
from embedlab.stream.inputs import sources_of
from embedlab.stream.texts import Columns, Walk, find_columns, sample

ROWS = [
    {"id": f"d{i}", "text": f'text number {i}, said "so"\nand more é', "n": i} for i in range(1, 8)
]


def source(path, out="out"):
    (only,), _ = sources_of([str(path)], path.parent / out)
    return only


def texts(path, size=3, **columns):
    walk = Walk(source=source(path), columns=Columns(**{"text": "text", **columns}), size=size)
    return walk, [text for block in walk for text in block.texts]


def write(path, rows):
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv", "tsv"])
def test_every_kind_gives_rows_ids_and_texts(tmp_path, kind):
    path = write(tmp_path / f"own.{kind}", ROWS)
    columns = find_columns([source(path)], None, None)
    assert (columns.text, columns.id) == ("text", "id")
    walk, found = texts(path, id="id")
    assert [tuple(text) for text in found] == [
        (i, row["id"], row["text"]) for i, row in enumerate(ROWS, start=1)
    ]
    assert (walk.texts, walk.blocks, walk.done()) == (7, 3, 1.0)
    # Blocks that are there are not given again, and those that are have the same texts.
    again = Walk(source=source(path), columns=Columns(text="text"), size=3)
    assert [(block.number, block.texts[0].row) for block in again.without({0, 2})] == [(1, 4)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"one, two",x\n"a ""quoted"" one",y\n,z\nlast,w\n'),
        ("b.csv", 'text;label\nun été;x\n"deux\r\nlignes";y\nstray " mark;z\n'),
        ("c.csv", 'text,label\n"never closed,x\nfine,y\nalso fine,z\nmore,y\n'),
        ("d.tsv", 'text\tlabel\nsays "hello\tx\nsecond\ty\n'),
        ("e.txt", "one\r\n\r\ntwo\rthree\n"),
        (
            "f.jsonl",
            '{"text": "one", "n": 1}\n\n{"text": null}\nnot json\n{"text": "two\\nlines"}\n',
        ),
        ("g.csv", "one text alone, with commas\nanother one, with more\nand a third, the last\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_are_those_of_the_readers_of_whole_files(tmp_path, name, content, encoding):
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    table = read_table(path)
    column = table.text_column or "text"
    expected = [
        (row, cell.strip())
        for row, cell in zip(table.row_numbers, table.columns[column], strict=True)
        if cell.strip()
    ]
    walk, found = texts(path, text=column)
    assert [(text.row, text.text) for text in found] == expected
    assert len(found) + sum(walk.left_out.values()) == table.total + table.left_out_total


def test_lines_of_text_stand_beside_tables_of_any_columns(tmp_path):
    (tmp_path / "a.txt").write_text("a line of text\n")
    write(
        tmp_path / "b.csv", [{"key": "k1", "review": "one of them"}, {"key": "k2", "review": "x y"}]
    )
    sources, _ = sources_of([str(tmp_path)], tmp_path / "out")
    columns = find_columns(sources, "review", "key")
    assert find_columns(sources, None, None) == replace(columns, id_named=False)
    found = [
        text
        for source in sources
        for block in Walk(source=source, columns=columns, size=5)
        for text in block.texts
    ]
    assert found == [(1, "", "a line of text"), (1, "k1", "one of them"), (2, "k2", "x y")]


def test_bytes_that_are_no_text_are_counted(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes("fine é\nbroken ".encode() + b"\xff\n" + "è à ü\n".encode() * 5)
    walk, found = texts(path)
    assert found[1].text == "broken \ufffd"
    assert walk.mended == 1


def test_a_stray_quotation_mark_swallows_no_more_than_the_longest_line(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "LONGEST", 2_000)
    rows = [f"row {i},x" for i in range(30_000)]
    rows[20_000] = '"never closed,x'
    path = tmp_path / "own.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    _, found = texts(path)
    assert len(found) == 30_000
    assert found[20_001].text == "row 20001"


def test_a_line_without_end_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "LONGEST", 100)
    path = tmp_path / "own.txt"
    path.write_text("one\n" + "x" * 1_000 + "\ntwo\n")
    walk, found = texts(path)
    assert [(text.row, text.text) for text in found] == [(1, "one"), (3, "two")]
    assert walk.left_out.total() == 1


def test_two_columns_are_joined_and_parts_of_structs_are_columns(tmp_path):
    rows = [{"title": "A title", "data": {"text": f"body {i}"}} for i in range(3)]
    for name in ("own.jsonl", "own.parquet"):
        _, found = texts(write(tmp_path / name, rows), text="title + data.text")
        assert [text.text for text in found] == [f"A title body {i}" for i in range(3)]


def test_a_source_without_the_column_says_what_it_has(tmp_path):
    for kind in ("parquet", "jsonl", "csv"):
        path = write(tmp_path / f"own.{kind}", [{"body": "a", "n": 1}, {"body": "b", "n": 2}])
        with pytest.raises(Unreadable, match="has no column 'text'; its columns are 'body'"):
            texts(path)


def test_damaged_files_are_unreadable(tmp_path):
    whole = write(tmp_path / "own.parquet", ROWS).read_bytes()
    for name, content in (
        ("cut.parquet", whole[:-20]),
        ("empty.csv", b""),
        ("nul.txt", b"a\0b\n"),
        ("no.jsonl", b"not json\n"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(Unreadable):
            texts(path)


def test_inputs_are_files_folders_and_globs_in_a_fixed_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.csv",
        "a.jsonl",
        "in/c.txt",
        "in/README.md",
        "in/.hidden.txt",
        "in/out/v.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    sources, notes = sources_of(["*.csv", "a.jsonl", "in"], tmp_path / "in/out")
    assert [each.name for each in sources] == ["b.csv", "a.jsonl", "in/c.txt"]
    assert notes == ["1 file of 'in' is of another kind and left out, such as 'README.md'."]
    for inputs, words in (
        (["gone.csv"], "'gone.csv' is no file, folder or glob"),
        (["in/README.md"], "'README.md' cannot be read as a stream"),
        (["b.csv", "*.csv"], "1 of the 2 inputs are named twice"),
        (["owner/name"], "HF_HUB_OFFLINE"),
    ):
        with pytest.raises(EmbedLabError, match=words):
            sources_of(inputs, tmp_path / "out")


def test_a_sample_is_drawn_from_all_sources_and_says_so(tmp_path):
    for i in range(40):
        (tmp_path / f"{i:02d}.txt").write_text("".join(f"text {i} {j}\n" for j in range(50)))
    sources, _ = sources_of([str(tmp_path)], tmp_path / "out")
    drawn, where = sample(sources, Columns(text="text"), 100)
    assert where == "100 texts drawn from 16 of 40 inputs (seed 0)"
    assert len(set(drawn)) == 100
    # Of 16 sources with 50 texts each, every one gives about 6: none is left out or taken whole.
    counts = [sum(f"text {i} " in text for text in drawn) for i in range(0, 32, 2)]
    assert min(counts) > 0 and max(counts) < 20
