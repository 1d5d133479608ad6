"""``embedlab read --pairs``: what of a file would be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedlab.cli.options import answered
from embedlab.data.tables import Table
from embedlab.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Pairs that are shown to people.
EXAMPLES = 3
_SHOWN_NEGATIVES = 3


def pairs_reading(
    path: Path,
    rows: Table,
    columns: tuple[str, Sequence[str], Sequence[str]] = ("", (), ()),
    keep: str = "",
) -> dict[str, Any]:
    """What became of a table's rows, as JSON can hold it.

    ``pairs`` have each the ``row`` of the file, ``anchor``, ``positive`` and ``negatives``;
    ``left_out`` are rows that gave nothing, with the ``reason``.

    Raises:
        EmbedLabError: there are no pairs in it, or it is not said which rows are some.
    """
    from embedlab.data.pair_columns import choose_columns
    from embedlab.data.pair_table import read_pairs

    chosen = choose_columns(rows, *columns, title=path.name)
    with answered():
        read = read_pairs(rows, chosen, keep, title=path.name)
    return {
        "encoding": rows.encoding,
        "columns": list(rows.columns),
        "pair_columns": {
            "anchor": chosen.anchor,
            "positives": list(chosen.positives),
            "negatives": list(chosen.negatives),
        },
        "keep": keep,
        "taken": read.taken,
        "pairs": [pair._asdict() | {"negatives": list(pair.negatives)} for pair in read.pairs],
        "total": rows.total,
        "notes": list(read.notes),
        "left_out": [{"row": row, "reason": reason} for row, reason in read.left_out],
        "left_out_total": read.left_out_total,
    }


def pairs_lines(contents: dict[str, Any]) -> list[str]:
    """The same for people: what was taken, the counts, three examples, and what was left out."""
    from embedlab.data.pairs import counts

    pairs = contents["pairs"]
    anchors, negatives = [p["anchor"] for p in pairs], [p["negatives"] for p in pairs]
    lines = [f"{contents['file']}: {counts(anchors, negatives)}", contents["taken"]]
    for pair in pairs[:EXAMPLES]:
        lines += ["", *example_lines(pair["anchor"], pair["positive"], pair["negatives"])]
    return [*lines, "", *contents["notes"]]


def example_lines(anchor: str, positive: str, negatives: Sequence[str]) -> list[str]:
    """One pair for people; of many negatives the first few."""
    lines = [f"  anchor    {shorten(anchor, 100)}", f"  positive  {shorten(positive, 100)}"]
    lines += [f"  negative  {shorten(text, 100)}" for text in negatives[:_SHOWN_NEGATIVES]]
    if more := len(negatives) - _SHOWN_NEGATIVES:
        lines += [f"            and {more:,} more"] if more > 0 else []
    return lines
