"""Tables of text cells, and corpora made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from embedlab.data.columns import (
    KINDS,
    guess_labels,
    guess_text,
    joined_cells,
    kind_of,
    label_choices,
    parts_of,
)
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text, shorten

#: Rows of a table that become texts.
MAX_TEXTS = 10_000

_ID_NAMES = (
    *("_id", "id", "doc_id", "docid", "document_id", "text_id", "row_id", "uid", "uuid", "guid"),
    *("pid", "qid", "idx", "index", "__index_level_0__", "key", "row_name"),
)
#: Why a row without text is left out.
NO_TEXT = "no text"
#: Rows that a note on rows left out names.
ROWS_IN_A_NOTE = 5
#: What stands for a missing label in files that programs write; case counts.
NO_LABEL = frozenset(("nan", "NaN", "null", "NULL", "NA", "<NA>", "N/A", "n/a", "#N/A"))
#: Signs that begin a formula, and a cell that is kept from being one.
_FORMULA = ("=", "+", "-", "@")
_GUARDED = re.compile(r"'+[=+\-@]")


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
        notes: sentences on what was done to read the file; ``left_out`` is not in them.
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

    @cached_property
    def text_column(self) -> str | None:
        """The probable texts: a column's name, or ``title + text``; None where none can be read."""
        return guess_text(self.columns)

    @property
    def text_choices(self) -> list[str]:
        """What can be chosen as texts: every column, and the guess where it joins two."""
        guess = self.text_column
        return [*([guess] if guess and guess not in self.columns else []), *self.columns]

    @property
    def label_column(self) -> str | None:
        """The column that probably holds the labels."""
        return self.label_beside(self.text_column)

    def label_beside(self, text_column: str | None) -> str | None:
        """The probable label column when ``text_column`` holds the texts."""
        return guess_labels(
            self.columns, parts_of(text_column or "", self.columns), self.label_columns
        )


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
    """The table's texts with their labels, ids and row numbers; the first note names the columns.

    Columns left None are guessed. ``title + text`` joins two columns, and ``""`` is no label. The
    first field is the chosen label; other columns that may be labels follow it, and all others but
    those of lists and objects are kept as columns. Rows without text are left out, and a label such
    as ``NaN`` is none.

    Raises:
        EmbedLabError: no such column, or one without any text.
    """
    columns, unguarded = _unguarded(table.columns)
    table = replace(table, columns=columns)
    chosen = text_column or table.text_column
    if chosen is None:
        contents = _available_columns(table, contents=True)
        raise EmbedLabError(f"{title} has no column with text; {contents}.")
    parts = parts_of(chosen, table.columns) or [chosen]
    for part in parts:
        _column(table, part, title)
    if len(parts) == 1:
        text_cells(table, chosen, title)
    texts = [clean_text(cell).strip() for cell in joined_cells(table.columns, parts)]
    label = table.label_beside(chosen) if label_column is None else label_column
    fields, unlabelled = _label_fields(table, parts, label or "", title)
    ids = table.id_column
    used = {*parts, *fields, ids}
    others = {
        name: cells
        for name, cells in table.columns.items()
        # Lists and objects, vectors among them, are neither a category nor a number.
        if name not in used and kind_of(cells) != "json"
    }
    kept = [i for i, text in enumerate(texts) if text]
    blank = [LeftOut(table.row_numbers[i], NO_TEXT) for i, text in enumerate(texts) if not text]
    return Corpus(
        id="own",
        title=title,
        texts=tuple(texts[i] for i in kept),
        fields={name: tuple(values[i] for i in kept) for name, values in fields.items()},
        columns={name: tuple(clean_text(cells[i]) for i in kept) for name, cells in others.items()},
        ids=tuple(table.columns[ids][i] for i in kept) if ids and ids not in parts else (),
        rows=tuple(table.row_numbers[i] for i in kept),
        left_out=tuple(sorted((*table.left_out, *blank))),
        total=table.total - len(blank),
        source=source,
        notes=_columns_note(chosen, parts, label or "", next((t for t in texts if t), ""))
        + table.notes
        + unguarded
        + count_note(len(blank), "blank row", "left out")
        + unlabelled,
    )


def _unguarded(columns: dict[str, list[str]]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The columns without the apostrophes that keep a spreadsheet from running a cell as a formula.

    Where they were written no cell is left that begins like a formula; so a column that has both
    stays as it is.
    """
    unguarded, count = {}, 0
    for name, cells in columns.items():
        guarded = [bool(_GUARDED.match(cell)) for cell in cells]
        unguarded[name] = cells
        if any(guarded) and not any(cell.startswith(_FORMULA) for cell in cells):
            unguarded[name] = [cell[yes:] for cell, yes in zip(cells, guarded, strict=True)]
            count += sum(guarded)
    done = "read without the apostrophe that keeps a spreadsheet from running it"
    return unguarded, count_note(count, "cell", done)


def _label_fields(
    table: Table, parts: list[str], label: str, title: str
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The values of the label, then of other columns like it; blank where there is none.

    With them notes on values that count as no label.
    """
    if not label:
        return {}, ()
    _column(table, label, title)
    names = dict.fromkeys((label, *label_choices(table.columns, parts)))
    cells = {name: [clean_text(cell).strip() for cell in table.columns[name]] for name in names}
    missing = [value for value in dict.fromkeys(cells[label]) if value in NO_LABEL]
    counts = [(value, cells[label].count(value)) for value in missing]
    notes = tuple(
        f"{n:,} {'text' if n == 1 else 'texts'} with the label {value!r} "
        f"{'was' if n == 1 else 'were'} taken as unlabelled."
        for value, n in counts
    )
    fields = {
        name: ["" if value in NO_LABEL else value for value in values]
        for name, values in cells.items()
    }
    return fields, notes


def _columns_note(chosen: str, parts: list[str], label: str, first: str) -> tuple[str, ...]:
    """Which columns were taken, with the first text."""
    what = "are column" if len(parts) == 1 else "are columns"
    names = " and ".join(repr(part[:60]) for part in parts)
    labels = f"; the labels are column {label[:60]!r}" if label else ""
    return (f"The texts {what} {names}, the first one “{shorten(first, 60)}”{labels}.",)


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


def _available_columns(table: Table, *, contents: bool = False) -> str:
    """Which columns there are, and what they hold where that is why none can be texts."""
    if not contents:
        return f"its columns are {quoted_names(table.columns)}"
    held = [
        f"{name[:40]!r} ({KINDS[kind_of(cells)]})"
        for name, cells in list(table.columns.items())[:12]
    ]
    return f"its columns are {', '.join(held)}" + (", …" if len(table.columns) > 12 else "")


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
    shown = [f"{number:,}" for number in numbers[:ROWS_IN_A_NOTE]]
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
    rows = [number for number, line in enumerate(lines, start=1) if line]
    if not rows:
        raise EmbedLabError("There is no text yet; paste one text per line.")
    kept = rows[:max_texts]
    blank = tuple((number, NO_TEXT) for number, line in enumerate(lines, 1) if not line)
    return Corpus(
        id="own",
        title="Your texts",
        texts=tuple(lines[number - 1] for number in kept),
        rows=tuple(kept),
        left_out=blank,
        total=len(rows),
        source="pasted",
        notes=limit_note(len(kept), len(rows)) + count_note(len(blank), "blank row", "left out"),
    )
