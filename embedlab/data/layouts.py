"""Tables with more than one text a row: lists to unfold, queries with positives, scored pairs.

These are MTEB's layouts for clustering, reranking, pairs and STS, and those of training files with
queries and positives, which can be searched as well as trained on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any, NamedTuple

from embedlab.data.columns import cell_kind, label_choices
from embedlab.data.corpus import Corpus
from embedlab.data.pair_cells import parsed, text_of
from embedlab.data.tables import (
    MAX_TEXTS,
    LeftOut,
    Table,
    count_note,
    left_out_notes,
    named_column,
    quoted_names,
    table_to_corpus,
)
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

_LISTED_TEXTS = ("sentences", "texts", "sentence", "sentence1", "sent1", "text")
_LISTED = frozenset((*_LISTED_TEXTS, "sentence2", "sent2", "labels", "label", "ids", "scores"))
_LABELS = ("labels", "label")
_QUERY = ("query", "question", "anchor")
_POSITIVE = re.compile(
    r"(pos|positives?|relevant|(positive|relevant)_(passage|document|doc|text|ctx)s?)(_?\d+)?"
)
_NEGATIVE = re.compile(
    r"(hard_)?(neg|negatives?|negative_(passage|document|doc|text|ctx)s?)(_?\d+)?"
)
#: Columns of sentences side by side: ``sentence1``, ``text_2``, ``sentence_a`` …
_NUMBERED = re.compile(r"(sentence|sent|text|s)_?(\d|[ab])")
_SCORE = ("score", "similarity", "similarity_score", "relatedness_score", "gold")
#: Columns that say of a pair whether it means the same: 1 or 0.
_SAME = ("labels", "label", "is_duplicate", "is_paraphrase", "same")
_PASSAGE_ID = ("docid", "doc_id", "_id", "id", "passage_id", "pid", "corpus_id")


class Passage(NamedTuple):
    """A text out of a cell, and its id, "" where it has none."""

    text: str
    id: str


# Lists in cells


def listed(cell: str) -> list[Any] | None:
    """The list in a cell, in JSON or as Python writes it into a csv; None for anything else."""
    value = parsed(cell) if cell.startswith("[") else None
    return value if isinstance(value, list) else None


def passages(cell: str) -> list[Passage] | None:
    """The texts in a cell: one, a list of them, or objects with title and text, joined.

    None for a list or an object that cannot be read.
    """
    cell = cell.strip()
    if not cell or cell_kind(cell) != "json":
        return [Passage(clean_text(cell).strip(), "")] if cell else []
    value = parsed(cell)
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    every = [Passage(text_of(item), _id_of(item)) for item in items]
    return [passage for passage in every if passage.text]


def _id_of(item: Any) -> str:
    names = (name for name in _PASSAGE_ID if isinstance(item, Mapping) and name in item)
    return next((str(item[name]) for name in names), "")


def unfolded(table: Table, max_texts: int = MAX_TEXTS) -> Table:
    """A table whose cells hold lists of texts with their labels, with one row for each text.

    MTEB's layouts for clustering and for pairs, at most ``max_texts`` rows of it; any other table
    as it is. The rows keep the number of the row that they come from, and a row whose lists have
    different lengths is left out.
    """
    names = [name for name in table.columns if _plain(name) in _LISTED]
    lists = {name: [listed(cell.strip()) for cell in table.columns[name]] for name in names}
    # A text may be "[1]" where the others are no lists.
    nested = [
        name
        for name, cells in lists.items()
        if any(cells) and 2 * sum(cell is not None for cell in cells) > len(cells)
    ]
    if not any(_plain(name) in _LISTED_TEXTS for name in nested):
        return _levels(table, [name for name in nested if _plain(name) in _LABELS])
    columns: dict[str, list[str]] = {name: [] for name in table.columns}
    numbers: list[int] = []
    left_out = list(table.left_out)
    for i, number in enumerate(table.row_numbers):
        sizes = {name: len(cells) for name in nested if (cells := lists[name][i]) is not None}
        if len(set(sizes.values())) != 1 or not all(sizes.values()):
            counts = ", ".join(f"{size} {name}" for name, size in sizes.items())
            left_out.append(LeftOut(number, f"has {counts or 'no list'}: not one for each text"))
            continue
        size = next(iter(sizes.values()))
        for name, cells in columns.items():
            values = (lists[name][i] if name in sizes else None) or [table.columns[name][i]] * size
            cells += ["" if value is None else clean_text(_written(value)) for value in values]
        numbers += [number] * size
    if not numbers:
        return table
    rows = len(table.row_numbers)
    return _levels(
        replace(
            table,
            columns={name: cells[:max_texts] for name, cells in columns.items()},
            row_numbers=tuple(numbers[:max_texts]),
            total=len(numbers) + table.total - rows,
            left_out=tuple(left_out),
            left_out_total=table.left_out_total + len(left_out) - len(table.left_out),
            notes=(
                *table.notes,
                f"The lists in {quoted_names(nested)} were unfolded: {len(numbers):,} texts in "
                f"{rows:,} rows.",
                *left_out_notes(left_out[len(table.left_out) :]),
            ),
        ),
        [name for name in columns if _plain(name) in _LABELS],
    )


def _levels(table: Table, names: Sequence[str]) -> Table:
    """A column with lists of labels, from general to special, as one column for each level."""
    columns: dict[str, list[str]] = {}
    for name, cells in table.columns.items():
        lists = [listed(cell.strip()) for cell in cells] if name in names else []
        if not lists or not all(lists):
            columns[name] = cells
            continue
        deepest = max(len(each or ()) for each in lists)
        for level in range(deepest):
            key = name if deepest == 1 else f"{name} (level {level + 1})"
            columns[key] = [
                clean_text(_written(each[level])) if each and level < len(each) else ""
                for each in lists
            ]
    return replace(table, columns=columns)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# Queries and pairs


def layout_of(table: Table) -> str:
    """What a table holds besides single texts: a key of :data:`LAYOUTS`, or "" for nothing."""
    if named_column(table.columns, _QUERY) and _matching(table, _POSITIVE):
        return QUERIES
    sentences = _side_by_side(table)
    if len(sentences) == 2 and _score_column(table):
        return PAIRS
    # A column like labels may say which of the pairs belong together at all.
    others = [name for name in table.columns if name not in sentences]
    labelled = named_column(others, (*_SCORE, *_SAME)) or label_choices(table.columns, sentences)
    return MATCHES if len(sentences) > 1 and not labelled else ""


def _side_by_side(table: Table) -> list[str]:
    """The columns of sentences side by side, in order: the first that differ by a number alone."""
    alike: dict[str, list[str]] = {}
    for name in _matching(table, _NUMBERED):
        alike.setdefault(_plain(name)[:-1], []).append(name)
    return next((names for names in alike.values() if len(names) > 1), [])


def _score_column(table: Table) -> str | None:
    """The column with the scores of pairs.

    Labels are scores where they are 1 and 0, or have decimals; others are numbers of classes.
    """
    for names in (_SCORE, _SAME):
        column = named_column(table.columns, names)
        cells = [cell for cell in table.columns[column] if cell.strip()] if column else []
        numbers = [number for cell in cells if (number := _number(cell)) is not None]
        if not numbers or len(numbers) < len(cells):
            continue
        decimals = not all(number.is_integer() for number in numbers)
        if names is _SCORE or decimals or {*numbers} <= {0, 1}:
            return column
    return None


def _matching(table: Table, names: re.Pattern[str]) -> list[str]:
    """The columns with such names, in the order of these."""
    return sorted((name for name in table.columns if names.fullmatch(_plain(name))), key=_plain)


def _number(cell: str) -> float | None:
    try:
        number = float({"true": "1", "false": "0"}.get(cell.strip().lower(), cell))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class _Texts:
    """Distinct texts in their order of appearance, each with its first row and id."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.rows: list[int] = []
        self.ids: list[str] = []

    def add(self, passage: Passage, row: int) -> int:
        if passage.text not in self.index:
            self.index[passage.text] = len(self.ids)
            self.rows.append(row)
            self.ids.append(passage.id)
        return self.index[passage.text]

    @property
    def known_ids(self) -> tuple[str, ...]:
        """The ids, where every text has one."""
        return tuple(self.ids) if all(self.ids) else ()


