"""Corpora with queries and judgements in several files, as BEIR and MTEB lay them out.

Documents and queries are tables with an id in each row, judgements (qrels) say which document is
relevant to which query. Title and text of a document are joined as mteb does, and a query is
followed by its instruction where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from embedlab.data.columns import single_text_column
from embedlab.data.corpus import Corpus, Relevant
from embedlab.data.judgements import QUERY_IDS, Judgements
from embedlab.data.tables import (
    LeftOut,
    Table,
    left_out_notes,
    named_column,
    quoted_names,
)
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

_ID_NAMES = (
    *("_id", "id", "doc_id", "docid", "did", "docno", "document_id", "corpus_id", "passage_id"),
    *("pid", "query_id", "queryid", "qid", "topic_id", "text_id"),
)
_DOCUMENT_NAMES = ("text", "contents", "content", "body", "passage", "document", "abstract")
_QUERY_NAMES = ("text", "query", "question", "content", "title")
#: Rows left out for one reason that are listed.
_MOST_LISTED = 1_000


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


class _LeftOut:
    """Rows that are left out, by reason, with an example of what they hold."""

    def __init__(self) -> None:
        self.rows: dict[str, list[int]] = {}
        self.examples: dict[str, str] = {}

    def add(self, row: int, reason: str, example: str = "") -> None:
        self.rows.setdefault(reason, []).append(row)
        self.examples.setdefault(reason, example and f", such as {example[:40]!r}")

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each reason, with the first rows and an example."""
        return tuple(
            f"{note[:-1]}{self.examples[reason]}."
            for reason, rows in self.rows.items()
            for note in left_out_notes([LeftOut(row, reason) for row in rows])
        )

    @property
    def listed(self) -> tuple[LeftOut, ...]:
        """The rows, the first of them where one reason has very many."""
        return tuple(
            LeftOut(row, reason)
            for reason, rows in self.rows.items()
            for row in rows[:_MOST_LISTED]
        )


class _Row(NamedTuple):
    """The text of a row and where it stands."""

    text: str
    file: str
    number: int


def judged_corpus(
    files: Files, *, max_texts: int, title: str = "Your texts", source: str = "your files"
) -> Corpus:
    """The corpus of a collection; rows that are left out are counted in its notes, and listed.

    Queries without a known judgement are left out, unless there are no judgements at all. Where
    there are more documents than ``max_texts``, all that are relevant are kept first.

    Raises:
        EmbedLabError: no ids or texts, or no judgement whose query and document are both there.
    """
    left_out = _LeftOut()
    documents = _texts(files.documents, _document_text, left_out)
    queries = _texts(files.queries, _query_text(files.instructions), left_out)
    if not documents:
        raise EmbedLabError(f"{title} has no document with text; choose other files.")
    graded = _grades(files.judgements, queries, documents, left_out)
    used = list(queries)
    if any(file.rows for file in files.judgements.values()):
        used = [query for query in queries if query in graded]
        for query, row in queries.items():
            if query not in graded:
                left_out.add(row.number, f"in {row.file}, a query without a judgement", query)
    kept = _first(documents, [document for docs in graded.values() for document in docs], max_texts)
    index = {document: i for i, document in enumerate(kept)}
    grades = {grade for docs in graded.values() for grade in docs.values()}
    tables = {**files.documents, **files.queries}
    notes = [*files.notes, *(f"{name}: {n}" for name, table in tables.items() for n in table.notes)]
    notes += _summary(files, queries, graded, grades)
    if len(kept) < len(documents):
        notes.append(
            f"Only {len(kept):,} of {len(documents):,} texts were read, relevant ones first."
        )
    return Corpus(
        id="own",
        title=title,
        source=source,
        texts=tuple(documents[document].text for document in kept),
        ids=tuple(kept),
        rows=tuple(documents[document].number for document in kept),
        queries=tuple(queries[query].text for query in used),
        query_ids=tuple(used),
        relevant=tuple(_relevant(graded.get(query, {}), index, len(grades) > 1) for query in used),
        total=len(documents),
        left_out=left_out.listed,
        notes=(*notes, *left_out.notes),
    )


def _summary(
    files: Files,
    queries: Mapping[str, _Row],
    graded: Mapping[str, Mapping[str, float]],
    grades: Collection[float],
) -> list[str]:
    """What the files are taken for: joined titles, grades, and judgements that say nothing."""
    notes = []
    if any(named_column(table.columns, ("title",)) for table in files.documents.values()):
        notes.append("Title and text of a document were joined.")
    if queries and not files.judgements:
        notes.append("There are no judgements, so nothing can be scored.")
    elif queries and not graded:
        notes.append(f"{quoted_names(files.judgements)} holds no judgement: nothing can be scored.")
    if len(grades) > 1:
        shown = ", ".join(f"{grade:g}" for grade in sorted(grades)[:8])
        notes.append(
            f"Judgements are graded ({shown}): nDCG takes the grade as gain, MRR and recall take "
            "all of them as relevant."
        )
    if nothing := sum(not documents for documents in graded.values()):
        notes.append(
            f"{nothing:,} of {len(graded):,} judged queries have no relevant document; the scores "
            "are over the others."
        )
    return notes


