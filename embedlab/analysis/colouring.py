"""What the points of a map can be coloured by: a category or a number for each text.

A :class:`Colouring` is what a map draws, with a legend or with a colour bar, and what a filter asks
for values. It belongs to texts in their order and knows nothing of pixels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from embedlab.data.tables import NO_LABEL
from embedlab.errors import EmbedLabError
from embedlab.text import one_line, shorten

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

#: Characters of a category's name in a legend and in a filter's choices.
NAME_CHARACTERS = 40
#: The share of a column's filled cells that have to be numbers for a column of numbers.
MAJORITY = 0.8
#: The most categories that a column of words may have to be coloured by.
MOST_CATEGORIES = 1000
#: What stands for a missing number, besides a blank cell.
_MISSING = NO_LABEL | {"none", "None", "-", "–"}
_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$")


@dataclass(frozen=True, kw_only=True, eq=False)
class Colouring:
    """A category or a number for each of n texts.

    Attributes:
        title: what it is, such as ``sense`` or ``Length in tokens``; a legend's heading.
        kind: ``categories``, drawn with a legend, or ``numbers``, drawn with a colour bar.
        codes: the category of each text, (n,), numbers of ``names``; -1 where there is none. Of
            numbers all are -1.
        names: of the categories, as they are drawn; of numbers empty.
        values: the number of each text, (n,); NaN where there is none, never infinite. Of
            categories all are NaN.
        note: sentences on what the colours mean and leave out, or ``""``.
    """

    title: str
    kind: Literal["categories", "numbers"]
    codes: Int64Array
    names: tuple[str, ...]
    values: Float64Array
    note: str = ""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def has_value(self) -> npt.NDArray[np.bool_]:
        """Which texts have a category or a number, (n,)."""
        return self.codes >= 0 if self.kind == "categories" else ~np.isnan(self.values)

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the largest number; None where there is none."""
        known = self.values[~np.isnan(self.values)]
        return (float(known.min()), float(known.max())) if len(known) else None


def by_categories(title: str, values: Sequence[str], note: str = "") -> Colouring:
    """Colours by a category each; a blank one is none.

    Categories are numbered in their order of appearance. Names that are cut alike stay different
    categories.

    Args:
        title: what the categories are.
        values: one for each of the n texts.
        note: a sentence that comes first in the note.
    """
    plain = [one_line(value).strip() for value in values]
    order = {name: code for code, name in enumerate(dict.fromkeys(filter(None, plain)))}
    codes = np.array([order.get(name, -1) for name in plain], np.int64)
    return by_codes(title, codes, list(order), note)


def by_codes(title: str, codes: npt.ArrayLike, names: Sequence[str], note: str = "") -> Colouring:
    """Colours by numbered categories, -1 for none, such as the clusters of a map.

    Raises:
        EmbedLabError: a code without a name.
    """
    numbers = np.asarray(codes, np.int64)
    if len(numbers) and not -1 <= numbers.min() <= numbers.max() < len(names):
        raise EmbedLabError(
            f"{title} has the numbers {numbers.min()} to {numbers.max()} for {len(names)} names; "
            "number them from 0, and -1 for none."
        )
    missing = int((numbers < 0).sum())
    sentences = [note] if note else []
    if missing:
        sentences.append(f"Texts without any: {missing:,} of {len(numbers):,}.")
    return Colouring(
        title=title,
        kind="categories",
        codes=numbers,
        names=tuple(shorten(name, NAME_CHARACTERS) for name in names),
        values=np.full(len(numbers), np.nan),
        note=" ".join(sentences),
    )


def by_numbers(title: str, values: npt.ArrayLike, note: str = "") -> Colouring:
    """Colours by a number each; NaN and infinite ones have no colour, and the note says so."""
    numbers = np.asarray(values, np.float64)
    infinite = np.isinf(numbers)
    known = np.where(infinite, np.nan, numbers)
    n, none = len(numbers), int(np.isnan(numbers).sum())
    sentences = [note] if note else []
    if none == n:
        sentences = sentences or ["No text has a number here."]
    elif none:
        sentences.append(f"Texts without a number have no colour: {none:,} of {n:,}.")
    if infinite.any():
        sentences.append(f"Infinite numbers have no colour either: {int(infinite.sum()):,}.")
    finite = known[~np.isnan(known)]
    if len(finite) > 1 and np.ptp(finite) == 0:
        sentences.append(f"All are {finite[0]:g}, so there is one colour.")
    return Colouring(
        title=title,
        kind="numbers",
        codes=np.full(n, -1, np.int64),
        names=(),
        values=known,
        note=" ".join(sentences),
    )


def renamed(colouring: Colouring, title: str) -> Colouring:
    """The same colours under another title."""
    return replace(colouring, title=title)


def counts(colouring: Colouring) -> list[tuple[str, int]]:
    """How many texts each category has, in the order of its names."""
    counts = Counter(colouring.codes.tolist())
    return [(name, counts[code]) for code, name in enumerate(colouring.names)]


def by_column(title: str, cells: Sequence[str]) -> Colouring | None:
    """Colours by a column of a file: numbers where most cells are some, else categories.

    None where the column has neither: nothing in it, a text or a name that hardly repeats.
    """
    filled = [cell.strip() for cell in cells if cell.strip() and cell.strip() not in _MISSING]
    if not filled:
        return None
    numbers = [_number(cell) for cell in cells]
    read = sum(number is not None for number in numbers)
    if read >= MAJORITY * len(filled):
        words = next((c for c in filled if _number(c) is None), None)
        unread = len(filled) - read
        are = "cell is no number" if unread == 1 else "cells are no numbers"
        note = f"{unread:,} {are}, such as {words[:40]!r}." if words else ""
        return by_numbers(title, [np.nan if x is None else x for x in numbers], note)
    distinct = len(set(filled))
    # What is different in nearly every text groups nothing.
    if distinct > MOST_CATEGORIES or (distinct > 2 and 2 * distinct > len(filled)):
        return None
    return by_categories(title, ["" if cell.strip() in _MISSING else cell for cell in cells])


def _number(cell: str) -> float | None:
    """A cell's number, written with a point or a decimal comma; None where it is something else."""
    cell = cell.strip()
    if cell in _MISSING:
        return None
    try:
        return float(_DECIMAL_COMMA.sub(r"\1.\2", cell))
    except ValueError:
        return None
