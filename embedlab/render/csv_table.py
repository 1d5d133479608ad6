"""Tables as CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from embedlab.data.corpus import Corpus
from embedlab.text import clean_text, one_line

#: A cell that starts like this would run as a formula in a spreadsheet, or looks as if it had been
#: kept from it: every such cell gets an apostrophe, so that taking one off gives the cell back.
_FORMULA = re.compile(r"'*[=+\-@]")


def csv_table(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str = "",
    digits: int | None = None,
    verbatim: bool = False,
) -> str:
    """A header and rows as CSV without formulas; None and NaN are empty cells.

    ``caption`` is a comment line above the header; ``digits`` are the significant digits of the
    numbers, all of them by default. Texts become one line each, or stay as they are where
    ``verbatim``.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    if caption:
        writer.writerow([f"# {one_line(caption)}"])
    texts = clean_text if verbatim else one_line
    writer.writerow([_cell(name, digits, one_line) for name in header])
    writer.writerows([_cell(value, digits, texts) for value in row] for row in rows)
    return table.getvalue()


def corpus_rows(
    corpus: Corpus,
    indices: Iterable[int] | None = None,
    *,
    field: str = "",
    more: Sequence[str] = (),
    values: Iterable[Sequence[Any]] = (),
) -> tuple[list[str], list[list[Any]]]:
    """A header and rows for :func:`csv_table` that read back as the corpus they came from.

    A row has the text's number in its file, its id if it has one, the whole text, and its labels:
    those in ``field``, by default the first, under the name ``label``, others under their own.

    Args:
        corpus: the texts.
        indices: the texts to write, by default all of them in their order.
        field: holds the labels that come first.
        more: the names of more columns.
        values: their values, a row for each text written.
    """
    first = field if field in corpus.fields else next(iter(corpus.fields), "")
    others = [name for name in corpus.fields if name != first]
    taken = ["row", "id", "text", "label", *more]
    header = ["row", *(["id"] if corpus.ids else []), "text", *(["label"] if first else [])]
    header += [f"{name} (label)" if name in taken else name for name in others]
    labels = [corpus.fields[name] for name in ([first] if first else []) + others]
    chosen = range(len(corpus.texts)) if indices is None else list(indices)
    rows = []
    for i in chosen:
        ids = [corpus.ids[i]] if corpus.ids else []
        rows.append([corpus.rows[i], *ids, corpus.texts[i], *(label[i] for label in labels)])
    if more:
        rows = [[*row, *extra] for row, extra in zip(rows, values, strict=True)]
    return [*header, *more], rows


def _cell(value: Any, digits: int | None, texts: Callable[[str], str]) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return value if digits is None else f"{value:.{digits}g}"
    if isinstance(value, str):
        text = texts(value)
        return f"'{text}" if _FORMULA.match(text) else text
    return value
