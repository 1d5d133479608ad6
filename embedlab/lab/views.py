"""The results that the map, similarity, compare and fine-tune tabs show, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedlab.analysis import blocks, comparison, metrics, projection, retrieval, space
from embedlab.analysis.blocks import Blocks
from embedlab.analysis.clusters import Clustering
from embedlab.analysis.comparison import NEAREST, Embedded, Maps
from embedlab.analysis.evaluation import ChangedQuery, most_changed_queries
from embedlab.analysis.retrieval import Float32Array, Int64Array
from embedlab.errors import EmbedLabError, check_known
from embedlab.lab.clusters import clusters
from embedlab.lab.lab import Lab, computed
from embedlab.progress import Progress, no_progress

#: Texts listed among those whose neighbourhoods changed most.
MOST_CHANGED = 20


@computed
def quality(
    lab: Lab, embedded: Embedded, field: str = "", progress: Progress = no_progress
) -> metrics.Quality:
    """Figures over a corpus's vectors, with ``field`` as labels: kNN accuracy, V-measure, …"""
    return comparison.quality(embedded, field, lab.neighbours(embedded, NEAREST, progress))


@dataclass(frozen=True, eq=False)
class ChangedNeighbourhoods:
    """How far the neighbourhoods of n texts agree between A and B.

    ``overlap`` (n,) is the Jaccard index of each text's ten nearest; ``order`` are the texts that
    changed most, the most changed first.
    """

    overlap: Float32Array
    order: Int64Array


@computed
def changed_neighbourhoods(
    lab: Lab, a: Embedded, b: Embedded, progress: Progress = no_progress
) -> ChangedNeighbourhoods:
    """The texts whose nearest neighbours differ most between A and B."""
    near_a, near_b = (lab.neighbours(side, NEAREST, progress) for side in (a, b))
    overlap = metrics.jaccard(near_a.ids[:, :NEAREST], near_b.ids[:, :NEAREST])
    return ChangedNeighbourhoods(overlap, np.argsort(overlap, kind="stable")[:MOST_CHANGED])


#: How a heatmap orders its texts: as they come, or in blocks that belong together.
ORDERS = ("given", "both", "a", "b", "labels")
#: What the colours of a heatmap say.
SCALES = ("cosine", "rank", "centred")


@dataclass(frozen=True, eq=False)
class Similarities:
    """The cosines of m texts under A and under B, ``a`` and ``b`` (m, m).

    ``rows`` (m,) are the texts' numbers in their corpus, in the order of the matrices, which has
    ``blocks``. ``drawn_a`` and ``drawn_b`` (m, m) are what the scale makes of the cosines.
    """

    rows: Int64Array
    a: Float32Array
    b: Float32Array
    drawn_a: Float32Array
    drawn_b: Float32Array
    blocks: Blocks


@computed
def similarities(
    lab: Lab,
    a: Embedded,
    b: Embedded,
    rows: tuple[int, ...],
    *,
    order: str = "given",
    scale: str = "cosine",
    progress: Progress = no_progress,
) -> Similarities:
    """The cosines of some texts of a corpus under A and under B; meant for some hundred.

    Args:
        order: ``given``; by the corpus's clusters under ``a`` or ``b``, the map's; by those of
            these texts under ``both``, of average linkage over what is drawn; or by ``labels``.
        scale: ``cosine``; the ``rank`` of a pair among the others; or ``centred``, the cosines
            about the mean of all texts of the corpus.

    Raises:
        EmbedLabError: an unknown order or scale, or no labels to order by.
    """
    check_known(order, "a known order", ORDERS)
    check_known(scale, "a known scale", SCALES)
    chosen = np.asarray(rows, np.int64)
    plain_a, plain_b = (metrics.similarity_matrix(side.vectors[chosen]) for side in (a, b))
    drawn_a, drawn_b = plain_a, plain_b
    if scale == "rank":
        drawn_a, drawn_b = blocks.ranked(plain_a), blocks.ranked(plain_b)
    elif scale == "centred":
        drawn_a, drawn_b = (
            metrics.similarity_matrix(space.fit(side.vectors, "centre")(side.vectors[chosen]))
            for side in (a, b)
        )
    mean = ((drawn_a + drawn_b) / 2).astype(np.float32)
    found = _blocks(lab, (a, b), rows, order, mean, progress)
    both = np.ix_(found.order, found.order)
    return Similarities(
        chosen[found.order],
        plain_a[both],
        plain_b[both],
        drawn_a[both],
        drawn_b[both],
        found,
    )


