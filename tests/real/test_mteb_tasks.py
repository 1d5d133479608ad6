"""Our tasks as mteb's: the same scores as mteb called by hand, and items that add up to them.

mteb is imported in fixtures: it takes seconds, and every worker reads every file.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from embedlab import Design, embed
from embedlab.analysis.evaluation import evaluate
from embedlab.cli.bench import same_weights
from embedlab.data.judged import title_and_text
from embedlab.errors import EmbedLabError
from embedlab.study.definition import study_from

STUDY = study_from(
    {
        "designs": ["M1", "causal/mean"],
        "tasks": [
            *("stsb", "semanlink", "trec-coarse", "trec-clusters"),
            *("stsb-pairs", "semanlink-reranking", "summaries"),
        ],
        "sizes": {
            "STS": 12,
            "Retrieval": 6,
            "Classification": 40,
            "Clustering": 24,
            "PairClassification": 12,
            "Reranking": 4,
            "Summarization": 5,
        },
        "words": 8,
    }
)
#: A text in 400 labelled otherwise, as float32 noise in a vector may lead to.
TOLERANCE = 3e-3
ONE_EACH = {task.category: task for task in STUDY.tasks}


def encoder(design, backbone):
    return lambda texts, query: embed(texts, design, backbone, query=query)


@pytest.fixture(scope="module")
def tasks():
    """The module that is tested."""
    from embedlab.study import mteb_tasks

    return mteb_tasks


@pytest.fixture(scope="module")
def scored(tasks, smollm2):
    """A category's result under causal/mean, measured once."""
    encode = encoder(Design.parse("causal/mean"), smollm2)
    return cache(lambda category: tasks.evaluate(tasks.as_mteb(ONE_EACH[category]), encode))


