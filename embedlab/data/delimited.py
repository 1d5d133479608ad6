"""Files of delimited cells, csv and tsv, as programs and people write them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from embedlab.data.csv_form import DELIMITERS, SAMPLE_CHARS, SAMPLE_ROWS, form_around, form_of
from embedlab.data.csv_records import Form, Records, Unpaired
from embedlab.data.headers import is_header, is_usual_name
from embedlab.data.rows import Bad, Taken, Unreadable, distinct_names, limit_columns, take
from embedlab.data.tables import Table, count_note

_SEP = re.compile(r'"?sep=([^\w"\\\r\n])"?\r?\n', re.IGNORECASE)
_WIDTH = Bad("another number of cells than the header")


def read_delimited(text: str, limit: int, delimiter: str = "") -> Table:
    """The first ``limit`` rows of a csv or tsv file.

    Args:
        text: the whole file.
        limit: on the rows that are kept.
        delimiter: the one that the file's name says; others are tried where it splits nothing.

    Raises:
        Unreadable: too many columns, or no row that fits the header.
    """
    whole = text
    text, said, notes = without_preamble(whole)
    skipped = whole.count("\n", 0, len(whole) - len(text))
    form = form_of(text, said or delimiter, certain=bool(said))
    records = Records(text, form)
    table = _table(records, limit)
    if records.malformed and records.malformed_at > SAMPLE_CHARS // 2:
        # What the beginning of the file did not show.
        better = form_around(text, records.malformed_at, form.delimiter)
        if better != form:
            records = Records(text, better)
            table = _table(records, limit)
    notes += _form_notes(records, text, delimiter, skipped)
    return replace(table, notes=notes + table.notes)


def without_preamble(text: str) -> tuple[str, str, tuple[str, ...]]:
    """The text behind ``sep=;`` and comment lines, the delimiter said there, and notes."""
    said = ""
    notes: tuple[str, ...] = ()
    if match := _SEP.match(text):
        said, text = match[1], text[match.end() :]
        notes = (f"The first line says that cells are separated by {said!r}.",)
    lines = re.match(r"(?:#[^\n]*\n){1,100}", text)
    if lines and _are_comments(lines[0].splitlines(), text[lines.end() :]):
        comments = lines[0].splitlines()
        text = text[lines.end() :]
        first = f"the first being {comments[0][:60]!r}"
        notes += count_note(len(comments), "comment line", f"skipped above the header, {first}")
    return text, said, notes


def _are_comments(first: Sequence[str], rest: str) -> bool:
    """Whether lines that begin with # are no texts and no header themselves."""
    below = [line for line in rest[:SAMPLE_CHARS].splitlines() if line.strip()]
    # Where many lines begin so, it is how these texts begin.
    if sum(line.startswith("#") for line in below) >= len(below) / 4:
        return False
    # "#id,text" above rows with one comma each is a header.
    delimiters = max(DELIMITERS, key=below[0].count)
    split = below[0].count(delimiters)
    if split:
        return any(line.count(delimiters) != split for line in first) or len(first) > 1
    # A hashtag has no space behind it.
    return all(re.match(r"#+(\s|$|[!%-])", line) for line in first) or is_usual_name(below[0])


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns of delimited text, and its rows as they come.

    ``named`` says whether the first row is a header; without one the header's cells are blank.
    """

    header: list[str]
    named: bool
    rows: Iterator[list[str] | Bad]
    notes: tuple[str, ...] = ()

    def names(self, kept: int) -> list[str]:
        """The names of the first ``kept`` columns."""
        header = self.header[:kept]
        if self.named and not header[0].strip() and kept > 1:
            header = ["index", *header[1:]]  # as pandas writes it
        elif not self.named and kept == 1:
            header = ["text"]
        return distinct_names(header)


def streamed_shape(records: Records) -> Shape:
    """Columns and rows of records, judged by the first of them.

    Raises:
        Unreadable: it has no rows, or too many columns.
    """
    every = iter(records)
    sample = list(islice(every, SAMPLE_ROWS))
    while sample and not any(cell.strip() for cell in sample[0]):
        sample.pop(0)
    full = [row for row in sample if any(cell.strip() for cell in row)]
    if not full:
        raise Unreadable("has no rows of text; choose a file with texts")
    header = full[0]
    widths = Counter(map(len, full[1:]))
    width = max(widths, key=lambda w: (widths[w], w), default=len(header))
    notes: tuple[str, ...] = ()
    if width < len(header) and not any(cell.strip() for cell in header[width:]):
        header = header[:width]
    if width == len(header) + 1 and _have_names(full[1:], width, records.form):
        header = ["row_name", *header]
        notes = ("The first column has no name in the header, so it was read as the rows' names.",)
        named = True
    else:
        named = is_header(header, full[1:])
    if named:
        sample = sample[1:]
    else:
        width = len(header) if widths[len(header)] == widths[width] else width
        header = [""] * width
        notes = _numbered_note(records.form)
    limit_columns(header)
    rows = (_fitted(row, len(header), records) for part in (sample, every) for row in part)
    return Shape(header=header, named=named, rows=rows, notes=notes)


def _table(records: Records, limit: int) -> Table:
    shape = streamed_shape(records)
    taken = take(shape.rows, limit)
    if not taken.rows and taken.left_out:
        raise Unreadable(
            f"has no row with as many cells as its header ({len(shape.header)}); check its "
            "delimiter and quotes"
        )
    return _named_table(taken, shape)


def _numbered_note(form: Form) -> tuple[str, ...]:
    if not form.delimiter:
        return ("No header row was found.",)
    return ("No header row was found, so the columns are numbered.",)


def _named_table(taken: Taken[list[str]], shape: Shape) -> Table:
    header, notes = shape.header, shape.notes
    columns = [[row[i] for row in taken.rows] for i in range(len(header))]
    # Delimiters at the end of each line make columns of nothing.
    kept = len(header)
    while kept > 1 and not any(c.strip() for c in (header[kept - 1], *columns[kept - 1])):
        kept -= 1
    notes += count_note(len(header) - kept, "empty column", "left out, having no name")
    return taken.table(dict(zip(shape.names(kept), columns, strict=False)), notes)


def _have_names(rows: list[list[str]], width: int, form: Form) -> bool:
    """Whether the cells in front of the header's columns name the rows, as R writes them."""
    fitting = [row for row in rows if len(row) == width]
    if all(not row[-1].strip() for row in fitting) and len(rows) == len(fitting):
        return False  # a delimiter at the end of each line
    names = [row[0] for row in fitting]
    if len(set(names)) < len(names) or not all(names):
        return False
    if names == [str(i) for i in range(1, len(names) + 1)]:
        return True
    gaps = sum(row[1][:1] == " " for row in fitting)
    return form.quotes == "quoted" and gaps < 0.5 * len(fitting) and len(fitting) == len(rows)


