"""A corpus with its maps, neighbours and vectors as parquet for Embedding Atlas.

Atlas (apple.github.io/embedding-atlas) takes the names of the columns on its command line: texts,
x and y, and neighbours as ``{"ids": [...], "distances": [...]}``, ids being numbers of rows from 0.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.files import atomic_file, disk_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class AtlasSide:
    """A corpus of n texts under one design.

    Args:
        letter: ``a`` or ``b``; the columns' names end in it.
        name: the design's name, for the file's metadata.
        vectors: (n, d).
        places: on the map, (n, 2).
        ids: each text's nearest others by number, the nearest first, (n, k).
        cosines: theirs, (n, k); Atlas gets 1 less these as distances.
    """

    letter: str
    name: str
    vectors: npt.NDArray[np.float32]
    places: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]


def atlas_command(file: str, letter: str) -> str:
    """The command that opens a file of :func:`write_atlas` with the map of A or of B."""
    columns = {"--x": "x", "--y": "y", "--neighbors": "neighbors", "--vector": "vector"}
    options = " ".join(f"{option} {name}_{letter}" for option, name in columns.items())
    return f"embedding-atlas {shlex.quote(file)} --text text {options}"


def write_atlas(
    target: Path,
    corpus: Corpus,
    sides: Sequence[AtlasSide],
    more: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Write a row for each text; a file that was there stays until the new one is complete.

    The columns are ``row`` (the text's number in its source), ``id`` where there are ids, ``text``,
    the corpus's labels and other columns under their names, ``more``, and for each side ``x_a``,
    ``y_a``, ``neighbors_a`` and ``vector_a``. A column of numbers is one of numbers, with nulls for
    blank cells. The designs stand in the file's metadata.

    Raises:
        EmbedLabError: the disk does not take the file, or the sides are of other texts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = len(corpus.texts)
    columns: dict[str, Any] = {"row": pa.array(corpus.rows, pa.int64())}
    if corpus.ids:
        columns["id"] = pa.array(corpus.ids, pa.string())
    columns["text"] = pa.array(corpus.texts, pa.string())
    last = {
        f"{name}_{side.letter}": column for side in sides for name, column in _of(side, n).items()
    }
    taken = {*columns, *last}
    for name, cells in (*corpus.fields.items(), *corpus.columns.items(), *(more or {}).items()):
        columns[_free(name, taken)] = _column(cells)
    metadata = {f"embedlab.design_{side.letter}": side.name for side in sides}
    with (
        disk_errors(target.name, "choose another folder; a file that was there is unchanged"),
        atomic_file(target) as partial,
    ):
        pq.write_table(pa.table(columns | last, metadata=metadata), partial)


def _of(side: AtlasSide, n: int) -> dict[str, Any]:
    import pyarrow as pa

    if not len(side.vectors) == len(side.places) == len(side.ids) == n:
        raise EmbedLabError(
            f"The {len(side.vectors):,} vectors of {side.name} are not of these {n:,} texts."
        )
    places = np.asarray(side.places, np.float32)
    distances = 1 - np.asarray(side.cosines, np.float64)
    neighbours = pa.StructArray.from_arrays(
        [_lists(side.ids.astype(np.int64)), _lists(np.maximum(distances, 0))],
        ["ids", "distances"],
    )
    flat = pa.array(np.ascontiguousarray(side.vectors, np.float32).reshape(-1))
    return {
        "x": pa.array(places[:, 0]),
        "y": pa.array(places[:, 1]),
        "neighbors": neighbours,
        "vector": pa.FixedSizeListArray.from_arrays(flat, side.vectors.shape[1]),
    }


def _lists(rows: npt.NDArray[Any]) -> Any:
    """The rows of (n, k) as lists, k of them may be 0."""
    import pyarrow as pa

    n, k = rows.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * np.int32(k))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows).reshape(-1)))


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where another column has it."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    taken.add(free)
    return free


def _column(cells: Sequence[Any]) -> Any:
    """Cells as numbers where all are that are not blank, else as texts; blank ones are null."""
    import pyarrow as pa

    filled = [cell if not isinstance(cell, str) or cell.strip() else None for cell in cells]
    numbers = [None if cell is None else _number(cell) for cell in filled]
    known = [number for number in numbers if number is not None]
    if known and len(known) == sum(cell is not None for cell in filled):
        whole = all(number.is_integer() and abs(number) < 2**53 for number in known)
        kind = pa.int64() if whole else pa.float64()
        return pa.array([None if x is None else int(x) if whole else x for x in numbers], kind)
    return pa.array([None if cell is None else str(cell) for cell in filled], pa.string())


def _number(cell: Any) -> float | None:
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
