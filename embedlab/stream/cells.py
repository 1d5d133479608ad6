"""The rows of one source as they come, with the cells of the columns that are wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO

from embedlab.data.csv_form import form_of
from embedlab.data.delimited import streamed_shape, without_preamble
from embedlab.data.rows import Bad, Unreadable, cell_text, limit_columns
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.stream.inputs import Source
from embedlab.stream.text_files import StreamedRecords, beginning, lines, opened
from embedlab.text import clean_text

Cells = dict[str, str]
#: Rows that show which columns a source without a schema has.
HEAD_ROWS = 1_000
#: Rows of a parquet file in memory at once.
_PARQUET_ROWS = 1_024


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An open source.

    Attributes:
        columns: the names of its columns.
        rows: every row's wanted cells, or why it cannot be used; rows count from 1.
        done: the share of the source that has been read, 0 to 1.
    """

    columns: Sequence[str]
    rows: Iterator[Cells | Bad]
    done: Callable[[], float]


@contextmanager
def streamed(
    source: Source, wanted: Sequence[str] | None = None, encoding: str = ""
) -> Iterator[Stream]:
    """A source opened for one walk from its first row to its last.

    Args:
        source: what to read.
        wanted: the columns whose cells are needed; by default all.
        encoding: of a text file; by default it is found out.

    Raises:
        Unreadable: also while the rows are read: it is damaged, or not what its name says.
    """
    try:
        with _OPEN[source.kind](source, wanted, encoding) as stream:
            yield stream
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror or type(error).__name__})") from error


@contextmanager
def _parquet(source: Source, wanted: Sequence[str] | None, encoding: str) -> Iterator[Stream]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _damaged(), pq.ParquetFile(source.path, pre_buffer=False) as file:
        schema = pa.Table.from_batches([], schema=file.schema_arrow).flatten().schema
        limit_columns(schema.names)
        if len(set(schema.names)) < len(schema.names):
            raise Unreadable("has two columns of one name; rename one of them")
        names = [name for name in schema.names if wanted is None or name in wanted]
        total, read = max(1, file.metadata.num_rows), 0

        def rows() -> Iterator[Cells]:
            nonlocal read
            with _damaged():
                for batch in file.iter_batches(_PARQUET_ROWS, columns=names, use_threads=False):
                    table = pa.Table.from_batches([batch]).flatten()
                    columns = [list(map(_cell, table[name].to_pylist())) for name in names]
                    for cells in zip(*columns, strict=True):
                        read += 1
                        yield dict(zip(names, cells, strict=True))

        yield Stream(columns=schema.names, rows=rows(), done=lambda: read / total)


@contextmanager
def _damaged() -> Iterator[None]:
    try:
        yield
    except (Unreadable, EmbedLabError, Cancelled, MemoryError):
        raise
    except Exception as error:  # whatever pyarrow raises for damaged bytes
        raise Unreadable("cannot be read as parquet; save it again") from error


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return clean_text(value.decode("utf-8", "replace"))
    return cell_text(value) if isinstance(value, str | list | dict | None) else str(value)


def _share(source: Source, raw: BinaryIO) -> Callable[[], float]:
    return lambda: min(1.0, raw.tell() / max(1, source.size))


@contextmanager
def _text(source: Source, wanted: Sequence[str] | None, encoding: str) -> Iterator[Stream]:
    file, raw = opened(source.path, encoding)
    with file:
        rows = (line if isinstance(line, Bad) else {"text": line} for line in lines(file))
        yield Stream(columns=("text",), rows=rows, done=_share(source, raw))


@contextmanager
def _json_lines(source: Source, wanted: Sequence[str] | None, encoding: str) -> Iterator[Stream]:
    file, raw = opened(source.path, encoding)
    with file:
        # Blank lines count as no rows, as everywhere.
        full = (line for line in lines(file) if line.strip())
        values = (line if isinstance(line, Bad) else _object(line) for line in full)
        head = list(islice(values, HEAD_ROWS))
        objects = [value for value in head if not isinstance(value, Bad)]
        if not objects:
            raise Unreadable('holds no rows; write one JSON object a line, such as {"text": "…"}')
        columns = list(dict.fromkeys(name for value in objects for name in _names(value)))
        limit_columns(columns)
        names = columns if wanted is None else wanted
        rows = (
            value if isinstance(value, Bad) else {name: _at(value, name) for name in names}
            for value in chain(head, values)
        )
        yield Stream(columns=columns, rows=rows, done=_share(source, raw))


def _object(line: str) -> dict[str, Any] | Bad:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return Bad("not JSON")
    if isinstance(value, str):
        return {"text": value}
    return (
        value if isinstance(value, dict) else Bad(f"a {type(value).__name__} instead of an object")
    )


def _names(value: dict[str, Any]) -> Iterator[str]:
    """The names of a row's cells, those inside of an object as ``data.text``."""
    for name, cell in value.items():
        yield name
        if isinstance(cell, dict):
            yield from (f"{name}.{inner}" for inner in cell)


def _at(value: dict[str, Any], name: str) -> str:
    if name not in value and "." in name:
        outer, _, inner = name.partition(".")
        parts = value.get(outer)
        return _cell(parts.get(inner)) if isinstance(parts, dict) else ""
    return _cell(value.get(name))


@contextmanager
def _delimited(source: Source, wanted: Sequence[str] | None, encoding: str) -> Iterator[Stream]:
    file, raw = opened(source.path, encoding, newline="")
    with file:
        delimiter = "\t" if source.kind == ".tsv" else ""
        start, said, _ = without_preamble(beginning(file))
        form = form_of(start, said or delimiter, certain=bool(said))
        shape = streamed_shape(StreamedRecords(start, file, source.size, form))
        names = shape.names(len(shape.header))
        places = [i for i, name in enumerate(names) if wanted is None or name in wanted]
        rows = (
            row if isinstance(row, Bad) else {names[i]: row[i] for i in places}
            for row in shape.rows
        )
        yield Stream(columns=names, rows=rows, done=_share(source, raw))


@contextmanager
def _hub(source: Source, wanted: Sequence[str] | None, encoding: str) -> Iterator[Stream]:
    from embedlab.data.hub_dataset import streamed_rows

    columns, rows, total = streamed_rows(source.place, source.split, source.fingerprint)
    read = 0

    def counted() -> Iterator[Cells]:
        nonlocal read
        for row in rows:
            read += 1
            yield row if wanted is None else {name: row.get(name, "") for name in wanted}

    yield Stream(columns=columns, rows=counted(), done=lambda: min(1.0, read / (total or read + 1)))


_OPEN = {
    ".parquet": _parquet,
    ".txt": _text,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _delimited,
    ".tsv": _delimited,
    "hub": _hub,
}
