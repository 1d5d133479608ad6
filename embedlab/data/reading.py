"""What of a file would be read, as plain values: for the command line and for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from embedlab.data.corpus import Corpus, grades_of
from embedlab.data.layouts import LAYOUTS
from embedlab.data.tables import ROWS_IN_A_NOTE, Table


def reading(source: Table | Corpus, corpus: Corpus, text_column: str) -> dict[str, Any]:
    """What became of a table's rows, or of several files, as JSON can hold it.

    ``texts`` have each its ``row`` in the file, its ``id`` and ``label`` (None where there is
    none) and the ``text``; ``queries`` have their ``id``, the ``query``, and the ``relevant`` texts
    by their numbers among ``texts``, each with its ``grade``; ``scored_pairs`` are two such numbers
    and a score. ``layout`` says what a table with several texts a row holds. ``left_out`` are rows
    that gave no text, with the ``reason``, the first of them where they are very many;
    ``left_out_total`` counts them all. ``total`` are the rows with text, also those beyond the
    limit on rows.

    Args:
        source: what was read of the file, or the corpus itself where that is of several.
        corpus: what :func:`~embedlab.data.layouts.corpus_of` made of it.
        text_column: the column of the texts, columns such as ``title + text``, or a layout.
    """
    table = source if isinstance(source, Table) else Table(columns={}, total=0)
    layout = text_column if text_column in LAYOUTS and text_column not in table.columns else ""
    ids = corpus.ids or (None,) * len(corpus.texts)
    labels = corpus.labels or (None,) * len(corpus.texts)
    unread = table.left_out_total - len(table.left_out)
    return {
        "encoding": table.encoding,
        "columns": list(table.columns),
        "layout": layout,
        "text_column": "" if layout else text_column,
        "label_column": next(iter(corpus.fields), None),
        "texts": [
            {"row": row, "id": id_, "label": label or None, "text": text}
            for row, id_, label, text in zip(corpus.rows, ids, labels, corpus.texts, strict=True)
        ],
        "queries": _queries(corpus),
        "scored_pairs": list(corpus.pairs),
        "total": corpus.total,
        "repeated": corpus.repeated,
        "notes": list(corpus.notes),
        "left_out": [{"row": row, "reason": reason} for row, reason in corpus.left_out],
        "left_out_total": len(corpus.left_out) + unread,
    }


def counted_labels(contents: Mapping[str, Any], most: int = 8) -> str:
    """The labels of a :func:`reading` with their counts: ``good 6, bad 3, unlabelled 2``."""
    if not contents["label_column"]:
        return ""
    counts = Counter(text["label"] for text in contents["texts"])
    unlabelled = counts.pop(None, 0)
    parts = [f"{value} {count:,}" for value, count in counts.most_common(most)]
    if len(counts) > most:
        parts.append(f"{len(counts) - most:,} more")
    return ", ".join([*parts, *([f"unlabelled {unlabelled:,}"] if unlabelled else [])])


def _queries(corpus: Corpus) -> list[dict[str, Any]]:
    ids = corpus.query_ids or (None,) * len(corpus.queries)
    return [
        {
            "id": id_,
            "query": query,
            "relevant": [
                {"text": i, "grade": grade} for i, grade in sorted(grades_of(relevant).items())
            ],
        }
        for id_, query, relevant in zip(ids, corpus.queries, corpus.relevant, strict=True)
    ]


def spans(rows: list[int], most: int = 12) -> str:
    """Row numbers in words: ``3, 5–7 and 9``, cut after ``most`` spans."""
    ranges: list[list[int]] = []
    for row in sorted(rows):
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    words = [f"{a:,}" if a == b else f"{a:,}–{b:,}" for a, b in ranges]
    if len(words) > most:
        return ", ".join(words[:most]) + ", …"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def left_out_lines(left_out: Iterable[tuple[int, str]], notes: Sequence[str] = ()) -> list[str]:
    """A line for each reason with its rows: ``Rows 3 and 5–7 were left out: no text.``

    A reason is not repeated where one of the ``notes`` gives it with all its rows.
    """
    reasons: dict[str, list[int]] = {}
    for row, reason in left_out:
        reasons.setdefault(reason, []).append(row)
    return [
        f"{'Row' if len(rows) == 1 else 'Rows'} {spans(rows)} "
        f"{'was' if len(rows) == 1 else 'were'} left out: {reason}."
        for reason, rows in reasons.items()
        if len(rows) > ROWS_IN_A_NOTE or not any(f": {reason} (row" in note for note in notes)
    ]
