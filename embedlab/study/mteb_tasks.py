"""Our tasks as mteb tasks: mteb computes the scores, so that they are the field's."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import mteb
import numpy as np
from datasets import Dataset, DatasetDict, disable_progress_bars
from mteb._evaluators.text import summarization_evaluator
from mteb.abstasks import (
    AbsTask,
    AbsTaskClassification,
    AbsTaskClustering,
    AbsTaskPairClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
    AbsTaskSummarization,
)
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from mteb.types import PromptType
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score

from embedlab.analysis.tasks import CATEGORY_MEASURES, Task
from embedlab.data.corpus import Corpus, grades_of
from embedlab.errors import EmbedLabError
from embedlab.models.embedding import Vectors
from embedlab.progress import Progress, no_progress
from embedlab.study.folder import TaskResult
from embedlab.study.mteb_items import items_of

disable_progress_bars()
# That of summaries is drawn whatever mteb is told.
summarization_evaluator.tqdm = partial(summarization_evaluator.tqdm, disable=True)

#: Texts, and whether they are queries, in; unit vectors (n, d) out.
Encode = Callable[[Sequence[str], bool], Vectors]

#: mteb's names of the measures, by category. A task of MTEB's own may name another as its main one:
#: of pair classifications that is mostly the best of several similarities, chosen for each model
#: after the fact, where designs are compared by one and the same.
MTEB_SCORES = {
    "STS": "cosine_spearman",
    "Retrieval": "ndcg_at_10",
    "Classification": "accuracy",
    "Clustering": "v_measure",
    "PairClassification": "cosine_ap",
    "Reranking": "map_at_1000",
    "Summarization": "cosine_spearman",
}
#: What is written down beside a category's measure, by our name and mteb's.
ALSO = {
    "PairClassification": {"max_ap": "max_ap"},
    "Reranking": {"mrr": "mrr_at_1000"},
}
#: Bootstrap samples of the documents whose V-measures mteb averages. mteb's own default is 10; the
#: error of a difference is read off these samples, and 10 give it too roughly.
RESAMPLES = 30
#: The lowest and highest grade that a candidate for a summary can have.
GRADES = (0, 5)


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
        modalities=["text"],
        category="t2c" if task.category in ("Classification", "Clustering") else "t2t",
        dataset={"path": corpus.id, "revision": corpus.fingerprint},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=MTEB_SCORES[task.category],
    )
    made: AbsTask = kind()
    made.dataset, made.data_loaded = dataset, True
    return made


def evaluate(task: AbsTask, encode: Encode, name: str = "") -> TaskResult:
    """Let mteb score a task under a model; ``name`` is the task's in the study."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # A label that is never predicted lowers the score, which says enough.
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        # Summaries none of which can be told apart have no score: it is NaN.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="numpy")
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
    category = str(task.metadata.type)

    def mean(key: str) -> float:
        """Over the languages of a task; its own main score where it does not know the measure."""
        return float(np.mean([one.get(key, one["main_score"]) for one in scores]))

    values: dict[str, Any] = {"id": name, "score": mean(MTEB_SCORES[category]), "items": None}
    if more := ALSO.get(category):
        values["also"] = {ours: mean(theirs) for ours, theirs in more.items()}
    if len(scores) == 1:
        subset = scores[0]["hf_subset"]
        dataset: Any = task.dataset
        data = dataset.get(subset, dataset)
        values["items"] = items_of(task, data[split], predicted[subset][split], scores[0])
    return TaskResult(**values)


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
        "top_ranked": {
            f"q{q}": [f"d{i}" for i in sorted(texts)] for q, texts in enumerate(corpus.candidates)
        }
        or None,
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


def _pair_classification(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    first, second, labels = zip(*corpus.pairs, strict=True)
    columns = {
        "sentence1": [corpus.texts[i] for i in first],
        "sentence2": [corpus.texts[j] for j in second],
        "labels": [int(label) for label in labels],
    }
    return type("PairClassificationTask", (AbsTaskPairClassification,), {}), _one_split(columns)


def _summarization(task: Task, corpus: Corpus) -> tuple[Any, Any]:
    """A row for each group of pairs; its text is the one that is in no pair."""
    lowest, highest = GRADES
    rows: dict[str, tuple[dict[int, None], dict[int, float]]] = {}
    for (summary, candidate, grade), group in zip(corpus.pairs, corpus.pair_groups, strict=True):
        summaries, candidates = rows.setdefault(group, ({}, {}))
        summaries[summary], candidates[candidate] = None, grade
    paired = {i for *both, _ in corpus.pairs for i in both}
    texts = {g: i for i, g in enumerate(corpus.fields[task.field]) if i not in paired}
    columns: dict[str, list[Any]] = {
        "text": [corpus.texts[texts[group]] for group in rows],
        "human_summaries": [[corpus.texts[i] for i in s] for s, _ in rows.values()],
        "machine_summaries": [[corpus.texts[j] for j in c] for _, c in rows.values()],
        "relevance": [list(c.values()) for _, c in rows.values()],
    }
    settings = {"min_score": lowest, "max_score": highest}
    return type("SummarizationTask", (AbsTaskSummarization,), settings), _one_split(columns)


def _one_split(columns: dict[str, list[Any]]) -> DatasetDict:
    return DatasetDict({"test": Dataset.from_dict(columns)})


def _rows(ids: list[str], texts: Sequence[str]) -> Dataset:
    return Dataset.from_dict({"id": ids, "text": list(texts)})


_KINDS: dict[str, Callable[[Task, Corpus], tuple[Any, Any]]] = {
    "STS": _sts,
    "Retrieval": _retrieval,
    "Classification": _classification,
    "Clustering": _clustering,
    "PairClassification": _pair_classification,
    "Reranking": _retrieval,
    "Summarization": _summarization,
}
