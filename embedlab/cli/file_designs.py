"""Designs on the command line that are vectors from files: ``--design "file: vectors.npy"``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.cli.options import NO_LIMIT
from embedlab.errors import EmbedLabError
from embedlab.terminal import say

if TYPE_CHECKING:
    from embedlab.data.corpus import Corpus

QueryVectorsOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="the vectors of the queries, npy or parquet, one file for each design 'file: …' in "
        "their order"
    ),
]


def with_vectors(
    corpus: Corpus, designs: Sequence[str], query_vectors: Sequence[Path] | None = None
) -> tuple[Corpus, list[str]]:
    """The corpus with the vectors that designs name, and the designs by the vectors' names.

    ``file: vectors.npy`` and ``file: vectors.parquet#column`` are read; other designs stay as they
    are. Says what was read.

    Args:
        corpus: the whole corpus, before any sampling.
        designs: as they were written.
        query_vectors: files of the queries' vectors, in the order of those designs.

    Raises:
        EmbedLabError: a file that cannot be read, or that does not fit the corpus.
    """
    from embedlab.data.vector_file import prepared, read_vector_file, vector_name
    from embedlab.models.design import FILE, Design

    files = [Design.parse(text).file for text in designs if text.lower().startswith(FILE)]
    asked = list(query_vectors or ())
    if len(asked) > len(files):
        raise EmbedLabError(
            f"{len(asked)} files of queries' vectors were given for {len(files)} designs "
            "'file: …'; give one for each."
        )
    names: dict[str, str] = {}
    given = dict(corpus.prepared)
    for number, file in enumerate(files):
        path, _, column = file.partition("#")
        read = read_vector_file(Path(path), column=column, max_bytes=NO_LIMIT)
        if len(read.columns) > 1 and not column:
            columns = ", ".join(f"'{FILE} {path}#{name}'" for name in read.columns)
            raise EmbedLabError(f"{path!r} has several columns of vectors; write {columns}.")
        queries = None
        if number < len(asked):
            queries = read_vector_file(asked[number], max_bytes=NO_LIMIT)
        name = vector_name(Path(path)) + (f" {column}" if column else "")
        vectors = prepared(read, corpus, name=name, queries=queries)
        for note in vectors.notes:
            say(f"{FILE} {vectors.name}: {note}")
        given[vectors.name] = vectors
        names[file] = f"{FILE} {vectors.name}"
    written = [
        names.get(Design.parse(text).file, text) if _is_file(text) else text for text in designs
    ]
    return (replace(corpus, prepared=given) if names else corpus), written


def _is_file(text: str) -> bool:
    from embedlab.models.design import FILE

    return text.strip().lower().startswith(FILE)
