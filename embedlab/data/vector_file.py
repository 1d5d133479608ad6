"""Files of vectors: npy, or parquet with a column of lists, matched with a corpus's texts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.child_process import Bounds, in_child_process
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import Prepared, Rows
from embedlab.data.rows import Unreadable
from embedlab.data.tables import quoted_names
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text, one_line

#: What a corpus of texts and vectors may take in memory, as float32.
MAX_BYTES = 200_000_000
_IDS = ("id", "_id", "doc_id", "docid", "text_id", "query_id", "qid", "row")
_LONGEST_NAME = 40
_ARROW_KINDS = {"halffloat": "float16", "float": "float32", "double": "float64"}
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorFile:
    """What a file holds: ``rows`` (m, d) as float32, and its columns of words, m cells each.

    ``column`` is the one that was read, ``columns`` all that hold vectors, ``kind`` the numbers'
    type in the file. The rows have any length, and may hold anything: :func:`prepared` checks those
    that are used.
    """

    name: str
    rows: Rows
    kind: str
    column: str = ""
    columns: tuple[str, ...] = ()
    words: Mapping[str, Sequence[str]]


def vector_name(path: Path) -> str:
    """A name for a file's vectors: the file's, without its ending."""
    return one_line(clean_text(path.stem))[:_LONGEST_NAME].strip() or "vectors"


def read_vector_file(path: Path, *, column: str = "", max_bytes: int = MAX_BYTES) -> VectorFile:
    """Read npy or parquet; nothing in it is unpickled.

    Args:
        path: the file.
        column: of the vectors, in a parquet file that has several.
        max_bytes: what its vectors may take as float32.

    Raises:
        EmbedLabError: it is damaged or too large, or holds no vectors of one length.
    """
    name = path.name[-60:]
    try:
        if path.stat().st_size == 0:
            raise Unreadable("is empty; choose a file with vectors")
        kind = path.suffix.lower()
        if kind == ".npy":
            return _npy(path, name, max_bytes)
        if kind == ".parquet":
            return _parquet(path, name, column, max_bytes)
        raise Unreadable("is of an unknown kind; give vectors as .npy or .parquet")
    except OSError as error:
        raise EmbedLabError(f"{name!r} cannot be opened; choose another file.") from error
    except Unreadable as error:
        raise EmbedLabError(f"{name!r} {error}.") from error


def upload_vector_file(
    path: Path, *, column: str = "", max_bytes: int = MAX_BYTES, bounds: Bounds | None = None
) -> VectorFile:
    """A stranger's file as :func:`read_vector_file` reads it, in a bounded child process.

    Raises:
        EmbedLabError: as there, or the file takes too much memory or time.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch) / "rows.npy"
        asked = {"column": column, "max_bytes": max_bytes, "out": str(rows)}
        plain: dict[str, Any] = in_child_process(_read_plainly, path, bounds=bounds, **asked)
        plain["columns"] = tuple(plain["columns"])
        return VectorFile(rows=np.load(rows, allow_pickle=False), **plain)


def _read_plainly(path: Path, *, column: str, max_bytes: int, out: str) -> dict[str, Any]:
    """The vectors into a file, and all else as JSON can hold it."""
    read = read_vector_file(path, column=column, max_bytes=max_bytes)
    np.save(out, read.rows)
    return {name: value for name, value in vars(read).items() if name != "rows"}


# Reading


def _npy(path: Path, name: str, max_bytes: int) -> VectorFile:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(_PICKLES):
        raise Unreadable("is a pickle, which may run code and is not read; save it with np.save")
    if start.startswith(b"PK"):
        raise Unreadable("is an archive of several arrays (npz); save one of them with np.save")
    try:
        # Mapped, so that its shape is known before it takes memory.
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, TypeError, OverflowError) as error:
        if "object" in str(error).lower():
            raise Unreadable(
                "holds pickled objects, which may run code and are not read; save an array of "
                "numbers, all rows of one length"
            ) from error
        raise Unreadable("is no npy file, or damaged; save the array again with np.save") from error
    _check_shape(array.shape, max_bytes)
    return VectorFile(name=name, rows=_float32(array), kind=str(array.dtype), words={})