def _queries(table: Table, title: str, source: str) -> Corpus:
    """Queries with their positives, and negatives, which only are texts to be found instead."""
    query = named_column(table.columns, _QUERY) or ""
    positive, negative = (_matching(table, names) for names in (_POSITIVE, _NEGATIVE))
    return _search_corpus(table, query, positive, negative, title, source)


def _matches(table: Table, title: str, source: str) -> Corpus:
    """Sentences side by side: the second belongs to the first, further ones do not."""
    first, second, *others = _side_by_side(table)
    return _search_corpus(table, first, [second], others, title, source)


def _search_corpus(
    table: Table,
    query: str,
    positive: Sequence[str],
    negative: Sequence[str],
    title: str,
    source: str,
) -> Corpus:
    texts = _Texts()
    relevant: dict[str, set[int]] = {}
    left_out = list(table.left_out)
    contrary = 0
    for i, (cell, row) in enumerate(zip(table.columns[query], table.row_numbers, strict=True)):
        name = clean_text(cell).strip()
        both = [
            [passages(table.columns[column][i]) for column in columns]
            for columns in (positive, negative)
        ]
        if any(each is None for cells in both for each in cells):
            left_out.append(LeftOut(row, "a list that cannot be read"))
            continue
        good, bad = ([one for each in cells for one in each or ()] for cells in both)
        if not name or not good:
            left_out.append(LeftOut(row, "no query" if good else "no positive"))
            continue
        answers = {texts.add(one, row) for one in good}
        relevant.setdefault(name, set()).update(answers)
        contrary += sum(texts.add(one, row) in answers for one in bad)
    columns = quoted_names([*positive, *negative])
    _check_rows(relevant, title, (query, *positive))
    return Corpus(
        id="own",
        title=title,
        source=source,
        texts=tuple(texts.index),
        ids=texts.known_ids,
        rows=tuple(texts.rows),
        left_out=tuple(left_out),
        queries=tuple(relevant),
        relevant=tuple(map(frozenset, relevant.values())),
        notes=(
            *table.notes,
            f"Queries are in {query!r}, the texts in {columns}; every query is searched in all "
            "of them.",
            *left_out_notes(left_out[len(table.left_out) :]),
            *count_note(
                contrary, "negative", "counted as relevant, being a positive of the query too"
            ),
        ),
    )


