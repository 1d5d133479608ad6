"""Whether the first row of a table names its columns or is a row like the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

#: Rows that the first one is compared with.
_COMPARED = 500
_LONGEST_NAME = 60
#: Names that columns of texts usually have; with "text_1" and the like.
_USUAL = frozenset(
    (
        *("text", "texts", "sentence", "sentences", "content", "document", "doc", "passage"),
        *("body", "review", "comment", "message", "question", "answer", "abstract", "context"),
        *("description", "title", "headline", "tweet", "utterance", "chunk", "summary"),
        *("label", "labels", "category", "class", "topic", "sense", "intent", "sentiment"),
        *("genre", "target", "id", "_id", "idx", "index", "key", "name", "url", "source"),
        *("anchor", "positive", "negative", "query", "pos", "neg", "premise", "hypothesis"),
        *("score", "date", "time", "timestamp", "language", "lang", "author", "user", "rating"),
        *("stars", "count", "value"),
    )
)
_NUMBERED = re.compile(r"([a-z]+?)[ _-]?\d+|([a-z]+)[ _-][a-z]")
_KINDS = {
    "number": re.compile(r"[-+]?[$€£]?\d[\d.,' ]*%?(e[-+]?\d+)?|[-+]?\.\d+", re.IGNORECASE),
    "date": re.compile(
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T,]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?"
    ),
    "yes or no": re.compile(r"true|false|yes|no", re.IGNORECASE),
    "link": re.compile(r"(https?://|www\.)\S+|\S+@\S+\.\w+", re.IGNORECASE),
}


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Compare the first row with those below it: kinds of values, repetition, lengths.

    A column speaks for a header where its first cell is of another kind than the rest, is not one
    of a few values that repeat below, or is much shorter than they are; and against one where the
    first cell is a value as the others are. Where nothing speaks, several short cells are a header,
    as nearly every program writes one, and a single one is not.
    """
    cells = [cell.strip() for cell in first]
    rows = body[:_COMPARED]
    votes = 0.0
    for i, cell in enumerate(cells):
        column = [row[i].strip() for row in rows if i < len(row) and row[i].strip()]
        votes += _vote(cell, column, leading=i == 0)
    named = [cell for cell in cells if cell]
    votes -= 2 * (len(set(named)) < len(named))
    if votes or not rows:
        return votes > 0
    return len(cells) > 1 and all(len(cell) <= _LONGEST_NAME for cell in cells)


def _vote(cell: str, column: list[str], *, leading: bool) -> float:
    """How much one column says for (above 0) or against the first cell being its name."""
    if not cell:  # of an index, whose name pandas leaves out
        return 1.0 if leading and column and len(set(column)) == len(column) else 0.0
    if cell in column:
        return -4.0
    # "pos" is a name, but not above "neg".
    if is_usual_name(cell) and not (column and _USUAL.issuperset(map(str.lower, column))):
        return 3.0
    if not column:
        return 0.0
    kind, usual = _kind(cell), _usual_kind(column)
    if usual:
        return -4.0 if kind == usual else 4.0
    if kind:  # a year, or the 0, 1, … of a table without names
        return 1.0 if kind not in map(_kind, column) else -1.0
    return _repetition(column) + _length(cell, column)


def is_usual_name(cell: str) -> bool:
    """Whether a cell is a name that columns often have, such as ``text`` or ``sentence_1``."""
    name = cell.strip().lower()
    numbered = _NUMBERED.fullmatch(name)
    return name in _USUAL or (
        numbered is not None and (numbered[1] or numbered[2]) in (*_USUAL, "column", "s", "field")
    )


def _kind(cell: str) -> str:
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(cell)), "")


def _usual_kind(column: list[str]) -> str:
    kind, n = Counter(map(_kind, column)).most_common(1)[0]
    return kind if n > 0.8 * len(column) else ""


def _repetition(column: list[str]) -> float:
    """A column of a few values that repeat, of which the first cell is none."""
    share = len(set(column)) / len(column)
    if len(column) < 4 or share > 0.75:
        return 0.0
    return 2.0 if share <= 0.5 else 1.0


def _length(cell: str, column: list[str]) -> float:
    length = median(map(len, column))
    words, usual_words = len(cell.split()), median(len(c.split()) for c in column)
    if cell.endswith("?") and not any(other.endswith("?") for other in column):
        return 2.0  # of a survey
    if re.fullmatch(r"[a-z]\w*", cell) and not any(
        other[:1].islower() or len(other.split()) < 2 for other in column
    ):
        return 1.5
    if len(cell) <= length / 3 or (words <= 2 and usual_words >= 4):
        return 1.5
    if words >= 4 and length / 2 <= len(cell) <= 2 * length:
        return -1.5
    return 0.0
