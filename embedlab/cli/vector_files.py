"""A whole file of texts embedded, and its vectors as a file for the next tool: parquet or npy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from embedlab.errors import EmbedLabError
from embedlab.models.embedding import Vectors

KINDS = (".parquet", ".npy")


def check_target(target: Path) -> None:
    """Refuse a file that could not be written, before the work rather than after it.

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
    target: Path,
    vectors: Vectors,
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write n vectors (n, d); what stood there before stays until the new file is whole.

    Parquet gets the columns ``text``, ``label`` where there are labels, and ``vector`` as
    fixed-size lists of float32, with ``about`` in its metadata; npy gets the vectors alone.

    Raises:
        EmbedLabError: the disk does not take the file.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        if target.suffix.lower() == ".npy":
            np.save(partial, vectors)
        else:
            _write_parquet(partial, vectors, texts, labels, about or {})
        partial.replace(target)
    except OSError as error:
        raise EmbedLabError(
            f"{target.name!r} could not be written ({error.strerror or error}); make room or "
            "choose another place. What was there before is unchanged."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(
    path: Path,
    vectors: Vectors,
    texts: Sequence[str],
    labels: Sequence[str] | None,
    about: Mapping[str, str],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns = {"text": pa.array(texts, pa.string())}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.string())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    named = pa.table(columns)
    kept = {**(named.schema.metadata or {}), **{f"embedlab.{k}": v for k, v in about.items()}}
    pq.write_table(named.replace_schema_metadata(kept), path)
