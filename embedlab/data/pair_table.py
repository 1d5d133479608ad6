"""Pairs to train on, read from the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from embedlab.data.keep import (
    EVERY_ROW,
    Keep,
    KeepNeeded,
    deciding_column,
    parse_keep,
    plain,
    question,
)
from embedlab.data.pair_cells import holds_lists, kind_of_texts, texts_in
from embedlab.data.pair_columns import PairColumns, choose_columns
from embedlab.data.pairs import PairSet, normal_text
from embedlab.data.tables import LeftOut, Table, count_note, left_out_notes, quoted_names
from embedlab.errors import EmbedLabError
from embedlab.text import shorten


class Pair(NamedTuple):
    """Two texts that belong together, texts that do not, and the row of the file."""

    row: int
    anchor: str
    positive: str
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PairReading:
    """What became of a table's rows.

    Every row gives pairs, or hard negatives for another row's pair, and is in ``used``; or it is in
    ``left_out`` with the reason. ``keep`` is the condition that was asked for, None where every row
    was taken.
    """

    title: str
    columns: PairColumns
    keep: Keep | None
    pairs: tuple[Pair, ...]
    used: frozenset[int]
    left_out: tuple[LeftOut, ...]
    left_out_total: int
    notes: tuple[str, ...]

    @property
    def taken(self) -> str:
        """Which columns, and which rows, in words."""
        words = str(self.columns)
        if self.keep is not None:
            words += f"; rows kept: {self.keep}"
            if self.keep.contradicted:
                opposite = ", ".join(sorted(self.keep.contradicted))
                words += f"; rows with {self.keep.column[:60]}={opposite} are hard negatives"
        return words

    def pair_set(self, source: str = "your file", title: str = "") -> PairSet:
        """The pairs as a set to train on, titled like the table unless it is given another title.

        Raises:
            EmbedLabError: there are too few.
        """
        negatives = tuple(pair.negatives for pair in self.pairs)
        return PairSet(
            id="own",
            title=title or self.title,
            source=source,
            anchors=tuple(pair.anchor for pair in self.pairs),
            positives=tuple(pair.positive for pair in self.pairs),
            negatives=negatives if any(negatives) else (),
            taken=self.taken,
            notes=self.notes,
        )


def read_pairs(
    table: Table,
    columns: PairColumns | None = None,
    keep: str = "",
    *,
    title: str = "Your pairs",
) -> PairReading:
    """The pairs of a table, whose cells may be texts, or lists of texts and objects.

    Several positives of an anchor become several pairs, and several negatives are all kept. Pairs
    that repeat are joined, with the negatives of both. Where a column says which rows belong
    together, ``keep`` is needed: a condition as :func:`~embedlab.data.keep.parse_keep` reads it, or
    ``all``; rows that say the opposite become hard negatives of the same anchor's pairs.

    Args:
        table: of pairs.
        columns: that hold them; by default those that their names and contents tell.
        keep: which rows are pairs; "" where no column decides.
        title: of the table, for messages.

    Raises:
        KeepNeeded: a column decides, and ``keep`` is empty.
        EmbedLabError: no such columns, or no pair in them.
    """
    columns = columns or choose_columns(table, title=title)
    condition = _condition(table, columns, keep, title)
    rows = _Rows(table, columns)
    for i in range(len(table.row_numbers)):
        if condition is None:
            rows.add(i)
            continue
        label = table.columns[condition.column][i]
        if plain(label) in condition.kept:
            rows.add(i)
        elif plain(label) in condition.contradicted:
            rows.add_opposite(i, f"{condition.reason(label)}, and no pair has its anchor")
        else:
            rows.leave_out(i, condition.reason(label))
    pairs = rows.pairs()
    left_out = tuple(sorted((*table.left_out, *rows.left_out)))
    if not pairs:
        reasons = " ".join(left_out_notes(rows.left_out)[:3])
        raise EmbedLabError(
            f"No row of {title} has a pair of texts in {quoted_names(columns.names)}; choose other "
            f"columns. {reasons}".strip()
        )
    total = table.left_out_total + len(rows.left_out)
    notes = (
        *table.notes,
        *([condition.note] if condition and condition.note else []),
        *_unused(table, (*columns.names, *([condition.column] if condition else []))),
        *count_note(rows.repeated, "repeated pair", "joined with an earlier one"),
        *_positives_among_negatives(pairs),
        *left_out_notes(left_out, total),
    )
    return PairReading(
        title=title,
        columns=columns,
        keep=condition,
        pairs=pairs,
        used=frozenset(table.row_numbers) - {row for row, _ in rows.left_out},
        left_out=left_out,
        left_out_total=total,
        notes=tuple(dict.fromkeys(notes)),
    )


def deciding(table: Table, columns: PairColumns) -> str:
    """The column that says which rows belong together, or ``""``.

    None does where the file names its hard negatives or lists the positives of an anchor.
    """
    if columns.negatives or any(holds_lists(table.columns[name]) for name in columns.positives):
        return ""
    said = any("positive" in name.lower() for name in columns.positives)
    return deciding_column(table, columns.names, by_name=said)


def unanswered(table: Table, columns: PairColumns, title: str) -> KeepNeeded | None:
    """The question which rows belong together, where a column decides it; else None."""
    column = deciding(table, columns)
    if not column:
        return None

    def example(condition: Keep) -> str:
        kept = (plain(cell) in condition.kept for cell in table.columns[condition.column])
        row = next(i for i, is_kept in enumerate(kept) if is_kept)
        cells = (table.columns[name][row] for name in (columns.anchor, columns.positives[0]))
        return " – ".join(repr(shorten(cell, 60)) for cell in cells)

    return question(table, column, columns.names, title, example)


def _condition(table: Table, columns: PairColumns, keep: str, title: str) -> Keep | None:
    if keep.strip().casefold() == EVERY_ROW:
        return None
    if keep.strip():
        return parse_keep(keep, table, columns.names)
    if needed := unanswered(table, columns, title):
        raise needed
    return None


@dataclass
class _Rows:
    """The rows of a table, as they are read one behind the other."""

    table: Table
    columns: PairColumns
    left_out: list[LeftOut] = field(default_factory=list)
    repeated: int = 0
    #: The negatives of each pair, as keys in their order, and the pair's row.
    _found: dict[tuple[str, str], tuple[int, dict[str, None]]] = field(default_factory=dict)
    #: The rows that say the opposite: anchor, texts, and the reason to leave them out.
    _opposite: list[tuple[int, str, tuple[str, ...], str]] = field(default_factory=list)

    def leave_out(self, i: int, reason: str) -> None:
        self.left_out.append(LeftOut(self.table.row_numbers[i], reason))

    def add(self, i: int) -> None:
        """The pairs of one row."""
        read = self._texts(i)
        if isinstance(read, str):
            self.leave_out(i, read)
            return
        new = False
        for anchor, positives, negatives in read:
            for positive in positives:
                known = (anchor, positive) in self._found
                _, kept = self._found.setdefault(
                    (anchor, positive), (self.table.row_numbers[i], {})
                )
                before = len(kept)
                kept.update(dict.fromkeys(negatives))
                new = new or not known or len(kept) > before
                self.repeated += known and len(kept) > before
        if not new:
            anchor, positives, _ = read[0]
            row = self._found[anchor, positives[0]][0]
            self.leave_out(i, f"repeats the pair of row {row:,}")

    def add_opposite(self, i: int, reason: str) -> None:
        """A row whose texts do not belong together."""
        read = self._texts(i)
        if isinstance(read, str):
            self.leave_out(i, read)
            return
        for anchor, positives, _ in read:
            self._opposite.append((i, anchor, positives, reason))

    def pairs(self) -> tuple[Pair, ...]:
        """All pairs; a row that says the opposite of no pair's anchor is left out."""
        of_anchor: dict[str, list[dict[str, None]]] = {}
        for (anchor, _), (_, negatives) in self._found.items():
            of_anchor.setdefault(normal_text(anchor), []).append(negatives)
        for i, anchor, texts, reason in self._opposite:
            for negatives in of_anchor.get(normal_text(anchor), ()):
                negatives.update(dict.fromkeys(texts))
            if normal_text(anchor) not in of_anchor:
                self.leave_out(i, reason)
        return tuple(
            Pair(row, anchor, positive, tuple(negatives))
            for (anchor, positive), (row, negatives) in self._found.items()
        )

    def _texts(self, i: int) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]] | str:
        """Each anchor of a row with its positives and negatives, or why the row has none."""
        columns = self.columns
        cells: dict[str, tuple[str, ...]] = {}
        for name in columns.names:
            texts = texts_in(self.table.columns[name][i])
            if texts is None:
                return f"its {name[:40]!r} cannot be read as a list"
            cells[name] = texts
        anchors = cells[columns.anchor]
        negatives = tuple(text for name in columns.negatives for text in cells[name])
        if columns.positives == (columns.anchor,):
            if len(anchors) < 2:
                return "fewer than two texts in its list"
            return [(anchors[0], tuple(dict.fromkeys(anchors[1:])), negatives)]
        positives = tuple(dict.fromkeys(text for name in columns.positives for text in cells[name]))
        if not anchors:
            return f"no text in {columns.anchor[:40]!r}"
        if not positives:
            return f"no text in {quoted_names(columns.positives)}"
        if len(anchors) == 1:
            return [(anchors[0], positives, negatives)]
        return self._aligned(cells, anchors)

    def _aligned(
        self, cells: dict[str, tuple[str, ...]], anchors: tuple[str, ...]
    ) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]] | str:
        """Columns within a row, as some benchmarks store whole tables: item by item."""
        lists = [cells[name] for name in self.columns.names]
        if len({len(texts) for texts in lists}) > 1:
            sizes = ", ".join(f"{name[:40]!r} {len(cells[name]):,}" for name in self.columns.names)
            return f"its lists differ in length ({sizes})"
        return [
            (
                anchor,
                tuple(cells[name][at] for name in self.columns.positives),
                tuple(cells[name][at] for name in self.columns.negatives),
            )
            for at, anchor in enumerate(anchors)
        ]


def _unused(table: Table, taken: Sequence[str]) -> tuple[str, ...]:
    """A note on columns that hold texts too."""
    rest = [
        name
        for name, cells in table.columns.items()
        if name not in taken and kind_of_texts(cells) == "text"
    ]
    return (f"Not taken, though there are texts in it: {quoted_names(rest)}.",) if rest else ()


def _positives_among_negatives(pairs: Sequence[Pair]) -> tuple[str, ...]:
    known: dict[str, set[str]] = {}
    for pair in pairs:
        texts = known.setdefault(normal_text(pair.anchor), {normal_text(pair.anchor)})
        texts.add(normal_text(pair.positive))
    n = sum(
        normal_text(text) in known[normal_text(pair.anchor)]
        for pair in pairs
        for text in pair.negatives
    )
    return count_note(n, "hard negative", "found to be a positive of the same anchor, and masked")