def _blocks(
    lab: Lab,
    sides: tuple[Embedded, Embedded],
    rows: tuple[int, ...],
    order: str,
    drawn: Float32Array,
    progress: Progress,
) -> Blocks:
    if order == "given":
        return blocks.unordered(len(rows))
    if order == "both":
        return blocks.tree_blocks(drawn)
    corpus = sides[0].corpus
    if order == "labels":
        if corpus.labels is None:
            raise EmbedLabError(
                "These texts have no labels to order them by; choose another order."
            )
        return blocks.label_blocks([corpus.labels[i] for i in rows], drawn)
    found = clusters(lab, sides["ab".index(order)], Clustering(), progress)
    names = (*found.names, "in no cluster")  # of number -1
    return blocks.label_blocks([names[found.labels[i]] for i in rows], drawn)


@computed
def cosine_distribution(
    lab: Lab,
    embedded: Embedded,
    rows: tuple[int, ...] | None = None,
    progress: Progress = no_progress,
) -> metrics.SimilarityDistribution:
    """The cosines of all pairs of texts, or of some; of a sample of 2,000 if there are more."""
    vectors = embedded.vectors if rows is None else embedded.vectors[list(rows)]
    return metrics.similarity_distribution(vectors)


@dataclass(frozen=True, eq=False)
class Movement:
    """Two aligned maps (a before, b after) and the queries whose ranking changed most.

    ``first`` holds, per changed query, the ids of the texts ranked first before and after.
    """

    maps: Maps
    changed: tuple[ChangedQuery, ...]
    first: tuple[tuple[int, int], ...]


def movement(
    lab: Lab, before: Embedded, after: Embedded, seed: int, progress: Progress = no_progress
) -> Movement:
    """A corpus under one design on the untrained and on the trained backbone.

    Queries are compared where the corpus has some.
    """
    maps = lab.maps(before, after, seed=seed, progress=progress)
    if not before.corpus.queries:
        return Movement(maps, (), ())
    old, new = (_first_ten(lab, side, progress) for side in (before, after))
    changed = most_changed_queries(old, new, before.corpus.relevant)
    first = tuple((int(old[c.query, 0]), int(new[c.query, 0])) for c in changed)
    return Movement(maps, tuple(changed), first)


@computed
def _first_ten(lab: Lab, embedded: Embedded, progress: Progress) -> Int64Array:
    """The ids of the ten texts nearest to each of the corpus's queries, (q, 10)."""
    queries = lab.query_vectors(embedded, progress)
    return retrieval.search(embedded.vectors, queries, NEAREST)[0]


def aligned_maps(
    lab: Lab,
    sides: Sequence[Embedded],
    method: str = "PCA",
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Float32Array]:
    """Maps of one corpus under several designs, (n, 2) each, aligned to the first.

    Equal texts share a place. ``method`` is ``PCA`` or ``UMAP``, with the deployment's settings;
    where UMAP is not possible the maps are PCA's.
    """
    corpus, defaults = sides[0].corpus, lab.config.defaults
    once = [side.without_repetitions() for side in sides] if corpus.repeated else list(sides)

    def work(report: Progress) -> list[Float32Array]:
        vectors = [side.vectors for side in once]
        if method != "UMAP":
            return projection.pca_maps(vectors, seed)
        near = [lab.neighbours(side, defaults.n_neighbors, report) for side in once]
        settings = defaults.n_neighbors, defaults.min_dist, seed
        return projection.umap_maps(vectors, near, *settings, report)

    key = ("aligned maps", *(side.key for side in once), method, seed)
    maps = lab.compute(key, work, progress)
    return [xy[corpus.numbers] for xy in maps] if corpus.repeated else maps
