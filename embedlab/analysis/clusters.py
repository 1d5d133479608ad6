"""Clusters of texts by their vectors, in the original space and never on the map.

k-means over unit vectors (so by cosine), or HDBSCAN (Campello, Moulavi, Sander, 2013), which leaves
texts outside of every dense group as noise. The clusters found are grouped into fewer, coarse ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from embedlab.analysis.retrieval import Float32Array, Int64Array

K_MEANS, HDBSCAN = "k-means", "HDBSCAN"
METHODS = (K_MEANS, HDBSCAN)
#: The label of a text in no cluster.
NOISE = -1


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How to cluster: a method, how many clusters or how small they may be, and a seed.

    ``k`` is k-means' number of clusters, and ``least`` the fewest texts of a cluster of HDBSCAN; 0
    for a proposal.
    """

    method: str = K_MEANS
    k: int = 0
    least: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Clusters:
    """The clusters of n texts, numbered from the largest to the smallest.

    Args:
        labels: each text's cluster, (n,), -1 where it is in none.
        names: the k clusters' names, of their words; no two are the same.
        medoids: the text nearest to each cluster's mean, (k,).
        closeness: each text's cosine with its cluster's mean, (n,), NaN where it is in none.
        method: how they were found, such as ``k-means, k = 12``.
        note: what a reader has to know about them, "" for nothing.
        coarse: the same texts in fewer clusters, None where there are too few to group.
        parents: each cluster's cluster in ``coarse``, (k,), None without it.
    """

    labels: Int64Array
    names: tuple[str, ...]
    medoids: Int64Array
    closeness: Float32Array
    method: str
    note: str = ""
    coarse: Clusters | None = None
    parents: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.names)

    def at(self, level: str) -> Clusters:
        """These, or where ``level`` is ``coarse`` the coarse ones if there are any."""
        return self.coarse if level == "coarse" and self.coarse is not None else self
