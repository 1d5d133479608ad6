"""Whether a difference is real: bootstrap intervals over the items a score was measured on.

A statistic here takes arrays (…, n), one value per item along the last axis, and returns (…): so
one call scores all resamples. What an interval covers is the choice of items, with everything
else held fixed: the weights, the documents searched, the classifier, the clusters. It does not
cover what another seed of training would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
#: Arrays (…, n), as many as the statistic needs, in; scores (…) out.
Statistic = Callable[..., Reals]

#: Numbers resampled at once (32 MB); more resamples come in turns, with the same draws.
_BLOCK = 4_000_000


def verdict(separable: bool) -> str:
    """The words for it: a result is never just a rank."""
    return "separable" if separable else "not separable"


def mean(scores: npt.ArrayLike) -> Reals:
    """Mean of per-item scores (…, n)."""
    return np.asarray(np.mean(np.asarray(scores, np.float64), axis=-1))


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> Reals:
    """Spearman's rank correlation of (…, n) with (…, n): Pearson's of the ranks.

    Equal values share their mean rank, as in :func:`scipy.stats.spearmanr`, and every row is ranked
    anew. NaN where one side is all equal.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(side, axis=-1) for side in (x, y))
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (a, b))
    spread = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    undefined = np.full_like(spread, np.nan)
    return np.asarray(np.divide((a * b).sum(axis=-1), spread, out=undefined, where=spread > 0))


def v_measure(clusters: npt.ArrayLike, labels: npt.ArrayLike) -> Reals:
    """V-measure of cluster numbers (…, n) against label numbers (…, n), both from 0.

    2 I / (H(clusters) + H(labels)), I their mutual information: the harmonic mean of homogeneity
    and completeness (Rosenberg & Hirschberg, EMNLP 2007, β = 1), as in
    :func:`sklearn.metrics.v_measure_score`. 1 where there is one cluster and one label.
    """
    from scipy.special import xlogy

    found, wanted = np.asarray(clusters, np.int64), np.asarray(labels, np.int64)
    *lead, n = found.shape
    rows = int(np.prod(lead))
    shape = rows, int(found.max()) + 1, int(wanted.max()) + 1
    row = np.arange(rows)[:, None]
    cells = np.ravel_multi_index((row, found.reshape(rows, n), wanted.reshape(rows, n)), shape)
    joint = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape) / n
    apart = sum(-xlogy(p, p).sum(axis=1) for p in (joint.sum(axis=2), joint.sum(axis=1)))
    together = -xlogy(joint, joint).sum(axis=(1, 2))
    scores = np.divide(2 * (apart - together), apart, out=np.ones(rows), where=apart > 0)
    return scores.reshape(lead)


def interval(
    statistic: Statistic,
    *items: npt.ArrayLike,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    centred: bool = False,
) -> tuple[float, float]:
    """Bootstrap interval of a score: its percentile ends, low and high.

    Percentile rather than BCa: on simulated pairs (n = 200, ρ 0.3 and 0.8) and rankings (n = 60)
    both covered the truth 95 to 96 times in 100, and BCa has no answer where all items score the
    same. ``centred`` moves the interval by how far the resamples lie from the score on average.
    V-measure needs that: a resample repeats items, which looks like agreement, so plain intervals
    lie too high. Simulated with 100 items in five clusters they covered the score expected of 100
    items 48 to 87 times in 100, BCa 29 to 77, centred 83 to 99.

    Args:
        statistic: such as :func:`mean`, :func:`spearman` or :func:`v_measure`.
        items: the statistic's arrays, (n,) each; items are drawn whole.
        n_resamples: draws of n items with replacement.
        seed: of the draws; the same seed draws the same items.
        confidence: the share of resamples between the ends.
        centred: whether to take out the bias that resampling brings.

    Returns:
        Low and high; NaN where there are fewer than two items or no resample has a score. Items
        that all score the same give an interval without width: nothing else was seen.
    """
    found = _resampled(statistic, items, n_resamples, seed)
    shift = np.mean(found) - float(statistic(*items)) if centred and len(found) else 0.0
    low, high = _ends(found, confidence)
    return float(low - shift), float(high - shift)


def paired_interval(
    statistic: Statistic,
    before: Sequence[npt.ArrayLike],
    after: Sequence[npt.ArrayLike],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of ``statistic(*after) - statistic(*before)``.

    Every resample draws the same items on both sides, so that what makes an item hard cancels. So
    does most of V-measure's bias, which is why nothing is centred here: simulated as above, the
    interval covered the difference 91 to 100 times in 100.

    Args:
        statistic: as for :func:`interval`.
        before: its arrays (n,).
        after: the same of the same items in the same order.
        n_resamples: as for :func:`interval`.
        seed: as for :func:`interval`.
        confidence: as for :func:`interval`.

    Returns:
        Low and high of the difference; NaN as for :func:`interval`.
    """
    split = len(before)

    def difference(*both: npt.ArrayLike) -> Reals:
        return statistic(*both[split:]) - statistic(*both[:split])

    found = _resampled(difference, (*before, *after), n_resamples, seed)
    low, high = _ends(found, confidence)
    return float(low), float(high)


def _resampled(
    statistic: Statistic, items: Sequence[npt.ArrayLike], n_resamples: int, seed: int
) -> Reals:
    """The scores of resamples that have one.

    The draws are those of :func:`scipy.stats.bootstrap` with the same seed, which cannot be asked
    itself: it warns of a degenerate distribution as soon as one resample has no score.
    """
    arrays = [np.asarray(side) for side in items]
    n = len(arrays[0])
    if n < 2:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    turn = max(1, _BLOCK // n)
    found = []
    for start in range(0, n_resamples, turn):
        draws = rng.integers(0, n, (min(turn, n_resamples - start), n))
        found.append(statistic(*(side[draws] for side in arrays)))
    scores = np.concatenate(found)
    return scores[np.isfinite(scores)]


def _ends(found: Reals, confidence: float) -> Reals:
    if not len(found):
        return np.full(2, np.nan)
    tail = 50 * (1 - confidence)
    ends: Reals = np.percentile(found, [tail, 100 - tail])
    return ends
