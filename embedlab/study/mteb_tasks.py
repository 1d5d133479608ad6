"""Our tasks as mteb tasks: mteb computes the scores, so that they are the field's.

mteb returns a task's scores, and a paired test needs the score of every item. So mteb also writes
its predictions to a file, and the items come from there; their mean is mteb's score again.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import ir_measures
import mteb
import numpy as np
import numpy.typing as npt
from datasets import Dataset, DatasetDict, disable_progress_bars
from mteb.abstasks import (
    AbsTask,
    AbsTaskClassification,
    AbsTaskClustering,
    AbsTaskRetrieval,
    AbsTaskSTS,
)
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from mteb.types import PromptType
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score

from embedlab.analysis.item_comparisons import ItemKind
from embedlab.analysis.tasks import CATEGORY_MEASURES, Task
from embedlab.data.corpus import Corpus, grades_of
from embedlab.errors import EmbedLabError
from embedlab.models.embedding import Vectors
from embedlab.progress import Progress, no_progress
from embedlab.study.folder import ItemScores, TaskResult

disable_progress_bars()

#: Texts, and whether they are queries, in; unit vectors (n, d) out.
Encode = Callable[[Sequence[str], bool], Vectors]

#: mteb's names of the four measures, by category.
MTEB_MAIN_SCORES = {
    "STS": "cosine_spearman",
    "Retrieval": "ndcg_at_10",
    "Classification": "accuracy",
    "Clustering": "v_measure",
}
#: Bootstrap samples of the documents whose V-measures mteb averages. mteb's own default is 10; the
#: error of a difference is read off these samples, and 10 give it too roughly.
RESAMPLES = 30
#: Digits of an item's score that are written down.
DIGITS = 7


class _Encoder(AbsEncoder):
    """A model in mteb's sense, around a function from texts to vectors."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self.mteb_model_meta = ModelMeta.create_empty({"name": "embedlab/design"})

    def encode(self, inputs: Any, *, prompt_type: PromptType | None = None, **_: Any) -> Vectors:
        texts = [text for batch in inputs for text in batch["text"]]
        return self._encode(texts, prompt_type == PromptType.query)


class _AccuracyTask(AbsTaskClassification):
    """Classification whose measure is accuracy alone, of the seven that mteb computes.

    The other six took half of a study's time beside the passes, most of it to read the labels anew
    from the data set, one by one, for each of them.
    """

    def _calculate_scores(self, y_test: Any, y_pred: Any) -> Any:
        return {"accuracy": float(accuracy_score(np.array(list(y_test)), y_pred))}


def hub_task(name: str) -> AbsTask:
    """A task of MTEB itself, by name, with its data from the hub.

    Raises:
        EmbedLabError: no such task, one of another category, or its data cannot be had.
    """
    try:
        task = mteb.get_task(name)
    except Exception as error:
        raise EmbedLabError(
            f"{name[:60]!r} is not a task of mteb; `mteb available-tasks` lists them."
        ) from error
    if task.metadata.type not in CATEGORY_MEASURES:
        raise EmbedLabError(
            f"{name[:60]!r} is a {task.metadata.type} task; a study takes "
            f"{', '.join(CATEGORY_MEASURES)}."
        )
    try:
        task.load_data()
    except Exception as error:
        raise EmbedLabError(
            f"The data of the mteb task {name[:60]!r} cannot be fetched; it needs the Hugging Face "
            "Hub. Leave the task out, or run where the hub is reachable."
        ) from error
    return task


def as_mteb(task: Task, progress: Progress = no_progress) -> AbsTask:
    """A task on one of our corpora as an mteb task with its data loaded.

    Make a new one for every evaluation: mteb's tasks draw from a random state of their own, and a
    second evaluation would be measured on other samples.

    Raises:
        EmbedLabError: the corpus cannot be fetched, or lacks what the task needs.
    """
    corpus = task.corpus(progress)
    kind, dataset = _KINDS[task.category](task, corpus)
    kind.metadata = TaskMetadata(
        name=f"EmbedLab-{task.id}",
        description=task.title,
        type=cast(Any, task.category),
        category="t2c" if task.category in ("Classification", "Clustering") else "t2t",
        dataset={"path": corpus.id, "revision": corpus.fingerprint},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=MTEB_MAIN_SCORES[task.category],
    )
    made: AbsTask = kind()
    made.dataset, made.data_loaded = dataset, True
    return made