@pytest.fixture(scope="module")
def by_hand(smollm2):
    """The same backbone as sentence-transformers runs it, in the form that mteb asks of a model."""
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta

    model, eos = same_weights(smollm2), smollm2.tokenizer.eos_token

    class ByHand(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty({"name": "by/hand"})

        def encode(self, inputs, **_):
            # sentence-transformers appends no EOS, so it is written out.
            texts = [text + eos for batch in inputs for text in batch["text"]]
            return model.encode(texts, normalize_embeddings=True)

    return ByHand()


@pytest.mark.parametrize("category", ONE_EACH)
def test_mteb_called_directly_gives_the_same_score(category, tasks, scored, by_hand):
    import mteb

    task = ONE_EACH[category]
    direct = mteb.evaluate(
        by_hand, tasks.as_mteb(task), cache=None, co2_tracker=False, show_progress_bar=False
    )
    assert scored(category).score == pytest.approx(
        direct.task_results[0].get_score(), abs=TOLERANCE
    )


@pytest.mark.parametrize("category", ONE_EACH)
def test_the_items_add_up_to_the_score(category, scored):
    result = scored(category)
    assert result.items is not None
    values = np.array(result.items.values)
    gold = result.items.gold
    if result.items.kind == "labelled":
        expected = average_precision_score(gold, values)
    else:
        expected = values.mean() if gold is None else spearmanr(values, gold).statistic
    assert result.score == pytest.approx(expected, abs=1e-5)


def test_the_evaluation_in_this_process_gives_mteb_s_scores(tasks, scored, smollm2):
    """Of the three categories that rank: the same formulas in two places."""
    design = Design.parse("causal/mean")
    chosen = [ONE_EACH[c] for c in ("PairClassification", "Reranking", "Summarization")]
    for one in evaluate(smollm2, design, chosen, persist=False):
        assert one.score == pytest.approx(scored(one.task.category).score, abs=1e-3)
        assert one.n == len(scored(one.task.category).items.values)


def test_mrr_and_the_best_average_precision_stand_beside_the_measures(scored, smollm2):
    corpus = ONE_EACH["Reranking"].corpus()
    rows, queries = (
        embed(texts, Design.parse("causal/mean"), smollm2)
        for texts in (corpus.texts, corpus.queries)
    )
    firsts = []
    for query, candidates, relevant in zip(
        queries, corpus.candidates, corpus.relevant, strict=True
    ):
        ranked = sorted(candidates, key=lambda i: -float(rows[i] @ query))
        firsts.append(1 / (1 + min(ranked.index(i) for i in relevant)))
    assert scored("Reranking").also == {"mrr": pytest.approx(np.mean(firsts), abs=1e-4)}
    pairs = scored("PairClassification")
    assert list(pairs.also) == ["max_ap"] and pairs.also["max_ap"] >= pairs.score
    assert scored("STS").also == {}


def test_reports_that_mteb_leaves_out_silently_leave_no_items(tasks):
    """All vectors the same: mteb skips every text, so there is no score and nothing to pair."""
    task = ONE_EACH["Summarization"]
    same = tasks.evaluate(
        tasks.as_mteb(task), lambda texts, query: np.full((len(texts), 4), 0.5, np.float32)
    )
    assert same.items is None and np.isnan(same.score)


def test_a_task_made_anew_gives_the_same_score_again(tasks, scored, smollm2):
    encode = encoder(Design.parse("causal/mean"), smollm2)
    for category in ("Classification", "Clustering"):
        again = tasks.evaluate(tasks.as_mteb(ONE_EACH[category]), encode)
        np.testing.assert_array_equal(again.items.values, scored(category).items.values)


def test_the_accuracy_is_that_of_mteb_s_own_classification(tasks):
    """With all of its measures, where ours computes accuracy alone; vectors are made up."""
    import mteb
    from mteb.abstasks import AbsTaskClassification

    def encode(texts, query):
        rng = [np.random.default_rng(list(text.encode())) for text in texts]
        return np.array([one.normal(size=8) for one in rng], np.float32)

    ours = tasks.evaluate(tasks.as_mteb(ONE_EACH["Classification"]), encode)
    task = tasks.as_mteb(ONE_EACH["Classification"])
    plain = type("Plain", (AbsTaskClassification,), {"metadata": task.metadata})()
    plain.dataset, plain.data_loaded = task.dataset, True
    direct = mteb.evaluate(tasks._Encoder(encode), plain, cache=None, co2_tracker=False)
    scores = direct.task_results[0].scores["test"][0]
    assert "f1" in scores and ours.score == scores["accuracy"] == scores["main_score"]


def test_queries_get_the_query_prompt(tasks, smollm2):
    asked = []

    def encode(texts, query):
        asked.append((query, len(texts)))
        return embed(texts, Design.parse("causal/mean@1"), smollm2, query=query)

    task = ONE_EACH["Retrieval"]
    tasks.evaluate(tasks.as_mteb(task), encode)
    corpus = task.corpus()
    assert sum(n for query, n in asked if query) == len(corpus.queries) == 6
    assert sum(n for query, n in asked if not query) == len(corpus.texts)


def test_the_train_texts_of_a_classifier_are_not_tested(tasks):
    data = tasks.as_mteb(ONE_EACH["Classification"]).dataset
    assert not set(data["train"]["text"]) & set(data["test"]["text"])
    assert len(data["train"]) + len(data["test"]) == 40


def test_main_scores_are_those_of_mteb(tasks):
    for category, task in ONE_EACH.items():
        assert tasks.as_mteb(task).metadata.main_score == tasks.MTEB_SCORES[category]


def test_mteb_s_own_tasks_need_the_hub_and_a_known_name(tasks):
    with pytest.raises(EmbedLabError, match="not a task of mteb"):
        tasks.hub_task("NoSuchTask")
    with pytest.raises(EmbedLabError, match=r"needs the Hugging Face\s+Hub"):
        tasks.hub_task("STS12")
    with pytest.raises(EmbedLabError, match="BitextMining task; a study takes STS"):
        tasks.hub_task("Tatoeba")
    for name in ("TwitterURLCorpus", "AskUbuntuDupQuestions", "SummEvalSummarization.v2"):
        with pytest.raises(EmbedLabError, match=r"needs the Hugging Face\s+Hub"):
            tasks.hub_task(name)


@pytest.mark.parametrize(
    ("title", "text"),
    [("T", "x"), ("", " x "), (" T ", "x"), ("T", ""), ("T", " x\n"), ("T.", "x  y")],
)
def test_titles_of_own_documents_are_joined_as_mteb_joins_them(title, text):
    from mteb._create_dataloaders import _corpus_to_dict

    theirs = _corpus_to_dict({"id": "d", "title": title, "text": text})["text"]
    assert title_and_text(title, text) == theirs


def test_mtebs_own_tasks_have_mtebs_instructions():
    import mteb

    from embedlab.study.instructions import of_mteb

    names = ("STS12", "SciFact", "StackOverflowDupQuestions")
    words = {name: of_mteb(mteb.get_task(name)) for name in names}
    assert words["STS12"] == "Retrieve semantically similar text."
    assert "scientific claim" in words["SciFact"]
    assert "StackOverflow" in words["StackOverflowDupQuestions"]