def _fitted(row: list[str], width: int, records: Records) -> list[str] | Bad:
    """The row with as many cells as the header."""
    if len(row) > width and isinstance(row, Unpaired):
        row = row.joined(width, records.form.delimiter)
        records.joined += len(row) == width
    if len(row) == width:
        return row
    if len(row) > width:
        return row[:width] if not any(cell.strip() for cell in row[width:]) else _WIDTH
    return _WIDTH if any(cell.strip() for cell in row) else [""] * width


def _form_notes(records: Records, text: str, expected: str, skipped: int) -> tuple[str, ...]:
    """What was done to split the file, where it is not what its name says."""
    form, notes = records.form, []
    if expected and form.delimiter != expected:
        notes.append("The cells are not separated by tabs, as they would be in a tsv file.")
    if not form.delimiter and any(mark in text for mark in ",;"):
        notes.append("Each line was read as one text, with its commas and semicolons.")
    if form.quotes == "plain" and form.delimiter and '"' in text:
        notes.append("Quotation marks were read as part of the texts.")
    if form.quotes == "escaped":
        notes.append("Backslashes before quotation marks were read as escapes.")
    if n := records.malformed:
        line = skipped + text.count("\n", 0, records.malformed_at) + 1
        where = f"line {line:,}"
        notes.append(
            f"The quotation marks of {where} do not pair up, so it was read without quoting."
            if n == 1
            else f"The quotation marks of {n:,} lines do not pair up, the first being {where}; "
            "they were read without quoting."
        )
    if n := records.joined:
        lines = f"{n:,} line{'s' * (n != 1)}"
        notes.append(f"Speech that holds delimiters was kept in one cell, on {lines}.")
    return tuple(notes)
