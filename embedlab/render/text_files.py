"""Texts with all that is known about them as a file: CSV, JSON lines or parquet."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedlab.data.corpus import Corpus
from embedlab.errors import check_known
from embedlab.render.csv_table import corpus_rows, csv_table
from embedlab.text import one_line

#: A text's neighbours: their indices and cosines, the nearest first.
Nearest = Sequence[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class DesignColumns:
    """What a design adds to a file: its letter, the m places (m, 2) and the m texts' neighbours."""

    letter: str
    places: Sequence[Sequence[float]]
    nearest: Sequence[Nearest]


def text_table(
    corpus: Corpus, rows: Sequence[int], designs: Sequence[DesignColumns], *, field: str = ""
) -> tuple[list[str], list[list[Any]]]:
    """A header and a row for each text: whole, with its labels, columns, places and neighbours.

    Neighbours are named by their ids, else by their rows in the source, else by their number in the
    corpus; the header says which. They and their cosines are lists.

    Args:
        corpus: the texts.
        rows: the m texts to write, by index.
        designs: the two designs.
        field: holds the labels that come first.
    """
    what, names = _names(corpus)
    more = list(corpus.columns)
    values: list[list[Any]] = [[cells[i] for cells in corpus.columns.values()] for i in rows]
    for design in designs:
        under = f"under {design.letter}"
        more += [f"x {under}", f"y {under}", f"nearest {what} {under}", f"their cosines {under}"]
        for row, place, near in zip(values, design.places, design.nearest, strict=True):
            row += [*map(float, place), [names[i] for i, _ in near], [_short(c) for _, c in near]]
    header, table = corpus_rows(
        corpus, rows, field=field, more=_distinct(corpus, more), values=values
    )
    return header, table


def names_of(corpus: Corpus, rows: Sequence[int]) -> list[Any]:
    """What names some texts: their ids, else their rows in the source, else their numbers."""
    names = _names(corpus)[1]
    return [names[i] for i in rows]


def _names(corpus: Corpus) -> tuple[str, Sequence[Any]]:
    if corpus.ids:
        return "ids", corpus.ids
    if len(set(corpus.rows)) == len(corpus.rows):
        return "rows", corpus.rows
    return "numbers", range(1, len(corpus.texts) + 1)


def _distinct(corpus: Corpus, names: Sequence[str]) -> list[str]:
    """The names, changed where the file has such a column already."""
    taken = {"row", "id", "text", "label", *corpus.fields}
    found = []
    for name in names:
        while name in taken:
            name += " (2)"
        taken.add(name)
        found.append(name)
    return found


def _short(cosine: float) -> float:
    """A float32 with the digits it has."""
    return float(f"{cosine:.7g}")


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> bytes:
    """CSV that a spreadsheet opens and does not run; lists are separated by spaces."""
    flat = ([_joined(value) for value in row] for row in rows)
    # The mark at the start tells a spreadsheet that this is UTF-8.
    return ("\ufeff" + csv_table(header, flat, caption=caption, verbatim=True)).encode()


def as_jsonl(header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> bytes:
    """An object a line; a number that is none is null. There is no place for the caption."""
    lines = (
        json.dumps(dict(zip(header, map(_plain, row), strict=True)), ensure_ascii=False)
        for row in rows
    )
    return "".join(line + "\n" for line in lines).encode()


def as_parquet(header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> bytes:
    """Parquet with the caption in its metadata; cells that are all numbers become numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    arrays = {name: pa.array(_typed(cells)) for name, cells in columns.items()}
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, metadata={"embedlab.caption": one_line(caption)}), file)
    return file.getvalue()


#: How a file of each kind is written.
WRITERS: Mapping[str, Callable[..., bytes]] = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}
#: The types of media, for a browser that saves them.
MEDIA = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}


def text_file(
    kind: str, header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str
) -> bytes:
    """A table of :func:`text_table` as a file of one of :data:`WRITERS`.

    Raises:
        EmbedLabError: an unknown kind.
    """
    check_known(kind, "a kind of file", WRITERS)
    return WRITERS[kind](header, rows, caption)


def _joined(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _typed(cells: list[Any]) -> list[Any]:
    """Cells of text as numbers where every one is written just as the number would be."""
    filled = [cell for cell in cells if cell != ""]
    if not filled or not all(isinstance(cell, str) for cell in filled):
        return cells
    for kind in (int, float):
        if all(_is_written_as(cell, kind) for cell in filled):
            return [None if cell == "" else kind(cell) for cell in cells]
    return cells


def _is_written_as(cell: str, kind: type) -> bool:
    try:
        return str(kind(cell)) == cell and abs(float(cell)) < 2**63
    except ValueError:
        return False
