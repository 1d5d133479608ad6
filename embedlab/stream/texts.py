"""Which columns hold texts and ids, and the texts of a source in numbered blocks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from embedlab.data.columns import JOINED_BY
from embedlab.data.rows import Bad, Unreadable
from embedlab.data.tables import NO_TEXT, Table, quoted_names
from embedlab.errors import EmbedLabError
from embedlab.stream.cells import HEAD_ROWS, Cells, streamed
from embedlab.stream.inputs import Source
from embedlab.text import clean_text

#: Of many sources so many give the sample that steps are fitted on, each from its first rows.
SAMPLED_SOURCES, SAMPLED_ROWS = 16, 20_000


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What is read of every source.

    ``text`` is the name of a column, or two as ``title + text``; ``id`` may be "" for none.
    ``id_named`` says whether it was asked for, so that every source must have it.
    """

    text: str
    id: str = ""
    id_named: bool = False
    encoding: str = ""

    @property
    def wanted(self) -> list[str]:
        """All that may have to be read."""
        parts = [part.strip() for part in self.text.split(JOINED_BY.strip())]
        return list(dict.fromkeys([self.text, *parts, self.id]))

    def parts(self, names: Sequence[str]) -> list[str]:
        """The columns of the texts in a source with columns of these names.

        Raises:
            Unreadable: it does not have them all.
        """
        parts = [self.text]
        if self.text not in names and JOINED_BY.strip() in self.text:
            parts = [part.strip() for part in self.text.split(JOINED_BY.strip())]
        needed = [*parts, *([self.id] if self.id_named else [])]
        for name in needed:
            if name not in names:
                raise Unreadable(f"has no column {name!r}; its columns are {quoted_names(names)}")
        return parts


class Text(NamedTuple):
    """A text with its row in the source, from 1, and its id; "" where it has none."""

    row: int
    id: str
    text: str


class Block(NamedTuple):
    """Consecutive texts of a source, number ``number`` of it from 0: what one part is made of."""

    number: int
    texts: tuple[Text, ...]


@dataclass(kw_only=True)
class Walk:
    """One walk through a source, in blocks; what is counted is whole at its end.

    Attributes:
        texts: how many there are.
        left_out: reasons for which rows were left out, and how many.
        rows_left_out: the first of their numbers.
        mended: texts with bytes that were no text, read as �.
    """

    source: Source
    columns: Columns
    size: int
    texts: int = 0
    blocks: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    rows_left_out: list[int] = field(default_factory=list)
    mended: int = 0
    #: The share of the source that has been read.
    done: Callable[[], float] = lambda: 0.0

    def __iter__(self) -> Iterator[Block]:
        return self.without(())

    def without(self, numbers: Collection[int]) -> Iterator[Block]:
        """The blocks whose number is not among these, each of ``size`` texts but for the last.

        Raises:
            Unreadable: the source is damaged, or has not the columns.
        """
        block: list[Text] = []
        for text in self._texts():
            block.append(text)
            if len(block) == self.size:
                yield from self._ended(block, numbers)
                block = []
        if block:
            yield from self._ended(block, numbers)

    def _ended(self, block: list[Text], numbers: Collection[int]) -> Iterator[Block]:
        number, self.blocks = self.blocks, self.blocks + 1
        if number not in numbers:
            yield Block(number, tuple(block))

    def _texts(self) -> Iterator[Text]:
        columns = self.columns
        if self.source.kind == ".txt":  # whose lines have no other name
            columns = Columns(text="text", encoding=columns.encoding)
        with streamed(self.source, columns.wanted, columns.encoding) as stream:
            parts, self.done = columns.parts(stream.columns), stream.done
            for row, cells in enumerate(stream.rows, start=1):
                text = NO_TEXT if isinstance(cells, Bad) else self._joined(cells, parts)
                if isinstance(cells, Bad) or not text:
                    self.left_out[str(cells) if isinstance(cells, Bad) else NO_TEXT] += 1
                    if len(self.rows_left_out) < 20:
                        self.rows_left_out.append(row)
                    continue
                self.texts += 1
                yield Text(row, clean_text(cells.get(columns.id, "")).strip(), text)
        self.done = lambda: 1.0

    def _joined(self, cells: Cells, parts: Sequence[str]) -> str:
        raw = " ".join(filter(None, (cells.get(part, "").strip() for part in parts)))
        text = clean_text(raw).strip()
        self.mended += text != raw
        return text


def find_columns(
    sources: Sequence[Source], text: str | None, id_column: str | None, encoding: str = ""
) -> Columns:
    """The columns that were asked for, or those of the first table that can be read.

    Raises:
        EmbedLabError: none of the sources can be read, or none of their columns as texts.
    """
    given = Columns(
        text=text or "", id=id_column or "", id_named=bool(id_column), encoding=encoding
    )
    if text and id_column is not None:
        return given
    reason = ""
    # Lines of text come last: they have no columns.
    for source in sorted(sources, key=lambda each: each.kind == ".txt"):
        try:
            head = _head(source, encoding)
        except Unreadable as error:
            reason = reason or f"{source.name[-60:]!r} {error}"
            continue
        found = text or head.text_column
        if found is None:
            raise EmbedLabError(
                f"No column of {source.name[-60:]!r} can be read as texts; its columns are "
                f"{quoted_names(head.columns)}. Choose one with --text-column."
            )
        named = id_column if id_column is not None else head.id_column or ""
        return Columns(
            text=found,
            id="" if named == found else named,
            id_named=bool(id_column),
            encoding=encoding,
        )
    raise EmbedLabError(f"No input can be read: {reason}.")


def _head(source: Source, encoding: str) -> Table:
    """The first rows of a source."""
    with streamed(source, None, encoding) as stream:
        rows = [row for row in islice(stream.rows, HEAD_ROWS) if not isinstance(row, Bad)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = {name: [clean_text(row.get(name, "")) for row in rows] for name in names}
        if not rows:
            raise Unreadable("has no rows of text; choose a file with texts")
        return Table(columns=cells, total=len(rows))


def sample(
    sources: Sequence[Source], columns: Columns, size: int, seed: int = 0
) -> tuple[list[str], str]:
    """Texts that steps are fitted on, and a sentence's part that says which they are.

    They are drawn at random from the first rows of a few sources, spread evenly over all: reading
    everything first would take as long as reading it once more.

    Raises:
        EmbedLabError: no source can be read.
    """
    step = max(1, len(sources) // SAMPLED_SOURCES)
    chosen = sources[::step][:SAMPLED_SOURCES]
    generator, seen, read, whole = random.Random(seed), 0, 0, True
    kept: list[str] = []
    reason = ""
    for source in chosen:
        walk = Walk(source=source, columns=columns, size=1)
        try:
            for block in islice(walk, SAMPLED_ROWS):
                seen += 1
                # Reservoir sampling: each text seen so far is equally likely to be kept.
                place = generator.randrange(seen)
                if len(kept) < size:
                    kept.append(block.texts[0].text)
                elif place < size:
                    kept[place] = block.texts[0].text
            read += 1
            whole &= walk.texts < SAMPLED_ROWS
        except Unreadable as error:  # all of them are named when their turn comes
            reason = reason or f"{source.name[-60:]!r} {error}"
    if not kept:
        raise EmbedLabError(f"No input can be read to fit the steps on: {reason or 'no texts'}.")
    where = f"{read:,} of {len(sources):,} inputs" if len(sources) > 1 else "the input"
    first = "" if whole else f"the first {SAMPLED_ROWS:,} texts of "
    return kept, f"{len(kept):,} texts drawn from {first}{where} (seed {seed})"
