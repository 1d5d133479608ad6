"""A small evaluation before and after training: four tasks, one of each of the paper's categories.

The samples are fixed and small, about 25,000 tokens in all, so that a backbone needs a
minute on a CPU. They show whether training moved something; they are no benchmark, and every score
comes with a bootstrap interval (:mod:`embedlab.analysis.bootstrap`). All scores are fractions,
not ×100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap, metrics
from embedlab.analysis.metrics import TOP_RANKS, Items
from embedlab.analysis.task_items import task_items
from embedlab.analysis.tasks import QUICK_TASKS, Task
from embedlab.data.corpus import Corpus, Relevant
from embedlab.models.design import Design
from embedlab.models.run_folder import TaskChange
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import Vectors


@dataclass(frozen=True, eq=False)
class TaskScore:
    """A task's score with its 95 % bootstrap interval over ``n`` items.

    ``n`` counts what was scored: pairs, queries, test texts, clustered texts or summarised ones.
    ``items`` are the arrays (n,) that the statistic takes
    (:func:`~embedlab.analysis.task_items.task_items`). A score that is undefined, such as the order
    of cosines that are all equal, is NaN.
    """

    task: Task
    n: int
    score: float
    low: float
    high: float
    items: Items


@dataclass(frozen=True)
class ChangedQuery:
    """A query whose ranking changed; nDCG@10 is None where relevance is unknown.

    ``overlap`` is 1 for the same ranking and 0 for rankings with no document in common.
    """

    query: int
    overlap: float
    ndcg_before: float | None
    ndcg_after: float | None


def evaluate(
    backbone: Backbone,
    design: Design,
    tasks: Sequence[Task] = QUICK_TASKS,
    *,
    persist: bool = True,
    progress: Progress = no_progress,
) -> tuple[TaskScore, ...]:
    """Score a backbone under a design; hidden states come from its cache where it has them.

    With ``persist`` hidden states may also be written to the cache's folder.

    Raises:
        EmbedLabError: a corpus that cannot be had, or a design that this backbone cannot carry.
    """
    backbone.check(design)
    samples = [(task, task.corpus(progress)) for task in tasks]
    return evaluate_on(samples, backbone, design, persist=persist, progress=progress)


def evaluate_on(
    samples: Sequence[tuple[Task, Corpus]],
    backbone: Backbone,
    design: Design,
    *,
    persist: bool = True,
    progress: Progress = no_progress,
) -> tuple[TaskScore, ...]:
    """The same for tasks with their samples, which need not be those of :meth:`Task.corpus`."""
    from embedlab.models.embedding import embed, fit
    from embedlab.models.steps import FittedSteps

    backbone.check(design)
    corpora = [corpus for _, corpus in samples]
    total = sum(len(corpus.texts) + len(corpus.queries) for corpus in corpora)
    done = 0
    scores = []

    def vectors(
        task: Task, texts: Sequence[str], query: bool, steps: FittedSteps | None = None
    ) -> Vectors:
        nonlocal done
        before = done

        def report(count: int, _: int, what: str) -> None:
            progress(before + count, total, f"{task.category}: {what}")

        done += len(texts)
        return embed(
            texts, design, backbone, query=query, fit=steps, progress=report, persist=persist
        )

    for task, corpus in samples:
        documents = vectors(task, corpus.texts, query=False)
        queries = None
        if corpus.queries:
            steps = fit(corpus.texts, design, backbone)
            queries = vectors(task, corpus.queries, query=True, steps=steps)
        scores.append(score(task, corpus, documents, queries))
    return tuple(scores)


def score(
    task: Task, corpus: Corpus, vectors: Vectors, query_vectors: Vectors | None = None
) -> TaskScore:
    """Score unit vectors (n, d) of the task's sample, and (q, d) of its queries if it has some."""
    clustered = task.category == "Clustering"
    items = task_items(task, corpus, vectors, query_vectors)
    statistic = bootstrap.STATISTICS[task.measure]
    low, high = bootstrap.interval(statistic, *items, centred=clustered)
    if clustered:  # a centred interval may leave the measure's range
        low, high = max(low, 0.0), min(high, 1.0)
    return TaskScore(task, len(items[0]), float(statistic(*items)), low, high, items)


def compare(before: Sequence[TaskScore], after: Sequence[TaskScore]) -> tuple[TaskChange, ...]:
    """Per task the change from before to after, with its paired interval over the same items.

    Four tasks are four chances to be lucky: nothing is corrected for their number.

    Raises:
        ValueError: the two sides were measured on different tasks.
    """
    if [one.task for one in before] != [other.task for other in after]:
        raise ValueError("before and after were measured on different tasks")
    changes = []
    for one, other in zip(before, after, strict=True):
        statistic = bootstrap.STATISTICS[one.task.measure]
        low, high = bootstrap.paired_interval(statistic, one.items, other.items)
        changes.append(
            TaskChange(
                task=one.task.title,
                measure=one.task.measure,
                n=one.n,
                before=_interval(one.score, one.low, one.high),
                after=_interval(other.score, other.low, other.high),
                difference=_interval(other.score - one.score, low, high),
                separable=low > 0 or high < 0,
            )
        )
    return tuple(changes)


def before_and_after(
    base: Backbone, trained: Backbone, design: Design, progress: Progress = no_progress
) -> tuple[TaskChange, ...]:
    """What a training changed on the quick tasks; its states never reach the disk."""
    before = evaluate(base, design, progress=progress)
    return compare(before, evaluate(trained, design, persist=False, progress=progress))


def most_changed_queries(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    relevant: Sequence[Relevant],
    *,
    top: int = 10,
) -> list[ChangedQuery]:
    """The queries whose first ten documents changed most, the most changed first, ties by index.

    The overlap is that of the first d documents of both rankings, as a share of d, averaged over
    d = 1 … 10 (average overlap: Fagin, Kumar & Sivakumar, SODA 2003). So upper ranks weigh more,
    and a new order counts as a change too. A query whose ranking stayed as it was is left out.

    Args:
        before: ids (q, l), at least ten unless there are fewer documents, best first.
        after: the same of the same queries.
        relevant: each query's relevant ids or their grades; empty where unknown.
        top: most queries returned.

    Raises:
        ValueError: shapes that do not fit together.
    """
    old, new = np.asarray(before), np.asarray(after)
    if old.ndim != 2 or old.shape != new.shape or len(old) != len(relevant):
        raise ValueError(f"{old.shape}, {new.shape} and {len(relevant)} queries")
    same = old[:, :TOP_RANKS, None] == new[:, None, :TOP_RANKS]
    shared = np.diagonal(same.cumsum(axis=1).cumsum(axis=2), axis1=1, axis2=2)  # (q, k)
    overlap = (shared / np.arange(1, shared.shape[1] + 1)).mean(axis=1)
    columns = [np.full(len(old), np.nan)] * 2
    if any(relevant):
        columns = [metrics.retrieval_scores(x, relevant).per_query["ndcg_10"] for x in (old, new)]
    order = np.argsort(overlap, kind="stable")[:top]
    return [
        ChangedQuery(int(q), float(overlap[q]), *(_number(column[q]) for column in columns))
        for q in order
        if overlap[q] < 1
    ]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _interval(
    score: float, low: float, high: float
) -> tuple[float | None, float | None, float | None]:
    return _number(score), _number(low), _number(high)
