"""Files of delimited cells, csv and tsv, as programs and people write them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from embedlab.data.headers import is_header, is_usual_name
from embedlab.data.rows import Bad, Taken, Unreadable, distinct_names, limit_columns, take
from embedlab.data.tables import Table, count_note

# The default limit of 131,072 characters is far below what one text may have.
csv.field_size_limit(2**31 - 1)

_DELIMITERS = ",;\t|"
#: What is looked at to find out how a file is written.
_SAMPLE_CHARS, _LONGEST_SAMPLE, _SAMPLE_ROWS = 200_000, 5_000_000, 2_000
#: Characters that may be read again after quotation marks that do not close, for each of the file.
_PATIENCE = 5
_SEP = re.compile(r'"?sep=([^\w"\\\r\n])"?\r?\n', re.IGNORECASE)
_WIDTH = Bad("another number of cells than the header")

Quotes = Literal["quoted", "escaped", "plain"]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How cells are written.

    ``quoted`` cells may hold the delimiter, and double their quotation marks; in ``escaped`` ones a
    backslash stands before each; in ``plain`` cells they are marks like any other. ``delimiter`` is
    "" where a line is one cell. With ``spaces``, those behind a delimiter do not count.
    """

    delimiter: str
    quotes: Quotes = "quoted"
    spaces: bool = False


class _Records:
    """The records of a text as lists of cells, [] for a blank line.

    A line whose quotation marks do not close where a cell ends is read without quoting, and the
    next record begins behind it: so a stray mark costs its own line at most and swallows no other.
    """

    def __init__(self, text: str, form: _Form) -> None:
        self.source = io.StringIO(text, newline="")
        self.form = form
        # A character that the text has not, so that nothing is split.
        self.delimiter = form.delimiter or _absent_from(text)
        self.length = len(text)
        self.patience = _PATIENCE * len(text)
        #: Lines whose quotation marks do not pair up, and where the first begins.
        self.malformed = 0
        self.malformed_at = 0
        self.open_at_end = False
        #: Lines that are inside of a quoted cell.
        self.swallowed = 0

    def __iter__(self) -> Iterator[list[str]]:
        if self.form.quotes == "plain":
            yield from map(self._plain, self.source)
            return
        lines = _Lines(self.source, escaped=self.form.quotes == "escaped")
        reader = csv.reader(
            lines,
            delimiter=self.delimiter,
            escapechar="\\" if self.form.quotes == "escaped" else None,
            skipinitialspace=self.form.spaces,
            strict=True,
        )
        while self.patience > 0:
            start, before = self.source.tell(), lines.read
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                self.open_at_end |= self.source.tell() == self.length
                self.patience -= self.source.tell() - start
                self.source.seek(start)
                lines.read = before + 1
                self.malformed_at = self.malformed_at if self.malformed else start
                self.malformed += 1
                yield self._plain(self.source.readline())
            else:
                self.swallowed += lines.read - before - 1
                yield row
        yield from map(self._plain, self.source)

    def _plain(self, line: str) -> list[str]:
        line = line.rstrip("\r\n")
        cells = line.split(self.delimiter) if line else []
        return [cell.lstrip(" ") for cell in cells] if self.form.spaces else cells


def _absent_from(text: str) -> str:
    return next(c for c in map(chr, range(0xE000, 0xF900)) if c not in text)


class _Lines:
    """The lines that are left of a source, which may be set back; ``read`` counts them."""

    def __init__(self, source: io.StringIO, *, escaped: bool) -> None:
        self.source, self.escaped, self.read = source, escaped, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.source.readline()
        if not line:
            raise StopIteration
        self.read += 1
        # Before other characters a backslash is one, as in C:\new.
        return re.sub(r'\\(["\\])|\\', _kept_backslash, line) if self.escaped else line


def _kept_backslash(found: re.Match[str]) -> str:
    return found[0] if found[1] else "\\\\"


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
    text, said, notes = _without_preamble(whole)
    skipped = whole.count("\n", 0, len(whole) - len(text))
    form = _form_of(text[: _cut(text)], said or delimiter, certain=bool(said))
    records = _Records(text, form)
    table = _table(records, limit)
    if records.malformed and records.malformed_at > _SAMPLE_CHARS // 2:
        # What the beginning of the file did not show.
        better = _best(_around(text, records.malformed_at), form.delimiter).form
        if better != form:
            records = _Records(text, better)
            table = _table(records, limit)
    notes += _form_notes(records, text, delimiter, skipped)
    return replace(table, notes=notes + table.notes)


