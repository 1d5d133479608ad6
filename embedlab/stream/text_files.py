"""Text files of any size: lines and csv records, with little more in memory than one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from embedlab.data.csv_form import SAMPLE_CHARS
from embedlab.data.csv_records import Form, Records
from embedlab.data.decoding import decode
from embedlab.data.rows import Bad, Unreadable

#: Bytes at the beginning of a file that show its encoding.
_SAMPLE_BYTES = 1_000_000
#: Characters of the longest line or csv record; a stray quotation mark swallows no more.
LONGEST = 8_000_000
_TOO_LONG = Bad(f"a line of more than {LONGEST:,} characters")


def opened(
    path: Path, encoding: str = "", newline: str | None = None
) -> tuple[TextIOWrapper, BinaryIO]:
    """A text file for reading, and its bytes beneath; ``newline`` as :func:`open` takes it.

    The beginning decides on the encoding, as :func:`embedlab.data.decoding.decode` finds it out;
    bytes that are no text come as lone surrogates.

    Raises:
        Unreadable: it is empty, or no text.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if not sample.strip():
        raise Unreadable("is empty; choose a file with texts")
    # Not cut within a character.
    whole = sample if len(sample) < _SAMPLE_BYTES else sample[: sample.rfind(b"\n") + 1] or sample
    text, name, _ = decode(whole, encoding)
    if "\0" in text:
        raise Unreadable("holds NUL bytes, so it is not a text file; save it as UTF-8 text")
    if sample.startswith(b"\xef\xbb\xbf"):
        name = "utf-8-sig"
    raw = path.open("rb")
    return TextIOWrapper(raw, encoding=name, errors="surrogateescape", newline=newline), raw


def lines(file: TextIOWrapper) -> Iterator[str | Bad]:
    """The lines of a file without their ends."""
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST and not line.endswith("\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith("\n"):
                pass
            yield _TOO_LONG
        else:
            yield line.removesuffix("\n")


def beginning(file: TextIOWrapper) -> str:
    """The first characters of a file, to the end of a line, to find out how it is written."""
    return file.read(SAMPLE_CHARS) + file.readline(LONGEST)


class StreamedRecords(Records):
    """The records of a file that is read line by line.

    Args:
        start: what was read of it already.
        file: gives the rest.
        size: of all of it; bounds what is read again after stray quotation marks.
        form: how its cells are written.
    """

    def __init__(self, start: str, file: TextIOWrapper, size: int, form: Form) -> None:
        super().__init__(start, form)
        self.window = self.source = _Window(start, file)  # type: ignore[assignment]
        self.patience += 5 * size

    def _begin(self) -> int:
        return self.window.begin()


class _Window:
    """A source of lines that can be set back to where the record under way began."""

    def __init__(self, start: str, file: TextIOWrapper) -> None:
        self._ahead = deque(StringIO(start, newline=""))
        self._record: list[str] = []
        self._file = file
        self._at = self._began = 0

    def begin(self) -> int:
        """Forget what was before here."""
        self._record.clear()
        self._began = self._at
        return self._at

    def readline(self) -> str:
        """The next line; "" at the end, and where the record under way has become too long."""
        if self._at - self._began > LONGEST:
            return ""
        line = self._ahead.popleft() if self._ahead else self._file.readline(LONGEST)
        self._record.append(line)
        self._at += len(line)
        return line

    def tell(self) -> int:
        """Characters read."""
        return self._at

    def seek(self, position: int) -> None:
        """Back to where the record under way began."""
        assert position == self._began
        self._ahead.extendleft(reversed(self._record))
        self._record.clear()
        self._at = position

    def __iter__(self) -> Iterator[str]:
        while line := self.readline():
            yield line
            self.begin()
