"""Corpora with queries and judgements in several files, as BEIR and MTEB lay them out.

Documents and queries are tables with an id in each row, judgements (qrels) say which document is
relevant to which query. Title and text of a document are joined as mteb does, and a query is
followed by its instruction where it has one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from embedlab.data.corpus import Corpus, Relevant
from embedlab.data.tables import Table, count_note, named_column, quoted_names, text_lines
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

_ID_NAMES = (
    *("_id", "id", "doc_id", "docid", "did", "docno", "document_id", "corpus_id", "passage_id"),
    *("pid", "query_id", "queryid", "qid", "topic_id", "text_id"),
)
_DOCUMENT_NAMES = ("text", "contents", "content", "body", "passage", "document", "abstract")
_QUERY_NAMES = ("text", "query", "question", "content", "title")
_QUERY_IDS = ("query_id", "queryid", "qid", "topic_id")
_DOCUMENT_IDS = (
    *("corpus_id", "corpusid", "doc_id", "docid", "did", "docno", "document_id", "passage_id"),
    "pid",
)
#: Columns that hold ids in judgements, and texts elsewhere.
_QUERIES, _DOCUMENTS = ("query", "topic"), ("document", "doc", "passage")
_SCORE_NAMES = ("score", "relevance", "rel", "label", "grade", "relevance_label", "judgement")
#: The columns of judgements without a header, by how many there are; TREC's second is not used.
_COLUMNS = {2: (0, 1, None), 3: (0, 1, 2), 4: (0, 2, 3)}
#: Where a ranked list has the document, by how many columns there are.
_RANKING_COLUMNS = 6


class Judgement(NamedTuple):
    """A document's grade for a query."""

    query: str
    document: str
    grade: float


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """The judgements of a file, and how many of its rows are none, with an example."""

    rows: Sequence[Judgement]
    unusable: int = 0
    example: str = ""


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a collection by the part they have in it, each by its name."""

    documents: Mapping[str, Table]
    queries: Mapping[str, Table] = field(default_factory=dict)
    judgements: Mapping[str, Judgements] = field(default_factory=dict)
    instructions: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def title_and_text(title: str, text: str) -> str:
    """A document's title and text in one, as mteb joins them."""
    return f"{title} {text}".strip() if title else text.strip()


def read_judgements(path: Path) -> Judgements:
    """Judgements in a text file: BEIR's three columns, TREC's four, or two without a score.

    They are separated by tabs, commas, semicolons or white space, with a header or without.

    Raises:
        EmbedLabError: the file has other columns.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = clean_text(data.decode(encoding, "replace"))
    if path.suffix.lower() == ".json" and (nested := _nested(text)):
        return nested
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
    query = named_column(header, (*_QUERY_IDS, *(_QUERIES if known else ())))
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
    read, unusable, example = [], 0, ""
    for row in rows:
        grade = 1.0 if score is None else _number(row[score]) if score < len(row) else None
        complete = max(query, document) < len(row) and row[query] and row[document]
        if grade is None or not complete:
            unusable += 1
            example = example or " ".join(row)[:60]
        else:
            read.append(Judgement(row[query], row[document], grade))
    return Judgements(rows=read, unusable=unusable, example=example)


def _nested(text: str) -> Judgements | None:
    """``{"query": {"document": grade}}`` or ``{"query": ["document"]}``, as evaluators take it."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or not all(isinstance(v, dict | list) for v in whole.values()):
        return None
    rows = [
        (query, str(document), "1" if isinstance(documents, list) else str(documents[document]))
        for query, documents in whole.items()
        for document in documents
    ]
    return _judgements(rows, (0, 1, 2))


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# From files to a corpus


