"""Tables as CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from embedlab.text import one_line

#: A cell that starts like this would run as a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@")


def csv_table(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str = "",
    digits: int | None = None,
) -> str:
    """A header and rows as CSV; None and NaN are empty cells, texts one line without formulas.

    ``caption`` is a comment line above the header; ``digits`` are the significant digits of the
    numbers, all of them by default.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    if caption:
        writer.writerow([f"# {one_line(caption)}"])
    writer.writerow(header)
    writer.writerows([_cell(value, digits) for value in row] for row in rows)
    return table.getvalue()


def _cell(value: Any, digits: int | None) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return value if digits is None else f"{value:.{digits}g}"
    if isinstance(value, str):
        text = one_line(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value
