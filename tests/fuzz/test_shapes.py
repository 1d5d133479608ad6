"""No row is lost in silence: rows in = texts + rows left out, for every reader.

As in ``test_readers``, every example of hypothesis is a case, and ``EMBEDLAB_FUZZ=20`` runs twenty
times as many.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.fuzzing import CASES, case, clear, fuzz
from support.shapes import PARQUET_SHAPES, TEXT_SHAPES, Rows, delimited, records, write

from embedlab import EmbedLabError
from embedlab.data.readers import read_table
from embedlab.data.tables import Table, table_to_corpus

#: Cases this file has at least.
LEAST = 500
MOST = 1_000

WORDS = st.sampled_from(
    [
        *("the", "harbour", "was", "quiet,", "and", "cold;", "it's", "5%", "12", "naß", "über"),
        *('"We', 'leave"', '"at"', 'dawn,"', "C:\\new", "a|b", "#tag", "co-op", "(so)", "{x}"),
        *("[1,2]", "=1+1", "e.g.", "né", "—", "…", "null", "'tis", "a:b", "<b>", "&amp;"),
    ]
)
LABELS = st.sampled_from(["calm", "talk", "two words", "1"])


@st.composite
def row_lists(draw: Any, *, lines: bool) -> Rows:
    """Four to twelve texts of three to nine words, each begun by a word of its own."""
    gap = st.sampled_from([" ", " ", " ", "\n"] if lines else [" "])
    rows = []
    for i in range(draw(st.integers(4, 12))):
        words = draw(st.lists(WORDS, min_size=3, max_size=9))
        text = f"text{i} " + "".join(word + draw(gap) for word in words)
        rows.append((text.strip(), draw(LABELS)))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return tmp_path_factory.mktemp("shapes")


def read(folder: Path, ending: str, content: bytes) -> Table:
    path = folder / f"file{ending}"
    path.write_bytes(content)
    return read_table(path, max_texts=MOST)


def every_row_is_accounted_for(table: Table, rows: int | None = None) -> None:
    """Each row is in the table or left out with a reason, and so it is in the corpus made of it.

    Args:
        table: what was read.
        rows: how many the file has, where that is known.
    """
    found = sorted([*table.row_numbers, *(row for row, _ in table.left_out)])
    assert table.left_out_total == len(table.left_out)
    assert found == list(range(1, table.total + table.left_out_total + 1))
    assert all(reason.strip() for _, reason in table.left_out)
    if rows is not None:
        assert len(found) == rows
    try:
        corpus = table_to_corpus(table)
    except EmbedLabError as error:
        clear(str(error))
        return
    assert len(corpus.texts) == len(corpus.rows)
    assert sorted([*corpus.rows, *(row for row, _ in corpus.left_out)]) == found


@fuzz(300)
@given(
    st.sampled_from([*TEXT_SHAPES, *PARQUET_SHAPES]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.data(),
)
def test_what_was_written_is_read(
    folder: Path, shape: str, lines: bool, encoding: str, data: st.DataObject
) -> None:
    rows = data.draw(row_lists(lines=lines and "plain" not in shape))
    (ending, content), column = write(shape, rows, encoding)
    # Two backslashes are an escaped one only where marks are escaped too.
    assume("escaped" not in shape or any('"' in text for text, _ in rows))
    with case(f"written, {shape}"):
        table = read(folder, ending, content)
        assert table.columns[column] == [text for text, _ in rows]
        assert table.left_out == ()
        every_row_is_accounted_for(table, len(rows))


@fuzz(300)
@given(st.sampled_from(list(TEXT_SHAPES)), row_lists(lines=True), st.data())
def test_damage_loses_no_row_in_silence(
    folder: Path, shape: str, rows: Rows, data: st.DataObject
) -> None:
    (ending, content), _ = write(shape, rows)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        damage = data.draw(
            st.sampled_from([b'"', b",", b"\n", b"\\", b"}", b"{", b"]", b"\xff", b"\t", b"#", b""])
        )
        gone = data.draw(st.integers(0, 3))
        content = content[:at] + damage + content[at + gone :]
    with case("damaged shape"):
        every_row_is_accounted_for(read(folder, ending, content))


@fuzz(150)
@given(row_lists(lines=False), st.sampled_from([".jsonl", ".csv", ".txt", ".json"]), st.data())
def test_rows_that_cannot_be_used_are_counted(
    folder: Path, rows: Rows, ending: str, data: st.DataObject
) -> None:
    """Bad rows between good ones: the number of both is known."""
    bad = {
        ".jsonl": ["{broken", "17", "null", '{"text": "a" "b"}', "[]", '"'],
        ".json": ["17", "null", '{"text": "an "odd" one", "label": "x"}', "[]"],
        ".csv": ["one", "one,two,three", "a,b,c,d"],
        ".txt": ["", "  "],
    }[ending]
    good = {
        ".jsonl": lambda: list(map(json.dumps, records(rows))),
        ".json": lambda: list(map(json.dumps, records(rows))),
        ".csv": lambda: [delimited([row], header=("", "")).split("\n")[1] for row in rows],
        ".txt": lambda: [text for text, _ in rows],
    }[ending]()
    lines = list(good)
    # Fewer than the good ones, the first of which says what a row is.
    for line in data.draw(st.lists(st.sampled_from(bad), max_size=len(rows) // 2)):
        lines.insert(data.draw(st.integers(1, len(lines))), line)
    if ending == ".json":
        content = "[" + ",\n".join(lines) + "]"
    else:
        content = "\n".join(["text,label", *lines] if ending == ".csv" else [*lines, ""])
    with case(f"bad rows, {ending}"):
        table = read(folder, ending, content.encode())
        every_row_is_accounted_for(table, len(lines))
        texts = [cell for cell in next(iter(table.columns.values())) if cell.strip()]
        assert texts == [text for text, _ in rows]
        assert [lines[row - 1] for row in table.row_numbers if lines[row - 1].strip()] == good


@fuzz(60)
@given(st.text(st.sampled_from("abc \n\r\x0b\u2028,;"), max_size=60))
def test_lines_of_a_text_file(folder: Path, text: str) -> None:
    assume(text.strip())
    with case("lines"):
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        table = read(folder, ".txt", text.encode())
        every_row_is_accounted_for(table, len(lines) - (not lines[-1]))


@fuzz(40)
@given(row_lists(lines=False), st.integers(1, 6))
def test_rows_beyond_the_limit_are_counted(folder: Path, rows: Rows, limit: int) -> None:
    path = folder / "many.csv"
    content = delimited(rows, quoting=csv.QUOTE_ALL)
    path.write_text(content)
    with case("limit"):
        table = read_table(path, max_texts=limit)
        assert table.total == len(rows)
        assert len(table.row_numbers) == min(limit, len(rows))
        said = f"Only the first {limit:,} of {len(rows):,} rows were read." in table.notes
        assert said == (limit < len(rows))


def test_the_number_of_cases(record_property: Any) -> None:
    record_property("cases", sum(CASES.values()))
    print(f"\n{sum(CASES.values()):,} cases")
    if sum(name.startswith("written") for name in CASES) < 10:
        pytest.skip("only some of the fuzzers ran")
    assert sum(CASES.values()) >= LEAST
