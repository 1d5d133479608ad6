"""Parquet files: cells of any kind as text, labels by the names in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from embedlab.data.rows import Unreadable, cell_text, distinct_names, limit_columns
from embedlab.data.tables import Table, count_note, quoted_names
from embedlab.text import clean_text

#: Each row may repeat one long text of a compressed table, so few are decompressed together.
_ROWS_AT_ONCE = 64
#: A list of more numbers is a vector, which nobody reads as text.
_LONGEST_LIST = 32
#: The share of cells that may not be UTF-8 in a column of bytes that is text.
_BAD_SHARE = 0.1


def read_parquet(path: Path, limit: int, max_bytes: int) -> Table:
    """The first ``limit`` rows of a parquet file; parts of structs are columns (``data.text``).

    Args:
        path: the file.
        limit: on the rows that are kept.
        max_bytes: how many characters all cells may have together.

    Raises:
        Unreadable: it is damaged, has no text, or unpacks to more than ``max_bytes``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            limit_columns(file.schema_arrow.names)
            schema = _flat(pa.Table.from_batches([], schema=file.schema_arrow)).schema
            reader = _Columns(schema, _class_labels(file.schema_arrow))
            for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                rows = _flat(pa.Table.from_batches([batch])).slice(0, limit - reader.rows)
                reader.add(rows)
                if reader.chars > max_bytes:
                    raise Unreadable(
                        f"unpacks to more than {max_bytes / 1e6:,.0f} MB; split it or choose a "
                        "smaller one"
                    )
                if reader.rows == limit:
                    break
            total = max(file.metadata.num_rows, reader.rows)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # whatever pyarrow raises for damaged bytes
        raise Unreadable("cannot be read as parquet; save it again, or as csv") from error
    return reader.table(total)


def _flat(table: Any) -> Any:
    """The table with the parts of its structs as columns, one level deep."""
    from pyarrow import types

    return table.flatten() if any(types.is_struct(kind) for kind in table.schema.types) else table


def _class_labels(schema: Any) -> dict[str, list[str]]:
    """The names of the labels of each column that datasets wrote as ClassLabel."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        # Of a list of labels the feature inside.
        inner = {column: feature.get("feature", feature) for column, feature in features.items()}
        return {
            column: list(map(str, feature["names"]))
            for column, feature in inner.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}  # not written by datasets


class _Columns:
    """The cells of a table's columns, in batches of rows."""

    def __init__(self, schema: Any, labels: dict[str, list[str]]) -> None:
        from pyarrow import types

        limit_columns(schema.names)
        if len(set(schema.names)) < len(schema.names):
            raise Unreadable("has two columns of one name; rename one of them")
        self.labels = labels
        self.kinds = {field.name: _kind(field.type) for field in schema}
        self._refuse_without_text(self.kinds)
        self.binary = {n for n, k in self.kinds.items() if _is_bytes(k)}
        self.vectors = {n for n, k in self.kinds.items() if _is_numbers(k)}
        # A name may be blank, or the same as another once it is clean.
        self.names = dict(
            zip(schema.names, distinct_names(map(clean_text, schema.names)), strict=True)
        )
        self.cells: dict[str, list[str]] = {
            self.names[name]: [] for name, kind in self.kinds.items() if not types.is_null(kind)
        }
        self.rows = self.chars = self.bad_bytes = 0
        self.notes: list[str] = []

    def _refuse_without_text(self, names: Iterable[str]) -> None:
        if not any(_may_be_text(self.kinds[name]) for name in names):
            raise Unreadable(f"has no column with text; its columns are {quoted_names(self.kinds)}")

    def add(self, rows: Any) -> None:
        """The next rows, as a table of Arrow."""
        for i, name in enumerate(rows.schema.names):
            if (column := self.names[name]) not in self.cells:
                continue
            values = self._values(name, rows.column(i))
            if name in self.binary and not self._is_text(name, values):
                del self.cells[column]
                self.notes.append(f"Column {name[:40]!r} holds bytes that are not text.")
                continue
            new = [self._cell(name, value) for value in values]
            self.chars += sum(map(len, new))
            self.cells[column] += new
        self.rows += rows.num_rows

    def _values(self, name: str, column: Any) -> list[Any]:
        try:
            return list(column.to_pylist())
        # Such as a date beyond the year 9999, an unknown time zone, bytes that are not UTF-8.
        except (OverflowError, LookupError, ValueError) as error:
            raise Unreadable(
                f"holds a value in column {name[:40]!r} that cannot be written as text; leave that "
                "column out"
            ) from error

    def _is_text(self, name: str, values: list[bytes | None]) -> bool:
        """Whether bytes are UTF-8, judged by the first ones."""
        known = [value for value in values if value is not None]
        if self.cells[self.names[name]]:
            return True
        bad = sum(_is_no_text(value) for value in known)
        return bad <= _BAD_SHARE * len(known)

    def _cell(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if names := self.labels.get(name):
            several = value if isinstance(value, list) else [value]
            return ", ".join(filter(None, (_label(each, names) for each in several)))
        if isinstance(value, bytes):
            self.bad_bytes += _is_no_text(value)
            return clean_text(value.decode("utf-8", "replace"))
        if isinstance(value, list) and name in self.vectors and len(value) > _LONGEST_LIST:
            return f"[{len(value):,} numbers]"
        return cell_text(value) if isinstance(value, list | dict) else clean_text(str(value))

    def table(self, total: int) -> Table:
        """All rows that were added."""
        self._refuse_without_text([n for n in self.kinds if self.names[n] in self.cells])
        labels = tuple(self.names[n] for n in self.labels if self.names.get(n) in self.cells)
        notes = (
            *self.notes,
            *count_note(self.bad_bytes, "cell with bytes that are not UTF-8", "read with � there"),
            *(
                f"Column {name[:40]!r} holds lists of numbers."
                for name in sorted(self.vectors)
                if name in self.kinds
            ),
        )
        return Table(columns=self.cells, total=total, label_columns=labels, notes=notes)


def _label(value: Any, names: list[str]) -> str:
    """The name of a label; -1 stands for a row without one."""
    if not isinstance(value, int) or value < 0:
        return ""
    return names[value] if value < len(names) else str(value)


def _is_no_text(value: bytes) -> bool:
    try:
        return "\0" in value.decode("utf-8")
    except UnicodeDecodeError:
        return True


def _kind(kind: Any) -> Any:
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _element(kind: Any) -> Any:
    from pyarrow import types

    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    while any(is_list(kind) for is_list in lists):
        kind = _kind(kind.value_type)
    return kind


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _is_numbers(kind: Any) -> bool:
    from pyarrow import types

    element = _element(kind)
    return element is not kind and bool(types.is_floating(element) or types.is_integer(element))


def _may_be_text(kind: Any) -> bool:
    """Whether there is text in a column, perhaps inside of lists or structs."""
    from pyarrow import types

    element = _element(kind)
    return bool(
        types.is_string(element)
        or types.is_large_string(element)
        or types.is_string_view(element)
        or types.is_struct(element)
        or types.is_map(element)
        or _is_bytes(element)
    )