def _parquet(path: Path, name: str, column: str, max_bytes: int) -> VectorFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, m = file.schema_arrow, file.metadata.num_rows
            columns = [field.name for field in schema if _holds_vectors(field.type)]
            chosen = _chosen(columns, column, schema.names)
            rows, kind = _lists(file.read([chosen], use_threads=False)[chosen], m, max_bytes)
            texts = [f.name for f in schema if pa.types.is_string(f.type) or _is_large(f.type)]
            ids = [f.name for f in schema if f.name.lower() in _IDS and f.name not in texts]
            words = {
                each: ["" if cell is None else clean_text(str(cell)) for cell in cells.to_pylist()]
                for each in (*texts, *ids)
                for cells in [file.read([each], use_threads=False)[each]]
            }
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # whatever pyarrow raises for damaged bytes
        raise Unreadable("cannot be read as parquet; save it again") from error
    return VectorFile(
        name=name, rows=rows, kind=kind, column=chosen, columns=tuple(columns), words=words
    )


def _is_large(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_large_string(kind) or types.is_string_view(kind))


def _holds_vectors(kind: Any) -> bool:
    from pyarrow import types

    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if not any(is_list(kind) for is_list in lists):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _chosen(columns: Sequence[str], column: str, names: Sequence[str]) -> str:
    if column:
        if column not in columns:
            there = f"those that do are {quoted_names(columns)}" if columns else "no column does"
            raise Unreadable(f"has no column {column[:40]!r} that holds vectors; {there}")
        return column
    if not columns:
        raise Unreadable(
            f"has no column of vectors (lists of numbers); its columns are {quoted_names(names)}"
        )
    return columns[0]


def _lists(column: Any, m: int, max_bytes: int) -> tuple[Rows, str]:
    """A column of lists of numbers as (m, d)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        empty = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise Unreadable(f"has no vector in row {empty + 1:,}; give one for each text")
    lengths = np.unique(pc.list_value_length(column).to_numpy(), return_index=True)
    if len(lengths[0]) > 1:
        first, other = lengths[0][:2].tolist()
        row = int(max(lengths[1][:2]))
        raise Unreadable(
            f"has vectors of different lengths, such as {first:,} and {other:,} (row {row + 1:,}); "
            "all need the same"
        )
    d = int(lengths[0][0]) if m else 0
    _check_shape((m, d), max_bytes)
    chunks = [chunk.flatten() for chunk in column.chunks]
    flat = pa.chunked_array(chunks).to_numpy(zero_copy_only=False) if chunks else np.empty(0)
    kind = str(column.type.value_type)
    return _float32(np.asarray(flat).reshape(m, d)), _ARROW_KINDS.get(kind, kind)


def _check_shape(shape: tuple[int, ...], max_bytes: int) -> None:
    if len(shape) != 2:
        dimensions = f"{len(shape)} {'dimension' if len(shape) == 1 else 'dimensions'}"
        raise Unreadable(
            f"holds an array of {dimensions}, {shape}; give two, a row of numbers for each text"
        )
    if 0 in shape:
        raise Unreadable(f"holds no numbers: its array is {shape[0]:,} × {shape[1]:,}")
    if (size := 4 * shape[0] * shape[1]) > max_bytes:
        raise Unreadable(
            f"holds {shape[0]:,} × {shape[1]:,} numbers, {size / 1e6:,.0f} MB as float32; the "
            f"limit is {max_bytes / 1e6:,.0f} MB (max_prepared_mb); give fewer texts or dimensions"
        )


def _float32(array: npt.NDArray[Any]) -> Rows:
    if array.dtype.kind not in "fiu":
        raise Unreadable(f"holds {array.dtype}, not numbers; save float32, float16 or integers")
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, which is said later
        return np.ascontiguousarray(array, np.float32)


# What belongs to which text


def prepared(
    file: VectorFile, corpus: Corpus, *, name: str = "", queries: VectorFile | None = None
) -> Prepared:
    """A file's vectors for a corpus, each row scaled to length 1.

    Rows are matched by a column that has all the texts, or all ids; else there has to be one for
    each text, or for each row of the texts' source, in order. Queries likewise; every row of their
    file that has words can be asked for.

    Args:
        file: the texts' vectors.
        corpus: the whole corpus.
        name: the vectors' name; by default the file's.
        queries: the queries' vectors, of the same model.

    Raises:
        EmbedLabError: another number of vectors than texts, or one that has no direction.
    """
    name = one_line(clean_text(name))[:_LONGEST_NAME].strip() or vector_name(Path(file.name))
    at, note = _of_texts(file, corpus)
    vectors = _unit(file, at)
    notes = [f"{len(vectors):,} × {vectors.shape[1]:,} from {file.name!r}, {note}."]
    if len(file.columns) > 1:
        others = quoted_names([each for each in file.columns if each != file.column])
        notes.append(f"Read was the column {file.column!r}; others with vectors are {others}.")
    if file.kind != "float32":
        notes.append(f"The numbers are {file.kind} in the file; they are used as float32.")
    known: dict[str, int] = {}
    query_vectors = None
    if queries is not None:
        if queries.rows.shape[1] != vectors.shape[1]:
            raise EmbedLabError(
                f"The queries' vectors have {queries.rows.shape[1]:,} numbers and the texts' "
                f"{vectors.shape[1]:,}; both have to come from the same model."
            )
        known, rows, said = _of_queries(queries, corpus)
        query_vectors = _unit(queries, rows)
        notes.append(f"{len(known):,} queries from {queries.name!r}, {said}.")
    return Prepared(
        name=name,
        vectors=vectors,
        source=file.name,
        queries=known,
        query_vectors=query_vectors,
        notes=tuple(notes),
    )


def _unit(file: VectorFile, at: npt.NDArray[np.int64]) -> Rows:
    rows = file.rows[at]
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = at[~finite]
        raise EmbedLabError(
            f"Row {bad[0] + 1:,} of {file.name!r} holds NaN or a number that is infinite in "
            f"float32 ({_counted(bad)}); embed that text again, or leave it out of both files."
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    if not lengths.all():
        bad = at[lengths == 0]
        raise EmbedLabError(
            f"Row {bad[0] + 1:,} of {file.name!r} is all zeros and has no direction "
            f"({_counted(bad)}); embed that text again, or leave it out of both files."
        )
    return np.asarray(rows / lengths[:, None], np.float32)


def _counted(rows: npt.NDArray[np.int64]) -> str:
    return "one such row" if len(rows) == 1 else f"{len(rows):,} such rows"


def _of_texts(file: VectorFile, corpus: Corpus) -> tuple[npt.NDArray[np.int64], str]:
    """The file's row of each text, and how they were matched."""
    m, n = len(file.rows), len(corpus.texts)
    for wanted, what in ((corpus.texts, "text"), (corpus.ids, "id")):
        if wanted and (found := _by_words(file, wanted)) is not None:
            rows, column = found
            return rows, f"matched by the {what} in column {column!r}"
    if m == n:
        return np.arange(n), "in the order of the texts"
    source = corpus.total + len(corpus.left_out)
    if m == source and max(corpus.rows) <= m:
        return (
            np.asarray(corpus.rows, np.int64) - 1,
            f"by the rows of the texts' file; those of {m - n:,} rows without a text are not used",
        )
    missing = " and no column with all of them" if file.words else ""
    raise EmbedLabError(
        f"{file.name!r} has {m:,} vectors for {n:,} texts{missing}; give one for each text, in the "
        "order of the texts, or parquet with the texts beside the vectors."
    )


