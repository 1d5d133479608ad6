"""An uploaded parquet file, read within limits: a kilobyte of it can expand to gigabytes of text.

Its footer can give any size, so sizes are taken from the header of every page, which is what the
decoder uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from embedlab.data.tables import quoted_names
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text

_MAX_PAGES = 100_000
_MAX_ROWS_AT_ONCE = 1_000
_MAX_FOOTER_BYTES = 4_000_000
_MAX_DEPTH = 16
#: The fields of parquet.thrift that are read here: FileMetaData, RowGroup, ColumnChunk,
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
#: ColumnMetaData,
_PATH, _NUM_VALUES, _PACKED_CHUNK, _DATA_PAGE, _DICTIONARY_PAGE = 3, 5, 7, 9, 11
#: and PageHeader.
_UNPACKED_PAGE, _PACKED_PAGE = 2, 3


class _Damaged(Exception):
    """The file is not as any writer of parquet makes it."""


def read_columns(
    path: Path,
    named: str,
    *,
    max_rows: int,
    max_bytes: int,
    check_names: Callable[[Sequence[str]], None],
) -> tuple[dict[str, list[str]], int]:
    """The first rows of the columns that hold text, numbers or booleans, as text.

    Args:
        path: the file.
        named: the file's name in messages.
        max_rows: rows that are read.
        max_bytes: the most the pages, and then the cells, may take unpacked.
        check_names: raises an error for column names that are not allowed.

    Returns:
        The columns, all of one length, and how many rows the file has.

    Raises:
        EmbedLabError: it is damaged, has no text, or unpacks to more than ``max_bytes``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.memory_map(str(path)).read_buffer()
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            check_names(file.schema_arrow.names)
            names = _columns(file.schema_arrow, named)
            rows = _rows_at_once(memoryview(content).cast("B"), named, max_bytes)
            columns: dict[str, list[str]] = {}
            budget = max_bytes
            for name in names:
                batches = file.iter_batches(batch_size=rows.get(name, 1), columns=[name])
                columns[name] = _cells(batches, name, named, max_rows, budget)
                budget -= sum(map(len, columns[name]))
                if budget < 0:
                    raise _too_large(named, max_bytes)
            if len({len(cells) for cells in columns.values()}) > 1:
                raise _Damaged("columns of several lengths")
            return columns, max(file.metadata.num_rows, len(columns[names[0]]))
    except EmbedLabError:
        raise
    except (
        _Damaged,
        pa.ArrowException,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise EmbedLabError(
            f"{named} cannot be read as parquet; save it again, or as csv."
        ) from error


def _too_large(named: str, max_bytes: int) -> EmbedLabError:
    return EmbedLabError(
        f"{named} unpacks to more than {max_bytes / 1e6:,.0f} MB; split it or choose a smaller one."
    )


def _columns(schema: Any, named: str) -> list[str]:
    """The names to read; the text columns among them must be there."""
    if len(set(schema.names)) < len(schema.names):
        raise EmbedLabError(f"{named} has two columns of one name; rename one of them.")
    if not any(_is_text(field.type) for field in schema):
        raise EmbedLabError(
            f"{named} has no column with text; its columns are {quoted_names(schema.names)}."
        )
    return [field.name for field in schema if _is_plain(field.type)]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    return _is_text(kind) or bool(types.is_primitive(plain))


def _cells(batches: Iterator[Any], name: str, named: str, max_rows: int, budget: int) -> list[str]:
    """The first rows of one column as text, but no more than ``budget`` characters and a batch."""
    cells: list[str] = []
    for batch in batches:
        # A name with a dot in it also brings the parts of a nested column.
        values = batch.column(batch.schema.names.index(name)).slice(0, max_rows - len(cells))
        try:
            new = ["" if value is None else clean_text(str(value)) for value in values.to_pylist()]
        # Such as a date beyond the year 9999, an unknown time zone, bytes that are not UTF-8.
        except (OverflowError, LookupError, ValueError) as error:
            raise EmbedLabError(
                f"Column {name[:40]!r} of {named} holds a value that cannot be written as text; "
                "leave that column out."
            ) from error
        cells += new
        budget -= sum(map(len, new))
        if len(cells) >= max_rows or budget < 0:
            break
    return cells


def _rows_at_once(content: memoryview, named: str, max_bytes: int) -> dict[str, int]:
    """For each column how many rows may be unpacked together.

    Every row may repeat the longest text of a dictionary, or of a page that is written as
    differences; so they are as few as still fit if each of them took a whole page.
    """
    unpacked = pages = 0
    largest: dict[str, int] = {}
    for name, chunk in _chunks(content):
        for size in _page_sizes(content, chunk):
            unpacked, pages = unpacked + size, pages + 1
            largest[name] = max(largest.get(name, 1), size)
            if unpacked > max_bytes:
                raise _too_large(named, max_bytes)
            if pages > _MAX_PAGES:
                raise _Damaged("more pages than a writer makes")
    return {
        name: max(1, min(_MAX_ROWS_AT_ONCE, max_bytes // (4 * size)))
        for name, size in largest.items()
    }


# The part of the format that gives the sizes: parquet.thrift in the compact protocol. pyarrow
# reads them too, but a damaged footer makes it end the whole process.


def _chunks(content: memoryview) -> Iterator[tuple[str, dict[int, Any]]]:
    """Each column chunk's metadata, with the name of its column."""
    size = int.from_bytes(content[-8:-4], "little")
    if size > min(_MAX_FOOTER_BYTES, len(content) - 8):
        raise _Damaged("a footer longer than any")
    footer, _ = _struct(content[-8 - size : -8], 0)
    for group in footer[_ROW_GROUPS]:
        for column in group[_COLUMNS]:
            chunk = column[_METADATA]
            yield chunk[_PATH][0].decode(), chunk


def _page_sizes(content: memoryview, chunk: dict[int, Any]) -> Iterator[int]:
    """The unpacked size of each page of a column chunk."""
    if chunk[_NUM_VALUES] == 0:
        return
    at = chunk[_DATA_PAGE]
    if 0 < chunk.get(_DICTIONARY_PAGE, 0) < at:
        at = chunk[_DICTIONARY_PAGE]
    end = min(len(content), at + chunk[_PACKED_CHUNK])
    while 0 <= at < end:
        page, at = _struct(content, at)
        if page[_UNPACKED_PAGE] < 0 or page[_PACKED_PAGE] < 0:
            raise _Damaged("a page of a negative size")
        yield page[_UNPACKED_PAGE]
        at += page[_PACKED_PAGE]


def _struct(content: memoryview, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """A struct's values by field, and where it ends."""
    values: dict[int, Any] = {}
    field = 0
    while kind := content[at]:
        step, kind, at = kind >> 4, kind & 15, at + 1
        if step:
            field += step
        else:
            field, at = _whole(content, at)
        if kind in (1, 2):  # a boolean, encoded by its kind
            values[field] = kind == 1
        else:
            values[field], at = _value(content, at, kind, depth + 1)
    return values, at + 1


def _value(content: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """A value of a kind, and where it ends."""
    if depth > _MAX_DEPTH:
        raise _Damaged("values nested deeper than any")
    if kind in (1, 2, 3):  # a boolean in a list, or a byte
        return content[at], at + 1
    if kind in (4, 5, 6):
        return _whole(content, at)
    if kind == 7:  # a floating-point number, not needed here
        return None, at + 8
    if kind == 8:
        size, at = _varint(content, at)
        return bytes(content[at : at + size]), at + size
    if kind in (9, 10):
        count, kind, at = content[at] >> 4, content[at] & 15, at + 1
        if count == 15:
            count, at = _varint(content, at)
        values = []
        for _ in range(count):
            value, at = _value(content, at, kind, depth + 1)
            values.append(value)
        return values, at
    if kind == 12:
        return _struct(content, at, depth + 1)
    raise _Damaged(f"a value of kind {kind}")


def _whole(content: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _Damaged("a number without end")
