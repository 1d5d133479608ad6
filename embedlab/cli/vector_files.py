"""Vectors as a file for the next tool: parquet or npy."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.files import atomic_file, disk_errors, write_text
from embedlab.models.embedding import Vectors
from embedlab.render.csv_table import corpus_rows, csv_table

KINDS = (".parquet", ".npy")


def check_target(target: Path) -> None:
    """Check before the work that the file can be written after it.

    Raises:
        EmbedLabError: an unknown ending, or a folder that is missing or cannot be written.
    """
    if target.suffix.lower() not in KINDS:
        raise EmbedLabError(
            f"{target.name[-60:]!r} is of an unknown kind; write to {' or '.join(KINDS)}."
        )
    folder = target.parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise EmbedLabError(
            f"{str(target)[-80:]!r} cannot be written; choose a file in a folder that exists and "
            "can be written."
        )


def save_vectors(
    target: Path, vectors: Vectors, corpus: Corpus, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a corpus's n vectors (n, d); a file that was there stays until the new one is complete.

    Parquet gets the columns ``row`` (the text's number in its file), ``id`` and ``label`` where the
    corpus has some, ``text``, and ``vector`` as fixed-size lists of float32; in the metadata of the
    file stand ``metadata`` and the rows that were left out. npy gets the vectors alone, and
    :func:`index_file` beside it says which text each row belongs to.

    Raises:
        EmbedLabError: the disk does not take the file.
    """
    with disk_errors(target.name, "choose another folder; a file that was there is unchanged"):
        with atomic_file(target) as partial, partial.open("wb") as file:
            if target.suffix.lower() == ".npy":
                np.save(file, vectors)
            else:
                _write_parquet(file, vectors, corpus, metadata or {})
        if target.suffix.lower() == ".npy":
            write_text(index_file(target), csv_table(*corpus_rows(corpus), verbatim=True))


def index_file(target: Path) -> Path:
    """The csv file beside ``vectors.npy``: ``vectors.index.csv``, one line a vector."""
    return target.with_suffix(".index.csv")


def _write_parquet(
    file: BinaryIO, vectors: Vectors, corpus: Corpus, metadata: Mapping[str, str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"row": pa.array(corpus.rows, pa.int64())}
    if corpus.ids:
        columns["id"] = pa.array(corpus.ids, pa.string())
    columns["text"] = pa.array(corpus.texts, pa.string())
    if corpus.labels is not None:
        columns["label"] = pa.array([label or None for label in corpus.labels], pa.string())
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    described = {f"embedlab.{name}": value for name, value in metadata.items()}
    if corpus.left_out:
        described["embedlab.left_out"] = json.dumps(corpus.left_out)
    pq.write_table(pa.table(columns, metadata=described), file)
