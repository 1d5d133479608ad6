"""Clusters of a corpus under a design, their names and how two designs' differ, each once."""

from __future__ import annotations

from embedlab.analysis import cluster_flow
from embedlab.analysis.cluster_flow import Flow
from embedlab.analysis.cluster_names import WORDS, unlike
from embedlab.analysis.clusters import FINE, Clustering, Clusters, cluster
from embedlab.analysis.comparison import Embedded
from embedlab.errors import EmbedLabError, NeedsModel
from embedlab.lab import inside
from embedlab.lab.lab import Lab, computed
from embedlab.progress import Progress, no_progress


@computed
def clusters(
    lab: Lab, embedded: Embedded, how: Clustering, progress: Progress = no_progress
) -> Clusters:
    """A corpus's clusters under a design, by its vectors in the original space."""
    return cluster(embedded.vectors, embedded.corpus.texts, how, progress=progress)


@computed
def flow(
    lab: Lab,
    a: Embedded,
    b: Embedded,
    how: Clustering,
    level: str = FINE,
    progress: Progress = no_progress,
) -> Flow:
    """How A's clusters split and merge into B's, of the fine or of the coarse ones."""
    both = (clusters(lab, side, how, progress).at(level) for side in (a, b))
    return cluster_flow.flow(*both)


def spoken_names(
    lab: Lab,
    embedded: Embedded,
    how: Clustering,
    level: str = FINE,
    progress: Progress = no_progress,
) -> tuple[str, ...]:
    """What the clusters' mean vectors say, less the corpus's: a second name for each.

    Empty where the design's vectors are no states of the backbone, its unembedding is not at hand,
    or the backbone is not loaded yet and the names are not prepared.
    """
    clustered = clusters(lab, embedded, how, progress).at(level)
    prepared = lab.prepared_views.spoken(embedded, how, level, clustered)
    if prepared is not None:
        return prepared
    try:
        return _spoken_names(lab, embedded, how, level, progress)
    except NeedsModel:
        return ()


@computed
def _spoken_names(
    lab: Lab, embedded: Embedded, how: Clustering, level: str, progress: Progress = no_progress
) -> tuple[str, ...]:
    clustered = clusters(lab, embedded, how, progress).at(level)
    try:
        words = inside.group_words(lab, embedded, clustered.labels, len(clustered), progress)
    except EmbedLabError:
        return ()
    # Many of a vocabulary's words nearest to a state are one word in several forms.
    chosen = (unlike([token.word for token in row])[:WORDS] for row in words)
    return tuple(" · ".join(row) for row in chosen)
