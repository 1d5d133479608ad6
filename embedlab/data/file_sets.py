"""Several files that make one corpus: a folder, a zip archive, or files uploaded together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedlab.child_process import Bounds, in_child_process
from embedlab.data.corpus import Corpus, grades_of
from embedlab.data.file_parts import NO_LIMIT, TABLES, in_one_json, parts_of
from embedlab.data.folders import files_of, name_of
from embedlab.data.judged import judged_corpus
from embedlab.data.readers import MAX_BYTES, read_table, table_from_plain
from embedlab.data.tables import MAX_TEXTS, LeftOut, Table
from embedlab.errors import EmbedLabError


def read_files(
    paths: Sequence[Path],
    *,
    max_bytes: int = MAX_BYTES,
    max_texts: int = MAX_TEXTS,
    encoding: str = "",
    split: str = "",
    title: str = "Your texts",
) -> Corpus | Table:
    """What several files, a folder or a zip archive hold: a corpus, or a table if it is one file.

    Args:
        paths: files that belong together, or one folder or zip archive.
        max_bytes: of all files; of an archive, before it is unpacked.
        max_texts: rows of a table, documents of a corpus.
        encoding: of all text files; without it, it is found out.
        split: whose judgements are used where there are several; by default the test's.
        title: the corpus's.

    Raises:
        EmbedLabError: files that are too large, damaged, or do not make a corpus together.
    """
    if len(paths) == 1 and paths[0].suffix.lower() != ".zip" and not paths[0].is_dir():
        if (whole := in_one_json(paths[0], max_bytes)) is not None:
            return judged_corpus(whole, max_texts=max_texts, title=title, source=name_of(paths))
        return read_table(paths[0], max_bytes=max_bytes, max_texts=max_texts, encoding=encoding)
    with tempfile.TemporaryDirectory() as scratch:
        files = files_of(paths, Path(scratch), max_bytes)
        tables = [path for path in files.values() if path.suffix.lower() in TABLES]
        if not tables:
            raise EmbedLabError(f"{name_of(paths)} holds no table; use {', '.join(TABLES)} files.")
        if len(files) == 1:
            limits = {"max_bytes": NO_LIMIT, "max_texts": max_texts}
            return read_table(tables[0], encoding=encoding, **limits)
        parts = parts_of(files, split, encoding)
    return judged_corpus(parts, max_texts=max_texts, title=title, source=name_of(paths))


def read_uploads(
    paths: Sequence[Path],
    *,
    max_bytes: int,
    max_texts: int,
    encoding: str = "",
    bounds: Bounds | None = None,
) -> Corpus | Table:
    """A stranger's files as :func:`read_files` reads them, in a bounded child process.

    Raises:
        EmbedLabError: as there, or the files take too much memory or time.
    """
    first, *others = paths
    # Here, so that it is removed also where the child crashes.
    with tempfile.TemporaryDirectory() as scratch:
        answer = in_child_process(
            _read_plainly,
            first,
            bounds=bounds,
            others=[str(path) for path in others],
            max_bytes=max_bytes,
            max_texts=max_texts,
            encoding=encoding,
            scratch=scratch,
        )
    return from_plain(answer)


# Through the child process


def _read_plainly(
    path: Path, others: Sequence[str], scratch: str, max_bytes: int, max_texts: int, encoding: str
) -> Any:
    """:func:`read_files` in plain values, with its temporary files in ``scratch``."""
    tempfile.tempdir = scratch
    paths = [path, *map(Path, others)]
    read = read_files(paths, max_bytes=max_bytes, max_texts=max_texts, encoding=encoding)
    if isinstance(read, Table):
        return {"table": vars(read)}
    plain = {
        name: getattr(read, name)
        for name in (
            *("texts", "ids", "rows", "queries", "query_ids"),
            *("total", "left_out", "source", "title", "notes"),
        )
    }
    grades = [list(grades_of(relevant).items()) for relevant in read.relevant]
    graded = any(isinstance(relevant, Mapping) for relevant in read.relevant)
    return {"corpus": plain, "grades": grades, "graded": graded}


def from_plain(answer: Mapping[str, Any]) -> Corpus | Table:
    """What a child process read, of the plain values it sent."""
    if "table" in answer:
        return table_from_plain(answer["table"])
    # JSON made lists of tuples.
    sent = answer["corpus"].items()
    parts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in sent}
    parts["left_out"] = tuple(LeftOut(*each) for each in parts["left_out"])
    grades = [dict(pairs) for pairs in answer["grades"]]
    relevant = tuple(each if answer["graded"] else frozenset(each) for each in grades)
    return Corpus(id="own", relevant=relevant, **parts)
