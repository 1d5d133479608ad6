import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import v_measure_score
from support.models import tiny_backbone

from embedlab import Cancelled, Corpus, Design, EmbedLabError, embed, load_corpus
from embedlab.analysis.evaluation import compare, evaluate, most_changed_queries, score
from embedlab.analysis.tasks import QUICK_TASKS, Task

CAUSAL = Design.parse("causal/mean")
STS, RETRIEVAL, CLASSIFICATION, CLUSTERING = QUICK_TASKS


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def small(task):
    """The same task on a handful of items of the real corpus."""
    return replace(task, size=12, queries=min(task.queries, 5), words=task.words and 6)


# The samples


def test_sts_takes_the_first_pairs():
    whole, sample = load_corpus("stsb"), STS.corpus()
    assert len(sample.pairs) == 200
    for (i, j, gold), (old_i, old_j, old_gold) in zip(sample.pairs, whole.pairs, strict=False):
        assert sample.texts[i] == whole.texts[old_i] and sample.texts[j] == whole.texts[old_j]
        assert gold == old_gold
    assert set(sample.fields["genre"]) == {"main-captions"}  # as the title says


def test_retrieval_keeps_every_relevant_passage():
    whole, sample = load_corpus("boolq"), RETRIEVAL.corpus()
    assert (len(sample.queries), len(sample.texts)) == (60, 100)
    answers = dict(zip(whole.queries, whole.relevant, strict=True))
    for query, relevant in zip(sample.queries, sample.relevant, strict=True):
        assert {sample.texts[i] for i in relevant} == {whole.texts[i] for i in answers[query]}


def test_labels_stay_with_their_texts():
    trec, sample = load_corpus("trec"), CLASSIFICATION.corpus()
    kinds = dict(zip(trec.texts, trec.fields["coarse"], strict=True))
    assert len(sample.texts) == 300 and len(set(sample.fields["coarse"])) == 6
    assert [kinds[text] for text in sample.texts] == list(sample.fields["coarse"])
    bbc, sample = load_corpus("bbc"), CLUSTERING.corpus()
    openings = {
        " ".join(text.split()[:30]): label
        for text, label in zip(bbc.texts, bbc.fields["label"], strict=True)
    }
    assert len(sample.texts) == 100 and len(set(sample.fields["label"])) == 5
    assert [openings[text] for text in sample.texts] == list(sample.fields["label"])


def test_a_sample_is_fixed_and_its_seed_draws_another():
    for task in QUICK_TASKS[1:]:
        assert task.corpus().texts == task.corpus().texts
        assert task.corpus().texts != replace(task, seed=1).corpus().texts


@pytest.mark.parametrize(
    "task",
    [
        replace(STS, corpus_id="trec"),
        replace(RETRIEVAL, corpus_id="trec"),
        replace(CLASSIFICATION, corpus_id="trec", field="colour"),
    ],
)
def test_a_corpus_that_knows_too_little(task):
    with pytest.raises(EmbedLabError, match="does not know enough for the"):
        task.corpus()


def test_an_unknown_category():
    with pytest.raises(EmbedLabError, match="'Poetry' is not a task category; use one of STS"):
        Task("x", "Poetry", "x", "trec", size=3)


# The scores


def test_sts_equals_scipy(rng):
    rows = unit(rng.normal(size=(20, 6)))
    pairs = tuple((i, i + 10, float(gold)) for i, gold in enumerate(rng.random(10)))
    corpus = Corpus(id="p", title="p", texts=tuple("abcdefghijklmnopqrst"), pairs=pairs)
    result = score(STS, corpus, rows)
    cosines = [float(rows[i] @ rows[j]) for i, j, _ in pairs]
    assert result.score == pytest.approx(spearmanr(cosines, [p[2] for p in pairs]).statistic)
    assert result.n == 10 and result.low < result.score < result.high


def test_equal_vectors_have_no_score_rather_than_an_error():
    corpus = Corpus(id="p", title="p", texts=("a", "b"), pairs=((0, 1, 1.0), (1, 0, 2.0)))
    result = score(STS, corpus, np.ones((2, 1), np.float32))
    assert np.isnan([result.score, result.low, result.high]).all()
    (change,) = compare([result], [result])
    assert not change.separable
    assert change.before == (None, None, None)


