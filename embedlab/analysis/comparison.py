"""What is compared: texts under a design, and the figures and lists that follow from vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedlab.analysis import metrics, retrieval
from embedlab.data.corpus import Corpus
from embedlab.models.design import Design

if TYPE_CHECKING:
    from embedlab.analysis.index import Index
    from embedlab.data.prepared import Prepared
    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import Vectors
    from embedlab.models.steps import FittedSteps

#: Neighbours that quality figures and the neighbour lists use.
NEAREST = 10
#: Ranks of the other design's list in which rank moves are looked up.
COMPARED_RANKS = 1000


@dataclass(frozen=True, eq=False)
class Embedded:
    """A corpus under a design: ``vectors`` (n, d), unit rows, and which texts are ``cut``, (n,).

    ``steps`` are the design's, fitted on this corpus, for its queries. Under vectors from a file
    ``backbone`` is a :class:`~embedlab.models.no_backbone.NoBackbone`: a name, and no model.
    ``shipped`` are the vectors of texts and queries that come with EmbedLab, where ``vectors`` are
    these; ``backbone`` is then an :class:`~embedlab.models.no_backbone.AwaitedBackbone` until the
    model is loaded.
    """

    corpus: Corpus
    design: Design
    backbone: Backbone
    vectors: Vectors
    cut: NDArray[np.bool_]
    steps: FittedSteps | None = None
    shipped: Prepared | None = None

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Names the backbone with its weights, the design, the texts and their annotations.

        Vectors that come with EmbedLab are the same before and after their model is loaded.
        """
        version = (
            f"shipped {self.shipped.version}"
            if self.shipped is not None
            else self.backbone.version(self.design)
        )
        return version, str(self.design), *self.corpus.key

    def __len__(self) -> int:
        return len(self.vectors)

    def without_repetitions(self) -> Embedded:
        """Every text once, where it appears first."""
        first = self.corpus.firsts
        once = self.corpus.without_repetitions()
        return replace(
            self, corpus=once, vectors=self.vectors[first], cut=self.cut[first], steps=None
        )

    @property
    def truncated(self) -> int:
        """How many texts were cut to the backbone's longest length."""
        return int(self.cut.sum())


@dataclass(frozen=True, eq=False)
class Maps:
    """Two comparable maps: (n, 2) each, and how they were made (``UMAP`` or ``PCA``)."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]
    method: str


@dataclass(frozen=True)
class Hit:
    """One retrieved text. ``move`` is how far it rose (+) or fell (-) against the other design,
    None where the other did not rank it; ``relevant`` is None where it is unknown.
    """

    rank: int
    id: int
    score: float
    text: str
    relevant: bool | None
    move: int | None


def quality(
    embedded: Embedded, field: str = "", near: retrieval.Neighbours | None = None
) -> metrics.Quality:
    """Figures over the texts' own space, never over the map.

    ``field`` holds the labels, by default the corpus's first; ``near`` are at least 10 neighbours
    of each text, by default searched here.
    """
    vectors = embedded.vectors
    cosine = metrics.similarity_distribution(vectors).mean if len(embedded) > 1 else None
    measures = ("knn_accuracy", "v_measure", "spearman")
    return metrics.quality(
        measures, embedded.corpus, vectors, field=field, near=near, mean_cosine=cosine
    )


def ranked_lists(
    query: str,
    a: Embedded,
    b: Embedded,
    queries: tuple[Vectors, Vectors],
    k: int,
    rows: Sequence[int] | None = None,
    indexes: tuple[Index | None, Index | None] = (None, None),
) -> tuple[list[Hit], list[Hit]]:
    """The k texts of a corpus nearest to a query under A and under B, with their rank moves.

    ``queries`` holds the query's vector under A and under B, (1, d) each. Relevance is known for
    the corpus's own queries. Where there are ``rows``, only these texts are ranked, and exactly;
    else a side that has an index of its texts is searched by it.
    """
    corpus = a.corpus
    both = zip(corpus.queries, corpus.relevant, strict=True)
    # Two queries of a corpus may have the same words.
    judged = [frozenset(texts) for own, texts in both if own == query]
    relevant = frozenset().union(*judged) if judged else None
    deep = max(k, min(COMPARED_RANKS, len(a)))
    ranked = np.arange(len(a)) if rows is None else np.asarray(rows, np.int64)
    (near_a, scores_a), (near_b, scores_b) = (
        nearest(side.vectors if rows is None else side.vectors[ranked], vector, deep, index)
        for side, vector, index in zip(
            (a, b), queries, indexes if rows is None else (None, None), strict=True
        )
    )
    ids_a, ids_b = ranked[near_a], ranked[near_b]
    return (
        _hits(corpus, ids_a, scores_a, ids_b, relevant, k),
        _hits(corpus, ids_b, scores_b, ids_a, relevant, k),
    )


def nearest(
    vectors: Vectors, query: Vectors, k: int, index: Index | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The ids and cosines, at most k each, of the vectors (n, d) nearest to one query (1, d).

    By the index of these vectors where there is one, which may find fewer.
    """
    if index is None:
        ids, scores = retrieval.search(vectors, query, k)
        return ids[0], scores[0]
    ids, scores = index.search(query, k)
    found = ids[0] >= 0
    return ids[0][found], scores[0][found]


def _hits(
    corpus: Corpus,
    ids: NDArray[np.int64],
    scores: NDArray[np.float32],
    other: NDArray[np.int64],
    relevant: frozenset[int] | None,
    k: int,
) -> list[Hit]:
    moves = retrieval.rank_moves(other.tolist(), ids.tolist())
    return [
        Hit(
            rank=rank,
            id=i,
            score=score,
            text=corpus.texts[i],
            relevant=None if relevant is None else i in relevant,
            move=move,
        )
        for rank, (i, score, move) in enumerate(
            zip(ids[:k].tolist(), scores[:k].tolist(), moves[:k], strict=True), start=1
        )
    ]
