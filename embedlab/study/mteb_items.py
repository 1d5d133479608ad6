"""The items of a task, from what mteb predicted.

mteb returns a task's scores, and a paired test needs the score of every item. So mteb also writes
its predictions to a file, and the items come from there; what they give is mteb's score again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ir_measures
import numpy as np
import numpy.typing as npt
from mteb.abstasks import AbsTask
from mteb.tasks.summarization.eng.summ_eval_summarization import SummEvalSummarization
from scipy.stats import spearmanr

from embedlab.analysis.item_comparisons import ItemKind
from embedlab.study.folder import ItemScores

#: Digits of an item's score that are written down.
DIGITS = 7


def items_of(task: AbsTask, data: Any, predicted: Any, scores: Any) -> ItemScores | None:
    """The items of a task in one language; None where its score is not made of any.

    Args:
        task: whose category decides what the items are.
        data: the split that was measured.
        predicted: mteb's predictions for it.
        scores: mteb's scores of it.
    """
    return _ITEMS[str(task.metadata.type)](task, data, predicted, scores)


def _pairs(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    return _items("pairs", predicted["cosine_scores"], list(data["score"]))


def _labelled_pairs(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    labels = list(data[task.label_column_name])
    if len(labels) == 1:  # the older form: one row with a list in each column
        [labels] = labels
    return _items("labelled", predicted["cosine_scores"], [float(label) for label in labels])


def _queries(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    return _ranked(ir_measures.nDCG @ 10, data, predicted)


def _reranked(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    return _ranked(ir_measures.AP @ 1000, data, predicted)


def _ranked(measure: Any, data: Any, predicted: Any) -> ItemScores:
    scores_by_query = {
        one.query_id: one.value
        for one in ir_measures.iter_calc([measure], data["relevant_docs"], predicted)
    }
    return _items("means", [scores_by_query[q] for q in data["relevant_docs"]])


def _texts(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    gold = np.array(data[task.label_column_name])
    right = np.array([np.array(labels) == gold for labels in predicted], np.float64)
    return _items("means", right.mean(axis=0))


def _samples(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores | None:
    measured = scores["v_measures"]
    if not isinstance(measured, dict):  # the older kind: other documents in each
        return _items("means", measured)
    (level,) = measured.values() if len(measured) == 1 else (None,)
    return None if level is None else _items("resamples", level)


def _reports(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores | None:
    """Each text's correlation.

    mteb leaves a text out whose grades or cosines are all equal, without saying which. Where the
    cosines of a design are, its texts are no longer those of another design. Nor do the first
    SummEval's scores come from correlations alone: it averages them with their p-values.
    """
    graded = [grades for grades in data[task.relevancy_column_name] if len(set(grades)) > 1]
    both = list(zip(predicted["human_scores"], predicted["cosine_scores"], strict=True))
    if len(both) != len(graded) or task.evaluator is SummEvalSummarization.evaluator:
        return None
    return _items("means", [spearmanr(*one).statistic for one in both])


def _items(kind: ItemKind, values: npt.ArrayLike, gold: list[float] | None = None) -> ItemScores:
    rounded = np.round(np.asarray(values, np.float64), DIGITS).tolist()
    return ItemScores(kind=kind, values=rounded, gold=gold)


_ITEMS: dict[str, Callable[..., ItemScores | None]] = {
    "STS": _pairs,
    "Retrieval": _queries,
    "Classification": _texts,
    "Clustering": _samples,
    "PairClassification": _labelled_pairs,
    "Reranking": _reranked,
    "Summarization": _reports,
}