def test_retrieval_equals_the_formula(rng):
    documents, queries = unit(rng.normal(size=(30, 5))), unit(rng.normal(size=(8, 5)))
    relevant = tuple(frozenset(rng.permutation(30)[:2].tolist()) for _ in range(8))
    corpus = Corpus(
        id="r", title="r", texts=("t",) * 30, queries=tuple("abcdefgh"), relevant=relevant
    )
    result = score(RETRIEVAL, corpus, documents, queries)
    order = np.argsort(-(queries @ documents.T), axis=1)[:, :10]
    ideal = 1 + 1 / np.log2(3)
    expected = [
        sum(1 / np.log2(rank + 2) for rank, i in enumerate(row) if i in docs) / ideal
        for row, docs in zip(order.tolist(), relevant, strict=True)
    ]
    np.testing.assert_allclose(result.items[0], expected, atol=1e-6)
    assert result.score == pytest.approx(np.mean(expected))


def labelled(rng, n=60):
    labels = [f"class {i}" for i in rng.integers(0, 3, n)]
    middle = dict(zip(sorted(set(labels)), np.eye(3, 8), strict=True))
    rows = unit(np.array([middle[label] for label in labels]) + 0.4 * rng.normal(size=(n, 8)))
    texts = tuple(map(str, range(n)))
    return rows, labels, Corpus(id="l", title="l", texts=texts, fields={"kind": tuple(labels)})


def test_classification_trains_on_one_half_and_scores_the_other(rng):
    rows, labels, corpus = labelled(rng)
    result = score(replace(CLASSIFICATION, field="kind"), corpus, rows)
    train, test = [], []
    for label in sorted(set(labels)):
        of_it = [i for i, other in enumerate(labels) if other == label]
        # The halves go on alternating where the next label starts.
        start = (len(train) + len(test)) % 2
        train += of_it[start::2]
        test += of_it[1 - start :: 2]
    centre, spread = rows[train].mean(axis=0), rows[train].std(axis=0)
    scaled, kinds = (rows - centre) / spread, np.array(labels)
    model = LogisticRegression(max_iter=1000).fit(scaled[train], kinds[train])
    expected = model.score(scaled[test], kinds[test])
    assert 0.5 < expected < 1 and not set(train) & set(test)
    assert result.score == pytest.approx(expected) and result.n == len(test) == 30
    assert result.low < result.score < result.high


def test_clustering_equals_sklearn(rng):
    rows, labels, corpus = labelled(rng)
    result = score(replace(CLUSTERING, field="kind"), corpus, rows)
    clusters, codes = result.items
    assert len(set(clusters)) == 3
    assert [sorted(set(labels))[code] for code in codes] == labels
    assert result.score == pytest.approx(v_measure_score(labels, clusters))
    assert 0 <= result.low < result.score < result.high <= 1
    again = score(replace(CLUSTERING, field="kind"), corpus, rows)
    assert (again.score, again.low, again.high) == (result.score, result.low, result.high)


# Before and after


def test_compare_pairs_the_items(rng):
    rows, _, corpus = labelled(rng)
    tasks = [replace(CLASSIFICATION, field="kind"), replace(CLUSTERING, field="kind")]
    noise = unit(rng.normal(size=rows.shape))
    before = [score(task, corpus, noise) for task in tasks]
    after = [score(task, corpus, rows) for task in tasks]
    same = compare(after, after)
    assert [(c.difference, c.separable) for c in same] == [((0, 0, 0), False)] * 2
    accuracy, clustering = compare(before, after)
    hits = after[0].items[0] - before[0].items[0]
    draws = np.random.default_rng(0).integers(0, len(hits), (1000, len(hits)))
    assert accuracy.difference[1:] == pytest.approx(
        np.percentile(hits[draws].mean(axis=1), [2.5, 97.5])
    )
    assert accuracy.difference[0] == pytest.approx(hits.mean()) and accuracy.n == 30
    assert clustering.difference[1] > 0 and clustering.separable
    worse = compare(after, before)[1]
    assert worse.difference[2] < 0 and worse.separable
    with pytest.raises(ValueError, match="different tasks"):
        compare(before, after[:1])

    first = json.loads(json.dumps(accuracy.model_dump(mode="json"), allow_nan=False))
    assert first == {
        "task": CLASSIFICATION.title,
        "measure": "accuracy",
        "n": 30,
        "before": [before[0].score, before[0].low, before[0].high],
        "after": [after[0].score, after[0].low, after[0].high],
        "difference": list(accuracy.difference),
        "separable": accuracy.separable,
    }


