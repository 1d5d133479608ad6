"""``embedlab read --pairs``: what of a file would be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embedlab.data.tables import Table
from embedlab.text import shorten


def pairs_reading(path: Path, rows: Table) -> dict[str, Any]:
    """What became of a table's rows, as JSON can hold it.

    Each of the ``pairs`` has an ``anchor``, a ``positive`` and ``negatives``.

    Raises:
        EmbedLabError: there are no pairs in it.
    """
    from embedlab.data.training_sets import guess_columns, pairs_from_table

    columns = guess_columns(rows)
    found = pairs_from_table(rows, *columns, title=path.name, source=path.name)
    negatives = [[text] for text in found.negatives] or [[] for _ in found.anchors]
    triples = zip(found.anchors, found.positives, negatives, strict=True)
    return {
        "encoding": rows.encoding,
        "columns": list(rows.columns),
        "pair_columns": dict(zip(("anchor", "positive", "negative"), columns, strict=True)),
        "pairs": [{"anchor": a, "positive": p, "negatives": n} for a, p, n in triples],
        "notes": list(found.notes),
        "left_out": [{"row": row, "reason": reason} for row, reason in rows.left_out],
    }


def pairs_lines(found: dict[str, Any]) -> list[str]:
    """The same for people: the columns, three examples, and what was left out."""
    columns = {kind: name for kind, name in found["pair_columns"].items() if name}
    lines = [
        f"{found['file']}: {len(found['pairs']):,} pairs",
        *(f"{kind}: column {name}" for kind, name in columns.items()),
    ]
    for pair in found["pairs"][:3]:
        lines.append("")
        lines += [f"{kind}: {shorten(pair[kind], 100)}" for kind in ("anchor", "positive")]
        lines += [f"negative: {shorten(text, 100)}" for text in pair["negatives"]]
    return [*lines, "", *found["notes"]]
