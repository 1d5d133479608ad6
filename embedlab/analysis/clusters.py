"""Clusters of texts by their vectors, in the original space and never on the map.

k-means over unit vectors (so by cosine), or HDBSCAN (Campello, Moulavi, Sander, 2013), which leaves
texts outside of every dense group as noise. The clusters found are grouped into fewer, coarse ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedlab.analysis.cluster_names import Names
from embedlab.analysis.retrieval import Float32Array, Int64Array, check_vectors
from embedlab.errors import EmbedLabError, check_known
from embedlab.progress import Progress, no_progress

K_MEANS, HDBSCAN = "k-means", "HDBSCAN"
METHODS = (K_MEANS, HDBSCAN)
FINE, COARSE = "fine", "coarse"
LEVELS = (FINE, COARSE)
#: The label of a text in no cluster.
NOISE = -1
#: Clusters that can be asked for.
MOST_CLUSTERS = 100

#: Above this many texts k-means goes through them in batches.
_AT_ONCE = 3000
#: Texts by which a number of clusters is proposed.
_SAMPLE = 1000
#: Principal directions that HDBSCAN looks at: in hundreds of dimensions all distances are alike,
#: nothing is dense, and 20,000 texts take minutes.
_DIRECTIONS = 15
#: HDBSCAN's proposal: this share of the texts, and at least this many.
_LEAST_SHARE, _LEAST = 0.01, 5


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How to cluster: a method, how many clusters or how small they may be, and a seed.

    ``k`` is k-means' number of clusters, and ``least`` the fewest texts of a cluster of HDBSCAN; 0
    for a proposal.

    Raises:
        EmbedLabError: another method, or numbers out of range.
    """

    method: str = K_MEANS
    k: int = 0
    least: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_known(self.method, "a way to cluster", METHODS)
        if not 0 <= self.k <= MOST_CLUSTERS:
            raise EmbedLabError(
                f"{self.k} clusters were asked for; choose 1 to {MOST_CLUSTERS}, or 0 for a "
                "proposal."
            )
        if self.least < 0 or self.least == 1:
            raise EmbedLabError(
                f"A cluster of {self.least} texts was asked for; choose 2 or more as the smallest "
                "size, or 0 for a proposal."
            )


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

    @property
    def sizes(self) -> Int64Array:
        """How many texts each cluster has, (k,)."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self)).astype(np.int64)

    def at(self, level: str) -> Clusters:
        """These, or where ``level`` is ``coarse`` the coarse ones if there are any."""
        return self.coarse if level == COARSE and self.coarse is not None else self


def cluster(
    vectors: Float32Array,
    texts: Sequence[str],
    how: Clustering,
    names: Names | None = None,
    progress: Progress = no_progress,
) -> Clusters:
    """Cluster n texts by their unit vectors (n, d); equal arguments give equal clusters.

    Args:
        vectors: the texts under a design.
        texts: the words for the names.
        how: method, numbers and seed.
        names: of these texts, where their words have been counted before.
        progress: may raise to stop between two steps.
    """
    rows = check_vectors(vectors)
    progress(0, 3, "Clustering the texts")
    find = _by_k_means if how.method == K_MEANS else _by_density
    labels, method, note = find(rows, how, progress)
    progress(1, 3, "Grouping the clusters")
    fine = _largest_first(labels)
    parents = _group(rows, fine)
    progress(2, 3, "Naming the clusters")
    names = names or Names(texts)
    fine_clusters = _described(rows, fine, names, method, note)
    if parents is None:
        return fine_clusters
    coarse = _largest_first(np.where(fine >= 0, parents[fine], NOISE))
    grouped = _described(rows, coarse, names, f"{method}, grouped", note)
    return replace(fine_clusters, coarse=grouped, parents=coarse[fine_clusters.medoids])


_Found = tuple[Int64Array, str, str]


def _by_k_means(rows: Float32Array, how: Clustering, progress: Progress) -> _Found:
    """Labels (n,), how they were found, and what to know about them."""
    distinct = _distinct(rows)
    if distinct == 1:
        note = f"All {len(rows):,} vectors are the same, so that they are one cluster."
        return np.zeros(len(rows), np.int64), "one cluster", note if len(rows) > 1 else ""
    note = ""
    k = how.k or propose_k(rows, how.seed, progress)
    if k > distinct:
        note = (
            f"{k} clusters were asked for, but there are only {distinct:,} different vectors: one "
            "for each."
        )
        k = distinct
    proposed = "" if how.k else ", proposed by silhouette"
    return _k_means(rows, k, how.seed), f"k-means, k = {k}{proposed}", note


def _distinct(rows: Float32Array) -> int:
    return len({row.tobytes() for row in rows})


def _k_means(rows: Float32Array, k: int, seed: int, starts: int = 4) -> Int64Array:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(rows) > _AT_ONCE:
        means = MiniBatchKMeans(k, n_init=starts, batch_size=2048, random_state=seed)
    else:
        means = KMeans(k, n_init=starts, random_state=seed)
    return means.fit_predict(rows).astype(np.int64)


def propose_k(rows: Float32Array, seed: int = 0, progress: Progress = no_progress) -> int:
    """A number of clusters for unit vectors (n, d): of several the one with the best silhouette.

    The silhouette (Rousseeuw, 1987) is by cosine, over a seeded sample of 1,000 vectors where there
    are more. Fewer than the cube root of n are not proposed, since over anisotropic vectors two
    halves always win and say nothing, nor more than n / 8, which nobody would read.
    """
    from sklearn.metrics import silhouette_score

    least = round(len(rows) ** (1 / 3))
    if len(rows) > _SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(rows), _SAMPLE, replace=False)
        rows = rows[np.sort(chosen)]
    distinct = _distinct(rows)
    most = min(distinct - 1, len(rows) // _LEAST_MEAN)
    candidates = [k for k in _CANDIDATES if least <= k <= most] or [min(least, distinct)]
    distances = np.maximum(0, 1 - rows @ rows.T)
    np.fill_diagonal(distances, 0)
    best, best_score = candidates[0], -2.0
    for done, k in enumerate(candidates if len(candidates) > 1 else ()):
        progress(done, len(candidates), "Looking for a number of clusters")
        labels = _k_means(rows, k, seed, starts=2)
        score = silhouette_score(distances, labels, metric="precomputed")
        if score > best_score:
            best, best_score = k, score
    return best


#: Texts that a proposed cluster has on average, at least.
_LEAST_MEAN = 8
#: Numbers of clusters that a proposal is chosen from.
_CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 30, 40)


def _by_density(rows: Float32Array, how: Clustering, progress: Progress) -> _Found:
    """Labels (n,), how they were found, and what to know about them."""
    from sklearn.cluster import HDBSCAN as Density
    from sklearn.decomposition import PCA

    n, least = len(rows), how.least or max(_LEAST, round(_LEAST_SHARE * len(rows)))
    method = f"HDBSCAN, clusters of {least:,} texts or more"
    none = np.full(n, NOISE, np.int64)
    if n < least:
        return none, method, f"A cluster of {least:,} texts or more cannot be among {n:,}."
    if (rows == rows[0]).all():
        note = f"All {n:,} vectors are the same, so that they are one cluster."
        return np.zeros(n, np.int64), method, note
    directions = min(_DIRECTIONS, *rows.shape)
    if directions < rows.shape[1]:
        method += f", in the first {directions} principal directions"
        rows = PCA(directions, random_state=how.seed).fit_transform(rows)
    progress(0, 3, "Clustering the texts")
    # The leaves of the tree, without smoothing over neighbours: on TREC and on short sentences its
    # default (excess of mass) gives one giant cluster beside noise.
    density = Density(
        min_cluster_size=least, min_samples=1, cluster_selection_method="leaf", copy=True
    )
    labels = density.fit_predict(rows)
    noise = int((labels < 0).sum())
    note = f"{noise:,} of {n:,} texts are in no cluster." if noise else ""
    if noise == n:
        note = (
            f"No group of {least:,} texts is denser than what is around it: all {n:,} texts are in "
            "no cluster. Choose a smaller size, or k-means."
        )
    return labels.astype(np.int64), method, note


def _largest_first(labels: Int64Array) -> Int64Array:
    """The same clusters, numbered by their size; of equal ones the one that comes first."""
    values, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    number = np.full(int(values.max(initial=-1)) + 2, NOISE, np.int64)  # its last is for -1
    number[values[np.lexsort((first, -counts))]] = np.arange(len(values))
    return number[labels]


def _group(rows: Float32Array, labels: Int64Array) -> Int64Array | None:
    """Each cluster's group, (k,), by Ward's tree over their means; None for few clusters."""
    from sklearn.cluster import AgglomerativeClustering

    k = int(labels.max()) + 1
    if k < 5:
        return None
    groups = max(2, round(np.sqrt(1.5 * k)))
    means = _means(rows, labels, k)
    return AgglomerativeClustering(groups, linkage="ward").fit_predict(means).astype(np.int64)


def _means(rows: Float32Array, labels: Int64Array, k: int) -> Float32Array:
    """The clusters' means, scaled to length 1, (k, d)."""
    sums = np.stack([rows[labels == c].sum(axis=0) for c in range(k)])
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _described(
    rows: Float32Array, labels: Int64Array, names: Names, method: str, note: str
) -> Clusters:
    k = int(labels.max()) + 1
    closeness = np.full(len(rows), np.nan, np.float32)
    medoids = np.zeros(k, np.int64)
    if k:
        means, inside = _means(rows, labels, k), labels >= 0
        closeness[inside] = np.einsum("nd,nd->n", rows[inside], means[labels[inside]])
        for c in range(k):
            members = np.flatnonzero(labels == c)
            medoids[c] = members[closeness[members].argmax()]
    return Clusters(
        labels=labels,
        names=names.of(labels, k, closeness),
        medoids=medoids,
        closeness=closeness,
        method=method,
        note=note,
    )