def average_overlap(a, b, k):
    return np.mean([len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)])


def test_most_changed_queries_by_hand(rng):
    before = np.array([rng.permutation(20)[:10] for _ in range(12)])
    after = np.array([rng.permutation(20)[:10] for _ in range(12)])
    after[3] = before[3]
    after[5] = before[5][::-1]
    after[7] = 20 + np.arange(10)  # nothing in common
    after[9] = 30 + np.arange(10)
    relevant = [frozenset({int(row[1])}) for row in before]
    relevant[9] = frozenset()
    result = most_changed_queries(before, after, relevant, top=20)
    overlaps = [average_overlap(*rows, 10) for rows in zip(before, after, strict=True)]
    expected = [q for q in sorted(range(12), key=lambda q: (overlaps[q], q)) if q != 3]
    assert [row.query for row in result] == expected and expected[:2] == [7, 9]
    assert [row.overlap for row in result] == pytest.approx([overlaps[q] for q in expected])
    first, second = result[:2]
    assert first.ndcg_before == pytest.approx(1 / np.log2(3)) and first.ndcg_after == 0
    assert second.ndcg_before is None and second.ndcg_after is None
    reversed_order = next(row for row in result if row.query == 5)
    assert reversed_order.ndcg_after == pytest.approx(1 / np.log2(10))
    assert most_changed_queries(before, after, relevant, top=2) == result[:2]


def test_most_changed_queries_without_judgements_and_with_wrong_shapes():
    (row,) = most_changed_queries([[0, 1], [1, 2]], [[1, 0], [1, 2]], [frozenset()] * 2)
    assert (row.query, row.overlap, row.ndcg_before) == (0, 0.5, None)
    with pytest.raises(ValueError, match="2 queries"):
        most_changed_queries([[0, 1]], [[0, 1]], [frozenset()] * 2)


# The whole


def test_evaluate_embeds_with_the_right_prompts_and_keeps_the_states():
    backbone = tiny_backbone()
    design = replace(CAUSAL, query_prompt="w1 w2 ", document_prompt="w3 ")
    task = small(RETRIEVAL)
    (result,) = evaluate(backbone, design, [task], persist=False)
    corpus = task.corpus()
    cached = len(backbone.cache)
    expected = score(
        task,
        corpus,
        embed(corpus.texts, design, backbone),
        embed(corpus.queries, design, backbone, query=True),
    )
    assert result.n == 5 and result.score == expected.score
    np.testing.assert_array_equal(result.items[0], expected.items[0])
    assert len(backbone.cache) == cached  # nothing new was needed


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_progress_counts_all_texts_and_can_cancel():
    backbone, tasks, seen = tiny_backbone(), [small(task) for task in QUICK_TASKS], []
    evaluate(backbone, CAUSAL, tasks, progress=lambda *args: seen.append(args))
    done, totals, message = zip(*seen, strict=True)
    samples = [task.corpus() for task in tasks]
    total = sum(len(sample.texts) + len(sample.queries) for sample in samples)
    assert list(done) == sorted(done) and set(totals) == {done[-1]} == {total}
    assert {text.partition(":")[0] for text in message} == {task.category for task in QUICK_TASKS}

    def stop(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(tiny_backbone(), CAUSAL, tasks, progress=stop)
    with pytest.raises(EmbedLabError, match="no layer 9"):
        evaluate(backbone, replace(CAUSAL, layer=9), tasks)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("name", ["M1", "M4", "M5"])
def test_any_design_can_be_evaluated(name):
    result = evaluate(tiny_backbone(), Design.parse(name), [small(task) for task in QUICK_TASKS])
    assert all(np.isfinite([one.score, one.low, one.high]).all() for one in result)
