"""What pair classification, reranking and summarisation are measured on, and their measures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import ir_measures
import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from embedlab import Corpus, EmbedLabError, load_corpus
from embedlab.analysis.evaluation import score
from embedlab.analysis.task_items import average_precisions, correlations_by_text
from embedlab.analysis.tasks import (
    CATEGORY_MEASURES,
    MEASURE_NAMES,
    STUDY_TASKS,
    Task,
    category_name,
)

STSB_PAIRS = STUDY_TASKS["stsb-pairs"]
[SENSES] = STUDY_TASKS["senses-pairs"]
[SEMANLINK] = STUDY_TASKS["semanlink-reranking"]
[SUMMARIES] = STUDY_TASKS["summaries"]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_every_category_has_a_task_and_every_measure_a_name():
    categories = {task.category for tasks in STUDY_TASKS.values() for task in tasks}
    assert categories == set(CATEGORY_MEASURES) and len(categories) == 7
    assert set(CATEGORY_MEASURES.values()) <= MEASURE_NAMES.keys()
    assert category_name("PairClassification") == "Pair classification"
    assert category_name("STS") == "STS"


def test_pairs_are_the_ends_of_the_scale_of_one_source():
    whole = load_corpus("stsb")
    for task in STSB_PAIRS:
        sample = task.corpus()
        found = {(sample.texts[i], sample.texts[j], label) for i, j, label in sample.pairs}
        expected = {
            (whole.texts[i], whole.texts[j], float(gold >= 4))
            for (i, j, gold), group in zip(whole.pairs, whole.pair_groups, strict=True)
            if group.split()[0] == task.group and not 1 < gold < 4
        }
        assert found == expected and len(found) == len(sample.pairs)
        assert min(Counter(label for *_, label in sample.pairs).values()) >= 16
    assert len({task.cluster for task in STSB_PAIRS}) == len(STSB_PAIRS) == 5


def test_a_size_takes_half_of_it_from_either_end():
    sample = replace(STSB_PAIRS[0], size=12).corpus()
    assert Counter(label for *_, label in sample.pairs) == {1.0: 6, 0.0: 6}


def test_pairs_of_senses_are_of_one_word_and_share_no_text():
    sample = SENSES.corpus()
    used = [i for *both, _ in sample.pairs for i in both]
    assert len(used) == len(set(used)) == len(load_corpus("senses").texts)
    words, senses = sample.fields["word"], sample.fields["sense"]
    for i, j, label in sample.pairs:
        assert words[i] == words[j] and (senses[i] == senses[j]) == (label == 1)
    assert Counter(label for *_, label in sample.pairs) == {1.0: 48, 0.0: 32}
    assert SENSES.corpus().pairs == sample.pairs
    assert replace(SENSES, seed=1).corpus().pairs != sample.pairs


def test_candidates_are_what_is_relevant_and_fifteen_texts_that_share_its_words():
    whole, sample = load_corpus("semanlink"), replace(SEMANLINK, queries=20).corpus()
    assert len(sample.queries) == len(sample.candidates) == 20
    answers = dict(zip(whole.queries, whole.relevant, strict=True))
    number = {text: i for i, text in enumerate(whole.texts)}
    assert set().union(*sample.candidates) == set(range(len(sample.texts)))
    shared = {True: 0.0, False: 0.0}
    for query, relevant, candidates in zip(
        sample.queries, sample.relevant, sample.candidates, strict=True
    ):
        assert {number[sample.texts[i]] for i in relevant} == set(answers[query])
        assert len(candidates - relevant) == 15 and relevant <= candidates
        chosen = {number[sample.texts[i]] for i in candidates - relevant}
        for i, text in enumerate(whole.texts):
            if i not in answers[query]:
                words = set(query.lower().split())
                many = chosen if i in chosen else set(number.values()) - chosen
                shared[i in chosen] += len(words & set(text.lower().split())) / len(many)
    assert shared[True] > 2 * shared[False]


def test_reports_come_whole_with_their_summaries_and_candidates():
    sample = replace(SUMMARIES, size=3).corpus()
    assert Counter(sample.fields["kind"]) == {"report": 3, "summary": 6, "candidate": 18}
    assert len(sample.pairs) == 3 * 2 * 6
    for (i, j, _), group in zip(sample.pairs, sample.pair_groups, strict=True):
        assert sample.fields["subject"][i] == sample.fields["subject"][j] == group
        assert (sample.fields["kind"][i], sample.fields["kind"][j]) == ("summary", "candidate")


def test_written_reports_have_one_candidate_of_each_grade():
    corpus = load_corpus("summaries")
    assert len(set(corpus.texts)) == len(corpus.texts) == 24 * 9
    by_group: dict[str, list[float]] = {}
    for (*_, grade), group in zip(corpus.pairs, corpus.pair_groups, strict=True):
        by_group.setdefault(group, []).append(grade)
    assert {tuple(sorted(grades)) for grades in by_group.values()} == {
        (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    }


@pytest.mark.parametrize(
    ("task", "corpus_id"),
    [(STSB_PAIRS[0], "trec"), (SENSES, "trec"), (SEMANLINK, "trec"), (SUMMARIES, "stsb")],
)
def test_a_corpus_without_what_a_task_needs_is_refused(task, corpus_id):
    with pytest.raises(EmbedLabError, match=f"enough for the {task.category} task"):
        replace(task, corpus_id=corpus_id).corpus()


def test_average_precision_of_candidates_is_that_of_ir_measures(rng):
    sample = replace(SEMANLINK, queries=15).corpus()
    rows, queries = (
        unit(rng.normal(size=(n, 8))) for n in (len(sample.texts), len(sample.queries))
    )
    qrels = {f"{q}": {f"{i}": 1 for i in rel} for q, rel in enumerate(sample.relevant)}
    ranked = {
        f"{q}": {f"{i}": float(rows[i] @ queries[q]) for i in candidates}
        for q, candidates in enumerate(sample.candidates)
    }
    expected = {
        int(one.query_id): one.value
        for one in ir_measures.iter_calc([ir_measures.AP], qrels, ranked)
    }
    found = average_precisions(sample, rows, queries)
    assert found == pytest.approx([expected[q] for q in range(15)])
    result = score(replace(SEMANLINK, queries=15), sample, rows, queries)
    assert result.score == pytest.approx(found.mean()) and result.n == 15
    assert result.low < result.score < result.high


def test_a_candidate_is_as_near_as_the_nearest_of_its_summaries(rng):
    sample = replace(SUMMARIES, size=4).corpus()
    rows = unit(rng.normal(size=(len(sample.texts), 6)))
    expected = []
    for group in dict.fromkeys(sample.pair_groups):
        pairs = [p for p, g in zip(sample.pairs, sample.pair_groups, strict=True) if g == group]
        candidates = sorted({(j, grade) for _, j, grade in pairs})
        summaries = {i for i, *_ in pairs}
        near = [max(float(rows[i] @ rows[j]) for i in summaries) for j, _ in candidates]
        expected.append(spearmanr(near, [grade for _, grade in candidates]).statistic)
    assert correlations_by_text(sample, rows) == pytest.approx(expected)
    assert score(SUMMARIES, sample, rows).score == pytest.approx(np.mean(expected))


def test_reports_whose_candidates_are_graded_alike_are_left_out():
    corpus = Corpus(
        id="x",
        title="x",
        texts=tuple("abcdef"),
        pairs=((0, 1, 2.0), (0, 2, 2.0), (3, 4, 1.0), (3, 5, 4.0)),
        pair_groups=("one", "one", "two", "two"),
    )
    rows = unit(np.random.default_rng(0).normal(size=(6, 3)))
    assert len(correlations_by_text(corpus, rows)) == 1
    assert np.isnan(correlations_by_text(corpus, np.ones((6, 3)) / np.sqrt(3))).all()


def test_pair_classification_is_scored_as_sklearn_does(rng):
    sample = STSB_PAIRS[1].corpus()
    rows = unit(rng.normal(size=(len(sample.texts), 8)))
    cosines = [float(rows[i] @ rows[j]) for i, j, _ in sample.pairs]
    result = score(STSB_PAIRS[1], sample, rows)
    labels = [label for *_, label in sample.pairs]
    assert result.score == pytest.approx(average_precision_score(labels, cosines))
    assert result.n == len(sample.pairs) and result.low < result.score < result.high


def test_one_label_alone_is_nothing_to_tell_apart():
    corpus = Corpus(
        id="x",
        title="x",
        texts=("a", "b", "c", "d"),
        fields={"sense": ("s",) * 4, "word": ("w",) * 4},
    )
    from embedlab.analysis.task_samples import sample

    with pytest.raises(EmbedLabError, match="does not know enough"):
        sample(Task("t", "PairClassification", "t", "x", field="sense", within="word"), corpus)


def test_candidates_have_to_hold_what_is_relevant_and_follow_their_texts():
    made = {"id": "x", "title": "x", "texts": ("a", "b", "c"), "queries": ("q",)}
    corpus = Corpus(**made, relevant=(frozenset({2}),), candidates=(frozenset({0, 2}),))
    assert corpus.only([1, 2], "some").candidates == (frozenset({1}),)
    assert corpus.without_repetitions().candidates == ()
    plain = Corpus(**made, relevant=(frozenset({2}),))
    assert plain.annotations_hash != corpus.annotations_hash
    for candidates in ((frozenset({0}),), (frozenset({2}), frozenset())):
        with pytest.raises(EmbedLabError, match="needs candidates for each query"):
            Corpus(**made, relevant=(frozenset({2}),), candidates=candidates)
    with pytest.raises(EmbedLabError, match="points at text 7"):
        Corpus(**made, relevant=(frozenset({2}),), candidates=(frozenset({2, 7}),))
