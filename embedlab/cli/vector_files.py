"""Vectors as a file for the next tool: parquet or npy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from embedlab.errors import EmbedLabError
from embedlab.files import atomic_file, disk_errors
from embedlab.models.embedding import Vectors

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
    target: Path,
    vectors: Vectors,
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write n vectors (n, d); a file that was there stays until the new one is complete.

    Parquet gets the columns ``text``, ``label`` where there are labels, and ``vector`` as
    fixed-size lists of float32, with ``metadata`` in its own; npy gets the vectors alone.

    Raises:
        EmbedLabError: the disk does not take the file.
    """
    with (
        disk_errors(target.name, "choose another folder; a file that was there is unchanged"),
        atomic_file(target) as partial,
        partial.open("wb") as file,
    ):
        if target.suffix.lower() == ".npy":
            np.save(file, vectors)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {"text": pa.array(texts, pa.string())}
        if labels is not None:
            columns["label"] = pa.array(labels, pa.string())
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        described = {f"embedlab.{name}": value for name, value in (metadata or {}).items()}
        pq.write_table(pa.table(columns, metadata=described), file)
