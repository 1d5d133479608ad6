"""Users' files as tables: txt, csv, tsv, jsonl, json or parquet, in any usual encoding."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from embedlab.child_process import in_child_process
from embedlab.data.tables import (
    MAX_TEXTS,
    LeftOut,
    Table,
    count_note,
    limit_note,
    quoted_names,
    text_lines,
)
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

Row = TypeVar("Row")

#: The largest file that is read.
MAX_BYTES = 50_000_000

_MAX_COLUMNS = 200
#: How many times ``max_bytes`` the text of a compressed table may have.
_MAX_EXPANSION = 5
#: Each row may repeat one long text of a compressed table, so few are decompressed together.
_ROWS_AT_ONCE = 64
_MAX_NAME_CHARS = 60
_BINARY_KINDS = {
    **{b"\x80" + bytes([protocol]): "a pickle" for protocol in range(2, 6)},
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a parquet table",
    b"%PDF": "a PDF",
}
# The default limit of 131,072 characters is far below what one text may have.
csv.field_size_limit(2**31 - 1)


def read_table(
    path: str | Path, *, max_bytes: int = MAX_BYTES, max_texts: int = MAX_TEXTS
) -> Table:
    """Read at most ``max_texts`` rows of a file; the format follows the file's ending.

    Raises:
        EmbedLabError: the file is too large, empty, or not what its ending says.
    """
    path = Path(path)
    try:
        table = _read(path, max_bytes, max_texts)
    except _Unreadable as error:
        raise EmbedLabError(f"{path.name[-_MAX_NAME_CHARS:]!r} {error}.") from error
    rows = len(next(iter(table.columns.values()), ()))
    return replace(table, notes=table.notes + limit_note(rows, table.total))


def read_upload(path: Path, *, max_bytes: int, max_texts: int) -> Table:
    """A stranger's file as :func:`read_table` reads it, in a bounded child process.

    Raises:
        EmbedLabError: as there, or the file takes too much memory or time.
    """
    answer = in_child_process(read_table, path, max_bytes=max_bytes, max_texts=max_texts)
    # JSON made lists of tuples.
    plain = {
        key: tuple(value) if isinstance(value, list) else value for key, value in answer.items()
    }
    return Table(**plain | {"left_out": tuple(LeftOut(*each) for each in plain["left_out"])})


class _Unreadable(Exception):
    """What is wrong with a file: the rest of a sentence that begins with its name."""


def _read(path: Path, max_bytes: int, max_texts: int) -> Table:
    kind = path.suffix.lower()
    if kind not in (*_READERS, ".parquet"):
        raise _Unreadable(f"is of an unknown kind; use {', '.join((*_READERS, '.parquet'))}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise _Unreadable("is empty; choose a file with texts")
        if size > max_bytes:
            raise _Unreadable(
                f"has {size / 1e6:,.1f} MB; the limit is {max_bytes / 1e6:,.1f} MB, so split it or "
                "choose a smaller one"
            )
        if kind == ".parquet":
            table = _read_parquet(path, max_texts, _MAX_EXPANSION * max_bytes)
        else:
            text, notes = _decode(path.read_bytes(), kind)
            table = _READERS[kind](text, max_texts)
            table = replace(table, notes=notes + table.notes)
    except OSError as error:
        raise _Unreadable("cannot be opened; choose another file") from error
    if not table.total:
        raise _Unreadable("has no rows of text; choose a file with texts")
    return table


def _decode(data: bytes, kind: str) -> tuple[str, tuple[str, ...]]:
    for magic, what in _BINARY_KINDS.items():
        if data.startswith(magic):
            raise _Unreadable(
                f"is {what}, not the {kind} file its name says; save it as text and try again"
            )
    notes: tuple[str, ...] = ()
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, notes = data.decode("cp1252", "replace"), ("The file was read as Windows-1252.",)
    if "\0" in text:
        raise _Unreadable("holds NUL bytes, so it is not a text file; save it as UTF-8 text")
    return text, notes


def _read_lines(text: str, max_texts: int) -> Table:
    lines = text_lines(text)
    return Table(columns={"text": lines[:max_texts]}, total=len(lines))


def _read_csv(text: str, max_texts: int, delimiter: str = "") -> Table:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text))
    notes: tuple[str, ...] = ()
    try:
        header = next((row for row in lines if row), [])
        first: list[list[str]] = []
        if not _is_header(header):
            first, header = [header], [""] * len(header)
            notes = ("No header row was found, so the columns are numbered.",)
        _limit_columns(header)
        width = len(header)
        fitting = (row or [""] * width for row in (*first, *lines))
        rows, total, ragged = _count(
            (row if len(row) == width else None for row in fitting), max_texts
        )
    except csv.Error as error:
        raise _Unreadable(f"cannot be read as a table ({error}); save it again") from error
    if ragged and not rows:
        raise _Unreadable(
            f"has no row with as many cells as its header ({width}); check its delimiter and quotes"
        )
    return Table(
        columns={name: [row[i] for row in rows] for i, name in enumerate(_distinct_names(header))},
        total=total,
        notes=notes + count_note(ragged, "row", "left out, not having as many cells as the header"),
    )


def _count(rows: Iterable[Row | None], limit: int) -> tuple[list[Row], int, int]:
    """The first ``limit`` rows, how many there are, and how many were unusable, here None."""
    first: list[Row] = []
    total = unusable = 0
    for row in rows:
        if row is None:
            unusable += 1
            continue
        total += 1
        if total <= limit:
            first.append(row)
    return first, total, unusable


def _delimiter(text: str) -> str:
    """The delimiter that splits most of the first rows into as many cells as the header."""
    head = text[:200_000]

    def fit(delimiter: str) -> tuple[float, int]:
        rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        widths = [len(row) for row, _ in zip(rows, range(50), strict=False) if row]
        if not widths or widths[0] == 1:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    best = max(",;\t|", key=fit)
    # A single column may still hold commas, so it is split by a character that no text has.
    return best if fit(best)[1] else "\x1f"


def _is_header(row: list[str]) -> bool:
    short = all(len(cell) <= _MAX_NAME_CHARS for cell in row)
    return short and not any(cell.strip().replace(".", "", 1).isdigit() for cell in row)


def _distinct_names(header: Iterable[str]) -> list[str]:
    names: list[str] = []
    for i, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {i}"
        while name in names:
            name = f"{name} ({i})"
        names.append(name)
    return names


def _limit_columns(columns: Collection[str]) -> None:
    if len(columns) > _MAX_COLUMNS:
        raise _Unreadable(
            f"has {len(columns):,} columns; the limit is {_MAX_COLUMNS}, so keep only the text and "
            "its label"
        )


def _read_json_lines(text: str, max_texts: int) -> Table:
    return _json_table(_json_values(text), max_texts)


def _json_values(text: str) -> Iterator[Any]:
    for line in text.split("\n"):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield None


def _read_json(text: str, max_texts: int) -> Table:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _read_json_lines(text, max_texts)
    if isinstance(whole, dict):
        columns = [value for value in whole.values() if isinstance(value, list)]
        if columns and len(columns) == len(whole) and len({len(c) for c in columns}) == 1:
            names = list(whole)
            whole = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            # {"data": [{…}, …]} is one column of rows
            if len(names) == 1 and all(isinstance(cell, dict) for cell in columns[0]):
                whole = columns[0]
        else:
            whole = [whole]
    return _json_table(whole if isinstance(whole, list) else [], max_texts)


def _json_table(values: Iterable[Any], limit: int) -> Table:
    objects = ({"text": value} if isinstance(value, str) else value for value in values)
    rows, total, unusable = _count(
        (value if isinstance(value, dict) else None for value in objects), limit
    )
    if not rows:
        raise _Unreadable(
            'holds no rows; write one JSON object a line, such as {"text": "…", "label": "…"}'
        )
    rows = [{clean_text(name): cell for name, cell in row.items()} for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    _limit_columns(names)
    return Table(
        columns={name: [_json_cell(row.get(name)) for row in rows] for name in names},
        total=total,
        notes=count_note(unusable, "row", "left out, not being a JSON object"),
    )


def _json_cell(value: Any) -> str:
    if value is None:
        return ""
    try:
        return clean_text(
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        )
    except RecursionError:  # nested more deeply than any honest data
        return ""


_READERS: dict[str, Callable[[str, int], Table]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".jsonl": _read_json_lines,
    ".json": _read_json,
}


def _read_parquet(path: Path, max_texts: int, max_bytes: int) -> Table:
    """The columns that hold text, numbers, times or booleans."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = _readable_columns(file.schema_arrow)
            columns: dict[str, list[str]] = {name: [] for name in names}
            chars = rows = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
                for name, cells in columns.items():
                    # A name with a dot in it also brings the parts of a nested column.
                    values = batch.column(batch.schema.names.index(name))
                    cells += (new := _text_cells(name, values.slice(0, max_texts - rows)))
                    chars += sum(map(len, new))
                rows = len(cells)
                if chars > max_bytes:
                    raise _Unreadable(
                        f"unpacks to more than {max_bytes / 1e6:,.0f} MB; split it or choose a "
                        "smaller one"
                    )
                if rows == max_texts:
                    break
            total = max(file.metadata.num_rows, rows)
    except (_Unreadable, MemoryError):
        raise
    except Exception as error:  # whatever pyarrow raises for damaged bytes
        raise _Unreadable("cannot be read as parquet; save it again, or as csv") from error
    return Table(columns=columns, total=total)


def _readable_columns(schema: Any) -> list[str]:
    """The names of the columns to read; there must be one with text among them."""
    from pyarrow import types

    _limit_columns(schema.names)
    if len(set(schema.names)) < len(schema.names):
        raise _Unreadable("has two columns of one name; rename one of them")
    kinds = [f.type.value_type if types.is_dictionary(f.type) else f.type for f in schema]
    text = [types.is_string(kind) or types.is_large_string(kind) for kind in kinds]
    if not any(text):
        raise _Unreadable(f"has no column with text; its columns are {quoted_names(schema.names)}")
    return [
        name
        for name, kind, is_text in zip(schema.names, kinds, text, strict=True)
        if is_text or types.is_primitive(kind)
    ]


def _text_cells(name: str, values: Any) -> list[str]:
    try:
        return ["" if value is None else clean_text(str(value)) for value in values.to_pylist()]
    # Such as a date beyond the year 9999, an unknown time zone, bytes that are not UTF-8.
    except (OverflowError, LookupError, ValueError) as error:
        raise _Unreadable(
            f"holds a value in column {name[:40]!r} that cannot be written as text; leave that "
            "column out"
        ) from error
