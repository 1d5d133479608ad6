"""What is computed about some of a corpus's texts: those of a filter or a selection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedlab.analysis import metrics, retrieval
from embedlab.analysis.cluster_names import Names
from embedlab.analysis.comparison import NEAREST, Embedded
from embedlab.analysis.labels import labelled, why_not
from embedlab.analysis.metrics import Quality
from embedlab.analysis.selections import Cohesion, cohesion
from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab, computed
from embedlab.progress import Progress, no_progress

#: Words that tell a selection from another.
WORDS = 12
#: Indices of texts, or None for all of them.
Rows = tuple[int, ...] | None


def nearest(
    lab: Lab, embedded: Embedded, index: int, rows: Rows = None, progress: Progress = no_progress
) -> list[tuple[int, float]]:
    """The ten texts nearest to one of a corpus, with their cosines; among ``rows`` alone if given.

    The text itself is none of them.
    """
    if rows is None:
        return neighbour_lists(lab, embedded, (index,), progress)[0]
    return _nearest_among(lab, embedded, index, rows, progress)


def neighbour_lists(
    lab: Lab, embedded: Embedded, rows: Sequence[int], progress: Progress = no_progress
) -> list[list[tuple[int, float]]]:
    """The ten nearest texts, among all, of some texts of a corpus, with their cosines."""
    near = lab.neighbours(embedded, NEAREST, progress)
    ids = near.ids[list(rows), :NEAREST].tolist()
    cosines = near.similarities[list(rows), :NEAREST].tolist()
    return [list(zip(*both, strict=True)) for both in zip(ids, cosines, strict=True)]


@computed
def _nearest_among(
    lab: Lab, embedded: Embedded, index: int, rows: tuple[int, ...], progress: Progress
) -> list[tuple[int, float]]:
    others = np.array([i for i in rows if i != index], np.int64)
    if not len(others):
        return []
    ids, cosines = retrieval.search(
        embedded.vectors[others], embedded.vectors[[index]], min(NEAREST, len(others))
    )
    return list(zip(others[ids[0]].tolist(), cosines[0].tolist(), strict=True))


@computed
def quality_of(
    lab: Lab,
    embedded: Embedded,
    field: str,
    rows: tuple[int, ...],
    progress: Progress = no_progress,
) -> Quality:
    """Figures over some texts: kNN accuracy, whose neighbours are looked for among all, and the
    mean cosine of their pairs.

    ``field`` holds the labels, by default the corpus's first.
    """
    corpus, vectors = embedded.corpus, embedded.vectors
    texts = labelled(corpus, field)
    chosen = np.isin(texts.indices, rows)
    accuracy = None
    if chosen.any() and not why_not("knn_accuracy", texts):
        near = lab.neighbours(embedded, NEAREST, progress)
        hits = metrics.items_of("knn_accuracy", corpus, vectors, field=field, near=near)[0]
        accuracy = float(hits[chosen].mean())
    return Quality(
        n=len(rows),
        labelled=int(chosen.sum()),
        knn_accuracy=accuracy,
        mean_cosine=cohesion(vectors, rows, ()).first,
    )


@computed
def compared(
    lab: Lab,
    embedded: Embedded,
    first: tuple[int, ...],
    second: tuple[int, ...],
    progress: Progress = no_progress,
) -> Cohesion:
    """Mean cosines within and between two selections of a corpus's texts."""
    return cohesion(embedded.vectors, first, second)


@computed
def telling_words(
    lab: Lab,
    corpus: Corpus,
    first: tuple[int, ...],
    second: tuple[int, ...],
    progress: Progress = no_progress,
) -> tuple[list[str], list[str]]:
    """The words that tell two selections apart by c-TF-IDF over their texts, the first ones first.

    A text in both counts in both.
    """
    texts = [corpus.texts[i] for i in (*first, *second)]
    labels = np.repeat(np.arange(2), (len(first), len(second)))
    one, two = Names(texts).words(labels, 2)
    return one[:WORDS], two[:WORDS]


def evenly(rows: Rows, n: int, most: int) -> tuple[int, ...]:
    """At most ``most`` of n texts, or of some of them, evenly spaced in their order."""
    available: Sequence[int] = range(n) if rows is None else rows
    chosen = np.unique(np.linspace(0, len(available) - 1, min(most, len(available))).astype(int))
    return tuple(available[i] for i in chosen.tolist())
