"""Vectors of a corpus's texts that were made elsewhere, by any model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from embedlab.errors import EmbedLabError

Rows = npt.NDArray[np.float32]


class NoQueryVectors(EmbedLabError):
    """Vectors from a file have none of a query, and no model that could make one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """The vectors (n, d) of a corpus's n texts, float32 rows of length 1.

    Args:
        name: theirs; a design is written ``file: name``.
        vectors: a row for each text, in the corpus's order.
        source: the file's name.
        queries: the rows in ``query_vectors`` of queries, by their words without blanks around.
        query_vectors: (q, d), float32 rows of length 1.
        notes: what was done to them, for people.
    """

    name: str
    vectors: Rows
    source: str = ""
    queries: dict[str, int] = field(default_factory=dict)
    query_vectors: Rows | None = None
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """The memory that they take."""
        asked = 0 if self.query_vectors is None else self.query_vectors.nbytes
        return self.vectors.nbytes + asked

    @cached_property
    def version(self) -> str:
        """A hash of all vectors, for caches."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.vectors).data, digest_size=12)
        if self.query_vectors is not None:
            digest.update(np.ascontiguousarray(self.query_vectors).data)
            digest.update(repr(self.queries).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def some(self, chosen: Sequence[int]) -> Prepared:
        """Those of some of the texts, in the order given."""
        return replace(self, vectors=self.vectors[np.asarray(chosen, np.int64)])

    def knows(self, queries: Iterable[str]) -> bool:
        """Whether all these queries have a vector."""
        return all(query.strip() in self.queries for query in queries)

    def of_queries(self, queries: Sequence[str]) -> Rows:
        """The vectors (q, d) of queries.

        Raises:
            NoQueryVectors: one of them has none.
        """
        missing = [query for query in queries if query.strip() not in self.queries]
        if self.query_vectors is None or missing:
            what = f"the query {missing[0][:60]!r}" if missing else "queries"
            if len(missing) > 1:
                what = f"{len(missing):,} of {len(queries):,} queries, such as {missing[0][:60]!r}"
            raise NoQueryVectors(
                f"file: {self.name} has no vector of {what}, and no model to make one; give a file "
                "with the vectors of the queries beside that of the texts."
            )
        return self.query_vectors[[self.queries[query.strip()] for query in queries]]
