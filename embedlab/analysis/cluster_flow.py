"""How the clusters of one design split and merge into those of another, and which texts moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis.clusters import Clusters
from embedlab.analysis.retrieval import Int64Array
from embedlab.errors import EmbedLabError


@dataclass(frozen=True, eq=False)
class Flow:
    """What became of A's clusters under B.

    Args:
        table: how many texts are in cluster i of A and j of B, (kA + 1, kB + 1); the last row and
            the last column are those in none.
        n: the texts that are in a cluster under both.
        v_measure: of the two clusterings over these n texts, with A's as the classes; None for n =
            0.
        rand: their adjusted Rand index.
        moved: the texts that went astray, the clearest first, (m,): in a stream from i to j that is
            neither the largest of i nor the largest of j. Texts whose cluster split or was merged
            did not move.
    """

    table: Int64Array
    n: int
    v_measure: float | None
    rand: float | None
    moved: Int64Array

    @property
    def matches(self) -> dict[int, int]:
        """Clusters of A with those of B that share the largest part of each other's texts."""
        inner = self.table[:-1, :-1]
        if not inner.size:
            return {}
        goals, sources = inner.argmax(axis=1).tolist(), inner.argmax(axis=0).tolist()
        return {i: j for i, j in enumerate(goals) if sources[j] == i and inner[i, j]}


def flow(a: Clusters, b: Clusters) -> Flow:
    """Compare two clusterings of the same n texts.

    V-measure: Rosenberg & Hirschberg, 2007; the adjusted Rand index: Hubert & Arabie, 1985.

    Raises:
        EmbedLabError: they are of different numbers of texts.
    """
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    if len(a.labels) != len(b.labels):
        raise EmbedLabError(
            f"A's clusters are of {len(a.labels):,} texts and B's of {len(b.labels):,}; cluster "
            "the same texts under both."
        )
    table = np.zeros((len(a) + 1, len(b) + 1), np.int64)
    np.add.at(table, (a.labels, b.labels), 1)  # -1, in no cluster, is the last
    both = (a.labels >= 0) & (b.labels >= 0)
    n, v_measure, rand = int(both.sum()), None, None
    if n:
        labels = a.labels[both], b.labels[both]
        v_measure, rand = float(v_measure_score(*labels)), float(adjusted_rand_score(*labels))
    moved = _moved(a, b, table[:-1, :-1], np.flatnonzero(both))
    return Flow(table, n, v_measure, rand, moved)


def _moved(a: Clusters, b: Clusters, table: Int64Array, both: Int64Array) -> Int64Array:
    """The texts of streams that are the largest neither of their source nor of their goal."""
    if not len(both):
        return both
    i, j = a.labels[both], b.labels[both]
    counts = table[i, j]
    astray = both[(counts < table.max(axis=1)[i]) & (counts < table.max(axis=0)[j])]
    # Clear is a text that is well inside of its cluster under both designs.
    clear = np.minimum(_standing(a)[astray], _standing(b)[astray])
    return astray[np.argsort(-clear, kind="stable")]


def _standing(clusters: Clusters) -> npt.NDArray[np.float64]:
    """How many texts of its cluster are as far from the mean as each text, or farther: 0 … 1."""
    standing = np.zeros(len(clusters.labels))
    for c, size in enumerate(clusters.sizes):
        members = np.flatnonzero(clusters.labels == c)
        nearest_last = np.argsort(clusters.closeness[members], kind="stable")
        standing[members[nearest_last]] = np.arange(1, size + 1) / size
    return standing
