"""Judgements (qrels): which document is relevant to which query, in the forms that are in use.

BEIR's three columns with a header, the same without one, TREC's four, two without a score, and
nested JSON as Python's evaluators take it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from embedlab.data.decoding import decode
from embedlab.data.tables import Table, named_column, text_lines
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

QUERY_IDS = ("query_id", "queryid", "qid", "topic_id")
_DOCUMENT_IDS = (
    *("corpus_id", "corpusid", "doc_id", "docid", "did", "docno", "document_id", "passage_id"),
    "pid",
)
#: Columns that hold ids in judgements, and texts elsewhere.
_QUERIES, _DOCUMENTS = ("query", "topic"), ("document", "doc", "passage")
_SCORE_NAMES = ("score", "relevance", "rel", "label", "grade", "relevance_label", "judgement")
#: The columns of judgements without a header, by how many there are; TREC's second is not used.
_COLUMNS = {2: (0, 1, None), 3: (0, 1, 2), 4: (0, 2, 3)}
#: The columns of a ranked list as TREC writes it.
_RANKING_COLUMNS = 6


class Judgement(NamedTuple):
    """A document's grade for a query, and the number of the row that says so."""

    query: str
    document: str
    grade: float
    row: int


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """The judgements of a file, and the numbers of its rows that are none."""

    rows: Sequence[Judgement]
    unusable: Sequence[int] = ()


def read_judgements(path: Path) -> Judgements:
    """Judgements in a text file: BEIR's three columns, TREC's four, or two without a score.

    They are separated by tabs, commas, semicolons or white space, with a header or without.

    Raises:
        EmbedLabError: the file has other columns.
    """
    text = clean_text(decode(path.read_bytes())[0])
    lines = [line for line in text_lines(text) if line.strip()]
    separator = next((s for s in "\t,;" if lines and s in lines[0]), None)
    rows = [[cell.strip().strip('"') for cell in line.split(separator)] for line in lines]
    columns = _named_columns(rows[0]) if rows else None
    if columns:
        rows = rows[1:]
    width = len(rows[0]) if rows else 0
    if rows and not columns and width not in _COLUMNS:
        what = ", as ranked lists have" if width == _RANKING_COLUMNS else ""
        raise EmbedLabError(
            f"{path.name[-60:]!r} has rows of {width} columns{what}; judgements have a query's id, "
            "a document's id and a score, or TREC's four columns."
        )
    return _judgements(rows, columns or _COLUMNS.get(width, (0, 1, 2)))


def parquet_judgements(path: Path) -> Judgements | None:
    """The judgements in a parquet file with columns for both ids, else None.

    The ids may be numbers, so that there need not be any text in it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        columns = _named_columns(names, known=False)
        if columns is None:
            return None
        used = [names[i] for i in columns if i is not None]
        table = pq.read_table(path, columns=used, use_threads=False)
        cells = [map(str, table.column(name).to_pylist()) for name in used]
    except (pa.ArrowException, OSError, ValueError):
        return None  # read_table says what is wrong with it
    return _judgements(zip(*cells, strict=True), (0, 1, 2 if len(used) == 3 else None))


def judgements_of(table: Table, *, known: bool) -> Judgements | None:
    """The judgements in a table that has columns for both ids, else None.

    Args:
        table: any table.
        known: it is known to hold judgements, so that a column "query" holds ids and not texts.
    """
    columns = _named_columns(list(table.columns), known=known)
    if columns is None:
        return None
    rows = zip(*table.columns.values(), strict=True)
    return _judgements([[cell.strip() for cell in row] for row in rows], columns)


def _named_columns(
    header: Sequence[str], *, known: bool = True
) -> tuple[int, int, int | None] | None:
    """Where a header has the query's id, the document's id and the score; None for no header."""
    query = named_column(header, (*QUERY_IDS, *(_QUERIES if known else ())))
    document = named_column(header, (*_DOCUMENT_IDS, *(_DOCUMENTS if known else ())))
    if query is None or document is None:
        return None
    score = named_column(header, _SCORE_NAMES)
    return (
        header.index(query),
        header.index(document),
        None if score is None else header.index(score),
    )


def _judgements(rows: Iterable[Sequence[str]], columns: tuple[int, int, int | None]) -> Judgements:
    query, document, score = columns
    read, unusable = [], []
    for number, row in enumerate(rows, start=1):
        grade = 1.0 if score is None else _number(row[score]) if score < len(row) else None
        complete = max(query, document) < len(row) and row[query] and row[document]
        if grade is None or not complete:
            unusable.append(number)
        else:
            read.append(Judgement(row[query], row[document], grade, number))
    return Judgements(rows=read, unusable=unusable)


def nested_judgements(path: Path) -> Judgements | None:
    """The judgements in a JSON file as :func:`judgements_in` takes them; None for another one."""
    try:
        return judgements_in(json.loads(clean_text(decode(path.read_bytes())[0])))
    except (ValueError, RecursionError):
        return None


def judgements_in(value: Any) -> Judgements | None:
    """Those of ``{"query": {"document": grade}}`` or ``{"query": ["document"]}``, else None."""
    if not isinstance(value, dict) or not all(isinstance(v, dict | list) for v in value.values()):
        return None
    rows = [
        (query, str(document), "1" if isinstance(documents, list) else str(documents[document]))
        for query, documents in value.items()
        for document in documents
    ]
    return _judgements(rows, (0, 1, 2))


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