def judged_corpus(
    files: Files, *, max_texts: int, title: str = "Your texts", source: str = "your files"
) -> Corpus:
    """The corpus of a collection; what was left out is counted in its notes.

    Queries without a known judgement are left out, unless there are no judgements at all. Where
    there are more documents than ``max_texts``, all that are relevant are kept first.

    Raises:
        EmbedLabError: no ids or texts, or no judgement whose query and document are both there.
    """
    documents, notes = _texts(files.documents, "text", _document_text)
    queries, query_notes = _texts(files.queries, "query", _query_text(files.instructions))
    notes = (*files.notes, *notes, *query_notes)
    if any("title" in map(str.lower, table.columns) for table in files.documents.values()):
        notes += ("Title and text of a document were joined.",)
    if not documents:
        raise EmbedLabError(f"{title} has no document with text; choose other files.")
    graded, judged_notes = _grades(files.judgements, queries, documents)
    notes += judged_notes
    used = [query for query in queries if query in graded] or list(queries)
    notes += _queries_note(queries, graded, used)
    kept = _first(documents, [document for docs in graded.values() for document in docs], max_texts)
    if len(kept) < len(documents):
        notes += (
            f"Only {len(kept):,} of {len(documents):,} texts were read, relevant ones first.",
        )
    index = {document: i for i, document in enumerate(kept)}
    grades = {grade for docs in graded.values() for grade in docs.values()}
    if len(grades) > 1:
        shown = ", ".join(f"{grade:g}" for grade in sorted(grades)[:8])
        notes += (
            f"Judgements are graded ({shown}): nDCG takes the grade as gain, MRR and recall take "
            "all of them as relevant.",
        )
    return Corpus(
        id="own",
        title=title,
        source=source,
        texts=tuple(documents[document] for document in kept),
        ids=tuple(kept),
        queries=tuple(queries[query] for query in used),
        query_ids=tuple(used),
        relevant=tuple(_relevant(graded.get(query, {}), index, len(grades) > 1) for query in used),
        total=len(documents),
        notes=notes,
    )


