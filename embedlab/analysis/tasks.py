"""Tasks in the seven categories of MTEB, each on a fixed sample of a corpus."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from embedlab.analysis.task_samples import sample
from embedlab.data.corpora import load_corpus
from embedlab.data.corpus import Corpus
from embedlab.data.pairs import PairSet, without_overlap
from embedlab.errors import check_known
from embedlab.progress import Progress, no_progress

#: The measure of each category, by MTEB's name for it; the paper's conclusions are on the first
#: four.
CATEGORY_MEASURES = {
    "STS": "spearman",
    "Retrieval": "ndcg_10",
    "Classification": "accuracy",
    "Clustering": "v_measure",
    "PairClassification": "average_precision",
    "Reranking": "map",
    "Summarization": "spearman_by_text",
}
#: The names of categories for readers, where they are not MTEB's.
CATEGORY_NAMES = {
    "PairClassification": "Pair classification",
    "Summarization": "Summarisation",
}
#: The measures' names for readers, the last two of measures that stand beside a category's own.
MEASURE_NAMES = {
    "spearman": "Spearman",
    "ndcg_10": "nDCG@10",
    "accuracy": "accuracy",
    "v_measure": "V-measure",
    "average_precision": "average precision",
    "map": "MAP",
    "spearman_by_text": "Spearman by text",
    "mrr": "MRR",
    "max_ap": "best AP of five similarities",
}


def category_name(category: str) -> str:
    """A category's name for readers."""
    return CATEGORY_NAMES.get(category, category)


@dataclass(frozen=True)
class Task:
    """One measure on a fixed sample of one corpus.

    STS takes the first ``size`` pairs, of one ``group`` where it is given. Retrieval draws
    ``queries`` queries and ``size`` texts, all relevant ones among them. Classification and
    Clustering draw ``size`` texts with their labels in ``field``. PairClassification takes ``size``
    pairs, half that belong together and half that do not: scored pairs of one ``group`` from the
    ends of the scale or, with a ``field``, pairs of texts with the same label there and with two,
    ``within`` one value of another field. Reranking draws ``queries`` queries, each with what is
    relevant and ``others`` that share most words with it. Summarization takes the first ``size``
    groups of pairs of a summary and a graded candidate; the group stands in ``field``. A ``size``
    or a number of ``queries`` of 0 takes all. ``words`` keeps the opening words of every text, 0
    all of them; ``seed`` draws the sample and starts k-means. ``title`` says all this in words.

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
    within: str = ""
    others: int = 0

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
        return sample(self, load_corpus(self.corpus_id, progress))


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

#: Its sources with enough pairs at both ends of the scale; MSRpar has three at the lower one.
_PAIR_SOURCES = ("MSRvid", "headlines", "images", "answer-answer", "track5.en-en")
#: Texts that are not relevant among the candidates of a query.
_OTHERS = 15

#: What a study may measure, by the name a study file uses; sizes of 0 take everything.
STUDY_TASKS: dict[str, tuple[Task, ...]] = {
    "stsb": tuple(
        Task(f"stsb-{part.replace(' ', '-')}", "STS", f"STS-B test, {part}", "stsb", group=part)
        for part in _STS_PARTS
    ),
    "stsb-pairs": tuple(
        Task(
            f"stsb-pairs-{source}",
            "PairClassification",
            f"STS-B test, {source}: pairs scored 4 or more against 1 or less",
            "stsb",
            group=source,
        )
        for source in _PAIR_SOURCES
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
        Task(
            "senses-pairs",
            "PairClassification",
            "One word in two sentences: one sense or two",
            "senses",
            field="sense",
            within="word",
        ),
        Task(
            "boolq-reranking",
            "Reranking",
            "BoolQ dev, questions to 16 passages each",
            "boolq",
            others=_OTHERS,
        ),
        Task(
            "semanlink-reranking",
            "Reranking",
            "Semanlink, tags to their abstracts and 15 others each",
            "semanlink",
            others=_OTHERS,
        ),
        Task(
            "summaries",
            "Summarization",
            "Short reports, 6 graded candidates against 2 summaries each",
            "summaries",
            field="subject",
        ),
    )
}


def without_evaluated(pairs: PairSet, progress: Progress = no_progress) -> PairSet:
    """Pairs less those that stand in a corpus of the quick tasks."""
    return without_overlap(pairs, [load_corpus(task.corpus_id, progress) for task in QUICK_TASKS])
