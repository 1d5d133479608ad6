"""Whether a difference is real: bootstrap intervals over the items a score was measured on.

A statistic takes arrays (n,), one value for each item, and ``draws`` (n, b): how often each item
was drawn in each of b resamples. It returns the score of each resample, (b,), or of the items as
they are where there are no draws. What an interval covers is the choice of items, with everything
else held fixed: the weights, the documents searched, the classifier, the clusters. It does not
cover what another seed of training would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

#: Numbers resampled at once (32 MB); more resamples come in turns, with the same draws.
_BLOCK = 4_000_000


class Statistic(Protocol):
    """The type of a statistic."""

    def __call__(self, *items: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
        """Score items (n,): () as they are, or (b,) in the resamples that ``draws`` count."""


def verdict(separable: bool) -> str:
    """The words for it: a result is never just a rank."""
    return "separable" if separable else "not separable"


def mean(*items: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
    """Mean of one array of scores (…, n) over the items: (…) or (…, b)."""
    [scores] = (np.asarray(side, np.float64) for side in items)
    if draws is None:
        return np.asarray(scores.mean(axis=-1))
    return np.asarray(scores @ draws / draws.sum(axis=0))


def spearman(*items: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
    """Spearman's rank correlation of two arrays (n,): Pearson's of the ranks.

    Equal values share their mean rank, as in :func:`scipy.stats.spearmanr`, and every resample is
    ranked anew. NaN where one side is all equal.
    """
    x, y = (np.asarray(side) for side in items)
    weights = np.ones((len(x), 1)) if draws is None else draws
    a, b = (_centred_ranks(side, weights) for side in (x, y))
    shared, of_a, of_b = (
        np.einsum("nb,nb,nb->b", weights, one, other) for one, other in ((a, b), (a, a), (b, b))
    )
    spread = np.sqrt(of_a * of_b)
    scores = np.divide(shared, spread, out=np.full_like(spread, np.nan), where=spread > 0)
    return scores if draws is not None else scores[0]


def _centred_ranks(values: npt.NDArray[np.floating], draws: Float64Array) -> Float64Array:
    """Rank (n,) values within each resample, less the mean rank; equal values share a rank.

    The values are sorted once for all resamples, which is what makes a band for every layer cheap.

    Returns:
        (n, b); where an item was not drawn the number means nothing.
    """
    order = np.argsort(values, kind="stable")
    # The last of each run of equal values, and how many items were drawn up to there.
    ends = np.flatnonzero(np.diff(values[order], append=np.inf) > 0)
    up_to = draws[order].cumsum(axis=0)[ends]
    groups = np.diff(up_to, axis=0, prepend=0)
    middle = up_to - (groups + len(values)) / 2
    ranks = np.empty_like(draws)
    ranks[order] = np.repeat(middle, np.diff(ends, prepend=-1), axis=0)
    return ranks


def v_measure(*items: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
    """V-measure of cluster numbers (n,) against label numbers (n,).

    2 I / (H(clusters) + H(labels)), I their mutual information: the harmonic mean of homogeneity
    and completeness (Rosenberg & Hirschberg, EMNLP 2007, β = 1), as in
    :func:`sklearn.metrics.v_measure_score`. 1 where there is one cluster and one label.
    """
    clusters, labels = (np.asarray(side, np.int64) for side in items)
    weights = np.ones((len(clusters), 1)) if draws is None else draws
    both = clusters * (labels.max() + 1) + labels
    apart = _entropy(clusters, weights) + _entropy(labels, weights)
    together = _entropy(both, weights)
    scores = np.divide(2 * (apart - together), apart, out=np.ones_like(apart), where=apart > 0)
    return scores if draws is not None else scores[0]


def _entropy(codes: npt.NDArray[np.int64], draws: Float64Array) -> Float64Array:
    """(b,): of the shares that codes (n,) have in each resample."""
    from scipy.special import xlogy

    counts = (np.unique(codes)[:, None] == codes).astype(np.float64) @ draws
    shares = counts / draws.sum(axis=0)
    return np.asarray(-xlogy(shares, shares).sum(axis=0))


def average_precision(*items: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
    """Average precision of scores (n,) against labels (n,), 1 or 0.

    Σ (R_k - R_k₋₁) P_k over the distinct scores from the highest down, P_k and R_k precision and
    recall of all items that score so much or more, as in
    :func:`sklearn.metrics.average_precision_score`. NaN where no item has the label.
    """
    scores, labels = (np.asarray(side, np.float64) for side in items)
    weights = np.ones((len(scores), 1)) if draws is None else draws
    order = np.argsort(-scores, kind="stable")
    # The last of each run of equal scores: no threshold parts them.
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf) < 0)
    drawn = weights[order]
    taken = drawn.cumsum(axis=0)[ends]
    hits = (drawn * labels[order, None]).cumsum(axis=0)[ends]
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    gained = np.diff(hits, axis=0, prepend=0)
    sums, total = (gained * precision).sum(axis=0), hits[-1]
    found = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    return found if draws is not None else found[0]


#: The statistic of each measure.
STATISTICS: dict[str, Statistic] = {
    "spearman": spearman,
    "ndcg_10": mean,
    "accuracy": mean,
    "knn_accuracy": mean,
    "v_measure": v_measure,
    "average_precision": average_precision,
    "map": mean,
    "spearman_by_text": mean,
}


def interval(
    statistic: Statistic,
    *items: npt.ArrayLike,
    n_resamples: int = 1000,
    seed: int = 0,
    centred: bool = False,
) -> tuple[float, float]:
    """95 % bootstrap interval of a score: its percentile ends, low and high.

    Percentile rather than BCa: on simulated pairs (n = 200, ρ 0.3 and 0.8) and rankings (n = 60)
    both covered the truth 95 to 96 times in 100, and BCa has no answer where all items score the
    same. Of average precision (n = 40 and 120) it covered 91 and 92 in 100: a little narrow.
    ``centred`` moves the interval by how far the resamples lie from the score on average.
    V-measure needs that: a resample repeats items, which looks like agreement, so plain intervals
    lie too high. Simulated with 100 items in five clusters they covered the score expected of 100
    items 48 to 87 times in 100, BCa 29 to 77, centred 83 to 99.

    Args:
        statistic: such as :func:`mean`, :func:`spearman` or :func:`v_measure`.
        items: the statistic's arrays, (n,) each; items are drawn whole.
        n_resamples: draws of n items with replacement.
        seed: of the draws; the same seed draws the same items.
        centred: whether to take out the bias that resampling brings.

    Returns:
        Low and high; NaN where there are fewer than two items or no resample has a score. Items
        that all score the same give an interval without width: nothing else was seen.
    """
    scores = resampled(statistic, *items, n_resamples=n_resamples, seed=seed)
    if not np.isfinite(scores).any():
        return np.nan, np.nan
    if not centred:
        return ends(scores)
    shift = float(np.mean(scores[np.isfinite(scores)])) - float(statistic(*items))
    low, high = ends(scores)
    return float(low - shift), float(high - shift)


def paired_interval(
    statistic: Statistic,
    before: Sequence[npt.ArrayLike],
    after: Sequence[npt.ArrayLike],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """As :func:`interval`, of ``statistic(*after) - statistic(*before)``.

    Every resample draws the same items on both sides, so that what makes an item hard cancels. So
    does most of V-measure's bias, which is why nothing is centred here: simulated as above, the
    interval covered the difference 91 to 100 times in 100.

    Args:
        before: the statistic's arrays (n,).
        after: the same of the same items in the same order.
    """
    split = len(before)

    def difference(*both: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
        return statistic(*both[split:], draws=draws) - statistic(*both[:split], draws=draws)

    return interval(difference, *before, *after, n_resamples=n_resamples, seed=seed)


def ends(scores: Float64Array) -> tuple[float, float]:
    """The percentile ends of a 95 % interval: of the resamples (b,) that have a score; or NaN."""
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return np.nan, np.nan
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def resampled(
    statistic: Statistic, *items: npt.ArrayLike, n_resamples: int = 1000, seed: int = 0
) -> Float64Array:
    """The score of each resample, (b,), NaN where one has none; empty below two items.

    The same seed draws the same items, so that the resamples of two designs can be subtracted. The
    draws are those of :func:`scipy.stats.bootstrap` with the same seed. That function cannot be
    used itself: it warns of a degenerate distribution as soon as one resample has no score.
    """
    arrays = [np.asarray(side) for side in items]
    n = len(arrays[0])
    if n < 2 or n_resamples < 1:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    most = max(1, _BLOCK // n)
    parts = []
    for start in range(0, n_resamples, most):
        size = min(most, n_resamples - start)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        draws = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).T
        parts.append(statistic(*arrays, draws=draws.astype(np.float64)))
    return np.concatenate(parts)
