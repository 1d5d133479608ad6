"""The results that the map, similarity and fine-tune tabs show, each through ``Lab.compute``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedlab.analysis import comparison, metrics, retrieval
from embedlab.analysis.comparison import NEAREST, Embedded, Maps, Quality
from embedlab.analysis.evaluation import ChangedQuery, most_changed_queries
from embedlab.analysis.retrieval import Float32Array, Int64Array
from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress

#: Texts listed among those whose neighbourhoods changed most.
MOST_CHANGED = 20


def quality(
    lab: Lab, corpus: Corpus, embedded: Embedded, field: str = "", progress: Progress = no_progress
) -> Quality:
    """Figures over a corpus's vectors, with ``field`` as labels: kNN accuracy, V-measure, …"""

    def work(report: Progress) -> Quality:
        near = lab.neighbours(embedded, NEAREST, report)
        return comparison.quality(corpus, embedded, field, near)

    return lab.compute(("quality", embedded.key, corpus.annotations_hash, field), work, progress)


@dataclass(frozen=True, eq=False)
class ChangedNeighbourhoods:
    """How far the neighbourhoods of n texts agree between A and B.

    ``overlap`` (n,) is the Jaccard index of each text's ten nearest; ``order`` are the texts that
    changed most, the most changed first.
    """

    overlap: Float32Array
    order: Int64Array


def changed_neighbourhoods(
    lab: Lab, a: Embedded, b: Embedded, progress: Progress = no_progress
) -> ChangedNeighbourhoods:
    """The texts whose nearest neighbours differ most between A and B."""

    def work(report: Progress) -> ChangedNeighbourhoods:
        near_a, near_b = (lab.neighbours(side, NEAREST, report) for side in (a, b))
        overlap = metrics.jaccard(near_a.ids[:, :NEAREST], near_b.ids[:, :NEAREST])
        order = np.argsort(overlap, kind="stable")[:MOST_CHANGED]
        return ChangedNeighbourhoods(overlap, order)

    return lab.compute(("changed", a.key, b.key), work, progress)


@dataclass(frozen=True, eq=False)
class Similarities:
    """The cosines of m texts under A and under B, ``a`` and ``b`` (m, m).

    ``rows`` (m,) are the texts' numbers in their corpus, in the order of the matrices.
    """

    rows: Int64Array
    a: Float32Array
    b: Float32Array


def similarities(
    lab: Lab,
    a: Embedded,
    b: Embedded,
    rows: Sequence[int] | None = None,
    *,
    ordered: bool = False,
    progress: Progress = no_progress,
) -> Similarities:
    """The cosines of some texts of a corpus under A and under B; meant for some hundred.

    Args:
        lab: for its cache.
        a: the corpus under A.
        b: the same corpus under B.
        rows: the texts' numbers; by default all.
        ordered: whether similar texts stand beside each other (average linkage over both).
        progress: may raise to stop.
    """
    chosen = np.arange(len(a)) if rows is None else np.asarray(rows, np.int64)

    def work(report: Progress) -> Similarities:
        matrix_a, matrix_b = (metrics.similarity_matrix(side.vectors[chosen]) for side in (a, b))
        if not ordered or len(chosen) < 3:
            return Similarities(chosen, matrix_a, matrix_b)
        order = metrics.cluster_order((matrix_a + matrix_b) / 2)
        both = np.ix_(order, order)
        return Similarities(chosen[order], matrix_a[both], matrix_b[both])

    return lab.compute(("similarities", a.key, b.key, chosen.tobytes(), ordered), work, progress)


def cosine_distribution(
    lab: Lab, embedded: Embedded, progress: Progress = no_progress
) -> metrics.SimilarityDistribution:
    """The cosines of all pairs of texts; of a sample of 2,000 texts if there are more."""
    return lab.compute(
        ("cosines", embedded.key),
        lambda report: metrics.similarity_distribution(embedded.vectors),
        progress,
    )


@dataclass(frozen=True, eq=False)
class Movement:
    """Two aligned maps (a before, b after) and the queries whose ranking changed most.

    ``first`` holds, per changed query, the ids of the texts ranked first before and after.
    """

    maps: Maps
    changed: tuple[ChangedQuery, ...]
    first: tuple[tuple[int, int], ...]


def movement(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_ids: tuple[str, str],
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Movement:
    """One design on the untrained and on the trained backbone, over a corpus.

    Args:
        lab: for its cache.
        corpus: any; queries are compared where it has some.
        design: what was trained.
        backbone_ids: before and after.
        seed: of the map.
        progress: may raise to stop.
    """
    before, after = (
        lab.embedded(corpus, design, backbone_id, progress) for backbone_id in backbone_ids
    )
    defaults = lab.config.defaults
    maps = lab.maps(
        before,
        after,
        n_neighbors=defaults.n_neighbors,
        min_dist=defaults.min_dist,
        seed=seed,
        progress=progress,
    )
    if not corpus.queries:
        return Movement(maps, (), ())

    def work(report: Progress) -> Movement:
        old, new = (
            retrieval.search(
                side.vectors,
                lab.query_vectors(corpus, design, backbone_id, report),
                NEAREST,
            )[0]
            for side, backbone_id in zip((before, after), backbone_ids, strict=True)
        )
        changed = most_changed_queries(old, new, corpus.relevant)
        first = tuple((int(old[c.query, 0]), int(new[c.query, 0])) for c in changed)
        return Movement(maps, tuple(changed), first)

    # The maps belong to the key: PCA's are replaced by UMAP's once that is compiled.
    key = ("movement", before.key, after.key, corpus.annotations_hash, seed, maps.method)
    return lab.compute(key, work, progress)
