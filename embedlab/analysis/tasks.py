"""Tasks in the paper's four categories, each on a fixed sample of a corpus."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

import numpy as np

from embedlab.data.corpora import load_corpus
from embedlab.data.corpus import Corpus, renumbered
from embedlab.data.pairs import PairSet, without_overlap
from embedlab.errors import EmbedLabError, check_known
from embedlab.progress import Progress, no_progress

#: The measure of each of the paper's categories.
CATEGORY_MEASURES = {
    "STS": "spearman",
    "Retrieval": "ndcg_10",
    "Classification": "accuracy",
    "Clustering": "v_measure",
}
#: The measures' names for readers.
MEASURE_NAMES = {
    "spearman": "Spearman",
    "ndcg_10": "nDCG@10",
    "accuracy": "accuracy",
    "v_measure": "V-measure",
}


@dataclass(frozen=True)
class Task:
    """One measure on a fixed sample of one corpus.

    STS takes the first ``size`` pairs, of one ``group`` where it is given. Retrieval draws
    ``queries`` queries and ``size`` texts, all relevant ones among them. Classification and
    Clustering draw ``size`` texts with their labels in ``field``. A ``size``, and for Retrieval a
    number of ``queries``, of 0 takes all. ``words`` keeps the opening words of every text, 0 all of
    them; ``seed`` draws the sample and starts k-means. ``title`` says all this in words.

    Raises:
        EmbedLabError: an unknown category.
    """

    id: str
    category: str
    title: str
    corpus_id: str
    _: KW_ONLY
    size: int = 0
    queries: int = 0
    field: str = ""
    group: str = ""
    words: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_known(self.category, "a task category", CATEGORY_MEASURES)

    @property
    def measure(self) -> str:
        """The category's measure."""
        return CATEGORY_MEASURES[self.category]

    @property
    def cluster(self) -> str:
        """The source of the texts: tasks that share one are no independent datasets.

        The parts of a corpus are named by source and year, such as ``headlines 2014``.
        """
        part = self.group.partition(" ")[0]
        return f"{self.corpus_id}/{part}" if part else self.corpus_id

    def corpus(self, progress: Progress = no_progress) -> Corpus:
        """The sample: the same in every process.

        Raises:
            EmbedLabError: files that cannot be fetched, or a corpus without what the task needs.
        """
        return _sample(self, load_corpus(self.corpus_id, progress))


#: In SmolLM2's tokens 3,137 + 12,815 + 3,891 + 4,056 = 23,899. BoolQ costs more than the rest
#: together; the hand-written senses corpus would be cheap, but its 12 queries separate nothing.
QUICK_TASKS = (
    Task("stsb", "STS", "STS-B test, first 200 pairs (all of them captions)", "stsb", size=200),
    Task(
        "boolq",
        "Retrieval",
        "BoolQ dev, 60 questions to 100 passages",
        "boolq",
        size=100,
        queries=60,
    ),
    Task(
        "trec",
        "Classification",
        "TREC, 6 question types, trained on 150 questions, tested on 150 others",
        "trec",
        size=300,
        field="coarse",
    ),
    Task(
        "bbc",
        "Clustering",
        "BBC news, first 30 words of 100 articles",
        "bbc",
        size=100,
        field="label",
        words=30,
    ),
)
#: STS-B's test split by the source and year its pairs came from: twelve parts of six sources.
_STS_PARTS = (
    *("MSRpar 2012train", "MSRpar 2012test", "MSRvid 2012train", "MSRvid 2012test"),
    *("headlines 2013", "headlines 2014", "headlines 2015", "headlines 2016"),
    *("images 2014", "images 2015", "answer-answer 2016", "track5.en-en 2017"),
)

#: What a study may measure, by the name a study file uses; sizes of 0 take everything.
STUDY_TASKS: dict[str, tuple[Task, ...]] = {
    "stsb": tuple(
        Task(f"stsb-{part.replace(' ', '-')}", "STS", f"STS-B test, {part}", "stsb", group=part)
        for part in _STS_PARTS
    ),
} | {
    task.id: (task,)
    for task in (
        Task("boolq", "Retrieval", "BoolQ dev, questions to passages", "boolq"),
        Task("semanlink", "Retrieval", "Semanlink, tags to arXiv abstracts", "semanlink"),
        Task("trec-coarse", "Classification", "TREC, 6 question types", "trec", field="coarse"),
        Task("trec-fine", "Classification", "TREC, 50 question types", "trec", field="fine"),
        Task("sms-spam", "Classification", "SMS, spam or not", "sms-spam", field="label"),
        Task("bbc", "Clustering", "BBC news, 5 sections", "bbc", field="label"),
        Task("trec-clusters", "Clustering", "TREC, 6 question types", "trec", field="coarse"),
    )
}


def without_evaluated(pairs: PairSet, progress: Progress = no_progress) -> PairSet:
    """Pairs less those that stand in a corpus of the quick tasks."""
    return without_overlap(pairs, [load_corpus(task.corpus_id, progress) for task in QUICK_TASKS])


def _sample(task: Task, corpus: Corpus) -> Corpus:
    """The part of a corpus that the task is measured on."""
    pairs = _pairs(task, corpus)
    texts, queries = _drawn(task, corpus)
    texts |= {i for *both, _ in pairs for i in both}
    labelled = task.category in ("Classification", "Clustering")
    if not texts or (labelled and task.field not in corpus.fields):
        raise EmbedLabError(
            f"{corpus.title[:60]!r} does not know enough for the {task.category} task "
            f"{task.id[:60]!r}; choose another corpus."
        )
    order = sorted(texts)
    new = {old: position for position, old in enumerate(order)}
    return replace(
        corpus,
        texts=tuple(_opening(corpus.texts[i], task.words) for i in order),
        fields={name: tuple(values[i] for i in order) for name, values in corpus.fields.items()},
        ids=tuple(corpus.ids[i] for i in order) if corpus.ids else (),
        rows=tuple(corpus.rows[i] for i in order),
        pairs=tuple((new[i], new[j], gold) for i, j, gold in pairs),
        pair_groups=(),
        queries=tuple(corpus.queries[q] for q in queries),
        relevant=tuple(renumbered(corpus.relevant[q], new) for q in queries),
        query_ids=tuple(corpus.query_ids[q] for q in queries) if corpus.query_ids else (),
        seed=task.seed,
    )


def _pairs(task: Task, corpus: Corpus) -> list[tuple[int, int, float]]:
    if task.category != "STS":
        return []
    groups = corpus.pair_groups or ("",) * len(corpus.pairs)
    pairs = [
        pair for pair, group in zip(corpus.pairs, groups, strict=True) if task.group in ("", group)
    ]
    return pairs[: task.size or None]


def _drawn(task: Task, corpus: Corpus) -> tuple[set[int], list[int]]:
    """The texts and the queries of a sample; none where the corpus lacks what the task needs."""
    if task.category == "STS":
        return set(), []
    rng = np.random.default_rng(task.seed)
    size = task.size or len(corpus.texts)
    if task.category != "Retrieval":
        return set(rng.permutation(len(corpus.texts))[:size].tolist()), []
    judged = [q for q, texts in enumerate(corpus.relevant) if texts]
    queries = sorted(rng.permutation(judged)[: task.queries or None].tolist())
    texts = {i for q in queries for i in corpus.relevant[q]}
    if texts:
        others = [i for i in rng.permutation(len(corpus.texts)).tolist() if i not in texts]
        texts.update(others[: max(0, size - len(texts))])
    return texts, queries


def _opening(text: str, words: int) -> str:
    return " ".join(text.split()[:words]) if words else text
