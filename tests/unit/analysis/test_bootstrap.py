import time

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score, v_measure_score

from embedlab.analysis import bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def counts(draws: np.ndarray) -> np.ndarray:
    """How often each of n items occurs in each of b draws (b, n): (n, b)."""
    n = draws.shape[1]
    return np.stack([np.bincount(draw, minlength=n) for draw in draws], axis=1).astype(float)


def test_spearman_of_many_resamples_equals_scipy_in_a_loop(rng):
    x = rng.normal(size=40).round(1).astype(np.float32)  # with ties
    y = (x + rng.normal(size=40)).round(0)
    draws = rng.integers(0, 40, (20, 40))
    expected = [spearmanr(x[draw], y[draw]).statistic for draw in draws]
    scores = bootstrap.spearman(x, y, draws=counts(draws))
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert float(bootstrap.spearman(x, y)) == pytest.approx(spearmanr(x, y).statistic)


def test_ranks_within_a_resample_equal_scipy(rng):
    values = rng.integers(0, 15, 40).astype(float)  # with ties
    draws = rng.integers(0, 40, (20, 40))
    ranks = bootstrap._centred_ranks(values, counts(draws))
    for column, items in enumerate(draws):
        expected = rankdata(values[items]) - 41 / 2
        np.testing.assert_allclose(ranks[items, column], expected)


def test_the_mean_of_many_resamples_equals_a_loop(rng):
    scores, draws = rng.random((3, 40)), rng.integers(0, 40, (20, 40))
    expected = np.stack([scores[:, draw].mean(axis=1) for draw in draws], axis=1)
    np.testing.assert_allclose(bootstrap.mean(scores, draws=counts(draws)), expected)


def test_spearman_without_an_order_is_undefined():
    assert np.isnan(bootstrap.spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))


def test_v_measure_equals_sklearn(rng):
    labels = rng.integers(0, 4, (30, 25))
    clusters = np.where(rng.random(labels.shape) < 0.5, labels, rng.integers(0, 6, labels.shape))
    labels[0], clusters[1] = 2, 5  # one label, one cluster
    labels[2] = clusters[2] = 0  # and both
    labels[3] = clusters[3]
    expected = [v_measure_score(*row) for row in zip(labels, clusters, strict=True)]
    scores = [bootstrap.v_measure(*row) for row in zip(clusters, labels, strict=True)]
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert expected[2] == expected[3] == 1


def test_v_measure_of_many_resamples_equals_sklearn_in_a_loop(rng):
    labels, clusters = rng.integers(0, 4, 25), rng.integers(0, 6, 25)
    draws = np.concatenate([rng.integers(0, 25, (20, 25)), np.zeros((1, 25), int)])
    expected = [v_measure_score(labels[draw], clusters[draw]) for draw in draws]
    scores = bootstrap.v_measure(clusters, labels, draws=counts(draws))
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert scores[-1] == 1  # the same item each time: one cluster and one label


def test_average_precision_equals_sklearn_with_ties_and_in_resamples(rng):
    scores, labels = rng.normal(size=40).round(1), (rng.random(40) > 0.7).astype(float)
    expected = average_precision_score(labels, scores)
    assert float(bootstrap.average_precision(scores, labels)) == pytest.approx(expected)
    draws = rng.integers(0, 40, (60, 40))
    loop = [average_precision_score(labels[draw], scores[draw]) for draw in draws]
    found = bootstrap.average_precision(scores, labels, draws=counts(draws))
    np.testing.assert_allclose(found, loop)


def test_average_precision_without_a_labelled_item_is_undefined():
    assert np.isnan(bootstrap.average_precision([0.1, 0.2], [0, 0]))
    drawn = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert np.isnan(bootstrap.average_precision([0.1, 0.2], [0, 1], draws=drawn)).tolist() == [
        True,
        False,
    ]


def test_mean_interval_equals_scipy_percentiles(rng):
    scores = rng.random(60)
    expected = scipy_bootstrap(
        (scores,), np.mean, n_resamples=700, method="percentile", rng=7
    ).confidence_interval
    result = bootstrap.interval(bootstrap.mean, scores, n_resamples=700, seed=7)
    assert result == pytest.approx(tuple(expected), abs=1e-12)


def test_spearman_interval_equals_a_loop_over_whole_pairs(rng):
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    draws = np.random.default_rng(1).integers(0, 50, (300, 50))
    result = [spearmanr(x[draw], y[draw]).statistic for draw in draws]
    expected = np.percentile(result, [2.5, 97.5])
    assert bootstrap.interval(bootstrap.spearman, x, y, n_resamples=300, seed=1) == pytest.approx(
        expected
    )