def _texts(
    tables: Mapping[str, Table],
    text_of: Callable[[str, Table], Sequence[str]],
    left_out: _LeftOut,
) -> dict[str, _Row]:
    """The texts of all rows by their ids."""
    texts: dict[str, _Row] = {}
    for file, table in tables.items():
        for number, reason in table.left_out:
            left_out.add(number, f"in {file}, {reason}")
        table = _with_first_row(table)
        ids = map(str.strip, table.columns[_id_column(file, table)])
        for key, cell, number in zip(ids, text_of(file, table), table.row_numbers, strict=True):
            text = clean_text(cell)
            if not key:
                left_out.add(number, f"in {file}, no id")
            elif not text.strip():
                left_out.add(number, f"in {file}, no text", key)
            elif key not in texts:
                texts[key] = _Row(text, file, number)
            else:
                other = "the same" if texts[key].text == text else "another"
                left_out.add(number, f"in {file}, an id of an earlier row with {other} text", key)
    return texts


def _with_first_row(table: Table) -> Table:
    """Two columns without known names are an id and a text, and their header is a row."""
    names = list(table.columns)
    if len(names) != 2 or named_column(names, (*_ID_NAMES, *_DOCUMENT_NAMES, *_QUERY_NAMES)):
        return table
    numbered = all(re.fullmatch(r"column \d", name) for name in names)
    cells = [([] if numbered else [name]) + table.columns[name] for name in names]
    return Table(
        columns=dict(zip(("_id", "text"), cells, strict=True)),
        total=len(cells[0]),
        left_out=table.left_out,
        left_out_total=table.left_out_total,
    )


def _id_column(file: str, table: Table) -> str:
    column = named_column(table.columns, _ID_NAMES)
    if column is None:
        raise EmbedLabError(
            f"{file[-60:]!r} has no column of ids; its columns are {quoted_names(table.columns)}. "
            "Name the one with ids '_id'."
        )
    return column


def _document_text(file: str, table: Table) -> list[str]:
    title = named_column(table.columns, ("title",))
    column = _text_column(file, table, _DOCUMENT_NAMES, title)
    texts = table.columns[column]
    titles = table.columns[title] if title not in (None, column) else [""] * len(texts)
    return [title_and_text(*both) for both in zip(titles, texts, strict=True)]


def _query_text(instructions: Mapping[str, Table]) -> Callable[[str, Table], list[str]]:
    """How the text of a query is made; ``instructions`` are tables of their own, by query."""
    known: dict[str, str] = {}
    for table in instructions.values():
        query = named_column(table.columns, QUERY_IDS) or ""
        instruction = named_column(table.columns, ("instruction",)) or ""
        known |= dict(zip(table.columns[query], table.columns[instruction], strict=True))

    def text_of(file: str, table: Table) -> list[str]:
        texts = table.columns[_text_column(file, table, _QUERY_NAMES, None)]
        column = named_column(table.columns, ("instruction",))
        if column:
            added = table.columns[column]
        else:
            added = [known.get(key.strip(), "") for key in table.columns[_id_column(file, table)]]
        return [
            f"{text.strip()} {more.strip()}".strip()
            for text, more in zip(texts, added, strict=True)
        ]

    return text_of


def _text_column(file: str, table: Table, names: Sequence[str], title: str | None) -> str:
    taken = (title, _id_column(file, table))
    others = {name: cells for name, cells in table.columns.items() if name not in taken}
    column = named_column(others, names) or single_text_column(others) or title
    if column is None:
        raise EmbedLabError(
            f"{file[-60:]!r} has no column with text; its columns are "
            f"{quoted_names(table.columns)}."
        )
    return column


def _grades(
    files: Mapping[str, Judgements],
    queries: Mapping[str, _Row],
    documents: Mapping[str, _Row],
    left_out: _LeftOut,
) -> dict[str, dict[str, float]]:
    """The grades above 0 by query and document.

    A query that is judged, but has no relevant document, is there with an empty dict.

    Raises:
        EmbedLabError: there are judgements, and of none are query and document both there.
    """
    graded: dict[str, dict[str, float]] = {}
    seen: dict[tuple[str, str], float] = {}
    unknown: list[str] = []
    for file, judgements in files.items():
        for number in judgements.unusable:
            left_out.add(number, f"in {file}, no id or no score")
        for query, document, grade, number in judgements.rows:
            if (query, document) in seen:
                other = "the same" if seen[query, document] == grade else "another"
                reason = f"in {file}, an earlier row gives the document {other} score"
                left_out.add(number, reason, query)
            elif query not in queries:
                unknown.append(query)
                left_out.add(number, f"in {file}, a query that is not there", query)
            elif document not in documents:
                unknown.append(document)
                left_out.add(number, f"in {file}, a document that is not there", document)
            else:
                seen[query, document] = grade
                relevant = graded.setdefault(query, {})
                if grade > 0:
                    relevant[document] = grade
    if unknown and not seen:
        raise EmbedLabError(
            f"No judgement of {quoted_names(files)} names a query and a document that are both "
            f"there; {unknown[0][:40]!r}, for one, is not. Check that these files belong together."
        )
    return graded


def _first(documents: Mapping[str, _Row], relevant: Iterable[str], most: int) -> list[str]:
    """At most so many documents in their order, the relevant ones among them first."""
    if len(documents) <= most:
        return list(documents)
    chosen = dict.fromkeys([*relevant, *documents])
    kept = set(list(chosen)[:most])
    return [document for document in documents if document in kept]


def _relevant(grades: Mapping[str, float], index: Mapping[str, int], graded: bool) -> Relevant:
    known = {index[document]: grade for document, grade in grades.items() if document in index}
    return known if graded else frozenset(known)
