"""The paired tests of a study, and the smallest difference they can detect.

Over datasets Wilcoxon's signed-rank test, as in the paper, always exact, and Student's interval;
within a task the randomisation test over items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np

from embedlab.analysis.bootstrap import Float64Array, average_precision

#: The smallest exact two-sided p for n pairs is 2 / 2ⁿ: 0.0625 for five, 0.03125 for six.
FEWEST_DATASETS = 6
#: Numbers drawn at once (32 MB): more swaps come in turns, and the power has fewer draws.
_BLOCK = 4_000_000
#: Decimals that count: 0.3 - 0.2 and 0.2 - 0.1 are a tie, not two ranks.
_DECIMALS = 12


def rounded(values: Float64Array) -> Float64Array:
    """Values without the digits that only rounding errors make differ, so that ties are ties."""
    return np.round(values, _DECIMALS)


def wilcoxon_p(differences: Sequence[Float64Array]) -> list[float | None]:
    """Exact two-sided p of Wilcoxon's signed-rank test for each (n,); None below six differences.

    Zeros are left out, as Wilcoxon did; equal sizes share their mean rank. scipy's exact method
    knows neither, and its enumeration of all signs took four minutes for 19 differences, so
    there the distribution of the rank sum is counted up instead.
    """
    from scipy.stats import wilcoxon

    p_values: list[float | None] = [None] * len(differences)
    distinct: dict[int, list[int]] = {}
    for index, row in enumerate(differences):
        if len(row) < FEWEST_DATASETS:
            continue
        if row.all() and len(np.unique(np.abs(row))) == len(row):
            distinct.setdefault(len(row), []).append(index)
        else:
            up, ranks = _signed_ranks(row)
            null = _null(ranks)
            p_values[index] = min(1.0, 2 * float(min(null[: up + 1].sum(), null[up:].sum())))
    for indices in distinct.values():  # one call for all of a length: each costs milliseconds
        rows = np.stack([differences[index] for index in indices])
        for index, p in zip(indices, wilcoxon(rows, axis=1, method="exact").pvalue, strict=True):
            p_values[index] = float(p)
    return p_values


def mean_interval(differences: Float64Array) -> tuple[float, float]:
    """95 % interval of the mean of n ≥ 2 differences, after Student: mean ± t · sd / √n.

    A bootstrap of so few is too narrow: of normal, uniform, double exponential and t₅-distributed
    differences its percentile interval covered the mean 85 to 87 times in 100 for n = 6 and 89 to
    92 for n = 12, this one 94 to 97. Where a few differences are much larger than the others, all
    in one direction (exponential), this one covers 88 and 90.
    """
    from scipy.stats import t

    n, mean = len(differences), float(differences.mean())
    reach = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    return mean - reach, mean + reach


def rank_biserial(differences: Float64Array) -> float:
    """Matched-pairs rank-biserial correlation: (R⁺ - R⁻) / (R⁺ + R⁻), 0 if nothing differs.

    From -1, all differences (n,) below zero, to 1, all above (Kerby, 2014).
    """
    up, ranks = _signed_ranks(differences)
    return 2 * up / sum(ranks) - 1 if ranks else 0.0


def _signed_ranks(differences: Float64Array) -> tuple[int, list[int]]:
    """Twice R⁺, the rank sum of the positive values, and twice the ranks of all nonzero values."""
    from scipy.stats import rankdata

    moved = differences[differences != 0]
    ranks = (2 * rankdata(np.abs(moved))).astype(int)
    return int(ranks[moved > 0].sum()), ranks.tolist()


def _null(ranks: Sequence[int]) -> Float64Array:
    """P(R⁺ = s) for s = 0 … sum(ranks) where every rank is as likely above zero as below."""
    chances = np.zeros(sum(ranks) + 1)
    chances[0] = 1.0
    for rank in ranks:
        # With this rank below zero the sum stays; above zero it moves up by the rank.
        chances[rank:] = (chances[rank:] + chances[: len(chances) - rank]) / 2
        chances[:rank] /= 2
    return chances


def why_not(
    n: int, comparisons: int, alpha: float = 0.05, *, differing: int | None = None
) -> str | None:
    """A sentence where no difference over n independent datasets could be separable.

    Args:
        n: datasets that the two designs share, parts of one source counted once.
        comparisons: the number that is corrected for.
        alpha: the level of all of them together.
        differing: the datasets on which the two differ at all, by default all; the test leaves the
            others out, so these decide how small p can be.
    """
    differing = n if differing is None else differing
    smallest = min(1.0, 2.0 ** (1 - differing))
    if n < FEWEST_DATASETS:
        return (
            f"No p-value: with {n} independent dataset{'s' * (n != 1)} even the largest difference "
            f"has an exact two-sided p of {min(1.0, 2.0 ** (1 - n)):.3g}; at least "
            f"{FEWEST_DATASETS} are needed."
        )
    if smallest <= alpha / comparisons:
        return None
    many = f"With {n} independent datasets"
    if differing < n:
        many += f", of which the two designs differ on {differing or 'none'},"
    needed = f"above the {alpha / comparisons:.3g} that "
    needed += (
        f"the first of {comparisons} comparisons has to reach under Holm's correction."
        if comparisons > 1
        else "it has to reach."
    )
    return f"{many} the smallest p is {smallest:.3g}, {needed}"


@lru_cache(maxsize=256)
def detectable_effect(
    n: int, comparisons: int, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Smallest δ / sd of n paired differences, normal around δ, that is detected with this power.

    Detected means by the exact Wilcoxon test at α / comparisons, the first and strictest step of
    Holm's correction. R⁺ is the number of positive means of two differences (Walsh averages, each
    with itself too), and all of these move with δ: so R⁺ reaches its critical value c where δ
    passes minus the c-th largest average, and the result is a quantile of that over simulated
    studies.
    Detections in the wrong direction do not count.

    A t-test's power at n · 3/π datasets, the asymptotic relation of the two tests, would be quicker
    but is optimistic where few datasets leave few p-values: the effect it gives for 6 datasets and
    one comparison, or 9 and ten, was detected 65 times in 100, not 80; those given here 80 and 81.

    Returns:
        The effect, with a standard error of 0.003 in power up to 20 datasets and 0.014 for 100;
        None where :func:`why_not` says why.
    """
    if why_not(n, comparisons, alpha):
        return None
    reaching = np.cumsum(_null(range(1, n + 1))[::-1])  # P(R⁺ ≥ n (n + 1) / 2 - index)
    walsh = n * (n + 1) // 2
    critical = walsh + 1 - int((2 * reaching <= alpha / comparisons).sum())
    draws = np.random.default_rng(0).standard_normal((min(20_000, _BLOCK // walsh), n))
    i, j = np.triu_indices(n)
    averages = (draws[:, i] + draws[:, j]) / 2
    decisive = np.partition(averages, walsh - critical, axis=1)[:, walsh - critical]
    return float(np.quantile(-decisive, power))


def randomisation_p(
    pairs: Sequence[tuple[Float64Array, Float64Array]],
    gold: Float64Array | None = None,
    *,
    labelled: bool = False,
    n_swaps: int = 9999,
    seed: int = 0,
) -> list[float]:
    """Two-sided p of the paired randomisation test over n items, for each pair of designs.

    If the designs do not differ, an item's two results could as well have been each other's: items
    are swapped between the designs at random and the difference of the scores is taken anew. With
    ``gold`` (n,) the score is Spearman's correlation with it, and the standardised ranks are
    swapped, because cosines of two designs are not on one scale. (Flipping the signs of
    the differences of rank products, whose mean is Spearman's correlation, holds its level too but
    wastes it: with 120 pairs and correlations of 0.85 and 0.91 it detected the difference 9 times
    in 100, swapping 44 times.) With ``labelled``, ``gold`` is 1 or 0 and the score is the average
    precision of the same ranks. scipy's ``permutation_test`` and ``monte_carlo_test`` do the same,
    one pair at a time and several times as slowly.

    Args:
        pairs: results (S, n) over seeds, which are averaged, under the one design and the other;
            they may have different numbers of seeds. All pairs are of the same n items.
        gold: (n,) where results are cosines; None where the score is the results' mean.
        labelled: whether ``gold`` are labels.
        n_swaps: random swaps, the same for all pairs; that of nothing counts as one more, so p is
            at least 2 / (n_swaps + 1).
        seed: of the swaps.
    """
    if not pairs:
        return []
    n = pairs[0][0].shape[1]
    of_pairs: type[_SwappedLabelled | _SwappedPairs]
    of_pairs = _SwappedLabelled if labelled else _SwappedPairs
    tests = [
        partial(_swapped_means, a, b) if gold is None else of_pairs(a, b, gold) for a, b in pairs
    ]
    observed = [float(rounded(test(np.ones(n)))) for test in tests]
    # Average precisions need a dozen arrays as large as what is drawn.
    rng, most = np.random.default_rng(seed), max(1, _BLOCK // (8 * n if labelled else n))
    counts = np.zeros((len(tests), 2), np.int64)  # swaps at most and at least as large
    for start in range(0, n_swaps, most):
        size = (min(most, n_swaps - start), n)
        signs: Float64Array = rng.integers(0, 2, size, dtype=np.int8).astype(np.float64) * 2 - 1
        for i, test in enumerate(tests):
            swapped = rounded(test(signs))
            counts[i] += (swapped <= observed[i]).sum(), (swapped >= observed[i]).sum()
    return [float(min(1.0, 2 * (least + 1) / (n_swaps + 1))) for least in counts.min(axis=1)]


def _swapped_means(a: Float64Array, b: Float64Array, signs: Float64Array) -> Float64Array:
    """Gains of the mean (…) with items swapped where ``signs`` (…, n) is -1, not where it is 1."""
    return np.asarray(signs @ (b.mean(axis=0) - a.mean(axis=0)) / a.shape[1])


class _SwappedPairs:
    """The same of Spearman's correlation: Pearson's of the standardised ranks, swapped or not.

    With middle m = (x + y) / 2 and half h = (y - x) / 2 of two designs' ranks, the second has
    m + sign·h and the first m - sign·h, so that all sums are matrix products. Every seed of one
    meets every seed of the other, as seeds of two designs have nothing in common.
    """

    def __init__(self, a: Float64Array, b: Float64Array, gold: Float64Array) -> None:
        gold_ranks = _standard_ranks(gold)
        x = np.repeat(_standard_ranks(a), len(b), axis=0).T  # (n, seeds · seeds)
        y = np.tile(_standard_ranks(b), (len(a), 1)).T
        middle, half = (x + y) / 2, (y - x) / 2
        self._n = len(gold)
        self._fixed = gold_ranks @ middle, middle.sum(axis=0), (middle**2 + half**2).sum(axis=0)
        self._moving = np.hstack([gold_ranks[:, None] * half, half, 2 * middle * half])

    def __call__(self, signs: Float64Array) -> Float64Array:
        moving = np.split(signs @ self._moving, 3, axis=-1)
        return np.asarray((self._spearman(1, moving) - self._spearman(-1, moving)).mean(axis=-1))

    def _spearman(self, sign: int, moving: Sequence[Float64Array]) -> Float64Array:
        product, total, square = (
            (f + sign * m) / self._n for f, m in zip(self._fixed, moving, strict=True)
        )
        spread = np.sqrt(np.maximum(square - total**2, 0))
        # Ranks that a swap made all equal correlate with nothing.
        return np.divide(product, spread, out=np.zeros_like(spread), where=spread > 1e-6)


class _SwappedLabelled:
    """The same of the average precision.

    Both designs' ranks are put in one order once. A design is then a choice of half of them, one
    of the two for each item, and its score that of a sample that drew these once and the others
    never, so that nothing is sorted anew. As many seeds of one meet seeds of the other as it takes
    for each to count alike: every two would take three times as long for three seeds each.
    """

    def __init__(self, a: Float64Array, b: Float64Array, gold: Float64Array) -> None:
        x, y = _standard_ranks(a), _standard_ranks(b)
        meetings = range(math.lcm(len(x), len(y)))
        self._scores = [np.append(x[i % len(x)], y[i % len(y)]) for i in meetings]
        self._labels = np.tile(gold, 2)

    def __call__(self, signs: Float64Array) -> Float64Array:
        kept = np.atleast_2d(signs).T > 0
        of_a = np.concatenate([kept, ~kept]).astype(np.float64)
        gains = [self._precision(scores, 1 - of_a) for scores in self._scores]
        gains += [-self._precision(scores, of_a) for scores in self._scores]
        mean = np.sum(gains, axis=0) / len(self._scores)
        return np.asarray(mean if np.ndim(signs) > 1 else mean[0])

    def _precision(self, scores: Float64Array, draws: Float64Array) -> Float64Array:
        return average_precision(scores, self._labels, draws=draws)


def _standard_ranks(values: Float64Array) -> Float64Array:
    """Ranks along the last axis with mean 0 and variance 1; ties share their mean rank."""
    from scipy.stats import rankdata, zscore

    return np.asarray(zscore(rankdata(values, axis=-1), axis=-1))