def test_centring_takes_out_what_repeated_items_add(rng):
    labels, clusters = rng.integers(0, 5, 100), rng.integers(0, 5, 100)
    draws = np.random.default_rng(0).integers(0, 100, (200, 100))
    result = np.array([v_measure_score(labels[d], clusters[d]) for d in draws])
    score = v_measure_score(labels, clusters)
    plain = bootstrap.interval(bootstrap.v_measure, clusters, labels, n_resamples=200)
    centred = bootstrap.interval(
        bootstrap.v_measure, clusters, labels, n_resamples=200, centred=True
    )
    assert plain == pytest.approx(np.percentile(result, [2.5, 97.5]))
    assert centred == pytest.approx(np.percentile(result - result.mean() + score, [2.5, 97.5]))
    assert np.mean(plain) > score + 0.02  # chance alone, and resamples find more of it
    assert np.mean(centred) == pytest.approx(score, abs=0.02)


def test_a_centred_interval_covers_the_expected_score_more_often(rng):
    def noisy(labels):
        other = (labels + rng.integers(1, 5, labels.shape)) % 5
        return np.where(rng.random(labels.shape) < 0.4, labels, other)

    many = rng.integers(0, 5, (2000, 100))
    truth = np.mean([bootstrap.v_measure(noisy(labels), labels) for labels in many])
    covered = {True: 0, False: 0}
    for labels in many[:100]:
        clusters = noisy(labels)
        for centred in covered:
            low, high = bootstrap.interval(
                bootstrap.v_measure, clusters, labels, n_resamples=200, centred=centred
            )
            covered[centred] += low <= truth <= high
    assert covered[True] >= 85 > covered[False]


def test_paired_interval_equals_a_loop_with_the_same_draws(rng):
    gold = rng.normal(size=40)
    before, after = (gold + noise * rng.normal(size=40) for noise in (3, 1))
    draws = np.random.default_rng(5).integers(0, 40, (250, 40))
    result = [
        spearmanr(after[d], gold[d]).statistic - spearmanr(before[d], gold[d]).statistic
        for d in draws
    ]
    interval = bootstrap.paired_interval(
        bootstrap.spearman, (before, gold), (after, gold), n_resamples=250, seed=5
    )
    assert interval == pytest.approx(np.percentile(result, [2.5, 97.5]))


def test_pairing_cancels_what_items_share(rng):
    hard = rng.random(80)
    low, high = bootstrap.paired_interval(bootstrap.mean, (hard,), (hard + 0.05,))
    assert low == pytest.approx(0.05) and high == pytest.approx(0.05)
    assert bootstrap.paired_interval(bootstrap.mean, (hard,), (hard,)) == (0, 0)


def test_the_seed_decides(rng):
    scores = rng.random(30)
    one, same, other = (bootstrap.interval(bootstrap.mean, scores, seed=seed) for seed in (0, 0, 1))
    assert one == same != other


def test_resamples_in_turns_are_the_same_draws(rng, monkeypatch):
    scores = rng.random(30)
    whole = bootstrap.interval(bootstrap.mean, scores)
    monkeypatch.setattr(bootstrap, "_BLOCK", 30 * 7)
    assert bootstrap.interval(bootstrap.mean, scores) == whole


def test_too_little_to_resample_gives_no_interval():
    assert np.isnan(bootstrap.interval(bootstrap.mean, [0.5])).all()
    assert np.isnan(
        bootstrap.interval(bootstrap.spearman, [1, 1, 1], [1, 2, 3], centred=True)
    ).all()
    assert bootstrap.interval(bootstrap.mean, [1.0, 1.0, 1.0]) == (1, 1)


def test_resamples_without_an_order_are_left_out():
    # Three pairs: in every ninth resample all three are the same pair.
    low, high = bootstrap.interval(bootstrap.spearman, [1, 2, 3], [1, 2, 3])
    assert (low, high) == pytest.approx((1, 1))


def test_a_thousand_resamples_of_200_pairs_are_quick(rng):
    x, y = rng.normal(size=(2, 200))
    bootstrap.interval(bootstrap.spearman, x, y, n_resamples=10)  # imports scipy
    start = time.process_time()
    bootstrap.interval(bootstrap.spearman, x, y)
    assert time.process_time() - start < 0.5
