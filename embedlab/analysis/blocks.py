"""An order of some texts in blocks that belong together, and colours for saturated similarities."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis.metrics import cluster_order, similarity_tree
from embedlab.analysis.retrieval import Float32Array, Int64Array

#: Blocks that a tree is cut into at most.
MOST_BLOCKS = 12
#: Distances below this are rounding: rows that are all the same make one block.
_ROUNDING = 1e-6
#: A space is saturated where nearly all cosines lie above this.
SATURATED = 0.9


@dataclass(frozen=True, eq=False)
class Blocks:
    """An order (n,) of rows in blocks: ``starts`` are the places at which one begins, from 0.

    ``names`` are theirs, "" where they have none.
    """

    order: Int64Array
    starts: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The first and the last place of each block."""
        ends = (*self.starts[1:], len(self.order))
        return tuple((start, end - 1) for start, end in zip(self.starts, ends, strict=True))


def unordered(n: int) -> Blocks:
    """n rows as they come, as one block."""
    return Blocks(np.arange(n, dtype=np.int64), (0,), ("",))


def tree_blocks(matrix: npt.ArrayLike) -> Blocks:
    """The leaves of average linkage over a similarity matrix (n, n), cut into 2 to 12 clusters.

    The cut is the one of the largest mean silhouette over 1 - similarity (Rousseeuw, 1987); rows
    that are all the same are one block.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list
    from sklearn.metrics import silhouette_score

    n = len(np.asarray(matrix))
    if n < 3:
        return unordered(n)
    tree, distances = similarity_tree(matrix)
    order = leaves_list(tree).astype(np.int64)
    best, chosen = -np.inf, np.zeros(n, np.int64)
    for k in range(2, min(MOST_BLOCKS, n - 1) + 1):
        clusters = fcluster(tree, k, "maxclust")
        if distances.max() < _ROUNDING or len(np.unique(clusters)) < 2:
            continue
        if (score := silhouette_score(distances, clusters, metric="precomputed")) > best:
            best, chosen = score, clusters
    # The leaves of a subtree stand beside each other.
    starts = [0, *(np.flatnonzero(np.diff(chosen[order])) + 1).tolist()]
    return Blocks(order, tuple(starts), ("",) * len(starts))


def label_blocks(labels: Sequence[Hashable], matrix: npt.ArrayLike) -> Blocks:
    """Rows with the same label beside each other, in order of first appearance; similar ones
    beside each other within a block."""
    similarities = np.asarray(matrix)
    groups: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(label, []).append(row)
    order: list[int] = []
    starts = []
    for rows in groups.values():
        starts.append(len(order))
        inside = cluster_order(similarities[np.ix_(rows, rows)])
        order += [rows[i] for i in inside.tolist()]
    names = tuple(str(label) for label in groups)
    return Blocks(np.asarray(order, np.int64), tuple(starts), names)


def ranked(matrix: npt.ArrayLike) -> Float32Array:
    """Each similarity of a matrix (n, n) as the share of the other pairs that are less similar.

    Over the n (n - 1) / 2 pairs of different rows: 0 for the least similar pair, 1 for the most
    similar one, the mean rank for equal ones, and 1 along the diagonal.
    """
    from scipy.stats import rankdata

    similarities = np.asarray(matrix, np.float64)
    rows, columns = np.triu_indices(len(similarities), k=1)
    shares = np.ones_like(similarities)
    if len(rows) > 1:
        ranks = (rankdata(similarities[rows, columns]) - 1) / (len(rows) - 1)
        shares[rows, columns] = shares[columns, rows] = ranks
    return shares.astype(np.float32)


def saturated(matrix: npt.ArrayLike) -> tuple[float, float] | None:
    """The lowest and the highest cosine of different rows, where 95 in 100 lie above 0.9."""
    similarities = np.asarray(matrix)
    pairs = similarities[np.triu_indices(len(similarities), k=1)]
    if not len(pairs) or np.quantile(pairs, 0.05) <= SATURATED:
        return None
    return float(pairs.min()), float(pairs.max())