def _pairs(table: Table, title: str, source: str) -> Corpus:
    """Pairs of texts with a score, as in STS, or with labels 0 and 1."""
    first, second = _side_by_side(table)
    score = _score_column(table) or ""
    texts = _Texts()
    pairs = []
    left_out = list(table.left_out)
    columns = [table.columns[name] for name in (first, second, score)]
    for one, other, gold, row in zip(*columns, table.row_numbers, strict=True):
        both = [Passage(clean_text(cell).strip(), "") for cell in (one, other)]
        number = _number(gold)
        if number is None or not all(passage.text for passage in both):
            left_out.append(LeftOut(row, "no score" if number is None else "no text"))
            continue
        i, j = (texts.add(passage, row) for passage in both)
        pairs.append((i, j, number))
    _check_rows(pairs, title, (first, second, score))
    return Corpus(
        id="own",
        title=title,
        source=source,
        texts=tuple(texts.index),
        rows=tuple(texts.rows),
        left_out=tuple(left_out),
        pairs=tuple(pairs),
        notes=(
            *table.notes,
            f"{len(pairs):,} pairs of {first!r} and {second!r}, scored by {score!r}.",
            *left_out_notes(left_out[len(table.left_out) :]),
        ),
    )


def _check_rows(rows: Sized, title: str, columns: Sequence[str]) -> None:
    if not rows:
        raise EmbedLabError(
            f"No row of {title} has text in each of {quoted_names(columns)}; choose a column with "
            "texts instead."
        )


def corpus_of(
    table: Table,
    text_column: str | None = None,
    label_column: str | None = None,
    title: str = "Your texts",
    source: str = "your file",
) -> Corpus:
    """The corpus in a table: queries or pairs where it holds some, else a text a row.

    Args:
        table: what was read.
        text_column: the column with the texts, or a key of :data:`LAYOUTS`; None where that is to
            be told by the columns' names.
        label_column: that with the labels; None for a probable one, "" for none.
        title: the corpus's.
        source: where the texts come from, in words.

    Raises:
        EmbedLabError: no such column, or no text in it.
    """
    layout = layout_of(table) if text_column is None else text_column
    if layout in LAYOUTS and layout not in table.columns:
        return LAYOUTS[layout](table, title, source)
    return table_to_corpus(table, text_column, label_column, title, source)


QUERIES = "queries with their relevant texts"
MATCHES = "pairs of texts that belong together"
PAIRS = "pairs of texts with scores"
#: How a corpus is made of a table with its title and source, by what the table holds, in words.
LAYOUTS: dict[str, Callable[[Table, str, str], Corpus]] = {
    QUERIES: _queries,
    MATCHES: _matches,
    PAIRS: _pairs,
}