def _texts(
    tables: Mapping[str, Table], what: str, text_of: Callable[[str, Table], Sequence[str]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The texts of all rows by their ids, and notes on the rows that were left out."""
    texts: dict[str, str] = {}
    blank = nameless = same = other = 0
    notes: tuple[str, ...] = ()
    for name, table in tables.items():
        table = _with_first_row(table)
        ids = table.columns[_id_column(name, table)]
        cells = text_of(name, table)
        for key, text in zip(map(str.strip, ids), map(clean_text, cells), strict=True):
            if not key:
                nameless += 1
            elif not text.strip():
                blank += 1
            elif key not in texts:
                texts[key] = text
            elif texts[key] == text:
                same += 1
            else:
                other += 1
        notes += tuple(f"{name}: {note}" for note in table.notes)
        notes += count_note(table.left_out_total, "row", f"left out of {name}, not being readable")
    kind = {"text": "document", "query": "query"}[what]
    return texts, (
        *notes,
        *_plural_note(nameless, kind, "left out, having no id"),
        *_plural_note(blank, kind, "left out, having no text"),
        *_plural_note(same, kind, "left out, repeating an earlier id with the same text"),
        *_plural_note(other, kind, "left out, repeating an earlier id with another text"),
    )


def _with_first_row(table: Table) -> Table:
    """Two columns without known names are an id and a text, and their header is a row."""
    names = list(table.columns)
    if len(names) != 2 or named_column(names, (*_ID_NAMES, *_DOCUMENT_NAMES, *_QUERY_NAMES)):
        return table
    numbered = all(re.fullmatch(r"column \d", name) for name in names)
    first = [[] if numbered else [name] for name in names]
    cells = [start + table.columns[name] for start, name in zip(first, names, strict=True)]
    rows = len(cells[0])
    return Table(
        columns=dict(zip(("_id", "text"), cells, strict=True)),
        total=rows,
        left_out=table.left_out,
        left_out_total=table.left_out_total,
    )


def _id_column(name: str, table: Table) -> str:
    column = named_column(table.columns, _ID_NAMES)
    if column is None:
        raise EmbedLabError(
            f"{name[-60:]!r} has no column of ids; its columns are {quoted_names(table.columns)}. "
            "Name the one with ids '_id'."
        )
    return column


def _document_text(name: str, table: Table) -> list[str]:
    title = named_column(table.columns, ("title",))
    texts = table.columns[_text_column(name, table, _DOCUMENT_NAMES, title)]
    titles = table.columns[title] if title else [""] * len(texts)
    return [title_and_text(*both) for both in zip(titles, texts, strict=True)]


def _query_text(instructions: Mapping[str, Table]) -> Callable[[str, Table], list[str]]:
    """How the text of a query is made; ``instructions`` are tables of their own, by query."""
    known: dict[str, str] = {}
    for table in instructions.values():
        query = named_column(table.columns, _QUERY_IDS) or ""
        instruction = named_column(table.columns, ("instruction",)) or ""
        known |= dict(zip(table.columns[query], table.columns[instruction], strict=True))

    def text_of(name: str, table: Table) -> list[str]:
        texts = table.columns[_text_column(name, table, _QUERY_NAMES, None)]
        column = named_column(table.columns, ("instruction",))
        if column:
            added = table.columns[column]
        else:
            added = [known.get(key.strip(), "") for key in table.columns[_id_column(name, table)]]
        return [
            f"{text.strip()} {more.strip()}".strip()
            for text, more in zip(texts, added, strict=True)
        ]

    return text_of


def _text_column(name: str, table: Table, names: Sequence[str], title: str | None) -> str:
    others = [c for c in table.columns if c != title and c != _id_column(name, table)]
    column = named_column(others, names) or next(filter(table.has_text, others), None) or title
    if column is None:
        raise EmbedLabError(
            f"{name[-60:]!r} has no column with text; its columns are "
            f"{quoted_names(table.columns)}."
        )
    return column


def _grades(
    files: Mapping[str, Judgements], queries: Mapping[str, str], documents: Mapping[str, str]
) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """The grades above 0 by query and document, and notes on the judgements left out.

    A query that is judged, but has no relevant document, is there with an empty dict.

    Raises:
        EmbedLabError: there are judgements, and of none are query and document both there.
    """
    graded: dict[str, dict[str, float]] = {}
    seen: dict[tuple[str, str], float] = {}
    no_query, no_document, repeated, contrary = [], [], 0, 0
    for one in (row for file in files.values() for row in file.rows):
        pair = one.query, one.document
        if pair in seen:
            repeated += seen[pair] == one.grade
            contrary += seen[pair] != one.grade
        elif one.query not in queries:
            no_query.append(one.query)
        elif one.document not in documents:
            no_document.append(one.document)
        else:
            seen[pair] = one.grade
            relevant = graded.setdefault(one.query, {})
            if one.grade > 0:
                relevant[one.document] = one.grade
    if files and not seen and (no_query or no_document):
        raise EmbedLabError(
            f"No judgement of {quoted_names(files)} names a query and a document that are both "
            f"there, such as {quoted_names((no_query or no_document)[:1])}; check that these files "
            "belong together."
        )
    unusable = sum(file.unusable for file in files.values())
    example = next((file.example for file in files.values() if file.example), "")
    return graded, (
        *_judgements_note(files),
        *_plural_note(
            unusable, "judgement", f"left out, lacking an id or a score, such as {example!r}"
        ),
        *_unknown_note(no_query, "query"),
        *_unknown_note(no_document, "document"),
        *_plural_note(repeated, "judgement", "left out, repeating an earlier one"),
        *_plural_note(
            contrary,
            "judgement",
            "left out, giving another score to a query and a document judged before",
        ),
    )


def _judgements_note(files: Mapping[str, Judgements]) -> tuple[str, ...]:
    if not files:
        return ("There are no judgements, so nothing can be scored.",)
    if not any(file.rows for file in files.values()):
        return (f"{quoted_names(files)} holds no judgements, so nothing can be scored.",)
    return ()


def _unknown_note(names: Sequence[str], what: str) -> tuple[str, ...]:
    return _plural_note(
        len(names),
        "judgement",
        f"left out, naming a {what} that is not there, such as {quoted_names(names[:1])}",
    )


def _queries_note(
    queries: Mapping[str, str], graded: Mapping[str, Mapping[str, float]], used: Sequence[str]
) -> tuple[str, ...]:
    nothing = sum(not documents for documents in graded.values())
    return (
        *_plural_note(len(queries) - len(used), "query", "left out, having no judgement"),
        *_plural_note(
            nothing, "query", "judged without a relevant document, so the scores are without it"
        ),
    )


def _plural_note(n: int, what: str, done: str) -> tuple[str, ...]:
    if what == "query" and n > 1:
        return (f"{n:,} queries were {done.replace('without it', 'without them')}.",)
    return count_note(n, what, done)


def _first(documents: Mapping[str, str], relevant: Iterable[str], most: int) -> list[str]:
    """At most so many documents in their order, the relevant ones among them first."""
    if len(documents) <= most:
        return list(documents)
    chosen = dict.fromkeys([*dict.fromkeys(relevant), *documents])
    kept = set(list(chosen)[:most])
    return [document for document in documents if document in kept]


def _relevant(grades: Mapping[str, float], index: Mapping[str, int], graded: bool) -> Relevant:
    known = {index[document]: grade for document, grade in grades.items() if document in index}
    return known if graded else frozenset(known)