def evaluate(task: AbsTask, encode: Encode, name: str = "") -> TaskResult:
    """Let mteb score a task under a model; ``name`` is the task's in the study."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # A label that is never predicted lowers the score, which says enough.
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        results = mteb.evaluate(
            cast(Any, _Encoder(encode)),
            task,
            cache=None,
            co2_tracker=False,
            prediction_folder=folder,
            show_progress_bar=False,
        )
        result = results.task_results[0]
        split = task.eval_splits[0]
        scores = result.scores[split]
        path = Path(folder) / task.prediction_file_name
        predicted = json.loads(path.read_text(encoding="utf-8"))
    if len(scores) > 1:  # a task in several languages
        return TaskResult(id=name, score=float(result.get_score()), items=None)
    subset = scores[0]["hf_subset"]
    dataset: Any = task.dataset
    data = dataset.get(subset, dataset)
    items = _ITEMS[task.metadata.type](task, data[split], predicted[subset][split], scores[0])
    return TaskResult(id=name, score=float(scores[0]["main_score"]), items=items)


# Our corpora in mteb's form


def _sts(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    first, second, gold = zip(*corpus.pairs, strict=True)
    columns = {
        "sentence1": [corpus.texts[i] for i in first],
        "sentence2": [corpus.texts[j] for j in second],
        "score": list(gold),
    }
    return type("StsTask", (AbsTaskSTS,), {}), _one_split(columns)


def _retrieval(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    split = {
        "corpus": _rows([f"d{i}" for i in range(len(corpus.texts))], corpus.texts),
        "queries": _rows([f"q{i}" for i in range(len(corpus.queries))], corpus.queries),
        "relevant_docs": {
            # mteb takes whole grades.
            f"q{q}": {f"d{i}": int(grade) for i, grade in sorted(grades_of(texts).items())}
            for q, texts in enumerate(corpus.relevant)
        },
        "top_ranked": None,
    }
    return type("RetrievalTask", (AbsTaskRetrieval,), {}), {"default": {"test": split}}


def _classification(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    """Half of each label's texts are for training: ten times, mteb draws eight per label."""
    labels = np.unique(corpus.fields[task.field], return_inverse=True)[1]
    by_label = np.argsort(labels, kind="stable")
    parts = {
        split: Dataset.from_dict(
            {
                "text": [corpus.texts[i] for i in rows],
                "label": [int(labels[i]) for i in rows],
            }
        )
        for split, rows in (("train", by_label[::2]), ("test", by_label[1::2]))
    }
    return type("ClassificationTask", (_AccuracyTask,), {}), DatasetDict(parts)


def _clustering(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    settings = {
        "max_fraction_of_documents_to_embed": None,
        "max_documents_per_cluster": len(corpus.texts),
        "n_clusters": RESAMPLES,
    }
    columns = {"sentences": list(corpus.texts), "labels": list(corpus.fields[task.field])}
    return type("ClusteringTask", (AbsTaskClustering,), settings), _one_split(columns)


def _one_split(columns: dict[str, list[Any]]) -> DatasetDict:
    return DatasetDict({"test": Dataset.from_dict(columns)})


def _rows(ids: list[str], texts: Sequence[str]) -> Dataset:
    return Dataset.from_dict({"id": ids, "text": list(texts)})


_KINDS: dict[str, Callable[[Task, Corpus], tuple[Any, Any]]] = {
    "STS": _sts,
    "Retrieval": _retrieval,
    "Classification": _classification,
    "Clustering": _clustering,
}


# mteb's predictions, item by item


def _pairs(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    return _items("pairs", predicted["cosine_scores"], list(data["score"]))


def _queries(task: Any, data: Any, predicted: Any, scores: Any) -> ItemScores:
    measure = ir_measures.nDCG @ 10
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


def _items(kind: ItemKind, values: npt.ArrayLike, gold: list[float] | None = None) -> ItemScores:
    rounded = np.round(np.asarray(values, np.float64), DIGITS).tolist()
    return ItemScores(kind=kind, values=rounded, gold=gold)


_ITEMS: dict[str, Callable[..., ItemScores | None]] = {
    "STS": _pairs,
    "Retrieval": _queries,
    "Classification": _texts,
    "Clustering": _samples,
}
