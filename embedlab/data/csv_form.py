"""How a csv or tsv file is written: what separates its cells, and what quotes them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from embedlab.data.csv_records import Form, Quotes, Records
from embedlab.data.headers import is_usual_name

DELIMITERS = ",;\t|"
#: What is looked at to find out how a file is written.
SAMPLE_CHARS, SAMPLE_ROWS = 200_000, 2_000
_LONGEST_SAMPLE = 5_000_000


def form_of(text: str, delimiter: str, *, certain: bool) -> Form:
    """The form in which the fewest lines at the beginning of a text do not fit.

    Args:
        text: the whole of it.
        delimiter: the one that is expected, "" for none.
        certain: whether the file itself says so.
    """
    end = _cut(text)
    form = _form_of_sample(text[:end], delimiter, certain=certain)
    first = text.find('"')
    # The beginning does not say what quotation marks are if it has none.
    return form if first < end else form_around(text, first, form.delimiter)


def form_around(text: str, at: int, delimiter: str) -> Form:
    """The form with this delimiter that fits best around a place."""
    start = text.rfind("\n", 0, max(0, at - SAMPLE_CHARS // 40)) + 1
    around = text[: text.find("\n") + 1] + text[start : start + _cut(text[start:])]
    return _best(around, delimiter).form


def _cut(text: str) -> int:
    """Where the sample ends: behind a line, if it is not endless."""
    return text.find("\n", SAMPLE_CHARS, _LONGEST_SAMPLE) + 1 or min(len(text), _LONGEST_SAMPLE)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What a form makes of the sample: ``cost`` counts the lines that do not fit it.

    Of those the ``ragged`` ones are lost; the others are read without quoting.
    """

    form: Form
    rows: list[list[str]]
    width: int
    cost: int
    ragged: int
    swallowed: int
    lines: int

    @property
    def share(self) -> float:
        """Of the lines that fit."""
        return 1 - self.cost / max(1, self.lines)


def _form_of_sample(sample: str, delimiter: str, *, certain: bool) -> Form:
    """The form in which the fewest lines do not fit."""
    if delimiter:
        trial = _best(sample, delimiter)
        if certain or trial.width > 1:
            return trial.form
    possible = [d for d in DELIMITERS if d in sample]
    # What R writes by default; elsewhere spaces separate words.
    if re.match(r'"[^"\n]*"( "[^"\n]*")*\r?\n"[^"\n]*" ["\d]', sample):
        possible.append(" ")
    trials = [trial for d in possible if (trial := _best(sample, d)).width > 1]
    best = max(trials, key=lambda t: (t.share, t.width), default=None)
    if best and not _is_prose(best if not best.form.spaces else _with_spaces(sample, best)):
        return best.form
    # A header alone says how its rows should be split.
    for d in DELIMITERS:
        first = sample.split("\n", 1)[0].strip().split(d)
        if not best and len(first) > 1 and all(re.fullmatch(r"\w{1,30}", name) for name in first):
            return Form(delimiter=d)
    return _best(sample, "").form


def _best(sample: str, delimiter: str) -> _Trial:
    """The best form with this delimiter; marks in tsv are rarely quotes, in csv mostly."""
    order: list[Quotes] = ["quoted", "plain"]
    if delimiter in ("\t", ""):
        order.reverse()
    if '\\"' in sample:
        order.insert(1, "escaped")
    if delimiter in ("\t", "") and _as_programs_write(sample, delimiter):
        # In tsv two stray marks look the same, but then each line has its cells and ends alike.
        plain = _try(sample, Form(delimiter=delimiter, quotes="plain"))
        if plain.cost or not delimiter or _breaks_in_cells(sample):
            order.remove("plain")
    forms = [Form(delimiter=delimiter, quotes=quotes) for quotes in order]
    if delimiter and f'{delimiter} "' in sample:
        forms += [replace(form, spaces=True) for form in forms if form.quotes != "plain"]
    return min(
        (_try(sample, form) for form in forms), key=lambda t: (t.cost, t.ragged, t.swallowed)
    )