def _by_words(file: VectorFile, wanted: Sequence[str]) -> tuple[npt.NDArray[np.int64], str] | None:
    """The first row that has each of these words, in a column that has all of them."""
    keys = [_key(text) for text in wanted]
    for column, cells in file.words.items():
        own = list(map(_key, cells))
        if own == keys:  # also of texts that repeat: each has a vector of its own
            return np.arange(len(keys)), column
        rows = {key: row for row, key in reversed(list(enumerate(own)))}
        if all(key in rows for key in keys):
            return np.array([rows[key] for key in keys], np.int64), column
    return None


def _key(text: str) -> str:
    return clean_text(text).strip()


def _of_queries(
    file: VectorFile, corpus: Corpus
) -> tuple[dict[str, int], npt.NDArray[np.int64], str]:
    """The place of each known query, the file's rows, and how they were matched."""
    m, queries = len(file.rows), corpus.queries
    everything = np.arange(m)
    if queries:
        for wanted, what in ((queries, "words"), (corpus.query_ids, "id")):
            if wanted and (found := _by_words(file, wanted)) is not None:
                rows, column = found
                more = _places(file.words[column]) if what == "words" else {}
                matched = dict(zip(map(str.strip, queries), rows.tolist(), strict=True))
                return more | matched, everything, f"matched by the {what} in column {column!r}"
        if m == len(queries):
            return _places(queries), everything, "in the order of the corpus's queries"
        raise EmbedLabError(
            f"{file.name!r} has {m:,} vectors for {len(queries):,} queries; give one for each, in "
            "their order, or parquet with the queries beside the vectors."
        )
    column = next(iter(file.words), "")
    if not column:
        raise EmbedLabError(
            f"This corpus has no queries to which the vectors of {file.name!r} could belong; give "
            "parquet with a column of the queries' words."
        )
    return _places(file.words[column]), everything, f"by the words in column {column!r}"


def _places(texts: Iterable[str]) -> dict[str, int]:
    """The first place of each text."""
    places: dict[str, int] = {}
    for place, text in enumerate(texts):
        places.setdefault(text.strip(), place)
    return places
