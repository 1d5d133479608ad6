"""Rows on their way from a file into a table: counted, numbered, and left out with a reason."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from embedlab.data.tables import LeftOut, Table
from embedlab.text import clean_text

Row = TypeVar("Row")

MAX_COLUMNS = 200
#: Rows left out that are listed; those beyond are only counted.
_MOST_LISTED = 10_000


class Unreadable(Exception):
    """What is wrong with a file: the rest of a sentence that begins with its name."""


class Bad(str):
    """Stands for a row that cannot be used; it is the reason, as :class:`LeftOut` has it."""

    __slots__ = ()


@dataclass(kw_only=True)
class Taken(Generic[Row]):
    """The first usable rows of a file, with their numbers, and what is known of the others."""

    rows: list[Row] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    total: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    left_out_total: int = 0

    def table(
        self,
        columns: Mapping[str, list[str]],
        notes: tuple[str, ...] = (),
        label_columns: Sequence[str] = (),
    ) -> Table:
        """A table of these rows."""
        return Table(
            columns=dict(columns),
            total=self.total,
            row_numbers=tuple(self.numbers),
            left_out=tuple(self.left_out),
            left_out_total=self.left_out_total,
            label_columns=tuple(label_columns),
            notes=notes,
        )


def take(rows: Iterable[Row | Bad], limit: int) -> Taken[Row]:
    """Keep the first ``limit`` usable rows, and count the rest."""
    taken = Taken[Row]()
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Bad):
            taken.left_out_total += 1
            if len(taken.left_out) < _MOST_LISTED:
                taken.left_out.append(LeftOut(number, str(row)))
            continue
        taken.total += 1
        if taken.total <= limit:
            taken.rows.append(row)
            taken.numbers.append(number)
    return taken


def distinct_names(header: Iterable[str]) -> list[str]:
    """The names of a header, stripped, with numbers where one is blank or there already."""
    names: list[str] = []
    for i, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {i}"
        while name in names:
            name = f"{name} ({i})"
        names.append(name)
    return names


def limit_columns(columns: Collection[object]) -> None:
    """Refuse a table with more columns than anybody could choose from."""
    if len(columns) > MAX_COLUMNS:
        raise Unreadable(
            f"has {len(columns):,} columns; the limit is {MAX_COLUMNS}, so keep only the text and "
            "its label"
        )


def cell_text(value: Any) -> str:
    """A value as a cell: text as it is, a list or an object as JSON, nothing and NaN as ``""``."""
    if value is None or value != value:  # NaN, as Python writes what pandas has not
        return ""
    if isinstance(value, str):
        return clean_text(value)
    try:
        return clean_text(json.dumps(value, ensure_ascii=False, default=str))
    except (RecursionError, ValueError, TypeError):  # nested more deeply than any honest data
        return ""