def _cut(text: str) -> int:
    """Where the sample ends: behind a line, if it is not endless."""
    return text.find("\n", _SAMPLE_CHARS, _LONGEST_SAMPLE) + 1 or min(len(text), _LONGEST_SAMPLE)


def _around(text: str, at: int) -> str:
    """The first line, and whole lines before and behind a place."""
    start = text.rfind("\n", 0, at - _SAMPLE_CHARS // 4) + 1
    return text[: text.find("\n") + 1] + text[start : start + _cut(text[start:])]


def _without_preamble(text: str) -> tuple[str, str, tuple[str, ...]]:
    """The text behind ``sep=;`` and comment lines, the delimiter said there, and notes."""
    said, notes = "", ()
    if found := _SEP.match(text):
        said, text = found[1], text[found.end() :]
        notes = (f"The first line says that cells are separated by {said!r}.",)
    lines = re.match(r"(?:#[^\n]*\n)+", text)
    if lines and _are_comments(lines[0].splitlines(), text[lines.end() :]):
        comments = lines[0].splitlines()
        text = text[lines.end() :]
        first = f"the first being {comments[0][:60]!r}"
        notes += count_note(len(comments), "comment line", f"skipped above the header, {first}")
    return text, said, notes


def _are_comments(first: Sequence[str], rest: str) -> bool:
    """Whether lines that begin with # are no texts and no header themselves."""
    below = [line for line in rest[:_SAMPLE_CHARS].splitlines() if line.strip()]
    # Where many lines begin so, it is how these texts begin.
    if sum(line.startswith("#") for line in below) >= len(below) / 4:
        return False
    # "#id,text" above rows with one comma each is a header.
    delimiters = max(_DELIMITERS, key=below[0].count)
    split = below[0].count(delimiters)
    if split:
        return any(line.count(delimiters) != split for line in first) or len(first) > 1
    # A hashtag has no space behind it.
    return all(re.match(r"#+(\s|$|[!%-])", line) for line in first) or is_usual_name(below[0])


# How a file is written


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What a form makes of the sample: ``cost`` counts the lines that do not fit it."""

    form: _Form
    rows: list[list[str]]
    width: int
    cost: int
    swallowed: int
    lines: int

    @property
    def share(self) -> float:
        """Of the lines that fit."""
        return 1 - self.cost / max(1, self.lines)


def _form_of(sample: str, delimiter: str, *, certain: bool) -> _Form:
    """The form in which the fewest lines do not fit."""
    if delimiter:
        trial = _best(sample, delimiter)
        if certain or trial.width > 1:
            return trial.form
    possible = [d for d in _DELIMITERS if d in sample]
    # What R writes by default; elsewhere spaces separate words.
    if re.match(r'"[^"\n]*"( "[^"\n]*")*\r?\n"[^"\n]*" ["\d]', sample):
        possible.append(" ")
    trials = [trial for d in possible if (trial := _best(sample, d)).width > 1]
    best = max(trials, key=lambda t: (t.share, t.width), default=None)
    if best and not _is_prose(best):
        return best.form
    # A header alone says how its rows should be split.
    for d in _DELIMITERS:
        first = sample.split("\n", 1)[0].strip().split(d)
        if not best and len(first) > 1 and all(re.fullmatch(r"\w{1,30}", name) for name in first):
            return _Form(delimiter=d)
    return _best(sample, "").form


def _best(sample: str, delimiter: str) -> _Trial:
    """The best form with this delimiter; marks in tsv are rarely quotes, in csv mostly."""
    order: list[Quotes] = ["quoted", "plain"]
    if delimiter in ("\t", ""):
        order.reverse()
    if '\\"' in sample:
        order.insert(1, "escaped")
    if '"' not in sample:
        order = ["plain"]
    forms = [_Form(delimiter=delimiter, quotes=quotes) for quotes in order]
    if delimiter and f'{delimiter} "' in sample:
        forms += [replace(form, spaces=True) for form in forms if form.quotes != "plain"]
    return min((_try(sample, form) for form in forms), key=lambda t: (t.cost, t.swallowed))


def _try(sample: str, form: _Form) -> _Trial:
    records = _Records(sample, form)
    rows = [row for row in islice(records, _SAMPLE_ROWS) if row]
    widths = Counter(map(len, rows[1:] or rows))
    width = max(widths, key=lambda w: (widths[w], w), default=1)
    ragged = sum(len(row) != width and any(row[width:]) for row in rows[1:])
    ragged += sum(len(row) < width for row in rows[1:])
    # A header of another width counts as one row only: it may lack the name of the rows' names.
    ragged += sum(len(row) != width for row in rows[:1])
    # A cell that is open where the sample ends may be closed behind it.
    open_at_end = len(sample) > _SAMPLE_CHARS and records.open_at_end
    cost = ragged + records.malformed - open_at_end + _unread_marks(rows, form)
    lines = len(rows) + records.swallowed
    return _Trial(
        form=form, rows=rows, width=width, cost=cost, swallowed=records.swallowed, lines=lines
    )


def _unread_marks(rows: list[list[str]], form: _Form) -> int:
    """Cells with quotation marks around them that this form leaves there."""
    if form.quotes != "plain":
        return sum(cell.startswith(' "') for row in rows for cell in row)
    if form.delimiter not in ("\t", ""):
        return sum(cell.lstrip().startswith('"') for row in rows for cell in row)
    # In tsv they may be meant: a title, somebody's words. Not where a program wrote them.
    whole = [[c[:1] == c[-1:] == '"' and len(c) > 1 for c in row] for row in rows]
    if whole and (all(map(any, whole)) or (all(whole[0]) and len(rows) > 1)):
        return sum(map(sum, whole))
    return sum(
        quoted and re.search(r'""|\\"', cell[1:-1]) is not None
        for row, marks in zip(rows, whole, strict=True)
        for cell, quoted in zip(row, marks, strict=True)
    )


def _is_prose(trial: _Trial) -> bool:
    """Whether the delimiters are the punctuation of one text a line."""
    if trial.form.delimiter not in (",", ";") or any(map(is_usual_name, trial.rows[0][1:])):
        return False
    rows = [row for row in trial.rows if len(row) > 1]
    gaps = [cell[:1] == " " for row in rows for cell in row[1:]]
    if sum(gaps) < 0.8 * len(gaps):
        return False
    # The first row may be a header.
    columns = list(zip(*(row for row in rows[1:] if len(row) == trial.width), strict=True))
    return not any(map(_is_label, columns[1:]))


def _is_label(column: Sequence[str]) -> bool:
    """Numbers, or a few short values that repeat."""
    cells = [cell.strip() for cell in column]
    if all(cell.replace(".", "", 1).isdigit() for cell in cells):
        return True
    few = 2 <= len(set(cells)) <= len(cells) // 2
    return few and all(len(cell.split()) <= 2 for cell in cells)


# From records to a table


def _table(records: _Records, limit: int) -> Table:
    every = iter(records)
    sample = list(islice(every, _SAMPLE_ROWS))
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
    taken = take((_fitted(row, len(header)) for part in (sample, every) for row in part), limit)
    if not taken.rows and taken.left_out:
        raise Unreadable(
            f"has no row with as many cells as its header ({len(header)}); check its delimiter and "
            "quotes"
        )
    return _named_table(taken, header, named, notes)


def _numbered_note(form: _Form) -> tuple[str, ...]:
    if not form.delimiter:
        return ("No header row was found.",)
    return ("No header row was found, so the columns are numbered.",)


def _named_table(
    taken: Taken[list[str]], header: list[str], named: bool, notes: tuple[str, ...]
) -> Table:
    columns = [[row[i] for row in taken.rows] for i in range(len(header))]
    # Delimiters at the end of each line make columns of nothing.
    kept = len(header)
    while kept > 1 and not any(c.strip() for c in (header[kept - 1], *columns[kept - 1])):
        kept -= 1
    notes += count_note(len(header) - kept, "empty column", "left out, having no name")
    if named and not header[0].strip() and kept > 1:
        header = ["index", *header[1:]]  # as pandas writes it
    elif not named and kept == 1:
        header = ["text"]
    return taken.table(dict(zip(distinct_names(header[:kept]), columns, strict=False)), notes)


def _have_names(rows: list[list[str]], width: int, form: _Form) -> bool:
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


def _fitted(row: list[str], width: int) -> list[str] | Bad:
    """The row with as many cells as the header."""
    if len(row) == width:
        return row
    if len(row) > width:
        return row[:width] if not any(cell.strip() for cell in row[width:]) else _WIDTH
    return _WIDTH if any(cell.strip() for cell in row) else [""] * width


def _form_notes(records: _Records, text: str, expected: str, skipped: int) -> tuple[str, ...]:
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
    return tuple(notes)
