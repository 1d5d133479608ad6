"""Tables of text cells, and corpora made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

#: Rows of a table that become texts.
MAX_TEXTS = 10_000

_TEXT_NAMES = (
    *("text", "sentence", "content", "document", "passage", "body", "review", "comment"),
    *("message", "question", "abstract", "description", "title"),
)
_LABEL_NAMES = (
    *("label", "labels", "category", "class", "topic", "sense"),
    *("intent", "sentiment", "genre", "target"),
)
_ID_NAMES = (
    *("_id", "id", "doc_id", "docid", "document_id", "text_id", "row_id", "uid", "uuid", "guid"),
    *("pid", "qid", "idx", "index", "key", "row_name"),
)
#: The most different values of a column that is guessed to hold labels.
_MAX_LABELS = 50


class LeftOut(NamedTuple):
    """A row of a file that was not used, and why in a few words: ``blank``, ``not JSON``."""

    row: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a file holds: columns of cells, all of one length, and what was not read.

    Rows are numbered from 1 as they stand in the file, without its header, so that the numbers of
    the rows read, of those left out and of those beyond the limit are together 1, 2, 3, …

    Attributes:
        columns: the cells as text; a list or an object inside a cell is written as JSON.
        total: the rows that could be read, also those beyond the limit on rows.
        row_numbers: of the rows in ``columns``; by default 1 to n.
        left_out: rows that could not be read, the first of them where they are very many.
        left_out_total: how many those are in all; by default the length of ``left_out``.
        encoding: in which the text of the file is written; "" for a file that is not text.
        label_columns: the columns that the file itself says are labels.
        notes: sentences on what was done to read the file.
    """

    columns: dict[str, list[str]]
    total: int
    row_numbers: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    left_out_total: int = 0
    encoding: str = ""
    label_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.row_numbers:
            rows = len(next(iter(self.columns.values()), ()))
            object.__setattr__(self, "row_numbers", tuple(range(1, rows + 1)))
        if not self.left_out_total:
            object.__setattr__(self, "left_out_total", len(self.left_out))

    @property
    def id_column(self) -> str | None:
        """The column that names each row: one of the usual names, without blanks or repetitions."""
        names = [name for name, cells in self.columns.items() if _are_names(cells)]
        return named_column(names, _ID_NAMES)

    def has_text(self, name: str) -> bool:
        """Whether a column holds more than numbers and blanks."""
        return not all(not cell.strip() or _is_number(cell) for cell in self.columns[name])

    @property
    def text_column(self) -> str | None:
        """The column that probably holds the texts: by its name, else by its length."""
        with_text = [name for name in self.columns if self.has_text(name)]
        if named := named_column(with_text, _TEXT_NAMES):
            return named
        return max(with_text, key=lambda name: sum(map(len, self.columns[name])), default=None)

    @property
    def label_column(self) -> str | None:
        """The column that probably holds the labels: by its name, else by its few values."""
        return self.label_beside(self.text_column)

    def label_beside(self, text_column: str | None) -> str | None:
        """The probable label column when ``text_column`` holds the texts."""
        others = [name for name in self.columns if name != text_column]
        if named := named_column(others, _LABEL_NAMES):
            return named
        # Words before numbers: a row number is seldom a label.
        for name in sorted(others, key=self.has_text, reverse=True):
            cells = self.columns[name]
            if 2 <= len(set(cells)) <= min(_MAX_LABELS, len(cells) // 2):
                return name
        return None


def _are_names(cells: list[str]) -> bool:
    return all(cell.strip() for cell in cells) and len(set(cells)) == len(cells)


def named_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first column with one of the usual ``names``, in the order of these names."""
    usual = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in reversed([*columns])}
    return next((usual[name] for name in names if name in usual), None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def table_to_corpus(
    table: Table,
    text_column: str | None = None,
    label_column: str | None = None,
    title: str = "Your texts",
    source: str = "your file",
) -> Corpus:
    """The table's texts with their labels; columns left None are guessed, ``""`` is no label.

    Raises:
        EmbedLabError: no such column, or one without any text.
    """
    chosen = text_column or table.text_column
    if chosen is None:
        raise EmbedLabError(f"{title} has no column with text; {_available_columns(table)}.")
    texts = [clean_text(cell).strip() for cell in text_cells(table, chosen, title)]
    label = table.label_beside(chosen) if label_column is None else label_column
    fields = {}
    if label:
        labels = [clean_text(cell).strip() or "(none)" for cell in _column(table, label, title)]
        fields[label] = tuple(name for name, text in zip(labels, texts, strict=True) if text)
    blank = texts.count("")
    return Corpus(
        id="own",
        title=title,
        texts=tuple(text for text in texts if text),
        fields=fields,
        total=table.total - blank,
        source=source,
        notes=table.notes + count_note(blank, "blank row", "left out"),
    )


def _column(table: Table, name: str, title: str) -> list[str]:
    if name not in table.columns:
        raise EmbedLabError(f"{title} has no column {name[:60]!r}; {_available_columns(table)}.")
    return table.columns[name]


def text_cells(table: Table, name: str, title: str) -> list[str]:
    """The cells of one column.

    Raises:
        EmbedLabError: there is no such column, or no text in it; the message lists the columns.
    """
    cells = _column(table, name, title)
    if not table.has_text(name):
        content = "only numbers" if any(cell.strip() for cell in cells) else "no text"
        raise EmbedLabError(
            f"Column {name[:60]!r} of {title} holds {content}; choose one with text: "
            f"{_available_columns(table)}."
        )
    return cells


def _available_columns(table: Table) -> str:
    return f"its columns are {quoted_names(table.columns)}"


def quoted_names(names: Iterable[str]) -> str:
    """Up to twelve names, shortened, for a message."""
    shown = [repr(str(name)[:40]) for name in names]
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")


def count_note(n: int, what: str, done: str) -> tuple[str, ...]:
    """A note such as ``3 blank rows were left out``, or none for zero."""
    if n == 0:
        return ()
    return (f"1 {what} was {done}.",) if n == 1 else (f"{n:,} {what}s were {done}.",)


def left_out_notes(left_out: Sequence[LeftOut], total: int = 0) -> tuple[str, ...]:
    """A note for each reason, such as ``2 rows were left out: blank (rows 3 and 7)``.

    Args:
        left_out: the rows that are listed.
        total: how many were left out in all, where more than are listed.
    """
    rows: dict[str, list[int]] = {}
    for row, reason in left_out:
        rows.setdefault(reason, []).append(row)
    notes = [
        f"1 row was left out: {reason} (row {numbers[0]:,})."
        if len(numbers) == 1
        else f"{len(numbers):,} rows were left out: {reason} (rows {_listed(numbers)})."
        for reason, numbers in rows.items()
    ]
    return (*notes, *count_note(max(0, total - len(left_out)), "more row", "left out"))


def _listed(numbers: Sequence[int]) -> str:
    """``3, 7 and 9``, or the first five of more."""
    shown = [f"{number:,}" for number in numbers[:5]]
    if len(numbers) > len(shown):
        return ", ".join(shown) + ", …"
    return ", ".join(shown[:-1]) + f" and {shown[-1]}"


def limit_note(read: int, total: int) -> tuple[str, ...]:
    """A note that only the first rows were read, or none."""
    return (f"Only the first {read:,} of {total:,} rows were read.",) if read < total else ()


def text_lines(text: str) -> list[str]:
    """The lines of a text, split at LF, CRLF and CR only, without a last empty line."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if not lines[-1] else lines


def own_texts(pasted: str, max_texts: int = MAX_TEXTS) -> Corpus:
    """Pasted texts, one per line; blank lines are dropped.

    Raises:
        EmbedLabError: there is no text.
    """
    lines = [clean_text(line).strip() for line in text_lines(pasted)]
    texts = [line for line in lines if line]
    if not texts:
        raise EmbedLabError("There is no text yet; paste one text per line.")
    return Corpus(
        id="own",
        title="Your texts",
        texts=tuple(texts[:max_texts]),
        total=len(texts),
        source="pasted",
        notes=limit_note(min(max_texts, len(texts)), len(texts))
        + count_note(len(lines) - len(texts), "blank row", "left out"),
    )
