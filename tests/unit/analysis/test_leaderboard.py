"""Scores with intervals, the ranking, and the answer in words, against scipy and statsmodels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap, spearmanr
from statsmodels.stats.multitest import multipletests

from embedlab.analysis import label_free, metrics
from embedlab.analysis.item_comparisons import Items
from embedlab.analysis.leaderboard import (
    Cost,
    Row,
    Score,
    answer,
    measures_for,
    ranking,
    score,
)
from embedlab.analysis.paired_tests import randomisation_p
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError

TEXTS = tuple(f"text {i}" for i in range(40))
LABELS = tuple(str(i % 4) for i in range(40))
PAIRS = tuple((2 * i, 2 * i + 1, float(i % 6)) for i in range(20))
QUERIES = tuple(f"query {i}" for i in range(9))
CORPUS = Corpus(
    id="own",
    title="mine",
    texts=TEXTS,
    fields={"kind": LABELS},
    pairs=PAIRS,
    queries=QUERIES,
    relevant=tuple(frozenset({i, i + 20}) for i in range(9)),
)
BARE = Corpus(id="own", title="mine", texts=TEXTS)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def vectors(rng):
    centres = rng.normal(size=(4, 12))
    return unit(centres[[int(label) for label in LABELS]] + 1.4 * rng.normal(size=(40, 12)))


def test_what_is_known_of_the_texts_decides_the_measures():
    assert measures_for(CORPUS) == ["ndcg_10", "spearman", "knn_accuracy", "v_measure"]
    assert measures_for(replace(CORPUS, queries=(), relevant=(), pairs=())) == [
        "knn_accuracy",
        "v_measure",
    ]
    assert measures_for(BARE) == ["entropy"]
    assert measures_for(Corpus(id="own", title="few", texts=TEXTS[:5])) == []


def scipy_ends(items, statistic, paired=False):
    result = bootstrap(
        items,
        statistic,
        n_resamples=1000,
        method="percentile",
        rng=0,
        paired=paired,
        vectorized=False if paired else None,
    )
    return tuple(result.confidence_interval)


def test_intervals_are_scipys_percentile_bootstrap(rng, vectors):
    queries = unit(vectors[:9] + 0.8 * rng.normal(size=(9, 12)))
    near = metrics.knn_hits(metrics.retrieval.neighbours(vectors, 10).ids, LABELS)
    ids, _ = metrics.retrieval.search(vectors, queries, 10)
    per_query = metrics.retrieval_scores(ids, CORPUS.relevant).per_query["ndcg_10"]
    entropy = label_free.entropy_items(vectors)
    for measure, items in (("knn_accuracy", near), ("ndcg_10", per_query), ("entropy", entropy)):
        found = score(measure, CORPUS, vectors, queries, "kind")
        assert found.score == pytest.approx(items.mean())
        assert (found.low, found.high) == pytest.approx(scipy_ends((items,), np.mean), abs=1e-9)
        assert found.n == len(items)
    cosines = np.array([vectors[i] @ vectors[j] for i, j, _ in PAIRS])
    gold = np.array([value for *_, value in PAIRS])
    found = score("spearman", CORPUS, vectors)
    statistic = lambda x, y: spearmanr(x, y).statistic  # noqa: E731
    assert found.score == pytest.approx(statistic(cosines, gold))
    ends = scipy_ends((cosines, gold), statistic, paired=True)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-6)


def test_v_measure_has_an_interval_and_nothing_that_is_tested(vectors):
    found = score("v_measure", CORPUS, vectors, field="kind")
    assert 0 <= found.low <= found.score <= found.high <= 1
    assert found.items is None


def test_equal_vectors_have_no_rank_correlation():
    with pytest.raises(EmbedLabError, match="all vectors are the same"):
        score("spearman", CORPUS, unit(np.ones((40, 3))))


def row(name, values, *, design=None, **options):
    items = Items("means", np.asarray(values, float)[None])
    there = Score(score=float(np.mean(values)), low=0.0, high=1.0, n=len(values), items=items)
    return Row(
        name=name,
        design=name if design is None else design,
        model="tiny",
        scores={"knn_accuracy": there},
        cost=Cost(passes=1, tokens=9, dimension=3),
        **options,
    )


@pytest.fixture
def rows(rng):
    hard = rng.random(80)
    shares = {"best/mean": 0.95, "close/mean": 0.93, "causal/eos": 0.5, "poor/mean": 0.3}
    return [row(name, hard < share) for name, share in reversed(shares.items())]


def test_each_row_is_compared_with_the_best_and_corrected_by_holm(rows):
    ranked = ranking(rows, "knn_accuracy")
    names = [each.name for each in ranked.rows]
    assert names == ["best/mean", "close/mean", "causal/eos", "poor/mean"]
    values = {each.name: each.scores["knn_accuracy"].items.values for each in rows}
    raw = randomisation_p([(values[name], values["best/mean"]) for name in names[1:]])
    expected = multipletests(raw, method="holm")[1]
    standings = [ranked.standings[name] for name in names[1:]]
    assert [each.p for each in standings] == pytest.approx(expected.tolist())
    assert [each.separable for each in standings] == [False, True, True]
    for each in standings:
        loss = values["best/mean"].mean() - values[each.name].mean()
        assert each.loss == pytest.approx(loss)
        assert each.low <= each.loss <= each.high
    assert [each.name for each in ranked.tied] == ["close/mean"]


def test_neither_the_yardstick_nor_random_weights_are_proposed(rows):
    top = [row("MiniLM", np.ones(80), design=""), row("M3", np.ones(80), untrained=True)]
    ranked = ranking([*rows, *top], "knn_accuracy")
    assert {each.name for each in ranked.rows[:2]} == {"MiniLM", "M3"}
    assert ranked.best.name == "best/mean"
    words = " ".join(answer(ranked, 80))
    assert "take best/mean; close/mean is not separable from it" in words
    assert "The yardstick, MiniLM, is 5.0 points above" in words or "above" in words
    assert "M3" not in words


def test_the_answer_names_what_the_default_loses(rows):
    ranked = ranking(rows, "knn_accuracy")
    loss = 100 * ranked.standings["causal/eos"].loss
    first, second = answer(ranked, 400)[:2]
    assert first == "For these 400 texts take best/mean; close/mean is not separable from it."
    assert second == f"The default that everybody uses, causal/eos, loses {loss:.0f} points."


def test_a_difference_that_is_not_separable_is_no_loss(rng):
    values = rng.random(30) < 0.6
    other = values.copy()
    other[np.flatnonzero(values)[0]] = False
    rows = [row("a/mean", values), row("causal/eos", other)]
    words = answer(ranking(rows, "knn_accuracy"), 30)
    assert "causal/eos is not separable from it" in words[0]
    assert "below, which is not separable" in words[1]
    many = [row(f"{i}/mean", values) for i in range(6)]
    assert "and 2 others are not separable" in answer(ranking(many, "knn_accuracy"), 30)[0]


def test_without_labels_the_answer_is_a_proposal_and_says_so(vectors, rng):
    flat = unit(np.ones((40, 12)) + 0.01 * rng.normal(size=(40, 12)))
    rows = []
    for name, space in (("spread/mean", vectors), ("flat/mean", flat)):
        found = score("entropy", BARE, space)
        rows.append(replace(row(name, [1.0, 1.0]), scores={"entropy": found}))
    words = answer(ranking(rows, "entropy"), 40)
    assert "proposal and no result: try spread/mean first" in words[0]
    assert "no measure sees meaning" in words[1]


def test_rows_without_a_score_come_last_and_win_nothing(rows):
    empty = replace(row("none/mean", [1.0, 0.0]), scores={})
    ranked = ranking([empty, *rows], "knn_accuracy")
    assert ranked.rows[-1].name == "none/mean"
    assert "none/mean" not in ranked.standings
    nothing = ranking([empty], "knn_accuracy")
    assert nothing.best is None
    assert "nothing can be proposed" in answer(nothing, 5)[0]


def test_before_all_rows_are_there_nothing_is_tested(rows):
    ranked = ranking(rows, "knn_accuracy", tested=False)
    assert all(each.p is None for each in ranked.standings.values())
    assert answer(ranked, 80) == ["For these 80 texts take best/mean."]
