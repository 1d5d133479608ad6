"""Users' files as tables: txt, csv, tsv, jsonl, json or parquet, in any usual encoding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from embedlab.child_process import Bounds, in_child_process
from embedlab.data.decoding import decode
from embedlab.data.delimited import read_delimited
from embedlab.data.json_table import read_json
from embedlab.data.layouts import unfolded
from embedlab.data.parquet import read_parquet
from embedlab.data.rows import Unreadable
from embedlab.data.tables import MAX_TEXTS, LeftOut, Table, limit_note, text_lines
from embedlab.errors import EmbedLabError

#: The largest file that is read.
MAX_BYTES = 50_000_000

#: How many times ``max_bytes`` the text of a compressed table may have.
_MAX_EXPANSION = 5
_MAX_NAME_CHARS = 60
_BINARY_KINDS = {
    **{b"\x80" + bytes([protocol]): "a pickle" for protocol in range(2, 6)},
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a parquet table",
    b"%PDF": "a PDF",
}


def read_table(
    path: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_texts: int = MAX_TEXTS,
    encoding: str = "",
) -> Table:
    """Read at most ``max_texts`` rows of a file; the format follows the file's ending.

    ``encoding`` is the name of one, such as those of :data:`~embedlab.data.decoding.ENCODINGS`;
    without it, it is found out. Every row of the file is in the table, in its ``left_out`` or
    beyond the limit, which its ``total`` counts; its notes say what was done.

    Raises:
        EmbedLabError: the file is too large, empty, or not what its ending says.
    """
    path = Path(path)
    try:
        table = unfolded(_read(path, max_bytes, max_texts, encoding), max_texts)
    except Unreadable as error:
        raise EmbedLabError(f"{path.name[-_MAX_NAME_CHARS:]!r} {error}.") from error
    read = limit_note(len(table.row_numbers), table.total)
    return replace(table, notes=table.notes + read)


def read_upload(
    path: Path, *, max_bytes: int, max_texts: int, encoding: str = "", bounds: Bounds | None = None
) -> Table:
    """A stranger's file as :func:`read_table` reads it, in a bounded child process.

    Raises:
        EmbedLabError: as there, or the file takes too much memory or time.
    """
    options = {"max_bytes": max_bytes, "max_texts": max_texts, "encoding": encoding}
    answer = in_child_process(read_table, path, bounds=bounds, **options)
    return table_from_plain(answer)


def table_from_plain(answer: Mapping[str, Any]) -> Table:
    """A table as a child process sent it, in plain values."""
    plain = dict(answer)
    for name in ("row_numbers", "label_columns", "notes"):  # JSON made lists of tuples
        plain[name] = tuple(plain[name])
    plain["left_out"] = tuple(LeftOut(*each) for each in plain["left_out"])
    return Table(**plain)


def _read(path: Path, max_bytes: int, max_texts: int, encoding: str) -> Table:
    kind = path.suffix.lower()
    if kind not in FILE_KINDS:
        raise Unreadable(f"is of an unknown kind; use {', '.join(FILE_KINDS)}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise Unreadable("is empty; choose a file with texts")
        if size > max_bytes:
            raise Unreadable(
                f"has {size / 1e6:,.1f} MB; the limit is {max_bytes / 1e6:,.1f} MB, so split it or "
                "choose a smaller one"
            )
        if kind == ".parquet":
            table = read_parquet(path, max_texts, _MAX_EXPANSION * max_bytes)
        else:
            table = _read_text(path.read_bytes(), kind, max_texts, encoding)
    except OSError as error:
        raise Unreadable("cannot be opened; choose another file") from error
    if not table.total:
        raise Unreadable("has no rows of text; choose a file with texts")
    return table


def _read_text(data: bytes, kind: str, max_texts: int, encoding: str) -> Table:
    for magic, what in _BINARY_KINDS.items():
        if data.startswith(magic):
            raise Unreadable(
                f"is {what}, not the {kind} file its name says; save it as text and try again"
            )
    text, name, notes = decode(data, encoding)
    if "\0" in text:
        raise Unreadable(
            "holds NUL bytes, so it is not a text file, or is UTF-16 without saying so; save it as "
            "UTF-8 text"
        )
    table = _READERS[kind](text, max_texts)
    return replace(table, encoding=name, notes=notes + table.notes)


def _read_lines(text: str, max_texts: int) -> Table:
    lines = text_lines(text)
    tabs = {line.count("\t") for line in lines}
    if len(lines) > 1 and len(tabs) == 1 and tabs != {0}:
        table = read_delimited(text, max_texts, "\t")
        note = "Every line has as many tabs, so the file was read as a table."
        return replace(table, notes=(note, *table.notes))
    return Table(columns={"text": lines[:max_texts]}, total=len(lines))


_READERS: dict[str, Callable[[str, int], Table]] = {
    ".txt": _read_lines,
    ".csv": read_delimited,
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".jsonl": partial(read_json, lines=True),
    ".ndjson": partial(read_json, lines=True),
    ".json": read_json,
}
#: The endings of files that are read.
FILE_KINDS = (*_READERS, ".parquet")
