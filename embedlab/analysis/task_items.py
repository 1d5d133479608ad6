"""The items behind a task's score: the arrays that its measure's statistic takes, by category."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap, metrics
from embedlab.analysis.metrics import Items
from embedlab.analysis.retrieval import check_vectors
from embedlab.data.corpus import Corpus

if TYPE_CHECKING:
    from embedlab.analysis.tasks import Task

Matrix = npt.ArrayLike


def task_items(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None = None) -> Items:
    """The items of unit vectors (n, d) of the task's sample, and of its queries (q, d).

    STS and PairClassification: cosines and gold scores or labels of the pairs. Retrieval and
    Reranking: each query's nDCG@10 or average precision. Classification: right (1) or wrong (0).
    Clustering: cluster and label numbers. Summarization: each report's correlation.
    """
    return _ITEMS[task.category](task, corpus, vectors, queries)


def average_precisions(corpus: Corpus, vectors: Matrix, queries: Matrix) -> npt.NDArray[np.float64]:
    """(q,): of each query's candidates ranked by cosine, the mean precision at relevant ones.

    Of equal cosines the candidate with the smaller number comes first, as in a stable sort.
    """
    rows, asked = check_vectors(vectors), check_vectors(queries)
    found = []
    for query, candidates, relevant in zip(asked, corpus.candidates, corpus.relevant, strict=True):
        ids = np.array(sorted(candidates))
        order = ids[np.argsort(-(rows[ids] @ query), kind="stable")]
        hits = np.isin(order, list(relevant))
        ranks = np.flatnonzero(hits) + 1
        found.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return np.array(found)


def correlations_by_text(corpus: Corpus, vectors: Matrix) -> npt.NDArray[np.float64]:
    """(g,): for each group of pairs, Spearman's correlation of similarity and grade.

    The pairs are (summary, candidate, grade), and a candidate is as similar as the nearest of the
    group's summaries (SummEval in MTEB). Groups whose grades are all equal are left out; NaN where
    the similarities are.
    """
    cosines = metrics.pair_similarities(vectors, [pair[:2] for pair in corpus.pairs])
    groups: dict[str, dict[int, tuple[float, float]]] = {}
    for (_, candidate, grade), group, cosine in zip(
        corpus.pairs, corpus.pair_groups, cosines.tolist(), strict=True
    ):
        of_group = groups.setdefault(group, {})
        nearest = max(cosine, of_group.get(candidate, (cosine, grade))[0])
        of_group[candidate] = (nearest, grade)
    sides = [np.array(list(of_group.values())).T for of_group in groups.values()]
    return np.array(
        [float(bootstrap.spearman(near, grades)) for near, grades in sides if np.ptp(grades) > 0]
    )


def _by_measure(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    return metrics.items_of(task.measure, corpus, vectors, queries)


def _right(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    """Logistic regression as in MTEB, of standardised vectors; every other text of a label trains.

    Without standardising, its penalty would rule on vectors of length 1 that share a direction:
    untrained SmolLM2's causal/eos then gave 134 of 150 questions the same label, and training
    would seem to add what was there before (33 % right, standardised 61 %).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = np.array(corpus.fields[task.field])
    by_label = np.argsort(labels, kind="stable")
    train, test = by_label[::2], by_label[1::2]
    rows = np.asarray(vectors, np.float64)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = model.fit(rows[train], labels[train]).predict(rows[test])
    return ((predicted == labels[test]).astype(np.float64),)


def _clusters(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    """k-means with as many clusters as labels, the best of ten starts."""
    names, labels = np.unique(corpus.fields[task.field], return_inverse=True)
    rows = check_vectors(vectors)
    return metrics.k_means(rows, len(names), starts=10, seed=task.seed), labels


def _pairs(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    cosines = metrics.pair_similarities(vectors, [pair[:2] for pair in corpus.pairs])
    return cosines, np.array([label for *_, label in corpus.pairs], np.float64)


def _reranked(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    assert queries is not None
    return (average_precisions(corpus, vectors, queries),)


def _summaries(task: Task, corpus: Corpus, vectors: Matrix, queries: Matrix | None) -> Items:
    return (correlations_by_text(corpus, vectors),)


_ITEMS: dict[str, Callable[[Task, Corpus, Matrix, Matrix | None], Items]] = {
    "STS": _by_measure,
    "Retrieval": _by_measure,
    "Classification": _right,
    "Clustering": _clusters,
    "PairClassification": _pairs,
    "Reranking": _reranked,
    "Summarization": _summaries,
}