def _as_programs_write(sample: str, delimiter: str) -> bool:
    """Whether the quotation marks stand exactly where a program puts them that writes csv."""
    records = Records(sample, Form(delimiter=delimiter))
    rows: list[list[str]] = []
    for row in islice(records, SAMPLE_ROWS):
        if records.malformed:
            break
        rows.append(row)
    # A cell that is open where the sample ends may be closed behind it.
    if records.malformed and not (len(sample) > SAMPLE_CHARS and records.open_at_end):
        return False
    text = re.sub(r"\r\n?", "\n", sample)
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        for separator in delimiter or ",;\t":
            sink = io.StringIO()
            writer = csv.writer(sink, delimiter=separator, quoting=quoting, lineterminator="\n")
            writer.writerows(rows)
            written = re.sub(r"\r\n?", "\n", sink.getvalue()).rstrip("\n")
            if '"' in written and text.startswith(written):
                return True
    return False


def _breaks_in_cells(sample: str) -> bool:
    """Whether some lines end otherwise than the rows do, as Excel writes a break in a cell."""
    ends = Counter(re.findall(r"\r\n|\r|\n", sample))
    # A text that was edited on two systems has either in any number.
    return "\r\n" in ends and 0 < ends["\n"] <= ends["\r\n"]


def _try(sample: str, form: Form) -> _Trial:
    records = Records(sample, form)
    rows = [row for row in islice(records, SAMPLE_ROWS) if row]
    widths = Counter(map(len, rows[1:] or rows))
    width = max(widths, key=lambda w: (widths[w], w), default=1)
    ragged = sum(len(row) != width and any(row[width:]) for row in rows[1:])
    ragged += sum(len(row) < width for row in rows[1:])
    # A header of another width counts as one row only: it may lack the name of the rows' names.
    ragged += sum(len(row) != width for row in rows[:1])
    # A cell that is open where the sample ends may be closed behind it.
    open_at_end = len(sample) > SAMPLE_CHARS and records.open_at_end
    cost = ragged + records.malformed - open_at_end + _unread_marks(rows, form)
    lines = len(rows) + records.swallowed
    return _Trial(
        form=form,
        rows=rows,
        width=width,
        cost=cost,
        ragged=ragged,
        swallowed=records.swallowed,
        lines=lines,
    )


def _unread_marks(rows: list[list[str]], form: Form) -> int:
    """Cells with quotation marks around them that this form leaves there."""
    # A backslash before a mark, but for JSON inside of a cell.
    escapes = sum(r"\"" in cell and cell[:1] not in ("{", "[") for row in rows for cell in row)
    if form.quotes == "escaped":
        escapes = 0
    if form.quotes != "plain":
        return escapes + sum(cell.startswith(' "') for row in rows for cell in row)
    if form.delimiter not in ("\t", ""):
        return escapes + sum(cell.lstrip().startswith('"') for row in rows for cell in row)
    # In tsv they may be meant: a title, somebody's words. Not where a program wrote them.
    whole = [[c[:1] == c[-1:] == '"' and len(c) > 1 for c in row] for row in rows]
    if whole and (all(map(any, whole)) or (all(whole[0]) and len(rows) > 1)):
        return escapes + sum(map(sum, whole))
    return escapes + sum(
        quoted and '""' in cell[1:-1]
        for row, marks in zip(rows, whole, strict=True)
        for cell, quoted in zip(row, marks, strict=True)
    )


def _is_prose(trial: _Trial) -> bool:
    """Whether the delimiters are the punctuation of one text a line."""
    if trial.form.delimiter not in (",", ";") or any(map(is_usual_name, trial.rows[0][1:])):
        return False
    rows = [row for row in trial.rows if len(row) > 1]
    gaps = [
        cell.lstrip('"')[:1] == " "
        for row in rows
        for before, cell in pairwise(row)
        if not (before[-1:].isdigit() and cell[:1].isdigit())  # 1,000 is a number
    ]
    if sum(gaps) < 0.8 * len(gaps):
        return False
    # The first row may be a header.
    columns = list(zip(*(row for row in rows[1:] if len(row) == trial.width), strict=True))
    return not any(map(_is_label, columns[1:]))


def _with_spaces(sample: str, trial: _Trial) -> _Trial:
    """The trial without regard to quotation marks, if they do not pair up, to see the spaces."""
    plain = Form(delimiter=trial.form.delimiter, quotes="plain")
    return _try(sample, plain) if trial.cost else trial


def _is_label(column: Sequence[str]) -> bool:
    """Numbers, or a few short values that repeat."""
    cells = [cell.strip() for cell in column]
    if all(cell.replace(".", "", 1).isdigit() for cell in cells):
        return True
    few = 2 <= len(set(cells)) <= len(cells) // 2
    return few and all(len(cell.split()) <= 2 for cell in cells)
