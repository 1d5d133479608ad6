"""The records of delimited text, whatever its quotation marks do."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# The default limit of 131,072 characters is far below what one text may have.
csv.field_size_limit(2**31 - 1)

#: Characters that may be read again after quotation marks that do not close, for each of the file,
#: and what each such mark costs besides.
_PATIENCE, _COST = 5, 200

Quotes = Literal["quoted", "escaped", "plain"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How cells are written.

    ``quoted`` cells may hold the delimiter, and double their quotation marks; in ``escaped`` ones a
    backslash stands before each; in ``plain`` cells they are marks like any other. ``delimiter`` is
    "" where a line is one cell. With ``spaces``, those behind a delimiter do not count.
    """

    delimiter: str
    quotes: Quotes = "quoted"
    spaces: bool = False


class Unpaired(list[str]):
    """The cells of a line whose quotation marks do not pair up, split at every delimiter."""

    def __init__(self, cells: list[str], line: str) -> None:
        super().__init__(cells)
        self.line = line

    def joined(self, width: int, delimiter: str) -> list[str]:
        """``width`` cells, if it is speech that was split: ``"Out," he said`` is one cell.

        Only where a single cell begins with an opening mark and all marks behind it are closed:
        else nothing says which cells belong together, and they stay as they are.
        """
        pieces = self.line.rstrip("\r\n").split(delimiter)
        opening = [i for i, piece in enumerate(pieces) if re.match(r'"\S', piece)]
        if len(opening) != 1 or len(pieces) <= width:
            return self
        start = opening[0]
        end = start + len(pieces) - width + 1
        speech = delimiter.join(pieces[start:end])
        fits = end <= len(pieces) and speech.count('"') % 2 == 0
        return [*self[:start], speech, *self[end:]] if fits else self


class Records:
    """The records of a text as lists of cells, [] for a blank line.

    A line whose quotation marks do not close where a cell ends is read without quoting, and the
    next record begins behind it: so a stray mark costs its own line at most and swallows no other.
    Its cells are :class:`Unpaired`.
    """

    def __init__(self, text: str, form: Form) -> None:
        self.source = io.StringIO(text, newline="")
        self.form = form
        # A character that the text has not, so that nothing is split.
        self.delimiter = form.delimiter or _absent_from(text)
        self.length = len(text)
        self.patience = _PATIENCE * len(text) + 10**6
        #: Lines whose quotation marks do not pair up, and where the first begins.
        self.malformed = 0
        self.malformed_at = 0
        self.open_at_end = False
        #: Those of them whose speech was made one cell again.
        self.joined = 0
        #: Lines that are inside of a quoted cell.
        self.swallowed = 0

    def __iter__(self) -> Iterator[list[str]]:
        if self.form.quotes == "plain":
            yield from self._unquoted(self.source)
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
            start, before = self._begin(), lines.read
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                self.open_at_end |= self.source.tell() == self.length
                self.patience -= self.source.tell() - start + _COST
                self.source.seek(start)
                lines.read = before + 1
                self.malformed_at = self.malformed_at if self.malformed else start
                self.malformed += 1
                line = self.source.readline()
                yield from (Unpaired(row, line) for row in self._unquoted([line]))
            else:
                self.swallowed += lines.read - before - 1
                yield row
        yield from self._unquoted(self.source)

    def _begin(self) -> int:
        """Where the next record begins."""
        return self.source.tell()

    def _unquoted(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_NONE,
            skipinitialspace=self.form.spaces,
        )


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
        return re.sub(r'\\(["\\])|\\', _doubled, line) if self.escaped else line


def _doubled(match: re.Match[str]) -> str:
    return match[0] if match[1] else "\\\\"
