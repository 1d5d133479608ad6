"""The endpoint ``/clusters``, on the same terms as :mod:`embedlab.ui.api.endpoints`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embedlab.analysis.clusters import COARSE, FINE, Clustering, Clusters
from embedlab.lab import clusters as lab_clusters
from embedlab.lab.lab import Lab
from embedlab.ui.api.inside import built_in, described
from embedlab.ui.shared import parse


def clusters_endpoint(lab: Lab) -> Callable[..., dict[str, Any]]:
    """``/clusters``."""

    def clusters(corpus: str, design: str, k: int = 0, method: str = "k-means") -> dict[str, Any]:
        """Cluster a built-in corpus by its vectors under a design, and name the clusters.

        Args:
            corpus: a built-in corpus's id, such as "senses".
            design: such as "causal/mean@11", or M1 to M5.
            k: how many clusters, or for HDBSCAN how many texts the smallest has; 0 for a proposal.
            method: k-means or HDBSCAN.

        Returns:
            method (how they were found), note, labels (each text's cluster, -1 for none), clusters
            (each its name by c-TF-IDF, what its mean vector says, its size, the text in its middle
            and its coarse cluster), and coarse, the same clusters grouped, or null for few.
        """
        parsed, number = parse.design(design, "design"), parse.whole(k, "k")
        way = parse.word(method, "method")
        least = number if way != "k-means" else 0
        seed = lab.config.defaults.seed
        how = Clustering(method=way, k=number - least, least=least, seed=seed)
        texts = built_in(lab, corpus)
        lab.prepare([(texts, parsed, "")])
        embedded = lab.embedded(texts, parsed)
        found = lab_clusters.clusters(lab, embedded, how)

        def level_of(name: str) -> dict[str, Any]:
            spoken = lab_clusters.spoken_names(lab, embedded, how, name)
            return {
                "labels": found.at(name).labels.tolist(),
                "clusters": _plain(found.at(name), spoken),
            }

        answer = {"design": str(parsed), "method": found.method, "note": found.note}
        coarse = level_of(COARSE) if found.coarse is not None else None
        return described(texts) | answer | level_of(FINE) | {"coarse": coarse}

    return clusters


def _plain(clusters: Clusters, spoken: tuple[str, ...]) -> list[dict[str, Any]]:
    parents = [None] * len(clusters) if clusters.parents is None else clusters.parents.tolist()
    rows = zip(
        clusters.names, clusters.sizes.tolist(), clusters.medoids.tolist(), parents, strict=True
    )
    return [
        {"name": name, "says": spoken[i] if spoken else None, "size": size, "medoid": medoid}
        | {"parent": parent}
        for i, (name, size, medoid, parent) in enumerate(rows)
    ]
