"""Small fixed tasks, one of each of the paper's categories, about 25,000 tokens in all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embedlab.corpora import load_corpus
from embedlab.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.pairs import PairSet, without_overlap
from embedlab.progress import Progress, silent

#: The paper's categories and what each is measured by.
MEASURES = {
    "STS": "spearman",
    "Retrieval": "ndcg_10",
    "Classification": "accuracy",
    "Clustering": "v_measure",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One measure on a fixed sample of one corpus.

    STS takes the first ``size`` pairs. Retrieval draws ``queries`` queries and ``size`` texts, all
    relevant ones among them. Classification and Clustering draw ``size`` texts with their labels in
    ``field``. ``words`` keeps the opening words of every text, 0 all of them; ``seed`` draws the
    sample and starts k-means. ``title`` says all this to people.

    Raises:
        EmbedLabError: an unknown category.
    """

    id: str
    category: str
    title: str
    corpus_id: str
    size: int
    queries: int = 0
    field: str = ""
    words: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.category not in MEASURES:
            raise EmbedLabError(
                f"{self.category[:60]!r} is not a task category; use one of {', '.join(MEASURES)}."
            )

    @property
    def measure(self) -> str:
        """What the category is measured by."""
        return MEASURES[self.category]

    def corpus(self, progress: Progress = silent) -> Corpus:
        """The sample: the same in every process.

        Raises:
            EmbedLabError: files that cannot be fetched, or a corpus without what the task needs.
        """
        return _sample(self, load_corpus(self.corpus_id, progress))


#: In SmolLM2's tokens 3,137 + 12,815 + 3,891 + 4,056 = 23,899. BoolQ costs more than the rest
#: together; the hand-written senses corpus would be cheap, but its 12 queries separate nothing.
QUICK_TASKS = (
    Task(
        id="stsb",
        category="STS",
        title="STS-B test, first 200 pairs (all of them captions)",
        corpus_id="stsb",
        size=200,
    ),
    Task(
        id="boolq",
        category="Retrieval",
        title="BoolQ dev, 60 questions to 100 passages",
        corpus_id="boolq",
        size=100,
        queries=60,
    ),
    Task(
        id="trec",
        category="Classification",
        title="TREC, 6 question types, trained on 150 questions, tested on 150 others",
        corpus_id="trec",
        size=300,
        field="coarse",
    ),
    Task(
        id="bbc",
        category="Clustering",
        title="BBC news, first 30 words of 100 articles",
        corpus_id="bbc",
        size=100,
        field="label",
        words=30,
    ),
)


def without_evaluated(pairs: PairSet, progress: Progress = silent) -> PairSet:
    """Pairs less those that stand in a corpus of the quick tasks."""
    return without_overlap(pairs, [load_corpus(task.corpus_id, progress) for task in QUICK_TASKS])


def _sample(task: Task, corpus: Corpus) -> Corpus:
    """What the task is measured on, with nothing else left in it."""
    kept, queries = _drawn(task, corpus)
    pairs = corpus.pairs[: task.size] if task.category == "STS" else ()
    labelled = task.category in ("Classification", "Clustering")
    if not kept or (labelled and task.field not in corpus.fields):
        raise EmbedLabError(
            f"{corpus.title[:60]!r} does not know enough for the {task.category} task "
            f"{task.id[:60]!r}; choose another corpus."
        )
    order = sorted(kept)
    new = {old: position for position, old in enumerate(order)}
    return replace(
        corpus,
        texts=tuple(_opening(corpus.texts[i], task.words) for i in order),
        fields={name: tuple(values[i] for i in order) for name, values in corpus.fields.items()},
        pairs=tuple((new[i], new[j], gold) for i, j, gold in pairs),
        queries=tuple(corpus.queries[q] for q in queries),
        relevant=tuple(frozenset(new[i] for i in corpus.relevant[q]) for q in queries),
        seed=task.seed,
    )


def _drawn(task: Task, corpus: Corpus) -> tuple[set[int], list[int]]:
    """The texts and the queries of a sample; nothing where the corpus lacks what is asked."""
    if task.category == "STS":
        return {i for *both, _ in corpus.pairs[: task.size] for i in both}, []
    rng = np.random.default_rng(task.seed)
    if task.category != "Retrieval":
        return set(rng.permutation(len(corpus.texts))[: task.size].tolist()), []
    judged = [q for q, texts in enumerate(corpus.relevant) if texts]
    queries = sorted(rng.permutation(judged)[: task.queries].tolist())
    kept = {i for q in queries for i in corpus.relevant[q]}
    if kept:
        others = [i for i in rng.permutation(len(corpus.texts)).tolist() if i not in kept]
        kept.update(others[: max(0, task.size - len(kept))])
    return kept, queries


def _opening(text: str, words: int) -> str:
    return " ".join(text.split()[:words]) if words else text
